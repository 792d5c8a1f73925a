"""How many blocks of a kernel fit on one multiprocessor at a time.

The formula, for a block of w warps (threads / 32, rounded up) with r registers a thread and s bytes of shared memory:

    blocks = min(most blocks,
                 most warps / w,
                 warps that registers allow / (w rounded up to 4),
                 shared memory / (s + 1 KiB rounded up to 128 B))

each quotient rounded down. Registers are given to whole warps, 8 a thread at a time, from the quarter of the file
that the warp's scheduler owns: warps that registers allow = 4 (16384 / (32 (r rounded up to 8))). The system keeps
1 KiB of shared memory for each block. Limits and granules: CUDA Programming Guide, appendix "Compute
Capabilities", technical specifications; occupancy of the CUDA runtime counts in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass

WARP = 32
REGISTERS = 65_536
"""32-bit registers of a multiprocessor, and the most that one block may have."""
QUARTERS = 4
REGISTER_GRANULE = 8
SHARED_GRANULE = 128
RESERVED = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one multiprocessor holds: blocks, warps, bytes of shared memory."""

    blocks: int
    warps: int
    shared: int


LIMITS = {
    "sm_80": Limits(32, 64, 164 * 1024),
    "sm_86": Limits(16, 48, 100 * 1024),
    "sm_89": Limits(24, 48, 100 * 1024),
    "sm_90a": Limits(32, 64, 228 * 1024),
    "sm_100a": Limits(32, 64, 228 * 1024),
    "sm_120a": Limits(24, 48, 100 * 1024),
}
"""By architecture. Editions of the guide give 24 and 32 blocks for sm_120: the newer, smaller one is taken."""


def blocks(arch: str, threads: int, registers: int, shared: int) -> int:
    """Blocks of one multiprocessor at a time; 0 where not even one fits.

    threads: of a block. registers: of a thread. shared: static and dynamic bytes of a block.

    >>> blocks("sm_90a", threads=384, registers=168, shared=200 * 1024)
    1
    """
    limits = LIMITS[arch]
    warps = -(-threads // WARP)
    by_registers = QUARTERS * (REGISTERS // QUARTERS // (WARP * max(1, _up(registers, REGISTER_GRANULE))))
    return min(
        limits.blocks,
        limits.warps // warps,
        by_registers // _up(warps, QUARTERS),
        limits.shared // _up(shared + RESERVED, SHARED_GRANULE),
    )


def _up(value: int, granule: int) -> int:
    return -(-value // granule) * granule
