"""The CUDA backend: where buffers lie on a GPU, what a step enqueues, how long the device took.

Everything the GPU must do is asked of a ``Runtime``, so that this module runs unchanged over the
simulator of the tests.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from benchsuite import tuned, units
from benchsuite.backends.base import HOME, Elapsed
from benchsuite.backends.cuda import collective
from benchsuite.backends.cuda.collective import Link
from benchsuite.backends.cuda.runtime import Runtime
from benchsuite.errors import MeasureError, UnavailableError
from benchsuite.model import (
    DEVICE,
    Array,
    Arrays,
    ArraySpec,
    Buffers,
    Case,
    CollectiveCall,
    CudaKernel,
    CudaLibrary,
    Implementation,
    Step,
    World,
)

NAN, ODD = 0xFF, 0xA5
"""Poison: a NaN in every floating format (0xFF is one in e4m3 too), a fixed odd pattern in integers."""
CLOCKS_AGREE, CLOCKS_SLACK = 1.02, 20e-6
"""How far the device's time may exceed all of the host's around it: a part, and seconds."""
IDLE_BATCHES = 9


@dataclass(frozen=True, slots=True)
class CudaStep:
    """One iteration, enqueued by calling it. ``parts``: its launches (or the one graph) in stream order."""

    parts: tuple[Step, ...]
    gated: bool
    keeps: Buffers = field(default_factory=dict)
    """Scratch that must live as long as the step."""

    def __call__(self) -> None:
        """Enqueue the parts; returns before the device is done."""
        for part in self.parts:
            part()


class CudaBackend:
    """Executes on the GPU of a ``Runtime`` (default: the first visible one, through CuPy)."""

    name = "cuda"

    def __init__(self, runtime: Runtime | None = None) -> None:
        if runtime is None:
            from benchsuite.backends.cuda.cupy_runtime import CupyRuntime

            runtime = CupyRuntime()
        self.runtime = runtime
        self.device = tuned.fit(runtime.device()).device
        self._links: Mapping[str, Link] = {}
        self._poison: dict[str, int] = {}
        self._idle: dict[bool, float] = {}

    def capabilities(self) -> frozenset[str]:
        """``cuda``, the architecture, the vendor libraries."""
        return self.runtime.capabilities()

    def providers(self) -> dict[str, str]:
        """Versions of driver, compiler and vendor libraries; our own kernels come from the compiler."""
        return self.runtime.providers()

    def cache_bytes(self) -> int:
        """The second-level cache, which every processor of the GPU shares."""
        return self.device.l2

    def memory_bytes(self) -> int:
        """Device memory that is free now."""
        return self.runtime.free_memory()

    def upload(self, arrays: Arrays, places: Mapping[str, str] = HOME) -> Buffers:
        """Copies in device memory, or where ``places`` says."""
        return {name: self.runtime.upload(array, places.get(name, DEVICE)) for name, array in arrays.items()}

    def allocate(self, specs: Mapping[str, ArraySpec], places: Mapping[str, str] = HOME) -> Buffers:
        """Poisoned buffers in device memory, or where ``places`` says.

        What poison each name takes is remembered for ``poison``: bf16 and e4m3 are held as plain
        integers, so the array alone does not tell that its numbers are floating.
        """
        self._poison |= {name: NAN if units.dtype(spec.dtype).floating else ODD for name, spec in specs.items()}
        made = {name: self._empty(spec, places.get(name, DEVICE)) for name, spec in specs.items()}
        self.poison(made)
        return made

    def poison(self, buffers: Buffers) -> None:
        """NaN in floating outputs, an odd byte pattern in all others."""
        for name, array in buffers.items():
            self.runtime.fill(array, self._poison.get(name, ODD))

    def download(self, buffers: Buffers) -> Mapping[str, Array]:
        """Host copies, after everything enqueued has ended."""
        return {name: self.runtime.download(array) for name, array in buffers.items()}

    @contextmanager
    def joined(self, world: World, libraries: Iterable[str]) -> Iterator[Mapping[str, Link]]:
        """Within it these libraries (``CollectiveCall.over``) move data between the GPUs of the ranks of ``world``."""
        with collective.joined(self.runtime, world, libraries) as links:
            self._links = links
            try:
                yield links
            finally:
                self._links = {}

    def bind(
        self,
        implementation: Implementation,
        buffers: Buffers,
        case: Case,
        world: World,
        places: Mapping[str, str] = HOME,
    ) -> CudaStep:
        """The launches of one iteration, compiled and loaded; ``UnavailableError`` where it cannot run here."""
        match implementation.op:
            case CudaKernel() as kernel:
                return self._kernel(kernel, buffers, case, places)
            case CudaLibrary(entry, gated):
                module, function = entry.split(":")
                library = importlib.import_module(f"benchsuite.backends.cuda.{module}")
                return CudaStep((getattr(library, function)(buffers, case, self.runtime),), gated)
            case CollectiveCall(function, over=over) if over in self._links:
                # No gate: every rank begins when all do, and NCCL may wait for the device before it enqueues more.
                return CudaStep((self._links[over].step(function, buffers, case, world),), gated=False)
            case _:
                raise UnavailableError(f"{implementation.name} does not run on a GPU.", "Choose --backend host.")

    def timer(self) -> Callable[[], float]:
        """``perf_counter`` once the device is idle."""

        def now() -> float:
            self.runtime.synchronize()
            return time.perf_counter()

        return now

    def elapsed(self, steps: Sequence[Step]) -> Elapsed:
        """Seconds by the device's clock, and by the host's for the same work, less what it sees of no work.

        Raises ``MeasureError`` when the device claims to have been busier than the wall clock allows.
        """
        parts = [part for step in steps for part in (step.parts if isinstance(step, CudaStep) else (step,))]
        gated = all(step.gated for step in steps if isinstance(step, CudaStep))
        idle = self._seen_of_nothing(gated)
        start = time.perf_counter()
        seconds, host, waits = self.runtime.elapsed(parts, gated)
        wall = time.perf_counter() - start
        for link in self._links.values():
            link.world.check()
        if not seconds <= CLOCKS_AGREE * wall + CLOCKS_SLACK:
            raise MeasureError(
                f"The GPU's clock says {seconds * 1e6:.1f} µs for work that took {wall * 1e6:.1f} µs on the host's.",
                "Neither can be trusted here; restart the driver, and report it if it stays.",
            )
        return Elapsed(seconds, host - waits * idle)

    def _seen_of_nothing(self, gated: bool) -> float:
        """Seconds that the host's clock shows more than the device's for an empty batch: launch and wait."""
        if gated not in self._idle:
            spent = [self.runtime.elapsed([], gated) for _ in range(IDLE_BATCHES)]
            self._idle[gated] = median(one.host - one.device for one in spent)
        return self._idle[gated]

    def _kernel(self, kernel: CudaKernel, buffers: Buffers, case: Case, places: Mapping[str, str]) -> CudaStep:
        if reason := kernel.lacks(case, self.device):
            raise UnavailableError(f"It {reason}.")
        scratch = self._scratch(kernel, case, places)
        reachable = {**buffers, **scratch}
        source = kernel.source(case, self.device)
        parts = tuple(self.runtime.prepare(source, launch, reachable) for launch in kernel.launches(case, self.device))
        if kernel.graph:
            parts = (self.runtime.graph(parts),)
        return CudaStep(parts, kernel.gated, reachable)

    def _scratch(self, kernel: CudaKernel, case: Case, places: Mapping[str, str]) -> Buffers:
        """Scratch of one step: poisoned, so that reading what was never written shows, or zeroed where promised."""
        made = {}
        for name, spec in kernel.scratch(case, self.device).items():
            made[name] = self._empty(spec, places.get(name, DEVICE))
            floating = units.dtype(spec.dtype).floating
            self.runtime.fill(made[name], 0 if name in kernel.zeroed else NAN if floating else ODD)
        return made

    def _empty(self, spec: ArraySpec, place: str) -> Array:
        return self.runtime.empty(spec.shape, np.dtype(units.dtype(spec.dtype).storage).name, place)
