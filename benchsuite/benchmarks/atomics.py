"""How many atomic additions a second does a GPU make?

Additions of 1 to an array of counters of ``bytes``, from as many threads as fit. One counter: all additions
meet at one address. Many: neighbouring lanes add to neighbouring counters (``lanes``), or all lanes of a
warp to one counter and the next warp to the next (``warp``). ``red`` asks for no answer, ``atom`` for the
counter's former value. The metric counts additions: 1 GHz is 10**9 of them a second.

The counters start from random numbers (a first launch copies them, less than 1 % of the work) and the
final ones are compared exactly. fp32 counters stay below 2**24, where every addition of 1 is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    CudaKernel,
    Device,
    Expected,
    HostCall,
    Implementation,
    Launch,
    Metric,
    Source,
    Work,
)

DTYPES = ("uint32", "uint64", "fp32")
MOST_EACH, AT_LEAST_EACH, ENOUGH = 2**20, 64, 2**26
"""Additions: to each counter at most and at least, and in all where that allows."""
THREADS, RESIDENT = 256, 4
SHIFT = {"lanes": 0, "warp": 5}


def counters(case: Case) -> int:
    """Elements of the array."""
    return case.integer("bytes") // units.dtype(case.text("dtype")).bytes


def additions(case: Case) -> int:
    """Additions of one iteration: 2**26 (tens of microseconds where they spread), fewer to a few counters."""
    return max(AT_LEAST_EACH * counters(case), min(ENOUGH, MOST_EACH * counters(case)))


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Where the counters start."""
    start = rng.integers(0, 2**20, counters(case))
    return {"start": start.astype(units.dtype(case.text("dtype")).storage)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """Where they end."""
    return {"counters": ArraySpec((counters(case),), case.text("dtype"))}


def work(case: Case) -> Work:
    """Additions as steps; each changes one counter."""
    return Work(steps=float(additions(case)))


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """Start plus count: addition g goes to counter g, or g // 32, modulo their number."""
    number, group = counters(case), 1 << SHIFT[case.text("pattern")]
    groups, rest = divmod(additions(case), group)
    counts = np.full(number, groups // number * group, np.int64)
    counts[: groups % number] += group
    counts[groups % number] += rest
    start: Array = ranks[0]["start"]
    return {"counters": Expected((start.astype(np.int64) + counts).astype(start.dtype))}


def by_numpy(buffers: Buffers, case: Case) -> None:
    """``np.add.at``, one thread, unordered by nothing."""
    values, number, shift = buffers["counters"], counters(case), SHIFT[case.text("pattern")]
    np.copyto(values, buffers["start"])
    for first in range(0, additions(case), MOST_EACH):
        made = np.arange(first, min(first + MOST_EACH, additions(case)))
        np.add.at(values, (made >> shift) % number, values.dtype.type(1))


def threads(device: Device) -> int:
    """Threads of the whole grid: half of what any GPU holds at once, and each sends without waiting."""
    return device.processors * RESIDENT * THREADS


def launches(case: Case, device: Device, answers: bool) -> tuple[Launch, ...]:
    """The counters' start, then all additions."""
    grid, block = (device.processors * RESIDENT, 1, 1), (THREADS, 1, 1)
    words = np.uint32(counters(case) * units.dtype(case.text("dtype")).bytes // 4)
    sizes = (np.uint32(counters(case)), np.uint64(additions(case)), np.uint32(SHIFT[case.text("pattern")]))
    entry = f"{'atom' if answers else 'red'}_{case.text('dtype')}"
    return (
        Launch("atomics_start", grid, block, ("counters", "start", words)),
        Launch(entry, grid, block, ("counters", *sizes, *(("seen",) if answers else ()))),
    )


def invalid(case: Case) -> str:
    """One counter at least, and indices of 32 bits."""
    return "" if 0 < counters(case) <= 2**30 else "there must be from 1 to 2**30 counters"


def _cuda(answers: bool) -> CudaKernel:
    def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
        return {"seen": ArraySpec((threads(device),), case.text("dtype"))} if answers else {}

    return CudaKernel(
        source=lambda case, device: Source.of("memory/atomics.cu"),
        launches=lambda case, device: launches(case, device, answers),
        scratch=scratch,
    )


BENCHMARK = Benchmark(
    name="atomics",
    question="How many atomic additions a second does a GPU make?",
    metric=Metric.CLOCK,
    axes=(
        Axis("dtype", ("uint32",), "type of a counter", choices=DTYPES),
        Axis("pattern", ("lanes",), "what a warp's lanes add to", choices=tuple(SHIFT)),
        Axis("bytes", (8, units.MIB), "all counters", unit="bytes"),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("red", _cuda(answers=False), frozenset({"cuda"})),
        Implementation("atom", _cuda(answers=True), frozenset({"cuda"})),
        Implementation("numpy", HostCall(by_numpy), provider="numpy"),
    ),
    tags=frozenset({"memory", "atomics", "gpu"}),
    cache=CacheMode.HOT,
    invalid=invalid,
)
