"""Who meets whom: a seat is a node with its units; on a single node, each unit of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchsuite.model import Unit


@dataclass(frozen=True, slots=True)
class Seats:
    """The places of a tournament. ranks: of each seat, its units in the order of their local number (its rails).

    leaves: the number of each seat's switch in ``leaf_names``, -1 where that is unknown. units: by rank; where: seat
    and rail of each rank.
    """

    ranks: tuple[tuple[int, ...], ...]
    leaves: NDArray[np.int64]
    leaf_names: tuple[str, ...]
    units: Mapping[int, Unit]
    where: Mapping[int, tuple[int, int]]
    single: bool

    def __len__(self) -> int:
        return len(self.ranks)

    @property
    def rails(self) -> int:
        """The most units that a seat has."""
        return max(map(len, self.ranks), default=1)

    def name(self, seat: int, rail: int | None = None) -> str:
        """What a person calls a seat, or one unit of it."""
        if rail is not None or self.single:
            return self.units[self.ranks[seat][rail or 0]].name
        return self.units[self.ranks[seat][0]].node


def seats(units: Sequence[Unit]) -> Seats:
    """The seats of these units, in the order of their first ranks."""
    byrank = {unit.rank: unit for unit in units}
    nodes: dict[str, list[Unit]] = {}
    for unit in sorted(units, key=lambda one: one.rank):
        nodes.setdefault(unit.node, []).append(unit)
    single = len(nodes) == 1
    rows: list[tuple[int, ...]]
    if single:
        rows = [(unit.rank,) for unit in next(iter(nodes.values()))]
    else:
        rows = [tuple(one.rank for one in sorted(own, key=lambda u: (u.local, u.rank))) for own in nodes.values()]
    names = tuple(sorted({byrank[row[0]].leaf for row in rows} - {""}))
    leaves = np.array([names.index(leaf) if (leaf := byrank[row[0]].leaf) else -1 for row in rows], dtype=np.int64)
    where = {rank: (seat, rail) for seat, row in enumerate(rows) for rail, rank in enumerate(row)}
    return Seats(tuple(rows), leaves, names, byrank, where, single)
