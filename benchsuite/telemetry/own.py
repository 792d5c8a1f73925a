"""The CPU time of our own processes, so that our work is not taken for a neighbour's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class _Process:
    began: int
    first: float
    last: float


class OwnTime:
    """Adds up the processes it was told of. One that has ended keeps what it used."""

    def __init__(self, proc: Path, tick: int) -> None:
        self._proc, self._tick = proc, tick
        self._alive: dict[int, _Process] = {}
        self._ended = 0.0

    @property
    def pids(self) -> frozenset[int]:
        """Those that are ours and still there."""
        return frozenset(self._alive)

    def add(self, pid: int) -> None:
        """From now on this process is ours; what it used before does not count."""
        found = self._stat(pid)
        if found is not None and pid not in self._alive:
            began, used = found
            self._alive[pid] = _Process(began, used, used)

    def seconds(self) -> float:
        """CPU time, user and system, of all threads of all our processes since each was added."""
        for pid, process in list(self._alive.items()):
            found = self._stat(pid)
            if found is None or found[0] != process.began:  # it ended; its number may be another's by now
                self._ended += process.last - process.first
                del self._alive[pid]
            else:
                process.last = found[1]
        return self._ended + sum(process.last - process.first for process in self._alive.values())

    def _stat(self, pid: int) -> tuple[int, float] | None:
        """When the process began, in ticks, and its CPU time in seconds (proc(5): fields 22, 14 and 15)."""
        try:
            with open(self._proc / str(pid) / "stat", "rb", buffering=0) as stream:
                words = stream.read().rpartition(b")")[2].split()
            return int(words[19]), (int(words[11]) + int(words[12])) / self._tick
        except (OSError, ValueError, IndexError):
            return None
