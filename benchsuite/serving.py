"""What one rank of a campaign does with its backend and world: measure its tasks in order, report each as it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from benchsuite.backends.base import Backend, Link
from benchsuite.errors import BenchsuiteError, DeviceLostError
from benchsuite.measure import clock
from benchsuite.measure.task import Bench, Measured, Measurement, Prepared, prepare
from benchsuite.model import (
    Benchmark,
    Case,
    CollectiveCall,
    Failed,
    Implementation,
    Outcome,
    Samples,
    Task,
    World,
)
from benchsuite.protocol import Job, Kind, Message, result

Send = Callable[[Message], None]


def serve(
    job: Job,
    backend: Backend,
    world: World,
    benchmarks: Mapping[str, Benchmark],
    send: Send,
    doing: Callable[[str], None] = lambda words: None,
) -> None:
    """Measure every task of ``job`` on this rank; rank 0 sends what there is to say.

    ``doing`` is told on every rank what it is about to do, so that one that hangs can be named.
    """
    say: Send = send if world.rank == 0 else lambda message: None
    libraries = _libraries(job, benchmarks)
    if libraries:
        doing(f"join the other ranks' devices through {' and '.join(sorted(libraries))}")
    with backend.joined(world, libraries) as links:
        told = {name: link.facts for name, link in links.items()}
        facts = {"libraries": backend.providers(), "world": world.facts(), **told}
        say(Message(job.nonce, Kind.HELLO, pids=tuple(world.share(os.getpid())), facts=facts))
        bench = Bench(backend, world, clock.calibrate(backend.timer()), job.policy)
        providers = {**backend.providers(), "mpi": world.facts().get("library", "")}
        prepared = _Prepared(benchmarks, world.rank, job.seed)
        for item in job.tasks:
            case = item.task.case
            benchmark, implementation = _chosen(item.task, benchmarks)
            started = datetime.now(UTC).isoformat(timespec="milliseconds")

            def phase(words: str, index: int = item.index, key: str = item.task.key) -> None:
                doing(f"{words}: {key}")
                say(Message(job.nonce, Kind.PHASE, index, words))

            phase("prepare")
            try:
                ready = prepared.of(case)
                measured = _outcome(Measurement(bench, benchmark, implementation, case, ready, item.seconds, phase))
            except MemoryError:
                measured = Measured(Failed("there was not enough memory", phase="prepare"))
            provider, outcome = _told(implementation.provider, case, measured.outcome, providers, links)
            say(result(job.nonce, item.index, outcome, started, provider, measured.began))
        doing("end")
    say(Message(job.nonce, Kind.BYE))


def _chosen(task: Task, benchmarks: Mapping[str, Benchmark]) -> tuple[Benchmark, Implementation]:
    benchmark = benchmarks[task.case.benchmark]
    return benchmark, next(each for each in benchmark.implementations if each.name == task.implementation)


def _libraries(job: Job, benchmarks: Mapping[str, Benchmark]) -> frozenset[str]:
    """What moves data between devices in any of the tasks."""
    calls = (_chosen(item.task, benchmarks)[1].op for item in job.tasks)
    return frozenset(call.over for call in calls if isinstance(call, CollectiveCall) and call.over)


def _told(
    name: str, case: Case, outcome: Outcome, providers: Mapping[str, str], links: Mapping[str, Link]
) -> tuple[str, Outcome]:
    """The library's version, and the result with what the library has to add to it."""
    link = links.get(name)
    if link is None:
        return providers.get(name, name), outcome
    if isinstance(outcome, Samples):
        outcome = replace(outcome, caveats=(*outcome.caveats, *link.caveats(case)))
    return link.provider(case), outcome


class _Prepared:
    """Inputs and reference of the last case, kept for its next implementation."""

    def __init__(self, benchmarks: Mapping[str, Benchmark], rank: int, seed: int) -> None:
        self._benchmarks, self._rank, self._seed = benchmarks, rank, seed
        self._last: tuple[Case, Prepared] | None = None

    def of(self, case: Case) -> Prepared:
        """Inputs and reference of ``case``; the previous case's memory is freed first."""
        if self._last is None or self._last[0] != case:
            self._last = None
            self._last = case, prepare(self._benchmarks[case.benchmark], case, self._rank, self._seed)
        return self._last[1]


def _outcome(measurement: Measurement) -> Measured:
    try:
        return measurement.outcome()
    except DeviceLostError:
        raise  # the tasks after this one go on in a fresh process
    except Exception as error:  # whatever goes wrong costs its own task, never the attempt
        if measurement.bench.world.size > 1:
            raise  # perhaps here alone, and the others wait in a collective: only ending the attempt frees them
        told = str(error) if isinstance(error, BenchsuiteError) else f"{type(error).__name__}: {error}"
        return Measured(Failed(told))
