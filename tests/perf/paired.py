"""Ratios of speeds on a machine that is not quiet: every arm in every round, one ratio per round.

Drift and neighbours hit the arms of one round alike and cancel in its ratio; the median over the
rounds is stated with an order-statistic interval, which assumes nothing about the distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

Step = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Speed of an arm over speed of the reference (above 1: the arm is faster), median and 95 % interval.

    With fewer than six rounds no interval reaches 95 %: it is then the range of the ``n`` rounds.
    """

    median: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"


def lasting(at_least: float) -> Callable[[Step], float]:
    """A timer: seconds per call of a step, called again until ``at_least`` seconds have passed."""

    def seconds_of(step: Step) -> float:
        calls, start = 0, perf_counter()
        while True:
            step()
            calls += 1
            elapsed = perf_counter() - start
            if elapsed >= at_least:
                return elapsed / calls

    return seconds_of


def interval(values: list[float], confidence: float = 0.95) -> tuple[float, float]:
    """Order-statistic interval of the median: the r-th smallest to the r-th largest value.

    r is the largest rank with 1 - 2 P(Binomial(n, 1/2) < r) >= confidence, at least 1.
    """
    ordered, n = sorted(values), len(values)
    rank, tail = 1, 0.5**n
    while True:
        tail += math.comb(n, rank) * 0.5**n
        if 2 * tail > 1 - confidence or 2 * (rank + 1) > n + 1:
            return ordered[rank - 1], ordered[n - rank]
        rank += 1


def paired_ratio(
    arms: Mapping[str, Step], reference: str, rounds: int, seconds_of: Callable[[Step], float] | None = None
) -> dict[str, Ratio]:
    """Speed of every other arm relative to ``reference``: the time of the reference over its own.

    Each arm runs once unmeasured; then each round times all arms, starting with the next arm each
    time, so that no arm always follows the same neighbour's cache contents or clock.
    """
    timer = seconds_of or lasting(0.02)
    names = list(arms)
    for step in arms.values():
        step()
    ratios: dict[str, list[float]] = {name: [] for name in names if name != reference}
    for turn in range(rounds):
        first = turn % len(names)
        seconds = {name: timer(arms[name]) for name in names[first:] + names[:first]}
        for name, values in ratios.items():
            values.append(seconds[reference] / seconds[name])
    return {name: Ratio(median(values), *interval(values), len(values)) for name, values in ratios.items()}
