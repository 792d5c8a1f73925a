"""Why a suspicion cannot become an accusation, whatever a second look says; and what would settle it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchsuite.localise import confirm, families, residuals, small
from benchsuite.localise.families import Screened
from benchsuite.localise.suspicion import Suspicion
from benchsuite.model import Culprit

COMMON = 0.25
"""When more than this part of the nodes is slow, their peers are no measure."""
LEAST_PARTNERS = 3
"""Different partners that a suspect must have met: with two, one bad end of theirs is half of the evidence."""
WAVE, LEAST_WAVE = 0.5, 12
"""The correlation of successive rounds from which a slowness comes and goes, and the rounds it takes to tell."""
STEADY = 0.25
"""A node counts as slow here when it is in all but this part of its rounds: many noisy ones are no common cause."""
ENOUGH, LEAST_NODES, CYCLES = 16, 6, 3
"""Nodes from which on every pair counts, and from which on its median over so many cycles does: of two pairs a round
one is always the faster."""


def common(screen: Screened) -> tuple[tuple[int, ...], str, str] | None:
    """Ranks, words and remedy when what is slow is no exception, so that ranks cannot tell who is; else ``None``."""
    table = screen.table
    values = families.rails(screen.left).mean(axis=-1)
    if not values.size:
        return None
    seats = residuals.quantiles(table.at(values), STEADY, 0)[0]
    margin = families.MARGIN if screen.own else screen.margin  # when many are slow, the scan's own spread is theirs
    slow = np.flatnonzero(seats > margin)
    n = len(table.seats)
    if slow.size > max(1, COMMON * n):
        ranks = tuple(rank for seat in slow.tolist() for rank in table.seats.ranks[seat])
        words = f"{slow.size} of {n} nodes are slow, so that their peers are no measure"
        return ranks, words, "Look for what they share, and scan with a reference (--reference)."
    finite = values[np.isfinite(values)]
    if n < ENOUGH:  # so few values that only what a pair shows again and again counts
        _, finite, cycles = small.pair_medians(table.with_logs(screen.left))
        finite = finite if n >= LEAST_NODES and cycles.size and cycles.min() >= CYCLES else finite[:0]
    if finite.size:
        low, high = (float(one) for one in np.quantile(finite, [0.05, 0.95]))
        if low < -2 * margin and -low > high:
            words = "some pairs are much faster than most: either most nodes are slow, or pairs are of two kinds"
            return tuple(sorted(table.seats.where)), words, "Tell the leaf switches (--topology), or give a reference."
    return None


def settled(screen: Screened, suspicions: Sequence[Suspicion], single: bool, compared: bool) -> tuple[Suspicion, ...]:
    """The suspicions with their doubts.

    single: too few nodes for more than one fault at a time; compared: seats were judged against a reference, which
    has named them already.
    """
    seats = [one for one in suspicions if one.culprit not in {*confirm.LEAVES, Culprit.PATH} and one.rail < 0]
    return tuple(one if compared and one in seats else _doubted(screen, one, len(seats), single) for one in suspicions)


def _doubted(screen: Screened, one: Suspicion, seats: int, single: bool) -> Suspicion:
    n = len(screen.table.seats)
    doubt, remedy = "", ""
    leaf = one.culprit in confirm.LEAVES
    if screen.refused:
        spread = f"healthy nodes differ by {100 * screen.between:.1f} % (sd)"
        doubt = f"{spread}, and the margin is less than three times that"
        remedy = "Scan with a wider margin (--margin)."
    elif one.culprit is Culprit.PATH:
        pass
    elif not leaf and one.rail < 0 and single and seats > 1:
        doubt = f"{seats} of {n} nodes stand out, and among so few only a single fault can be told"
        remedy = "Scan with a reference (--reference), or together with more nodes."
    elif not leaf and one.rail < 0 and seats > max(1, n // 4):
        doubt = f"{seats} of {n} nodes stand out"
        remedy = "Look for what they share, and scan with a reference (--reference)."
    elif not leaf and _partners(screen, one) < LEAST_PARTNERS:
        doubt = f"it met fewer than {LEAST_PARTNERS} other nodes"
        remedy = "Scan with more rounds, or with more nodes."
    elif not leaf and _wave(screen, one):
        doubt = "it comes and goes during the scan, so its rounds do not count one by one"
        remedy = "Scan again at another time, with sweeps further apart."
    return replace(one, doubt=doubt, remedy=remedy) if doubt else one


def _partners(screen: Screened, one: Suspicion) -> int:
    met = screen.table.partners()[:, one.seat]
    return int(np.unique(met[met >= 0]).size)


def _wave(screen: Screened, one: Suspicion) -> bool:
    """Whether a suspect's values of successive rounds go together (lag-1 correlation)."""
    values = confirm.series(screen.table, confirm.level(screen.left, one), one)
    values = values[np.isfinite(values)]
    if values.size < LEAST_WAVE or np.ptp(values) == 0:
        return False
    centred = values - values.mean()
    return float((centred[1:] * centred[:-1]).sum() / (centred**2).sum()) > WAVE
