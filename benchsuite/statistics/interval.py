"""Interval of a median from the samples of one run (docs/method.md, "One run")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from benchsuite.model import Array


def lag1(values: Sequence[float] | Array) -> float:
    """Lag-1 autocorrelation r1 of ``values`` in the order taken; 0 when they do not vary."""
    x = np.asarray(values, dtype=np.float64)
    if x.size < 3:
        return 0.0
    centred = x - x.mean()
    variance = float(centred @ centred)
    if variance <= 0.0:
        return 0.0
    return float(centred[1:] @ centred[:-1]) / variance


def persistence(values: Sequence[float] | Array) -> float:
    """The lag-1 correlation of a Gaussian series whose ranks follow each other as those of ``values`` do, 0 to 0.99.

    Ranks, because one spike among the values hides all correlation of the rest from their moments. Spearman's
    coefficient of neighbours is turned into Pearson's by 2 sin(pi r / 6) (Pearson 1907), and freed of its bias in
    short series, -(1 + 4 r) / n (Kendall 1954).
    """
    n = len(values)
    if n < 3:
        return 0.0
    _, place, count = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    r = 2.0 * math.sin(math.pi / 6.0 * lag1((np.cumsum(count) - count / 2.0)[place]))
    return max(0.0, min(r + (1.0 + 4.0 * r) / n, 0.99))


def effective_size(values: Sequence[float]) -> float:
    """Independent samples whose median would be known as well: n / (1 + 2 sum of the signs' correlations).

    The variance of a median depends on which side of it the samples lie. Of a Gaussian series whose neighbours
    correlate by r (AR(1)), the sides of samples k apart correlate by 2 / pi asin(r^k) (Sheppard 1899). Without
    this, a nominal 95 % interval covers 82-88 % at r = 0.5 (tests/simulation). Never above n.
    """
    r = persistence(values)
    powers = r ** np.arange(1, len(values))
    return max(1.0, len(values) / (1.0 + 4.0 / math.pi * float(np.arcsin(powers).sum())))


@lru_cache(maxsize=4096)
def median_ranks(n: int, confidence: float) -> tuple[int, int] | None:
    """Zero-based ranks (low, high) of the distribution-free interval of the median of ``n`` samples.

    r is the largest rank with 1 - 2 BinomCDF(r - 1; n, 1/2) >= confidence (David & Nagaraja, Order
    Statistics, 7.1). ``None`` when n is too small for that confidence (95 % needs 6, 99 % needs 8).
    """
    left = int((1 - Fraction(confidence)) / 2 * 2**n)  # of the 2^n outcomes; exact, and nothing to import while timing
    r, ways = 0, 1
    while ways <= left:
        left -= ways
        r += 1
        ways = ways * (n - r + 1) // r
    return (r - 1, n - r) if r >= 1 else None


def median_interval(values: Sequence[float], confidence: float = 0.99) -> tuple[float, float] | None:
    """Interval of the median, with ranks from the effective sample size; ``None`` with too few samples.

    The ranks found for n_eff samples are stretched to the quantile levels they stand for.
    """
    n = len(values)
    effective = round(effective_size(values))
    ranks = median_ranks(effective, confidence)
    if ranks is None:
        return None
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    low = int(np.floor(ranks[0] / effective * n))
    high = int(np.ceil((ranks[1] + 1) / effective * n)) - 1
    return float(ordered[low]), float(ordered[min(high, n - 1)])


def precise(values: Sequence[float], precision: float, confidence: float = 0.99) -> bool:
    """Whether the interval's width is within ``precision`` of the median."""
    interval = median_interval(values, confidence)
    if interval is None:
        return False
    return interval[1] - interval[0] <= precision * float(np.median(values))
