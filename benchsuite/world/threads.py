"""Ranks as threads of one process: for tests and demonstrations, never for a published number."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from benchsuite.errors import MeasureError
from benchsuite.model import Array, World

T = TypeVar("T")
TIMEOUT = 60.0


class _Shared:
    """What the threads of one group share: a barrier, a slot per rank, a mailbox per pair."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=TIMEOUT)
        self.slots: list[Any] = [None] * size
        self.mail: dict[tuple[int, int], list[Array]] = {}
        self.arrived = threading.Condition()


class ThreadWorld:
    """One rank of a group of threads."""

    name = "threads"

    def __init__(self, rank: int, size: int, shared: _Shared) -> None:
        self.rank, self.size, self._shared = rank, size, shared

    @classmethod
    def group(cls, size: int) -> list[ThreadWorld]:
        """The ``size`` ranks of a new group."""
        shared = _Shared(size)
        return [cls(rank, size, shared) for rank in range(size)]

    def barrier(self) -> None:
        """Wait for every rank; ``MeasureError`` when one of them died or a minute has passed."""
        try:
            self._shared.barrier.wait()
        except threading.BrokenBarrierError as error:
            raise MeasureError("Another rank ended early, so this one cannot go on.") from error

    def allgather(self, value: Any) -> list[Any]:
        """Every rank's value."""
        self._shared.slots[self.rank] = value
        self.barrier()
        values = list(self._shared.slots)
        self.barrier()
        return values

    def sendrecv(self, send: Array, to: int, receive: Array, source: int) -> None:
        """Put a copy into the receiver's mailbox, then wait for the sender's."""
        shared = self._shared
        with shared.arrived:
            shared.mail.setdefault((self.rank, to), []).append(send.copy())
            shared.arrived.notify_all()
            box = (source, self.rank)
            if not shared.arrived.wait_for(lambda: shared.mail.get(box) or shared.barrier.broken, TIMEOUT):
                raise MeasureError(f"Rank {source} sent nothing to rank {self.rank} for {TIMEOUT:.0f} s.")
            if not shared.mail.get(box):
                raise MeasureError("Another rank ended early, so this one cannot go on.")
            np.copyto(receive, shared.mail[box].pop(0))

    def allreduce(self, send: Array, receive: Array) -> None:
        """The sum in rank order."""
        parts = self.allgather(send.copy())
        np.copyto(receive, parts[0])
        for part in parts[1:]:
            np.add(receive, part, out=receive)

    def facts(self) -> dict[str, str]:
        """Its name and size."""
        return {"name": self.name, "ranks": str(self.size), "library": "threads"}

    def abort(self, code: int) -> None:
        """Free every waiting rank: each then fails with a sentence."""
        self._shared.barrier.abort()
        with self._shared.arrived:
            self._shared.arrived.notify_all()


def run(size: int, function: Callable[[World], T]) -> list[T]:
    """``function(world)`` on every rank; the results in rank order, or the first exception raised."""
    worlds = ThreadWorld.group(size)
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def rank(world: ThreadWorld) -> None:
        try:
            results[world.rank] = function(world)
        except BaseException as error:
            errors.append(error)
            world.abort(1)

    threads = [threading.Thread(target=rank, args=(world,), daemon=True) for world in worlds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * TIMEOUT)
    if errors:
        raise errors[0]
    return [results[world.rank] for world in worlds]
