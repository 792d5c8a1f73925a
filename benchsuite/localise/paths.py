"""Single pairs: which of them to look at again, and whether one is slow while both of its ends are fine elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

import numpy as np

from benchsuite.localise import confirm, families, residuals, table
from benchsuite.localise.confirm import Second, Told
from benchsuite.localise.families import Screened
from benchsuite.localise.settings import PATHS, Settings
from benchsuite.localise.suspicion import Suspicion
from benchsuite.localise.table import Floats, Table
from benchsuite.model import Culprit, Scan, Stage

Pair = tuple[int, int]
MOST = 64
"""So many of the slowest pairs are looked for in the rounds that measured pairs again."""
LEAST, OFTEN = 6, 0.9
"""Rounds in which a pair must have been measured again to be judged, and which part of the most of any pair: controls
meet by chance and less often."""


def worst(scan: Scan, count: int) -> tuple[Pair, ...]:
    """The ``count`` pairs of seats to look at again: wrong bytes first, then the slowest beyond what their ends are."""
    screen = table.build(scan, Stage.SCREEN)
    where = screen.seats.where
    bad = (
        tuple(sorted((where[one.sender][0], where[one.receiver][0])))
        for one in scan.transfers
        if one.wrong and one.stage is Stage.SCREEN and one.sender in where and one.receiver in where
    )
    wrong = [pair for pair, _ in Counter((one, other) for one, other in bad).most_common()]
    return tuple(dict.fromkeys([*wrong, *ranked(screen, residuals.of(screen)[0])]))[:count]


def ranked(screen: Table, left: Floats) -> tuple[Pair, ...]:
    """All pairs that were measured, by the median of their rounds, worst first."""
    if not left.size:
        return ()
    means = left.mean(axis=-1)
    rail = np.where(np.isfinite(means), means, -np.inf).max(axis=2)
    values = np.where(np.isinf(rail), np.nan, rail)
    ends = np.maximum(residuals.medians(screen.at(values), 0)[0], 0.0)
    beyond = values - ends[screen.ends].max(axis=-1)
    known = screen.paired & np.isfinite(values)
    n = len(screen.seats)
    met = screen.ends[known]
    keys, inverse = np.unique(met.min(axis=-1) * n + met.max(axis=-1), return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    groups = np.split(beyond[known][order], np.searchsorted(inverse[order], np.arange(1, keys.size)))
    scores = np.array([np.median(one) for one in groups])
    return tuple((int(keys[at]) // n, int(keys[at]) % n) for at in np.argsort(-scores, kind="stable"))


def judged(again: Table, screen: Screened, accused: Container[int], settings: Settings) -> list[Second]:
    """The pairs that were measured again and are slow beyond their ends, judged against the others of each round.

    Their rounds are data of their own: that they were the slowest of the screen does not make them slow in these.
    accused: seats that are slow themselves.
    """
    if not again.logs.size:
        return []
    left = residuals.of(again, screen.offsets)[0]
    own = _meetings(again)
    most = max((at[0].size for at in own.values()), default=0)
    own = {pair: at for pair, at in own.items() if at[0].size >= max(LEAST, OFTEN * most)}
    targets = [pair for pair in ranked(screen.table, screen.left)[:MOST] if pair in own]
    targets = [pair for pair in targets if not (pair[0] in accused or pair[1] in accused)]
    if not targets:
        return []
    ends = np.maximum(residuals.medians(screen.table.at(families.rails(screen.left).mean(axis=-1)), 0)[0], 0.0)
    pool = left.mean(axis=-1)
    for pair in targets:
        pool[own[pair]] = np.nan
    for seat in range(len(again.seats)):
        if seat in accused:
            pool[(again.ends == seat).any(axis=-1)] = np.nan
    centre = residuals.medians(pool, (1, 2))
    pool, left = pool - centre, left - centre[..., None]
    alpha = settings.alpha * PATHS
    found = []
    for pair in targets:
        for rail in range(left.shape[2]):
            values = np.full((again.rounds, 2), np.nan)
            values[own[pair][0]] = left[own[pair]][:, rail] - max(ends[pair[0]], ends[pair[1]])
            others = pool.reshape(again.rounds, -1)
            tests = len(targets) * left.shape[2]
            told = confirm.against(
                values.mean(axis=-1), others, screen.pool, screen.margin, tests, alpha, settings.share
            )
            if told.slow:
                found.append(_path(screen, pair, rail, values, told))
    return found


def _path(screen: Screened, pair: Pair, rail: int, values: Floats, told: Told) -> Second:
    """A slow pair, or the one of its directions that is slow; the sender first."""
    forth, back = (float(one) for one in residuals.medians(values, 0)[0])
    label = families.directed(forth, back)
    ends = pair if label is not Culprit.RECEIVES else pair[::-1]
    slowdown = {Culprit.SENDS: forth, Culprit.RECEIVES: back}.get(label, (forth + back) / 2)
    ranks = tuple(screen.table.seats.ranks[seat][rail] for seat in ends)
    met = screen.left[(np.sort(screen.table.ends, axis=-1) == np.sort(pair)).all(axis=-1)][:, rail].mean(axis=-1)
    met = met[np.isfinite(met)]
    slow = int((met >= screen.margin).sum())
    both = "" if label is Culprit.NODE else "directed"
    return Second(Suspicion(Culprit.PATH, ranks, pair[0], rail, slowdown, 0.0, slow, met.size, both), told)


def _meetings(again: Table) -> dict[Pair, tuple[np.ndarray[tuple[int, ...], np.dtype[np.int64]], ...]]:
    """Where in (R, G) each pair was measured; pairs stand with the smaller seat first (``table.build``)."""
    found: dict[Pair, list[tuple[int, int]]] = {}
    measured = again.paired & np.isfinite(again.logs).any(axis=(2, 3))
    for row, slot in np.argwhere(measured).tolist():
        first, second = again.ends[row, slot].tolist()
        found.setdefault((first, second), []).append((row, slot))
    return {pair: tuple(np.array(at, dtype=np.int64).T) for pair, at in found.items()}
