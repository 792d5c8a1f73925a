"""How ``gemm/tcgen05.cu`` and ``gemm/tcgen05_blockscale.cu`` are cut and launched, for datacenter Blackwell.

No B200 has run it: what is chosen here is chosen by arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from benchsuite import units
from benchsuite.benchmarks._gemm_cuda import PATTERN, RESULTS, SWIZZLE, WIDER, wgmma_serves
from benchsuite.benchmarks._gemm_cut import EXPOSED, shape
from benchsuite.benchmarks._gemm_formats import FORMATS, GROUP_BLOCKS, GROUP_BYTES, GROUP_ROWS
from benchsuite.model import TYPICAL, Case, CudaKernel, Device, Launch, Source, TensorMap

ROWS = 128
"""Of a block's tile: one for each lane of tensor memory."""
THREADS = 192
AREA = 256
"""Elements of a tile that a processor multiplies by 32 bytes of k in one clock: 4096 multiply-adds of bf16, 16 of k."""
CACHE = 64
"""Bytes a clock that a processor is assumed to get from the second-level cache."""
STORED = 32
"""Bytes of a result a clock that a block moves out of tensor memory, of which only the last tile's are waited for."""
BARRIERS = 64
"""Bytes of shared memory for the barriers of the sums and the address of tensor memory; 16 more for each stage."""
INSTRUCTION = {"bf16": "UTCHMMA", "fp16": "UTCHMMA", "tf32": "UTCHMMA", "int8": "UTCIMMA", "e4m3": "UTCQMMA"}
"""What nvdisasm calls each type's, followed by ``.2CTA`` for a pair."""


@dataclass(frozen=True, slots=True)
class Tile:
    """What ``pair`` blocks compute together: ``pair`` x 128 rows by ``columns``, in ``stages`` of 128 bytes of k."""

    pair: int
    columns: int
    stages: int

    @property
    def shared(self) -> int:
        """Bytes of shared memory of a block."""
        stage = (ROWS + self.columns // self.pair) * SWIZZLE
        return self.stages * (stage + 16) + RESULTS + PATTERN + BARRIERS

    def count(self, m: int, n: int) -> int:
        """Tiles of C."""
        return -(-m // (ROWS * self.pair)) * -(-n // self.columns)


TILES = Tile(2, 256, 6), Tile(2, 128, 8), Tile(1, 128, 6)
"""The largest first; 192 KiB of stages each. A block alone reads 128 + 128 rows for what a pair reads 128 + 64."""


def tile_of(case: Case, device: Device) -> Tile:
    """The tile that keeps the busiest processor the fewest clocks; of equals the first, which moves the fewest bytes.

    A tile takes the longer of multiplying and of reading, and little more; the last one must also be stored.
    """
    m, n, k = shape(case)
    steps = -(-k * _bytes(case) // 32)

    def clocks(tile: Tile) -> float:
        multiplying, reading = ROWS * tile.columns / AREA, (ROWS + tile.columns // tile.pair) * 32 / CACHE
        shorter, longer = sorted((multiplying, reading))
        rounds = -(-tile.count(m, n) // max(1, device.processors // tile.pair))
        return rounds * steps * (longer + EXPOSED * shorter) + ROWS * tile.columns * _bytes(case, WIDER) / STORED

    return min(TILES, key=clocks)


def source(case: Case, device: Device) -> Source:
    """``gemm/tcgen05.cu`` for this type, layout and tile."""
    tile = tile_of(case, device)
    flags = {"NN": int(case.text("layout") == "nn"), "PAIR": tile.pair}
    return Source.of("gemm/tcgen05.cu", TYPE=case.text("dtype"), BN=tile.columns, STAGES=tile.stages, **flags)


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch of as many pairs (or blocks alone) as run at a time, or as there are tiles for."""
    m, n, k = shape(case)
    dtype, tile = case.text("dtype"), tile_of(case, device)
    wide, box = SWIZZLE // _bytes(case), SWIZZLE // _bytes(case, WIDER)
    along = TensorMap("b", dtype, (k, n), (wide, tile.columns // tile.pair), SWIZZLE)
    maps = (
        TensorMap("a", dtype, (k, m), (wide, ROWS), SWIZZLE),
        TensorMap("b", dtype, (n, k), (wide, wide), SWIZZLE) if case.text("layout") == "nn" else along,
        TensorMap("c", WIDER.get(dtype, dtype), (n, m), (box, 32), SWIZZLE),
    )
    blocks = tile.pair * min(tile.count(m, n), max(1, device.processors // tile.pair))
    return (Launch("gemm", (blocks, 1, 1), (THREADS, 1, 1), (*maps, *map(np.int32, (m, n, k))), tile.shared),)


def tensor(case: Case) -> str:
    """The instruction that multiplies."""
    pair = tile_of(case, TYPICAL["sm_100a"]).pair
    return INSTRUCTION[case.text("dtype")] + ".2CTA" * (pair == 2)


def _bytes(case: Case, instead: Mapping[str, str] = MappingProxyType({})) -> int:
    """Bytes of an element of A and B; or of C, whose type is ``instead`` of theirs."""
    dtype = case.text("dtype")
    return units.dtype(instead.get(dtype, dtype)).bytes


# ---------------------------------------------------------------- gemm/tcgen05_blockscale.cu

PAIR, COLUMNS, STAGES = 2, 256, 5
"""The one tile of block-scaled products: 256 x 256 of two blocks."""
SCALED = {"mxfp8": "UTCQMMA.2CTA", "nvfp4": "UTCOMMA.2CTA.4X"}


def scaled_source(case: Case, device: Device) -> Source:
    """``gemm/tcgen05_blockscale.cu`` for this format."""
    return Source.of("gemm/tcgen05_blockscale.cu", NVFP4=int(case.text("dtype") == "nvfp4"), STAGES=STAGES)


def scaled_launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch of as many pairs as run at a time, or as there are tiles for. A row of scales is 128 of A or B."""
    (m, n, k), form = shape(case), FORMATS[case.text("dtype")]
    of_stage = SWIZZLE * 8 // form.bits // (form.block * GROUP_BLOCKS)  # groups of scales along k
    words = GROUP_BYTES // 8
    of_k = -(-k // (form.block * GROUP_BLOCKS)) * words
    maps = (
        TensorMap("a", "uint8", (k * form.bits // 8, m), (SWIZZLE, ROWS), SWIZZLE),
        TensorMap("b", "uint8", (k * form.bits // 8, n), (SWIZZLE, COLUMNS // PAIR), SWIZZLE),
        TensorMap("a_scales", "uint64", (of_k, -(-m // GROUP_ROWS)), (of_stage * words, 1), 0),
        TensorMap("b_scales", "uint64", (of_k, -(-n // GROUP_ROWS)), (of_stage * words, COLUMNS // GROUP_ROWS), 0),
        TensorMap("c", "bf16", (n, m), (SWIZZLE // 2, 32), SWIZZLE),
    )
    brought = (ROWS + COLUMNS // PAIR) * SWIZZLE + of_stage * GROUP_BYTES * (1 + COLUMNS // GROUP_ROWS)
    shared = STAGES * (-(-brought // PATTERN) * PATTERN + 16) + RESULTS + PATTERN + BARRIERS
    tiles = -(-m // (ROWS * PAIR)) * -(-n // COLUMNS)
    blocks = PAIR * min(tiles, max(1, device.processors // PAIR))
    args = (*maps, "factors", np.int32(m), np.int32(n), np.int32(k))
    return (Launch("gemm", (blocks, 1, 1), (THREADS, 1, 1), args, shared),)


serves = wgmma_serves
"""What the copy engine can move, B along k or of 2 bytes: as for Hopper."""


def refuses(case: Case, device: Device) -> str:
    """int8 on B300 (10.3), whose tensor cores no longer have it (PTX ISA, ``tcgen05.mma``: target ISA notes)."""
    lost = case.text("dtype") == "int8" and device.capability == (10, 3)
    return f"has no instruction for int8 on {device.name}" if lost else ""


TCGEN05 = CudaKernel(source, launches, archs=frozenset({"sm_100a"}), tensor=tensor, refuses=refuses)
TCGEN05_SCALED = CudaKernel(
    scaled_source, scaled_launches, archs=frozenset({"sm_100a"}), tensor=lambda case: SCALED[case.text("dtype")]
)
