"""How long do so many equal blocks take when only one fits on a processor?

Up to as many blocks as there are streaming multiprocessors it is the time of one block; one more, and it doubles: the
step counts the processors that a kernel really gets, under MIG, a time slice or a disabled unit too.
Every block's result is verified, and so is that each block was seen on a processor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

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

MOST = 1024
"""Processors told apart by their number; numbers may have gaps."""


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Where each block's chain starts, and the chain's two run-time operands, so that nothing can be folded."""
    return {
        "start": rng.integers(0, 2**32, case.integer("blocks"), dtype=np.uint32),
        "operands": rng.integers(0, 2**32, 2, dtype=np.uint32),
    }


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The end of every block's chain; blocks by the number of the processor that ran them."""
    return {"end": ArraySpec((case.integer("blocks"),), "uint32"), "seen": ArraySpec((MOST,), "uint32")}


def work(case: Case) -> Work:
    """One launch: the time is that of all blocks together."""
    return Work(steps=1.0)


def chains(start: Array, operands: Array, steps: int) -> Array:
    """``steps`` pairs of operations on every start, modulo 2**32."""
    value, (mask, addend) = start.copy(), operands
    for _ in range(steps):
        value ^= mask
        value += addend
    return value


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The chains, and that all blocks were seen: what the processors counted adds up to their number."""
    start, operands = ranks[0]["start"], ranks[0]["operands"]
    return {
        "end": Expected(chains(start, operands, case.integer("steps"))),
        "seen": Expected(np.array(float(case.integer("blocks"))), project=np.ones(MOST)),
    }


def numpy_chains(buffers: Buffers, case: Case) -> None:
    """All blocks on one processor, number 0."""
    buffers["end"][...] = chains(buffers["start"], buffers["operands"], case.integer("steps"))
    buffers["seen"][...] = 0
    buffers["seen"][0] = case.integer("blocks")


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """Forget, then spin: a block takes the most shared memory that one may, more than half of a processor's."""
    numbers = (np.uint32(case.integer("steps")), np.uint32(MOST))
    blocks, shared = case.integer("blocks"), device.shared
    return (
        Launch("forget", (1, 1, 1), (MOST, 1, 1), ("seen",)),
        Launch("spin", (blocks, 1, 1), (32, 1, 1), ("start", "operands", "end", "seen", *numbers), shared),
    )


BENCHMARK = Benchmark(
    name="processors",
    question="How long do so many equal blocks take when only one fits on a processor?",
    metric=Metric.LATENCY,
    axes=(
        Axis("blocks", (1,), "blocks of one launch; the time steps up after each multiple of the processors"),
        Axis("steps", (2**15,), "dependent pairs of operations in a block"),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation(
            "spin", CudaKernel(lambda case, device: Source.of("probe/processors.cu"), launches), frozenset({"cuda"})
        ),
        Implementation("numpy", HostCall(numpy_chains)),
    ),
    tags=frozenset({"probe", "gpu"}),
    cache=CacheMode.HOT,
)
