"""Nouns of a forecast: what a machine gives, how a model is run on it, and what that will take.

    Ceilings x model shape x Precision x Mesh x Traffic x Engine -> Forecast

SI units: seconds, bytes, FLOP/s, bytes per second, tokens, joules, US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Footing(StrEnum):
    """Where a number that a forecast rests on comes from, the firmest first.

    ``MEASURED`` on this very machine; ``PUBLISHED``: others measured it on machines of its name; ``ASSUMED``: the
    datasheet times what is usual.
    """

    MEASURED = "measured"
    PUBLISHED = "published"
    ASSUMED = "assumed"


class Bound(StrEnum):
    """The resource that a share of the time is spent on."""

    COMPUTE = "compute"
    BANDWIDTH = "memory bandwidth"
    LINK = "link"
    LATENCY = "latency"
    IDLE = "waiting"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A rate (or a time) that one device reaches at its best. ``source``: a sentence that names run, case or figure."""

    value: float
    footing: Footing
    source: str = ""


@dataclass(frozen=True, slots=True)
class GemmPoint:
    """A product of ``m x k`` by ``k x n`` and its rate in FLOP/s."""

    m: int
    n: int
    k: int
    rate: float


@dataclass(frozen=True, slots=True)
class MessagePoint:
    """A message of ``bytes`` among ``ranks`` (the whole buffer, as the benchmark counts it) and its seconds."""

    bytes: int
    ranks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class KernelPoint:
    """A kernel of a decoder that was measured by itself, and its seconds.

    attention: causal, of ``rows`` prompts of ``width`` tokens; decode: of ``rows`` sequences with caches of ``width``
    tokens; norm, rope, gate, add, store: of ``rows`` tokens and ``width`` elements of the operand (the benchmark
    ``pointwise``). The counts of heads are 0 where none matter.
    """

    kernel: str
    dtype: str
    rows: int
    width: int
    seconds: float
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What one device of a machine gives, and what joins its ``devices``.

    hardware: its key in the catalogue, empty where that knows none. memory: bytes of each device. bandwidth: B/s of
    reading memory. gemm: large products by element type (``units.dtype`` names), FLOP/s; shapes: measured products by
    element type, in FLOP/s, empty where none were. attention: prefill, by element type; decode: B/s at which a cache
    of keys and values is read. link: B/s from one device to the others, one direction, fabric: its kind. messages:
    measured collectives by benchmark. launch: seconds that starting one kernel takes. watts: of one device at work.
    types: element types that it multiplies natively. usd_per_hour: of one device, where the caller knows it.
    processors: multiprocessors of a device, 0 where not known (a CPU: its cores need no tiles). kernels: of a decoder,
    measured one by one. unsteady: of how many of its measured cases no result was steady.
    """

    name: str
    devices: int
    memory: float
    bandwidth: Ceiling
    gemm: Mapping[str, Ceiling]
    hardware: str = ""
    shapes: Mapping[str, tuple[GemmPoint, ...]] = field(default_factory=dict)
    attention: Mapping[str, Ceiling] = field(default_factory=dict)
    decode: Ceiling | None = None
    link: Ceiling | None = None
    fabric: str = ""
    messages: Mapping[str, tuple[MessagePoint, ...]] = field(default_factory=dict)
    launch: Ceiling | None = None
    watts: Ceiling | None = None
    types: frozenset[str] = frozenset()
    usd_per_hour: Ceiling | None = None
    processors: int = 0
    kernels: tuple[KernelPoint, ...] = ()
    unsteady: int = 0


@dataclass(frozen=True, slots=True)
class Precision:
    """How a model's numbers are kept and multiplied: bytes of a weight (scales included) and of a cached element.

    gemm: the element type that the tensor cores multiply; where weights are only stored narrow (w4a16), the wide one.
    experts_only: whether everything but the experts stays at 16 bits.
    """

    name: str
    weights: float
    gemm: str
    cache: float
    experts_only: bool = False


@dataclass(frozen=True, slots=True)
class Mesh:
    """Over how many devices one copy of the model is spread."""

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1

    @property
    def devices(self) -> int:
        """Devices of one copy. Experts are spread over devices of the other two kinds, they need none of their own."""
        return self.tensor * self.pipeline


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is asked: tokens read and written by each request. ``requests``: how many there are, 0: without end.

    batch: sequences decoded at once by one copy, 0: as many as fit.
    """

    isl: int
    osl: int
    requests: int = 0
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Term:
    """A share of a phase. ``hidden``: it runs beside a longer one, is shown and not added."""

    name: str
    seconds: float
    bound: Bound
    footing: Footing
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """A step of the work and where its time goes. ``seconds`` is the sum of what is not hidden."""

    name: str
    terms: tuple[Term, ...]

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return sum(term.seconds for term in self.terms if not term.hidden)

    @property
    def bound(self) -> Bound:
        """The resource that most of it is spent on."""
        spent: dict[Bound, float] = {}
        for term in self.terms:
            if not term.hidden:
                spent[term.bound] = spent.get(term.bound, 0.0) + term.seconds
        return max(spent, key=lambda bound: spent[bound])


@dataclass(frozen=True, slots=True)
class Band:
    """A forecast number and the interval that calibration gives it."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Band:
        """The same in another unit."""
        return Band(self.value * factor, self.low * factor, self.high * factor)

    def into(self, numerator: float) -> Band:
        """``numerator`` divided by it: the ends change places."""
        return Band(numerator / self.value, numerator / self.high, numerator / self.low)


@dataclass(frozen=True, slots=True)
class Caution:
    """Why a forecast's band is wide. ``code`` in capitals, as a machine reads it; ``words`` a sentence."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What serving a model on a machine will take.

    batch: sequences decoded at once by one copy; max_batch: as many as memory holds at this length; max_context:
    tokens of the longest single sequence that fits. prefill: of one request; decode: one step at ``batch``.
    throughput: output tokens per second of one device; ttft, tpot: seconds to the first token of a request that waits
    for nobody, and of each further one. usd_in, usd_out: dollars of a million tokens read or written (the time of the
    device divided by what it is spent on); joules: of one output token. confidence: the nominal coverage of the bands,
    0 where none can be claimed.
    """

    model: str
    ceilings: Ceilings
    precision: Precision
    mesh: Mesh
    traffic: Traffic
    engine: str
    batch: float
    max_batch: int
    max_context: int
    prefill: Phase
    decode: Phase
    throughput: Band
    ttft: Band
    tpot: Band
    usd_in: Band | None = None
    usd_out: Band | None = None
    joules: Band | None = None
    assumptions: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()
    confidence: float = 0.0
