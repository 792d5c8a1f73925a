"""One task from inputs to samples: prepare, verify, time, verify again. Verified or no time."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, overload

import numpy as np

from benchsuite.backends.base import Backend
from benchsuite.errors import BenchsuiteError, DeviceLostError, UnavailableError
from benchsuite.measure import blame, buffers
from benchsuite.measure.beside import Beside
from benchsuite.measure.clock import Clock
from benchsuite.measure.collect import Sampler, collect
from benchsuite.measure.verify import check
from benchsuite.measure.waiting import straggler_caveats
from benchsuite.model import (
    Arrays,
    Benchmark,
    Case,
    CollectiveCall,
    Expected,
    Failed,
    Implementation,
    Outcome,
    Policy,
    Ranks,
    Rejected,
    Skipped,
    Step,
    World,
)

Phase = Callable[[str], None]


class RankInputs(Ranks):
    """Every rank's inputs, made again from the seed when asked for: no communication, no memory held.

    ``known``: those of some ranks, which are at hand and need not be made again. ``rank``: whose outputs are asked for.
    """

    def __init__(
        self, benchmark: Benchmark, case: Case, seed: int, known: Mapping[int, Arrays] | None = None, rank: int = 0
    ) -> None:
        self._benchmark, self._case, self._seed, self._known = benchmark, case, seed, known or {}
        self.rank = rank

    def __len__(self) -> int:
        return self._case.ranks

    @overload
    def __getitem__(self, index: int) -> Arrays: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Arrays]: ...
    def __getitem__(self, index: int | slice) -> Arrays | Sequence[Arrays]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        if index in self._known:
            return self._known[index]
        return self._benchmark.inputs(self._case, generator(self._case, self._seed, index))

    def __iter__(self) -> Iterator[Arrays]:
        return (self[rank] for rank in range(len(self)))


def generator(case: Case, seed: int, stream: int) -> np.random.Generator:
    """The random numbers of one rank (``stream``) of one case; the same on every machine."""
    return np.random.default_rng([seed, zlib.crc32(case.key.encode()), stream])


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case's inputs and reference, kept while its implementations are measured one after another."""

    inputs: Arrays
    expected: Mapping[str, Expected]


def prepare(benchmark: Benchmark, case: Case, rank: int, seed: int) -> Prepared:
    """Inputs of this rank, which nothing may write into any more, and what its outputs must be."""
    own = RankInputs(benchmark, case, seed)[rank]
    for array in own.values():
        array.flags.writeable = False
    ranks = RankInputs(benchmark, case, seed, {rank: own}, rank)
    return Prepared(own, benchmark.reference(case, ranks, generator(case, seed, case.ranks)))


@dataclass(frozen=True, slots=True)
class Bench:
    """Where tasks are measured: one rank's backend, world, clock and policy."""

    backend: Backend
    world: World
    clock: Clock
    policy: Policy


class Measured(NamedTuple):
    """What came of a task. began: the timer's reading when its first warm-up sample began; 0 without samples."""

    outcome: Outcome
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One task on one rank. ``phase`` is told what is going on."""

    bench: Bench
    benchmark: Benchmark
    implementation: Implementation
    case: Case
    prepared: Prepared
    seconds: float
    phase: Phase = lambda name: None

    def outcome(self) -> Measured:
        """Samples, or why there are none. Never a time for a wrong result."""
        started = time.perf_counter()
        self.phase("compile")
        try:
            sets, steps = self._ready()
            problem = missing = None
        except DeviceLostError:
            raise  # nothing more can be measured in this process
        except UnavailableError as error:
            problem, missing = None, str(error)
        except (BenchsuiteError, MemoryError, ImportError) as error:
            problem, missing = str(error) or "there was not enough memory", None
        if failed := _first(self.bench.world, problem):
            return Measured(Failed(failed, phase="compile"))
        if skipped := _first(self.bench.world, missing):
            return Measured(Skipped(skipped))
        begin = self._beginning(sets)
        begin()
        for step in steps:  # what a first call still compiles or loads belongs to this phase
            step()
        self.bench.backend.timer()()
        self.phase("verify")
        before = self._verified(sets, _some(len(sets), len(sets)))
        if isinstance(before, Rejected):
            return Measured(before)
        for one in sets:
            self.bench.backend.poison(one.outputs)
        begin()
        setup = time.perf_counter() - started
        self.phase("measure")
        bench = self.bench
        sampler = Sampler(steps, bench.backend.elapsed, bench.backend.timer(), bench.world)
        samples, began = collect(sampler, bench.clock, bench.policy, self.seconds)
        awaited = straggler_caveats(sampler, samples, self.seconds)
        self.phase("verify")
        after = self._verified(sets, _some(sampler.cursor, len(sets)))
        if isinstance(after, Rejected):
            return Measured(replace(after, reason=f"after timing: {after.reason}"))
        caveats = (*samples.caveats, *awaited)
        samples = replace(samples, setup_seconds=setup, max_error=max(before, after), caveats=caveats)
        beside = Beside(bench.backend, bench.world, bench.clock, self.benchmark, self.implementation, self.case)
        return Measured(beside.told(sets[0].all, samples), began)

    def _ready(self) -> tuple[list[buffers.BufferSet], list[Step]]:
        backend, benchmark, case = self.bench.backend, self.benchmark, self.case
        places = benchmark.places(case)
        sets = buffers.allocate(backend, self.prepared.inputs, benchmark.outputs(case), benchmark.cache, places)
        return sets, [backend.bind(self.implementation, one.all, case, self.bench.world, places) for one in sets]

    def _beginning(self, sets: Sequence[buffers.BufferSet]) -> Step:
        """What puts into poisoned outputs whatever a collective starts from."""
        op = self.implementation.op
        if not isinstance(op, CollectiveCall) or op.before is None:
            return lambda: None
        before, bench = replace(self.implementation, op=replace(op, function=op.before)), self.bench
        steps = [bench.backend.bind(before, one.all, self.case, bench.world) for one in sets]

        def begin() -> None:
            for step in steps:
                step()

        return begin

    def _verified(self, sets: Sequence[buffers.BufferSet], numbers: Iterable[int]) -> float | Rejected:
        """The worst error of these sets over all ranks, or the first rejection."""
        specs, tolerance = self.benchmark.outputs(self.case), self.benchmark.tolerance(self.case)
        result: float | Rejected = 0.0
        worst = 0.0
        for number in numbers:
            outputs = self.bench.backend.download(sets[number].outputs)
            result = check(outputs, self.prepared.expected, specs, tolerance)
            if isinstance(result, Rejected):
                break
            worst = max(worst, result)
        own = result if isinstance(result, Rejected) else worst
        return blame.agree(self.bench.world, own, lambda: self._changed(sets))

    def _changed(self, sets: Sequence[buffers.BufferSet]) -> str:
        """Which input of this rank is no longer what the seed says, or nothing."""
        held = (self.bench.backend.download(one.inputs) for one in sets)
        return next(filter(None, (blame.changed(inputs, self.prepared.inputs) for inputs in held)), "")


def _some(executed: int, count: int) -> list[int]:
    """The sets to check after ``executed`` iterations: the first, the last written and one at random."""
    secret = int(np.random.default_rng().integers(min(executed, count)))
    return sorted({0, (executed - 1) % count, secret})


def _first(world: World, problem: str | None) -> str | None:
    """The first rank's problem, known to every rank."""
    problems = world.share(problem)
    return next((f"rank {r}: {text}" if world.size > 1 else text for r, text in enumerate(problems) if text), None)
