"""Fewer than 16 nodes: hypotheses against a reference, with refusal; ranks among so few prove little.

With a reference: y_k is the median over cycles of a pair's mean log time, less the reference's; its sd is known,

    s^2 = between^2 + link^2 + (pi / 2) (repeat^2 / 2) / C        (C cycles; the median of C normal values)

and each hypothesis h, "these pairs share one slowdown", gains G_h = max(0, sum of y/s over h)^2 / |h|: one node (its
n - 1 pairs), one link, two nodes, all. Something is slow when sqrt(G_best) > z(1 - alpha/|H|) and the mean effect is
material; it is named only when no other hypothesis comes within 2 ln 99 of it. The scale is never estimated from the
nodes that are judged: the MAD of two to eight values says little, and one bad node touches half of the pairs of four.

Without a reference: among four nodes or fewer nobody is accused.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import inf, log, pi, sqrt

import numpy as np

from benchsuite.localise import families, residuals
from benchsuite.localise.confirm import Told
from benchsuite.localise.families import Screened
from benchsuite.localise.seats import Seats
from benchsuite.localise.settings import Settings
from benchsuite.localise.suspicion import Suspicion
from benchsuite.localise.table import Floats, Table
from benchsuite.model import Culprit, Reference

Pair = tuple[int, int]
FEW, FEWEST = 16, 4
"""Below so many seats ranks alone do not judge; with so many or fewer nothing does without a reference."""
GAP = 2 * log(99)
"""What the best hypothesis must gain over the next to be named: 99 to 1."""
APART, SURE = 0.05, 6.0
"""How far apart pairs must be to be told of without a reference: log, and in standard errors of a median."""


@dataclass(frozen=True, slots=True)
class Named:
    """What few nodes show against a reference: suspicions, or a set of seats among which nobody can be named."""

    suspicions: tuple[Suspicion, ...] = ()
    candidates: tuple[int, ...] = ()
    slowdown: float = 0.0
    words: str = ""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Pairs that would share one slowdown. kind: ``node``, ``link``, ``two`` or ``all``; seats: who is meant."""

    kind: str
    seats: tuple[int, ...]
    pairs: tuple[int, ...]


def usable(reference: Reference | None, nbytes: int) -> bool:
    """Whether a reference is there and of transfers of this size."""
    return reference is not None and reference.nbytes == nbytes


def sd(reference: Reference, cycles: float) -> float:
    """The log sd of a pair's median over so many cycles."""
    repeat = pi / 2 * reference.repeat**2 / 2 / max(cycles, 1.0)
    return max(sqrt(reference.between**2 + reference.link**2 + repeat), 1e-4)


def levelled(screen: Screened, table: Table) -> Table:
    """The table without what pairs across leaf switches take longer than those below one: a reference knows neither."""
    farther = max(0.0, float(screen.offsets[1] - screen.offsets[0]))
    return table.with_logs(table.logs - farther * table.cross()[:, :, None, None])


def pair_values(table: Table) -> dict[Pair, Floats]:
    """The mean log times of each pair of seats, of all its cycles."""
    values = families.rails(table.logs).mean(axis=-1)
    found: dict[Pair, list[float]] = {}
    for row, slot in np.argwhere(table.paired & np.isfinite(values)).tolist():
        first, second = sorted(table.ends[row, slot].tolist())
        found.setdefault((first, second), []).append(float(values[row, slot]))
    return {pair: np.array(found[pair]) for pair in sorted(found)}


def pair_medians(table: Table) -> tuple[list[Pair], Floats, Floats]:
    """Pairs of seats, the median of each one's mean log time over its cycles, and how often it was measured."""
    own = pair_values(table)
    return (
        list(own),
        np.array([np.median(one) for one in own.values()]),
        np.array([float(one.size) for one in own.values()]),
    )


def hypotheses(n: int, pairs: list[Pair]) -> list[Hypothesis]:
    """What could be slow among n seats whose pairs these are."""
    own = {seat: tuple(at for at, pair in enumerate(pairs) if seat in pair) for seat in range(n)}
    found = [Hypothesis("node", (seat,), own[seat]) for seat in range(n) if own[seat]]
    found += [Hypothesis("link", pair, (at,)) for at, pair in enumerate(pairs)]
    if n >= 4:
        both = combinations(range(n), 2)
        found += [Hypothesis("two", one, tuple(sorted({*own[one[0]], *own[one[1]]}))) for one in both]
    return [*found, Hypothesis("all", tuple(range(n)), tuple(range(len(pairs))))]


def against_reference(screen: Screened, reference: Reference, settings: Settings) -> Named:
    """The hypothesis that the screen's pairs speak for, if any, and whether it stands out from every other."""
    from scipy.special import ndtri

    table = levelled(screen, screen.table)
    pairs, medians, cycles = pair_medians(table)
    if not pairs:
        return Named()
    y = medians - reference.pair
    z = y / np.array([sd(reference, one) for one in cycles])
    every = hypotheses(len(screen.table.seats), pairs)
    gains = np.array([max(0.0, float(z[list(one.pairs)].sum())) ** 2 / len(one.pairs) for one in every])
    order = np.argsort(-gains, kind="stable")
    best = every[order[0]]
    effect = float(y[list(best.pairs)].mean())
    if not (sqrt(gains[order[0]]) > -ndtri(settings.alpha / len(every)) and effect > screen.margin):
        return Named()
    close = [every[at] for at in order if gains[order[0]] - gains[at] <= GAP]
    rivals = [one for one in close if one is not best]
    if not rivals and best.kind == "all":
        return Named()  # seen against the reference of all (``beside.fleet``)
    if not rivals:
        reach = float(-ndtri(settings.alpha)) * sd(reference, float(cycles.mean()))
        return Named(_suspicions(table, best, reference, effect, reach))
    candidates = sorted({seat for one in close for seat in one.seats})
    return Named((), tuple(candidates), effect, _set(screen, close))


def _set(screen: Screened, close: list[Hypothesis]) -> str:
    """The hypotheses that cannot be told apart, in words."""
    words = [_words(one, screen.table.seats) for one in close[:4]]
    return f"one of: {'; '.join(words)}{'; and others' if len(close) > 4 else ''}"


def _words(one: Hypothesis, seats: Seats) -> str:
    names = [seats.name(seat) for seat in one.seats]
    match one.kind:
        case "node":
            return names[0]
        case "link":
            return f"the path between {names[0]} and {names[1]}"
        case "two":
            return f"{names[0]} and {names[1]} both"
        case _:
            return "all of them"


def _suspicions(
    table: Table, best: Hypothesis, reference: Reference, effect: float, reach: float
) -> tuple[Suspicion, ...]:
    """The named hypothesis as suspicions; a node's direction from the medians of both."""
    if best.kind == "link":
        ranks = tuple(table.seats.ranks[seat][0] for seat in best.seats)
        rounds = int((np.sort(table.ends, axis=-1) == np.array(best.seats)).all(axis=-1).sum())
        return (Suspicion(Culprit.PATH, ranks, best.seats[0], 0, effect, effect - reach, rounds, rounds),)
    found = []
    for seat in best.seats:
        ways = families.rails(table.logs) - reference.pair
        sends, receives = (float(np.nanmedian(one[:, seat])) for one in table.directed(ways))
        label = families.directed(sends, receives)
        culprit = families.whole(table, seat, -1) if label is Culprit.NODE else label
        values = table.at(ways.mean(axis=-1))[:, seat]
        measured = np.isfinite(values)
        slow = int((values[measured] >= effect / 2).sum())
        slowdown = {Culprit.SENDS: sends, Culprit.RECEIVES: receives}.get(label, effect)
        found.append(
            Suspicion(culprit, table.seats.ranks[seat], seat, -1, slowdown, effect - reach, slow, int(measured.sum()))
        )
    return tuple(found)


def confirmed(one: Suspicion, table: Table, reference: Reference, margin: float, tests: int, alpha: float) -> Told:
    """Whether the second look's pairs of a suspect are slow against the reference again, at alpha over all tests."""
    from scipy.special import ndtri

    values = families.rails(table.logs).mean(axis=-1)
    if one.culprit is Culprit.PATH:
        seats = sorted(table.seats.where[rank][0] for rank in one.ranks)
        own = values[(np.sort(table.ends, axis=-1) == np.array(seats)).all(axis=-1)]
    else:
        own = table.at(values)[:, one.seat]
    own = own[np.isfinite(own)] - reference.pair
    if not own.size:
        return Told()
    centre = float(np.median(own))
    slow = centre > max(-ndtri(alpha / tests) * sd(reference, own.size), margin / 2)
    return Told(int((own > margin / 2).sum()), int(own.size), slow, True)


def unexplained(screen: Screened) -> Named:
    """Without a reference: whether some pairs of four nodes or fewer are so far apart that something must be wrong."""
    own = pair_values(screen.table)
    if len(own) < 3:
        return Named()
    medians = np.array([np.median(one) for one in own.values()])
    cycles = min(one.size for one in own.values())
    within = residuals.scale(np.concatenate([one - np.median(one) for one in own.values()]))
    error = within * sqrt(pi / 2 / cycles) if cycles > 1 else inf
    gap = float(medians.max() - medians.min())
    if gap <= max(APART, screen.margin, SURE * error):
        return Named()
    slow = [pair for pair, one in zip(own, medians.tolist(), strict=True) if one > medians.min() + gap / 2]
    candidates = tuple(sorted({seat for pair in slow for seat in pair}))
    names = ", ".join(f"{screen.table.seats.name(one)}–{screen.table.seats.name(other)}" for one, other in slow)
    return Named((), candidates, gap, f"slow between {names}")
