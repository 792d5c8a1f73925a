"""How ``gemm/blockscale.cu`` is cut and launched on GeForce Blackwell. Tiles are chosen by arithmetic, not measured."""

from __future__ import annotations

import numpy as np

from benchsuite.benchmarks._gemm_cut import EXPOSED, WARP, shape
from benchsuite.benchmarks._gemm_formats import FORMATS, GROUP_BLOCKS, GROUP_BYTES, GROUP_ROWS
from benchsuite.model import Case, CudaKernel, Device, Launch, Source, TensorMap

ROWS, DEPTH, STAGES = 128, 64, 3
"""Of a tile; bytes of k in a stage; stages: what 99 KiB of shared memory hold at 256 columns."""
WIDTHS = 256, 128
"""Columns of a tile: of equals, the first."""
AREA = 32
"""Elements of a tile that a processor multiplies by 32 bytes of k in one clock: an mma of 16 x 8 every 4."""
CACHE = 15
"""Bytes a clock that a processor gets from the second-level cache: an L40's 5.2 TB/s by 142 of them at 2.49 GHz. A
5090's is not published."""
CONSUMERS, PRODUCERS = 8, 4
"""Warps: eight multiply; one of four loads, because registers change hands by four warps."""
RESULT, BARRIERS, PATTERN = 2048, 16, 1024
"""Bytes of shared memory beside the stages: a warp's results, a stage's barriers, what aligning takes."""
ACROSS, DOWN = 64, 16
"""Columns and rows of a warp's results that leave together."""
TENSOR = {"mxfp8": "QMMA.SF.16832.F32.E4M3.E4M3.E8", "nvfp4": "OMMA.SF.16864.F32.E2M1.E2M1.UE4M3.4X"}
"""The instruction of each format, as nvdisasm writes it."""


def serves(case: Case) -> bool:
    """Whether the copy engine can move C: its rows are multiples of 16 bytes. Those of A and B always are."""
    return case.integer("n") % 8 == 0


def width(case: Case, device: Device) -> int:
    """The columns of a tile that keep the busiest processor the fewest clocks, as ``_gemm_cut.choose`` counts them."""
    m, n, _ = shape(case)

    def clocks(wide: int) -> float:
        shorter, longer = sorted((ROWS * wide / AREA, (ROWS + wide) * 32 / CACHE))  # of 32 bytes of k
        return -(-(-(-m // ROWS) * -(-n // wide)) // device.processors) * (longer + EXPOSED * shorter)

    return min(WIDTHS, key=clocks)


def source(case: Case, device: Device) -> Source:
    """``gemm/blockscale.cu`` for this format and tile."""
    return Source.of(
        "gemm/blockscale.cu", NVFP4=int(case.text("dtype") == "nvfp4"), BN=width(case, device), STAGES=STAGES
    )


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch of as many blocks as run at a time, or as there are tiles."""
    (m, n, k), form, wide = shape(case), FORMATS[case.text("dtype")], width(case, device)
    bytes_of_k, group = k * form.bits // 8, form.block * GROUP_BLOCKS
    words, groups = GROUP_BYTES // 4, max(1, DEPTH * 8 // form.bits // group)
    of_k, of_m, of_n = -(-k // group) * words, -(-m // GROUP_ROWS), -(-n // GROUP_ROWS)
    maps = (
        TensorMap("a", "uint8", (bytes_of_k, m), (DEPTH, ROWS), DEPTH),
        TensorMap("b", "uint8", (bytes_of_k, n), (DEPTH, wide), DEPTH),
        TensorMap("a_scales", "uint32", (of_k, of_m), (groups * words, 1), 0),
        TensorMap("b_scales", "uint32", (of_k, of_n), (groups * words, wide // GROUP_ROWS), 0),
        TensorMap("c", "bf16", (n, m), (ACROSS, DOWN), 2 * ACROSS),
    )
    stage = (ROWS + wide) * DEPTH + groups * GROUP_BYTES * (1 + wide // GROUP_ROWS)
    shared = PATTERN + CONSUMERS * RESULT + STAGES * (stage + BARRIERS)
    blocks = min(-(-m // ROWS) * -(-n // wide), device.processors)
    args = (*maps, "factors", np.int32(m), np.int32(n), np.int32(k))
    return (Launch("gemm", (blocks, 1, 1), ((CONSUMERS + PRODUCERS) * WARP, 1, 1), args, shared),)


KERNEL = CudaKernel(source, launches, archs=frozenset({"sm_120a"}), tensor=lambda case: TENSOR[case.text("dtype")])
