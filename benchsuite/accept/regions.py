"""Within which region a model's identity probes must lie, from the catalogue's datasheets.

A region answers "can this be such a card?", not "is it fast?": it is wide, and requirements are narrow. Each edge is
the end of what healthy cards of the kind were seen to reach of their datasheet, and five standard deviations of the
scatter between cards and runs beyond it. What was seen: A100 fp32 at 0.97 of its datasheet and 0.3 % between eight
cards, L40 at 0.43 to 0.55 under its power limit; matrix products at 0.87 on A100, mma.sync at about 0.65 on Hopper;
reading memory at 0.81 (H200, with too few loads under way) to 0.99 (H100 PCIe); latency that leaves the second-level
cache at half its size on A100 and H100, whose halves are far apart (gpu-benches, ml-engineering, docs/kernels.md).
``mma.sync`` of Blackwell's data-centre chips is not known, so there is no such region; that of its GeForce cards is
disputed, and wide. Filling has not been measured on many cards: its region only tells memory from a link.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchsuite import units
from benchsuite.catalog.gpus import gpus, is_card
from benchsuite.catalog.hardware import Accelerator
from benchsuite.model import Region
from benchsuite.units import GIB, NO_BREAK_SPACE

SIGMAS = 5.0
FILLED, KEPT_FREE = 0.95, 1.25 * GIB
"""Part of the driver's memory that is filled; on small cards all but what driver, context and code take."""
STATED = (
    "Of 400,000 simulated healthy cards of a model, anywhere in the ranges seen and with normal scatter, none fell "
    "outside: a false reject in fewer than 1 of 100,000 (95 %, rule of three). With heavy tails (Student's t, 3 "
    "degrees of freedom) it is fewer than 4 in 1,000. Both rest on the ranges and the scatter that each region's "
    "source names."
)
"""How often a healthy card of a model falls outside its region (tests/simulation/test_accept_identity.py)."""


@dataclass(frozen=True, slots=True)
class Healthy:
    """What healthy cards reach of a figure of their datasheet, from ``least`` to ``most`` of it, and the relative
    standard deviation between cards and runs around that."""

    least: float
    most: float
    scatter: float

    @property
    def edges(self) -> tuple[float, float]:
        """The region, in parts of the figure."""
        return self.least * math.exp(-SIGMAS * self.scatter), self.most * math.exp(SIGMAS * self.scatter)


COMPUTE, MEMORY = 0.03, 0.01
"""Scatter of what power and clocks limit, and of what memory limits (variation of GPUs: SC22, arXiv 2208.11035)."""
TENSOR: Mapping[str, Healthy] = {
    "8.0": Healthy(0.60, 1.05, COMPUTE),
    "8.6": Healthy(0.45, 1.15, COMPUTE),
    "8.9": Healthy(0.45, 1.15, COMPUTE),
    "9.0": Healthy(0.40, 0.80, COMPUTE),
    "12.0": Healthy(0.45, 2.00, COMPUTE),
}
"""mma.sync by compute capability."""
DTYPES: Mapping[str, tuple[str, ...]] = {
    "8.0": ("bf16", "tf32", "int8"),
    "8.6": ("bf16", "tf32", "int8"),
    "8.9": ("bf16", "tf32", "int8", "e4m3"),
    "9.0": ("bf16",),
    "12.0": ("bf16", "int8", "e4m3"),
}
"""Element types of the tensor cores that are probed."""
VECTOR = {True: Healthy(0.70, 1.10, COMPUTE), False: Healthy(0.40, 1.15, COMPUTE)}
"""fp32 and fp64 without tensor cores, with stacked memory (data-centre boards) and without."""
READING, FILLING, KNEE = Healthy(0.80, 1.03, MEMORY), Healthy(0.30, 1.03, COMPUTE), Healthy(0.45, 1.30, 0.10)
CORES, CORE_CACHE, HOST_FILLED = Healthy(0.65, 1.05, 0.03), Healthy(0.40, 1.50, 0.10), 0.5
EXPECTED = "expected of a healthy host"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a probe is expected to find on a healthy card: ``figure`` of the datasheet times ``healthy``.

    what: the figure in words and where it is from; basis: why so much of it.
    """

    probe: str
    figure: float
    healthy: Healthy
    what: str
    basis: str = "seen on healthy cards"

    @property
    def region(self) -> Region:
        """As it stands in a contract."""
        low, high = self.healthy.edges
        reach = f"{self.healthy.least:g} to {self.healthy.most:g} of it {self.basis}"
        source = f"{self.what}; {reach}, and {SIGMAS:g} x {self.healthy.scatter:.0%} beyond"
        return Region(self.probe, low * self.figure, high * self.figure, source)


def of(accelerator: Accelerator) -> tuple[Region, ...]:
    """The joint identity region of a model; fewer probes where the catalogue does not know a figure.

    ``Region.source`` says for each what it rests on; ``STATED`` how often a healthy card falls outside.
    """
    found = [one.region for one in expected(accelerator)]
    count = accelerator.processors
    if count:
        found.insert(0, Region("processors", count, count, f"catalogue: {count} multiprocessors, counted exactly"))
    total = accelerator.nvml_memory or accelerator.memory
    if total:
        low = max(min(FILLED * total, total - KEPT_FREE), total / 2)
        source = f"catalogue: {_size(total)} of memory; {FILLED:.0%} of it, or all but {_size(KEPT_FREE)}"
        found.append(Region("fill", float(math.floor(low)), float(math.ceil(1.01 * total)), source))
    return tuple(found)


def expected(accelerator: Accelerator) -> Iterator[Expected]:
    """What the probes that measure speed or size are expected to find on a healthy card of the model."""
    capability, peaks = accelerator.capability, accelerator.peaks
    stacked = accelerator.memory_kind.upper().startswith("HBM")
    for probe, dtype in (("fp32", "fp32"), ("fp64", "fp64-vector")):
        if peaks.get(dtype):
            yield Expected(
                probe, peaks[dtype], VECTOR[stacked], f"catalogue: {peaks[dtype] / 1e12:g} TFLOP/s of {dtype}"
            )
    for dtype in DTYPES.get(capability, ()):
        if peaks.get(dtype):
            what = f"catalogue: {peaks[dtype] / 1e12:g} T/s of dense {dtype}, by mma.sync"
            yield Expected(f"tensor-{dtype}", peaks[dtype], TENSOR[capability], what)
    if accelerator.cache:
        yield Expected("l2", accelerator.cache, KNEE, f"catalogue: {_size(accelerator.cache)} of second-level cache")
    if accelerator.bandwidth:
        what = f"catalogue: {accelerator.bandwidth / 1e9:g} GB/s of memory"
        yield Expected("bandwidth", accelerator.bandwidth, READING, what)
        yield Expected(
            "fill-rate", accelerator.bandwidth, FILLING, what, "expected, so that a link is told from memory"
        )


def of_host(cores: int, cache: int, memory: int) -> tuple[Region, ...]:
    """The region of a host: usable cores, bytes of the last-level cache that one core sees
    (``core_cache``), bytes of memory.

    0: unknown, then there is no region of it. All cores together keep a lower clock than one alone, seldom below 0.65
    of it; two threads of one core share its pipes, and fall outside.
    """
    found = []
    if cores > 1:
        found.append(Expected("cores", float(cores), CORES, f"host: {cores} usable cores", EXPECTED).region)
    if cache:
        found.append(
            Expected("llc", float(cache), CORE_CACHE, f"host: {_size(cache)} of last-level cache", EXPECTED).region
        )
    if memory:
        source = f"host: {_size(memory)} of memory; half of it is filled, as system and page cache hold some"
        found.append(Region("fill", float(math.floor(HOST_FILLED * memory)), float(memory), source))
    return tuple(found)


def core_cache(processor: Mapping[str, str]) -> int:
    """Bytes of the last-level cache that one core sees, from the facts of a processor; 0 where they do not tell.

    A processor of several dies has one on each, and a core is fast in its own only. 0 of a virtual machine too: it
    shares that cache with others, and how much they leave is nobody's promise.
    """
    if processor.get("virtual machine"):
        return 0
    levels = sorted(name for name in processor if name.startswith("cache L"))
    try:
        return units.parse_size(processor[levels[-1]].replace(NO_BREAK_SPACE, " ")) if levels else 0
    except ValueError:
        return 0


def lookalikes(accelerator: Accelerator) -> tuple[str, ...]:
    """Other models of the catalogue whose healthy cards can lie within this model's region: from these only the
    driver's name, the number on the bus and the links tell it apart. Keys, sorted."""
    asked = {region.probe: region for region in of(accelerator)}
    return tuple(
        sorted(key for key, other in gpus().items() if key != accelerator.key and is_card(other) and _can(other, asked))
    )


def _size(nbytes: float) -> str:
    """With plain spaces: it stands in a file that people edit."""
    return units.size(nbytes).replace(NO_BREAK_SPACE, " ")


def _can(other: Accelerator, asked: Mapping[str, Region]) -> bool:
    """Whether a healthy card of ``other`` can lie within every region."""
    memory = other.nvml_memory or other.memory
    counted = asked.get("processors")
    filled = asked.get("fill")
    if counted is not None and not counted.low <= other.processors <= counted.high:
        return False
    if filled is not None and memory < filled.low:
        return False
    reach = {one.probe: (one.healthy.least * one.figure, one.healthy.most * one.figure) for one in expected(other)}
    speeds = [region for probe, region in asked.items() if probe not in {"processors", "fill"}]
    return all(
        region.probe in reach and reach[region.probe][1] >= region.low and reach[region.probe][0] <= region.high
        for region in speeds
    )
