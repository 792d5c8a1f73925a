"""A world over device buffers: NCCL moves the data, the world that the launcher made does everything else.

Every operation is enqueued on the runtime's current stream and returns at once: what was enqueued before it has ended
when it begins, and the events around it time it. NCCL's own rules of "in place" are those of MPI, except for
reduce-scatter, whose part stays where it lies in the whole.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchsuite import units
from benchsuite.backends.cuda import nccl_log
from benchsuite.backends.cuda.nccl import KINDS, Communicator, Nccl
from benchsuite.backends.cuda.runtime import Runtime
from benchsuite.errors import MeasureError
from benchsuite.model import DEVICE, Array, Wait, World

NATIVE = {units.dtype(name).storage: name for name in KINDS if name != "bf16"}
"""The element type that an array holds, by its NumPy type, where nothing else is said."""
PROOF = 1024
"""Elements that are summed once, before anything is measured."""


class NcclWorld:
    """The ranks of ``control``, each with its own GPU. Arrays lie in device memory."""

    name = "nccl"

    def __init__(self, nccl: Nccl, runtime: Runtime, control: World, dtype: str = "") -> None:
        """Opens a communicator; every rank of ``control`` calls it, and waits for the others.

        dtype: what arrays hold whose NumPy type is only where it is stored (bf16 as uint16).
        """
        self._nccl, self._runtime, self._control = nccl, runtime, control
        self._take(control, dtype)
        self._token = runtime.upload(np.zeros(1, np.float32), DEVICE)
        identity = nccl.unique_id() if self.rank == 0 else None
        identity = control.share(identity)[0]
        with nccl.log.listening() as heard:
            self._comm: Communicator = nccl.join(self.size, identity, self.rank)
            weakref.finalize(self, self._comm.close).atexit = False  # the driver may have ended by then
            self._prove()
        self.connections = nccl_log.merged(control.share(nccl_log.connections("".join(heard))))

    def _take(self, control: World, dtype: str) -> None:
        self._keeps: NcclWorld | None = None
        self.rank, self.size, self.host = control.rank, control.size, control.host
        self.local_rank, self.local_size = control.local_rank, control.local_size
        self._dtype = dtype

    def of(self, dtype: str) -> NcclWorld:
        """The same communicator for arrays of this element type."""
        world = object.__new__(NcclWorld)
        world._nccl, world._runtime, world._control = self._nccl, self._runtime, self._control
        world._comm, world.connections, world._token = self._comm, self.connections, self._token
        world._keeps = self
        world._take(self._control, dtype)
        return world

    # -- control ------------------------------------------------------------------------------

    def barrier(self) -> None:
        """NCCL has none: a sum of one element, and the processor waits for it, as the frameworks do."""
        address = self._at(self._token)
        self._comm.all_reduce(address, address, 1, KINDS["fp32"], self._runtime.stream())
        self._runtime.synchronize()
        self.check()

    def share(self, value: Any) -> list[Any]:
        """Through the world that the launcher made."""
        return self._control.share(value)

    def arrived(self, source: int) -> bool:
        """NCCL does not tell."""
        raise MeasureError("NCCL does not tell whether a message is under way.", "Ask the world of the processes.")

    def check(self) -> None:
        """Raise what NCCL reported of this communicator in the meantime."""
        self._comm.check()

    def close(self) -> None:
        """Give the communicator back; all ranks must call it."""
        self._comm.close()

    def abort(self, code: int) -> None:
        """End what is under way here, then every rank."""
        self._comm.abort()
        self._control.abort(code)

    def give_up(self) -> None:
        """End what is under way here."""
        self._comm.abort()

    # -- data ---------------------------------------------------------------------------------

    def send(self, buffer: Array, to: int) -> None:
        """One message; the next work on this stream begins when ``buffer`` may be changed."""
        if buffer.size:
            self._comm.send(self._at(buffer), buffer.nbytes, to, self._runtime.stream())

    def receive(self, buffer: Array, source: int) -> None:
        """One message."""
        if buffer.size:
            self._comm.receive(self._at(buffer), buffer.nbytes, source, self._runtime.stream())

    def sendrecv(self, send: Array, to: int, receive: Array, source: int) -> None:
        """Both as one group; whoever has nothing to say or to hear leaves that half out."""
        with self._comm.group():
            self.send(send, to)
            self.receive(receive, source)

    def allreduce(self, send: Array, receive: Array) -> None:
        """NCCL's own all-reduce."""
        self._fit(send.size == receive.size, "all-reduce", send, receive)
        if send.size:
            kind, stream = self._kind(send), self._runtime.stream()
            self._comm.all_reduce(self._at(send), self._at(receive), send.size, kind, stream)

    def start_allreduce(self, send: Array, receive: Array) -> Wait:
        """NCCL's own, on a stream beside the current one, which begins after what that was given so far.

        What is returned has the current stream wait for it, not the processor.
        """
        return self._runtime.beside(lambda: self.allreduce(send, receive))

    def allgather(self, send: Array, receive: Array) -> None:
        """NCCL's own all-gather."""
        self._fit(receive.size == self.size * send.size, "all-gather", send, receive)
        if send.size:
            self._comm.all_gather(self._at(send), self._at(receive), send.nbytes, self._runtime.stream())

    def reduce_scatter(self, send: Array, receive: Array) -> None:
        """NCCL's own reduce-scatter.

        In place where ``receive`` is this rank's part of ``send``. Where it is the first part, as MPI has it, the sum
        is made in this rank's part and copied.
        """
        self._fit(send.size == self.size * receive.size, "reduce-scatter", send, receive)
        if not receive.size:
            return
        kind, stream, part = self._kind(send), self._runtime.stream(), receive
        if self._at(receive) == self._at(send):
            part = send[receive.size * self.rank : receive.size * (self.rank + 1)]
        self._comm.reduce_scatter(self._at(send), self._at(part), receive.size, kind, stream)
        if self._at(part) != self._at(receive):
            self._runtime.copy(receive, part)()

    def alltoall(self, send: Array, receive: Array) -> None:
        """A send to and a receive from each rank, as one group: NCCL before 2.28 has nothing else."""
        self._fit(send.size == receive.size and send.size % self.size == 0, "all-to-all", send, receive)
        each = [send.size // self.size] * self.size
        self.alltoallv(send, each, receive, each)

    def alltoallv(self, send: Array, send_counts: Sequence[int], receive: Array, receive_counts: Sequence[int]) -> None:
        """The same with so many elements to and from each rank."""
        enough = sum(send_counts) <= send.size and sum(receive_counts) <= receive.size
        self._fit(enough, "all-to-all", send, receive)
        stream, size = self._runtime.stream(), send.itemsize
        out, into = self._at(send), self._at(receive)
        with self._comm.group():
            for rank, (outgoing, incoming) in enumerate(zip(send_counts, receive_counts, strict=True)):
                if outgoing:
                    self._comm.send(out, outgoing * size, rank, stream)
                if incoming:
                    self._comm.receive(into, incoming * size, rank, stream)
                out, into = out + outgoing * size, into + incoming * size

    def broadcast(self, buffer: Array, root: int) -> None:
        """NCCL's own broadcast."""
        if buffer.size:
            self._comm.broadcast(self._at(buffer), buffer.nbytes, root, self._runtime.stream())

    def subset(self, ranks: Sequence[int]) -> NcclWorld | None:
        """A communicator of their own, whose control world is the subset of this one's."""
        control = self._control.subset(ranks)
        return None if control is None else NcclWorld(self._nccl, self._runtime, control, self._dtype)

    def facts(self) -> dict[str, str]:
        """NCCL's version, and how the ranks are connected."""
        return {"name": self.name, "ranks": str(self.size), "library": self._nccl.version, **self.connections}

    def _at(self, array: Array) -> int:
        return self._runtime.address(array)

    def _kind(self, array: Array) -> int:
        stored = np.dtype(array.dtype).name
        name = self._dtype if self._dtype and units.dtype(self._dtype).storage == stored else NATIVE.get(stored, "")
        if name not in KINDS:
            raise MeasureError(f"NCCL sums no {self._dtype or stored}.", f"It sums {', '.join(KINDS)}.")
        return KINDS[name]

    def _fit(self, fits: bool, operation: str, send: Array, receive: Array) -> None:
        if not fits:
            raise ValueError(f"{send.size} elements sent and {receive.size} received do not fit this {operation}")

    def _prove(self) -> None:
        """Sum known numbers over all ranks once: a communicator that is formed is not yet one that works."""
        ours = self._runtime.upload(np.full(PROOF, self.rank + 1.0, np.float32), DEVICE)
        total = self._runtime.upload(np.zeros(PROOF, np.float32), DEVICE)
        self.allreduce(ours, total)
        right = bool(np.all(self._runtime.download(total) == self.size * (self.size + 1) / 2))
        self._comm.check()
        wrong = [str(rank) for rank, fine in enumerate(self._control.share(right)) if not fine]
        if wrong:
            raise MeasureError(
                f"NCCL's first sum is wrong on rank {', '.join(wrong)}.",
                "Try NCCL_P2P_DISABLE=1: a wrong IOMMU setting (ACS) breaks transfers between GPUs over PCIe.",
            )
