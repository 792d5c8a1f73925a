"""Which kernels there are: every source that a benchmark's cases need, for every architecture it claims.

No GPU and no compiler is needed to say so: sources and launches are pure functions of case and device, and the
device is the typical card of its architecture (``model.TYPICAL``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import numpy as np

from benchsuite import plan
from benchsuite import suite as suites
from benchsuite.errors import UsageError
from benchsuite.model import (
    TYPICAL,
    Arg,
    Axis,
    Benchmark,
    Case,
    CudaKernel,
    Device,
    Entry,
    Implementation,
    Launch,
    Source,
    TensorMap,
)

PRODUCT = 96
"""Closed axes are crossed in full up to so many cases; beyond that one axis at a time leaves its first value."""
POINTER, TENSOR_MAP = 8, 128
"""Bytes of a parameter that is an address, or a tensor map."""


@dataclass(frozen=True, slots=True)
class Use:
    """How one entry is launched, over all cases: the most threads, grid and dynamic shared memory (bytes) of any.

    arguments: bytes of each argument, once for every way in which they are given.
    """

    entry: str
    threads: int
    grid: tuple[int, int, int]
    shared: int
    arguments: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """One source for one architecture, and what its benchmarks expect of it.

    tensor: the instructions that must do the work (``CudaKernel.tensor``). spills: accepted bytes.
    """

    source: Source
    arch: str
    benchmarks: tuple[str, ...]
    implementations: tuple[str, ...]
    tensor: tuple[str, ...]
    spills: int
    uses: tuple[Use, ...]

    @property
    def label(self) -> str:
        """``"gemm/mma.cu BM=128 (sm_80)"``."""
        return f"{self.source.label} ({self.arch})"

    def matches(self, pattern: str) -> bool:
        """Whether a benchmark, an implementation, the file or an entry is called so (``*`` and ``?`` allowed)."""
        names = (
            *self.benchmarks,
            *self.implementations,
            self.source.label.split()[0],
            *(use.entry for use in self.uses),
        )
        return any(fnmatchcase(name, pattern) for name in names)


def asked(benchmarks: Mapping[str, Benchmark]) -> list[Entry]:
    """What the shipped suites for GPUs (``gpu*.toml``) measure."""
    gpu = [suites.load(name, benchmarks) for name in suites.available() if name.startswith("gpu")]
    return [entry for suite in gpu for entry in suite.entries]


def variants(
    benchmarks: Mapping[str, Benchmark], archs: Sequence[str] = tuple(TYPICAL), entries: Sequence[Entry] = ()
) -> list[Variant]:
    """Every source and architecture once, in the order of benchmarks and architectures.

    ``entries``: what must be compiled beside the first values and choices of every axis, as ``asked`` tells.
    Raises ``UsageError`` where a benchmark's own function fails.
    """
    found: dict[tuple[Source, str], _Collected] = {}
    for benchmark in benchmarks.values():
        kernels = [item for item in benchmark.implementations if isinstance(item.op, CudaKernel)]
        for arch in archs if kernels else ():
            for case in _cases(benchmark, TYPICAL[arch], entries):
                for item in kernels:
                    try:
                        _collect(found, item, case, TYPICAL[arch])
                    except Exception as error:
                        what = f"{case.key} [{item.name}] cannot say how it runs on {arch}"
                        raise UsageError(f"{what}: {type(error).__name__}: {error}.", "Mend its functions.") from error
    return [collected.variant() for collected in found.values()]


def bytes_of(argument: Arg) -> int:
    """What a launch's argument takes in the kernel's parameters."""
    if isinstance(argument, str):
        return POINTER
    return TENSOR_MAP if isinstance(argument, TensorMap) else int(argument.nbytes)


@dataclass(slots=True)
class _Collected:
    """A variant while cases are added to it. The dictionaries are sets that keep their order."""

    source: Source
    arch: str
    benchmarks: dict[str, None] = field(default_factory=dict)
    implementations: dict[str, None] = field(default_factory=dict)
    tensor: dict[str, None] = field(default_factory=dict)
    spills: int = 0
    launches: dict[str, list[Launch]] = field(default_factory=dict)

    def add(self, implementation: str, op: CudaKernel, case: Case, launches: Sequence[Launch]) -> None:
        self.benchmarks[case.benchmark] = self.implementations[implementation] = None
        self.tensor |= dict.fromkeys(op.tensor(case).split())
        self.spills = max(self.spills, op.spills)
        for launch in launches:
            self.launches.setdefault(launch.entry, []).append(launch)

    def variant(self) -> Variant:
        uses = tuple(_use(entry, launches) for entry, launches in self.launches.items())
        names = tuple(self.benchmarks), tuple(self.implementations), tuple(self.tensor)
        return Variant(self.source, self.arch, *names, self.spills, uses)


def _use(entry: str, launches: Sequence[Launch]) -> Use:
    grids = np.array([launch.grid for launch in launches], dtype=np.int64)
    x, y, z = (int(most) for most in grids.max(axis=0))
    arguments = dict.fromkeys(tuple(bytes_of(argument) for argument in launch.args) for launch in launches)
    return Use(
        entry=entry,
        threads=max(math.prod(launch.block) for launch in launches),
        grid=(x, y, z),
        shared=max(launch.shared for launch in launches),
        arguments=tuple(arguments),
    )


def _collect(found: dict[tuple[Source, str], _Collected], item: Implementation, case: Case, typical: Device) -> None:
    """Add what the implementation launches for the case, unless it does not run there."""
    op = item.op
    elsewhere = any(name.startswith("sm_") and name != typical.arch for name in item.requires)
    if elsewhere or not isinstance(op, CudaKernel) or not item.supports(case):
        return
    device = replace(typical, count=max(1, op.devices(case)))
    if op.lacks(case, device):
        return
    source = op.source(case, device)
    known = found.setdefault((source, device.arch), _Collected(source, device.arch))
    known.add(item.name, op, case, op.launches(case, device))


def _cases(benchmark: Benchmark, device: Device, entries: Sequence[Entry]) -> Iterator[Case]:
    """The cases whose kernels are compiled: small ones in every variety, and what the GPU suites ask for."""
    seen: set[Case] = set()
    for entry in (*_varieties(benchmark), *entries):
        for owner, case in plan.cases(entry, {benchmark.name: benchmark}, device.l2, ranks=2):
            if case not in seen and not owner.invalid(case):
                seen.add(case)
                yield case


def _varieties(benchmark: Benchmark) -> Iterator[Entry]:
    """Tables that ask for every value of each axis, and for the closed axes' choices crossed with each other."""
    first = {axis.name: _values(axis)[:1] for axis in benchmark.axes}
    closed = {axis.name: axis.choices for axis in benchmark.axes if axis.choices}
    if math.prod(map(len, closed.values())) <= PRODUCT:
        yield Entry((benchmark.name,), {**first, **closed})
    for axis in benchmark.axes:
        yield Entry((benchmark.name,), {**first, axis.name: _values(axis)})


def _values(axis: Axis) -> tuple[str | int | float | bool, ...]:
    """The values, the smallest first, then further choices."""
    return tuple(dict.fromkeys((*axis.values, *axis.choices)))
