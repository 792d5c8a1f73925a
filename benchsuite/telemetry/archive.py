"""The readings on disk: ``telemetry.jsonl`` in the run directory, no longer than a cap."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from benchsuite.errors import DataError
from benchsuite.reading import Limits, lines
from benchsuite.telemetry.reading import Reader, Reading, boot

FILE = "telemetry.jsonl"
CAP = 64 << 20
"""Bytes: hours of a GPU's readings."""
MOST = 40_000
"""Readings that are shown: more than an hour of them at full beat."""
NAMES, LARGEST = 256, 1e18
FULL = b'{"note":"the file is full: later readings were joined to the samples, but not kept"}\n'


class Archive:
    """Appends lines until ``cap`` bytes; then one line more says that it is full."""

    def __init__(self, path: Path, cap: int = CAP) -> None:
        self._path, self._cap = path, cap
        self._full = self._ends_with(FULL)
        if not self._ends_with(b"\n"):  # the controller before us ended within a line
            self.append(b"\n")

    def append(self, lines: bytes) -> None:
        """Add whole lines. A full disk costs this file, not the run."""
        with suppress(OSError), open(self._path, "ab", buffering=0) as stream:
            if not self._full and stream.tell() + len(lines) > self._cap:
                self._full, lines = True, FULL
            elif self._full:
                return
            stream.write(lines)

    def readings(self) -> list[Reading]:
        """What was read since the machine was started; the clock of earlier readings was another."""
        now, reader = boot(), Reader()
        try:
            with open(self._path, "rb") as stream:
                return [reading for reading in reader.readings(stream) if now and reader.boot == now]
        except OSError:
            return []

    def _ends_with(self, text: bytes) -> bool:
        """An empty file, or none, ends with a newline for our purpose."""
        try:
            with open(self._path, "rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(0, size - len(text)))
                return stream.read() == text or (size == 0 and text == b"\n")
        except OSError:
            return text == b"\n"


def recorded(folder: Path) -> tuple[Reading, ...]:
    """Every reading kept in a run directory, of all starts of the machine, in the order written; for showing.

    The file may come from anybody: only moments that go forward and numbers that a sensor could say are taken, and it
    ends where a reading has more than ``NAMES`` of them. Above ``MOST`` readings every second one is left out, as often
    as needed; counters lose nothing by it. Nothing where there is no such file.
    """
    found: list[Reading] = []
    reader, step, number, last = Reader(), 1, 0, -math.inf
    with suppress(DataError):
        for line, _ in lines(folder / FILE, Limits(line=1 << 16, lines=2_000_000)):
            one = reader.reading(line)
            if one is None or not abs(one.at) < LARGEST or (one.at <= last and not one.first):
                continue
            if len(one.values) > NAMES or len(one.missing) > NAMES:
                break
            last, number = one.at, number + 1
            if one.first or number % step == 0:
                values = {name: value for name, value in one.values.items() if abs(value) < LARGEST}
                found.append(replace(one, values=values))
            if len(found) > MOST:
                step, found = 2 * step, [each for at, each in enumerate(found) if each.first or at % 2 == 0]
    return tuple(found)
