"""Whether a run had reached its steady state. Nothing is cut away: these functions only tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import numpy as np

from benchsuite.model import Array
from benchsuite.statistics.interval import persistence

BLOCK = 10
BLOCKS_AGREE = 0.005
TREND = 0.01
MSER_BLOCK, ROUNDING = 5, 1e-12
FEWEST = 15
"""Samples below which no drift is claimed: a third of them would be no sample."""


def trend(seconds: Sequence[float]) -> float:
    """By how much the times rise (or fall, negative) over all of them, as a part of their median.

    Tukey's resistant line (Exploratory Data Analysis, 1977): through the medians of the first and of the last third,
    whose middles are two thirds of the window apart. A few spikes do not bend it.
    """
    third = len(seconds) // 3
    if third == 0:
        return 0.0
    return 1.5 * (median(seconds[-third:]) - median(seconds[:third])) / median(seconds)


def settled(seconds: Sequence[float]) -> bool:
    """Whether the last two blocks of ten agree within 0.5 % and the trend over all is below 1 %."""
    if len(seconds) < 2 * BLOCK:
        return False
    before, after = median(seconds[-2 * BLOCK : -BLOCK]), median(seconds[-BLOCK:])
    return abs(after - before) <= BLOCKS_AGREE * before and abs(trend(seconds)) < TREND


def drifted(seconds: Sequence[float], shift: float = 0.005, alpha: float = 0.01) -> bool:
    """First third against last third: medians more than ``shift`` apart, and Mann-Whitney's p below ``alpha``.

    The test's variance is that of independent samples. Where neighbours correlate by r, the mean of their ranks varies
    (1 + r) / (1 - r) times as much (Zwiers & von Storch 1995), and z is scaled down accordingly; r is that of the
    thirds' distances from their own straight lines, so that a steep ramp does not pass for correlation.
    Flags at most 1 % of flat data, 5 % where r = 0.5 (tests/simulation).
    """
    third = len(seconds) // 3
    if len(seconds) < FEWEST:
        return False
    first, last = seconds[:third], seconds[-third:]
    before = median(first)
    if abs(median(last) - before) <= shift * before:
        return False
    r = (persistence(_straightened(first)) + persistence(_straightened(last))) / 2.0
    return math.erfc(abs(_mann_whitney(first, last)) * math.sqrt((1.0 - r) / (1.0 + r) / 2.0)) < alpha


def _straightened(values: Sequence[float]) -> Array:
    """Distances from the least-squares line."""
    x = np.asarray(values, dtype=np.float64)
    at = np.arange(x.size) - (x.size - 1) / 2.0
    rest: Array = x - x.mean() - at * float(at @ x) / float(at @ at)
    return rest


def _mann_whitney(first: Sequence[float], last: Sequence[float]) -> float:
    """The normal score z of Mann and Whitney's U (1947) for independent samples, with ties counted half."""
    m, n = len(first), len(last)
    below = np.searchsorted(np.sort(first), last, side="left").sum()
    upto = np.searchsorted(np.sort(first), last, side="right").sum()
    return float((below + upto) / 2.0 - m * n / 2.0) / math.sqrt(m * n * (m + n + 1) / 12.0)


def mser(seconds: Sequence[float]) -> int:
    """How many samples still belong to the approach of the steady state, by MSER-5.

    Of the means of blocks of five, so many are set aside that the standard error of the mean of the rest is least,
    half of them at most (White 1997; Franklin & White 2008). 0 with fewer than four blocks.
    """
    count = len(seconds) // MSER_BLOCK
    if count < 4:
        return 0
    means = np.asarray(seconds[: count * MSER_BLOCK], dtype=np.float64).reshape(count, MSER_BLOCK).mean(axis=1)
    rest = (means - means.mean())[::-1]
    left = np.arange(1, count + 1)
    squares = np.cumsum(rest**2) - np.cumsum(rest) ** 2 / left
    error = (squares / left**2)[::-1][: count // 2 + 1]
    return MSER_BLOCK * int(np.argmax(error <= error.min() + ROUNDING * error.max()))
