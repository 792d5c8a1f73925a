"""One direction of a pair of ranks: data that nobody has seen before, timed by the receiver, every byte compared.

sender                      receiver
makes the data
"ready"  ---------------->  makes what must come
         <----------------  "go", and the clock starts
data     ---------------->  the clock stops; compares

The clock starts before the sender is called, so a time is never too short: it holds one latency more than the data
took. The receiver also decides how many transfers there are.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchsuite.model import Round, Stage, Transfer, World
from benchsuite.protocol import ScanJob

FEWEST = 3
"""Timed transfers of a direction that are made whatever they take."""
WARM_PART = 0.25
"""The part of a direction's time that its transfers before the timed ones may take."""
STEP = 0x9E3779B97F4A7C15
"""Odd, with bits everywhere (2**64 over the golden ratio): its multiples are all different."""
PRIMES = (0x100000001B3, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
STAGES = tuple(Stage)


class Payload:
    """Data that sender and receiver make alike: seeded numbers, plus one that no other transfer adds."""

    def __init__(self, nbytes: int, seed: int) -> None:
        words = max(1, -(-nbytes // 8))
        self._base = np.random.default_rng(seed).integers(0, 2**64, words, dtype=np.uint64)
        self.words: NDArray[np.uint64] = np.empty_like(self._base)

    @property
    def nbytes(self) -> int:
        """Bytes of a transfer: whole 8-byte words."""
        return self.words.nbytes

    def make(self, one: Round, sender: int, receiver: int, number: int) -> NDArray[np.uint64]:
        """The data of transfer ``number`` from ``sender`` to ``receiver`` in this round; the last one is gone."""
        place = (STAGES.index(one.stage) << 32) + one.number
        key = sum(part * prime for part, prime in zip((place, sender + 1, receiver + 1), PRIMES, strict=True))
        np.add(self._base, np.uint64((key + (number + 1) * STEP) % 2**64), out=self.words)
        return self.words


@dataclass
class Line:
    """Sends to and receives from one other rank at a time. ``base``: the seed of the data, alike on every rank."""

    world: World
    asked: ScanJob
    base: int
    payload: Payload = field(init=False)

    def __post_init__(self) -> None:
        self.payload = Payload(self.asked.nbytes, self.base)
        self._received = np.zeros_like(self.payload.words)
        self._word = np.zeros(1, np.uint8)

    def send(self, one: Round, receiver: int) -> None:
        """This rank's side of a direction: as many transfers as the receiver calls for."""
        number = 0
        while True:
            data = self.payload.make(one, self.world.rank, receiver, number)
            self.world.send(self._word, receiver)
            self.world.receive(self._word, receiver)
            if not self._word[0]:
                return
            self.world.send(data, receiver)
            number += 1

    def receive(self, one: Round, sender: int) -> Transfer:
        """The other side: the median of the timed transfers, and how many bytes of all were wrong."""
        asked, began = self.asked, time.perf_counter()
        warm, wrong = 0, 0
        timed: list[float] = []
        warming = asked.warm > 0
        while True:
            expected = self.payload.make(one, sender, self.world.rank, warm + len(timed))
            self.world.receive(self._word, sender)
            spent = time.perf_counter() - began
            if warming and warm and (warm >= asked.warm or spent > WARM_PART * asked.seconds):
                warming, began = False, time.perf_counter()
            elif not warming and len(timed) >= FEWEST and (len(timed) >= asked.repeats or spent > asked.seconds):
                break
            start = time.perf_counter()
            self._call(sender, more=True)
            self.world.receive(self._received, sender)
            seconds = time.perf_counter() - start
            wrong += differing(self._received, expected)
            if warming:
                warm += 1
            else:
                timed.append(seconds)
        self._call(sender, more=False)
        return Transfer(one.stage, one.number, sender, self.world.rank, median(timed), wrong)

    def _call(self, sender: int, *, more: bool) -> None:
        self._word[0] = more
        self.world.send(self._word, sender)


def differing(received: NDArray[np.uint64], expected: NDArray[np.uint64]) -> int:
    """How many bytes differ; nearly always one quick comparison."""
    if np.array_equal(received, expected):
        return 0
    return int(np.count_nonzero(received.view(np.uint8) != expected.view(np.uint8)))
