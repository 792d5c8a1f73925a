"""The screen: leaf switches before nodes, nodes before their units, each level judged without the faults above it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from benchsuite.localise import rankrule, residuals
from benchsuite.localise.rankrule import Judged, Rule
from benchsuite.localise.settings import LEAVES, PAIRS, RECEIVES, SENDS, Settings
from benchsuite.localise.suspicion import Suspicion
from benchsuite.localise.table import Bools, Floats, Table
from benchsuite.model import Culprit

MARGIN, LEAF_MARGIN = 0.02, 0.015
"""The least slowdown (log) that is called one, of a node and of a leaf."""
SPREADS, LEAST_SPREADS = 4.0, 3.0
"""The margin in sd between healthy nodes: what it should be, and below what nothing can be accused."""
TARGET = 0.051
"""The slowdown (-5 %) for which w is chosen where nobody fixed it."""
LEAST_LEAVES = 3
ONE_WAY = 0.4
"""A direction is fine when it is slower by less than this part of what the other is."""


@dataclass(frozen=True, slots=True)
class Screened:
    """What the screen says.

    left: residuals (R, G, m, 2) without what slow leaves explain; offsets: of the classes of pairs. margin, between:
    d0 and su that were used, own: whether su is from this scan. rule, pool: of the pair averages of seats.
    """

    table: Table
    left: Floats
    offsets: Floats
    margin: float
    between: float
    own: bool
    rule: Rule
    pool: Floats
    suspicions: tuple[Suspicion, ...]

    @property
    def refused(self) -> bool:
        """Whether the margin is too small against the healthy nodes' own spread."""
        return self.margin < LEAST_SPREADS * self.between


def screened(table: Table, settings: Settings) -> Screened:
    """Judge the transfers of the screen: leaves, then seats, then the units of seats that have several."""
    left, offsets = residuals.of(table)
    if leaves := _leaves(table, rails(left), settings):
        left, offsets = residuals.of(table.with_logs(without(table, table.logs, leaves)))
    seats = rails(left)
    between, own = spread(table, seats, settings)
    margin = settings.margin if settings.margin is not None else max(MARGIN, SPREADS * between)
    several = table.seats.rails > 1
    half = replace(settings, alpha=settings.alpha / 2) if several else settings
    nodes, rule, pool = _level(table, seats[:, :, None], half, margin, whole=True)
    units: list[Suspicion] = []
    if several:
        inner = without(table, left, nodes)
        units = _level(table, inner, half, margin, whole=False)[0]
    found = (*leaves, *nodes, *(one for one in units if not _covered(one, nodes)))
    return Screened(table, left, offsets, margin, between, own, rule, pool, found)


def rails(left: Floats) -> Floats:
    """What most rails of a pair of nodes share: (R, G, m, 2) as (R, G, 2)."""
    return residuals.lower(np.moveaxis(left, 2, -1))


def spread(table: Table, seats: Floats, settings: Settings) -> tuple[float, bool]:
    """The log sd between healthy nodes, and whether this scan itself had to tell it."""
    if settings.between is not None:
        return settings.between, False
    if settings.reference is not None:
        return settings.reference.between, False
    return residuals.between(table.at(seats.mean(axis=-1)), residuals.HIDDEN), True


def without(table: Table, values: Floats, faults: Iterable[Suspicion]) -> Floats:
    """Values (R, G, ..., 2) less what these slow leaves and seats explain; the slower end governs a pair.

    A leaf slows what leaves it; one that is slow inside slows that as well.
    """
    n = len(table.seats)
    sends, receives, out = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    for one in faults:
        if one.culprit in {Culprit.LEAF, Culprit.UPLINK}:
            inside = np.append(table.seats.leaves == one.seat, False)
            out[inside] = max(one.slowdown, 0.0)
            if one.culprit is Culprit.LEAF:
                sends[inside] = receives[inside] = max(one.slowdown, 0.0)
        elif one.rail < 0:
            sends[one.seat] = max(sends[one.seat], one.slowdown if one.culprit is not Culprit.RECEIVES else 0.0)
            receives[one.seat] = max(receives[one.seat], one.slowdown if one.culprit is not Culprit.SENDS else 0.0)
    if not (sends.any() or receives.any() or out.any()):
        return values
    first, second = table.ends[..., 0], table.ends[..., 1]
    crossing = np.where(table.cross(), np.maximum(out[first], out[second]), 0.0)
    forth = np.maximum(np.maximum(sends[first], receives[second]), crossing)
    back = np.maximum(np.maximum(sends[second], receives[first]), crossing)
    explained = np.stack([forth, back], axis=-1)
    return np.asarray(values - (explained if values.ndim == 3 else explained[:, :, None]))


def leaf_values(table: Table, averages: Floats) -> Floats:
    """Of each leaf and round, the median of its pair averages (R, G) across leaves: (R, L)."""
    leaves = len(table.seats.leaf_names)
    found = np.full(table.rounds * leaves, np.nan)
    ends = np.append(table.seats.leaves, -1)[table.ends]
    known = table.cross() & np.isfinite(averages)
    rows = np.nonzero(known)[0]
    keys = np.concatenate([rows * leaves + ends[known][:, end] for end in (0, 1)])
    values = np.tile(averages[known], 2)
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    groups, begin, count = np.unique(keys, return_index=True, return_counts=True)
    found[groups] = (values[begin + (count - 1) // 2] + values[begin + count // 2]) / 2
    return found.reshape(table.rounds, leaves)


def _leaves(table: Table, seats: Floats, settings: Settings) -> list[Suspicion]:
    """Slow leaf switches; with fewer than three of them nobody can say which is the slow one."""
    averages = seats.mean(axis=-1)
    values = leaf_values(table, averages)
    if values.shape[1] < LEAST_LEAVES or not values.size:
        return []
    share = settings.share if settings.share is not None else rankrule.SHARES[-1]
    measured = int(np.median(np.isfinite(values).sum(axis=0)))
    rule = rankrule.rule(values.shape[1], measured, LEAVES * settings.alpha, values.shape[1], share)
    judged = rankrule.judge(rankrule.excess(values[:, :, None], rule.part)[:, :, 0], rule, LEAF_MARGIN)
    found = []
    slow = np.flatnonzero(judged.slow)
    touched = np.isin(np.append(table.seats.leaves, -1)[table.ends], slow).any(axis=-1) | ~table.paired
    for leaf in slow.tolist():
        own = (np.append(table.seats.leaves, -1)[table.ends] == leaf).any(axis=-1)
        slowdown = _beyond(averages, table.cross() & own, table.cross() & ~touched)
        within = _beyond(averages, ~table.cross() & own, ~table.cross() & ~touched)
        inside = within > max(slowdown / 2, LEAF_MARGIN)
        ranks = tuple(r for seat in np.flatnonzero(table.seats.leaves == leaf) for r in table.seats.ranks[seat])
        culprit = Culprit.LEAF if inside else Culprit.UPLINK
        found.append(Suspicion(culprit, ranks, leaf, -1, slowdown, *_counts(judged, leaf)))
    return found


def _beyond(values: Floats, own: Bools, others: Bools) -> float:
    """The median of some values beyond that of others; 0 where either has none."""
    sides = [one[np.isfinite(one)] for one in (values[own], values[others])]
    return float(np.median(sides[0]) - np.median(sides[1])) if all(one.size for one in sides) else 0.0


def _level(
    table: Table, values: Floats, settings: Settings, margin: float, whole: bool
) -> tuple[list[Suspicion], Rule, Floats]:
    """Slow seats (whole) or units of them from values (R, G, m, 2), with the rule and the pool of the pairs' family."""
    rounds, groups, m, _ = values.shape
    n = len(table.seats) if whole else len(table.seats.units)
    seats = len(table.seats)
    averages = values.mean(axis=-1)
    both = table.at(averages).reshape(rounds, seats * m)
    sends, receives = (one.reshape(rounds, seats * m) for one in table.directed(values))
    measured = int(np.median(np.isfinite(both).sum(axis=0))) if both.size else 0
    alpha = settings.alpha
    pairs, pool = _rule(averages, n, measured, PAIRS * alpha, settings.share, margin)
    ways = values.reshape(rounds, groups, 2 * m)
    way, _ = _rule(ways, n, measured, SENDS * alpha, settings.share, margin)
    if not both.size:
        return [], pairs, pool
    above = table.at(rankrule.excess(averages, pairs.part)).reshape(rounds, seats * m)
    one_way = rankrule.excess(ways, way.part).reshape(values.shape)
    out, into = (one.reshape(rounds, seats * m) for one in table.directed(one_way))
    judged = {
        Culprit.NODE: rankrule.judge(above, pairs, margin),
        Culprit.SENDS: rankrule.judge(out, way, margin),
        Culprit.RECEIVES: rankrule.judge(into, replace(way, alpha=RECEIVES * alpha), margin),
    }
    slow = np.flatnonzero(judged[Culprit.NODE].slow | judged[Culprit.SENDS].slow | judged[Culprit.RECEIVES].slow)
    found = []
    for at in slow.tolist():
        tx, rx, mean = (float(np.nanmedian(one[:, at])) for one in (sends, receives, both))
        label = directed(tx, rx)
        family = label if judged[label].slow[at] else next(one for one in judged if judged[one].slow[at])
        slowdown = {Culprit.SENDS: tx, Culprit.RECEIVES: rx}.get(label, mean)
        seat, rail = divmod(at, m)
        found.append(_suspicion(table, label, seat, -1 if whole else rail, slowdown, judged[family], at))
    return found, pairs, pool


def directed(tx: float, rx: float) -> Culprit:
    """What is slow, from the slowdowns of what it sends and what it receives."""
    if rx < ONE_WAY * tx:
        return Culprit.SENDS
    return Culprit.RECEIVES if tx < ONE_WAY * rx else Culprit.NODE


def _rule(
    values: Floats, n: int, measured: int, alpha: float, share: float | None, margin: float
) -> tuple[Rule, Floats]:
    """The rule for values (R, G, m), and all of them sorted."""
    pool = np.sort(values[np.isfinite(values)])
    per_round = int(np.median(np.isfinite(values).sum(axis=(1, 2)))) if values.size else 0
    count = max(per_round - values.shape[2] + 1, 0)
    if share is not None:
        return rankrule.rule(n, measured, alpha, count, share), pool
    return rankrule.chosen(n, measured, alpha, count, pool, margin, TARGET), pool


def _suspicion(
    table: Table, label: Culprit, seat: int, rail: int, slowdown: float, judged: Judged, at: int
) -> Suspicion:
    ranks = table.seats.ranks[seat] if rail < 0 else (table.seats.ranks[seat][rail],)
    culprit = whole(table, seat, rail) if label is Culprit.NODE else label
    return Suspicion(culprit, ranks, seat, rail, slowdown, *_counts(judged, at))


def whole(table: Table, seat: int, rail: int) -> Culprit:
    """What is slow when both directions are: a node, or a device of it."""
    unit = rail >= 0 or table.seats.single
    return Culprit.DEVICE if unit and table.seats.units[table.seats.ranks[seat][max(rail, 0)]].device else Culprit.NODE


def _counts(judged: Judged, at: int) -> tuple[float, int, int]:
    return float(judged.lower[at]), int(judged.exceeded[at]), int(judged.rounds[at])


def _covered(unit: Suspicion, nodes: Iterable[Suspicion]) -> bool:
    """Whether a unit's slowness is its whole node's: nothing of it is left once that is taken away."""
    return any(unit.seat == one.seat and unit.slowdown < one.slowdown for one in nodes)
