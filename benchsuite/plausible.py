"""Numbers of others that cannot have been measured: each is named and left out, and the rest is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchsuite.model import Metric, Quantiles, Score, Status

MOST = 1.05
"""Of the datasheet's dense peak or bandwidth. Boost clocks and rounded datasheets explain less than that."""
CLOSE = 1e-6
"""How far apart two numbers of one publication may be where one follows from the other."""
LARGE = 1 << 30
"""Bytes of a working set that no cache of any catalogued chip holds."""
NEVER_ZERO = frozenset(Metric) - {Metric.TEMPERATURE, Metric.COUNT, Metric.RATIO, Metric.POWER}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the hardware can do at most: operations per second by element type, bytes per second; empty: not known."""

    peaks: Mapping[str, float] = field(default_factory=dict)
    bandwidth: float = math.inf


def problem(score: Score, limits: Limits = Limits()) -> str:
    """Why this result cannot be true, as the second half of a sentence; nothing when it can."""
    if (score.value is None) != (score.status is not Status.OK):
        return f"is {score.status.value} and has {'no' if score.value is None else 'a'} number"
    if score.value is None:
        return "has runs without a number" if score.run_values or score.samples else ""
    return _numbers(score, score.value) or _runs(score, score.value) or _limits(score, score.value, limits)


def _numbers(score: Score, value: float) -> str:
    optional = (
        score.low,
        score.high,
        score.ceiling,
        score.of_ceiling,
        score.of_datasheet,
        score.of_clock,
        score.joules,
    )
    told = [one for one in optional if one is not None]
    work = score.work
    if not all(map(math.isfinite, (value, *told, *score.run_values, *score.conditions.values()))):
        return "holds a number that is not finite"
    if score.metric in NEVER_ZERO and not all(one > 0.0 for one in (value, *told, *score.run_values)):
        return "is zero or negative"
    if min(work.flops, work.read, work.written, work.payload, work.wire, work.steps) < 0.0 or score.case.ranks < 1:
        return "is of an impossible amount of work"
    low, high = (value if end is None else end for end in (score.low, score.high))
    if not low <= value * (1.0 + CLOSE) or not value <= high * (1.0 + CLOSE):
        return "lies outside its own interval"
    if score.ceiling and score.of_ceiling and not math.isclose(score.of_ceiling, value / score.ceiling, rel_tol=1e-3):
        return "is another part of its ceiling than it says"
    return ""


def _runs(score: Score, value: float) -> str:
    runs = score.run_values
    if runs and len(runs) != score.runs:
        return "has more runs or fewer than it says"
    if runs and not min(runs) * (1.0 - CLOSE) <= value <= max(runs) * (1.0 + CLOSE):
        return "does not lie among the values of its runs"
    if not all(map(_ordered, score.samples)):
        return "has samples whose quantiles are out of order"
    return "" if len(score.samples) != len(runs) or _from_samples(score) else "does not follow from its samples"


def _ordered(told: Quantiles) -> bool:
    return told.n >= 1 and 0.0 < told.minimum <= told.p5 <= told.median <= told.p95 <= told.maximum < math.inf


def _from_samples(score: Score) -> bool:
    """Whether every run's value is what its work and the median of its samples make."""
    amount = {
        Metric.FLOPS: score.work.flops,
        Metric.BANDWIDTH: score.work.bytes,
        Metric.BUSBW: score.work.wire,
        Metric.CLOCK: score.work.steps,
        Metric.LATENCY: score.work.steps,
    }.get(score.metric)
    if amount is None or not score.samples:
        return True
    if not amount > 0.0:
        return False
    made = (one.median / amount if score.metric is Metric.LATENCY else amount / one.median for one in score.samples)
    return all(math.isclose(one, run, rel_tol=1e-3) for one, run in zip(made, score.run_values, strict=True))


def _limits(score: Score, value: float, limits: Limits) -> str:
    params = dict(score.case.params)
    size = params.get("bytes")
    most = math.inf
    if score.metric is Metric.FLOPS:
        most = limits.peaks.get(str(params.get("dtype", "")), math.inf)
    elif score.metric is Metric.BANDWIDTH and isinstance(size, int) and size >= LARGE:
        most = limits.bandwidth
    part = max(value / most, score.of_datasheet or 0.0)
    return f"is {part:.2f} times what the datasheet allows" if part > MOST else ""
