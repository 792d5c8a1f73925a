"""Many pairs at once: what ``runs`` does with one pair, for all pairs of up to a thousand sides (vectorised).

A side is the logs of its run values, better-is-up, told by their number, mean and variance: Welch's t needs no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchsuite.statistics.runs import Ratio

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sides:
    """Each side's runs, and the mean and the variance (n - 1) of the logs of its run values."""

    runs: Floats
    mean: Floats
    variance: Floats

    @classmethod
    def of(cls, values: Sequence[Sequence[float]]) -> Sides:
        """Of run values, positive and better-is-up, two or more of each side."""
        runs = np.array([len(each) for each in values], dtype=np.float64)
        side = np.repeat(np.arange(len(values)), runs.astype(np.intp))
        logs = np.log(np.array([value for each in values for value in each], dtype=np.float64))
        first = np.log(np.array([each[0] for each in values], dtype=np.float64))
        mean = first + np.bincount(side, logs - first[side], len(values)) / runs  # exact where all runs are equal
        squares = np.bincount(side, (logs - mean[side]) ** 2, len(values))
        return cls(runs, mean, squares / (runs - 1.0))

    def __getitem__(self, chosen: Indices) -> Sides:
        return Sides(self.runs[chosen], self.mean[chosen], self.variance[chosen])


@dataclass(frozen=True, slots=True)
class Pairs:
    """B against A, pair by pair: the log ratio, its standard error and its degrees of freedom (Welch 1947)."""

    difference: Floats
    error: Floats
    freedom: Floats

    @classmethod
    def of(cls, a: Sides, b: Sides) -> Pairs:
        """The pairs of equal position."""
        va, vb = a.variance / a.runs, b.variance / b.runs
        spent = va**2 / (a.runs - 1.0) + vb**2 / (b.runs - 1.0)
        freedom = np.divide((va + vb) ** 2, spent, out=np.ones_like(spent), where=spent > 0.0)
        return cls(b.mean - a.mean, np.sqrt(va + vb), freedom)

    def __getitem__(self, chosen: Indices | Flags) -> Pairs:
        return Pairs(self.difference[chosen], self.error[chosen], self.freedom[chosen])

    def tail(self, distance: Floats) -> Floats:
        """The probability of Student's t beyond ``distance``, a log ratio. Without an error only 0 is in doubt."""
        from scipy.special import stdtr

        exact = self.error == 0.0
        t = distance / np.where(exact, 1.0, self.error)
        return np.asarray(np.where(exact, 0.5 - 0.5 * np.sign(distance), stdtr(self.freedom, -t)), dtype=np.float64)

    def p(self, most: float = 1.0) -> Floats:
        """The two-sided p-value of "no difference"; one that is surely above ``most``, as 1: that costs nothing."""
        from scipy.special import ndtri

        size = np.abs(self.difference)
        open_ = size > -ndtri(most / 2.0) * self.error if most < 1.0 else np.ones(size.shape, dtype=np.bool_)
        found = np.ones(size.shape)
        found[open_] = 2.0 * self[open_].tail(size[open_])
        return found

    def beyond(self, margin: float) -> Flags:
        """Whether the 95 % interval of the ratio lies beyond the margin, on the side where the estimate is."""
        from scipy.special import ndtri, stdtrit

        distance = np.abs(self.difference) - np.log1p(margin)
        least = stdtrit(self.freedom.min(initial=np.inf), 0.975)
        sure = np.asarray(distance > least * self.error, dtype=np.bool_)
        open_ = (distance > 0.0) & (distance > ndtri(0.975) * self.error) & ~sure
        sure[open_] = self[open_].tail(distance[open_]) < 0.025
        return sure

    def within(self, margin: float) -> Flags:
        """Whether the 90 % interval of the ratio lies inside the margin: two one-sided tests at 5 %."""
        up, down = np.log1p(margin) - self.difference, self.difference + np.log1p(margin)
        inside = (up >= 0.0) & (down >= 0.0)
        return np.asarray(inside & (np.maximum(self.tail(up), self.tail(down)) <= 0.05), dtype=np.bool_)

    def ratios(self) -> list[Ratio]:
        """Each as ``runs.welch`` would tell it."""
        from scipy.special import stdtrit

        reach, same = (stdtrit(self.freedom, level) * self.error for level in (0.975, 0.95))
        d = self.difference
        columns = (d, d - reach, d + reach, d - same, d + same)
        with np.errstate(over="ignore"):  # an interval without an end
            ratio, low, high, same_low, same_high = (np.exp(column).tolist() for column in columns)
        return [Ratio(*row) for row in zip(ratio, low, high, self.p().tolist(), same_low, same_high, strict=True)]


def holm(p: Floats, alpha: float = 0.05) -> Flags:
    """Which hypotheses Holm's step-down rejects at family-wise rate ``alpha`` (Holm 1979).

    Without sorting: with r rejected, all are rejected that pass the step after them, until none is added.
    """
    rejected, count = np.zeros(p.size, dtype=np.bool_), -1
    while (found := int(np.count_nonzero(rejected))) > count and found < p.size:
        count, rejected = found, p <= alpha / (p.size - found)
    return rejected


def every_pair(count: int) -> tuple[Indices, Indices]:
    """The indices (i, j), i < j, of all pairs of ``count`` sides."""
    return np.triu_indices(count, 1)
