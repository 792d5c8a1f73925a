"""A scan's times relative to those of peers, gathered into a square of senders and receivers. Display only.

Nothing here decides anything: who is slow is said by ``localise``, by ranks. Times are log ratios as in
``model.fleet``: positive is slower. What is compared is what was measured in the same round between ends that lie
equally far apart (same node, same leaf, neither).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchsuite.model import Diagnosis, Local, Scan, Transfer, Unit

FEWEST = 8
"""Directed transfers of a round from which their median is a baseline; below it all rounds together are one."""
MOST_NODES = 512
"""Rows of a square that can still be told apart on a screen; with more nodes its rows are leaves."""
BLOCK = 16
"""Nodes that share a row where there are too many and no leaf is known."""


@dataclass(frozen=True, slots=True)
class Place:
    """A row and column of the square: its name, the leaf it hangs on, and the ranks it stands for."""

    name: str
    leaf: str
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One direction of one pair of places.

    slowdown: median log ratio over its rounds, ``None`` without any time; of several pairs of ranks the slowest.
    measured: times that went into it; failed: transfers without a time; wrong: bytes that arrived changed.
    """

    slowdown: float | None
    measured: int
    failed: int = 0
    wrong: int = 0

    @property
    def bad(self) -> bool:
        """Whether something went wrong, whatever the times say."""
        return bool(self.failed or self.wrong)


@dataclass(frozen=True, slots=True)
class Square:
    """Senders by receivers. cells: by row and column; what is not among them was not measured.

    kind: what a row is, in the singular ("node", "rank", "leaf", "block of nodes"). merged: how the pairs of ranks
    behind a cell became one number, in words; empty where there is one.
    """

    places: tuple[Place, ...]
    cells: Mapping[tuple[int, int], Cell]
    kind: str
    merged: str = ""

    @property
    def of_rank(self) -> dict[int, int]:
        """The row of each rank."""
        return {rank: row for row, place in enumerate(self.places) for rank in place.ranks}


def slowdowns(scan: Scan, diagnosis: Diagnosis | None = None) -> list[tuple[Transfer, float | None]]:
    """Every transfer with its log time ratio to its peers.

    The baseline leaves out transfers of the units that a finding is about, as far as enough are left.
    """
    suspects = {rank for finding in diagnosis.findings for rank in finding.ranks} if diagnosis else set()
    distance = _distances(scan.units)
    logs = [(one, math.log(one.seconds) if one.seconds else None) for one in scan.transfers]
    by_round = _baselines(logs, suspects, lambda one: (one.stage, one.round))
    rested = [(one, None if y is None else y - by_round[one.stage, one.round]) for one, y in logs]
    by_class = _baselines(rested, suspects, distance)
    return [(one, None if y is None else y - by_class[distance(one)]) for one, y in rested]


def _distances(units: Sequence[Unit]) -> Callable[[Transfer], str]:
    of = {unit.rank: unit for unit in units}

    def distance(one: Transfer) -> str:
        a, b = of[one.sender], of[one.receiver]
        return "node" if a.node == b.node else "leaf" if a.leaf == b.leaf else "far"

    return distance


def _baselines(
    logs: Sequence[tuple[Transfer, float | None]], suspects: set[int], key: Callable[[Transfer], object]
) -> dict[object, float]:
    """The median of each group of transfers; of a group too small, the median of all."""
    every: dict[object, list[float]] = defaultdict(list)
    good: dict[object, list[float]] = defaultdict(list)
    for one, y in logs:
        if y is not None:
            every[key(one)].append(y)
            if one.sender not in suspects and one.receiver not in suspects:
                good[key(one)].append(y)
    pool = [y for ys in good.values() for y in ys] or [y for ys in every.values() for y in ys]
    common = median(pool) if pool else 0.0
    return {
        name: median(good[name] if len(good[name]) >= FEWEST else ys) if len(ys) >= FEWEST else common
        for name, ys in every.items()
    }


def places(units: Sequence[Unit]) -> tuple[tuple[Place, ...], str]:
    """The rows of the square, leaf by leaf, and what a row is."""
    nodes: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        nodes[unit.node].append(unit)
    if len(nodes) == 1:
        return tuple(Place(unit.device or f"rank {unit.rank}", unit.leaf, (unit.rank,)) for unit in units), "rank"
    rows = [Place(name, own[0].leaf, tuple(unit.rank for unit in own)) for name, own in nodes.items()]
    order = {leaf: number for number, leaf in enumerate(dict.fromkeys(row.leaf for row in rows))}
    rows.sort(key=lambda row: order[row.leaf])
    if len(rows) <= MOST_NODES:
        return tuple(rows), "node"
    if len(order) > 1:
        return tuple(_joined([row for row in rows if row.leaf == leaf], leaf) for leaf in order), "leaf"
    blocks = [rows[at : at + BLOCK] for at in range(0, len(rows), BLOCK)]
    return tuple(_joined(block, f"{block[0].name} to {block[-1].name}") for block in blocks), "block of nodes"


def _joined(rows: Sequence[Place], name: str) -> Place:
    return Place(name, rows[0].leaf, tuple(rank for row in rows for rank in row.ranks))


def square(scan: Scan, diagnosis: Diagnosis | None = None) -> Square:
    """The scan as senders by receivers."""
    rows, kind = places(scan.units)
    of = {rank: row for row, place in enumerate(rows) for rank in place.ranks}
    pairs: dict[tuple[int, int], list[float]] = defaultdict(list)
    failed: dict[tuple[int, int], int] = defaultdict(int)
    wrong: dict[tuple[int, int], int] = defaultdict(int)
    for one, y in slowdowns(scan, diagnosis):
        at = of[one.sender], of[one.receiver]
        wrong[at] += one.wrong
        if y is None:
            failed[at] += 1
        else:
            pairs[one.sender, one.receiver].append(y)
    found: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    for (a, b), ys in pairs.items():
        found[of[a], of[b]].append((median(ys), len(ys)))
    whole = kind in {"node", "rank"}
    cells = {at: _cell(found.get(at, []), failed[at], wrong[at], slowest=whole) for at in {*found, *failed}}
    several = any(len(place.ranks) > 1 for place in rows)
    merged = ("the slowest of its pairs of ranks" if whole else "the middle of its pairs of nodes") if several else ""
    return Square(rows, cells, kind, merged)


def _cell(medians: Sequence[tuple[float, int]], failed: int, wrong: int, *, slowest: bool) -> Cell:
    values = [y for y, _ in medians]
    one = (max(values) if slowest else median(values)) if values else None
    return Cell(one, sum(count for _, count in medians), failed, wrong)


def rounds(scan: Scan, diagnosis: Diagnosis | None = None) -> dict[int, dict[tuple[str, int], float | None]]:
    """Of each rank, by stage and round: the mean log ratio of its transfers there; ``None`` where one failed."""
    gathered: dict[int, dict[tuple[str, int], list[float | None]]] = {unit.rank: {} for unit in scan.units}
    for one, y in slowdowns(scan, diagnosis):
        for rank in (one.sender, one.receiver):
            gathered[rank].setdefault((one.stage.value, one.round), []).append(y)
    return {rank: {at: _mean(ys) for at, ys in by.items()} for rank, by in gathered.items()}


def _mean(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if len(told) == len(values) else None


def local(measured: Iterable[Local]) -> dict[str, dict[int, Cell]]:
    """Of each kernel, by rank: the median log ratio to the middle rank of the same round."""
    by_round: dict[tuple[str, str, int], list[Local]] = defaultdict(list)
    for one in measured:
        by_round[one.kernel, one.stage.value, one.round].append(one)
    ratios: dict[tuple[str, int], list[float]] = defaultdict(list)
    failed: dict[tuple[str, int], int] = defaultdict(int)
    wrong: dict[tuple[str, int], int] = defaultdict(int)
    for (kernel, _, _), group in by_round.items():
        logs = {one.rank: math.log(one.seconds) for one in group if one.seconds}
        middle = median(logs.values()) if logs else 0.0
        for one in group:
            wrong[kernel, one.rank] += one.wrong
            if one.rank in logs:
                ratios[kernel, one.rank].append(logs[one.rank] - middle)
            else:
                failed[kernel, one.rank] += 1
    made: dict[str, dict[int, Cell]] = defaultdict(dict)
    for kernel, rank in {**dict.fromkeys(wrong), **dict.fromkeys(failed)}:
        ys = ratios[kernel, rank]
        made[kernel][rank] = Cell(median(ys) if ys else None, len(ys), failed[kernel, rank], wrong[kernel, rank])
    return dict(made)
