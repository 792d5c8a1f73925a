"""A load before the heat: its inputs, a result that is verified against the benchmark's own reference, the comparison.

From then on every result must be that one, bit by bit. So a task is taken only if it repeats its result so: our own
kernels do, and one that does not is wrong; of a library's the next task is tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from benchsuite.backends.base import Backend
from benchsuite.burn.comparing import Comparison, Count, difference
from benchsuite.errors import BenchsuiteError, DeviceLostError, MeasureError
from benchsuite.measure import blame, buffers, task
from benchsuite.measure.buffers import BufferSet
from benchsuite.measure.verify import check
from benchsuite.model import (
    Arrays,
    Benchmark,
    CacheMode,
    Metric,
    Rejected,
    Step,
    Task,
    Work,
    World,
)
from benchsuite.protocol import BurnJob, Load, Ready

OWN = "benchsuite"
"""The provider whose kernels add in a fixed order."""
REPEATS, REPEATS_OF_OTHERS = 4, 8
"""Results that must be the same bit by bit: of our own kernels, and of a library, whose order of adding is unknown."""
TRIALS = 3
"""Timings of an iteration and of a comparison; and attempts to compute a first result that is right."""
COMPARED = 0.15
"""The part of an iteration's time that a comparison may take, else only each second, third … result is compared."""
LONGEST = 1 << 13
"""Iterations of a slice at most."""

Say = Callable[[str], None]


class UnrepeatedError(MeasureError):
    """A library's results differ in bits from run to run."""


@dataclass(frozen=True, slots=True)
class Held:
    """A load on its device: what one iteration does, and what its outputs must be.

    batch: the steps of a slice, each ``every``-th iteration followed by the comparison; iterations: of these.
    """

    name: str
    step: Step
    batch: tuple[Step, ...]
    iterations: int
    compared: int
    comparison: Comparison
    sets: BufferSet
    inputs: Arrays
    golden: Arrays
    metric: Metric
    work: Work


@dataclass(frozen=True, slots=True)
class Hearth:
    """Where loads are put on: one device. ``say`` is told what is going on (a phase of ``attempt.allowed``)."""

    backend: Backend
    world: World
    benchmarks: Mapping[str, Benchmark]
    job: BurnJob
    seed: int
    say: Say

    def prepare(self, load: Load) -> tuple[Held | None, Ready]:
        """The load as its first task that can bear the comparison, or why there is none."""
        found, reasons = Ready(load.name), []
        for one in load.tasks:
            try:
                held, ready = self._task(load.name, one)
            except DeviceLostError:
                raise
            except Exception as error:  # whatever goes wrong costs this task alone
                reasons.append(f"{one.implementation}: {_said(error)}")
                continue
            found = replace(ready, checks=found.checks + ready.checks, wrong=found.wrong + ready.wrong)
            if held is not None:
                return held, found
            reasons.append(f"{one.implementation}: {ready.problem}")
        return None, replace(found, problem="; ".join(reasons) or "nothing here can put this load on")

    def _task(self, name: str, one: Task) -> tuple[Held | None, Ready]:
        benchmark = self.benchmarks[one.case.benchmark]
        item = next(each for each in benchmark.implementations if each.name == one.implementation)
        provider = self.backend.providers().get(item.provider, item.provider)
        ready = Ready(name, one.key, provider, benchmark.metric.value)
        self.say("prepare")
        prepared = task.prepare(benchmark, one.case, self.world.rank, self.seed)
        self.say("compile")
        places, specs = benchmark.places(one.case), benchmark.outputs(one.case)
        sets = buffers.allocate(self.backend, prepared.inputs, specs, CacheMode.HOT, places)[0]
        step = self.backend.bind(item, sets.all, one.case, self.world, places)
        first = self._first(sets, step, benchmark, one, prepared)
        ready = replace(ready, bytes=_bytes(one, sets), checks=first.checks, wrong=first.wrong, where=first.where)
        if first.golden is None:
            return None, replace(ready, problem=f"its result was wrong before any heat ({first.where})")
        self.say("verify")
        comparison = Comparison(self.backend, self.world, sets.outputs, first.golden)
        repeats = REPEATS if item.provider == OWN else REPEATS_OF_OTHERS
        counts = self._repeated(step, comparison, repeats)
        wrong = sum(count.wrong for count in counts.values())
        if wrong and item.provider != OWN:
            raise UnrepeatedError("it does not repeat its result bit by bit")
        where = ready.where or place(counts)
        ready = replace(ready, checks=ready.checks + repeats * len(counts), wrong=ready.wrong + wrong, where=where)
        every, rounds = self._rhythm(step, comparison)
        return Held(
            name=name,
            step=step,
            batch=((step,) * every + comparison.steps) * rounds,
            iterations=every * rounds,
            compared=rounds,
            comparison=comparison,
            sets=sets,
            inputs=prepared.inputs,
            golden=first.golden,
            metric=benchmark.metric,
            work=benchmark.work(one.case),
        ), ready

    def _first(self, sets: BufferSet, step: Step, benchmark: Benchmark, one: Task, prepared: task.Prepared) -> _First:
        """A result that the benchmark's reference finds right, of ``TRIALS``."""
        specs, tolerance = benchmark.outputs(one.case), benchmark.tolerance(one.case)
        wrong, where = 0, ""
        for number in range(TRIALS):
            self.backend.poison(sets.outputs)
            step()
            self.backend.timer()()
            got = {name: np.array(array, order="C") for name, array in self.backend.download(sets.outputs).items()}
            said = check(got, prepared.expected, specs, tolerance)
            if not isinstance(said, Rejected):
                return _First(got, number + 1, wrong, where)
            spoilt = blame.changed(self.backend.download(sets.inputs), prepared.inputs)
            wrong, where = wrong + 1, where or "; ".join(filter(None, (said.reason, said.where, spoilt)))
        return _First(None, TRIALS, wrong, where)

    def _repeated(self, step: Step, comparison: Comparison, repeats: int) -> Mapping[str, Count]:
        """What differs among further results."""
        for _ in range(repeats):
            step()
            for compare in comparison.steps:
                compare()
        return comparison.fresh()

    def _rhythm(self, step: Step, comparison: Comparison) -> tuple[int, int]:
        """After how many iterations one is compared, and how many comparisons make a slice."""
        elapsed = self.backend.elapsed
        one = max(median(elapsed([step]).seconds for _ in range(TRIALS)), 1e-7)
        compare = median(elapsed(comparison.spare).seconds for _ in range(TRIALS))
        every = max(1, min(math.ceil(compare / (COMPARED * one)), int(self.job.part / one), LONGEST))
        rounds = max(1, min(round(self.job.part / (every * one + compare)), LONGEST // every))
        return every, rounds

    def spot(self, held: Held) -> tuple[int, str]:
        """One more result, fetched and compared on the host: elements that are wrong, and where.

        So nothing rests on the device's own comparison alone; and where something is wrong, inputs are looked at.
        """
        held.step()
        got = self.backend.download(held.sets.outputs)
        counts = {name: difference(got[name], want) for name, want in held.golden.items()}
        return sum(count.wrong for count in counts.values()), place(counts)

    def spoilt(self, held: Held) -> str:
        """Which input is no longer what was put there, or nothing."""
        return blame.changed(self.backend.download(held.sets.inputs), held.inputs)


@dataclass(frozen=True, slots=True)
class _First:
    """The first right result, and how many were compared and wrong before."""

    golden: Arrays | None
    checks: int
    wrong: int
    where: str


def place(counts: Mapping[str, Count]) -> str:
    """The first wrong element of the first output with one, as ``c[17]``; nothing where all are right."""
    return next((f"{name}[{count.first}]" for name, count in counts.items() if count.wrong), "")


def _said(error: Exception) -> str:
    """An error in words, without the full stop: more may follow."""
    told = str(error) if isinstance(error, BenchsuiteError) else f"{type(error).__name__}: {error}"
    return told.rstrip(".")


def _bytes(one: Task, sets: BufferSet) -> int:
    """Memory that an iteration works on: what the case asks for, or else its buffers."""
    asked = dict(one.case.params).get("bytes", 0)
    return asked if isinstance(asked, int) and asked else sum(int(array.nbytes) for array in sets.all.values())
