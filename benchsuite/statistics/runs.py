"""Decisions from runs. A run (one fresh process group) is the unit; samples within a run never decide.

Pooling samples of several runs raises a false alarm in 60-70 % of A/A comparisons; Welch's t on the
log of each run's median keeps the nominal rate (docs/method.md, "Between runs").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

MIN_RUNS = 3
"""Runs on each side below which there is no verdict."""
MOST_RUNS = 1000
"""Nobody makes more; a larger number needed is not told."""
BOOTSTRAP_RUNS = 10
RESAMPLES = 10_000
QUANTILES = 24


@dataclass(frozen=True, slots=True)
class Estimate:
    """Geometric mean of the run values with its interval."""

    value: float
    low: float
    high: float


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate | None:
    """Geometric mean of positive run values with its t interval on the log scale; ``None`` below two runs."""
    if len(values) < 2:
        return None
    from scipy.special import stdtrit

    logs = np.log(np.asarray(values, dtype=np.float64))
    mean, spread = float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(logs.size)
    reach = float(stdtrit(logs.size - 1, 0.5 + confidence / 2.0)) * spread
    return Estimate(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))


class Verdict(StrEnum):
    """How B compares with A."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"
    INCOMPARABLE = "incomparable"


@dataclass(frozen=True, slots=True)
class Ratio:
    """B over A on a better-is-up scale, with its 95 % interval and the two-sided p-value of "no difference"."""

    ratio: float
    low: float
    high: float
    p: float
    same_low: float
    same_high: float


def welch(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Ratio | None:
    """Welch's t on the logs of the run values; ``None`` with fewer than ``MIN_RUNS`` runs on a side.

    ``same_low, same_high`` is the 90 % interval, whose inclusion in the margin is the two one-sided
    tests (TOST) at 5 %.
    """
    from scipy.special import stdtr, stdtrit

    if min(len(a), len(b)) < MIN_RUNS:
        return None
    x, y = np.log(np.asarray(a, dtype=np.float64)), np.log(np.asarray(b, dtype=np.float64))
    va, vb = float(x.var(ddof=1)) / x.size, float(y.var(ddof=1)) / y.size
    difference = float(y.mean() - x.mean())
    error = math.sqrt(va + vb)
    if error == 0.0:
        exact = math.exp(difference)
        return Ratio(exact, exact, exact, 1.0 if difference == 0.0 else 0.0, exact, exact)
    freedom = (va + vb) ** 2 / (va**2 / (x.size - 1) + vb**2 / (y.size - 1))
    reach = float(stdtrit(freedom, 0.5 + confidence / 2.0)) * error
    reach_same = float(stdtrit(freedom, 0.95)) * error
    p = 2.0 * float(stdtr(freedom, -abs(difference) / error))
    bounds = (difference - reach, difference + reach, difference - reach_same, difference + reach_same)
    low, high, same_low, same_high = (math.exp(bound) for bound in bounds)
    return Ratio(math.exp(difference), low, high, p, same_low, same_high)


def holm(p_values: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """Which hypotheses Holm's step-down rejects at family-wise rate ``alpha`` (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    rejected = [False] * len(p_values)
    for step, index in enumerate(order):
        if not p_values[index] <= alpha / (len(p_values) - step):
            break
        rejected[index] = True
    return rejected


def benjamini_hochberg(p_values: Sequence[float], q: float = 0.05) -> list[bool]:
    """Which hypotheses are rejected so that, on average, at most ``q`` of the rejections are false.

    The step-up procedure of Benjamini & Hochberg (1995): all up to the largest rank i with p(i) <= q i / m.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    passing = [rank for rank, index in enumerate(order, 1) if p_values[index] <= q * rank / len(order)]
    rejected = set(order[: max(passing, default=0)])
    return [index in rejected for index in range(len(p_values))]


def verdict(ratio: Ratio, shown: bool, margin: float = 0.01) -> Verdict:
    """The verdict: a difference must be shown (after multiplicity correction) and lie beyond ``margin``.

    As a ratio the margin reaches from 1 / (1 + margin) to 1 + margin, so that A against B says what B against A says.
    """
    least, most = 1.0 / (1.0 + margin), 1.0 + margin
    if shown and ratio.low > most:
        return Verdict.FASTER
    if shown and ratio.high < least:
        return Verdict.SLOWER
    if ratio.same_low >= least and ratio.same_high <= most:
        return Verdict.SAME
    return Verdict.UNDECIDED


@dataclass(frozen=True, slots=True)
class Truth:
    """What is supposed when runs are planned: the log ratio of B over A and each side's standard deviation of it."""

    difference: float
    sd_a: float
    sd_b: float

    @classmethod
    def estimated(cls, a: Sequence[float], b: Sequence[float]) -> Truth | None:
        """As two runs or more of each side tell it; ``None`` with fewer."""
        if min(len(a), len(b)) < 2:
            return None
        x, y = np.log(a), np.log(b)
        return cls(float(y.mean() - x.mean()), float(x.std(ddof=1)), float(y.std(ddof=1)))


def power(truth: Truth, runs: int, margin: float = 0.01, tests: int = 1) -> float:
    """How likely ``runs`` a side lead to faster, slower or same, if ``truth`` is true.

    For given variances each verdict asks the estimated difference to lie beyond a bound (``verdict``, with the first
    and hardest step of Holm among ``tests``), which is a normal probability. The mean of it is taken over quantiles of
    what the two variances may be found to be: the true ones times a chi-square over its degrees of freedom.
    """
    from scipy.special import gammaincinv, ndtr, stdtrit

    if truth.sd_a == truth.sd_b == 0.0:
        return 1.0
    chi2 = 2.0 * gammaincinv((runs - 1) / 2.0, (np.arange(QUANTILES) + 0.5) / QUANTILES)
    drawn = chi2 / (runs - 1) / runs
    va, vb = truth.sd_a**2 * drawn[:, None], truth.sd_b**2 * drawn[None, :]
    freedom = (runs - 1) * (va + vb) ** 2 / (va**2 + vb**2)
    reach, shown, same = (-stdtrit(freedom, tail) * np.sqrt(va + vb) for tail in (0.025, 0.025 / tests, 0.05))
    beyond, d = math.log1p(margin), truth.difference
    error = math.sqrt((truth.sd_a**2 + truth.sd_b**2) / runs)
    faster = ndtr((d - np.maximum(beyond + reach, shown)) / error)
    slower = ndtr((-d - np.maximum(beyond + reach, shown)) / error)
    inside = ndtr((beyond - same - d) / error) - ndtr((same - beyond - d) / error)
    return float(np.mean(faster + slower + np.maximum(inside, 0.0)))


def runs_needed(truth: Truth, margin: float = 0.01, tests: int = 1, wanted: float = 0.8) -> int | None:
    """The fewest runs a side that decide with probability ``wanted``, if ``truth`` is true.

    ``None`` when ``MOST_RUNS`` would not do: the difference lies about at the margin, or is drowned in noise.
    """
    few, enough = MIN_RUNS - 1, MIN_RUNS
    while power(truth, enough, margin, tests) < wanted:
        if enough >= MOST_RUNS:
            return None
        few, enough = enough, min(2 * enough, MOST_RUNS)
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if power(truth, middle, margin, tests) >= wanted else (middle, enough)
    return enough


def ratio_of_medians(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Estimate | None:
    """The median of B's runs over that of A's, with a percentile bootstrap interval over runs (Efron 1979).

    For display only: at 3 runs a side its intervals miss in 18 % of cases instead of 5 %. ``None`` below
    ``BOOTSTRAP_RUNS`` runs on a side. The same values always give the same interval.
    """
    if min(len(a), len(b)) < BOOTSTRAP_RUNS:
        return None
    rng = np.random.default_rng(0)
    x, y = (np.median(rng.choice(side, (RESAMPLES, len(side))), axis=1) for side in (a, b))
    low, high = np.quantile(y / x, (0.5 - confidence / 2.0, 0.5 + confidence / 2.0))
    return Estimate(float(np.median(b) / np.median(a)), float(low), float(high))
