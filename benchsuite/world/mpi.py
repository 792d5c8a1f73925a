"""Ranks of MPI.COMM_WORLD: the only module that imports mpi4py."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from benchsuite.errors import UnavailableError
from benchsuite.model import Array

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
        self._comm = MPI.COMM_WORLD
        self.rank = int(self._comm.Get_rank())
        self.size = int(self._comm.Get_size())
        if self.size > 1:
            self._abort_when_uncaught()

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
