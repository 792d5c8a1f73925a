"""What keeps a rank from running: times in which it stood still, and processor time that was withheld from it.

A thread sleeps for a moment, again and again. When a moment lasted half a second and the process used almost no
processor time meanwhile, the whole process stood still: it was stopped, its machine was, or nobody gave it a core.
(Had only the thread been kept waiting, the rest of the process would have used the time.)
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchsuite.model import Pause

NAP = 0.05
"""Seconds between two looks at the clock."""
STILL = 0.5
"""Seconds that a nap must last to count as a pause."""
IDLE = 0.2
"""The part of a pause that the process may have run for all the same: around it, not in it."""
CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
NOTABLE = 0.02
"""The part of a time that must have been withheld to be told."""

Clock = Callable[[], float]


class PauseWatch:
    """Notices the pauses of this process from ``start`` until ``close``."""

    def __init__(self, rank: int, clock: Clock = time.monotonic, used: Clock = time.process_time) -> None:
        self._rank, self._clock, self._used = rank, clock, used
        self._began = clock()
        self._last = (self._began, used())
        self._found: list[Pause] = []
        self._guard = threading.Lock()
        self._ended = threading.Event()

    def start(self) -> PauseWatch:
        """Begin to look."""
        threading.Thread(target=self._follow, daemon=True).start()
        return self

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()

    def take(self) -> tuple[Pause, ...]:
        """The pauses since the last call, the one that has just ended among them."""
        self.look()
        with self._guard:
            found, self._found = tuple(self._found), []
        return found

    def look(self) -> None:
        """Compare the clocks with those of the last look."""
        with self._guard:
            now, used = self._clock(), self._used()
            (before, spent), self._last = self._last, (now, used)
            gap = now - before
            if gap >= STILL and used - spent <= IDLE * gap:
                self._found.append(Pause(self._rank, before - self._began, gap))

    def _follow(self) -> None:
        while not self._ended.wait(NAP):
            self.look()


@dataclass(frozen=True, slots=True)
class Withheld:
    """Processor time that was withheld so far, in seconds: by the control group's quota, by the hypervisor.

    The latter is of the whole machine, divided by its cores.
    """

    throttled: float = 0.0
    stolen: float = 0.0

    def since(self, before: Withheld, seconds: float) -> str:
        """What was withheld since ``before``, in words, if it is worth telling of ``seconds``; else nothing."""
        throttled, stolen = self.throttled - before.throttled, self.stolen - before.stolen
        told = [f"its control group was throttled for {throttled:.2g} s"] if throttled > NOTABLE * seconds else []
        told += [f"the hypervisor kept its cores for {stolen:.2g} s"] if stolen > NOTABLE * seconds else []
        return " and ".join(told)


def withheld(proc: Path = PROC, cgroups: Path = CGROUPS) -> Withheld:
    """What the kernel counts now; 0 where it does not."""
    return Withheld(_throttled(proc, cgroups), _stolen(proc))


def _throttled(proc: Path, cgroups: Path) -> float:
    """Seconds that this process's group, or one above it, was throttled (cpu.stat of version 2 or 1)."""
    return max((_stat(folder / "cpu.stat") for folder in _groups(proc, cgroups)), default=0.0)


def _groups(proc: Path, cgroups: Path) -> list[Path]:
    """The folders of this process's control group and of those above it, as far as they are visible here."""
    found: list[Path] = []
    for line in _text(proc / "self" / "cgroup").splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        mounts = {"0": ("", "unified")} if not controllers else {}
        roots = mounts.get(number, ("cpu", "cpu,cpuacct", "cpuacct,cpu") if "cpu" in controllers.split(",") else ())
        for root in roots:
            inner = cgroups / root / path.lstrip("/")
            found += [one for one in (inner, *inner.parents) if one.is_relative_to(cgroups / root)]
    return found


def _stat(path: Path) -> float:
    """Seconds of throttling that a cpu.stat tells: ``throttled_usec`` (version 2), ``throttled_time`` in ns (1)."""
    words = dict(line.split()[:2] for line in _text(path).splitlines() if len(line.split()) > 1)
    for name, scale in (("throttled_usec", 1e-6), ("throttled_time", 1e-9)):
        if words.get(name, "").isdigit():
            return int(words[name]) * scale
    return 0.0


def _stolen(proc: Path) -> float:
    """Seconds a core that the hypervisor gave to others (proc(5), the eighth number of ``cpu``)."""
    words = next((line.split() for line in _text(proc / "stat").splitlines() if line.startswith("cpu ")), [])
    if len(words) < 9 or not words[8].isdigit():
        return 0.0
    return int(words[8]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
