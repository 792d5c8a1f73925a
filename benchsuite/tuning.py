"""Which cut of a kernel is fastest here: candidates verified, timed in turns, and the best measured again.

    plans ── one process: every cut, in rounds of random order ──▶ finalists
    finalists ── fresh processes: each against the computed cut, pair by pair ──▶ Found, by the lower bound

A cut is timed only when its results are right. A round times every cut once, in an order drawn anew, so what drifts
or alternates hits all alike, and what counts is the ratio to the computed cut within a round. The fastest of many is
partly the luckiest (the winner's curse), so the first process only nominates: the decision rests on processes that
had no part in it, one value each (a process is the unit: docs/method.md), and the computed cut stays unless the lower
bound of the ratio lies beyond ``MARGIN``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from benchsuite.backends.base import Backend
from benchsuite.errors import BenchsuiteError, DeviceLostError
from benchsuite.measure import buffers
from benchsuite.measure.clock import Clock
from benchsuite.measure.task import prepare
from benchsuite.measure.verify import check
from benchsuite.model import (
    Arrays,
    Benchmark,
    Case,
    Choice,
    CudaKernel,
    Cut,
    Device,
    HostKernel,
    Implementation,
    Rejected,
    Step,
    Tunable,
)
from benchsuite.statistics import runs as statistics
from benchsuite.world.solo import SoloWorld

ROUNDS = 12
RUNS = 5
"""Fresh processes that decide."""
MARGIN = 0.005
"""What a cut must gain at least: less is not worth a choice that only holds for one model."""
FINALISTS = 3
ALPHA = 0.05
"""The chance that a cut no faster than the computed one is chosen, over all finalists of a case."""
SWEEP = 0.9
"""Confidence of the intervals that nominate: none is excluded that may yet be the fastest."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One implementation of one case, and the cuts to be tried; the first is the computed one."""

    case: Case
    implementation: str
    kernel: str
    kind: str
    cuts: tuple[Cut, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What one process found of one cut: seconds an iteration and, round by round, the computed cut's over its own.

    flaw: why it was not timed, or not believed. error: the largest error of its results.
    """

    plan: Plan
    cut: Cut
    seconds: float = 0.0
    ratios: tuple[float, ...] = ()
    error: float = 0.0
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What was decided: ``cut`` is ``over`` times as fast as the computed one, ``low`` at least.

    kept: the computed one stays. refused: why nothing could be decided, else empty. flaws: cuts that are wrong.
    """

    plan: Plan
    cut: Cut
    over: float = 1.0
    low: float = 1.0
    runs: int = 0
    refused: str = ""
    flaws: Mapping[Cut, str] | None = None

    @property
    def kept(self) -> bool:
        """Whether the computed cut stays."""
        return self.cut == self.plan.cuts[0]


Run = Callable[[Sequence[Plan], int], Sequence[Trial]]
"""Measures plans in a process of its own; the number says which one, and seeds everything drawn by lot."""


def tunable(item: Implementation) -> Tunable | None:
    """What of an implementation may be chosen by measuring."""
    return item.op.tunable if isinstance(item.op, CudaKernel | HostKernel) else None


def plan(item: Implementation, case: Case, device: Device) -> Plan | None:
    """What there is to try; ``None`` where there is no choice."""
    what = tunable(item)
    if what is None or not item.supports(case):
        return None
    cuts = tuple(dict.fromkeys(what.cuts(case, replace(device, choices=()))))
    return Plan(case, item.name, what.kernel, what.kind(case), cuts) if len(cuts) > 1 else None


def label(chosen: Cut) -> str:
    """``"columns=256 stages=4"``."""
    return " ".join(f"{name}={number}" for name, number in chosen)


def cut_so(item: Implementation, plan: Plan, chosen: Cut) -> Implementation:
    """The implementation cut in this way whatever the table says."""
    choices = (Choice(plan.kernel, plan.kind, chosen),)
    item, op = replace(item, name=f"{item.name} {label(chosen)}"), item.op
    if isinstance(op, HostKernel):
        return replace(item, op=replace(op, cut=chosen))
    if not isinstance(op, CudaKernel):
        raise TypeError(f"{item.name} has no cut")
    kernel = op
    return replace(
        item,
        op=replace(
            kernel,
            source=lambda case, device: kernel.source(case, replace(device, choices=choices)),
            launches=lambda case, device: kernel.launches(case, replace(device, choices=choices)),
            scratch=lambda case, device: kernel.scratch(case, replace(device, choices=choices)),
        ),
    )


# ---------------------------------------------------------------- one process


@dataclass(frozen=True, slots=True)
class Bench:
    """Where cuts are timed, and how: rounds, and seconds of a batch at least."""

    backend: Backend
    clock: Clock
    rounds: int = ROUNDS


def measure(bench: Bench, benchmark: Benchmark, plan: Plan, seed: int) -> list[Trial]:
    """Every cut of a plan verified, timed in rounds of random order, and verified again."""
    item = next(one for one in benchmark.implementations if one.name == plan.implementation)
    made = prepare(benchmark, plan.case, 0, seed)
    specs, places = benchmark.outputs(plan.case), benchmark.places(plan.case)
    sets = buffers.allocate(bench.backend, made.inputs, specs, benchmark.cache, places)
    tolerance = benchmark.tolerance(plan.case)
    subject = _Subject(bench.backend, sets, lambda outputs: check(outputs, made.expected, specs, tolerance), places)
    right: dict[Cut, list[Step]] = {}
    trials: dict[Cut, Trial] = {}
    for one in plan.cuts:
        found = subject.bound(cut_so(item, plan, one), plan.case)
        if isinstance(found, Rejected):
            trials[one] = Trial(plan, one, flaw=found.reason)
        else:
            right[one] = found
    if plan.cuts[0] not in right:
        return list(trials.values())
    times = _times(bench, right, np.random.default_rng([seed, 1]), plan.cuts[0])
    for one, taken in times.items():
        after = subject.verdict(right[one])
        if isinstance(after, Rejected):
            trials[one] = Trial(plan, one, flaw=f"after timing: {after.reason}")
        else:
            ratios = tuple(base / own for base, own in zip(times[plan.cuts[0]], taken, strict=True))
            trials[one] = Trial(plan, one, median(taken), ratios, after)
    return list(trials.values())


@dataclass(frozen=True, slots=True)
class _Subject:
    """The buffers on which all cuts of a case compute, and what judges their results."""

    backend: Backend
    sets: Sequence[buffers.BufferSet]
    judge: Callable[[Arrays], float | Rejected]
    places: Mapping[str, str]

    def bound(self, item: Implementation, case: Case) -> list[Step] | Rejected:
        """A step for each buffer set, when its results are right."""
        try:
            steps = [self.backend.bind(item, one.all, case, SoloWorld(), self.places) for one in self.sets]
            found = self.verdict(steps)
        except DeviceLostError:
            raise  # nothing more can be measured in this process
        except (BenchsuiteError, MemoryError) as error:
            return Rejected(str(error) or "there was not enough memory")
        return found if isinstance(found, Rejected) else steps

    def verdict(self, steps: Sequence[Step]) -> float | Rejected:
        """The largest error of one iteration on each poisoned buffer set, or the first rejection."""
        worst = 0.0
        for one, step in zip(self.sets, steps, strict=True):
            self.backend.poison(one.outputs)
            step()
            self.backend.timer()()  # which waits for the device
            error = self.judge(self.backend.download(one.outputs))
            if isinstance(error, Rejected):
                return error
            worst = max(worst, error)
        return worst


def _times(
    bench: Bench, steps: Mapping[Cut, Sequence[Step]], rng: np.random.Generator, computed: Cut
) -> dict[Cut, list[float]]:
    """Seconds of an iteration of each cut, round by round; the buffer sets rotate under all of them alike."""
    cursor = 0

    def batch(one: Cut, iterations: int) -> float:
        nonlocal cursor
        chosen = [steps[one][(cursor + i) % len(steps[one])] for i in range(iterations)]
        cursor += iterations
        return bench.backend.elapsed(chosen).seconds

    iterations = 1
    while (spent := batch(computed, iterations)) < bench.clock.shortest_batch and iterations < 1 << 20:
        iterations *= 2 if spent <= 0.0 else max(2, min(8, int(bench.clock.shortest_batch / spent)))
    cuts = list(steps)
    times: dict[Cut, list[float]] = {one: [] for one in cuts}
    for number in range(bench.rounds + 1):
        for place in rng.permutation(len(cuts)):
            seconds = batch(cuts[place], iterations) / iterations
            if number:  # the first round warms up
                times[cuts[place]].append(seconds)
    return times


# ---------------------------------------------------------------- what is decided


def finalists(trials: Sequence[Trial], most: int = FINALISTS) -> tuple[Cut, ...]:
    """Of one plan's sweep the cuts that may be faster than the computed one, the likeliest first."""
    hopes: list[tuple[float, Cut]] = []
    for trial in trials:
        if not trial.flaw and trial.cut != trial.plan.cuts[0]:
            estimate = statistics.estimate(trial.ratios, SWEEP)
            if estimate is not None and estimate.high > 1.0 + MARGIN:
                hopes.append((estimate.low, trial.cut))
    return tuple(one for _, one in sorted(hopes, key=lambda hope: -hope[0])[:most])


def decide(plan: Plan, swept: Sequence[Trial], fresh: Sequence[Sequence[Trial]]) -> Found:
    """The cut with the largest lower bound over fresh processes, if it is beyond the margin; else the computed one."""
    flaws = {trial.cut: trial.flaw for run in (swept, *fresh) for trial in run if trial.flaw}
    if plan.cuts[0] in flaws:
        return Found(plan, plan.cuts[0], refused=f"The computed cut is wrong: {flaws[plan.cuts[0]]}", flaws=flaws)
    hopes = [one for one in finalists(swept) if one not in flaws]
    best = Found(plan, plan.cuts[0], runs=len(fresh), flaws=flaws)
    for one in hopes:
        # of each process the median of its rounds, which one disturbed round does not move
        values = [median(trial.ratios) for run in fresh for trial in run if trial.cut == one]
        if len(values) < max(statistics.MIN_RUNS, len(fresh)):
            continue
        bounds = statistics.estimate(values, 1.0 - 2.0 * ALPHA / len(hopes))
        if bounds is not None and bounds.low > max(1.0 + MARGIN, best.low):
            best = replace(best, cut=one, over=bounds.value, low=bounds.low)
    return best


def tune(plans: Sequence[Plan], run: Run, runs: int = RUNS) -> Iterator[Found]:
    """Sweep all plans in one process, then the finalists in ``runs`` fresh ones, and decide for each plan."""
    swept = _by_plan(run(plans, 0))
    again = {one: replace(one, cuts=(one.cuts[0], *hopes)) for one in plans if (hopes := finalists(swept.get(one, ())))}
    fresh = [_by_plan(run(list(again.values()), number)) for number in range(1, runs + 1)] if again else []
    for one in plans:
        if one not in swept:
            yield Found(one, one.cuts[0], refused="The process that swept it said nothing of it.")
            continue
        yield decide(one, swept[one], [found.get(again[one], ()) for found in fresh] if one in again else [])


def _by_plan(trials: Sequence[Trial]) -> dict[Plan, list[Trial]]:
    found: dict[Plan, list[Trial]] = {}
    for trial in trials:
        found.setdefault(trial.plan, []).append(trial)
    return found
