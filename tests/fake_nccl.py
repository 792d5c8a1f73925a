"""``cupy.cuda.nccl`` as a double that moves the data for real: between threads or processes, through sockets.

A unique id is the name of a folder in which the ranks find each other. What is asked is done at once, on whatever
stream. Faults are planted by a ``Plan``, or in other processes by ``FAKE_NCCL`` (``"absent=1"``, ``"refuse=send"``).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite import units

VERSION = 23203
TYPES = ("int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bf16")
STATUS = {
    1: "UNHANDLED_CUDA_ERROR: unhandled cuda error (run with NCCL_DEBUG=INFO for details)",
    6: "REMOTE_ERROR: gone",
}
PATIENCE = 20.0
CONNECTED = """
host:1:1 [0] NCCL INFO NVLS multicast support is {multicast} on dev 0
host:1:1 [0] NCCL INFO Pattern 4, crossNic 0, nChannels 16, bw 20.0/20.0, type NVL/PIX, sameChannels 0
host:1:1 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM
host:1:1 [0] NCCL INFO 24 coll channels, 24 collnet channels, 16 nvls channels, 32 p2p channels, 2 p2p channels per peer
"""


class NcclError(RuntimeError):
    """As CuPy's."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"NCCL_ERROR_{STATUS[status]}")


@dataclass
class Plan:
    """What goes wrong, and what NCCL says. refuse: methods that fail with status 1; absent: a rank that never joins."""

    refuse: set[str] = field(default_factory=set)
    absent: int = -1
    fails_later: bool = False
    wrong: bool = False
    algorithm: str = "RING proto LL128"
    multicast: str = "available"

    @classmethod
    def told(cls) -> Plan:
        """As the variable says, in a process that a launcher started."""
        words = dict(word.split("=") for word in os.environ.get("FAKE_NCCL", "").split())
        plan = cls(refuse={words["refuse"]} if "refuse" in words else set(), absent=int(words.get("absent", -1)))
        plan.fails_later, plan.wrong = "later" in words, "wrong" in words
        plan.algorithm = words.get("algorithm", "RING") + " proto LL128"
        return plan


class Nccl:
    """The module. ``log``: method and count of every call."""

    NcclError = NcclError

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or Plan()
        self.log: list[tuple[Any, ...]] = []
        self.local = threading.local()
        self.NcclCommunicator = lambda size, unique_id, rank: Communicator(self, size, unique_id, rank)

    def get_version(self) -> int:
        return VERSION

    def get_unique_id(self) -> bytes:
        return tempfile.mkdtemp(prefix="nccl-").encode().ljust(128, b"\0")

    def groupStart(self) -> None:  # noqa: N802
        self.local.group = []

    def groupEnd(self) -> None:  # noqa: N802
        waiting, self.local.group = self.local.group, None
        sending = [threading.Thread(target=_each, args=(calls,)) for calls in _by_peer(waiting, "send")]
        for thread in sending:
            thread.start()
        _each([call for kind, _, call in waiting if kind == "recv"])
        for thread in sending:
            thread.join()

    def say(self, text: str) -> None:
        """Write into the log that ``NCCL_DEBUG`` asks for."""
        if os.environ.get("NCCL_DEBUG") == "INFO" and "NCCL_DEBUG_FILE" in os.environ:
            with open(os.environ["NCCL_DEBUG_FILE"], "a") as file:
                file.write(text)


class Communicator:
    """One rank's connections to all others."""

    def __init__(self, module: Nccl, size: int, unique_id: bytes, rank: int) -> None:
        self._module, self.size, self.rank = module, size, rank
        self._began = time.monotonic()
        self._tell("init", size)
        while module.plan.absent == rank:
            time.sleep(1.0)
        folder = Path(unique_id.rstrip(b"\0").decode())
        self._peers = _mesh(folder, size, rank)
        self._folder = folder
        self._mail: list[bytes] = []
        if rank == 0:
            module.say(CONNECTED.format(multicast=module.plan.multicast))

    def allReduce(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None:  # noqa: N802
        self._tell("allReduce", count, kind, stream)
        if self.rank == 0:
            self._module.say(f"host:1:1 [0] NCCL INFO AllReduce: {count} Bytes -> Algo {self._module.plan.algorithm}\n")
        total = _sum(self._everyone(_read(send, count, kind)), kind)
        if self._module.plan.wrong and self.rank:
            total = _stored(_number(total, kind) + 1, kind)
        _write(receive, total)

    def reduceScatter(self, send: int, receive: int, count: int, kind: int, op: int, stream: int) -> None:  # noqa: N802
        self._tell("reduceScatter", count, kind, stream)
        total = _sum(self._everyone(_read(send, count * self.size, kind)), kind)
        _write(receive, total[self.rank * count : (self.rank + 1) * count])

    def allGather(self, send: int, receive: int, count: int, kind: int, stream: int) -> None:  # noqa: N802
        self._tell("allGather", count, kind, stream)
        _write(receive, np.concatenate(self._everyone(_read(send, count, kind))))

    def broadcast(self, send: int, receive: int, count: int, kind: int, root: int, stream: int) -> None:
        self._tell("broadcast", count, kind, stream)
        _write(receive, self._everyone(_read(send, count, kind))[root])

    def send(self, address: int, count: int, kind: int, peer: int, stream: int) -> None:
        self._tell("send", count, peer, stream)
        data = _read(address, count, kind)
        self._queue("send", peer, lambda: self._put(peer, data.tobytes()))

    def recv(self, address: int, count: int, kind: int, peer: int, stream: int) -> None:
        self._tell("recv", count, peer, stream)
        dtype = _dtype(kind)
        self._queue("recv", peer, lambda: _write(address, np.frombuffer(self._get(peer), dtype)))

    def check_async_error(self) -> None:
        if self._module.plan.fails_later and time.monotonic() - self._began > 0.5:
            raise NcclError(6)

    def abort(self) -> None:
        self._module.log.append(("abort",))
        for peer in self._peers.values():
            with suppress(OSError), socket.socket(fileno=os.dup(peer.fileno())) as held:
                held.shutdown(socket.SHUT_RDWR)

    def destroy(self) -> None:
        self._module.log.append(("destroy",))
        shutil.rmtree(self._folder, ignore_errors=True)
        for peer in self._peers.values():
            peer.close()

    def _tell(self, name: str, *words: Any) -> None:
        self._module.log.append((name, *words))
        if name in self._module.plan.refuse:
            raise NcclError(1)

    def _everyone(self, mine: np.ndarray) -> list[np.ndarray]:
        data, found = mine.tobytes(), {self.rank: mine}
        sending = [threading.Thread(target=self._put, args=(peer, data)) for peer in self._peers]
        for thread in sending:
            thread.start()
        found |= {peer: np.frombuffer(self._get(peer), mine.dtype) for peer in sorted(self._peers)}
        for thread in sending:
            thread.join()
        return [found[rank] for rank in range(self.size)]

    def _queue(self, kind: str, peer: int, call: Callable[[], None]) -> None:
        group = getattr(self._module.local, "group", None)
        if group is None:
            call()
        else:
            group.append((kind, peer, call))

    def _put(self, peer: int, data: bytes) -> None:
        if peer == self.rank:
            self._mail.append(data)
            return
        try:
            self._peers[peer].send_bytes(data)
        except OSError:
            return  # the other side says what happened

    def _get(self, peer: int) -> bytes:
        end = time.monotonic() + PATIENCE
        while peer == self.rank:
            if self._mail:
                return self._mail.pop(0)
            if time.monotonic() > end:
                raise NcclError(6)
            time.sleep(0.001)
        try:
            return self._peers[peer].recv_bytes()
        except (OSError, EOFError) as error:
            raise NcclError(6) from error


def _mesh(folder: Path, size: int, rank: int) -> dict[int, Connection]:
    peers: dict[int, Connection] = {}
    listener = Listener(str(folder / f"{rank}.ready"), "AF_UNIX", backlog=size)
    (folder / str(rank)).touch()
    for other in range(rank):
        while not (folder / str(other)).exists():
            time.sleep(0.005)
        peers[other] = Client(str(folder / f"{other}.ready"), "AF_UNIX")
        peers[other].send(rank)
    while len(peers) < size - 1:
        arrived = listener.accept()
        peers[arrived.recv()] = arrived
    with suppress(FileNotFoundError):  # whoever was faster may have tidied up
        listener.close()
    return peers


def _each(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


def _by_peer(waiting: list[tuple[str, int, Callable[[], None]]], wanted: str) -> list[list[Callable[[], None]]]:
    queues: dict[int, list[Callable[[], None]]] = {}
    for kind, peer, call in waiting:
        if kind == wanted:
            queues.setdefault(peer, []).append(call)
    return list(queues.values())


def _dtype(kind: int) -> np.dtype[Any]:
    return np.dtype("uint16" if TYPES[kind] == "bf16" else TYPES[kind])


def _read(address: int, count: int, kind: int) -> np.ndarray:
    nbytes = count * _dtype(kind).itemsize
    return np.frombuffer((ctypes.c_uint8 * nbytes).from_address(address), _dtype(kind)).copy()


def _write(address: int, array: np.ndarray) -> None:
    data = np.ascontiguousarray(array)
    ctypes.memmove(address, data.ctypes.data, data.nbytes)


def _number(array: np.ndarray, kind: int) -> np.ndarray:
    return units.from_bf16(array) if TYPES[kind] == "bf16" else array


def _stored(array: np.ndarray, kind: int) -> np.ndarray:
    return units.to_bf16(array.astype(np.float32)) if TYPES[kind] == "bf16" else array.astype(_dtype(kind))


def _sum(parts: list[np.ndarray], kind: int) -> np.ndarray:
    total = _number(parts[0], kind).copy()
    for part in parts[1:]:
        total = total + _number(part, kind)
    return _stored(total, kind)
