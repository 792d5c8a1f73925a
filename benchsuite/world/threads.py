"""Ranks as threads of one process: for tests and demonstrations, never for a published number."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from benchsuite.errors import MeasureError
from benchsuite.model import Array, Wait, World
from benchsuite.world.lengths import check_counts, check_gather, check_parts, check_scatter
from benchsuite.world.place import host_name

T = TypeVar("T")
TIMEOUT = 60.0


class _Shared:
    """What the threads of one group share: a barrier, a slot per rank, a mailbox per pair of ranks."""

    def __init__(self, size: int, timeout: float) -> None:
        self.timeout = timeout
        self.barrier = threading.Barrier(size, timeout=timeout)
        self.slots: list[Any] = [None] * size
        self.mail: defaultdict[tuple[int, int], deque[Array]] = defaultdict(deque)
        self.arrived = threading.Condition()


class ThreadWorld:
    """One rank of a group of threads."""

    name = "threads"

    def __init__(self, rank: int, size: int, shared: _Shared) -> None:
        self.rank, self.size, self._shared = rank, size, shared
        self.local_rank, self.local_size, self.host = rank, size, host_name()

    @classmethod
    def group(cls, size: int, timeout: float = TIMEOUT) -> list[ThreadWorld]:
        """The ranks of a new group. No operation waits longer than ``timeout`` seconds."""
        shared = _Shared(size, timeout)
        return [cls(rank, size, shared) for rank in range(size)]

    def barrier(self) -> None:
        """Wait for every rank; ``MeasureError`` when one of them ended or the time is up."""
        try:
            self._shared.barrier.wait()
        except threading.BrokenBarrierError as error:
            raise self._deserted() from error

    def share(self, value: Any) -> list[Any]:
        """Every rank's value."""
        self._shared.slots[self.rank] = value
        self.barrier()
        values = list(self._shared.slots)
        self.barrier()  # nobody may put the next value before everybody has read this one
        return values

    def send(self, buffer: Array, to: int) -> None:
        """Put a copy into the receiver's mailbox."""
        with self._shared.arrived:
            self._shared.mail[self.rank, to].append(buffer.copy())
            self._shared.arrived.notify_all()

    def receive(self, buffer: Array, source: int) -> None:
        """Wait for the sender's message. Sizes and types must match."""
        shared = self._shared
        with shared.arrived:
            box = shared.mail[source, self.rank]
            shared.arrived.wait_for(lambda: box or shared.barrier.broken, shared.timeout)
            if not box:
                raise self._deserted()
            message = box.popleft()
        if (message.shape, message.dtype) != (buffer.shape, buffer.dtype):
            raise ValueError(
                f"rank {source} sent {message.dtype}{list(message.shape)}, "
                f"rank {self.rank} expected {buffer.dtype}{list(buffer.shape)}"
            )
        np.copyto(buffer, message)

    def arrived(self, source: int) -> bool:
        """Whether the mailbox holds a message; ``MeasureError`` when none can come any more."""
        if self._shared.barrier.broken:
            raise self._deserted()
        return bool(self._shared.mail[source, self.rank])

    def sendrecv(self, send: Array, to: int, receive: Array, source: int) -> None:
        """Put a copy into the receiver's mailbox, then wait for the sender's."""
        self.send(send, to)
        self.receive(receive, source)

    def allreduce(self, send: Array, receive: Array) -> None:
        """The sum in rank order."""
        parts = self.share(send.copy())
        np.copyto(receive, parts[0])
        for part in parts[1:]:
            np.add(receive, part, out=receive)

    def start_allreduce(self, send: Array, receive: Array) -> Wait:
        """The sum, made when it is waited for: the buffers may not be touched until then anyway."""
        return lambda: self.allreduce(send, receive)

    def allgather(self, send: Array, receive: Array) -> None:
        """Every rank's part in rank order."""
        check_gather(self.size, send.size, receive.size)
        np.copyto(receive, np.concatenate(self.share(send.copy())))

    def reduce_scatter(self, send: Array, receive: Array) -> None:
        """This rank's part of the sum in rank order."""
        check_scatter(self.size, send.size, receive.size)
        low = receive.size * self.rank
        parts = [part[low : low + receive.size] for part in self.share(send.copy())]
        np.copyto(receive, np.sum(parts, axis=0, dtype=receive.dtype))

    def alltoall(self, send: Array, receive: Array) -> None:
        """This rank's part of every rank's buffer."""
        check_parts(self.size, send.size, receive.size)
        count = send.size // self.size
        parts = [part[count * self.rank : count * (self.rank + 1)] for part in self.share(send.copy())]
        np.copyto(receive, np.concatenate(parts))

    def alltoallv(self, send: Array, send_counts: Sequence[int], receive: Array, receive_counts: Sequence[int]) -> None:
        """The parts that are meant for this rank."""
        check_counts(send_counts, send.size, receive_counts, receive.size)
        ends = np.cumsum(send_counts)
        parts = [send[end - count : end].copy() for end, count in zip(ends, send_counts, strict=True)]
        mine = np.concatenate([theirs[self.rank] for theirs in self.share(parts)])
        np.copyto(receive[: sum(receive_counts)], mine)

    def broadcast(self, buffer: Array, root: int) -> None:
        """A copy of the root's."""
        np.copyto(buffer, self.share(buffer.copy() if self.rank == root else None)[root])

    def subset(self, ranks: Sequence[int]) -> ThreadWorld | None:
        """A group of these ranks with a barrier and mailboxes of its own, made by the first of them."""
        chosen = list(ranks)
        made = self.share(_Shared(len(chosen), self._shared.timeout) if chosen[:1] == [self.rank] else None)
        if self.rank not in chosen:
            return None
        return ThreadWorld(chosen.index(self.rank), len(chosen), made[chosen[0]])

    def facts(self) -> dict[str, str]:
        """Its name and size."""
        return {"name": self.name, "ranks": str(self.size), "library": "threads", "transport": "one process"}

    def abort(self, code: int) -> None:
        """Free every rank that waits, now or later: each fails with a sentence."""
        self._shared.barrier.abort()
        with self._shared.arrived:
            self._shared.arrived.notify_all()

    def _deserted(self) -> MeasureError:
        return MeasureError(
            f"Rank {self.rank} waited in vain: another rank ended early, or did not come for "
            f"{self._shared.timeout:g} s.",
            "Look at the other rank's error.",
        )


def run(size: int, function: Callable[[World], T], timeout: float = TIMEOUT) -> list[T]:
    """``function(world)`` on each of ``size`` threads; the results in rank order.

    The first exception on any rank frees the others and is raised here. Raises ``MeasureError``
    when a rank has not returned after ``timeout`` seconds.
    """
    worlds = ThreadWorld.group(size, timeout)
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def rank(world: ThreadWorld) -> None:
        try:
            results[world.rank] = function(world)
        except BaseException as error:
            errors.append(error)
            world.abort(1)

    threads = [threading.Thread(target=rank, args=(world,), daemon=True) for world in worlds]
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = [str(number) for number, thread in enumerate(threads) if thread.is_alive()]
    if errors:
        raise errors[0]
    if late:
        worlds[0].abort(1)
        raise MeasureError(f"Of {size} ranks, {', '.join(late)} did not return within {timeout:g} s.")
    return [results[world.rank] for world in worlds]
