"""How ``attention/decode.cu`` is cut and launched: the ring of a warp, parts of a context, blocks of a processor."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from benchsuite import units
from benchsuite.model import ArraySpec, Case, CudaKernel, Cut, Device, Launch, Source, Tunable, cut

QUANTISED: Mapping[str, float] = {"int8": 32.0, "e4m3": 64.0}
"""Stored numbers of a cache of 8 bits are normal ones times this, and its scales are near the inverse."""
TOKENS, WARPS, MOST_ROWS = 16, 4, 16
"""Of ``attention/decode.cu``: tokens of a tile, warps of a block, queries that can share a KV head."""
RESERVED = 1024
"""Bytes of a processor's shared memory that each block takes for itself."""


def counts(case: Case) -> tuple[int, int, int, int]:
    """Sequences, KV heads, queries that share one, pages of a sequence."""
    kv_heads, page = case.integer("kv_heads"), case.integer("page")
    return case.integer("batch"), kv_heads, case.integer("heads") // kv_heads, -(-case.integer("context") // page)


def few_rows(case: Case) -> bool:
    """Our kernel has 16 rows for the queries that share a KV head."""
    return case.integer("heads") <= MOST_ROWS * case.integer("kv_heads")


def blocks(case: Case, device: Device) -> int:
    """Blocks on a processor: measured, or a third where 8-bit numbers need more warps to be converted and memory has
    room."""
    return dict(chosen(case, device))["blocks"]


def cuts(case: Case, device: Device) -> tuple[Cut, ...]:
    """Blocks of a processor and parts of a context: by arithmetic, the other number of blocks, half and double."""
    batch, kv_heads, group, _ = counts(case)
    rounds = -(-case.integer("context") // (WARPS * TOKENS))
    large = device.shared >= 200 * units.KIB
    found = []
    for count in (3, 2) if large and case.text("kv") in QUANTISED else (2, 3) if large else (2,):
        computed = splits(rounds, batch * kv_heads, device.processors * count, group)
        found += [
            cut(blocks=count, parts=part) for part in (computed, computed * 2, max(1, computed // 2)) if part <= rounds
        ]
    return tuple(dict.fromkeys(found))


def chosen(case: Case, device: Device) -> Cut:
    """The measured cut, or the first."""
    known = cuts(case, device)
    return device.chosen(SPLIT_CUTS.kernel, SPLIT_CUTS.kind(case), known) or known[0]


def kind(case: Case) -> str:
    """Cases that are cut alike: of one kind of cache, with contexts and contexts at a time near one power of two."""
    batch, kv_heads, group, _ = counts(case)
    sizes = {"contexts": batch * kv_heads, "context": case.integer("context")}
    near = " ".join(f"{name}={2 ** round(math.log2(max(1, size)))}" for name, size in sizes.items())
    return f"{case.text('kv')} dim={case.integer('head_dim')} page={case.integer('page')} group={group} {near}"


def ring(case: Case, device: Device) -> tuple[int, int]:
    """Tiles of K and V in a warp's ring, the odd number that fits, and shared bytes of a block."""
    row = case.integer("head_dim") * units.dtype(case.text("kv")).bytes
    slot = TOKENS * row + (max(64, row) if case.text("kv") in QUANTISED else 0)
    room = (device.shared + RESERVED) // blocks(case, device) - RESERVED
    slots = (room // (WARPS * slot) - 1) | 1
    return slots, slots * WARPS * slot


def splits(rounds: int, groups: int, resident: int, rows: int) -> int:
    """Parts of each context, so that the blocks fill the device and merging costs little.

    rounds: tiles for all warps of a block in a context; groups: sequences times KV heads; resident: blocks
    that run at once; rows: queries of a group. Unit of time: one round of a block. A wave of blocks takes its
    rounds and about one more to start and to leave its result; the last block of a group then
    reads ``rows`` results of each part: 512 bytes against the 32 KiB of a round, but alone.
    """

    def cost(parts: int) -> float:
        waves = -(-groups * parts // resident)
        merging = 1.0 + parts * rows / 250 if parts > 1 else 0.0
        return waves * (-(-rounds // parts) + 1.0) + merging

    return min(range(1, max(1, rounds) + 1), key=cost)


def parts(case: Case, device: Device) -> int:
    """Of each context: measured, or ``splits`` of this case on this device."""
    return dict(chosen(case, device))["parts"]


def source(case: Case, device: Device) -> Source:
    """The variant for these element types and this much shared memory."""
    kv, io = case.text("kv").upper(), case.text("dtype").upper()
    slots, _ = ring(case, device)
    variant = {"DIM": case.integer("head_dim"), "WARPS": WARPS, "SLOTS": slots, "BLOCKS": blocks(case, device)}
    return Source.of("attention/decode.cu", KV=kv, IO=io, **variant)


def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    """The parts' results, their sums of exponentials, and how many have arrived."""
    batch, kv_heads, group, _ = counts(case)
    shape = (batch, kv_heads, parts(case, device), group)
    return {
        "partial": ArraySpec((*shape, case.integer("head_dim")), "fp32"),
        "lse": ArraySpec(shape, "fp32"),
        "arrived": ArraySpec((batch, kv_heads), "uint32"),
    }


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One: a block for every part, KV head and sequence."""
    batch, kv_heads, group, width = counts(case)
    scales = ("k_scale", "v_scale") if case.text("kv") in QUANTISED else (np.uint64(0), np.uint64(0))
    buffers = ("table", "lengths", "o", "partial", "lse", "arrived")
    shift = case.integer("page").bit_length() - 1
    of_scales = shift if case.text("scales") == "page" else 0
    sizes = (np.int32(group), np.int32(width), np.int32(shift), np.int32(of_scales))
    scale = np.float32(np.log2(np.e) / np.sqrt(case.integer("head_dim")))
    grid = (parts(case, device), kv_heads, batch)
    args = ("q", "k", "v", *scales, *buffers, *sizes, scale)
    return (Launch("decode", grid, (WARPS * 32, 1, 1), args, ring(case, device)[1]),)


def tensor(case: Case) -> str:
    """8-bit caches are multiplied as fp16."""
    return "HMMA.16816.F32.BF16" if case.text("kv") == "bf16" else "HMMA.16816.F32"


SPLIT_CUTS = Tunable("attention/decode.cu", kind, cuts)
SPLIT = CudaKernel(source, launches, scratch, zeroed=frozenset({"arrived"}), tensor=tensor, tunable=SPLIT_CUTS)
