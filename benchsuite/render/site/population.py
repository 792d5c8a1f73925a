"""How machines of one kind spread in one case: quantiles over machines, each of which counts once."""

from __future__ import annotations

import bisect
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchsuite.render.site.collection import Collection, Entry, Measured

FEW = 20
"""Fewer machines than this are drawn one by one: their quantiles would say little."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A population's quantiles in the case's unit. ``points``: every value, in order, where there are ``FEW``."""

    n: int
    least: float
    p5: float
    p25: float
    median: float
    p75: float
    p95: float
    most: float
    points: tuple[float, ...] = ()


def distribution(values: Iterable[float]) -> Distribution:
    """The quantiles of at least one value, interpolated linearly between order statistics (Hyndman & Fan type 7)."""
    ordered = sorted(values)
    p5, p25, median, p75, p95 = (_quantile(ordered, q) for q in (0.05, 0.25, 0.5, 0.75, 0.95))
    points = tuple(ordered) if len(ordered) < FEW else ()
    return Distribution(len(ordered), ordered[0], p5, p25, median, p75, p95, ordered[-1], points)


def _quantile(ordered: Sequence[float], q: float) -> float:
    place = q * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def current(entries: Sequence[Entry]) -> frozenset[int]:
    """Numbers of the newest campaign of each machine and scope: the ones that count in populations."""
    newest: dict[tuple[str, tuple[str, int]], int] = {}
    for number, entry in enumerate(entries):
        known = newest.get((entry.machine, entry.scope))
        if known is None or (entries[known].started, entries[known].id) < (entry.started, entry.id):
            newest[entry.machine, entry.scope] = number
    return frozenset(newest.values())


def rows(measured: Measured, counted: frozenset[int], entries: Sequence[Entry]) -> array[int]:
    """Positions in the columns of one case that count, one for each machine: of two suites of it the newer."""
    newest: dict[str, int] = {}
    for position, number in enumerate(measured.entries):
        if number in counted:
            machine = entries[number].machine
            known = newest.get(machine)
            if known is None or entries[measured.entries[known]].started < entries[number].started:
                newest[machine] = position
    return array("l", newest.values())


def by_type(measured: Measured, chosen: Sequence[int], entries: Sequence[Entry]) -> dict[str, list[int]]:
    """The chosen positions by the hardware's type, in order of the type's name."""
    found: dict[str, list[int]] = {}
    for position in chosen:
        found.setdefault(entries[measured.entries[position]].type, []).append(position)
    return dict(sorted(found.items()))


def distributions(collection: Collection, chosen: Mapping[str, Sequence[int]]) -> dict[str, dict[str, Distribution]]:
    """Case (its slug) -> type -> the spread of its machines. ``chosen``: the positions of each case that count."""
    found = {}
    for measured in collection.cases.values():
        parts = by_type(measured, chosen[measured.slug], collection.entries)
        found[measured.slug] = {
            name: distribution(measured.values[position] for position in positions) for name, positions in parts.items()
        }
    return found


def rank_ranges(lows: Sequence[float], highs: Sequence[float], *, higher_is_better: bool) -> list[tuple[int, int]]:
    """The best and the worst rank each may have: only what lies wholly above an interval is ahead of it.

    Overlapping intervals share ranks, so ties are told as ties. In n log n, for thousands of machines.
    """
    if not higher_is_better:
        lows, highs = [-high for high in highs], [-low for low in lows]
    ordered_lows, ordered_highs, total = sorted(lows), sorted(highs), len(lows)
    return [
        (1 + total - bisect.bisect_right(ordered_lows, high), total - bisect.bisect_left(ordered_highs, low))
        for low, high in zip(lows, highs, strict=True)
    ]
