"""A world of one rank."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from benchsuite.model import Array


class SoloWorld:
    """Talks to itself: every operation is the identity."""

    name = "solo"
    rank = 0
    size = 1

    def barrier(self) -> None:
        """Nobody to wait for."""

    def allgather(self, value: Any) -> list[Any]:
        """The one value."""
        return [value]

    def sendrecv(self, send: Array, to: int, receive: Array, source: int) -> None:
        """A copy: rank 0 can only send to itself."""
        if to != 0 or source != 0:
            raise ValueError(f"a world of one has no rank {to or source}")
        np.copyto(receive, send)

    def allreduce(self, send: Array, receive: Array) -> None:
        """The sum of one term."""
        np.copyto(receive, send)

    def facts(self) -> dict[str, str]:
        """Nothing but its name."""
        return {"name": self.name, "ranks": "1"}

    def abort(self, code: int) -> None:
        """End this process."""
        sys.exit(code)
