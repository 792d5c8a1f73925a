"""The second look: rounds of its own, partners and controls known good, a threshold from good pairs only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchsuite.localise import families, rankrule, residuals
from benchsuite.localise.families import Screened
from benchsuite.localise.settings import Settings
from benchsuite.localise.suspicion import Suspicion
from benchsuite.localise.table import Floats, Table
from benchsuite.model import Culprit

LEAVES = frozenset({Culprit.LEAF, Culprit.UPLINK})


@dataclass(frozen=True, slots=True)
class Told:
    """What the second look says: W of R, whether it was slow again, whether it could have told at all."""

    exceeded: int = 0
    rounds: int = 0
    slow: bool = False
    able: bool = False


@dataclass(frozen=True, slots=True)
class Second:
    """A suspicion, with the direction and the slowdown that both looks together show, and what the second says."""

    suspicion: Suspicion
    told: Told = Told()


def look(
    screen: Screened, table: Table, suspicions: Sequence[Suspicion], tests: int, settings: Settings
) -> list[Second]:
    """What the rounds of ``table`` (confirmation) say of the suspicions of leaves, seats and units.

    tests: how many suspicions share alpha, those of other evidence among them.
    """
    if not table.logs.size:
        return [Second(one) for one in suspicions]
    bad = np.zeros(len(table.seats) + 1, dtype=np.bool_)
    for one in suspicions:
        for rank in one.ranks:
            bad[table.seats.where[rank][0]] = True
    good = table.paired & ~bad[table.ends].any(axis=-1)
    left = residuals.of(table, screen.offsets)[0]
    left = left - residuals.medians(np.where(good[:, :, None, None], left, np.nan), (1, 2, 3))
    return [_one(screen, table, left, good, one, suspicions, tests, settings) for one in suspicions]


def _one(
    screen: Screened,
    table: Table,
    left: Floats,
    good: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    one: Suspicion,
    suspicions: Sequence[Suspicion],
    tests: int,
    settings: Settings,
) -> Second:
    """One suspicion against the good pairs of each round, without what slow leaves and nodes above it explain."""
    above = [other for other in suspicions if _explains(other, one)]
    if one.culprit in LEAVES:
        averages = families.rails(left).mean(axis=-1)
        own = families.leaf_values(table, averages)[:, one.seat]
        pool = np.delete(families.leaf_values(table, np.where(good, averages, np.nan)), one.seat, axis=1)
        margin = families.LEAF_MARGIN
    else:
        values = families.without(table, level(left, one), above)
        own = series(table, values, one)
        pool = np.where(good[:, :, None, None], values, np.nan)
        pool = pool.reshape(table.rounds, -1) if _one_way(one) else pool.mean(axis=-1).reshape(table.rounds, -1)
        margin = screen.margin
        one = _relabelled(screen, table, values, one, above)
    return Second(one, against(own, pool, screen.pool, margin / 2, tests, settings.alpha, settings.share))


def against(
    own: Floats, pool: Floats, noise: Floats, margin: float, tests: int, alpha: float, share: float | None
) -> Told:
    """The rank rule for values (R,) of one suspicion against a pool (R, p), at alpha over all ``tests``."""
    others = np.isfinite(pool).sum(axis=1)
    measured = np.isfinite(own) & (others > 0)
    if not measured.any():
        return Told()
    values = int(np.median(others[measured])) + 1
    rounds = int(measured.sum())
    if share is None:
        rule = rankrule.chosen(tests, rounds, alpha, values, noise, margin, families.TARGET)
    else:
        rule = rankrule.rule(tests, rounds, alpha, values, share)
    measured &= rule.part * (others + 1) >= 1 - rankrule.TINY  # among fewer, no rank is rare enough to count
    excess = rankrule.against(own[measured, None], pool[measured], rule.part)
    judged = rankrule.judge(excess, rule, margin)
    able = rule.possible and bool(rule.needed(judged.rounds)[0] <= judged.rounds[0])
    return Told(int(judged.exceeded[0]), int(judged.rounds[0]) or rounds, bool(judged.slow[0]), able)


def series(table: Table, values: Floats, one: Suspicion) -> Floats:
    """A suspicion's own values over the rounds, from those of pairs (R, G, 2) or rails (R, G, m, 2)."""
    if one.culprit is Culprit.SENDS:
        found = table.directed(values)[0]
    elif one.culprit is Culprit.RECEIVES:
        found = table.directed(values)[1]
    else:
        found = table.at(values.mean(axis=-1))
    return found[:, one.seat, max(one.rail, 0)]


def level(left: Floats, one: Suspicion) -> Floats:
    """Values (R, G, m, 2) of the level of a suspicion: what most rails share, or each rail."""
    return left if one.rail >= 0 else families.rails(left)[:, :, None]


def _relabelled(screen: Screened, table: Table, values: Floats, one: Suspicion, above: list[Suspicion]) -> Suspicion:
    """The suspicion with direction and slowdown from the medians over both looks."""
    nodes = [other for other in above if other.culprit not in LEAVES]
    first = families.without(screen.table, level(screen.left, one), nodes)

    def both(label: Culprit) -> float:
        told = replace(one, culprit=label)
        rounds = np.concatenate([series(screen.table, first, told), series(table, values, told)])
        return float(residuals.medians(rounds)[0])

    tx, rx = both(Culprit.SENDS), both(Culprit.RECEIVES)
    label = families.directed(tx, rx)
    whole = one.culprit if not _one_way(one) else families.whole(table, one.seat, one.rail)
    culprit = whole if label is Culprit.NODE else label
    return replace(one, culprit=culprit, slowdown=both(culprit))


def _one_way(one: Suspicion) -> bool:
    return one.culprit in {Culprit.SENDS, Culprit.RECEIVES}


def _explains(other: Suspicion, one: Suspicion) -> bool:
    """Whether ``other`` is of a level above."""
    leaf = other.culprit in LEAVES
    return other is not one and (leaf or (other.rail < 0 <= one.rail)) and one.culprit not in LEAVES
