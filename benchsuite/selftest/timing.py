"""The clock, what the suite's own loop adds to a time, and whether its intervals hold for this machine's noise."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import median

import numpy as np

from benchsuite import units
from benchsuite.backends.host.backend import HostBackend
from benchsuite.errors import MeasureError
from benchsuite.measure.clock import Timer, calibrate
from benchsuite.measure.collect import Sampler
from benchsuite.model import Buffers, Case, HostCall, Implementation, Step
from benchsuite.selftest.finding import Finding
from benchsuite.statistics.interval import median_interval
from benchsuite.world.solo import SoloWorld

READINGS = 100_000
LONGEST_BATCH = 0.05
"""A clock so coarse that every sample must last longer than this many seconds makes every measurement slow."""
CALL = 100e-6
"""Seconds of the step whose time is taken with the suite and without."""
MOST_OVERHEAD = 0.01
ROUNDS, MOST_ROUNDS, ITERATIONS = 300, 2400, 5
CONFIDENCE = 0.95
SERIES, BLOCK, REPLAYS, RECORDED = 100, 10, 1000, 1200
LEAST_COVERAGE = 0.93
CASE = Case.of("double")


def clock(timer: Timer = time.perf_counter, readings: int = READINGS) -> Finding:
    """The clock's tick, what a reading costs, and whether it ever went back."""
    try:
        found = calibrate(timer, readings)
    except MeasureError as error:
        return Finding("clock", False, (str(error),))
    batch = found.shortest_batch
    tick, cost, least = (units.quantity(value, "s") for value in (found.tick, found.overhead, batch))
    told = [
        f"It ticks every {tick}, a reading costs {cost}; none of {readings} went back. Samples last {least} or more."
    ]
    trusted = found.tick > 0.0 and batch <= LONGEST_BATCH
    if not trusted:
        told.append("So coarse a clock needs long samples; short measurements are imprecise here.")
    return Finding("clock", trusted, tuple(told), {"tick": found.tick, "overhead": found.overhead, "batch": batch})


def _double(buffers: Buffers, case: Case) -> None:
    np.multiply(buffers["x"], 2.0, out=buffers["y"])


@dataclass(frozen=True, slots=True)
class Arms:
    """The same step timed by the suite and by a bare loop."""

    sampler: Sampler
    bare: Step
    timer: Timer

    @classmethod
    def of(cls, seconds: float = CALL) -> Arms:
        """Work that takes about so many seconds a call."""
        backend = HostBackend(threads=1)
        n = 1 << 10
        while True:
            x, y = np.ones(n), np.empty(n)
            call = partial(_double, {"x": x, "y": y}, CASE)
            spent = min(_bare(call, time.perf_counter, 3) for _ in range(20))
            if spent >= seconds / 2.0 or n >= 1 << 22:
                break
            n *= 2
        implementation = Implementation("double", HostCall(_double))
        step = backend.bind(implementation, {"x": x, "y": y}, CASE, SoloWorld())
        return cls(Sampler([step], backend.elapsed, backend.timer(), SoloWorld()), step, time.perf_counter)


def _bare(step: Step, timer: Timer, iterations: int) -> float:
    start = timer()
    for _ in range(iterations):
        step()
    return (timer() - start) / iterations


def overhead(arms: Arms) -> Finding:
    """What the suite's loop adds to a time, from rounds in which both loops take turns in random order."""
    shuffle, ratios = Random(0).shuffle, list[float]()
    spent: list[float] = []
    low, middle, high = -math.inf, math.nan, math.inf
    while len(ratios) < MOST_ROUNDS and not (high <= MOST_OVERHEAD or low > MOST_OVERHEAD):
        for _ in range(ROUNDS):
            order = ["suite", "bare"]
            shuffle(order)
            took = {name: _once(arms, name) for name in order}
            ratios.append(took["suite"] / took["bare"] - 1.0)
            spent.append(took["bare"])
        interval = median_interval(ratios, CONFIDENCE)
        middle = median(ratios)
        low, high = interval or (-math.inf, math.inf)
    trusted = high <= MOST_OVERHEAD
    step, reach = units.quantity(median(spent), "s"), f"{low:+.2%} to {high:+.2%}, {len(ratios)} rounds"
    told = [f"Around steps of {step} the suite's loop adds {middle:+.2%} to a bare one's time (95 % interval {reach})."]
    if not trusted:
        told.append(
            "That is more than 1 %: times of short steps are too long here."
            if low > MOST_OVERHEAD
            else "The machine is too restless to tell whether that is within 1 %."
        )
    figures = {"step": median(spent), "overhead": middle, "low": low, "high": high, "rounds": len(ratios)}
    return Finding("overhead", trusted, tuple(told), figures)


def _once(arms: Arms, name: str) -> float:
    if name == "suite":
        return arms.sampler.batch(ITERATIONS).seconds
    return _bare(arms.bare, arms.timer, ITERATIONS)


def record(arms: Arms, count: int = RECORDED) -> list[float]:
    """This machine's own noise: as many samples, one after another, as the suite takes them."""
    return [arms.sampler.batch(ITERATIONS).seconds for _ in range(count)]


def coverage(recorded: Sequence[float], seed: int = 0) -> Finding:
    """How often a 95 % interval holds the median of what was recorded, when parts of it are replayed.

    Each replay is a series of blocks cut from the record at random, which keeps how neighbours depend on each other
    (the circular block bootstrap of Politis & Romano 1992); its true median is that of the whole record.
    """
    from scipy.stats import beta

    rng, x = np.random.default_rng(seed), np.asarray(recorded)
    truth, hits = float(np.median(x)), 0
    for _ in range(REPLAYS):
        begins = rng.integers(0, x.size, SERIES // BLOCK)
        series = x[(begins[:, None] + np.arange(BLOCK)).ravel() % x.size]
        interval = median_interval(series.tolist(), CONFIDENCE)
        hits += interval is None or interval[0] <= truth <= interval[1]
    most = 1.0 if hits == REPLAYS else float(beta.ppf(0.999, hits + 1, REPLAYS - hits))
    share, trusted = hits / REPLAYS, most >= LEAST_COVERAGE
    told = [
        f"Of {REPLAYS} replays of this machine's own samples {share:.1%} of the 95 % intervals hold the true median."
    ]
    if not trusted:
        told.append(
            "That is too few: intervals of single runs are too narrow here. Those over runs do not rest on them."
        )
    return Finding("intervals of one run", trusted, tuple(told), {"coverage": share, "replays": REPLAYS})
