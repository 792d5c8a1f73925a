"""Plan -> records: runs as fresh process groups, one after another, each finished task kept at once.

A crash or a hang costs the task it happened in: the rest of that run goes on in a new attempt. A task that a run
directory already holds is not measured again, so the same execution goes on with a campaign that ended early.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchsuite.attempt import End, Mail, Runner
from benchsuite.errors import DataError, MeasureError
from benchsuite.model import Benchmark, Caveat, Failed, Outcome, Plan, Record, Samples, Status, Task
from benchsuite.protocol import Assigned, Job, Kind, Message, decode
from benchsuite.record import assemble
from benchsuite.store import RunDirectory

Facts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Place:
    """How tasks with a certain number of ranks are run: the runner, the world's name, threads per rank.

    nodes: on how many hosts the ranks lie evenly; 0: wherever they run.
    """

    runner: Runner
    world: str
    threads: int
    caveats: tuple[Caveat, ...] = ()
    nodes: int = 0


class Watcher(Protocol):
    """Told of progress; a terminal draws it, tests count it."""

    def task(self, run: int, task: Task, phase: str) -> None:
        """The phase a task is in."""

    def record(self, record: Record) -> None:
        """A finished task."""


class Observer(Protocol):
    """What else happened on the machine: told which processes are ours, it completes samples as they arrive."""

    def own(self, pids: tuple[int, ...]) -> None:
        """From now on these processes are ours; all others are neighbours."""

    def observe(self, samples: Samples, began: float) -> Samples:
        """The samples with conditions, annotations and energy; ``began``: ``Message.began``."""


class Blind:
    """Sees nothing, and says so by leaving the samples as they are: for a scripted clock."""

    def own(self, pids: tuple[int, ...]) -> None:
        """Nothing."""

    def observe(self, samples: Samples, began: float) -> Samples:
        """The samples as they are."""
        return samples


class Stopper(Protocol):
    """Raises when it is time to stop (``interrupt.Stop``)."""

    def check(self, *, measuring: bool) -> None:
        """``measuring``: a task is being measured, which a polite request lets finish."""


class Tireless:
    """Never stops."""

    def check(self, *, measuring: bool) -> None:
        """Nothing."""


NOT_TRIED = "not tried again: "


@dataclass
class Execution:
    """The state of one campaign's execution: what has ended, what must not be tried again.

    came_up: the numbers of ranks that have found each other before.
    """

    plan: Plan
    benchmarks: Mapping[str, Benchmark]
    directory: RunDirectory
    places: Callable[[int], Place]
    backend: str
    watcher: Watcher
    learn: Callable[[Facts], None] = lambda facts: None
    observer: Observer = field(default_factory=Blind)
    stop: Stopper = field(default_factory=Tireless)
    attempts: int = 0
    broken: dict[int, str] = field(default_factory=dict)
    done: set[tuple[int, int]] = field(default_factory=set)
    came_up: set[int] = field(default_factory=set)
    measuring: bool = False

    def run(self) -> None:
        """Measure every task of every run that is not done.

        Raises ``MeasureError`` when results cannot be kept, or when the ranks lost their place.
        """
        self._recall()
        for number, order in enumerate(self.plan.order):
            if all((number, index) in self.done for index in order):
                continue
            self.directory.journal.note("run", number=number)
            for batch in self._batches(number, order):
                self._batch(number, [index for index in batch if (number, index) not in self.done])

    def _recall(self) -> None:
        """Learn from the directory what is done, what broke, and what a worker finished that nobody kept yet."""
        for record in self.directory.records:
            index = self.plan.order[record.run][record.position]
            self.done.add((record.run, index))
            if record.status is Status.FAILED and not record.reason.startswith(NOT_TRIED):
                self.broken[index] = record.reason
            if record.status is Status.OK:
                self.came_up.add(record.case.ranks)
        folders = self.directory.attempt_folders()
        self.attempts = int(folders[-1].name) if folders else 0
        for folder in folders:
            self._harvest(folder)

    def _harvest(self, folder: Path) -> None:
        """Keep the results of an attempt whose controller ended before it read them."""
        try:
            job = decode((folder / "job.json").read_bytes(), Job)
        except (OSError, DataError):
            return  # the controller ended before it had written the job, so nothing was started
        caveats = self.places(job.ranks).caveats

        def listen(message: Message) -> None:
            unknown = message.index in self.plan.order[job.run] and (job.run, message.index) not in self.done
            if message.kind is Kind.RESULT and unknown:
                self._result(job.run, message, caveats)

        Mail(folder / "results.jsonl", job.nonce, listen).collect()

    def _batches(self, run: int, order: Sequence[int]) -> Iterator[list[int]]:
        """Tasks that share a process group; groups change places from run to run."""
        if self.plan.policy.isolation == "case":
            yield from ([index] for index in order)
            return
        by_ranks: dict[int, list[int]] = {}
        for index in order:
            by_ranks.setdefault(self.plan.tasks[index].case.ranks, []).append(index)
        groups = list(by_ranks.values())
        yield from groups if run % 2 == 0 else reversed(groups)

    def _batch(self, run: int, indices: Sequence[int]) -> None:
        pending = []
        for index in indices:
            if index in self.broken:
                self._keep(run, index, Failed(f"{NOT_TRIED}{self.broken[index]}"))
            else:
                pending.append(index)
        while pending:
            pending = self._attempt(run, pending)

    def _attempt(self, run: int, pending: list[int]) -> list[int]:
        """Run one attempt and return what is still to do after it."""
        place = self.places(self.plan.tasks[pending[0]].case.ranks)
        self.attempts += 1
        folder = self.directory.attempt_folder(self.attempts)
        left = list(pending)
        current: list[int] = []
        greeted = False

        def listen(message: Message) -> None:
            nonlocal greeted
            match message.kind:
                case Kind.HELLO:
                    greeted = True
                    self.came_up.add(job.ranks)
                    self.learn(message.facts)
                    self.observer.own(message.pids)
                case Kind.PHASE:
                    current[:] = [message.index]
                    self.measuring = message.phase != "prepare"
                    self.watcher.task(run, self.plan.tasks[message.index], message.phase)
                case Kind.RESULT if message.index in left:
                    left.remove(message.index)
                    self.measuring = False
                    self._result(run, message, place.caveats)
                case _:
                    pass
            self.stop.check(measuring=self.measuring)

        job = self._job(run, pending, place, folder)
        self.directory.journal.note("attempt", number=self.attempts, run=run, tasks=len(pending), ranks=job.ranks)
        self.measuring = False
        end = place.runner(job, folder, listen, lambda: self.stop.check(measuring=self.measuring))
        self.directory.journal.note("attempt-end", number=self.attempts, left=len(left), reason=end.reason)
        if not left:
            return []
        if end.lost or (not greeted and place.nodes > 1 and job.ranks in self.came_up):
            raise _displaced(end.reason)
        return self._after_failure(run, left, current, end, greeted)

    def _after_failure(self, run: int, left: list[int], current: list[int], end: End, greeted: bool) -> list[int]:
        """Blame the task that was running; without a greeting nothing can run here, so all of them failed."""
        reason = end.reason or "the process ended before it was done"
        blamed = [index for index in current if index in left] or left[:1] if greeted else list(left)
        for index in blamed:
            self.broken[index] = reason
            self._keep(run, index, Failed(reason))
        return [index for index in left if index not in blamed]

    def _result(self, run: int, message: Message, caveats: tuple[Caveat, ...]) -> None:
        """Keep what a worker reports, completed with what was observed meanwhile."""
        outcome = message.outcome
        if isinstance(outcome, Samples):
            outcome = self.observer.observe(outcome, message.began)
        told = {"started": message.started, "provider": message.provider}
        self._keep(run, message.index, outcome, caveats=caveats, **told)

    def _keep(
        self,
        run: int,
        index: int,
        outcome: Outcome,
        *,
        started: str = "",
        provider: str = "",
        caveats: tuple[Caveat, ...] = (),
    ) -> None:
        task = self.plan.tasks[index]
        benchmark = self.benchmarks[task.case.benchmark]
        named = next(item.provider for item in benchmark.implementations if item.name == task.implementation)
        record = assemble(
            benchmark,
            task,
            outcome,
            campaign=self.directory.campaign.id,
            run=run,
            position=self.plan.order[run].index(index),
            backend=self.backend,
            provider=provider or named,  # a process that ended told no version
            started=started,
            caveats=caveats,
        )
        self.watcher.record(record)
        self.directory.append(record)
        self.done.add((run, index))

    def _job(self, run: int, pending: Sequence[int], place: Place, folder: Path) -> Job:
        policy = self.plan.policy
        assigned = [
            Assigned(index, self.plan.tasks[index], self.plan.tasks[index].share * policy.seconds) for index in pending
        ]
        return Job(
            attempt=self.attempts,
            run=run,
            backend=self.backend,
            world=place.world,
            ranks=self.plan.tasks[pending[0]].case.ranks,
            threads=place.threads,
            seed=self.plan.seed + run,
            policy=policy,
            tasks=tuple(assigned),
            results=str((folder / "results.jsonl").resolve()),
            nonce=secrets.token_hex(8),
            controller=os.getpid(),
            host=socket.gethostname(),
            nodes=place.nodes,
        )


def _displaced(reason: str) -> MeasureError:
    """The ranks lost their place, or find it no more: that is no task's fault, so none has failed by it."""
    return MeasureError(
        f"The run lost its place: {reason or 'its ranks no longer find each other'}.",
        "What was measured is kept. When all its nodes are there again, 'benchsuite resume' goes on.",
    )
