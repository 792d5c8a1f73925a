"""What stands beside the verdict: a reference of all together, collectives without one group, and what was not seen."""

from __future__ import annotations

from collections import defaultdict
from math import exp, log, sqrt

import numpy as np

from benchsuite.localise import computes, rankrule, small
from benchsuite.localise.families import LEAST_LEAVES, MARGIN, SPREADS, Screened, rails
from benchsuite.localise.rankrule import percent
from benchsuite.localise.settings import Settings
from benchsuite.localise.table import Floats
from benchsuite.model import Culprit, Decision, Finding, Scan, Stage
from benchsuite.units import NO_BREAK_SPACE

LEAST_ROUNDS = 6
MOST = 0.9
"""The part of the rounds in which all together must be slow, in either half of the scan."""


def fleet(scan: Scan, screen: Screened, settings: Settings) -> list[Finding]:
    """Whether all together are slower than the reference: what ranks among themselves can never show."""
    reference = settings.reference
    if reference is None:
        return []
    ranks = tuple(sorted(screen.table.seats.where))
    whose = f"the reference ({reference.nodes} nodes{f', {reference.dated}' if reference.dated else ''})"
    found = []
    table = screen.table
    if small.usable(reference, scan.nbytes) and len(table.seats) > 2 and table.logs.size:
        pairs = rails(table.logs).mean(axis=-1)
        pairs = pairs[np.isfinite(pairs).any(axis=1)]
        few = len(table.seats) < small.FEW  # one bad node is in a large part of so few pairs: the best must be slow
        levels = np.nanmin(pairs, axis=1) if few else np.nanmedian(pairs, axis=1)
        found += _slow(levels - reference.pair, screen.margin, ranks, f"all nodes: exchange at {{}} % of {whose}")
    for kernel in computes.kernels(scan, Stage.SCREEN, settings):
        if kernel.name in reference.kernels:
            centre, sd = reference.kernels[kernel.name]
            margin = max(MARGIN, SPREADS * sd)
            found += _slow(
                kernel.levels - centre, margin, ranks, f"all units: compute {kernel.name} at {{}} % of {whose}"
            )
    return found


def _slow(levels: Floats, margin: float, ranks: tuple[int, ...], words: str) -> list[Finding]:
    """A finding when both halves of the rounds are slow against the reference."""
    above = levels > margin
    first, second = above[: above.size // 2], above[above.size // 2 :]
    if above.size < LEAST_ROUNDS or min(first.mean(), second.mean()) < MOST:
        return []
    slowdown = float(np.median(levels))
    return [
        Finding(
            Culprit.FLEET,
            Decision.ACCUSED,
            ranks,
            f"{words.format(percent(slowdown))}, in both halves of the scan",
            slowdown,
            float(np.sort(levels)[int((1 - MOST) * levels.size)]),
            int(first.sum()),
            first.size,
            (int(second.sum()), second.size),
            "Look for what all share: the fabric, a setting, a version; or the reference is not of this kind.",
        )
    ]


def hint(scan: Scan, screen: Screened) -> tuple[tuple[str, ...], float]:
    """The nodes without which an all-reduce of the others is quickest by more than the margin, and its time ratio."""
    times: dict[str, list[float]] = defaultdict(list)
    for one in scan.groups:
        if one.left_out and one.seconds is not None and one.seconds > 0:
            times[one.left_out].append(log(one.seconds))
    medians = {name: float(np.median(own)) for name, own in times.items()}
    if len(medians) < 3:
        return (), 1.0
    name = min(medians, key=lambda one: medians[one])
    others = float(np.median([one for left, one in medians.items() if left != name]))
    faster = others - medians[name]
    return (tuple(name.split(", ")), exp(-faster)) if faster > max(screen.margin, 0.05) else ((), 1.0)


def smallest(screen: Screened, scan: Scan, settings: Settings) -> float | None:
    """The smallest slowdown of one node that this scan would have found with 95 %."""
    from scipy.special import ndtri

    n, reference = len(screen.table.seats), settings.reference
    if n < small.FEW and reference is not None and small.usable(reference, scan.nbytes) and n > 2:
        pairs, _, cycles = small.pair_medians(screen.table)
        if not pairs:
            return None
        s = small.sd(reference, float(cycles.mean())) / sqrt(n - 1)
        reach = ndtri(rankrule.POWER) - ndtri(settings.alpha / len(small.hypotheses(n, pairs)))
        return float(max(screen.margin, s * reach))
    return rankrule.smallest(screen.rule, screen.pool, screen.margin) if n > small.FEWEST else None


def blind(scan: Scan, screen: Screened, settings: Settings) -> tuple[str, ...]:
    """What this scan could not have seen."""
    table, told = screen.table, []
    n, reference = len(table.seats), settings.reference
    known = small.usable(reference, scan.nbytes)
    what = "units" if table.seats.single else "nodes"
    if n < small.FEW and not known:
        few = f"Among {n} {what} nobody is accused without a reference of healthy ones."
        single = f"Among {n} {what} a single fault is assumed; two at once are not told apart without a reference."
        told.append(few if n <= small.FEWEST else single)
    if reference is None:
        told.append(f"What slows all {what} alike is not seen without a reference.")
    elif not known:
        told.append("The reference is of transfers of another size, so it was not used for these.")
    if (coverage := table.coverage()) < 1:
        part = f"{100 * coverage:.2g}{NO_BREAK_SPACE}%"
        told.append(f"{part} of all pairs met: a single slow link between others was not looked for.")
    leaves = len(table.seats.leaf_names)
    only = "There is a single leaf switch" if leaves == 1 else f"There are only {leaves} leaf switches"
    if not table.seats.single and leaves < LEAST_LEAVES and n > small.FEWEST:
        why = "The leaf switches are not known" if not leaves else only
        told.append(f"{why}: a slow one would look like several slow nodes.")
    if not scan.locals:
        told.append("Nothing was computed, so slow processors or GPUs were not looked for.")
    if screen.own and n >= small.FEW:
        told.append(f"How much healthy nodes differ (sd {100 * screen.between:.1f} %) was taken from this scan itself.")
    seen = np.isfinite(table.at(rails(table.logs))).all(axis=2).sum(axis=0)
    short = np.flatnonzero(screen.rule.needed(seen) > seen)
    if screen.rule.possible and short.size:
        names = ", ".join(table.seats.name(seat) for seat in short[:5].tolist())
        told.append(f"Too few rounds were measured of {names}{' and others' if short.size > 5 else ''} to judge them.")
    return tuple(told)
