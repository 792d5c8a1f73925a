"""How Hopper's attention kernel is cut and launched: tiles of keys, consumers, stages; by type and head dimension.

Chosen by arithmetic, not by measurement: what registers and shared memory hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchsuite import units
from benchsuite.model import Arg, ArraySpec, Case, CudaKernel, Device, Launch, Source, TensorMap

WARPGROUP, ROWS = 128, 64
"""Threads of a warpgroup, and queries of a consumer."""
SWIZZLE = 128
"""Bytes of the longest line that the copy engine swizzles."""
PATTERN, BARRIER, TICKET = 1024, 8, 4
"""Bytes of shared memory: what aligning takes, a barrier, a ticket."""
SLICE = 32
"""Keys that a thread of ``transpose`` takes: its pitch is a multiple of it."""


@dataclass(frozen=True, slots=True)
class Tile:
    """``keys`` of a step, ``consumers`` of 64 queries each, ``stages`` of k and v."""

    keys: int
    consumers: int
    stages: int


TILES: Mapping[tuple[int, int, bool], Tile] = {
    (2, 64, False): Tile(128, 3, 4),
    (2, 64, True): Tile(128, 3, 4),
    (2, 128, False): Tile(176, 2, 2),
    (2, 128, True): Tile(128, 2, 3),
    (2, 256, False): Tile(80, 2, 2),
    (2, 256, True): Tile(80, 2, 2),
    (1, 64, False): Tile(128, 3, 4),
    (1, 64, True): Tile(128, 3, 4),
    (1, 128, False): Tile(128, 2, 4),
    (1, 128, True): Tile(128, 2, 4),
    (1, 256, False): Tile(128, 2, 2),
    (1, 256, True): Tile(128, 2, 2),
}
"""By bytes of an element, head dimension, and whether a token sees only what came before.

Three consumers where o is narrow: 192 queries share what is read of k and v, and softmax, which takes as long as the
products there, has two others to hide behind. More keys a step read less of q and meet at fewer barriers: 176 are what
two stages leave room for at 128 columns, 80 at 256. Where the diagonal cuts tiles, half of one is computed in vain:
128. Tiles of e4m3 are 128 keys, a line of v^T.
"""
TENSOR = {"bf16": "HGMMA.64x{}x16.F32.BF16", "fp16": "HGMMA.64x{}x16.F32", "e4m3": "QGMMA.64x{}x32.F32.E4M3.E4M3"}


def result(dtype: str) -> str:
    """The element type of o: fp8 would round what was computed more finely."""
    return "bf16" if dtype == "e4m3" else dtype


def serves(case: Case) -> bool:
    """Types that wgmma multiplies with float32 sums."""
    return case.text("dtype") in TENSOR


def tile(case: Case) -> Tile:
    """How this case is cut."""
    return TILES[units.dtype(case.text("dtype")).bytes, case.integer("head_dim"), case.flag("causal")]


def source(case: Case, device: Device) -> Source:
    """``attention/wgmma.cu`` for this type, head dimension and tile."""
    cut = tile(case)
    sizes = {"BN": cut.keys, "CONSUMERS": cut.consumers, "STAGES": cut.stages}
    return Source.of("attention/wgmma.cu", TYPE=case.text("dtype"), HEAD_DIM=case.integer("head_dim"), **sizes)


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """As many blocks as run at a time, or as there are tiles for; e4m3 has its values transposed before."""
    (batch, seq, dim), cut = (case.integer(name) for name in ("batch", "seq", "head_dim")), tile(case)
    heads, kv_heads = batch * case.integer("heads"), batch * case.integer("kv_heads")
    row = dim * units.dtype(case.text("dtype")).bytes
    group = heads // kv_heads
    together = min(heads, group * max(1, device.l2 // 2 // (2 * seq * row)))
    words = _words(heads, group, seq, int(case.flag("causal")), together)
    scale = np.float32(math.log2(math.e) / math.sqrt(dim))
    args: tuple[Arg, ...] = (*_maps(case, cut, heads, kv_heads), "tickets", *words, scale)
    blocks = min(device.processors, heads * -(-seq // (cut.consumers * ROWS)))
    threads, shared = (1 + cut.consumers) * WARPGROUP, shared_memory(cut, dim, row)
    attention = Launch("attention", (blocks, 1, 1), (threads, 1, 1), args, shared)
    return (*_transposed(case, kv_heads), attention)


def _maps(case: Case, cut: Tile, heads: int, kv_heads: int) -> tuple[TensorMap, ...]:
    """Of q, k, v (or v^T) and o: a row of matrices each, of which a box never leaves one."""
    dtype, seq, dim = case.text("dtype"), case.integer("seq"), case.integer("head_dim")
    line = min(SWIZZLE, dim * units.dtype(dtype).bytes)
    wide = line // units.dtype(dtype).bytes
    across = TensorMap("vt", dtype, (_pitch(seq), dim, kv_heads), (SWIZZLE, dim, 1), SWIZZLE)
    values = TensorMap("v", dtype, (dim, seq, kv_heads), (wide, cut.keys, 1), line)
    return (
        TensorMap("q", dtype, (dim, seq, heads), (wide, ROWS, 1), line),
        replace(values, buffer="k"),
        across if dtype == "e4m3" else values,
        TensorMap("o", result(dtype), (dim, seq, heads), (SWIZZLE // 2, ROWS, 1), SWIZZLE),
    )


def _transposed(case: Case, kv_heads: int) -> tuple[Launch, ...]:
    """What wgmma needs of e4m3: v^T, 4 columns of 32 keys a thread."""
    if case.text("dtype") != "e4m3":
        return ()
    seq = case.integer("seq")
    blocks = -(-(_pitch(seq) // SLICE * case.integer("head_dim") // 4) // WARPGROUP)
    return (Launch("transpose", (blocks, kv_heads, 1), (WARPGROUP, 1, 1), ("v", "vt", *_words(seq, _pitch(seq)))),)


def shared_memory(cut: Tile, dim: int, row: int) -> int:
    """Bytes: a place for q, and then o, of each consumer; the rings of k and v; barriers and tickets."""
    places, rings = cut.consumers * ROWS * dim * 2, 2 * cut.stages * cut.keys * row
    barriers, tickets = 4 * cut.stages + 2 * (cut.consumers + 1), cut.consumers + 1
    return PATTERN + places + rings + BARRIER * barriers + TICKET * tickets


def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    """``tickets``: sold, and blocks that have ended; ``vt``: the values of e4m3, transposed."""
    tickets = {"tickets": ArraySpec((2,), "uint32")}
    if case.text("dtype") != "e4m3":
        return tickets
    heads, dim = case.integer("batch") * case.integer("kv_heads"), case.integer("head_dim")
    return {**tickets, "vt": ArraySpec((heads, dim, _pitch(case.integer("seq"))), "e4m3")}


def tensor(case: Case) -> str:
    """The two instructions that multiply: scores as wide as a tile of keys, sums as wide as the head."""
    name = TENSOR[case.text("dtype")]
    return " ".join(dict.fromkeys(name.format(wide) for wide in (tile(case).keys, case.integer("head_dim"))))


def _pitch(seq: int) -> int:
    """Keys of a row of v^T, those included that pad it."""
    return -(-seq // SLICE) * SLICE


def _words(*values: int) -> tuple[np.int32, ...]:
    return tuple(np.int32(value) for value in values)


KERNEL = CudaKernel(source, launches, scratch, frozenset({"tickets"}), frozenset({"sm_90a"}), tensor)
