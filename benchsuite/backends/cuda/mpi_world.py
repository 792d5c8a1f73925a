"""A world over device buffers through an MPI library that takes device addresses ("CUDA-aware").

MPI knows nothing of streams: before each call everything enqueued must have ended, and when it returns the data is
there. So the events around it time the wait of the processor too, which is part of what such a call costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchsuite.backends.cuda.runtime import Runtime
from benchsuite.errors import MeasureError
from benchsuite.model import Array, Wait, World

UNKNOWN = frozenset({"fp16", "bf16", "e4m3"})
"""Element types that MPI has no sum of; the last two it would add as the integers they are stored in."""


class DeviceMpiWorld:
    """The ranks of ``control``, an MPI world, with arrays in device memory."""

    name = "mpi"

    def __init__(self, runtime: Runtime, control: World, dtype: str = "") -> None:
        self._runtime, self._control, self._dtype = runtime, control, dtype
        self.rank, self.size, self.host = control.rank, control.size, control.host
        self.local_rank, self.local_size = control.local_rank, control.local_size

    def of(self, dtype: str) -> DeviceMpiWorld:
        """The same ranks for arrays of this element type."""
        return DeviceMpiWorld(self._runtime, self._control, dtype)

    def check(self) -> None:
        """MPI ends the process by itself."""

    def close(self) -> None:
        """There is nothing to give back."""

    def give_up(self) -> None:
        """There is nothing to give back."""

    def barrier(self) -> None:
        """Of the processes, after what their GPUs were given."""
        self._runtime.synchronize()
        self._control.barrier()

    def share(self, value: Any) -> list[Any]:
        """Every rank's value."""
        return self._control.share(value)

    def send(self, buffer: Array, to: int) -> None:
        """One message."""
        self._runtime.synchronize()
        self._control.send(buffer, to)

    def receive(self, buffer: Array, source: int) -> None:
        """One message."""
        self._runtime.synchronize()
        self._control.receive(buffer, source)

    def arrived(self, source: int) -> bool:
        """Asks the library."""
        return self._control.arrived(source)

    def sendrecv(self, send: Array, to: int, receive: Array, source: int) -> None:
        """One message each way."""
        self._runtime.synchronize()
        self._control.sendrecv(send, to, receive, source)

    def allreduce(self, send: Array, receive: Array) -> None:
        """The library's own all-reduce."""
        self._sums(send)
        self._control.allreduce(send, receive)

    def start_allreduce(self, send: Array, receive: Array) -> Wait:
        """The library's own, begun."""
        self._sums(send)
        return self._control.start_allreduce(send, receive)

    def allgather(self, send: Array, receive: Array) -> None:
        """The library's own all-gather."""
        self._runtime.synchronize()
        self._control.allgather(send, receive)

    def reduce_scatter(self, send: Array, receive: Array) -> None:
        """The library's own reduce-scatter."""
        self._sums(send)
        self._control.reduce_scatter(send, receive)

    def alltoall(self, send: Array, receive: Array) -> None:
        """The library's own all-to-all."""
        self._runtime.synchronize()
        self._control.alltoall(send, receive)

    def alltoallv(self, send: Array, send_counts: Sequence[int], receive: Array, receive_counts: Sequence[int]) -> None:
        """The library's own all-to-all of unequal blocks."""
        self._runtime.synchronize()
        self._control.alltoallv(send, send_counts, receive, receive_counts)

    def broadcast(self, buffer: Array, root: int) -> None:
        """The library's own broadcast."""
        self._runtime.synchronize()
        self._control.broadcast(buffer, root)

    def subset(self, ranks: Sequence[int]) -> DeviceMpiWorld | None:
        """A communicator of these ranks."""
        control = self._control.subset(ranks)
        return None if control is None else DeviceMpiWorld(self._runtime, control, self._dtype)

    def facts(self) -> dict[str, str]:
        """Those of the world of the processes, but for where the messages lie."""
        return {**self._control.facts(), "transport": "device memory"}

    def abort(self, code: int) -> None:
        """End every rank."""
        self._control.abort(code)

    def _sums(self, send: Array) -> None:
        """Wait for what was enqueued; refuse what MPI would add as the integers it is stored in."""
        if self._dtype in UNKNOWN:
            raise MeasureError(f"MPI sums no {self._dtype}.", "Choose fp32 or fp64, or the implementation nccl.")
        self._runtime.synchronize()
