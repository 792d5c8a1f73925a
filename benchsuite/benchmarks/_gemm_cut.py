"""How a GEMM is cut: by arithmetic, the tile and the split of k that keep the busiest processor the fewest clocks; or
as it was measured for such cases on such a device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchsuite import units
from benchsuite.model import Case, Device, cut
from benchsuite.model import Cut as Numbers

T = TypeVar("T")

WARP = 32
CACHE = 32
"""Bytes a clock that a processor gets from the second-level cache: an A100's 5.4 TB/s by 108 of them at 1.41 GHz."""
EXPOSED = 1 / 8
"""Of the shorter of multiplying and reading, the part that is not hidden behind the longer: assumed."""
SHORTEST = 4
"""Stages of k that a split has at least: fewer are mostly the filling of the pipeline."""
MOST_SPLITS = 16
NEAR = 1.6
"""How much longer than the best a cut may take by arithmetic and yet be tried: what arithmetic leaves out is less."""
MOST = 10
"""Cuts that are tried at most."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A block's share of C, cut into warps' shares; ``depth`` is the bytes of k in one of its ``stages``.

    blocks: how many a processor shall hold at once, which bounds the registers.
    """

    rows: int
    columns: int
    warp_rows: int
    warp_columns: int
    depth: int
    stages: int
    blocks: int = 1

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.rows // self.warp_rows * (self.columns // self.warp_columns) * WARP

    @property
    def shared(self) -> int:
        """Bytes of shared memory: the stages of A and B."""
        return (self.rows + self.columns) * self.depth * self.stages

    def count(self, m: int, n: int) -> int:
        """Tiles of C."""
        return -(-m // self.rows) * -(-n // self.columns)


@dataclass(frozen=True, slots=True)
class Cut:
    """A tile, and among how many blocks k is split."""

    tile: Tile
    splits: int = 1

    @property
    def numbers(self) -> Numbers:
        """As a table keeps it."""
        tile = self.tile
        return cut(rows=tile.rows, columns=tile.columns, stages=tile.stages, splits=self.splits)


def shape(case: Case) -> tuple[int, int, int]:
    """m, n, k."""
    return case.integer("m"), case.integer("n"), case.integer("k")


def element(case: Case) -> int:
    """Bytes of an element of A and B."""
    return units.dtype(case.text("dtype")).bytes


def choose(tiles: Sequence[Tile], case: Case, device: Device, area: int, most: int = MOST_SPLITS) -> Cut:
    """The cut that keeps the busiest processor the fewest clocks; of equals the first, which moves the fewest bytes."""
    return ranked(tiles, case, device, area, most)[0]


def ranked(tiles: Sequence[Tile], case: Case, device: Device, area: int, most: int = MOST_SPLITS) -> list[Cut]:
    """The cuts by how many clocks they keep the busiest processor, the fewest first, as far as they are near those.

    A tile takes the longer of multiplying (``area`` elements by 32 bytes of k a clock) and of reading its rows and
    columns, and little more; a split of k adds writing the sums once and reading those of all splits. These are an
    A100's rates: elsewhere the ratios differ, and with them the choice between tiles that are nearly equal.
    """
    m, n, k = shape(case)

    def cuts(tile: Tile) -> list[Cut]:
        steps = -(-k * element(case) // tile.depth)
        shares = {-(-steps // splits) for splits in range(1, min(most, steps // SHORTEST) + 1)} or {steps}
        return [Cut(tile, -(-steps // share)) for share in sorted(shares, reverse=True)]

    def clocks(one: Cut) -> float:
        tile, splits = one.tile, one.splits
        size, edges = tile.rows * tile.columns, tile.rows + tile.columns
        steps = -(-k * element(case) // (32 * splits))
        shorter, longer = sorted((size / area, edges * 32 / CACHE))
        adding = size * 4 / CACHE * (splits + 1) if splits > 1 else 0.0
        rounds = -(-tile.count(m, n) * splits // device.processors)
        return rounds * (steps * (longer + EXPOSED * shorter) + adding)

    found = sorted(((clocks(one), i, one) for i, one in enumerate(one for tile in tiles for one in cuts(tile))))
    return [one for time, _, one in found if time <= NEAR * found[0][0]][:MOST]


def kind(case: Case) -> str:
    """Cases that are cut alike: of one type and layout, with each side nearest to the same power of two."""
    sides = " ".join(f"{side}={2 ** round(math.log2(case.integer(side)))}" for side in "mnk")
    return f"{case.text('dtype')} {case.text('layout')} {sides}"


def measured(kernel: str, case: Case, device: Device, cuts: Mapping[Numbers, T]) -> T:
    """Of the ``cuts`` by their numbers the one that was measured for such cases on this device, else the first."""
    return cuts[device.chosen(kernel, kind(case), cuts) or next(iter(cuts))]
