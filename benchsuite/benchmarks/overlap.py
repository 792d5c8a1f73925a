"""Does communication hide behind computation here?

A matrix multiplication of every rank and an all-reduce between them, four ways: each alone (``compute``,
``communicate``), one after the other (``serial``), and the all-reduce begun before the multiplication and waited for
after it (``overlapped``), as a backward pass does with its buckets of gradients. What of the communication stays
exposed is overlapped - compute (``benchsuite.training``).

The multiplication is NumPy's with the rank's threads. Nothing of ours drives the messages meanwhile: whether the MPI
library moves them while no one calls it is its own affair, and that is what is measured.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    CollectiveCall,
    Expected,
    Implementation,
    LocalOps,
    Metric,
    Ranks,
    Work,
    World,
)

LARGEST = 2**10
COLUMNS = 4  # columns of C that are checked element by element
PARTS = ("overlapped", "compute", "communicate", "serial")


def elements(case: Case) -> int:
    """Elements of the message."""
    return max(1, case.integer("bytes") // units.dtype(case.text("dtype")).bytes)


def computes(case: Case) -> bool:
    """Whether matrices are multiplied."""
    return case.text("part") != "communicate"


def communicates(case: Case) -> bool:
    """Whether there is an all-reduce."""
    return case.text("part") != "compute"


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Matrices of -2..2 and a message of whole numbers below 2**10: all sums are exact."""
    kind, n = units.dtype(case.text("dtype")).storage, case.integer("n")
    made: dict[str, Array] = {}
    if computes(case):
        made = {name: rng.integers(-2, 3, (n, n), dtype=np.int8).astype(kind) for name in ("a", "b")}
    if communicates(case):
        made["x"] = rng.integers(-LARGEST, LARGEST, elements(case), dtype=np.int16).astype(kind)
    return made


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The product and the sum, as far as the part makes them."""
    n, dtype = case.integer("n"), case.text("dtype")
    made = {"c": ArraySpec((n, n), dtype)} if computes(case) else {}
    return {**made, "y": ArraySpec((elements(case),), dtype)} if communicates(case) else made


def work(case: Case) -> Work:
    """One step; of the multiplication 2 n**3 operations, of the all-reduce what ``allreduce`` counts."""
    n, ranks = case.integer("n"), case.ranks
    size = float(elements(case) * units.dtype(case.text("dtype")).bytes) if communicates(case) else 0.0
    matrix = float(n * n * units.dtype(case.text("dtype")).bytes) if computes(case) else 0.0
    return Work(
        flops=2.0 * n**3 if computes(case) else 0.0,
        read=2 * matrix + size,
        written=matrix + size,
        payload=size,
        wire=2 * (ranks - 1) / ranks * size,
        steps=1.0,
    )


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """C P = A (B P) for random signs and unit vectors P (``gemm.reference``), and the exact sum of the messages."""
    found: dict[str, Expected] = {}
    if computes(case):
        n, own = case.integer("n"), ranks[ranks.rank]
        project = np.zeros((n, 1 + COLUMNS))
        project[:, 0] = rng.choice((-1.0, 1.0), n)
        project[rng.integers(0, n, COLUMNS), np.arange(1, 1 + COLUMNS)] = 1.0
        found["c"] = Expected(own["a"].astype(np.float64) @ (own["b"].astype(np.float64) @ project), project=project)
    if communicates(case):
        total: Array = np.zeros(elements(case), np.int32)
        for arrays in ranks:
            total = total + arrays["x"].astype(np.int32)
        found["y"] = Expected(total.astype(units.dtype(case.text("dtype")).storage))
    return found


def invalid(case: Case) -> str:
    """Sums of products that are not exact."""
    return "sums of so many products are not exact in this type" if 4 * case.integer("n") >= 2**24 else ""


def step(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """One part."""
    match case.text("part"):
        case "compute":
            np.matmul(buffers["a"], buffers["b"], out=buffers["c"])
        case "communicate":
            world.start_allreduce(buffers["x"], buffers["y"])()
        case "serial":
            np.matmul(buffers["a"], buffers["b"], out=buffers["c"])
            world.start_allreduce(buffers["x"], buffers["y"])()
        case _:
            wait = world.start_allreduce(buffers["x"], buffers["y"])
            np.matmul(buffers["a"], buffers["b"], out=buffers["c"])
            wait()


BENCHMARK = Benchmark(
    name="overlap",
    question="Does an all-reduce hide behind a matrix multiplication?",
    metric=Metric.LATENCY,
    axes=(
        Axis("part", PARTS, "both at once, one of them alone, or one after the other", choices=PARTS),
        Axis("n", (256, 1024), "rows and columns of the matrices that each rank multiplies"),
        Axis("bytes", (64 * units.KIB, 16 * units.MIB), "message each rank contributes", unit="bytes"),
        Axis("dtype", ("fp32",), "of matrices and message", choices=("fp32", "fp64")),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(Implementation("mpi", CollectiveCall(step), frozenset({"host", "ranks"}), provider="mpi"),),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
    invalid=invalid,
)
