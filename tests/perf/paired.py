"""Ratios of speeds on a machine that is not quiet: every arm in every round, one ratio per round.

Drift and neighbours hit the arms of one round alike and cancel in its ratio; the median over the
rounds is stated with an order-statistic interval, which assumes nothing about the distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from statistics import median
from time import perf_counter, sleep

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


def lasting(at_least: float, settle: float = 0.0) -> Callable[[Step], float]:
    """A timer: seconds per call of a step, called again until ``at_least`` seconds have passed.

    With ``settle`` it first sleeps so long and makes one call untimed. Arms with thread pools of
    their own need it: OpenBLAS's threads spin for some 25 ms after a call, Intel's OpenMP for 200 ms,
    and would take the cores from the next arm, as no user of one library meets it.
    """

    def seconds_of(step: Step) -> float:
        if settle:
            sleep(settle)
            step()
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

    Each arm runs once unmeasured; then each round times all arms in a shuffled order (seeded), so
    that no arm always finds the caches, the clock and the waiting threads of the same other one.
    """
    timer = seconds_of or lasting(0.02)
    order, shuffle = list(arms), Random(0).shuffle
    for step in arms.values():
        step()
    ratios: dict[str, list[float]] = {name: [] for name in arms if name != reference}
    for _ in range(rounds):
        shuffle(order)
        seconds = {name: timer(arms[name]) for name in order}
        for name, values in ratios.items():
            values.append(seconds[reference] / seconds[name])
    return {name: Ratio(median(values), *interval(values), len(values)) for name, values in ratios.items()}
