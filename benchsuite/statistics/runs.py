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


@dataclass(frozen=True, slots=True)
class Estimate:
    """Geometric mean of the run values with its interval."""

    value: float
    low: float
    high: float


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate | None:
    """Geometric mean of positive run values with its t interval on the log scale; ``None`` below two runs."""
    from scipy.stats import t

    if len(values) < 2:
        return None
    logs = np.log(np.asarray(values, dtype=np.float64))
    mean, spread = float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(logs.size)
    reach = float(t.ppf(0.5 + confidence / 2.0, logs.size - 1)) * spread
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
    from scipy.stats import t

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
    reach = float(t.ppf(0.5 + confidence / 2.0, freedom)) * error
    reach_same = float(t.ppf(0.95, freedom)) * error
    p = 2.0 * float(t.sf(abs(difference) / error, freedom))
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


def verdict(ratio: Ratio, shown: bool, margin: float = 0.01) -> Verdict:
    """The verdict: a difference must be shown (after multiplicity correction) and lie beyond ``margin``."""
    if shown and ratio.low > 1.0 + margin:
        return Verdict.FASTER
    if shown and ratio.high < 1.0 - margin:
        return Verdict.SLOWER
    if ratio.same_low >= 1.0 - margin and ratio.same_high <= 1.0 + margin:
        return Verdict.SAME
    return Verdict.UNDECIDED


def runs_needed(a: Sequence[float], b: Sequence[float], margin: float = 0.01) -> int | None:
    """About how many runs a side would resolve ``margin`` with 80 % power at 5 % two-sided.

    n = 2 ((z_0.975 + z_0.8) sd / margin)^2 with the pooled standard deviation of the log run values;
    ``None`` when fewer than two runs a side leave the spread unknown.
    """
    if min(len(a), len(b)) < 2:
        return None
    variance = (float(np.log(a).var(ddof=1)) + float(np.log(b).var(ddof=1))) / 2.0
    return max(MIN_RUNS, math.ceil(2.0 * 2.8**2 * variance / margin**2))
