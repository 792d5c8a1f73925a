"""How the ranks of a world begin a batch together, and what is known of their clocks meanwhile (``clocks``)."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchsuite.measure.clock import Timer
from benchsuite.measure.clocks import Clocks, measure
from benchsuite.model import World

TENTH = 0.1
"""The part of a batch that the clocks' error, and the ranks' distance at the start, must stay below."""
LEAD, TRIPS = 50e-6, 8.0
"""From the agreement to the moment it names: seconds, and times the clocks' error, which is as long as a message."""


def crowded(world: World) -> bool:
    """Whether some host has more ranks than cores that they may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    hosts = world.share((_kernel(), cores))
    return any(hosts.count(host) > host[1] for host in hosts)


def _kernel() -> str:
    """Which running kernel this is: nodes of a scheduler, containers and names may be several on one set of cores."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


class Timed(NamedTuple):
    """One batch on every rank: when it began, on the rank's own clock, and how long it took there. Seconds."""

    starts: tuple[float, ...]
    lengths: tuple[float, ...]


ALONE = Timed((), ())
"""A batch of a world of one: there is nothing to compare."""


class Judged(NamedTuple):
    """What a batch took, in seconds. apart: the ranks did not begin together."""

    seconds: float
    apart: bool


class Starter:
    """Has the ranks of a world begin together: after a barrier, or at a moment on rank 0's clock.

    Every method is called on every rank, and all ranks come to the same decisions.
    """

    def __init__(self, world: World, timer: Timer) -> None:
        self._world, self._timer, self._tick = world, timer, 0.0
        self.clocks: Clocks | None = None
        self.sync = "barrier" if world.size > 1 else "none"

    @property
    def error(self) -> float | None:
        """The bound of the clocks' error in seconds; ``None`` while nothing is known of them."""
        return self.clocks.error if self.clocks else None

    def align(self, length: float, tick: float = 0.0) -> None:
        """Compare the clocks, which resolve ``tick`` seconds, and choose how batches of ``length`` seconds begin.

        Ranks that share cores keep to the barrier: one that watches the clock would take another's core.
        """
        self._tick = tick
        self.clocks = measure(self._world, self._timer, tick)
        exact = self.clocks is not None and self.clocks.error < TENTH * length
        self.sync = "barrier" if crowded(self._world) or not exact else "window"

    def begin(self, delay: float = 0.0) -> None:
        """Return on every rank at once, on this one ``delay`` seconds later."""
        if self.sync == "barrier" or self.clocks is None:
            self._world.barrier()
            start = self._timer()
        else:
            rank = self._world.rank
            now = max(self._world.share(self.clocks.common(rank, self._timer())))
            start = now + LEAD + TRIPS * self.clocks.error + self.clocks.before[rank].seconds
        while self._timer() < start + delay:
            pass  # whoever sleeps here may wake on another's core, and late

    def doubt(self, taken: Sequence[Timed]) -> None:
        """Go back to the barrier when most of these batches did not begin together."""
        if self.sync == "window" and 2 * sum(self.judge(one).apart for one in taken) > len(taken):
            self.sync = "barrier"

    def recheck(self, length: float) -> bool:
        """Compare the clocks again. ``False`` when they went astray: then the batches count as after a barrier."""
        if self.clocks is None:
            return True
        again = measure(self._world, self._timer, self._tick)
        known = replace(self.clocks, after=again.before) if again else None
        self.clocks = known if known and known.linear else None
        trusted = self.clocks is not None and (self.sync == "barrier" or self.clocks.error < TENTH * length)
        if not trusted:
            self.sync = "barrier"
        return trusted

    def starts(self, timed: Timed) -> tuple[float, ...]:
        """When each rank began, on rank 0's clock; empty while nothing is known of the clocks."""
        if self.clocks is None:
            return ()
        return tuple(self.clocks.common(rank, start) for rank, start in enumerate(timed.starts))

    def judge(self, timed: Timed) -> Judged:
        """From the last start to the last end, where the ranks began at one moment; else the slowest rank's own time.

        The latter is never shorter: it contains the wait of those who came early. Ranks are apart when the last
        began more than a tenth of that time after the first.
        """
        slowest = max(timed.lengths)
        starts = self.starts(timed)
        if not starts:
            return Judged(slowest, apart=False)
        apart = max(starts) - min(starts) > TENTH * slowest
        last_end = max(start + length for start, length in zip(starts, timed.lengths, strict=True))
        together = last_end - max(starts)
        return Judged(together if self.sync == "window" and not apart and together > 0.0 else slowest, apart)
