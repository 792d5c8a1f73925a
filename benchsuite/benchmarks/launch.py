"""How long does the launch of a kernel take that does next to nothing?

Launches in one stream, one after another, each of one thread that adds one: the count is verified, so
that none was lost. Seconds are per launch. ``stream`` enqueues each from Python while the device
runs those before; ``queued`` lets the device wait until all are enqueued, so that only its own time is left;
``graph`` replays all of them as one captured graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite.model import (
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


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Where the count starts."""
    return {"start": rng.integers(0, 2**32, 1, dtype=np.uint32)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The count at the end."""
    return {"count": ArraySpec((1,), "uint32")}


def work(case: Case) -> Work:
    """A step is a launch: each waits for the one before it."""
    return Work(steps=float(case.integer("launches")))


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The start and one for each launch, modulo 2**32."""
    return {"count": Expected(ranks[0]["start"] + np.uint32(case.integer("launches")))}


def numpy_calls(buffers: Buffers, case: Case) -> None:
    """As many calls of NumPy's addition on one element: what the host's own least call costs."""
    count = buffers["count"]
    count[...] = buffers["start"]
    for _ in range(case.integer("launches")):
        np.add(count, 1, out=count)


def source(case: Case, device: Device) -> Source:
    """One variant."""
    return Source.of("probe/launch.cu")


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """All launches of an iteration, numbered."""
    numbers = range(case.integer("launches"))
    return tuple(Launch("launch", (1, 1, 1), (1, 1, 1), ("count", "start", np.uint32(i))) for i in numbers)


def invalid(case: Case) -> str:
    """Nothing to launch."""
    return "" if case.integer("launches") > 0 else "there is no launch"


CUDA = frozenset({"cuda"})

BENCHMARK = Benchmark(
    name="launch",
    question="How long does the launch of a kernel take that does next to nothing?",
    metric=Metric.LATENCY,
    axes=(Axis("launches", (10, 1000), "launches of one iteration, one after another"),),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("stream", CudaKernel(source, launches, gated=False), CUDA),
        Implementation("queued", CudaKernel(source, launches), CUDA),
        Implementation("graph", CudaKernel(source, launches, graph=True, gated=False), CUDA),
        Implementation("numpy", HostCall(numpy_calls), provider="numpy"),
    ),
    tags=frozenset({"probe", "gpu"}),
    cache=CacheMode.HOT,
    invalid=invalid,
)
