"""How our GEMM kernels are cut and launched: block tiles, stages, the split of k; by architecture, type and shape.

A tile is chosen by arithmetic where nothing was measured (``_gemm_cut``): the busiest processor should have the least
to multiply, and of equals the larger tile moves fewer bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from benchsuite import units
from benchsuite.benchmarks._gemm_cut import WARP, Cut, Tile, choose, element, kind, measured, ranked, shape
from benchsuite.model import (
    TYPICAL,
    ArraySpec,
    Case,
    CudaKernel,
    Device,
    Launch,
    Source,
    TensorMap,
    Tunable,
    cut,
)

TENSOR = {
    "bf16": "HMMA.16816.F32.BF16",
    "fp16": "HMMA.16816.F32",
    "tf32": "HMMA.1688.F32.TF32",
    "int8": "IMMA.16832.S8.S8",
    "e4m3": "QMMA.16832.F32.E4M3.E4M3",
    "e4m3_scaled": "QMMA.SF.16832.F32.E4M3.E4M3.E8",
    "fp64": "DMMA",
    "fp32": "FFMA",
}
"""The instruction of each element type, as nvdisasm writes it; ``e4m3_scaled``: by block scales, all of them 1."""


ROOM = 160 * 1024
"""Bytes of shared memory that a block of sm_80, sm_90 and sm_100 may have; the others may have 99 KiB."""
TENSOR_AREA, DOUBLE_AREA, SINGLE_AREA = 64, 16, 8
"""Elements of a tile that a processor of an A100 multiplies by 32 bytes of k in one clock: on tensor cores (one mma of
16 x 8 every 2 clocks), on those of fp64 (64 multiply-adds of 4 k a clock), in fp32 (64, of 8 k)."""


def aligned(case: Case) -> bool:
    """Whether the rows of A and B are multiples of 16 bytes, so that they can be copied in pieces of 16."""
    _, n, k = shape(case)
    return k * element(case) % 16 == 0 and (case.text("layout") == "nt" or n * element(case) % 16 == 0)


def mma_tiles(device: Device) -> tuple[Tile, ...]:
    """Tiles of ``gemm/mma.cu``, the largest first: two for large matrices, one each for m <= 64 and m <= 16.

    Warps of 64 x 64 (4 mma a ldmatrix). The first fills the registers with eight warps. With 160 KiB a stage is
    128 bytes of k, 4 mma steps between barriers; with 99 KiB it is 64 bytes.
    """
    small = Tile(64, 128, 32, 64, depth=128, stages=3), Tile(16, 128, 16, 32, depth=128, stages=4)
    if device.shared < ROOM:
        return Tile(128, 256, 64, 64, 64, 4), Tile(128, 128, 64, 64, 64, 3, blocks=2), *small
    stages = 3 if device.generation == 80 else 4
    return Tile(128, 256, 64, 64, 128, stages), Tile(128, 128, 64, 64, 64, 4, blocks=2), *small


def mma_cut(case: Case, device: Device) -> Cut:
    """The tile and split of a case on tensor cores with 8 to 32-bit elements."""
    return measured("gemm/mma.cu", case, device, {one.numbers: one for one in mma_cuts(case, device)})


def mma_cuts(case: Case, device: Device) -> list[Cut]:
    """What may be tried, the choice by arithmetic first."""
    large, medium, low, lowest = mma_tiles(device)
    if not aligned(case):
        return [Cut(medium)]  # element by element: nothing to be tuned
    m = case.integer("m")
    tiles = (lowest,) if m <= lowest.rows else (low,) if m <= low.rows else (large, medium, low)
    return ranked(tiles, case, device, TENSOR_AREA)


def _flags(case: Case) -> dict[str, int]:
    return {"NN": int(case.text("layout") == "nn"), "ALIGNED": int(aligned(case))}


def _sizes(case: Case) -> tuple[np.int32, np.int32, np.int32]:
    m, n, k = shape(case)
    return np.int32(m), np.int32(n), np.int32(k)


# ---------------------------------------------------------------- gemm/mma.cu


def mma_source(case: Case, device: Device, scaled: bool = False) -> Source:
    """``gemm/mma.cu`` for this type, layout and tile."""
    tile = mma_cut(case, device).tile
    sizes = {"BM": tile.rows, "BN": tile.columns, "WM": tile.warp_rows, "WN": tile.warp_columns, "BK": tile.depth}
    flags = {"STAGES": tile.stages, "BLOCKS": tile.blocks, **_flags(case)}
    return Source.of("gemm/mma.cu", TYPE=case.text("dtype") + "_scaled" * scaled, **sizes, **flags)


def mma_launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch: tiles of C times splits of k."""
    m, n, _ = shape(case)
    chosen = mma_cut(case, device)
    grid = (chosen.tile.count(m, n), chosen.splits, 1)
    args = ("a", "b", "c", "partial", "tickets", *_sizes(case), np.int32(chosen.splits))
    return (Launch("gemm", grid, (chosen.tile.threads, 1, 1), args, chosen.tile.shared),)


def mma_scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    """``partial``: every split's sums of 4 bytes, in the order of threads; ``tickets``: splits done, a tile."""
    m, n, _ = shape(case)
    chosen = mma_cut(case, device)
    tiles, tile = chosen.tile.count(m, n), chosen.tile
    sums = tiles * chosen.splits * tile.rows * tile.columns if chosen.splits > 1 else 4
    return {"partial": ArraySpec((sums,), "fp32"), "tickets": ArraySpec((tiles,), "uint32")}


# ---------------------------------------------------------------- gemm/fp64.cu, gemm/simt.cu


def dmma_cut(case: Case, device: Device) -> Cut:
    """128 x 128 by eight warps of 64 x 32, whose sums are half of all registers; 64 x 64 for small matrices."""
    stages = 3 if device.shared < ROOM else 4
    tiles = Tile(128, 128, 64, 32, 128, stages), Tile(64, 64, 32, 32, 128, stages)
    return choose(tiles, case, device, DOUBLE_AREA * (2 if device.generation == 90 else 1), most=1)


def dmma_source(case: Case, device: Device) -> Source:
    """``gemm/fp64.cu`` for this layout and tile."""
    tile = dmma_cut(case, device).tile
    sizes = {"BM": tile.rows, "BN": tile.columns, "WM": tile.warp_rows, "WN": tile.warp_columns}
    return Source.of("gemm/fp64.cu", STAGES=tile.stages, **sizes, **_flags(case))


def dmma_launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch: tiles of C."""
    return _plain(case, dmma_cut(case, device).tile)


def simt_cut(case: Case, device: Device) -> Cut:
    """128 x 256 by eight warps of 32 x 128, 8 x 16 a thread; 128 x 128 by four for small matrices.

    Not less: four warps keep the four schedulers busy, and fewer would not end sooner.
    """
    tiles = Tile(128, 256, 32, 128, 64, 4), Tile(128, 128, 32, 128, 64, 3, blocks=2)
    return choose(tiles, case, device, SINGLE_AREA, most=1)


def simt_source(case: Case, device: Device) -> Source:
    """``gemm/simt.cu`` for this layout and tile."""
    tile = simt_cut(case, device).tile
    warps = {"WARPS_M": tile.rows // tile.warp_rows, "WARPS_N": tile.columns // tile.warp_columns}
    return Source.of("gemm/simt.cu", STAGES=tile.stages, BLOCKS=tile.blocks, **warps, **_flags(case))


def simt_launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch: tiles of C."""
    return _plain(case, simt_cut(case, device).tile)


def _plain(case: Case, tile: Tile) -> tuple[Launch, ...]:
    m, n, _ = shape(case)
    args = ("a", "b", "c", *_sizes(case))
    return (Launch("gemm", (tile.count(m, n), 1, 1), (tile.threads, 1, 1), args, tile.shared),)


# ---------------------------------------------------------------- gemm/wgmma.cu

WARPGROUP = 4 * WARP
WGMMA_AREA = 128
"""As ``TENSOR_AREA``, by wgmma: 2048 multiply-adds of bf16 a clock, 16 of k in 32 bytes."""
SWIZZLE = 128
"""Bytes of k in a stage, and of a row in everything that the copy engine moves."""
RESULTS, BARRIERS, PATTERN = 32 * 1024, 16, 1024
"""Bytes of shared memory beside the stages: results on their way out, two barriers a stage, what aligning takes."""
MOST_WASTED = 1 / 16
"""Of the rows of tiles, how much may be computed in vain so that blocks can go in pairs."""
WGMMA_TILES = Tile(128, 256, 16, 256, SWIZZLE, 4), Tile(128, 128, 16, 128, SWIZZLE, 6)
"""Two warpgroups each: 128 sums a thread for large matrices, 64 for more tiles. Stages of 192 KiB in all.

No smaller one: wgmma takes 64 rows at least, and with 64 columns shared memory would bound it (128 B a clock).
"""
WGMMA_TENSOR = {
    "bf16": "HGMMA.64x{}x16.F32.BF16",
    "fp16": "HGMMA.64x{}x16.F32",
    "tf32": "HGMMA.64x{}x8.F32.TF32",
    "int8": "IGMMA.64x{}x32.S8.S8",
    "e4m3": "QGMMA.64x{}x32.F32.E4M3.E4M3",
}
WIDER = {"tf32": "fp32", "int8": "int32", "e4m3": "bf16"}
"""The element type of C where it is not that of A and B."""


def wgmma_serves(case: Case) -> bool:
    """Whether wgmma multiplies the case: its type, B along k or of 2 bytes, rows of 16 bytes for the copy engine."""
    _, n, _ = shape(case)
    known = case.text("dtype") in WGMMA_TENSOR and (case.text("layout") == "nt" or element(case) == 2)
    return known and aligned(case) and n * _result(case) % 16 == 0


def wgmma_cut(case: Case, device: Device) -> tuple[Tile, int]:
    """The tile, and how many blocks of a cluster share B."""
    cuts = {cut(columns=tile.columns, stages=tile.stages, cluster=n): (tile, n) for tile, n in wgmma_cuts(case, device)}
    return measured("gemm/wgmma.cu", case, device, cuts)


def wgmma_cuts(case: Case, device: Device) -> list[tuple[Tile, int]]:
    """What may be tried: the tile that keeps the busiest processor the fewest clocks first, with pairs of blocks unless
    the second would often find no rows; then both tiles with and without pairs, and with a stage or two less.
    """
    down = -(-case.integer("m") // WGMMA_TILES[0].rows)
    pairs = (2, 1) if down % 2 <= MOST_WASTED * down else (1, 2)
    first = choose(WGMMA_TILES, case, device, WGMMA_AREA, most=1).tile
    tiles = sorted(WGMMA_TILES, key=lambda tile: tile != first)
    fewer = [replace(tile, stages=tile.stages - less) for less in (0, 1, 2) for tile in tiles if tile.stages - less > 2]
    return [(tile, blocks) for tile in fewer for blocks in pairs]


def promoted_cut(case: Case, device: Device) -> tuple[Tile, int]:
    """The tile whose sums fit into the registers twice."""
    small = WGMMA_TILES[1]
    return next((tile, blocks) for tile, blocks in wgmma_cuts(case, device) if tile == small)


def wgmma_source(case: Case, device: Device, promote: int = 0) -> Source:
    """``gemm/wgmma.cu`` for this type, layout, tile and cluster."""
    tile, cluster = promoted_cut(case, device) if promote else wgmma_cut(case, device)
    flags = {"NN": int(case.text("layout") == "nn"), "CLUSTER": cluster, "PROMOTE": promote}
    return Source.of("gemm/wgmma.cu", TYPE=case.text("dtype"), BN=tile.columns, STAGES=tile.stages, **flags)


def wgmma_launches(case: Case, device: Device, promote: int = 0) -> tuple[Launch, ...]:
    """One launch of as many clusters as run at a time, or as there are tiles for."""
    m, n, k = shape(case)
    dtype, (tile, cluster) = case.text("dtype"), promoted_cut(case, device) if promote else wgmma_cut(case, device)
    wide, box = SWIZZLE // element(case), SWIZZLE // _result(case)
    along = TensorMap("b", dtype, (k, n), (wide, tile.columns // cluster), SWIZZLE)
    maps = (
        TensorMap("a", dtype, (k, m), (wide, tile.rows), SWIZZLE),
        TensorMap("b", dtype, (n, k), (wide, wide), SWIZZLE) if case.text("layout") == "nn" else along,
        TensorMap("c", WIDER.get(dtype, dtype), (n, m), (box, WARPGROUP // 2), SWIZZLE),
    )
    tiles = -(-m // (tile.rows * cluster)) * -(-n // tile.columns)
    blocks = cluster * min(tiles, max(1, device.processors // cluster))
    shared = tile.shared + RESULTS + BARRIERS * tile.stages + PATTERN
    return (Launch("gemm", (blocks, 1, 1), (tile.threads + WARPGROUP, 1, 1), (*maps, *_sizes(case)), shared),)


def wgmma_tensor(case: Case) -> str:
    """The instruction that multiplies, as wide as the tile."""
    return WGMMA_TENSOR[case.text("dtype")].format(wgmma_cut(case, TYPICAL["sm_90a"])[0].columns)


def _result(case: Case) -> int:
    return units.dtype(WIDER.get(case.text("dtype"), case.text("dtype"))).bytes


def tensor(case: Case) -> str:
    """The instruction that multiplies."""
    return TENSOR[case.text("dtype")]


TICKETS = frozenset({"tickets"})
MMA_CUTS = Tunable("gemm/mma.cu", kind, lambda case, device: tuple(one.numbers for one in mma_cuts(case, device)))
MMA = CudaKernel(mma_source, mma_launches, mma_scratch, TICKETS, tensor=tensor, tunable=MMA_CUTS)
MMA_FP8 = replace(MMA, archs=frozenset({"sm_89", "sm_120a"}))
MMA_SCALED = replace(
    MMA,
    source=partial(mma_source, scaled=True),
    archs=frozenset({"sm_120a"}),
    tensor=lambda case: TENSOR["e4m3_scaled"],
    tunable=None,  # it is cut as MMA_FP8 is
)
"""e4m3 on GeForce Blackwell, where the block-scaled instruction has twice the rate of the plain one."""
WGMMA_CUTS = Tunable(
    "gemm/wgmma.cu",
    kind,
    lambda case, device: tuple(
        cut(columns=tile.columns, stages=tile.stages, cluster=n) for tile, n in wgmma_cuts(case, device)
    ),
)
WGMMA = CudaKernel(wgmma_source, wgmma_launches, archs=frozenset({"sm_90a"}), tensor=wgmma_tensor, tunable=WGMMA_CUTS)
WGMMA_PROMOTED = replace(
    WGMMA,
    source=partial(wgmma_source, promote=1),
    launches=partial(wgmma_launches, promote=1),
    tensor=lambda case: WGMMA_TENSOR["e4m3"].format(WGMMA_TILES[1].columns),
    tunable=None,
)
"""e4m3 with sums in float32 registers after every 128 of k, as DeepSeek-V3 adds them (arXiv 2412.19437, 3.3.2)."""
DMMA = CudaKernel(dmma_source, dmma_launches, tensor=tensor)
SIMT = CudaKernel(simt_source, simt_launches, tensor=tensor)
