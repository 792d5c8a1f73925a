"""How fast is a matrix multiplication, C (m, n) = A (m, k) B (k, n)?

Row-major matrices of N(0, 1) numbers (int8: uniform over -127..127); 2 m n k operations. Every
element of C is verified, in O(n^2) and against arithmetic in float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Case,
    Expected,
    HostKernel,
    Implementation,
    Metric,
    Tolerance,
    Work,
)

RESULT = {"fp64": "fp64", "fp32": "fp32", "bf16": "bf16", "int8": "int32"}
COLUMNS = 4  # columns of C that are checked element by element
ROWS_AT_ONCE = 512  # of a matrix, while it is converted to float64: bounds the extra memory


def shape(case: Case) -> tuple[int, int, int]:
    """m, n, k."""
    return case.integer("m"), case.integer("n"), case.integer("k")


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """``a`` (m, k) and ``b`` (k, n) in the case's element type."""
    m, n, k = shape(case)
    return {name: _random(size, case.text("dtype"), rng) for name, size in (("a", (m, k)), ("b", (k, n)))}


def _random(size: tuple[int, int], dtype: str, rng: np.random.Generator) -> Array:
    match dtype:
        case "int8":
            return rng.integers(-127, 128, size, dtype=np.int8)
        case "fp64":
            return rng.standard_normal(size)
        case "bf16":
            return units.to_bf16(rng.standard_normal(size, dtype=np.float32))
        case _:
            return rng.standard_normal(size, dtype=np.float32)


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """``c`` (m, n) in the inputs' type; int32 for int8."""
    m, n, _ = shape(case)
    return {"c": ArraySpec((m, n), RESULT[case.text("dtype")])}


def work(case: Case) -> Work:
    """2 m n k operations; A and B read once, C written once."""
    m, n, k = shape(case)
    dtype = case.text("dtype")
    element, result = units.dtype(dtype).bytes, units.dtype(RESULT[dtype]).bytes
    return Work(flops=2.0 * m * n * k, read=float(element * (m * k + k * n)), written=float(result * m * n))


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """C P = A (B P) for a projection P (n, 1 + COLUMNS), all in float64.

    P's first column holds random signs: Freivalds' check (1977), which sees every element of C. Its
    other columns are unit vectors: they pick random columns of C, which are thus checked element by
    element. The signs are scaled by 1/sqrt(n), so that a sum of n independent errors is as large as
    one of them and one tolerance serves both; not for int8, where everything is exact.
    """
    _, n, _ = shape(case)
    dtype = case.text("dtype")
    project = np.zeros((n, 1 + COLUMNS))
    project[:, 0] = rng.choice((-1.0, 1.0), n) / (1.0 if dtype == "int8" else math.sqrt(n))
    project[rng.integers(0, n, COLUMNS), np.arange(1, 1 + COLUMNS)] = 1.0
    a, b = ranks[0]["a"], ranks[0]["b"]
    return {"c": Expected(_product(a, _product(b, project, dtype), dtype), project=project)}


def _product(matrix: Array, vectors: Array, dtype: str) -> Array:
    """``matrix @ vectors`` in float64, some rows at a time."""
    starts = range(0, len(matrix), ROWS_AT_ONCE)
    blocks = (units.as_float(matrix[i : i + ROWS_AT_ONCE], dtype).astype(np.float64) for i in starts)
    return np.concatenate([block @ vectors for block in blocks])


def tolerance(case: Case) -> Tolerance:
    """4 u k (+ 2 u of the value) for sums of k products of N(0, 1), u = 2**-23 (fp32) or 2**-52 (fp64).

    A partial sum of j terms has the size sqrt(j), and adding the next one errs by up to u/2 of it: k
    such errors of random sign come to u k / sqrt(24) standard deviation, and 4 u k is 20 of these (a
    blocked sum errs less). A change of 0.01 sqrt(k) of one element moves its row's projection by
    0.01 sqrt(k/n): found while k n < 4e8 in fp32, and in a checked column at any size.

    bf16 is accumulated in fp32 and rounded once to 8 bits: up to 2**-9 of each element, of which
    2**-8 is allowed, and 2**-7 sqrt(k) for the projection, a sum of n such errors of elements of
    size sqrt(k), each 2**-10 of it on average. int8 is exact.
    """
    k, dtype = case.integer("k"), case.text("dtype")
    match dtype:
        case "int8":
            return Tolerance()
        case "fp64":
            return Tolerance(2 * 2.0**-52, 4 * 2.0**-52 * k)
        case "bf16":
            return Tolerance(relative=2.0**-8, absolute=4 * 2.0**-23 * k + 2.0**-7 * math.sqrt(k))
        case _:
            return Tolerance(2 * 2.0**-23, 4 * 2.0**-23 * k)


def invalid(case: Case) -> str:
    """Empty matrices, and int8 sums that would not fit into int32."""
    if min(shape(case)) < 1:
        return "a matrix has no elements"
    if case.text("dtype") == "int8" and case.integer("k") * 127**2 >= 2**31:
        return "a sum of k int8 products may not fit into int32"
    return ""


def real(case: Case) -> bool:
    """Types that a BLAS has."""
    return case.text("dtype") in {"fp32", "fp64"}


def of(dtype: str, case: Case) -> bool:
    """Whether the case is of this element type."""
    return case.text("dtype") == dtype


BENCHMARK = Benchmark(
    name="gemm",
    question="How fast is a matrix multiplication?",
    metric=Metric.FLOPS,
    axes=(
        Axis("m", (64, 2048), "rows of A and C"),
        Axis("n", (64, 2048), "columns of B and C"),
        Axis("k", (64, 2048), "columns of A, rows of B"),
        Axis("dtype", ("fp32", "fp64"), "element type", choices=tuple(RESULT)),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("numpy", HostKernel("blas:numpy"), provider="numpy", supports=real),
        Implementation("scipy", HostKernel("blas:scipy"), frozenset({"host", "scipy"}), "scipy", real),
        Implementation("mkl", HostKernel("blas:mkl"), frozenset({"host", "mkl"}), "mkl", real),
        Implementation("torch", HostKernel("blas:torch"), frozenset({"host", "torch"}), "torch", real),
        Implementation(
            "torch-bf16",
            HostKernel("blas:torch"),
            frozenset({"host", "torch-bf16"}),
            "torch",
            lambda case: of("bf16", case),
        ),
        Implementation(
            "torch-int8",
            HostKernel("blas:torch"),
            frozenset({"host", "torch-int8"}),
            "torch",
            lambda case: of("int8", case),
        ),
    ),
    tolerance=tolerance,
    tags=frozenset({"gemm"}),
    invalid=invalid,
)
