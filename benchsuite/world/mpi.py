"""Ranks of MPI.COMM_WORLD: the only module that imports mpi4py."""

from __future__ import annotations

from typing import Any

from benchsuite.errors import UnavailableError
from benchsuite.model import Array


class MpiWorld:
    """Host buffers over the MPI library that mpi4py finds."""

    name = "mpi"

    def __init__(self) -> None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            message = f"MPI cannot be opened: {str(error).splitlines()[0]}."
            raise UnavailableError(message, "Install it with: pip install 'benchsuite[mpi]'.") from error
        self._mpi = MPI
        self._comm = MPI.COMM_WORLD
        self.rank = int(self._comm.Get_rank())
        self.size = int(self._comm.Get_size())

    def barrier(self) -> None:
        """Return when every rank has called it."""
        self._comm.Barrier()

    def allgather(self, value: Any) -> list[Any]:
        """Every rank's value, pickled."""
        return list(self._comm.allgather(value))

    def sendrecv(self, send: Array, to: int, receive: Array, source: int) -> None:
        """One message each way, straight from and into the buffers."""
        self._comm.Sendrecv(send, dest=to, recvbuf=receive, source=source)

    def allreduce(self, send: Array, receive: Array) -> None:
        """The library's own all-reduce."""
        self._comm.Allreduce(send, receive)

    def facts(self) -> dict[str, str]:
        """Library and binding, with their versions."""
        import mpi4py

        words = [word.strip() for word in self._mpi.Get_library_version().splitlines()[0].rstrip("\0").split() if word]
        return {
            "name": self.name,
            "ranks": str(self.size),
            "library": " ".join(words).replace(" Version:", "")[:80],
            "binding": f"mpi4py {mpi4py.__version__}",
            "buffers": "host memory",
        }

    def abort(self, code: int) -> None:
        """End every rank at once, so that none waits for one that died."""
        self._comm.Abort(code)
