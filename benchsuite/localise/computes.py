"""The kernel that every unit runs alone: the same rank rule, its units the seats, so that no partner is in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log

import numpy as np

from benchsuite.localise import confirm, families, rankrule, residuals
from benchsuite.localise.confirm import Second
from benchsuite.localise.seats import Seats
from benchsuite.localise.settings import KERNELS, Settings
from benchsuite.localise.suspicion import Suspicion
from benchsuite.localise.table import Floats
from benchsuite.model import Culprit, Scan, Stage

FEW = 16
"""Below so many units, how they differ cannot be told from them: a wider margin."""
FEW_MARGIN, FEW_SPREADS = 0.05, 8.0
LEAST = 3
"""With fewer units nobody can say which of them is the slow one."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Log seconds of one kernel less each round's median, (R, N), units in the order of ``ranks``.

    levels: those medians; margin, between: d0 and su.
    """

    name: str
    ranks: tuple[int, ...]
    left: Floats
    levels: Floats
    margin: float
    between: float


def kernels(scan: Scan, stage: Stage, settings: Settings) -> list[Kernel]:
    """Every kernel of a stage, in the order of their names."""
    ranks = tuple(sorted(unit.rank for unit in scan.units))
    column = {rank: index for index, rank in enumerate(ranks)}
    own = [one for one in scan.locals if one.stage is stage and one.kernel and one.rank in column]
    rows = {number: index for index, number in enumerate(sorted({one.round for one in own}))}
    logs: dict[str, Floats] = {}
    for one in own:
        table = logs.setdefault(one.kernel, np.full((len(rows), len(ranks)), np.nan))
        if one.seconds is not None and isfinite(one.seconds) and one.seconds > 0 and not one.wrong:
            table[rows[one.round], column[one.rank]] = log(one.seconds)
    return [_kernel(name, ranks, logs[name], settings) for name in sorted(logs)]


def _kernel(name: str, ranks: tuple[int, ...], logs: Floats, settings: Settings) -> Kernel:
    levels = residuals.medians(logs, 1)
    left = logs - levels
    known = settings.reference.kernels.get(name) if settings.reference is not None else None
    few = len(ranks) < FEW and known is None
    if known is not None:
        between = known[1]
    elif few:  # of two, nobody can say which is the one that differs
        between = 0.0 if len(ranks) < LEAST else residuals.scale(residuals.medians(left, 0)[0])
    else:
        between = residuals.between(left)
    least, spreads = (FEW_MARGIN, FEW_SPREADS) if few else (families.MARGIN, families.SPREADS)
    margin = settings.margin if settings.margin is not None else max(least, spreads * between)
    return Kernel(name, ranks, left, levels[:, 0], margin, between)


def screened(scan: Scan, seats: Seats, settings: Settings) -> list[Suspicion]:
    """Units that computed slower than their peers in the screen."""
    found = kernels(scan, Stage.SCREEN, settings)
    suspicions = []
    for one in found:
        measured = int(np.median(np.isfinite(one.left).sum(axis=0))) if one.left.size else 0
        n = len(one.ranks)
        pool = np.sort(one.left[np.isfinite(one.left)])
        alpha = KERNELS * settings.alpha / len(found)
        if settings.share is None:
            rule = rankrule.chosen(n, measured, alpha, n, pool, one.margin, families.TARGET)
        else:
            rule = rankrule.rule(n, measured, alpha, n, settings.share)
        judged = rankrule.judge(rankrule.excess(one.left[:, :, None], rule.part)[:, :, 0], rule, one.margin)
        for at in np.flatnonzero(judged.slow).tolist():
            rank, slowdown = one.ranks[at], float(np.nanmedian(one.left[:, at]))
            counts = (float(judged.lower[at]), int(judged.exceeded[at]), int(judged.rounds[at]))
            doubt, remedy = _doubt(one, int(judged.slow.sum()))
            seat, rail = seats.where[rank]
            suspicions.append(
                Suspicion(Culprit.COMPUTES, (rank,), seat, rail, slowdown, *counts, one.name, doubt, remedy)
            )
    return suspicions


def _doubt(one: Kernel, slow: int) -> tuple[str, str]:
    n = len(one.ranks)
    if n < LEAST:
        return "with two units nobody can say which is slow and which is fast", "Add a third unit, or a reference."
    if slow > max(1, n // 4):
        return f"{slow} of {n} units are slow", "Look for what they share, and compare with a reference."
    if one.margin < families.LEAST_SPREADS * one.between:
        return "the margin is smaller than three times the spread of healthy units", "Scan with a wider margin."
    return "", ""


def second(scan: Scan, suspicions: Sequence[Suspicion], tests: int, settings: Settings) -> list[Second]:
    """What the second look says of units that computed slowly."""
    screens = {one.name: one for one in kernels(scan, Stage.SCREEN, settings)}
    again = {one.name: one for one in kernels(scan, Stage.CONFIRM, settings)}
    return [_second(screens, again, one, suspicions, tests, settings) for one in suspicions]


def _second(
    screens: dict[str, Kernel],
    again: dict[str, Kernel],
    one: Suspicion,
    suspicions: Sequence[Suspicion],
    tests: int,
    settings: Settings,
) -> Second:
    if one.kernel not in again:
        return Second(one)
    kernel, first = again[one.kernel], screens[one.kernel]
    bad = {other.ranks[0] for other in suspicions if other.kernel == one.kernel}
    own = kernel.left[:, kernel.ranks.index(one.ranks[0])]
    pool = kernel.left[:, [at for at, rank in enumerate(kernel.ranks) if rank not in bad]]
    noise = np.sort(first.left[np.isfinite(first.left)])
    return Second(one, confirm.against(own, pool, noise, first.margin / 2, tests, settings.alpha, settings.share))
