"""A runner without processes: the worker's own loop on the scripted backend, ranks as threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite.attempt import End, no_poll
from benchsuite.backends.base import Backend
from benchsuite.backends.fake import FakeBackend, Script
from benchsuite.execute import Place
from benchsuite.model import Benchmark, Record, Task, World
from benchsuite.protocol import Job, Message, encode
from benchsuite.serving import serve
from benchsuite.world.threads import run as run_threads


@dataclass
class InlineRunner:
    """Serves a job in this process; ``fail_at`` ends the n-th attempt when it reaches that task's key."""

    benchmarks: Mapping[str, Benchmark]
    script: Script = field(default_factory=Script)
    fail_at: Mapping[int, str] = field(default_factory=dict)
    silent: bool = False
    backend: Callable[[], Backend] | None = None
    """What executes; the scripted backend when left out."""
    jobs: list[Job] = field(default_factory=list)

    def __call__(
        self, job: Job, folder: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll
    ) -> End:
        """Run ``job`` to its end or its scripted death."""
        self.jobs.append(job)
        (folder / "job.json").write_bytes(encode(job))
        if self.silent:
            return End("mpiexec could not start anything")
        doomed = self.fail_at.get(len(self.jobs), "")

        def send(message: Message) -> None:
            with open(job.results, "ab") as stream:
                stream.write(encode(message) + b"\n")
            listen(message)
            poll()
            if doomed and message.index >= 0 and doomed in keys[message.index] and message.phase == "measure":
                raise _DiedError

        keys = {item.index: item.task.key for item in job.tasks}

        def rank(world: World) -> None:
            backend = self.backend() if self.backend is not None else FakeBackend(self.script)
            serve(job, backend, world, self.benchmarks, send)

        try:
            run_threads(job.ranks, rank)
        except _DiedError:
            return End("the process was ended by SIGSEGV")
        return End()

    def place(self, ranks: int) -> Place:
        """Every number of ranks runs here."""
        return Place(self, "threads", 1)


class _DiedError(BaseException):
    """The scripted death; no handler of the worker may catch it."""


@dataclass
class Notes:
    """A watcher that remembers."""

    records: list[Record] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)

    def task(self, run: int, task: Task, phase: str) -> None:
        """Remember the phase."""
        self.phases.append(phase)

    def record(self, record: Record) -> None:
        """Remember the record."""
        self.records.append(record)
