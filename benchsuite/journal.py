"""An append-only log of a campaign: one JSON line per event, synced, each line bound to the one before.

``sha`` is SHA-256 over the previous line's ``sha`` and this line's content, so a changed, missing or
torn line shows.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from benchsuite import reading
from benchsuite.errors import DataError, MeasureError
from benchsuite.protocol import encode

CLOCK_STEP = 1.0
"""Seconds by which the wall clock was set, or the machine slept, that are worth telling: stamps around it mislead."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line: what happened, when (UTC), and the details as text."""

    number: int
    time: str
    event: str
    data: Mapping[str, str] = field(default_factory=dict)
    sha: str = ""


def sync_append(path: Path, line: bytes) -> None:
    """Append one line and wait until the disk has it.

    A line that could not be written whole is cut off again, so that a full disk leaves no torn line.
    Raises ``MeasureError``.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            data = line + b"\n"
            try:
                written = os.write(descriptor, data)
                if written != len(data):
                    raise OSError(28, "No space left on device")
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        message = f"{path.name} could not be written: {error.strerror}."
        raise MeasureError(message, "Free some space; what was measured so far is kept.") from error


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole, or leave the old one. Raises ``MeasureError``."""
    temporary = path.with_name(f".{path.name}")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise MeasureError(f"{path.name} could not be written: {error.strerror}.", "Free some space.") from error


class Journal:
    """Writes events; ``close`` is not needed, every event is on disk when ``note`` returns."""

    def __init__(self, path: Path) -> None:
        """Begin a journal, or go on with one. Raises ``DataError`` if a line before its last was changed."""
        self._path = path
        events = recover(path) if path.exists() else []
        self._number = len(events)
        self._sha = events[-1].sha if events else ""
        self._ahead = _ahead()

    def note(self, event: str, **data: object) -> None:
        """Append one event; values become text. ``clock_step``: by how much the wall clock was set since the last."""
        words = {key: str(value) for key, value in data.items()}
        before, self._ahead = self._ahead, _ahead()
        if abs(self._ahead - before) > CLOCK_STEP:
            words["clock_step"] = f"{self._ahead - before:+.1f} s"
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        bare = Event(self._number, now, event, words)
        sha = chain(self._sha, bare)
        sync_append(self._path, encode(Event(bare.number, bare.time, bare.event, bare.data, sha)))
        self._number, self._sha = self._number + 1, sha  # only now: after a full disk the next line follows the last

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.note("end", outcome="done" if error is None else type(error).__name__)
        except MeasureError:
            if error is None:
                raise  # with an error under way, that one is the news


def _ahead() -> float:
    """By how much the wall clock is ahead of the one that cannot be set, in seconds."""
    return time.time() - time.monotonic()


def chain(previous: str, event: Event) -> str:
    """The digest of ``event`` (its own ``sha`` left out) after ``previous``."""
    bare = Event(event.number, event.time, event.event, event.data)
    return hashlib.sha256(previous.encode() + encode(bare)).hexdigest()


def recover(path: Path) -> list[Event]:
    """The events, after a last line that was torn when its writer ended has been cut off.

    Raises ``DataError`` when anything else is wrong: that is not the mark of a lost process.
    """
    cut_torn_line(path)
    events, problem = read(path)
    if problem:
        raise DataError(
            f"{problem[0].upper()}{problem[1:]}.", "It can be shown, but not gone on with: start a new run."
        )
    return events


def cut_torn_line(path: Path) -> bool:
    """Cut off what follows the last newline: the line whose writer ended in the middle of it. Whether there was one.

    Raises ``MeasureError``.
    """
    try:
        with path.open("r+b") as stream:
            content = stream.read()
            whole = content.rfind(b"\n") + 1
            if whole == len(content):
                return False
            stream.truncate(whole)
            stream.flush()
            os.fsync(stream.fileno())
            return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise MeasureError(
            f"{path.name} could not be mended: {error.strerror}.", "See that it can be written."
        ) from error


def read(path: Path) -> tuple[list[Event], str]:
    """The intact events, and why reading stopped before the end of the file (or nothing).

    A last line that was torn when its writer ended is no fault. Raises ``DataError`` when there is no such file.
    """
    events: list[Event] = []
    sha = ""
    for number, (line, whole) in enumerate(reading.lines(path)):
        if not whole:
            break
        try:
            event = reading.value(line, Event)
        except DataError:
            return events, f"line {number + 1} of {path.name} is not readable"
        sha = chain(sha, event)
        if event.sha != sha or event.number != number:
            return events, f"line {number + 1} of {path.name} was changed or does not follow the one before"
        events.append(event)
    return events, ""
