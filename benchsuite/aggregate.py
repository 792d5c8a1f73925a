"""Several numbers as one, of the kind their meaning asks for, always with the parts; refused rather than partial.

Rates are averaged harmonically (all work over all time), costs arithmetically, ratios geometrically (Hoefler & Belli
2015, rules 3 and 4). A part that is missing, of another unit or too noisy withholds the whole: an average over what
happens to be there answers another question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchsuite.model import Metric, Score

NOISY = 0.05
"""Half-width of a part's interval on the log scale beyond which it would shake the whole: it is shown, not averaged."""


class Mean(StrEnum):
    """How parts become one."""

    HARMONIC = "harmonic"
    GEOMETRIC = "geometric"
    ARITHMETIC = "arithmetic"


@dataclass(frozen=True, slots=True)
class Part:
    """One number of an aggregate. low, high: its interval, in ``unit`` like ``value``.

    weight: of a rate the work it did, of a cost how often it is paid; ratios all count the same. reason: why there is
    no value.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    weight: float = 1.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One number over ``parts``, or none and the ``reason``. good: how many of the parts could be used.

    low, high: from the parts' intervals on the log scale, taken as independent of one another; ``None`` where a part
    has no interval.
    """

    mean: Mean
    parts: tuple[Part, ...]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    good: int = 0
    reason: str = ""

    @property
    def counted(self) -> str:
        """``"3 of 5"``: how many of the parts could be used."""
        return f"{self.good} of {len(self.parts)}"


def rates(parts: Sequence[Part], noise: float = NOISY) -> Aggregate:
    """All work over all time: sum of w over sum of w / rate."""
    return _aggregate(Mean.HARMONIC, parts, noise)


def ratios(parts: Sequence[Part], noise: float = NOISY) -> Aggregate:
    """The geometric mean, the only one for which it does not matter which of two is the base."""
    return _aggregate(Mean.GEOMETRIC, parts, noise)


def costs(parts: Sequence[Part], noise: float = NOISY) -> Aggregate:
    """The arithmetic mean, each cost counted as often as it is paid: seconds, joules, dollars."""
    return _aggregate(Mean.ARITHMETIC, parts, noise)


def of_scores(scores: Sequence[Score], noise: float = NOISY) -> Aggregate:
    """Scores of one metric as one: rates by their work, latencies as costs, ratios as ratios."""
    metric = scores[0].metric if scores else Metric.FLOPS
    kind = _KINDS.get(metric)
    weighed = all(_work(score) > 0.0 for score in scores)
    parts = [part(score, _work(score) if weighed else 1.0) for score in scores]
    if kind is None:
        return Aggregate(Mean.GEOMETRIC, tuple(parts), reason=f"no mean of {metric.value} means anything")
    return _aggregate(kind, parts, noise)


def part(score: Score, weight: float = 1.0) -> Part:
    """A score as a part."""
    name = f"{score.case.key} [{score.implementation}]"
    return Part(name, score.value, score.low, score.high, score.metric.value, weight, score.reason)


_KINDS: Mapping[Metric, Mean] = {
    **dict.fromkeys(
        (Metric.FLOPS, Metric.BANDWIDTH, Metric.BUSBW, Metric.ALGBW, Metric.RATE, Metric.CLOCK), Mean.HARMONIC
    ),
    Metric.LATENCY: Mean.ARITHMETIC,
    Metric.RATIO: Mean.GEOMETRIC,
}


def _work(score: Score) -> float:
    """What the metric divides by time; 0 where that is not known, of other tools' rates."""
    amounts = {Metric.FLOPS: score.work.flops, Metric.BANDWIDTH: score.work.bytes, Metric.BUSBW: score.work.wire}
    return amounts.get(score.metric, 0.0)


def unusable(one: Part, unit: str, noise: float) -> str:
    """Why this part cannot be averaged, as a phrase, or nothing."""
    if one.value is None:
        return one.reason.rstrip(".") or "no value"
    ends = [number for number in (one.value, one.low, one.high, one.weight) if number is not None]
    if not all(math.isfinite(number) and number > 0.0 for number in ends):
        return "not positive"
    if one.unit != unit:
        return f"in {one.unit or 'no unit'}, not {unit or 'without one'}"
    widest = max(_reach(one))
    return f"uncertain by {math.expm1(widest):.0%}, more than {math.expm1(noise):.0%}" if widest > noise else ""


def _reach(one: Part) -> tuple[float, float]:
    """How far the interval reaches below and above the value, on the log scale; of no interval, nowhere."""
    value, low, high = (number or 0.0 for number in (one.value, one.low or one.value, one.high or one.value))
    return max(0.0, math.log(value / low)), max(0.0, math.log(high / value))


def _aggregate(mean: Mean, parts: Sequence[Part], noise: float) -> Aggregate:
    kept = tuple(parts)
    if not kept:
        return Aggregate(mean, kept, reason="nothing to average")
    unit = kept[0].unit
    troubles = [f"{one.name}: {trouble}" for one in kept if (trouble := unusable(one, unit, noise))]
    good = len(kept) - len(troubles)
    if troubles:
        return Aggregate(mean, kept, unit=unit, good=good, reason=f"{good} of {len(kept)}; {'; '.join(troubles)}")
    values = [one.value or 0.0 for one in kept]
    weights = [1.0 if mean is Mean.GEOMETRIC else one.weight for one in kept]
    value, shares = _MEANS[mean](values, weights)
    low: float | None = None
    high: float | None = None
    if all(one.low is not None and one.high is not None for one in kept):
        below, above = zip(*(_reach(one) for one in kept), strict=True)
        low, high = value * math.exp(-_joined(shares, below)), value * math.exp(_joined(shares, above))
    return Aggregate(mean, kept, value, low, high, unit, good)


def _joined(shares: Sequence[float], reaches: Sequence[float]) -> float:
    """The reach of the whole: each part's counts by its share, the elasticity of the mean (Gauss's propagation)."""
    return math.sqrt(math.fsum((share * reach) ** 2 for share, reach in zip(shares, reaches, strict=True)))


Found = tuple[float, list[float]]
"""A mean, and its elasticity to each part: by how many percent it moves when the part moves by one."""


def _harmonic(values: Sequence[float], weights: Sequence[float]) -> Found:
    times = [weight / value for value, weight in zip(values, weights, strict=True)]
    total = math.fsum(times)
    return math.fsum(weights) / total, [time / total for time in times]


def _geometric(values: Sequence[float], weights: Sequence[float]) -> Found:
    total = math.fsum(weights)
    log = math.fsum(weight * math.log(value) for value, weight in zip(values, weights, strict=True)) / total
    return math.exp(log), [weight / total for weight in weights]


def _arithmetic(values: Sequence[float], weights: Sequence[float]) -> Found:
    paid = [weight * value for value, weight in zip(values, weights, strict=True)]
    total = math.fsum(paid)
    return total / math.fsum(weights), [one / total for one in paid]


_MEANS = {Mean.HARMONIC: _harmonic, Mean.GEOMETRIC: _geometric, Mean.ARITHMETIC: _arithmetic}
