"""Where noise arises: between runs or within them, and so which of the two to have more of.

Repeat at the level at which the noise arises (Kalibera & Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchsuite.model import Spread, Summary
from benchsuite.statistics.runs import MIN_RUNS, MOST_RUNS

FEWEST_SAMPLES = 8
"""Independent samples below which a run's 99 % interval of the median does not exist."""
MOST_SAMPLES = 400


def components(summaries: Sequence[Summary]) -> Spread | None:
    """The two components of the variance of log run medians; ``None`` below two runs or with too few samples.

    The error of one run's median is told by its order-statistic interval, whatever the distribution: its width over
    that of a normal interval of the same confidence (McKean & Schrader 1984), on the log scale. The variance of the
    run medians less the mean square of these errors is the component between runs (Kalibera & Jones, 9.2), 0 at least.
    """
    if len(summaries) < 2 or min(one.n_effective for one in summaries) < FEWEST_SAMPLES:
        return None
    from scipy.special import ndtri

    errors = np.array([math.log(one.high / one.low) / 2.0 / ndtri(0.5 + one.confidence / 2.0) for one in summaries])
    effective = np.array([one.n_effective for one in summaries])
    medians = np.log([one.median for one in summaries])
    between = max(0.0, float(medians.var(ddof=1)) - float(np.mean(errors**2)))
    return Spread(math.sqrt(between), math.sqrt(float(np.mean(errors**2 * effective))), float(effective.mean()))


@dataclass(frozen=True, slots=True)
class Pilot:
    """How many runs of how many independent samples reach a precision."""

    runs: int
    samples: int


def half_width(spread: Spread, runs: int, samples: float, confidence: float = 0.95) -> float:
    """The relative half width to expect of the t interval over ``runs`` of ``samples`` independent samples each."""
    from scipy.special import stdtrit

    error = math.sqrt((spread.between**2 + spread.within**2 / samples) / runs)
    return math.expm1(float(stdtrit(runs - 1, 0.5 + confidence / 2.0)) * error)


def pilot(spread: Spread, wanted: float) -> Pilot | None:
    """The cheapest plan whose interval is within ``wanted`` of the value; ``None`` above ``MOST_RUNS`` runs.

    Of a run that costs c samples to begin, sqrt(c) within / between samples are best (Kalibera & Jones, 9.3): more
    would only repeat what the run already knows.
    """
    ratio = spread.within / spread.between if spread.between > 0.0 else math.inf
    best = math.sqrt(spread.cost) * ratio
    samples = math.ceil(min(max(best, FEWEST_SAMPLES), MOST_SAMPLES))
    for runs in range(MIN_RUNS, MOST_RUNS + 1):
        if half_width(spread, runs, samples) <= wanted:
            return Pilot(runs, samples)
    return None
