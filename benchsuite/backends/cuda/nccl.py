"""NCCL through CuPy: a communicator by addresses, its errors as sentences, and a watch for those that come later.

Why ``cupy.cuda.nccl`` and not nccl4py: CuPy is needed anyway, offers every call that is made here and lets go of
Python's lock while NCCL waits; nccl4py would bring a second set of devices, streams and buffers (cuda.core) beside it.
The module is handed in by the ``Runtime``, so that the tests' double takes its place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchsuite.backends.cuda.nccl_log import Log
from benchsuite.errors import MeasureError

KINDS = {
    "int8": 0, "uint8": 1, "int32": 2, "uint32": 3, "int64": 4, "uint64": 5, "fp16": 6, "fp32": 7, "fp64": 8, "bf16": 9,
}  # fmt: skip
"""Element types that can be summed, and NCCL's number of each (``ncclDataType_t`` in nccl.h)."""
BYTES, SUM = KINDS["uint8"], 0
POLL = 1.0
"""Seconds between two looks for an error that another rank, a link or the device caused."""
REMEDIES = {
    "UNHANDLED_CUDA": "See dmesg for Xid messages, and whether the driver is new enough for this NCCL.",
    "SYSTEM": "See whether /dev/shm has room, and whether NCCL_SOCKET_IFNAME names an interface that all hosts share.",
    "REMOTE": "Another rank ended or a link failed: look at the other ranks' errors.",
    "INVALID_USAGE": "Each rank needs a GPU of its own, and all of them the same version of NCCL.",
}
"""What helps, by a word of the error's name."""


def version(number: int) -> str:
    """``"NCCL 2.32.3"`` for 23203; before 2.9 the minor number had one digit less (``NCCL_VERSION`` in nccl.h)."""
    thousand = 10_000 if number >= 10_000 else 1_000
    return f"NCCL {number // thousand}.{number % thousand // 100}.{number % 100}"


class Nccl:
    """The library. ``module``: ``cupy.cuda.nccl`` where a library was found; ``log``: what it is made to write."""

    def __init__(self, module: Any, log: Log) -> None:
        self._module, self.log = module, log
        self.version = version(int(module.get_version()))
        self._open: set[Communicator] = set()
        self._lock = threading.Lock()
        self._watch: threading.Thread | None = None

    def unique_id(self) -> Any:
        """A new communicator's identity: one rank makes it, all of them join with it."""
        with self.explained("start"):
            return self._module.get_unique_id()

    def join(self, size: int, unique_id: Any, rank: int) -> Communicator:
        """The communicator, once all its ranks have joined: until then this waits."""
        with self.explained("join the other ranks"):
            made = Communicator(self, self._module.NcclCommunicator(size, unique_id, rank))
        with self._lock:
            self._open.add(made)
            if self._watch is None:
                self._watch = threading.Thread(target=self._look, name="nccl-watch", daemon=True)
                self._watch.start()
        return made

    def forget(self, closed: Communicator) -> None:
        """Look after it no longer."""
        with self._lock:
            self._open.discard(closed)

    def _look(self) -> None:
        """NCCL reports what happened elsewhere only to those who ask; a kernel meanwhile waits for ever."""
        while True:
            time.sleep(POLL)
            with self._lock:
                held = list(self._open)
                if not held:
                    self._watch = None
                    return
            for one in held:
                one.look()

    @contextmanager
    def group(self) -> Iterator[None]:
        """What is enqueued within goes as one: sends and receives that wait for each other."""
        self._module.groupStart()
        try:
            yield
        finally:
            self._module.groupEnd()

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Within it an error of NCCL becomes a ``MeasureError`` with what NCCL wrote of it."""
        try:
            yield
        except self._module.NcclError as error:
            raise self.sentence(error, doing) from error

    def sentence(self, error: Exception, doing: str) -> MeasureError:
        """The error as a person reads it."""
        name, _, text = str(error).partition(": ")
        said = self.log.warning() or text.partition(" (run with")[0]
        remedies = (remedy for word, remedy in REMEDIES.items() if word in name)
        remedy = next(remedies, "Run it again with NCCL_DEBUG=INFO.")
        return MeasureError(f"{self.version} could not {doing}: {said.rstrip('.')} ({name}).", remedy)


class Communicator:
    """One rank's end of a communicator; addresses of device memory, counts of elements, a stream to enqueue on.

    ``check`` raises what went wrong in the meantime, by itself or elsewhere; the communicator is aborted by then,
    so that a kernel that waits for a rank that died ends.
    """

    def __init__(self, nccl: Nccl, comm: Any) -> None:
        self._nccl, self._comm = nccl, comm
        self._failure: MeasureError | None = None
        self._closed = False

    def all_reduce(self, send: int, receive: int, count: int, kind: int, stream: int) -> None:
        """The sum."""
        with self._explained("all-reduce"):
            self._comm.allReduce(send, receive, count, kind, SUM, stream)

    def reduce_scatter(self, send: int, receive: int, count: int, kind: int, stream: int) -> None:
        """``count``: of a part. In place where ``receive`` is this rank's part of ``send``."""
        with self._explained("reduce-scatter"):
            self._comm.reduceScatter(send, receive, count, kind, SUM, stream)

    def all_gather(self, send: int, receive: int, nbytes: int, stream: int) -> None:
        """``nbytes``: of a part."""
        with self._explained("all-gather"):
            self._comm.allGather(send, receive, nbytes, BYTES, stream)

    def broadcast(self, buffer: int, nbytes: int, root: int, stream: int) -> None:
        """In place on every rank."""
        with self._explained("broadcast"):
            self._comm.broadcast(buffer, buffer, nbytes, BYTES, root, stream)

    def send(self, buffer: int, nbytes: int, to: int, stream: int) -> None:
        """One message."""
        with self._explained("send"):
            self._comm.send(buffer, nbytes, BYTES, to, stream)

    def receive(self, buffer: int, nbytes: int, source: int, stream: int) -> None:
        """One message."""
        with self._explained("receive"):
            self._comm.recv(buffer, nbytes, BYTES, source, stream)

    @contextmanager
    def group(self) -> Iterator[None]:
        """Sends and receives that wait for each other."""
        with self._explained("exchange messages"), self._nccl.group():
            yield

    def check(self) -> None:
        """Raise the error that ended this communicator, if one did."""
        if self._failure is not None:
            raise self._failure

    def look(self) -> None:
        """Ask NCCL whether all is well; end it where that is not so."""
        try:
            self._comm.check_async_error()
        except Exception as error:
            if not self._closed:
                self._failure = self._nccl.sentence(error, "go on")
                self.abort()

    def close(self) -> None:
        """Give back what it holds, once nothing is under way."""
        self._end(self._comm.destroy)

    def abort(self) -> None:
        """End it at once, with what is under way."""
        self._end(self._comm.abort)

    def _end(self, how: Callable[[], None]) -> None:
        self._nccl.forget(self)
        if not self._closed:
            self._closed = True
            how()

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        self.check()
        with self._nccl.explained(doing):
            yield
