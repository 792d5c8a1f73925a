"""Progress of a scan: a bar with the time left on a terminal, a line now and then in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.progress import Progress
from rich.text import Text

from benchsuite import units
from benchsuite.model import Round, Scan
from benchsuite.render.progress import STEPS, bar
from benchsuite.render.words import clean, counted
from benchsuite.scan.stages import Watcher


@contextmanager
def watcher(stream: TextIO) -> Iterator[Watcher]:
    """The watcher fit for ``stream``."""
    if not stream.isatty():
        yield PlainWatcher(stream)
        return
    with bar(stream) as progress:
        yield BarWatcher(progress)


class Forecast:
    """Rounds done and to come, and the seconds left, from those that were foretold or from those that passed."""

    def __init__(self) -> None:
        self.total = self.count = 0
        self._foretold = 0.0
        self._began = time.monotonic()

    def begin(self, rounds: int, seconds: float) -> None:
        """So many rounds are to come, for so many seconds."""
        self.total, self._foretold, self._began = rounds, seconds, time.monotonic()

    def add(self) -> None:
        """One more is done; a second look makes the total grow."""
        self.count += 1
        self.total = max(self.total, self.count)

    def told(self) -> str:
        """``about 35 s left``; nothing at the end."""
        spent = time.monotonic() - self._began
        left = (
            max(self._foretold - spent, 0.0) if 2 * self.count < self.total else spent * (self.total / self.count - 1)
        )
        return f"about {units.guessed(left)} left" if self.count < self.total else ""


class PlainWatcher:
    """Writes the forecast, a line at every tenth of the way, one for each wait, and one for each failed pair."""

    def __init__(self, stream: TextIO) -> None:
        self._forecast = Forecast()
        self._stream = stream
        self._told = 0

    def forecast(self, rounds: int, seconds: float) -> None:
        """How much is to come."""
        self._forecast.begin(rounds, seconds)
        self._say(foretold(rounds, seconds))

    def started(self, pids: Sequence[int]) -> None:
        """Say nothing."""

    def round(self, one: Round, piece: Scan) -> None:
        """Count, and write when another tenth is done."""
        self._forecast.add()
        for line in trouble(piece):
            self._say(line)
        tenth = self._forecast.count * STEPS // self._forecast.total
        if tenth > self._told:
            self._told = tenth
            left = f", {ahead}" if (ahead := self._forecast.told()) else ""
            self._say(f"{self._forecast.count} of {self._forecast.total} rounds measured{left}")

    def waiting(self, why: str, seconds: float) -> None:
        """Say for what and how long."""
        self._say(f"waiting {units.guessed(seconds)} before {why}")

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class BarWatcher:
    """Draws a bar; failed pairs scroll by above it."""

    def __init__(self, progress: Progress) -> None:
        self._forecast = Forecast()
        self._progress = progress
        self._bar = progress.add_task("starting the ranks", total=None, left="")

    def forecast(self, rounds: int, seconds: float) -> None:
        """Say how long it takes, and begin the bar."""
        self._forecast.begin(rounds, seconds)
        self._progress.console.print(Text(foretold(rounds, seconds)))
        self._progress.update(self._bar, total=rounds)

    def started(self, pids: Sequence[int]) -> None:
        """Say nothing."""

    def round(self, one: Round, piece: Scan) -> None:
        """Advance the bar."""
        self._forecast.add()
        done, total, left = self._forecast.count, self._forecast.total, self._forecast.told()
        words = f"{one.stage.value} round {one.number + 1}"
        self._progress.update(self._bar, total=total, completed=done, description=words, left=left)
        for line in trouble(piece):
            self._progress.console.print(Text(line))

    def waiting(self, why: str, seconds: float) -> None:
        """Show for what and how long."""
        self._progress.update(self._bar, description=f"waiting {units.guessed(seconds)} before {why}")


def foretold(rounds: int, seconds: float) -> str:
    """The forecast as a sentence."""
    return f"{counted(rounds, 'round')} will take about {units.guessed(seconds)}, a second look not counted."


def trouble(piece: Scan) -> list[str]:
    """A line for each pair without a time and for each wrong transfer of a round."""
    pairs: dict[tuple[int, int], str] = {}
    for sent in piece.transfers:
        if sent.seconds is None or sent.wrong:
            low, high = sorted((sent.sender, sent.receiver))
            pairs.setdefault((low, high), f"{counted(sent.wrong, 'byte')} wrong" if sent.wrong else sent.reason)
    return [clean(f"ranks {low} and {high}: {reason}") for (low, high), reason in pairs.items()]
