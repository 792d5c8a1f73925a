"""What the clocks of several ranks differ by, with a bound, and how the ranks begin a batch together.

Two clocks are compared by messages that cross: a message is received after it was sent, whatever it was that
delayed it. So each exchange bounds the offset from both sides, and no symmetry of the way need be assumed.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from benchsuite.measure.clock import Timer
from benchsuite.model import World

EXCHANGES, FEWEST, PATIENCE = 100, 10, 0.05
"""Exchanges with each rank; on crowded cores, where one may take milliseconds, what ``PATIENCE`` seconds allow."""
KEPT = 0.1
"""The part of the exchanges that counts: those with the shortest round trip."""
DRIFT = 500e-6
"""Seconds a second that two clocks may drift apart: the most that Linux slews one by (``adjtimex(2)``)."""
TENTH = 0.1
"""The part of a batch that the clocks' error, and the ranks' distance at the start, must stay below."""
LEAD, TRIPS = 50e-6, 8.0
"""From the agreement to the moment it names: seconds, and times the clocks' error, which is as long as a message."""


class Stamp(NamedTuple):
    """One exchange on one rank's clock: read before its message was sent, and after the other's was received."""

    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Offset:
    """A rank's clock less rank 0's, in seconds, when the rank's clock showed ``at``; off by ``error`` at most."""

    at: float
    seconds: float
    error: float


def offset(here: Sequence[Stamp], there: Sequence[Stamp], tick: float = 0.0) -> Offset | None:
    """The offset of the clock ``there`` from the exchanges of two ranks; ``tick``: the clocks' resolution.

    ``there.before - here.after <= offset <= there.after - here.before`` holds for each; the shortest round trips
    bound it best (Hunold & Carpen-Amarie, 2015; Cristian, 1989), to half of the shortest. ``None`` when the
    exchanges contradict each other, or a clock stood still meanwhile: then nothing is known.
    """
    trips = sorted(zip(here, there, strict=True), key=lambda pair: sum(stamp.after - stamp.before for stamp in pair))
    kept = trips[: max(FEWEST, math.ceil(KEPT * len(trips)))]
    low = max(far.before - near.after for near, far in kept)
    high = min(far.after - near.before for near, far in kept)
    first, last = min(far.before for _, far in kept), max(far.after for _, far in kept)
    allowance = tick + DRIFT * (last - first) / 2.0
    error = abs(high - low) / 2.0 + allowance
    if not error > 0.0 or low > high + 2.0 * allowance:
        return None
    return Offset((first + last) / 2.0, (low + high) / 2.0, error)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Every rank's offset before, and perhaps after, a time in which they are asked about; linear in between."""

    before: tuple[Offset, ...]
    after: tuple[Offset, ...] = ()

    @property
    def error(self) -> float:
        """The largest error of any rank's time on rank 0's clock, in seconds."""
        return max(one.error for one in (*self.before, *self.after))

    @property
    def linear(self) -> bool:
        """Whether no clock went further between the two measurements than ``DRIFT`` allows."""
        pairs = zip(self.before, self.after, strict=False)
        return all(
            abs(end.seconds - start.seconds) <= DRIFT * abs(end.at - start.at) + end.error + start.error
            for start, end in pairs
        )

    def common(self, rank: int, own: float) -> float:
        """What rank 0's clock showed when that of ``rank`` showed ``own``."""
        start = self.before[rank]
        if not self.after:
            return own - start.seconds
        end = self.after[rank]
        part = (own - start.at) / (end.at - start.at) if end.at > start.at else 0.0
        return own - (start.seconds + part * (end.seconds - start.seconds))


def measure(world: World, timer: Timer, tick: float = 0.0) -> Clocks | None:
    """Every rank's offset now, the same on every rank; all must call it. ``None`` when one cannot be known.

    Takes about a millisecond for each rank that has a core of its own.
    """
    mine: dict[int, list[Stamp]] = {}
    for rank in range(1, world.size):
        if world.rank in {0, rank}:
            mine[rank] = _exchanges(world, timer, rank if world.rank == 0 else 0)
    every = world.share((mine, tick))
    coarsest = max(theirs for _, theirs in every)
    found = [offset(every[0][0][rank], every[rank][0][rank], coarsest) for rank in range(1, world.size)]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return None
    return Clocks((Offset(known[0].at - known[0].seconds, 0.0, 0.0), *known))


def _exchanges(world: World, timer: Timer, peer: int) -> list[Stamp]:
    """This rank's stamps with ``peer``. Rank 0's messages say whether another follows, so that both stop together."""
    send, received = np.ones(1), np.ones(1)
    said = send if world.rank == 0 else received
    stamps: list[Stamp] = []
    end = timer() + PATIENCE
    while not stamps or said[0]:
        done = len(stamps) + 1
        send[0] = done < EXCHANGES and (done < FEWEST or timer() < end)
        before = timer()
        world.sendrecv(send, peer, received, peer)
        stamps.append(Stamp(before, timer()))
    return stamps


def crowded(world: World) -> bool:
    """Whether some host has more ranks than cores that they may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    hosts = world.share((platform.node(), cores))
    return any(hosts.count(host) > host[1] for host in hosts)


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
