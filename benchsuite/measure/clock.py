"""What the clock can resolve, and how long a batch must therefore be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from benchsuite.errors import MeasureError

Timer = Callable[[], float]

CALLS = 10_000
SHORTEST_BATCH = 500e-6


@dataclass(frozen=True, slots=True)
class Clock:
    """tick: smallest nonzero difference of two readings; overhead: median cost of one reading. Seconds."""

    tick: float
    overhead: float

    @property
    def shortest_batch(self) -> float:
        """Seconds a timed batch must last so that tick and overhead stay below 0.1 % and 1 % of it."""
        return max(1000.0 * self.tick, 100.0 * self.overhead, SHORTEST_BATCH)


def calibrate(timer: Timer, calls: int = CALLS) -> Clock:
    """Measure the clock; ``MeasureError`` if it runs backwards."""
    readings = [timer() for _ in range(calls + 1)]
    steps = [after - before for before, after in itertools.pairwise(readings)]
    if min(steps) < 0.0:
        raise MeasureError(
            "The clock ran backwards.", "No duration can be trusted here; check the machine's clock source."
        )
    forward = [step for step in steps if step > 0.0]
    return Clock(tick=min(forward, default=0.0), overhead=median(steps))
