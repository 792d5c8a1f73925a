"""The few calls of CuPy that the runtime makes, as a double that writes down what was asked of it, in order.

``memory`` lies in NumPy arrays, so addresses are real; ``log`` is the story: ``("launch", kernel, stream, args)``,
``("record", event, stream)``, ``("wait", stream, event)`` and so on. Streams run as soon as they are given
something, but a gate that nobody opens is noticed when the host waits behind it.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Any

import numpy as np


class CUDARuntimeError(RuntimeError):
    """As ``cupy.cuda.runtime.CUDARuntimeError``."""


class CUDADriverError(RuntimeError):
    """As ``cupy.cuda.driver.CUDADriverError``."""


class OutOfMemoryError(MemoryError):
    """As ``cupy.cuda.memory.OutOfMemoryError``."""


@dataclass
class World:
    """What the double pretends: GPUs, memory, faults."""

    count: int = 1
    capability: tuple[int, int] = (9, 0)
    memory: int = 1 << 30
    free: int = 1 << 29
    peers: bool = True
    milliseconds: float = 2.0
    lost: str = ""
    refuse: dict[str, Exception] = field(default_factory=dict)
    log: list[tuple[Any, ...]] = field(default_factory=list)
    device: int = 0
    opens: bool = True
    clock: bool = False
    """Events tell the host's time instead of ``milliseconds``."""
    ids: Any = field(default_factory=lambda: itertools.count(1))

    def tell(self, *words: Any) -> None:
        """Write down a call, or raise what this call is to raise."""
        self.log.append(words)
        if error := self.refuse.get(str(words[0])):
            raise error
        if self.lost and words[0] in {"synchronize", "launch", "sync-device", "event-sync"}:
            raise CUDARuntimeError(self.lost)

    def told(self, *kinds: str) -> list[tuple[Any, ...]]:
        """The calls of these kinds, in order."""
        return [words for words in self.log if words[0] in kinds]


class _Current:
    """A context that makes a device or stream current and puts the old one back."""

    def __init__(self, world: World, device: int) -> None:
        self.world, self.id, self._before = world, device, [0]
        self.pci_bus_id = f"0000:{_installed(device):02X}:00.0"

    def use(self) -> None:
        self.world.device = self.id

    def __enter__(self) -> _Current:
        self._before.append(self.world.device)
        self.use()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.world.device = self._before.pop()


def _installed(device: int) -> int:
    """Which of the machine's GPUs is the visible one of this number."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return int(names[device]) if device < len(names) and names[device].isdigit() else device


class _Array:
    """A device array; ``data.ptr`` is the address of a NumPy array behind it."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], device: int) -> None:
        nbytes = int(np.prod(shape)) * dtype.itemsize
        self._raw = np.zeros(nbytes + 512, np.uint8)
        start = -self._raw.ctypes.data % 512
        self.host = self._raw[start : start + nbytes].view(dtype).reshape(shape)
        self.shape, self.dtype, self.nbytes = shape, dtype, nbytes
        self.size, self.itemsize = self.host.size, dtype.itemsize
        self.data = SimpleNamespace(ptr=self.host.ctypes.data)
        self.device = SimpleNamespace(id=device)

    base = None

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.data.ptr, False), "version": 3}

    def set(self, array: np.ndarray) -> None:
        self.host[...] = array

    def get(self) -> np.ndarray:
        return self.host.copy()


def _add(path: str, to: int, one: int, other: int, head: int, words: int, odd: int) -> None:
    """What ``collective/add.cu`` does to fp32."""
    count = head + words
    assert not odd, "this double adds fp32 only"
    a, b, y = (np.frombuffer((ctypes.c_float * count).from_address(at), np.float32) for at in (one, other, to))
    np.add(a, b, out=y)


class _Kernel:
    """A loaded function. Called, it checks what CuPy would and writes the launch down."""

    def __init__(self, world: World, path: str, name: str) -> None:
        self._world, self.name, self.path = world, name, path
        self.max_dynamic_shared_size_bytes = 48 * 1024
        self.preferred_shared_memory_carveout = -1

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], *, shared_mem: int = 0
    ) -> None:
        for arg in args:  # cupy/cuda/function.pyx: scalars of NumPy, or an ndarray of one element by value
            assert isinstance(arg, np.generic) or (isinstance(arg, np.ndarray) and arg.size == 1), repr(arg)
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise CUDADriverError("CUDA_ERROR_INVALID_VALUE: invalid argument")
        stream = self._world.streams[self._world.device]  # type: ignore[attr-defined]
        self._world.tell("launch", self.name, stream.ptr, args)
        if self.name == "add_from":
            _add(self.path, *(int(arg) for arg in args))
        if self.name == "gate" and not self._world.opens:
            number, late = int(args[1]), int(args[2])
            ctypes.c_uint32.from_address(late).value = number


class Cupy:
    """The module. Give it to ``CupyRuntime(cupy=…)``."""

    __version__ = "14.2.0"

    def __init__(self, world: World | None = None, nccl: Any = None) -> None:
        self.world = world = world or World()
        streams: dict[int, Any] = {i: SimpleNamespace(ptr=-i) for i in range(world.count)}
        world.streams = streams  # type: ignore[attr-defined]
        self.cuda = SimpleNamespace(
            Device=lambda number: _Current(world, number),
            Stream=self._stream,
            Event=self._event,
            get_current_stream=lambda: streams[world.device],
            get_elapsed_time=lambda start, stop: 1e3 * (stop.at - start.at) if world.clock else world.milliseconds,
            nccl=nccl,
            alloc_pinned_memory=self._pinned,
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            driver=SimpleNamespace(CUDADriverError=CUDADriverError),
            runtime=self._runtime(),
        )

    def RawModule(self, *, path: str) -> Any:  # noqa: N802
        """A module from a cubin."""
        self.world.tell("load", path)
        return SimpleNamespace(get_function=lambda name: _Kernel(self.world, path, name))

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> _Array:
        """Memory of the current device."""
        self.world.tell("empty", shape, self.world.device)
        return _Array(shape, np.dtype(dtype), self.world.device)

    def get_default_memory_pool(self) -> Any:
        """The pool, with 100 bytes free."""
        return SimpleNamespace(free_bytes=lambda: 100)

    def _pinned(self, nbytes: int) -> Any:
        self.world.tell("pin", nbytes)
        return (ctypes.c_uint8 * nbytes)()

    def _stream(self, *, non_blocking: bool) -> Any:
        world, made = self.world, SimpleNamespace(ptr=next(self.world.ids))
        assert non_blocking

        class Stream(_Current):
            ptr = made.ptr

            def use(self) -> None:
                world.streams[world.device] = self  # type: ignore[attr-defined]

            def __enter__(self) -> Stream:
                self.use()
                return self

            def __exit__(self, *_: object) -> None:
                # cupy/cuda/stream.pyx keeps a stack that ``use`` is not written into: the default stream comes back.
                world.streams[world.device] = SimpleNamespace(ptr=-world.device)  # type: ignore[attr-defined]

            def synchronize(self) -> None:
                world.tell("synchronize", self.ptr)

            def wait_event(self, event: Any) -> None:
                world.tell("wait", self.ptr, event.id)

            def begin_capture(self) -> None:
                world.tell("begin-capture", self.ptr)

            def end_capture(self) -> Any:
                world.tell("end-capture", self.ptr)
                return SimpleNamespace(
                    launch=lambda stream: world.tell("graph", stream.ptr),
                    upload=lambda stream: world.tell("upload", stream.ptr),
                )

        return Stream(world, world.device)

    def _event(self, disable_timing: bool = False) -> Any:
        world, number = self.world, next(self.world.ids)
        event = SimpleNamespace(id=number, timing=not disable_timing, at=0.0)

        def record(stream: Any) -> None:
            event.at = time.perf_counter()
            world.tell("record", number, stream.ptr)

        event.record, event.synchronize = record, lambda: world.tell("event-sync", number)
        return event

    def _runtime(self) -> Any:
        world = self.world
        attributes = {"processors": 132, "shared": 232448, "l2": 50 << 20}

        def memset(address: int, byte: int, nbytes: int, stream: int) -> None:
            world.tell("memset", byte, nbytes, stream)
            ctypes.memset(address, byte, nbytes)

        def memcpy(to: int, start: int, nbytes: int, kind: int, stream: int) -> None:
            world.tell("memcpy", nbytes, kind, stream)
            ctypes.memmove(to, start, nbytes)

        major, minor = world.capability
        return SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError,
            cudaDevAttrMultiProcessorCount="processors",
            cudaDevAttrMaxSharedMemoryPerBlockOptin="shared",
            cudaDevAttrL2CacheSize="l2",
            deviceGetAttribute=lambda which, device: attributes[which],
            getDeviceProperties=lambda device: {"name": b"NVIDIA H100 80GB HBM3", "major": major, "minor": minor},
            getDeviceCount=lambda: world.count,
            memGetInfo=lambda: (world.free, world.memory),
            driverGetVersion=lambda: 13000,
            deviceSynchronize=lambda: world.tell("sync-device"),
            deviceCanAccessPeer=lambda one, other: int(world.peers),
            deviceEnablePeerAccess=lambda other: world.tell("enable", world.device, other),
            memsetAsync=memset,
            memcpyAsync=memcpy,
        )


class Driver:
    """``cuda.bindings.driver`` as far as tensor maps go: the map is what was asked for, word after word."""

    def __init__(self, status: int = 0) -> None:
        self.status, self.asked = status, ()  # type: tuple[int, tuple[Any, ...]]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("CU"):
            return _Names()
        if name.startswith("cuuint"):
            return int
        raise AttributeError(name)

    def cuTensorMapEncodeTiled(self, *words: Any) -> tuple[int, Any]:  # noqa: N802
        """The map holds bytes 0..127."""
        self.asked = words
        made = (ctypes.c_uint8 * 128)(*range(128))
        return self.status, SimpleNamespace(getPtr=lambda: ctypes.addressof(made), keeps=made)


class _Names:
    def __getattr__(self, name: str) -> str:
        return name


def bytes_of(args: Sequence[Any]) -> list[bytes]:
    """What each argument passes by value."""
    return [arg.tobytes() for arg in args]
