"""How fast do the cores read and write memory, from the first-level cache to DRAM?

The STREAM operations (McCalpin, https://www.cs.virginia.edu/stream/ref.html) and a pure read, in
float64: write ``a = s``, copy ``a = b``, scale ``a = s*b``, add ``a = b + c``, triad ``a = b + s*c``,
read ``total = sum(b)``. Bytes are counted as STREAM does: each array once per pass, the read of a
line before it is overwritten not at all.

``bytes`` is the whole working set: all arrays, all threads. Each thread keeps to its own share, so a
set that fits the cores' first-level caches measures the sum of these caches. Small sets are passed
over many times in one iteration (``units.passes``), which the work counts.

On a GPU a thread is a block's: a processor's blocks keep to their share, so that a set that fits the
first-level caches together measures these, a larger one the second level or DRAM (``kernels/memory/stream.cu``).
The benchmark ``cache`` asks for each level by itself.
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
    CudaLibrary,
    Device,
    Expected,
    HostCall,
    HostKernel,
    Implementation,
    Launch,
    Metric,
    Source,
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


def exceeds_l1(case: Case) -> bool:
    """Where accesses that leave no trace can pay on a GPU: beyond its first-level caches together."""
    return case.integer("bytes") >= 64 * units.MIB


def one_copy(case: Case) -> bool:
    """What the driver's own copy does: one pass of ``copy``."""
    return case.text("op") == "copy" and units.passes(case.integer("bytes")) == 1


KERNEL = frozenset({"host", "numba"})
THREADS, RESIDENT = 256, 4
"""Of ``kernels/memory/stream.cu``: threads of a block, blocks of a processor (64 registers a thread)."""
VECTORS_UNDER_WAY = 8
WAVES = 4
"""Blocks of ``read`` for each that can be resident: few enough to add their sums, enough to even out."""


def tiling(case: Case, device: Device) -> tuple[int, int]:
    """Blocks, and 16-byte vectors of a tile: as many as a block loads at once, fewer where the set is small.

    One pass is dealt tile by tile to whichever processor is free; with several, as many blocks as
    can be resident, so that a block meets its own tiles in every pass.
    """
    op, vectors = case.text("op"), elements(case) // 2
    tile = THREADS * VECTORS_UNDER_WAY // max(1, len(SOURCES[op]))
    resident = device.processors * RESIDENT
    most = resident
    if units.passes(case.integer("bytes")) == 1:
        most = WAVES * resident if op == "read" else vectors
    else:
        tile = min(tile, -(-vectors // (4 * resident)) * 4)
    return min(-(-vectors // tile), most), tile


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch: the operation, every pass."""
    op, (blocks, tile) = case.text("op"), tiling(case, device)
    arrays = ("a" if op != "read" else "", *SOURCES[op], "s" if op in {"write", "scale", "triad"} else "")
    sizes = (np.uint64(elements(case) // 2), np.uint32(tile), np.uint32(units.passes(case.integer("bytes"))))
    sums = ("running", "arrived", "total") if op == "read" else ()
    args = (*filter(None, arrays), *sizes, *sums)
    return (Launch(f"stream_{op}", (blocks, 1, 1), (THREADS, 1, 1), args),)


def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    """The sum so far, and how many blocks have added to it; the last leaves both zero again."""
    if case.text("op") != "read":
        return {}
    return {"running": ArraySpec((1,), "fp64"), "arrived": ArraySpec((1,), "uint32")}


def _cuda(once: int) -> CudaKernel:
    return CudaKernel(
        source=lambda case, device: Source.of("memory/stream.cu", ONCE=once),
        launches=launches,
        scratch=scratch,
        zeroed=frozenset({"running", "arrived"}),
    )


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
        Implementation("wide", _cuda(once=0), frozenset({"cuda"})),
        Implementation("wide-once", _cuda(once=1), frozenset({"cuda"}), supports=exceeds_l1),
        Implementation(
            "memcpy", CudaLibrary("memcpy:within"), frozenset({"cuda"}), provider="driver", supports=one_copy
        ),
    ),
    tags=frozenset({"memory", "ceiling", "dram"}),
    cache=CacheMode.HOT,
    invalid=invalid,
)
