"""Plan -> records: runs as fresh process groups, one after another, each finished task kept at once.

A crash or a hang costs the task it happened in: the rest of that run goes on in a new attempt.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchsuite.attempt import End, Runner
from benchsuite.model import Benchmark, Caveat, Failed, Outcome, Plan, Record, Task
from benchsuite.protocol import Assigned, Job, Kind, Message
from benchsuite.record import assemble
from benchsuite.store import RunDirectory

Facts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Place:
    """How tasks with a certain number of ranks are run: the runner, the world's name, threads per rank."""

    runner: Runner
    world: str
    threads: int
    caveats: tuple[Caveat, ...] = ()


class Watcher(Protocol):
    """Told of progress; a terminal draws it, tests count it."""

    def task(self, run: int, task: Task, phase: str) -> None:
        """The phase a task is in."""

    def record(self, record: Record) -> None:
        """A finished task."""


@dataclass
class Execution:
    """The state of one campaign's execution: what has ended, what must not be tried again."""

    plan: Plan
    benchmarks: Mapping[str, Benchmark]
    directory: RunDirectory
    places: Callable[[int], Place]
    backend: str
    watcher: Watcher
    learn: Callable[[Facts], None] = lambda facts: None
    attempts: int = 0
    broken: dict[int, str] = field(default_factory=dict)

    def run(self) -> None:
        """Measure every task of every run. Raises ``MeasureError`` when results cannot be kept."""
        for number, order in enumerate(self.plan.order):
            self.directory.journal.note("run", number=number)
            for batch in self._batches(number, order):
                self._batch(number, batch)

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
                self._keep(run, index, Failed(f"not tried again: {self.broken[index]}"))
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
                    self.learn(message.facts)
                case Kind.PHASE:
                    current[:] = [message.index]
                    self.watcher.task(run, self.plan.tasks[message.index], message.phase)
                case Kind.RESULT if message.index in left:
                    left.remove(message.index)
                    said = message.outcome
                    told = {"started": message.started, "provider": message.provider}
                    self._keep(run, message.index, said, caveats=place.caveats, **told)
                case _:
                    pass

        job = self._job(run, pending, place, folder)
        self.directory.journal.note("attempt", number=self.attempts, run=run, tasks=len(pending), ranks=job.ranks)
        end = place.runner(job, folder, listen)
        self.directory.journal.note("attempt-end", number=self.attempts, left=len(left), reason=end.reason)
        if not left:
            return []
        return self._after_failure(run, left, current, end, greeted)

    def _after_failure(self, run: int, left: list[int], current: list[int], end: End, greeted: bool) -> list[int]:
        """Blame the task that was running; without a greeting nothing can run here, so all of them failed."""
        reason = end.reason or "the process ended before it was done"
        blamed = [index for index in current if index in left] or left[:1] if greeted else list(left)
        for index in blamed:
            self.broken[index] = reason
            self._keep(run, index, Failed(reason))
        return [index for index in left if index not in blamed]

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
        )
