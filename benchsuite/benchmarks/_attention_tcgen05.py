"""How ``attention/tcgen05.cu`` is launched, for datacenter Blackwell.

No B200 has run it: what is chosen here is chosen by arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from benchsuite.model import Arg, Case, CudaKernel, Device, Launch, Source, TensorMap

TILES, ROWS, KEYS, THREADS = 2, 128, 128, 384
"""Tiles of queries of a block, rows of each, keys of a step; a warpgroup a tile, and one that loads and multiplies."""
LINE, PATTERN, BARRIERS = 128, 1024, 96
"""Bytes: of a line that the copy engine swizzles, what aligning takes, the tiles' barriers and a word."""
STAGES: Mapping[int, int] = {64: 8, 128: 5}
"""Tiles of k or v in shared memory, by head dimension."""
SERVED = frozenset({"bf16", "fp16"})


def serves(case: Case) -> bool:
    """16-bit types; scores and sums of wider heads do not fit into tensor memory for two tiles."""
    return case.text("dtype") in SERVED and case.integer("head_dim") in STAGES


def source(case: Case, device: Device) -> Source:
    """``attention/tcgen05.cu`` for this type and head dimension."""
    dim = case.integer("head_dim")
    return Source.of("attention/tcgen05.cu", TYPE=case.text("dtype"), HEAD_DIM=dim, STAGES=STAGES[dim])


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """As many blocks as run at a time, or as there are pairs of tiles."""
    batch, seq, dim, dtype = case.integer("batch"), case.integer("seq"), case.integer("head_dim"), case.text("dtype")
    heads, kv_heads, wide = batch * case.integer("heads"), batch * case.integer("kv_heads"), LINE // 2
    maps = (
        TensorMap("q", dtype, (dim, seq, heads), (wide, ROWS, 1), LINE),
        TensorMap("k", dtype, (dim, seq, kv_heads), (wide, KEYS, 1), LINE),
        TensorMap("v", dtype, (dim, seq, kv_heads), (wide, KEYS, 1), LINE),
        TensorMap("o", dtype, (dim, seq, heads), (wide, 32, 1), LINE),
    )
    words = tuple(np.int32(value) for value in (heads, heads // kv_heads, seq, int(case.flag("causal"))))
    shared = (TILES + STAGES[dim]) * ROWS * dim * 2 + 16 * STAGES[dim] + BARRIERS + PATTERN
    blocks = min(device.processors, heads * -(-seq // (TILES * ROWS)))
    args: tuple[Arg, ...] = (*maps, *words, np.float32(math.log2(math.e) / math.sqrt(dim)))
    return (Launch("attention", (blocks, 1, 1), (THREADS, 1, 1), args, shared),)


KERNEL = CudaKernel(source, launches, archs=frozenset({"sm_100a"}), tensor=lambda case: "UTCHMMA")
