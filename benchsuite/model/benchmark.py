"""What a benchmark is: axes, cases, work, metric, expectation, implementations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from benchsuite import units
from benchsuite.model.cuda import CudaKernel, CudaLibrary, Cut, Tunable
from benchsuite.model.world import Array, LocalOps, World

Scalar = str | int | float | bool
Arrays = Mapping[str, Array]
Buffers = Mapping[str, Array]
Step = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter of a benchmark.

    ``values`` are the defaults, the smallest first: conformance tests run the first value of every
    axis. ``unit`` is ``"bytes"`` where suites may write sizes such as ``"32 KiB"``, else ``""``.
    ``choices`` closes the axis: any other value is refused when a suite is loaded.
    """

    name: str
    values: tuple[Scalar, ...]
    doc: str = ""
    unit: str = ""
    choices: tuple[Scalar, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A benchmark with every parameter fixed. ``params`` is sorted by name; ``ranks`` is the world size."""

    benchmark: str
    params: tuple[tuple[str, Scalar], ...]
    ranks: int = 1

    @classmethod
    def of(cls, benchmark: str, ranks: int = 1, **params: Scalar) -> Case:
        """The case with these parameters, in canonical order."""
        return cls(benchmark, tuple(sorted(params.items())), ranks)

    @property
    def key(self) -> str:
        """The case's identity: equal keys are the same work, on any machine."""
        words = [self.benchmark, *(f"{name}={_word(value)}" for name, value in self.params)]
        return " ".join(words if self.ranks == 1 else [*words, f"ranks={self.ranks}"])

    def __getitem__(self, name: str) -> Scalar:
        return dict(self.params)[name]

    def integer(self, name: str) -> int:
        """The integer parameter ``name``."""
        value = self[name]
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{self.benchmark}: {name}={value!r} is not an integer")
        return value

    def text(self, name: str) -> str:
        """The text parameter ``name``."""
        value = self[name]
        if not isinstance(value, str):
            raise TypeError(f"{self.benchmark}: {name}={value!r} is not text")
        return value

    def flag(self, name: str) -> bool:
        """The boolean parameter ``name``."""
        value = self[name]
        if not isinstance(value, bool):
            raise TypeError(f"{self.benchmark}: {name}={value!r} is not true or false")
        return value


def _word(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Work:
    """The algorithmic minimum of one iteration, identical on every backend.

    flops: multiply and add count as two (GEMM: 2mnk). read, written: bytes that must cross the
    memory interface at least once. payload: bytes of the message as nccl-tests counts them, so that algbw is
    payload/seconds: what each rank contributes, or of an all-gather all that each rank ends with. wire: bytes the
    busiest rank must send or receive in the best algorithm. steps: dependent steps of a latency chain.
    """

    flops: float = 0.0
    read: float = 0.0
    written: float = 0.0
    payload: float = 0.0
    wire: float = 0.0
    steps: float = 0.0

    @property
    def bytes(self) -> float:
        """Bytes read and written."""
        return self.read + self.written


class Metric(StrEnum):
    """What a benchmark's headline number means, and how seconds and work become it.

    Our own benchmarks use those down to ``CLOCK``; the rest is what other tools print (``imports``).
    """

    FLOPS = "flop/s"
    BANDWIDTH = "B/s"
    BUSBW = "busbw B/s"
    LATENCY = "s"
    CLOCK = "Hz"
    ALGBW = "algbw B/s"
    RATE = "1/s"
    POWER = "W"
    TEMPERATURE = "°C"
    COUNT = "1"
    RATIO = "ratio"

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger number is the better one."""
        return self not in {Metric.LATENCY, Metric.POWER, Metric.TEMPERATURE}

    def quantity(self, work: Work, seconds: float) -> float:
        """The metric of one iteration of ``work`` that took ``seconds`` (SI units, no prefixes).

        ``busbw`` is wire/seconds: for all-reduce the wire bytes are 2(n-1)/n of the payload, the
        factor of nccl-tests doc/PERFORMANCE.md. Latency is seconds per dependent step.
        """
        if not seconds > 0.0:
            raise ValueError(f"a duration of {seconds!r} s is no measurement")
        match self:
            case Metric.FLOPS:
                return work.flops / seconds
            case Metric.BANDWIDTH:
                return work.bytes / seconds
            case Metric.BUSBW:
                return work.wire / seconds
            case Metric.LATENCY:
                return seconds / work.steps
            case Metric.CLOCK:
                return work.steps / seconds
            case _:
                raise ValueError(f"{self.name} is read from other tools, not made from time and work")


class CacheMode(StrEnum):
    """``hot``: every iteration uses the same buffers. ``cold``: buffers rotate beyond the last-level cache."""

    HOT = "hot"
    COLD = "cold"


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """Shape and element type of an output the backend allocates. ``dtype`` is a name of ``units.DTYPES``."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return int(np.prod(self.shape, dtype=np.int64)) * units.dtype(self.dtype).bytes


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Allowed error: ``|got - expected| <= absolute + relative * |expected|``, element by element."""

    relative: float = 0.0
    absolute: float = 0.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What part of an output must equal.

    The framework compares ``output[index]`` with ``values``; with ``project`` it compares
    ``output[index] @ project`` in float64 instead (Freivalds' check: A(Bx) against Cx costs
    O(n^2) and sees every element). ``tolerance`` overrides the benchmark's own; its absolute part is multiplied with
    ``scale`` (broadcast against ``values``) where some elements are harder to get right than others.
    Independently of this, every floating-point output must be finite everywhere.
    """

    values: Array
    index: Any = ...
    project: Array | None = None
    tolerance: Tolerance | None = None
    scale: Array | None = None


@dataclass(frozen=True, slots=True)
class HostCall:
    """A plain function over NumPy buffers: ``function(buffers, case)`` fills the outputs in place."""

    function: Callable[[Buffers, Case], None]


@dataclass(frozen=True, slots=True)
class HostKernel:
    """A compiled kernel of the host backend, named ``"module:function"`` below ``backends/host``.

    The function is called once, untimed: ``function(buffers, case, threads) -> step``; the
    returned step takes no argument, runs one iteration and fills the outputs in place.
    tunable: what of its cut may be chosen by measuring; the function takes a cut's numbers as keywords. cut: that one,
    whatever was measured.
    """

    entry: str
    tunable: Tunable | None = None
    cut: Cut = ()


Collective = Callable[[World, Buffers, Case, LocalOps], None]


@dataclass(frozen=True, slots=True)
class CollectiveCall:
    """A collective written once over a world: ``function(world, buffers, case, ops)``.

    before: is called untimed after the outputs were poisoned, and puts into them what the operation starts from.
    over: what moves the data: nothing for the world that the launcher made, else a library that the backend joins
    (``"nccl"``, ``"mpi-cuda"``).
    restoring: the part of ``function`` that puts back what the operation overwrites in this case, if it does; it is
    timed by itself afterwards, and told beside the result.
    """

    function: Collective
    before: Collective | None = None
    restoring: Callable[[Case], Collective | None] = lambda case: None
    over: str = ""


Op = HostCall | HostKernel | CollectiveCall | CudaKernel | CudaLibrary


@dataclass(frozen=True, slots=True)
class Implementation:
    """Who computes a case. Ours and the vendor's are peers of one case, so one run compares them.

    ``requires``: capabilities the backend must offer (``"host"``, ``"numba"``, ``"torch"``,
    ``"torch-bf16"``, ``"torch-int8"``, ``"mkl"``, ``"mpi"``, ``"cuda"``, ``"cublas"`` …). ``supports(case)`` is a
    further, pure restriction. ``provider`` names the library whose version is recorded beside the result:
    a key of ``Backend.providers()``.
    """

    name: str
    op: Op
    requires: frozenset[str] = frozenset({"host"})
    provider: str = "benchsuite"
    supports: Callable[[Case], bool] = lambda case: True


class Ranks(Sequence[Arrays]):
    """Every rank's inputs; ``rank`` is the one whose outputs are asked for."""

    rank: int


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Data plus pure functions; the framework owns time.

    inputs(case, rng)            arrays made from a seed; one call per rank
    outputs(case)                what the backend allocates for the result
    work(case)                   the algorithmic minimum
    reference(case, ranks, rng)  what the outputs of ``ranks.rank`` must be; ``ranks[r]`` are rank r's inputs
    tolerance(case)              allowed error of the comparison
    invalid(case)                a reason why this combination of parameters makes no sense, or ""
    places(case)                 buffers that do not lie in device memory: ``{"x": "pinned"}`` (see ``model.cuda``)
    """

    name: str
    question: str
    metric: Metric
    axes: tuple[Axis, ...]
    inputs: Callable[[Case, np.random.Generator], Arrays]
    outputs: Callable[[Case], Mapping[str, ArraySpec]]
    work: Callable[[Case], Work]
    reference: Callable[[Case, Ranks, np.random.Generator], Mapping[str, Expected]]
    implementations: tuple[Implementation, ...]
    tolerance: Callable[[Case], Tolerance] = lambda case: Tolerance()
    tags: frozenset[str] = frozenset()
    cache: CacheMode = CacheMode.COLD
    invalid: Callable[[Case], str] = lambda case: ""
    places: Callable[[Case], Mapping[str, str]] = lambda case: {}

    @property
    def collective(self) -> bool:
        """Whether the benchmark needs more than one rank."""
        return any(isinstance(item.op, CollectiveCall) for item in self.implementations)

    def axis(self, name: str) -> Axis | None:
        """The axis called ``name``, if there is one."""
        return next((axis for axis in self.axes if axis.name == name), None)
