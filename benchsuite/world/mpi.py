"""Ranks of MPI.COMM_WORLD: the only module that imports mpi4py."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from benchsuite.errors import UnavailableError
from benchsuite.model import Array, Wait
from benchsuite.world.lengths import check_counts, check_gather, check_parts, check_scatter
from benchsuite.world.place import host_name, local

REMEDY = "Install a matching pair of library and binding with: pip install 'benchsuite[mpi]'."


class MpiWorld:
    """Host buffers over the MPI library that mpi4py finds; contiguous arrays go as they are, nothing is copied.

    The thread level is mpi4py's default, as users get it, and recorded: MPICH 5.0 chooses its algorithm by
    it (funneled halves the time of 8 B, and adds half to that of 16 MiB; MPI4PY_RC_THREAD_LEVEL sets it).
    Raises ``UnavailableError`` without mpi4py or its library.
    """

    name = "mpi"

    def __init__(self) -> None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            raise UnavailableError(f"MPI cannot be opened: {str(error).splitlines()[0]}.", REMEDY) from error
        self._mpi = MPI
        self._open(MPI.COMM_WORLD)
        if self.size > 1:
            self._abort_when_uncaught()

    def _open(self, comm: Any) -> None:
        self._comm = comm
        self.rank = int(comm.Get_rank())
        self.size = int(comm.Get_size())
        self.host = host_name()
        self.local_rank, self.local_size = local(self.rank, self.share(self.host))

    def barrier(self) -> None:
        """Return when every rank has called it."""
        self._comm.Barrier()

    def share(self, value: Any) -> list[Any]:
        """Every rank's value, pickled."""
        return list(self._comm.allgather(value))

    def send(self, buffer: Array, to: int) -> None:
        """One message, straight from the buffer."""
        self._comm.Send(buffer, dest=to)

    def receive(self, buffer: Array, source: int) -> None:
        """One message, straight into the buffer."""
        self._comm.Recv(buffer, source=source)

    def arrived(self, source: int) -> bool:
        """Asks the library, which makes progress on the way."""
        return bool(self._comm.Iprobe(source=source))

    def sendrecv(self, send: Array, to: int, receive: Array, source: int) -> None:
        """One message each way, straight from and into the buffers."""
        self._comm.Sendrecv(send, dest=to, recvbuf=receive, source=source)

    def allreduce(self, send: Array, receive: Array) -> None:
        """The library's own all-reduce."""
        self._comm.Allreduce(self._or_in_place(send, send is receive), receive)

    def start_allreduce(self, send: Array, receive: Array) -> Wait:
        """The library's own, begun; whether it goes on meanwhile is the library's affair."""
        request = self._comm.Iallreduce(self._or_in_place(send, send is receive), receive)
        return lambda: _finish(request)

    def allgather(self, send: Array, receive: Array) -> None:
        """The library's own all-gather."""
        check_gather(self.size, send.size, receive.size)
        self._comm.Allgather(self._or_in_place(send, _overlap(send, receive)), receive)

    def reduce_scatter(self, send: Array, receive: Array) -> None:
        """The library's own reduce-scatter of equal blocks."""
        check_scatter(self.size, send.size, receive.size)
        if _overlap(send, receive):
            self._comm.Reduce_scatter_block(self._mpi.IN_PLACE, send)
        else:
            self._comm.Reduce_scatter_block(send, receive)

    def alltoall(self, send: Array, receive: Array) -> None:
        """The library's own all-to-all."""
        check_parts(self.size, send.size, receive.size)
        self._comm.Alltoall(send, receive)

    def alltoallv(self, send: Array, send_counts: Sequence[int], receive: Array, receive_counts: Sequence[int]) -> None:
        """The library's own all-to-all of unequal blocks."""
        check_counts(send_counts, send.size, receive_counts, receive.size)
        self._comm.Alltoallv([send, send_counts], [receive, receive_counts])

    def broadcast(self, buffer: Array, root: int) -> None:
        """The library's own broadcast."""
        self._comm.Bcast(buffer, root=root)

    def subset(self, ranks: Sequence[int]) -> MpiWorld | None:
        """A communicator of these ranks, freed with the world: libraries have room for some thousand only."""
        chosen = list(ranks)
        color, place = (chosen[0], chosen.index(self.rank)) if self.rank in chosen else (self._mpi.UNDEFINED, 0)
        comm = self._comm.Split(color, place)
        if comm == self._mpi.COMM_NULL:
            return None
        world = object.__new__(MpiWorld)
        world._mpi = self._mpi
        world._open(comm)
        weakref.finalize(world, comm.Free).atexit = False  # the library may have ended by then
        return world

    def _or_in_place(self, send: Array, in_place: bool) -> Any:
        return self._mpi.IN_PLACE if in_place else send

    def facts(self) -> dict[str, str]:
        """Library and binding with their versions, and where the messages lie."""
        import mpi4py

        first = self._mpi.Get_library_version().rstrip("\0").splitlines()[0]
        return {
            "name": self.name,
            "ranks": str(self.size),
            # Open MPI goes on with the user and host that built it, which are nobody's business.
            "library": " ".join(first.split(",")[0].replace(" Version:", "").split())[:80],
            "binding": f"mpi4py {mpi4py.__version__}",
            "thread_level": self._thread_level(),
            "transport": "host memory",
        }

    def abort(self, code: int) -> None:
        """End every rank at once, so that none waits for one that died."""
        self._comm.Abort(code)

    def _thread_level(self) -> str:
        level = self._mpi.Query_thread()
        names = ("single", "funneled", "serialized", "multiple")
        return next((name for name in names if getattr(self._mpi, f"THREAD_{name.upper()}") == level), str(level))

    def _abort_when_uncaught(self) -> None:
        """Without this the rank that failed waits in MPI_Finalize, and the others in a collective, for ever."""
        show = sys.excepthook

        def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            show(kind, error, trace)
            sys.stderr.flush()
            self.abort(1)

        sys.excepthook = hook


def _finish(request: Any) -> None:
    request.Wait()


def _overlap(one: Array, other: Array) -> bool:
    """Whether they lie in one buffer, which is how the caller asks for an operation in place."""
    owner = one if one.base is None else one.base
    if owner is not (other if other.base is None else other.base):
        return False
    if not hasattr(one, "__cuda_array_interface__"):
        return bool(np.may_share_memory(one, other))
    (low, high), (begin, end) = _device_range(one), _device_range(other)
    return low < end and begin < high


def _device_range(array: Any) -> tuple[int, int]:
    """First address of an array in device memory, and that behind its last."""
    start = int(array.__cuda_array_interface__["data"][0])
    return start, start + int(array.nbytes)
