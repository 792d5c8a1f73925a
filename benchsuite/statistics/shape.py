"""Whether the samples of a run have more than one peak. Nothing is dropped: it is said beside the median."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchsuite.model import Array
from benchsuite.statistics.interval import effective_size

FEWEST = 20
APART = 0.005


def bimodal(seconds: Sequence[float]) -> bool:
    """Whether the samples fall into groups: Hartigan's dip test at 1 %, and a spread that matters.

    The test holds its rate against every distribution with one peak, however skewed, because it compares with the
    uniform one, the hardest to tell (Hartigan & Hartigan, The Dip Test of Unimodality, 1985); as many samples
    count as are independent. Samples whose middle four fifths lie within 0.5 % are never called bimodal: that may
    be the clock's ticks.
    """
    if len(seconds) < FEWEST:
        return False
    low, middle, high = np.percentile(seconds, (10, 50, 90))
    if high - low <= APART * middle:
        return False
    critical = 0.605 - 1.5 / len(seconds)  # the 99 % point of sqrt(n) dip for n uniform samples (tests/simulation)
    return dip(seconds) * math.sqrt(effective_size(seconds)) > critical


def dip(values: Sequence[float]) -> float:
    """The largest distance of the empirical distribution to the nearest one with one peak: 0 to 1 / 4.

    Such a distribution is convex up to its peak and concave from there. The interval that holds the peak is narrowed
    between the greatest convex minorant and the least concave majorant until these are no farther apart than the
    distribution already had to be bent outside it (Hartigan & Hartigan 1985, section 4).
    """
    x, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    after = np.cumsum(counts) / counts.sum()
    before = after - counts / counts.sum()
    low, high, bent = 0, x.size, 0.0
    while True:
        at, under, over = x[low:high], before[low:high], after[low:high]
        below, above = _minorant(at, under), _minorant(at, -over)
        convex, concave = np.interp(at, at[below], under[below]), np.interp(at, at[above], over[above])
        apart = concave - convex
        first, last = below[np.argmax(apart[below])], above[np.argmax(apart[above])]
        if apart[first] > apart[last]:
            last = above[np.searchsorted(above, first)]
        else:
            first = below[np.searchsorted(below, last, side="right") - 1]
        if max(apart[first], apart[last]) <= bent:
            return bent / 2.0
        rising, falling = over[:first] - convex[:first], concave[last + 1 :] - under[last + 1 :]
        bent = max(bent, float(rising.max(initial=0.0)), float(falling.max(initial=0.0)))
        if last - first + 1 == high - low:
            return bent / 2.0
        low, high = low + int(first), low + int(last) + 1


def _minorant(x: Array, y: Array) -> Array:
    """Where the greatest convex function below the points touches them (Andrew's monotone chain, 1979)."""
    hull: list[tuple[float, float, int]] = []
    for i, (right, high) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):  # plain numbers: ten times as fast
        while len(hull) > 1:
            (left, low, _), (middle, bend, _) = hull[-2:]
            if (bend - low) * (right - left) < (high - low) * (middle - left):
                break
            hull.pop()
        hull.append((right, high, i))
    return np.array([i for _, _, i in hull])
