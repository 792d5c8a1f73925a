"""The kernels that every rank of a scan runs alone: benchmarks of the suite with fixed parameters, verified each time.

The same work on every rank, so that a slow processor, memory or GPU shows without any network. A time is the mean of
a batch of at least ``BATCH`` seconds: a quota withholds the processor for the rest of each tenth of a second, so a
shorter piece of work, or a median of short pieces, would not feel it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from benchsuite import discovery
from benchsuite.backends.base import Backend
from benchsuite.errors import BenchsuiteError, UnavailableError
from benchsuite.measure import buffers, task
from benchsuite.measure.verify import check
from benchsuite.model import Benchmark, CacheMode, Case, Implementation, Rejected, Step
from benchsuite.world.solo import SoloWorld

BATCH = 0.06
MIB = 1 << 20
HOST: Mapping[str, Case] = {
    "gemm": Case.of("gemm", m=512, n=512, k=512, dtype="fp32", layout="nt", data="normal"),
    "copy": Case.of("memory", op="copy", bytes=64 * MIB),
}
CUDA: Mapping[str, Case] = {
    "gemm": Case.of("gemm", m=4096, n=4096, k=4096, dtype="bf16", layout="nt", data="normal"),
    "copy": Case.of("memory", op="copy", bytes=256 * MIB),
    "to the GPU": Case.of("transfer", direction="h2d", host="pinned", bytes=64 * MIB),
    "from the GPU": Case.of("transfer", direction="d2h", host="pinned", bytes=64 * MIB),
}
"""What each kernel is on a backend. A copy must be larger than the last-level cache to tell of memory: on a processor
with more than 64 MiB it tells of the cache."""
FIRST = ("numpy", "cublaslt", "memcpy")
"""Implementations that are taken before others: the vendor's, which need no compiler."""


def names(backend: str) -> tuple[str, ...]:
    """The kernels of a backend; a scripted clock has nothing to tell of any."""
    return tuple({"host": HOST, "cuda": CUDA}.get(backend, {}))


@dataclass(frozen=True, slots=True)
class Timing:
    """What a kernel took, in seconds an iteration; ``None`` with the reason. wrong: outputs that were wrong."""

    kernel: str
    seconds: float | None
    wrong: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that is ready to run, or the reason why it is not."""

    name: str
    backend: Backend
    benchmark: Benchmark
    case: Case
    prepared: task.Prepared | None = None
    step: Step = lambda: None
    held: buffers.BufferSet | None = None
    reason: str = ""

    def filling(self) -> int:
        """How many iterations fill a batch on this rank."""
        if self.prepared is None:
            return 1
        once = min(self.backend.elapsed([self.step]).seconds for _ in range(3))
        return max(1, math.ceil(BATCH / once)) if once > 0.0 else 1

    def run(self, iterations: int) -> Timing:
        """A batch of so many iterations, and whether the result of the last is right."""
        if self.prepared is None or self.held is None:
            return Timing(self.name, None, reason=self.reason)
        try:
            self.backend.poison(self.held.outputs)
            seconds = self.backend.elapsed([self.step] * iterations).seconds / iterations
            outputs = self.backend.download(self.held.outputs)
        except BenchsuiteError as error:
            return Timing(self.name, None, reason=error.message)
        tolerance = self.benchmark.tolerance(self.case)
        result = check(outputs, self.prepared.expected, self.benchmark.outputs(self.case), tolerance)
        if isinstance(result, Rejected):
            return Timing(self.name, seconds, 1, result.reason)
        return Timing(self.name, seconds)


def prepare(name: str, backend: Backend, seed: int) -> Kernel:
    """The kernel called ``name`` with its inputs, run once; all ranks get the same inputs."""
    case = (CUDA if backend.name == "cuda" else HOST)[name]
    benchmark = discovery.discover()[case.benchmark]
    try:
        implementation = _implementation(benchmark, case, backend)
        places = benchmark.places(case)
        prepared = task.prepare(benchmark, case, 0, seed)
        held = buffers.allocate(backend, prepared.inputs, benchmark.outputs(case), CacheMode.HOT, places)[0]
        step = backend.bind(implementation, held.all, case, SoloWorld(), places)
        step()
    except (BenchsuiteError, MemoryError, ImportError) as error:
        return Kernel(name, backend, benchmark, case, reason=str(error) or "there was not enough memory")
    return Kernel(name, backend, benchmark, case, prepared, step, held)


def _implementation(benchmark: Benchmark, case: Case, backend: Backend) -> Implementation:
    """The one of ``FIRST`` that can run here, else the first that can."""
    able = backend.capabilities()
    found = [one for one in benchmark.implementations if one.requires <= able and one.supports(case)]
    if not found:
        raise UnavailableError(f"Nothing here can run {case.key}.")
    return min(found, key=lambda one: FIRST.index(one.name) if one.name in FIRST else len(FIRST))
