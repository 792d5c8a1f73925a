"""Burn-ins without a GPU: small loads, scripted and simulated devices, histories made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite.attempt import End, Runner, no_poll
from benchsuite.backends.base import Backend, Description
from benchsuite.backends.fake import FakeBackend, Script
from benchsuite.burn import worker
from benchsuite.burn.counting import History, Seen, Shown
from benchsuite.burn.station import Surroundings
from benchsuite.errors import BenchsuiteError
from benchsuite.execute import Blind, Observer
from benchsuite.model import TYPICAL, Benchmark, Buffers, Case, HostCall, Implementation, Policy, Task
from benchsuite.model.acceptance import Subject
from benchsuite.protocol import BurnJob, Job, Load, Message, Turn
from benchsuite.world.solo import SoloWorld
from tests.conftest import toy

HOST = Subject("here", None, "me")
CASE = Case.of("toy", n=64, kind="a")
GOOD = Load("gemm", (Task(CASE, "good"),))
POLICY = Policy(deadline=5.0, setup_deadline=5.0, compile_deadline=5.0)


def gpus(count: int) -> tuple[Subject, ...]:
    """So many GPUs of one node."""
    return tuple(Subject("here", number, f"gpu {number}") for number in range(count))


def job(*loads: Load, seconds: float = 3.0, turn: float = 0.5, part: float = 0.1) -> Job:
    """What a worker is told; times by the scripted clock, on which an iteration takes 1 ms."""
    return Job(
        attempt=1, run=0, backend="fake", world="solo", ranks=1, threads=1, seed=7, policy=POLICY, tasks=(),
        results="", nonce="n", burn=BurnJob(loads or (GOOD,), seconds, turn, part),
    )  # fmt: skip


def served(
    one: Job, backend: Backend | None = None, benchmarks: Mapping[str, Benchmark] | None = None
) -> list[Message]:
    """What a worker says from its beginning to its end."""
    told: list[Message] = []
    worker.serve(one, backend or FakeBackend(), SoloWorld(), benchmarks or {"toy": toy()}, told.append)
    return told


def turns(told: list[Message]) -> list[Turn]:
    """The turns that came to their end."""
    return [one.turn for one in told if one.turn is not None and one.turn.done]


def with_function(function: Callable[[Buffers, Case], None], provider: str = "benchsuite") -> dict[str, Benchmark]:
    """The toy with one implementation called ``good`` that does this."""
    item = Implementation("good", HostCall(function), provider=provider)
    return {"toy": replace(toy(), implementations=(item,))}


def double(buffers: Buffers, case: Case) -> None:
    """What the toy should do."""
    np.multiply(buffers["x"], 2.0, out=buffers["y"])


@dataclass
class Fault:
    """``double`` until call number ``at``, then ``does`` to the output, once, or from then on (``stays``)."""

    at: int
    does: Callable[[Any], None]
    stays: bool = False
    calls: int = 0

    def __call__(self, buffers: Buffers, case: Case) -> None:
        """One call."""
        double(buffers, case)
        self.calls += 1
        if self.calls == self.at or (self.stays and self.calls > self.at):
            self.does(buffers["y"])


@dataclass
class Inline:
    """A runner without a process. benchmarks: of each start, the last of them for all that follow."""

    benchmarks: list[Mapping[str, Benchmark]]
    backend: Callable[[], Backend] = FakeBackend
    before: Callable[[], None] = no_poll
    jobs: list[Job] = field(default_factory=list)

    def __call__(
        self, job: Job, folder: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll
    ) -> End:
        """Serve the job here."""
        self.jobs.append(job)
        self.before()
        benchmarks = self.benchmarks[min(len(self.jobs), len(self.benchmarks)) - 1]

        stopped: list[BaseException] = []

        def send(message: Message) -> None:
            listen(message)
            try:
                poll()
            except BaseException as error:
                stopped.append(error)
                raise

        try:
            worker.serve(job, self.backend(), SoloWorld(), benchmarks, send)
        except Died as error:
            return End(str(error))
        except BenchsuiteError as error:
            if stopped:
                raise
            return End(f"the process ended with exit code 4: {error}")
        return End()


class Died(BaseException):
    """A process ends; no handler of the worker may catch it."""


def described(backend: str, device: int | None) -> Description:
    """A GPU of this number, or the scripted processor."""
    gpu = None if device is None else replace(TYPICAL["sm_90a"], index=device, count=8)
    return Description(frozenset({"host", "ranks"}), 1 << 16, 1 << 32, gpu)


def blind(folder: Path, found: Description, backend: str) -> AbstractContextManager[Observer]:
    """No sensors."""
    return nullcontext(Blind())


def surroundings(runners: Mapping[int, Runner] | Runner, *loads: Load) -> Surroundings:
    """A machine whose devices run so; the runners by the order in which devices come under way: one for all, or by the
    number that the environment carries."""

    def runner(environment: Mapping[str, str]) -> Runner:
        return runners[int(environment["DEVICE"])] if isinstance(runners, Mapping) else runners

    def describe(backend: str, device: int | None) -> Description:
        return replace(described(backend, device), environment={"DEVICE": str(device or 0)})

    return Surroundings(describe, runner, blind, lambda names, found, benchmarks: loads or (GOOD,))


def slow(seconds: float) -> FakeBackend:
    """A scripted backend whose iterations take so long."""
    return FakeBackend(Script(default=(seconds,)))


def turn(load: str = "gemm", number: int = 0, speed: float = 100.0, spent: float = 10.0, **changes: Any) -> Turn:
    """One turn of ten slices."""
    seconds, starts = (spent / 10 / 100,) * 10, tuple(spent / 10 * i for i in range(10))
    return replace(Turn(load, number, 5.0, 100, seconds, starts, speed, checks=1000, done=True), **changes)


def history(*made: Turn, asked: float | None = None, seen: Seen | None = None, **changes: Any) -> History:
    """A history that ended well, of these turns."""
    total = sum(one.spent for one in made)
    shown = tuple(Shown(one, seen or Seen()) for one in made)
    return replace(History(HOST, asked if asked is not None else total, turns=shown, done=True), **changes)
