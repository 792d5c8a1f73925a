"""Ranks that wait without a core of their own, and take turns where several share one.

MPI libraries wait by asking again and again, which takes a whole core. Where ranks share cores, those that wait would
slow down those that are measured. So whoever has nothing to do looks now and then whether somebody calls.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchsuite.model import World

EAGER, LONGEST = 200, 1e-3
"""Looks without a nap in between, and the longest nap in seconds."""
LATE = 1.0
"""Seconds after which rank 0 says for whom it waits."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
Pair = tuple[int, int]


class Rest:
    """How one rank waits for others. ``told``: hears on rank 0 which ranks are late, each time that changes."""

    def __init__(self, world: World, sleep: Callable[[float], None] = time.sleep) -> None:
        self._world, self._sleep = world, sleep
        self._token = np.zeros(1, np.uint8)

    def receive(self, source: int) -> None:
        """Wait for a word from rank ``source``."""
        looks = 0
        while not self._world.arrived(source):
            looks += 1
            self._nap(looks)
        self._world.receive(self._token, source)

    def call(self, to: int) -> None:
        """A word to rank ``to``, which waits for it."""
        self._world.send(self._token, to)

    def barrier(self, told: Callable[[Sequence[int]], None] = lambda late: None) -> None:
        """Return when every rank has called it. Rank 0 hears everybody, then calls everybody."""
        if self._world.rank != 0:
            self.call(0)
            self.receive(0)
            return
        self._hear(told)
        for rank in range(1, self._world.size):
            self.call(rank)

    def _hear(self, told: Callable[[Sequence[int]], None]) -> None:
        """On rank 0: a word from every other rank."""
        awaited = list(range(1, self._world.size))
        since, looks = time.monotonic(), 0
        said: list[int] = []
        while awaited:
            here = [rank for rank in awaited if self._world.arrived(rank)]
            for rank in here:
                self._world.receive(self._token, rank)
            awaited = [rank for rank in awaited if rank not in here]
            looks = 0 if here else looks + 1
            if awaited and awaited != said and time.monotonic() - since > LATE:
                told(awaited)
                said = list(awaited)
            if awaited:
                self._nap(looks)

    def _nap(self, looks: int) -> None:
        if looks > EAGER:
            self._sleep(min(LONGEST, (looks - EAGER) * LONGEST / EAGER))


@dataclass(frozen=True, slots=True)
class Machine:
    """Where ranks run by the kernel's own name, so that containers and namespaces of one machine are seen as one."""

    boot: str
    cores: frozenset[int]


def here() -> Machine:
    """This rank's machine, and the cores it may use."""
    try:
        boot = BOOT_ID.read_text().strip()
    except OSError:
        boot = os.uname().nodename
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return Machine(boot, frozenset(cores))


def neighbours(machines: Sequence[Machine], rank: int) -> list[int]:
    """The ranks that share cores with ``rank``, itself among them: they take turns."""
    own = machines[rank]
    return [other for other, one in enumerate(machines) if one.boot == own.boot and one.cores & own.cores]


def waves(pairs: Sequence[Pair], machines: Sequence[Machine]) -> list[list[Pair]]:
    """The pairs in groups that may exchange at the same time: on no machine more ranks than cores, first come first.

    Two ranks of one pair always go together. Where every rank has a core, there is one group.
    """
    cores: dict[str, frozenset[int]] = {}
    for one in machines:
        cores[one.boot] = cores.get(one.boot, frozenset()) | one.cores
    found: list[list[Pair]] = []
    taken: list[Counter[str]] = []
    for pair in pairs:
        wanted = Counter(machines[rank].boot for rank in pair)
        free = (n for n, busy in enumerate(taken) if all(busy[b] + wanted[b] <= len(cores[b]) for b in wanted))
        number = next(free, len(found))
        if number == len(found):
            found.append([])
            taken.append(Counter())
        found[number].append(pair)
        taken[number] += wanted
    return found
