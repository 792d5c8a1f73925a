"""What the clocks of ranks differ by, with a bound.

Two clocks are compared by messages that cross: a message is received after it was sent, whatever it was that
delayed it. So each exchange bounds the offset from both sides, and no symmetry of the way need be assumed. Many are
compared along a tree: hosts among each other, ``FAN`` to a parent, and the ranks of a host with its first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
FAN = 16
"""Hosts that a host compares its clock with, one after the other. A binary tree of 4,096 hosts is done sooner but has
twelve errors to add up, this one three."""


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


def parents(hosts: Sequence[str]) -> tuple[int, ...]:
    """With which rank each rank compares its clock (rank 0 with itself); ``hosts``: where each runs.

    A host's first rank does so with that of another host, the others with the first of their own: depth
    ceil(log16 hosts) + 1 at most.
    """
    first: dict[str, int] = {}
    for rank, host in enumerate(hosts):
        first.setdefault(host, rank)
    leaders = list(first.values())
    number = {rank: place for place, rank in enumerate(leaders)}
    return tuple(
        first[host] if rank != first[host] else leaders[(number[rank] - 1) // FAN] if number[rank] else rank
        for rank, host in enumerate(hosts)
    )


def measure(world: World, timer: Timer, tick: float = 0.0) -> Clocks | None:
    """Every rank's offset from rank 0 now, the same on every rank; all must call it. ``None`` when one is unknown.

    Takes about a millisecond for each child of a parent, where ranks have cores of their own, and the tree's levels
    follow each other: some 50 ms for 4,096 hosts.
    """
    told = world.share((world.host, tick))
    above = parents([host for host, _ in told])
    coarsest = max(theirs for _, theirs in told)
    rank = world.rank
    own = None if above[rank] == rank else _as_child(world, timer, above[rank], coarsest)
    for child in range(1, world.size):
        if above[child] == rank:
            _as_parent(world, timer, child)
    return composed(world.share(own), above)


def composed(steps: Sequence[Offset | None], above: Sequence[int]) -> Clocks | None:
    """Offsets from rank 0, of each rank's offset from its parent ``above`` it: offsets add up, and so do errors.

    Between the measurement of a parent and that of its child both may have drifted, which widens the error. ``None``
    when an offset is unknown.
    """
    known: dict[int, Offset] = {}

    def of(rank: int) -> Offset | None:
        step = steps[rank]
        if rank in known or rank == 0 or step is None:
            return known.get(rank)
        parent = of(above[rank]) if above[rank] else None
        if above[rank] and parent is None:
            return None
        if parent is None:
            known[rank] = step
        else:
            age = abs(step.at - step.seconds - parent.at)
            known[rank] = Offset(step.at, step.seconds + parent.seconds, step.error + parent.error + DRIFT * age)
        return known[rank]

    found = [of(rank) for rank in range(1, len(steps))]
    offsets = [one for one in found if one is not None]
    if not offsets or len(offsets) < len(found):
        return None
    return Clocks((Offset(offsets[0].at - offsets[0].seconds, 0.0, 0.0), *offsets))


def _as_child(world: World, timer: Timer, parent: int, tick: float) -> Offset | None:
    """The offset from ``parent``, which says after the exchanges what it saw of them."""
    mine = _exchanges(world, timer, parent, leads=False)
    theirs = np.empty(2 * len(mine))
    world.receive(theirs, parent)
    return offset([Stamp(*pair) for pair in theirs.reshape(-1, 2).tolist()], mine, tick)


def _as_parent(world: World, timer: Timer, child: int) -> None:
    world.send(np.array(_exchanges(world, timer, child, leads=True)).ravel(), child)


def _exchanges(world: World, timer: Timer, peer: int, leads: bool) -> list[Stamp]:
    """This rank's stamps with ``peer``. The messages of the one who leads say whether another follows."""
    send, received = np.ones(1), np.ones(1)
    said = send if leads else received
    stamps: list[Stamp] = []
    end = timer() + PATIENCE
    while not stamps or said[0]:
        done = len(stamps) + 1
        send[0] = done < EXCHANGES and (done < FEWEST or timer() < end)
        before = timer()
        world.sendrecv(send, peer, received, peer)
        stamps.append(Stamp(before, timer()))
    return stamps
