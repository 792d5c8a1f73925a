"""How fast do the cores read and write memory, from the first-level cache to DRAM?

The STREAM operations (McCalpin, https://www.cs.virginia.edu/stream/ref.html) and a pure read, in
float64: write ``a = s``, copy ``a = b``, scale ``a = s*b``, add ``a = b + c``, triad ``a = b + s*c``,
read ``total = sum(b)``. Bytes are counted as STREAM does: each array once per pass, the read of a
line before it is overwritten not at all.

``bytes`` is the whole working set: all arrays, all threads. Each thread keeps to its own share, so a
set that fits the cores' first-level caches measures the sum of these caches. Small sets are passed
over many times in one iteration (``units.passes``), which the work counts.
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
    Expected,
    HostCall,
    HostKernel,
    Implementation,
    Metric,
    Work,
)

SOURCES = {"read": "b", "write": "", "copy": "b", "scale": "b", "add": "bc", "triad": "bc"}
FLOPS = {"read": 1, "write": 0, "copy": 0, "scale": 1, "add": 1, "triad": 2}
FACTOR = 3.0
LINE = 8
BLOCK = 2**15


def elements(case: Case) -> int:
    """Elements of each array: whole 64-byte lines, all arrays together at most ``bytes``."""
    op = case.text("op")
    arrays = len(SOURCES[op]) + (op != "read")
    return case.integer("bytes") // (arrays * LINE * 8) * LINE


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Sources of whole numbers below 2**20: every result is exact, and so is a sum in any order.

    A random block repeats with a number added each time, so that large arrays are made quickly and
    no two places can be confused unnoticed.
    """
    n = elements(case)
    sources = {name: _numbers(n, rng) for name in SOURCES[case.text("op")]}
    return {**sources, "s": np.array([FACTOR])}


def _numbers(n: int, rng: np.random.Generator) -> Array:
    block = rng.integers(0, 2**19, min(n, BLOCK)).astype(np.float64)
    numbers: Array = np.empty(n)
    for place in range(0, n, BLOCK):
        part = numbers[place : place + BLOCK]
        np.add(block[: part.size], place // BLOCK % 2**19, out=part)
    return numbers


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The sum of ``read``, the array ``a`` of every other operation."""
    if case.text("op") == "read":
        return {"total": ArraySpec((1,), "fp64")}
    return {"a": ArraySpec((elements(case),), "fp64")}


def work(case: Case) -> Work:
    """Each array once per pass."""
    op, passes = case.text("op"), units.passes(case.integer("bytes"))
    array = elements(case) * 8.0 * passes
    return Work(
        flops=FLOPS[op] * elements(case) * passes,
        read=array * len(SOURCES[op]),
        written=0.0 if op == "read" else array,
    )


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The whole result, exactly."""
    arrays, op, s = ranks[0], case.text("op"), FACTOR
    match op:
        case "read":
            # In integers: independent of any floating-point sum.
            return {"total": Expected(np.array([arrays["b"].astype(np.int64).sum()], dtype=np.float64))}
        case "write":
            return {"a": Expected(np.full(elements(case), s))}
        case "copy":
            return {"a": Expected(arrays["b"])}
        case "scale":
            return {"a": Expected(s * arrays["b"])}
        case "add":
            return {"a": Expected(arrays["b"] + arrays["c"])}
        case _:
            return {"a": Expected(arrays["b"] + s * arrays["c"])}


def by_numpy(buffers: Buffers, case: Case) -> None:
    """The operation in NumPy calls: one thread, triad in two passes."""
    for _ in range(units.passes(case.integer("bytes"))):
        _numpy_pass(case.text("op"), buffers)


def _numpy_pass(op: str, buffers: Buffers) -> None:
    match op:
        case "read":
            buffers["total"][0] = buffers["b"].sum()
        case "write":
            buffers["a"].fill(buffers["s"][0])
        case "copy":
            np.copyto(buffers["a"], buffers["b"])
        case "scale":
            np.multiply(buffers["b"], buffers["s"][0], out=buffers["a"])
        case "add":
            np.add(buffers["b"], buffers["c"], out=buffers["a"])
        case _:
            np.multiply(buffers["c"], buffers["s"][0], out=buffers["a"])
            np.add(buffers["a"], buffers["b"], out=buffers["a"])


def invalid(case: Case) -> str:
    """Too small for one line of each array."""
    return "" if elements(case) else "the working set holds less than one 64-byte line of each array"


def streams(case: Case) -> bool:
    """Where bypassing the caches can pay: an operation that writes, beyond any first or second level."""
    return case.text("op") != "read" and case.integer("bytes") >= 8 * units.MIB


KERNEL = frozenset({"host", "numba"})

BENCHMARK = Benchmark(
    name="memory",
    question="How fast do the cores read and write memory, from the first-level cache to DRAM?",
    metric=Metric.BANDWIDTH,
    axes=(
        Axis("op", ("triad",), "STREAM operation", choices=tuple(SOURCES)),
        Axis("bytes", (16 * units.KIB, 256 * units.MIB), "working set of all arrays and threads", unit="bytes"),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("stream", HostKernel("stream:plain"), KERNEL),
        Implementation("stream-nt", HostKernel("stream:non_temporal"), KERNEL, supports=streams),
        Implementation("numpy", HostCall(by_numpy), provider="numpy"),
    ),
    tags=frozenset({"memory", "ceiling"}),
    cache=CacheMode.HOT,
    invalid=invalid,
)
