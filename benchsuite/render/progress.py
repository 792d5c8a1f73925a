"""Progress of a campaign: a bar with the time left on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.text import Text

from benchsuite import units
from benchsuite.execute import Watcher
from benchsuite.model import Plan, Record, Status, Task
from benchsuite.render.words import clean

STEPS = 10


@contextmanager
def watcher(plan: Plan, stream: TextIO) -> Iterator[Watcher]:
    """The watcher fit for ``stream``."""
    if not stream.isatty():
        yield PlainWatcher(plan, stream)
        return
    with bar(stream) as progress:
        yield BarWatcher(plan, progress)


def bar(stream: TextIO) -> Progress:
    """A bar with what is going on before it, and ``left``, the time left, behind; gone when it is done."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(None),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]}"),
    )
    return Progress(*columns, console=Console(file=stream), transient=True)


@contextmanager
def counter(what: str, total: int, stream: TextIO) -> Iterator[Callable[[], None]]:
    """A function to call after each of ``total`` steps: draws a bar on a terminal, says nothing in a pipe."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn())
    with Progress(*columns, console=Console(file=stream), transient=True, disable=not stream.isatty()) as progress:
        bar = progress.add_task(what, total=total)
        yield lambda: progress.advance(bar)


class Forecast:
    """Time left, from the share of planned work done and the time it took."""

    def __init__(self, plan: Plan) -> None:
        self._weights = {task.key: task.share * plan.policy.seconds + 0.3 for task in plan.tasks}
        self.total = plan.policy.runs * len(plan.tasks)
        self._all = plan.policy.runs * sum(self._weights.values())
        self._done = 0.0
        self._started = time.monotonic()
        self.count = 0

    def add(self, record: Record) -> None:
        """Count a finished task."""
        self.count += 1
        self._done += self._weights.get(f"{record.case.key} [{record.implementation}]", 0.0)

    def left(self) -> float:
        """Seconds left, about."""
        spent = time.monotonic() - self._started
        return max(0.0, spent * (self._all - self._done) / self._done) if self._done else self._all

    def told(self) -> str:
        """``about 35 s left``; nothing at the end."""
        if self.count >= self.total:
            return ""
        return f"about {units.guessed(self.left())} left"


class BarWatcher:
    """Draws a bar; wrong and failed results scroll by above it."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._forecast = Forecast(plan)
        self._runs = plan.policy.runs
        self._progress = progress
        self._bar = progress.add_task("starting", total=self._forecast.total, left="")

    def task(self, run: int, task: Task, phase: str) -> None:
        """Show what is being measured."""
        words = f"run {run + 1} of {self._runs}  {task.case.benchmark}  {phase}"
        self._progress.update(self._bar, description=words)

    def record(self, record: Record) -> None:
        """Advance the bar."""
        self._forecast.add(record)
        left = self._forecast.told()
        self._progress.update(self._bar, completed=self._forecast.count, left=left)
        if line := trouble(record):
            self._progress.console.print(Text(line))


class PlainWatcher:
    """Writes a line at every tenth of the way, and one for each wrong or failed result."""

    def __init__(self, plan: Plan, stream: TextIO) -> None:
        self._forecast = Forecast(plan)
        self._stream = stream
        self._told = 0

    def task(self, run: int, task: Task, phase: str) -> None:
        """Say nothing: a pipe wants results."""

    def record(self, record: Record) -> None:
        """Count, and write when another tenth is done."""
        self._forecast.add(record)
        if line := trouble(record):
            print(line, file=self._stream, flush=True)
        tenth = self._forecast.count * STEPS // self._forecast.total
        if tenth > self._told:
            self._told = tenth
            left = f", {ahead}" if (ahead := self._forecast.told()) else ""
            print(f"{self._forecast.count} of {self._forecast.total} measured{left}", file=self._stream, flush=True)


def trouble(record: Record) -> str:
    """A line for a result that is wrong or missing, else nothing."""
    if record.status not in {Status.REJECTED, Status.FAILED}:
        return ""
    return clean(f"{record.status.value}: {record.case.key} [{record.implementation}]: {record.reason}")
