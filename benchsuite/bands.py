"""Where a number lies among reference values. Pure statistics on a scale on which more is better.

With n values in order, a further one of the same population falls into each of the n + 1 gaps with the same
probability (exchangeability). So quantiles are those of Hyndman & Fan (1996), type 6, and the percentile of a number
is only known as a range, however precise the number.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchsuite.model import Score
from benchsuite.references import Kind, Value

ENOUGH, SOURCES = 20, 3
"""Machines, and sources of them, below which they are single values and no population."""
TAIL = 0.05
"""The part of a population on each side that is unusual."""
TOLERANCE = 0.02
"""What is never called: differences from a population's middle, or from the ends of a few values, up to this."""


class Position(StrEnum):
    """Where the whole interval lies. ``BELOW`` is the worse side: of a latency the longer one."""

    BELOW = "below"
    EDGE = "edge"
    INSIDE = "inside"
    ABOVE = "above"


@dataclass(frozen=True, slots=True)
class Band:
    """Reference values of one kind, and a number among them. All values in the metric's unit.

    low, middle, high: the 5th, 50th and 95th percentile of a population, else the least, the median and the largest
    value. lower, upper: the limits that ``position`` refers to (see ``TOLERANCE``), ``lower`` being the worse one.
    outdone: how many values the low and the high end of the interval are better than. percentiles: the same as parts of
    a population, as a prediction. distance: from the middle as a ratio, above 1 is better.
    """

    kind: Kind
    values: tuple[Value, ...]
    low: float
    middle: float
    high: float
    lower: float
    upper: float
    position: Position
    outdone: tuple[int, int]
    percentiles: tuple[float, float]
    distance: float

    @property
    def n(self) -> int:
        """How many values, one for each machine or figure."""
        return len(self.values)

    @property
    def sources(self) -> int:
        """How many say so; whoever is not named counts as one and the same."""
        return voices(self.values)

    @property
    def population(self) -> bool:
        """Whether there are enough to say what is usual."""
        return enough(self.values)


def enough(values: Sequence[Value]) -> bool:
    """Whether these are a population: measured as this number was, on many machines, told by several sources."""
    measured = all(value.kind is Kind.MEASURED for value in values)
    return measured and len(values) >= ENOUGH and voices(values) >= SOURCES


def voices(values: Iterable[Value]) -> int:
    """How many sources these values have; one name in two ways of writing is one."""
    return len({" ".join(name.casefold().split()) for name in {value.voice for value in values}})


def band(score: Score, values: Sequence[Value]) -> Band | None:
    """The score among these values; ``None`` without either."""
    usable = [one for one in values if math.isfinite(one.value) and one.value > 0.0]
    if not usable or score.value is None or not score.value > 0.0:
        return None
    sign = 1.0 if score.metric.higher_is_better else -1.0
    goods = sorted(sign * math.log(one.value) for one in usable)
    here = sign * math.log(score.value)
    worst, best = sorted(sign * math.log(end) for end in ends(score))
    many = enough(usable)
    low, middle, high = (quantile(goods, part) for part in ((TAIL, 0.5, 1.0 - TAIL) if many else (0.0, 0.5, 1.0)))
    least, most = math.log1p(-TOLERANCE), -math.log1p(-TOLERANCE)
    lower, upper = (min(low, middle + least), max(high, middle + most)) if many else (low + least, high + most)
    outdone = bisect_left(goods, worst), bisect_right(goods, best)
    shown = sorted(math.exp(sign * end) for end in (low, high))
    return Band(
        kind=usable[0].kind,
        values=tuple(usable),
        low=shown[0],
        middle=math.exp(sign * middle),
        high=shown[1],
        lower=math.exp(sign * lower),
        upper=math.exp(sign * upper),
        position=_position(worst, best, lower, upper),
        outdone=outdone,
        percentiles=(outdone[0] / (len(goods) + 1), (outdone[1] + 1) / (len(goods) + 1)),
        distance=math.exp(here - middle),
    )


def ends(score: Score) -> tuple[float, float]:
    """The interval of a score with a value; without one, the value is all there is."""
    value = score.value or math.nan
    low, high = score.low or value, score.high or value
    return min(low, value), max(high, value)


def quantile(ordered: Sequence[float], part: float) -> float:
    """Type 6 of Hyndman & Fan: a further value lies below it with probability ``part``; never beyond the values."""
    place = min(max(part * (len(ordered) + 1) - 1.0, 0.0), len(ordered) - 1.0)
    number = min(int(place), len(ordered) - 2) if len(ordered) > 1 else 0
    step = ordered[number + 1] - ordered[number] if len(ordered) > 1 else 0.0
    return ordered[number] + (place - number) * step


def _position(worst: float, best: float, lower: float, upper: float) -> Position:
    if best < lower:
        return Position.BELOW
    if worst > upper:
        return Position.ABOVE
    return Position.INSIDE if worst >= lower and best <= upper else Position.EDGE
