"""How ``attention/decode_ring.cu`` is cut and launched: rounds in the ring, and as many blocks as run at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchsuite.benchmarks._paged_cuda import QUANTISED, RESERVED, TOKENS, WARPS, counts, few_rows, kind, tensor
from benchsuite.model import ArraySpec, Case, CudaKernel, Cut, Device, Launch, Source, TensorMap, Tunable, cut
from benchsuite.units import dtype

ROUND = WARPS * TOKENS
"""Tokens that the four warps of a block take at a time."""
LINE, PATTERN = 128, 1024
"""Bytes of a token in a box of the copy engine, at most; what aligning the ring takes."""
MOST_STAGES, LEAST_STAGES = 8, 2
BLOCKS = 2
"""Of a processor: while the warps of one put results together, those of the other read."""
KERNEL = "attention/decode_ring.cu"


def ring_serves(case: Case) -> bool:
    """Queries in 16 rows, and of 8-bit caches scales a page: one factor for the tile of a warp."""
    return few_rows(case) and (case.text("kv") not in QUANTISED or case.text("scales") == "page")


def row(case: Case) -> int:
    """Bytes of a token."""
    return case.integer("head_dim") * dtype(case.text("kv")).bytes


def shared(case: Case, stages: int) -> int:
    """Bytes of a block's shared memory: ring, result, every warp's maxima and sums and those of all, barriers."""
    left = 4 * TOKENS * (case.integer("head_dim") + 8) + 8 * TOKENS * (WARPS + 1)
    return PATTERN + stages * (2 * ROUND * row(case) + 32) + left + 8


def stages(case: Case, device: Device, blocks: int) -> int:
    """Rounds in the ring, if so many blocks share a processor."""
    room = (device.shared + RESERVED) // blocks - RESERVED
    return min(MOST_STAGES, (room - shared(case, 0)) // (shared(case, 1) - shared(case, 0)))


def cuts(case: Case, device: Device) -> tuple[Cut, ...]:
    """As full a ring as fits with two blocks a processor; one and three; a round less."""
    found = [(blocks, stages(case, device, blocks)) for blocks in (BLOCKS, 1, 3)]
    found += [(blocks, most - 1) for blocks, most in found]
    fit = [cut(blocks=blocks, stages=most) for blocks, most in found if most >= LEAST_STAGES]
    return tuple(fit) or (cut(blocks=1, stages=LEAST_STAGES),)


def chosen(case: Case, device: Device) -> Mapping[str, int]:
    """The measured cut, or the first."""
    known = cuts(case, device)
    return dict(device.chosen(KERNEL, kind(case), known) or known[0])


def blocks(case: Case, device: Device) -> int:
    """Of the grid: as many as run at a time, and no more than there are rounds."""
    batch, kv_heads, _, _ = counts(case)
    rounds = batch * kv_heads * -(-case.integer("context") // ROUND)
    return max(1, min(rounds, device.processors * chosen(case, device)["blocks"]))


def source(case: Case, device: Device) -> Source:
    """The variant for these element types, pages, and this ring."""
    types = {"KV": case.text("kv").upper(), "IO": case.text("dtype").upper()}
    box = min(case.integer("page"), ROUND)
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
    tokens, box = (batch * width + 1) * kv_heads * page, (line // dtype(kv).bytes, min(page, ROUND))
    maps = tuple(TensorMap(name, kv, (dim, tokens), box, line) for name in "kv")
    scales = ("k_scale", "v_scale") if kv in QUANTISED else (np.uint64(0), np.uint64(0))
    buffers = ("table", "lengths", "o", "partial", "lse", "arrived")
    sizes = (np.int32(value) for value in (batch, kv_heads, group, width, page.bit_length() - 1))
    scale = np.float32(np.log2(np.e) / np.sqrt(dim))
    args = (*maps, "q", *scales, *buffers, *sizes, scale)
    bytes_shared = shared(case, chosen(case, device)["stages"])
    return (Launch("decode_ring", (blocks(case, device), 1, 1), ((WARPS + 1) * 32, 1, 1), args, bytes_shared),)


RING = CudaKernel(
    source,
    launches,
    scratch,
    zeroed=frozenset({"arrived"}),
    archs=frozenset({"sm_90a"}),
    tensor=tensor,
    tunable=Tunable(KERNEL, kind, cuts),
)
