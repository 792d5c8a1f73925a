"""Warm up, choose the batch, sample, stop. Every sample is kept; every rank decides alike.

All decisions use the slowest rank's time, which every rank learns from one small all-gather after
each sample, so the ranks never disagree about going on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchsuite.backends.base import Elapsed
from benchsuite.errors import MeasureError
from benchsuite.measure.clock import Clock, Timer
from benchsuite.measure.sync import ALONE, Starter, Timed
from benchsuite.model import Caveat, Policy, Samples, Step, World
from benchsuite.statistics.interval import precise
from benchsuite.statistics.steady import BLOCK, TREND, drifted, mser, settled

CLOCKS_AGREE, CLOCKS_SLACK = 0.02, 20e-6
WARMUP_CALLS = 3
FEWEST_SAMPLES = 5
CHECK_EVERY, LOOKS = 10, 2
OVERTIME = 3.0
LARGEST_STANDING_BATCH = 1 << 17
BACKWARDS = "A batch took {:g} s by the clock, which cannot be."
CHECK_CLOCK = "Check the machine's clock source."
MANY = 0.1
"""The part of the samples that two clocks must disagree about, or ranks begin apart in, for the result to say so."""
DISAGREE = "CLOCK_DISAGREE"
APART = "RANKS_APART"
"""The annotation of samples that not all ranks began together; such a sample is the slowest rank's own time."""


class Batch(NamedTuple):
    """One timed interval. start: rank 0's timer when it began; seconds: per iteration, of all ranks together.

    ranks: each rank's own, where there are several; timed: the same for the whole batch.
    apart: they did not begin together. disagree: two clocks told different stories of it.
    """

    start: float
    seconds: float
    ranks: tuple[float, ...] = ()
    disagree: bool = False
    timed: Timed = ALONE
    apart: bool = False


@dataclass
class Sampler:
    """Times batches of steps, rotating through the buffer sets; knows which set ran last.

    elapsed, timer: those of the backend. starter: has several ranks begin together.
    """

    steps: Sequence[Step]
    elapsed: Callable[[Sequence[Step]], Elapsed]
    timer: Timer
    world: World
    cursor: int = 0
    starter: Starter = field(init=False)

    def __post_init__(self) -> None:
        self.starter = Starter(self.world, self.timer)

    def batch(self, iterations: int, delay: float = 0.0) -> Batch:
        """One batch, known to every rank; this one of several begins ``delay`` seconds after the others."""
        count = len(self.steps)
        steps = [self.steps[(self.cursor + i) % count] for i in range(iterations)]
        self.cursor += iterations
        return self._alone(steps) if self.world.size == 1 else self._together(steps, delay)

    def _alone(self, steps: Sequence[Step]) -> Batch:
        start = self.timer()
        spent = self.elapsed(steps)
        return Batch(start, spent.seconds / len(steps), disagree=disagree(spent))

    def _together(self, steps: Sequence[Step], delay: float) -> Batch:
        """Every rank begins with the others and times itself; ``sync`` says how the times become one."""
        self.starter.begin(delay)
        one = self._alone(steps)
        starts, ranks, doubtful = zip(*self.world.share((one.start, one.seconds, one.disagree)), strict=True)
        timed = Timed(starts, tuple(seconds * len(steps) for seconds in ranks))
        return self.judged(Batch(starts[0], max(ranks), ranks, any(doubtful), timed), len(steps))

    def judged(self, batch: Batch, iterations: int) -> Batch:
        """The batch of several ranks with what is known by now of their clocks."""
        if self.world.size == 1:
            return batch
        seconds, apart = self.starter.judge(batch.timed)
        return batch._replace(seconds=seconds / iterations, apart=apart)

    def align(self, iterations: int, tick: float) -> float:
        """Compare the clocks of several ranks; how long a batch of ``iterations`` lasts, in seconds."""
        if self.world.size == 1:
            return 0.0
        length = iterations * self.batch(iterations).seconds
        self.starter.align(length, tick)
        return length


def disagree(spent: Elapsed) -> bool:
    """Whether two clocks differ about one batch by more than ``max(2 %, 20 µs)``; one clock agrees with itself."""
    if spent.host is None:
        return False
    return not abs(spent.seconds - spent.host) <= max(CLOCKS_AGREE * spent.host, CLOCKS_SLACK)


def collect(sampler: Sampler, clock: Clock, policy: Policy, seconds: float) -> tuple[Samples, float]:
    """The samples of one task, and when its warm-up began: ``seconds`` of measured time, less when precise earlier."""
    iterations = _batch_size(sampler, max(clock.shortest_batch, seconds / policy.max_samples))
    length = sampler.align(iterations, clock.tick)
    warmup, moving = _warm_up(sampler, iterations, policy.warmup * seconds / policy.seconds)
    sampler.starter.doubt([batch.timed for batch in warmup])
    taken, stopped = _sample(sampler, iterations, policy, seconds)
    trusted = sampler.starter.recheck(length)
    taken = [sampler.judged(batch, iterations) for batch in taken]
    durations = tuple(batch.seconds for batch in taken)
    began = warmup[0].start
    caveats = [stopped] if stopped else []
    if not trusted:
        caveats.append(Caveat(DISAGREE, "The clocks of the ranks went astray while they were measured."))
    if moving:
        caveats.append(Caveat("NOT_STEADY", "The times were still moving when the longest warm-up ended."))
    elif drifted(durations):
        caveats.append(Caveat("NOT_STEADY", "The first and the last third of the samples differ: no steady state."))
    told = {APART: [batch.apart for batch in taken], DISAGREE: [batch.disagree for batch in taken]}
    if (doubtful := sum(told[DISAGREE])) > MANY * len(taken):
        text = f"The device's clock and the host's differ by more than 2 % in {doubtful} of {len(taken)} samples."
        caveats.append(Caveat(DISAGREE, text))
    if (apart := sum(told[APART])) > MANY * len(taken):
        text = f"The ranks did not begin together in {apart} of {len(taken)} samples, so a wait is part of these."
        caveats.append(Caveat(APART, text))
    samples = Samples(
        seconds=durations,
        iterations=iterations,
        starts=tuple(batch.start - began for batch in taken),
        warmup=tuple(batch.seconds for batch in warmup),
        warmup_starts=tuple(batch.start - began for batch in warmup),
        by_rank=tuple(batch.ranks for batch in taken if batch.ranks),
        sets=len(sampler.steps),
        rank_starts=_relative(sampler.starter, taken, began),
        sync=sampler.starter.sync,
        sync_error=sampler.starter.error,
        steady_from=mser(durations),
        annotations={code: _numbers(flags) for code, flags in told.items() if any(flags)},
        caveats=tuple(caveats),
    )
    return samples, began


def _relative(starter: Starter, taken: Sequence[Batch], began: float) -> tuple[tuple[float, ...], ...]:
    """When each rank began each batch, on rank 0's clock after ``began``; empty where that is not known."""
    if starter.error is None:
        return ()
    return tuple(tuple(start - began for start in starter.starts(batch.timed)) for batch in taken)


def _numbers(flags: Sequence[bool]) -> tuple[int, ...]:
    return tuple(number for number, flag in enumerate(flags) if flag)


def _batch_size(sampler: Sampler, shortest: float) -> int:
    """Iterations whose batch lasts at least ``shortest`` seconds, found by growing."""
    iterations, single = 1, math.inf
    while True:
        each = min(sampler.batch(iterations).seconds for _ in range(2))
        single = min(single, each * iterations)
        if each * iterations >= shortest:
            return iterations
        if not each >= 0.0:
            raise MeasureError(BACKWARDS.format(each), CHECK_CLOCK)
        if iterations > LARGEST_STANDING_BATCH and each * iterations <= 2.0 * single:
            raise MeasureError(f"{iterations} iterations took no longer than one by the clock.", CHECK_CLOCK)
        wanted = math.ceil(1.1 * shortest / each) if each > 0.0 else 2 * iterations
        iterations = max(iterations + 1, min(wanted, 8 * iterations))


def _timed(sampler: Sampler, iterations: int) -> Batch:
    """A batch that took time; ``MeasureError`` for any other, which would be an infinite speed."""
    batch = sampler.batch(iterations)
    if not 0.0 < batch.seconds < math.inf:
        raise MeasureError(BACKWARDS.format(batch.seconds * iterations), CHECK_CLOCK)
    return batch


def _warm_up(sampler: Sampler, iterations: int, seconds: float) -> tuple[list[Batch], bool]:
    """At least three batches and ``seconds``; then until the times have settled, three times that at most.

    Whether they were still moving when it had to end: then they drift by more than their own noise explains.
    """
    taken: list[Batch] = []
    spent = 0.0
    while True:
        taken.append(_timed(sampler, iterations))
        spent += taken[-1].seconds * iterations
        if len(taken) < WARMUP_CALLS or spent < seconds:
            continue
        recent = [batch.seconds for batch in taken[-max(2 * BLOCK, len(taken) // 2) :]]
        if settled(recent):
            return taken, False
        if spent >= OVERTIME * seconds:
            return taken, drifted(recent, TREND)


def _sample(sampler: Sampler, iterations: int, policy: Policy, seconds: float) -> tuple[list[Batch], Caveat | None]:
    """Samples until the median's interval is narrow enough, or time or ``max_samples`` is used up.

    Narrow at two looks in a row: a single look stops too often where the spread happens to look small.
    """
    taken: list[Batch] = []
    spent = 0.0
    looks = 0
    while True:
        taken.append(_timed(sampler, iterations))
        spent += taken[-1].seconds * iterations
        n = len(taken)
        late = spent >= OVERTIME * seconds and n >= FEWEST_SAMPLES
        if n < policy.min_samples and not late:
            continue
        full = late or spent >= seconds or n >= policy.max_samples
        if not full and n % CHECK_EVERY:
            continue
        looks = looks + 1 if precise([batch.seconds for batch in taken], policy.precision) else 0
        if looks == LOOKS or (full and looks):
            return taken, None
        if full:
            text = f"The interval of the median is wider than {policy.precision:.1%} after {n} samples."
            return taken, Caveat("IMPRECISE", text)
