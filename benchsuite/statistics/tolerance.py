"""Tolerance limits: how low the next healthy machine may lie, learned from a few that are known good.

A lower tolerance limit with content 99 % and confidence 95 % lies, with 95 % of such samples, below 99 % of the
population (Hahn & Meeker, Statistical Intervals, 1991, chapter 4). Centre and spread are the median and the median
absolute deviation, which a few ill machines hardly move; their factor is larger than that of mean and standard
deviation, because they know less of a healthy sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

CONTENT, CONFIDENCE = 0.99, 0.95
FEWEST = 10
"""Machines below which a limit says nothing: the factor grows beyond all use."""
CONSISTENT = 1.4826
"""Median absolute deviation -> standard deviation, of a normal population."""
FLOOR = 0.0005
"""The spread is never taken for less (a log): clocks and rounding are not finer."""
MOST = 4096
"""Machines beyond which nobody needs a limit, and the simulation takes long."""
REPETITIONS = 20_000
SEED = 1991
AT_ONCE = 1 << 20
"""Simulated numbers that are held in memory together."""

Logs = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limit:
    """What ``n`` machines known good say, on the log scale: the lowest that the next good one may be is ``limit``.

    centre: median; spread: median absolute deviation as a standard deviation; factor: limit = centre - factor spread.
    """

    n: int
    centre: float
    spread: float
    factor: float

    @property
    def limit(self) -> float:
        """The lower tolerance limit."""
        return self.centre - self.factor * self.spread


def lower(logs: Sequence[float], content: float = CONTENT, confidence: float = CONFIDENCE) -> Limit:
    """The lower tolerance limit of these logs. Raises ``ValueError`` below ``FEWEST`` values or for one not finite."""
    values = np.asarray(logs, dtype=np.float64)
    if values.size < FEWEST or not np.isfinite(values).all():
        raise ValueError(f"a tolerance limit needs {FEWEST} finite values at least")
    centre, spread = robust(values)
    return Limit(int(values.size), centre, max(spread, FLOOR), robust_factor(values.size, content, confidence))


def robust(logs: Logs) -> tuple[float, float]:
    """Median, and median absolute deviation as a standard deviation."""
    centre = float(np.median(logs))
    return centre, CONSISTENT * float(np.median(np.abs(logs - centre)))


def outliers(logs: Sequence[float], alpha: float = 0.01) -> tuple[int, ...]:
    """Places of the values that do not belong: among healthy ones of a normal population any is named with
    probability ``alpha``, whatever their number."""
    values = np.asarray(logs, dtype=np.float64)
    centre, spread = robust(values)
    reach = farthest(values.size, max(alpha, 4 / repetitions(values.size))) * max(spread, FLOOR)
    return tuple(int(place) for place in np.flatnonzero(~(np.abs(values - centre) <= reach)))


def normal_factor(n: int, content: float = CONTENT, confidence: float = CONFIDENCE) -> float:
    """The factor of mean and standard deviation: a quantile of the noncentral t distribution, exact."""
    from scipy.stats import nct, norm

    return float(nct.ppf(confidence, n - 1, norm.ppf(content) * math.sqrt(n)) / math.sqrt(n))


@cache
def robust_factor(n: int, content: float = CONTENT, confidence: float = CONFIDENCE) -> float:
    """The factor of median and median absolute deviation, by simulation with a fixed seed.

    The limit lies below the content's quantile -z where factor >= (median + z) / spread: a pivot, whose quantile the
    factor is.
    """
    from scipy.stats import norm

    depth = float(norm.ppf(content))
    pivots = np.concatenate([(centre + depth) / spread for centre, spread, _ in _healthy(n)])
    return float(np.quantile(pivots, confidence))


@cache
def farthest(n: int, alpha: float) -> float:
    """Beyond how many spreads the farthest of ``n`` healthy values lies with probability ``alpha``, by simulation."""
    reaches = np.concatenate([reach for _, _, reach in _healthy(n)])
    return float(np.quantile(reaches, 1.0 - alpha))


def repetitions(n: int) -> int:
    """Samples that are simulated for ``n`` values: fewer of large ones, whose limits vary less."""
    return min(REPETITIONS, max(2000, (1 << 23) // n))


def _healthy(n: int) -> Iterator[tuple[Logs, Logs, Logs]]:
    """Of samples of a standard normal population: median, spread, and spreads from the median to the farthest value."""
    rng = np.random.default_rng([SEED, n])
    rows, whole = max(1, AT_ONCE // n), repetitions(n)
    for done in range(0, whole, rows):
        sample = rng.standard_normal((min(rows, whole - done), n))
        centre = np.median(sample, axis=1)
        away = np.abs(sample - centre[:, None])
        spread = CONSISTENT * np.median(away, axis=1)
        yield centre, spread, away.max(axis=1) / spread
