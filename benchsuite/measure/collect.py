"""Warm up, choose the batch, sample, stop. Every sample is kept; every rank decides alike.

All decisions use the slowest rank's time, which every rank learns from one small all-gather after
each sample, so the ranks never disagree about going on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchsuite.errors import MeasureError
from benchsuite.measure.clock import Clock
from benchsuite.model import Caveat, Policy, Samples, Step, World
from benchsuite.statistics.interval import precise
from benchsuite.statistics.steady import drifted

WARMUP_CALLS = 3
WARMUP_BLOCK = 10
WARMUP_AGREEMENT = 0.005
FEWEST_SAMPLES = 5
CHECK_EVERY = 10
OVERTIME = 3.0
LARGEST_STANDING_BATCH = 1 << 17


@dataclass
class Sampler:
    """Times batches of steps, rotating through the buffer sets; knows which set ran last.

    ``elapsed``: seconds of a sequence of steps, back to back (``Backend.elapsed``).
    """

    steps: Sequence[Step]
    elapsed: Callable[[Sequence[Step]], float]
    world: World
    cursor: int = 0
    by_rank: list[tuple[float, ...]] = field(default_factory=list)

    def batch(self, iterations: int) -> float:
        """Seconds per iteration of one batch, the slowest rank's."""
        count = len(self.steps)
        steps = [self.steps[(self.cursor + i) % count] for i in range(iterations)]
        self.cursor += iterations
        alone = self.world.size == 1
        if not alone:
            self.world.barrier()
        seconds = self.elapsed(steps) / iterations
        if alone:
            return seconds
        ranks = tuple(float(each) for each in self.world.allgather(seconds))
        self.by_rank.append(ranks)
        return max(ranks)


def collect(sampler: Sampler, clock: Clock, policy: Policy, seconds: float) -> Samples:
    """The samples of one task: ``seconds`` of measured time, less when precise earlier."""
    iterations = _batch_size(sampler, max(clock.shortest_batch, seconds / policy.max_samples))
    warmup = _warm_up(sampler, iterations, policy.warmup * seconds / policy.seconds)
    sampler.by_rank.clear()
    taken, stopped = _sample(sampler, iterations, policy, seconds)
    caveats = [stopped] if stopped else []
    if drifted(taken):
        caveats.append(Caveat("NOT_STEADY", "The first and the last third of the samples differ: no steady state."))
    return Samples(
        seconds=tuple(taken),
        iterations=iterations,
        warmup=tuple(warmup),
        by_rank=tuple(sampler.by_rank),
        sets=len(sampler.steps),
        sync="none" if sampler.world.size == 1 else "barrier",
        caveats=tuple(caveats),
    )


def _batch_size(sampler: Sampler, shortest: float) -> int:
    """Iterations whose batch lasts at least ``shortest`` seconds, found by growing."""
    iterations = 1
    while True:
        each = min(sampler.batch(iterations) for _ in range(2))
        if each * iterations >= shortest:
            return iterations
        if each <= 0.0 and iterations > LARGEST_STANDING_BATCH:
            raise MeasureError("The clock did not advance while the work ran.", "Check the machine's clock source.")
        wanted = math.ceil(1.1 * shortest / each) if each > 0.0 else 2 * iterations
        iterations = max(iterations + 1, min(wanted, 8 * iterations))


def _warm_up(sampler: Sampler, iterations: int, seconds: float) -> list[float]:
    """At least three batches and ``seconds``; then until two blocks of samples agree, three times that at most."""
    taken: list[float] = []
    spent = 0.0
    while len(taken) < WARMUP_CALLS or spent < seconds or (spent < OVERTIME * seconds and not _settled(taken)):
        taken.append(sampler.batch(iterations))
        spent += taken[-1] * iterations
    return taken


def _settled(taken: Sequence[float]) -> bool:
    if len(taken) < 2 * WARMUP_BLOCK:
        return False
    before, after = median(taken[-2 * WARMUP_BLOCK : -WARMUP_BLOCK]), median(taken[-WARMUP_BLOCK:])
    return abs(after - before) <= WARMUP_AGREEMENT * before


def _sample(sampler: Sampler, iterations: int, policy: Policy, seconds: float) -> tuple[list[float], Caveat | None]:
    """Samples until the median's interval is narrow enough, or time or ``max_samples`` is used up."""
    taken: list[float] = []
    spent = 0.0
    while True:
        taken.append(sampler.batch(iterations))
        spent += taken[-1] * iterations
        n = len(taken)
        late = spent >= OVERTIME * seconds and n >= FEWEST_SAMPLES
        if n < policy.min_samples and not late:
            continue
        full = late or spent >= seconds or n >= policy.max_samples
        if not full and n % CHECK_EVERY:
            continue
        if precise(taken, policy.precision):
            return taken, None
        if full:
            text = f"The interval of the median is wider than {policy.precision:.1%} after {n} samples."
            return taken, Caveat("IMPRECISE", text)
