"""The host backend: NumPy buffers, compiled kernels found by name, every core this process may use."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np

from benchsuite import tuned, units
from benchsuite.backends.base import HOME, Elapsed, Link
from benchsuite.backends.host import providers
from benchsuite.errors import UnavailableError
from benchsuite.machine import cpu, facts
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Buffers,
    Case,
    CollectiveCall,
    Cut,
    Device,
    HostCall,
    HostKernel,
    Implementation,
    Step,
    Tunable,
    World,
)

ALIGNMENT = 64
ODD = 0xA5


class NumpyOps:
    """The local steps of a collective on host memory."""

    segment = units.MIB
    """What was just received is added, and sent on, while it is in the cache."""

    def add_into(self, destination: Array, source: Array) -> None:
        """``destination += source``."""
        np.add(destination, source, out=destination)


class HostBackend:
    """Executes on the CPU with ``threads`` threads (default: every core this process may use)."""

    name = "host"

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or cpu.available_cores()
        self.device = tuned.fit(self._described()).device
        """The processor, as functions that cut kernels see it."""

    def _described(self) -> Device:
        return Device(facts.model(), "host", self.threads, 0, cpu.last_level_total(), 0)

    def capabilities(self) -> frozenset[str]:
        """Libraries and instructions found, cheaply; ``ranks`` because every world works on host memory."""
        return providers.capabilities() | {"ranks"}

    def providers(self) -> dict[str, str]:
        """Versions of the libraries that may compute."""
        return providers.providers()

    def cache_bytes(self) -> int:
        """All last-level caches together; 32 MiB where the system does not say."""
        return cpu.last_level_total() or 32 * units.MIB

    def memory_bytes(self) -> int:
        """Free memory, within the container's limit."""
        return cpu.memory_limit()

    def upload(self, arrays: Arrays, places: Mapping[str, str] = HOME) -> Buffers:
        """Copies, aligned to a cache line; a host has one place only."""
        copies = {}
        for name, array in arrays.items():
            copies[name] = aligned(array.shape, array.dtype)
            copies[name][...] = array
        return copies

    def allocate(self, specs: Mapping[str, ArraySpec], places: Mapping[str, str] = HOME) -> Buffers:
        """Poisoned buffers, aligned to a cache line."""
        made = {name: aligned(spec.shape, np.dtype(units.dtype(spec.dtype).storage)) for name, spec in specs.items()}
        self.poison(made)
        return made

    def poison(self, buffers: Buffers) -> None:
        """NaN in floating outputs, an odd byte pattern in all others (0xA5A5 is -2.9e-16 as bf16)."""
        for array in buffers.values():
            if np.issubdtype(array.dtype, np.floating):
                array.fill(np.nan)
            else:
                array.view(np.uint8).fill(ODD)

    def download(self, buffers: Buffers) -> Mapping[str, Array]:
        """The buffers themselves: they are host memory already."""
        return buffers

    def joined(self, world: World, libraries: Iterable[str]) -> AbstractContextManager[Mapping[str, Link]]:
        """Nothing to join: every world moves host memory."""
        return nullcontext({})

    def bind(
        self,
        implementation: Implementation,
        buffers: Buffers,
        case: Case,
        world: World,
        places: Mapping[str, str] = HOME,
    ) -> Step:
        """The step of one iteration; kernels compile here."""
        match implementation.op:
            case HostCall(function):
                return partial(function, buffers, case)
            case CollectiveCall(collective):
                return partial(collective, world, buffers, case, NumpyOps())
            case HostKernel(entry, tunable, chosen):
                module, function_name = entry.split(":")
                kernel = getattr(importlib.import_module(f"benchsuite.backends.host.{module}"), function_name)
                step: Step = kernel(buffers, case, self.threads, **dict(chosen or self._measured(tunable, case)))
                return step
            case _:
                raise UnavailableError(f"{implementation.name} does not run on a processor.", "Choose --backend cuda.")

    def _measured(self, tunable: Tunable | None, case: Case) -> Cut:
        """The cut that was measured on this model of processor; empty where the kernel shall reckon its own."""
        if tunable is None or not self.device.choices:
            return ()
        cuts = tunable.cuts(case, self.device)
        return self.device.chosen(tunable.kernel, tunable.kind(case), cuts) or ()

    def timer(self) -> Callable[[], float]:
        """``perf_counter``: host work is complete when its call returns."""
        return time.perf_counter

    def elapsed(self, steps: Sequence[Step]) -> Elapsed:
        """Seconds of the calls, by ``perf_counter``."""
        start = time.perf_counter()
        for step in steps:
            step()
        return Elapsed(time.perf_counter() - start)


def aligned(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """An uninitialised C-contiguous array that starts on a cache line (vector stores demand it)."""
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + nbytes].view(dtype).reshape(shape)
