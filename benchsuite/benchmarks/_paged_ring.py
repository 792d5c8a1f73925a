"""How ``attention/decode_ring.cu`` is cut and launched: rounds in the ring, and as many blocks as run at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchsuite.benchmarks._paged_cuda import QUANTISED, RESERVED, TOKENS, counts, few_rows, kind, tensor
from benchsuite.model import ArraySpec, Case, CudaKernel, Cut, Device, Launch, Source, TensorMap, Tunable, cut
from benchsuite.units import dtype

ROUNDS = {64: ((64, 2), (128, 1)), 128: ((128, 1),)}
"""By head_dim: tokens that a block takes at a time, 16 a warp, and blocks of a processor. Five warps take the registers
of eight: at 128 columns, where a thread needs 168, two such blocks do not fit together, and nine warps of one do.
"""
LARGEST_BOX = 64
"""Tokens of one copy, at most: a page."""
LINE, PATTERN = 128, 1024
"""Bytes of a token in a box of the copy engine, at most; what aligning the ring takes."""
MOST_STAGES, LEAST_STAGES = 8, 2
KERNEL = "attention/decode_ring.cu"


def ring_serves(case: Case) -> bool:
    """Queries in 16 rows, and of 8-bit caches scales a page: one factor for the tile of a warp."""
    return few_rows(case) and (case.text("kv") not in QUANTISED or case.text("scales") == "page")


def row(case: Case) -> int:
    """Bytes of a token."""
    return case.integer("head_dim") * dtype(case.text("kv")).bytes


def shared(case: Case, tokens: int, stages: int) -> int:
    """Bytes of a block's shared memory: ring, result, every warp's maxima and sums and those of all, barriers."""
    left = 4 * TOKENS * (case.integer("head_dim") + 8) + 8 * (tokens + TOKENS)
    return PATTERN + stages * (2 * tokens * row(case) + 32) + left + 8


def cuts(case: Case, device: Device) -> tuple[Cut, ...]:
    """As full a ring as fits, and one with a round less."""
    found = []
    for tokens, blocks in ROUNDS[case.integer("head_dim")]:
        room = (device.shared + RESERVED) // blocks - RESERVED
        most = (room - shared(case, tokens, 0)) // (shared(case, tokens, 1) - shared(case, tokens, 0))
        stages = max(LEAST_STAGES, min(MOST_STAGES, most))  # where two do not fit, `CudaKernel.lacks` says so
        found += [
            cut(round=tokens, blocks=blocks, stages=some) for some in (stages, stages - 1) if some >= LEAST_STAGES
        ]
    return tuple(found)


def chosen(case: Case, device: Device) -> Mapping[str, int]:
    """The measured cut, or the first."""
    known = cuts(case, device)
    return dict(device.chosen(KERNEL, kind(case), known) or known[0])


def blocks(case: Case, device: Device) -> int:
    """Of the grid: as many as run at a time, and no more than there are rounds."""
    batch, kv_heads, _, _ = counts(case)
    numbers = chosen(case, device)
    rounds = batch * kv_heads * -(-case.integer("context") // numbers["round"])
    return max(1, min(rounds, device.processors * numbers["blocks"]))


def source(case: Case, device: Device) -> Source:
    """The variant for these element types, pages, and this ring."""
    types = {"KV": case.text("kv").upper(), "IO": case.text("dtype").upper()}
    box = min(case.integer("page"), LARGEST_BOX)
    numbers = {name.upper(): number for name, number in chosen(case, device).items()}
    return Source.of(KERNEL, DIM=case.integer("head_dim"), BOX=box, **types, **numbers)


def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    """Two results of each block and their sums of exponentials; how many have arrived at a context."""
    batch, kv_heads, group, _ = counts(case)
    left = (2 * blocks(case, device), group)
    return {
        "partial": ArraySpec((*left, case.integer("head_dim")), "fp32"),
        "lse": ArraySpec(left, "fp32"),
        "arrived": ArraySpec((batch, kv_heads), "uint32"),
    }


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One, of as many blocks as run at a time."""
    batch, kv_heads, group, width = counts(case)
    kv, dim, page = case.text("kv"), case.integer("head_dim"), case.integer("page")
    line = min(LINE, row(case))
    tokens, box = (batch * width + 1) * kv_heads * page, (line // dtype(kv).bytes, min(page, LARGEST_BOX))
    maps = tuple(TensorMap(name, kv, (dim, tokens), box, line) for name in "kv")
    scales = ("k_scale", "v_scale") if kv in QUANTISED else (np.uint64(0), np.uint64(0))
    buffers = ("table", "lengths", "o", "partial", "lse", "arrived")
    sizes = (np.int32(value) for value in (batch, kv_heads, group, width, page.bit_length() - 1))
    scale = np.float32(np.log2(np.e) / np.sqrt(dim))
    args = (*maps, "q", *scales, *buffers, *sizes, scale)
    numbers = chosen(case, device)
    threads, memory = (numbers["round"] // TOKENS + 1) * 32, shared(case, numbers["round"], numbers["stages"])
    return (Launch("decode_ring", (blocks(case, device), 1, 1), (threads, 1, 1), args, memory),)


RING = CudaKernel(
    source,
    launches,
    scratch,
    zeroed=frozenset({"arrived"}),
    archs=frozenset({"sm_90a"}),
    tensor=tensor,
    tunable=Tunable(KERNEL, kind, cuts),
)
