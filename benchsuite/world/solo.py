"""A world of one rank."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchsuite.model import Array, Wait, World
from benchsuite.world.lengths import check_counts
from benchsuite.world.place import host_name


class SoloWorld:
    """Talks to itself: every operation is the identity."""

    name = "solo"
    rank = 0
    size = 1
    local_rank = 0
    local_size = 1

    def __init__(self) -> None:
        self.host = host_name()

    def barrier(self) -> None:
        """Nobody to wait for."""

    def share(self, value: Any) -> list[Any]:
        """The one value."""
        return [value]

    def send(self, buffer: Array, to: int) -> None:
        """There is nobody to send to."""
        raise ValueError("a world of one sends nothing: nobody would receive it")

    def receive(self, buffer: Array, source: int) -> None:
        """There is nobody to receive from."""
        raise ValueError("a world of one receives nothing: nobody sends")

    def arrived(self, source: int) -> bool:
        """Nobody sends."""
        return False

    def sendrecv(self, send: Array, to: int, receive: Array, source: int) -> None:
        """A copy: rank 0 can only send to itself."""
        if to != 0 or source != 0:
            raise ValueError(f"a world of one has no rank {to or source}")
        np.copyto(receive, send)

    def allreduce(self, send: Array, receive: Array) -> None:
        """The sum of one term."""
        np.copyto(receive, send)

    def start_allreduce(self, send: Array, receive: Array) -> Wait:
        """The sum of one term, at once."""
        np.copyto(receive, send)
        return lambda: None

    def allgather(self, send: Array, receive: Array) -> None:
        """The one part."""
        np.copyto(receive, send)

    def reduce_scatter(self, send: Array, receive: Array) -> None:
        """The one part of the sum of one term."""
        np.copyto(receive, send)

    def alltoall(self, send: Array, receive: Array) -> None:
        """All stays here."""
        np.copyto(receive, send)

    def alltoallv(self, send: Array, send_counts: Sequence[int], receive: Array, receive_counts: Sequence[int]) -> None:
        """All stays here."""
        check_counts(send_counts, send.size, receive_counts, receive.size)
        np.copyto(receive[: receive_counts[0]], send[: send_counts[0]])

    def broadcast(self, buffer: Array, root: int) -> None:
        """It has it already."""

    def subset(self, ranks: Sequence[int]) -> World | None:
        """Itself, or nothing."""
        return self if list(ranks) == [0] else None

    def facts(self) -> dict[str, str]:
        """Nothing but its name."""
        return {"name": self.name, "ranks": "1"}

    def abort(self, code: int) -> None:
        """End this process."""
        sys.exit(code)
