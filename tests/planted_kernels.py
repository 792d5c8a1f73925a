"""A benchmark whose CUDA kernels are planted by a test: copied into a folder, it is found as a user's file is.

``scale.cu`` lies beside it: the path of a kernel may be absolute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchsuite.model import (
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Case,
    CudaKernel,
    Device,
    Expected,
    Implementation,
    Launch,
    Metric,
    Source,
    Work,
)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """A vector of single-precision numbers."""
    return {"x": rng.standard_normal(case.integer("n")).astype(np.float32)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """As many."""
    return {"y": ArraySpec((case.integer("n"),), "fp32")}


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """Twice the input."""
    return {"y": Expected(2.0 * ranks[0]["x"].astype(np.float64))}


def source(case: Case, device: Device) -> Source:
    """Wider where the chip is newer."""
    return Source.of(str(Path(__file__).with_name("scale.cu")), WIDTH=4 if device.generation >= 90 else 2)


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """A thread for each element."""
    n = case.integer("n")
    return (Launch("scale", (-(-n // 256), 1, 1), (256, 1, 1), ("y", "x", np.float32(2.0), np.int32(n))),)


def benchmark(kernel: CudaKernel, name: str = "scale") -> Benchmark:
    """With one kernel and two axes."""
    return Benchmark(
        name=name,
        question="How fast is a vector scaled?",
        metric=Metric.BANDWIDTH,
        axes=(Axis("n", (1000, 1 << 20)), Axis("mode", ("near",), choices=("near", "far"))),
        inputs=inputs,
        outputs=outputs,
        work=lambda case: Work(read=4.0 * case.integer("n"), written=4.0 * case.integer("n")),
        reference=reference,
        implementations=(Implementation("ours", kernel, requires=frozenset({"cuda"})),),
    )


BENCHMARK = benchmark(CudaKernel(source, launches))
