"""How fast is the local step of an all-reduce, the sum of what came with what is held?

Between any two messages of a ring each rank adds a chunk: ``y = a + b``. Two reads and a write for
every element, so memory bounds it; a ring is not faster than this, whatever its links.
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

LARGEST: Mapping[str, int] = {"bf16": 2**7, "fp16": 2**10, "fp32": 2**20}
"""Whole numbers up to this and their sums are exact in the type."""
THREADS, DEPTH, VECTOR = 256, 4, 16
"""Of ``collective/add.cu``: threads of a block, vectors of a thread, bytes of a vector."""


def elements(case: Case) -> int:
    """Elements of the chunk."""
    return max(1, case.integer("bytes") // units.dtype(case.text("dtype")).bytes)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Whole numbers, so that each sum is exact."""
    kind = case.text("dtype")

    def numbers() -> Array:
        whole = rng.integers(-LARGEST[kind], LARGEST[kind], elements(case), np.int32).astype(np.float32)
        return units.to_bf16(whole) if kind == "bf16" else whole.astype(units.dtype(kind).storage)

    return {"a": numbers(), "b": numbers()}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The sum."""
    return {"y": ArraySpec((elements(case),), case.text("dtype"))}


def work(case: Case) -> Work:
    """Two arrays read, one written."""
    size = float(elements(case) * units.dtype(case.text("dtype")).bytes)
    return Work(flops=elements(case), read=2 * size, written=size)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The exact sum, in integers."""
    a, b = (units.as_float(ranks[0][name], case.text("dtype")).astype(np.int32) for name in "ab")
    return {"y": Expected((a + b).astype(np.float64))}


def by_numpy(buffers: Buffers, case: Case) -> None:
    """One NumPy addition; bf16, which NumPy does not know, by way of float32."""
    if case.text("dtype") != "bf16":
        np.add(buffers["a"], buffers["b"], out=buffers["y"])
    else:
        buffers["y"][...] = units.to_bf16(units.from_bf16(buffers["a"]) + units.from_bf16(buffers["b"]))


def source(case: Case, device: Device) -> Source:
    """The variant for the element type."""
    return Source.of("collective/add.cu", **{name.upper(): int(name == case.text("dtype")) for name in LARGEST})


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """Every thread has its elements at once: as many blocks as that takes."""
    size = elements(case) * units.dtype(case.text("dtype")).bytes
    blocks = max(1, -(-(size // VECTOR) // (THREADS * DEPTH)))
    args = ("y", "a", "b", np.uint64(size // 4), np.uint32(size % 4 != 0))
    return (Launch("add", (blocks, 1, 1), (THREADS, 1, 1), args),)


BENCHMARK = Benchmark(
    name="reduce-step",
    question="How fast is the local step of an all-reduce?",
    metric=Metric.BANDWIDTH,
    axes=(
        Axis("bytes", (1002, 64 * units.MIB), "chunk that is added", unit="bytes"),
        Axis("dtype", ("fp32",), choices=("fp32", "fp16", "bf16")),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("add", CudaKernel(source, launches), frozenset({"cuda"})),
        Implementation("numpy", HostCall(by_numpy), provider="numpy"),
    ),
    tags=frozenset({"collective", "memory", "dram"}),
    cache=CacheMode.COLD,
)
