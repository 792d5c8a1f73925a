"""A GPU through CuPy: the only module that imports it. Streams and their order: ``streams``; refusals: ``faults``.

``elapsed`` holds the stream at a gate while up to ``GATED`` launches are enqueued between two events,
opens it, and takes what lies between the events. More launches take several gates: the driver's queue
is finite, and a full one would block the host before it could open the gate.
"""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from benchsuite.backends.cuda import arrays, gate, libraries, tensormap
from benchsuite.backends.cuda.faults import Faults
from benchsuite.backends.cuda.nccl import version
from benchsuite.backends.cuda.runtime import Spent
from benchsuite.backends.cuda.streams import Part, Streams, devices
from benchsuite.errors import MeasureError, UnavailableError
from benchsuite.model import (
    DEVICE,
    PAGEABLE,
    PINNED,
    Arg,
    Array,
    Buffers,
    Device,
    Launch,
    Source,
    Step,
    TensorMap,
    family,
)

GATED = 256
"""Launches behind one gate. The driver queues about a thousand, and a library's step may be several."""
ALIGNMENT = 256
MEMCPY_DEFAULT = 4
"""cudaMemcpyDefault: the addresses tell the direction."""
MOST_SHARED = 100
"""Percent of an SM's memory to be shared memory: as many blocks as fit, rather than more first-level cache."""

Compile = Callable[[Source, str], Path]


class CupyRuntime:
    """The first visible GPU, and its peers where a place or a launch names them."""

    def __init__(self, cupy: Any = None, driver: Any = None, compile_source: Compile | None = None) -> None:
        """``cupy``, ``driver`` (``cuda.bindings.driver``) and ``compile_source``: a test's doubles of the real ones."""
        self._cupy = cupy if cupy is not None else _import_cupy()
        self._driver = driver
        self._compile = compile_source or libraries.compile_source
        self._faults = Faults(self._cupy)
        self._modules: dict[Source, Any] = {}
        self._kernels: dict[tuple[Source, str], Any] = {}
        self._pinned: WeakValueDictionary[int, Array] = WeakValueDictionary()
        with self._faults.explained("be opened"):
            self._cupy.cuda.Device(0).use()
            self._device = self._look()
            self._target = libraries.target(self._device.capability)
            self._streams = Streams(self._cupy.cuda, self._device.count)
            self._start, self._stop = (self._cupy.cuda.Event() for _ in range(2))
        self._gate: gate.Gate | None = None

    def device(self) -> Device:
        """The GPU that computes."""
        return self._device

    def _look(self) -> Device:
        runtime = self._cupy.cuda.runtime
        facts = runtime.getDeviceProperties(0)
        capability = (int(facts["major"]), int(facts["minor"]))
        return Device(
            name=facts["name"].decode(errors="replace"),
            arch=family(libraries.target(capability)),
            processors=runtime.deviceGetAttribute(runtime.cudaDevAttrMultiProcessorCount, 0),
            shared=runtime.deviceGetAttribute(runtime.cudaDevAttrMaxSharedMemoryPerBlockOptin, 0),
            l2=runtime.deviceGetAttribute(runtime.cudaDevAttrL2CacheSize, 0),
            memory=int(runtime.memGetInfo()[1]),
            capability=capability,
            count=runtime.getDeviceCount(),
        )

    def capabilities(self) -> frozenset[str]:
        """``cuda``, the architecture, ``peers`` where two GPUs reach each other, and the libraries found."""
        found = {"cuda", self._device.arch, *libraries.found(), *self._nccl_version()}
        if self._device.count > 1 and self._streams.reaches(0, 1) and self._streams.reaches(1, 0):
            found.add("peers")
        return frozenset(found)

    def providers(self) -> dict[str, str]:
        """Versions of driver, compiler, CuPy and the vendor libraries."""
        driver = libraries.cuda_version(self._cupy.cuda.runtime.driverGetVersion())
        ours = {"driver": f"CUDA {driver}", "cupy": self._cupy.__version__}
        return ours | self._nccl_version() | libraries.versions()

    def _nccl_version(self) -> dict[str, str]:
        with contextlib.suppress(UnavailableError):
            return {"nccl": version(self.nccl().get_version())}
        return {}

    def free_memory(self) -> int:
        """What the driver and CuPy's own pool have left."""
        with self._faults.explained("tell its free memory"):
            free = int(self._cupy.cuda.runtime.memGetInfo()[0])
        return free + int(self._cupy.get_default_memory_pool().free_bytes())

    def bus(self) -> str:
        """Its PCI address."""
        return str(self._cupy.cuda.Device(0).pci_bus_id)

    def nccl(self) -> Any:
        """``cupy.cuda.nccl``, which can be imported where no library was found, but then has nothing to call."""
        binding = self._cupy.cuda.nccl if hasattr(self._cupy.cuda, "nccl") else _import_nccl()
        if not hasattr(binding, "get_version"):
            raise UnavailableError("NCCL cannot be loaded.", "pip install nvidia-nccl-cu13 (or -cu12) brings it.")
        return binding

    # -- memory -------------------------------------------------------------------------------

    def empty(self, shape: tuple[int, ...], storage: str, place: str = DEVICE) -> Array:
        """An uninitialised array, aligned to 256 bytes at least."""
        dtype = np.dtype(storage)
        nbytes = math.prod(shape) * dtype.itemsize
        if place == PAGEABLE:
            raw = np.empty(nbytes + ALIGNMENT, np.uint8)
            start = -raw.ctypes.data % ALIGNMENT
            return raw[start : start + nbytes].view(dtype).reshape(shape)
        number = 0 if place == PINNED else arrays.number(place)
        with self._streams.on(number), self._faults.room(nbytes, self.free_memory(), place):
            if place == PINNED:
                held = self._cupy.cuda.alloc_pinned_memory(max(1, nbytes))
                pinned: Array = np.frombuffer(held, np.uint8, nbytes).view(dtype).reshape(shape)
                self._pinned[pinned.ctypes.data] = pinned
                return pinned
            made: Array = self._cupy.empty(shape, dtype)
            return made

    def upload(self, array: Array, place: str = DEVICE) -> Array:
        """A copy of a host array."""
        made: Any = self.empty(array.shape, array.dtype.str, place)
        if arrays.on_host(made):
            np.copyto(made, array)
        else:
            with self._faults.explained("be given data"), self._streams.on(arrays.where(made)):
                made.set(np.ascontiguousarray(array))
        copy: Array = made
        return copy

    def download(self, array: Array) -> Array:
        """A host copy, after everything enqueued has ended."""
        self.synchronize()
        if arrays.on_host(array):
            return array.copy()
        with self._faults.explained("give data back"), self._streams.on(arrays.where(array)):
            return arrays.from_device(array)

    def fill(self, array: Array, byte: int) -> None:
        """Set every byte."""
        if arrays.on_host(array):
            self.synchronize()
            array.reshape(-1).view(np.uint8).fill(byte)
            return
        number = arrays.where(array)
        with self._faults.explained("fill memory"), self._streams.on(number):
            self._cupy.cuda.runtime.memsetAsync(arrays.address(array), byte, array.nbytes, self._streams[number].ptr)

    def copy(self, destination: Array, source: Array) -> Step:
        """A step in which a copy engine moves ``source`` to ``destination``, on the current stream."""
        if destination.nbytes != source.nbytes:
            raise MeasureError(f"A copy of {source.nbytes} B does not fill {destination.nbytes} B.")
        move, current = self._cupy.cuda.runtime.memcpyAsync, self._cupy.cuda.get_current_stream
        words = arrays.address(destination), arrays.address(source), source.nbytes, MEMCPY_DEFAULT

        def enqueue(keeps: tuple[Array, Array] = (destination, source)) -> None:
            with self._faults.explained("copy"):
                move(*words, current().ptr)

        return Part(enqueue, frozenset({0}))

    def address(self, array: Array) -> int:
        """Where the array begins."""
        return arrays.address(array)

    def stream(self) -> int:
        """The current stream."""
        return int(self._cupy.cuda.get_current_stream().ptr)

    # -- launches -----------------------------------------------------------------------------

    def prepare(self, source: Source, launch: Launch, buffers: Buffers) -> Step:
        """A step that enqueues ``launch``; compiled, loaded and its arguments packed here, once."""
        number, grid, block, shared = launch.device, launch.grid, launch.block, launch.shared
        kernel = self._kernel(source, launch)
        args = tuple(self._argument(each, launch, buffers) for each in launch.args)
        what = (
            f"launch {launch.entry} of {source.label} with grid {grid}, block {block} and {shared} B of shared memory"
        )
        streams, current = self._streams, self._cupy.cuda.Device(number)

        def enqueue(keeps: tuple[Array, ...] = tuple(buffers.values())) -> None:
            try:
                if streams.several:
                    streams.take_turn(number)
                    with current:
                        kernel(grid, block, args, shared_mem=shared)
                else:
                    kernel(grid, block, args, shared_mem=shared)
            except self._faults.kinds as error:
                self._faults.explain(error, what)

        return Part(enqueue, frozenset({number}))

    def together(self, steps: Sequence[Step]) -> Step:
        """The steps at the same time: each on a stream of its own, which the current one starts and waits for."""
        with self._faults.explained("make streams"):
            lanes = [self._streams.lane() for _ in steps]

        def enqueue(held: tuple[Step, ...] = tuple(steps)) -> None:
            with self._faults.explained("work on several streams"), self._streams.lanes(lanes) as each:
                for step, lane in zip(held, each, strict=True):
                    with self._streams.current(lane):
                        step()

        return Part(enqueue, frozenset({0}))

    def beside(self, enqueue: Step) -> Step:
        """On a stream beside the current one, at once; what is returned has the current one wait."""
        with self._faults.explained("work on several streams"):
            return self._streams.beside(enqueue)

    def graph(self, steps: Sequence[Step]) -> Step:
        """The steps captured once, as one step that replays them."""
        stream, others = self._streams[0], devices(steps) - {0}
        with self._faults.explained("capture a graph"):
            stream.begin_capture()
            try:
                self._streams.fork(others)
                for step in steps:
                    step()
                self._streams.join(others)
            except BaseException:
                with contextlib.suppress(*self._faults.kinds):  # what failed first is what is told
                    stream.end_capture()
                raise
            captured = stream.end_capture()
            captured.upload(stream)

        def replay(keeps: tuple[Step, ...] = tuple(steps)) -> None:
            with self._faults.explained("launch a graph"):
                captured.launch(stream)

        return Part(replay, others | {0})

    def synchronize(self) -> None:
        """Return when everything enqueued on every device has ended."""
        with self._faults.explained("finish what it was given"):
            self._streams.synchronize()

    def elapsed(self, steps: Sequence[Step], gated: bool = True) -> Spent:
        """Seconds of the steps by both clocks; ``gated``: without what the host needs to enqueue them."""
        with self._faults.explained("finish what was timed"):
            if not gated:
                start = time.perf_counter()
                self._enclose(steps)
                device = self._read()
                return Spent(device, time.perf_counter() - start)
            closed = self._gate = self._gate or self._make_gate()
            chunks = [steps[first : first + GATED] for first in range(0, max(1, len(steps)), GATED)]
            spent = [closed.held(functools.partial(self._enclose, chunk), self._read) for chunk in chunks]
            return Spent(math.fsum(one.device for one in spent), math.fsum(one.host for one in spent), len(spent))

    def _enclose(self, steps: Sequence[Step]) -> None:
        """The steps between the two events; those of other devices start after the first and end before the second."""
        others = devices(steps) - {0}
        self._start.record(self._streams[0])
        self._streams.fork(others)
        for step in steps:
            step()
        self._streams.join(others)
        self._stop.record(self._streams[0])

    def _read(self) -> float:
        """Seconds between the two events, once the second was reached."""
        self._stop.synchronize()
        return float(self._cupy.cuda.get_elapsed_time(self._start, self._stop)) * 1e-3

    def _make_gate(self) -> gate.Gate:
        kernel = self._kernel(gate.SOURCE, Launch("gate", (1, 1, 1), (1, 1, 1), ()))
        return gate.Gate(kernel, self.empty((2,), "uint32", PINNED), self.synchronize)

    def _kernel(self, source: Source, launch: Launch) -> Any:
        """The function, loaded on its device, with as much dynamic shared memory allowed as the launch takes."""
        with self._faults.explained(f"load {launch.entry} of {source.label}"), self._streams.on(launch.device):
            if source not in self._modules:
                self._modules[source] = self._cupy.RawModule(path=str(self._compile(source, self._target)))
            name = source, launch.entry
            if name not in self._kernels:
                self._kernels[name] = self._modules[source].get_function(launch.entry)
            kernel = self._kernels[name]
            if launch.shared:
                kernel.max_dynamic_shared_size_bytes = max(launch.shared, kernel.max_dynamic_shared_size_bytes)
                kernel.preferred_shared_memory_carveout = MOST_SHARED
        return kernel

    def _argument(self, arg: Arg, launch: Launch, buffers: Buffers) -> Array | np.generic:
        """What CuPy passes by value: an address, a scalar as it is, or the 128 bytes of a tensor map."""
        if isinstance(arg, np.generic):
            return arg
        name = arg.buffer if isinstance(arg, TensorMap) else arg
        if name not in buffers:
            raise MeasureError(f"{launch.entry} takes {name!r}, but the buffers are {', '.join(sorted(buffers))}.")
        array = buffers[name]
        if arrays.on_host(array) and self._pinned.get(array.ctypes.data) is not array:
            raise MeasureError(f"{launch.entry} cannot reach {name!r}, which lies in pageable memory.", "Pin it.")
        if isinstance(arg, str):
            return np.uint64(arrays.address(array))
        self._driver = self._driver or _import_driver()
        return tensormap.encode(arg, arrays.address(array), self._driver)


def _import_cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise UnavailableError(f"CuPy cannot be imported: {error}.", "pip install 'benchsuite[cuda13]'") from error
    return cupy


def _import_nccl() -> Any:
    try:
        from cupy.cuda import nccl
    except ImportError:
        return None
    return nccl


def _import_driver() -> Any:
    from cuda.bindings import driver

    return driver
