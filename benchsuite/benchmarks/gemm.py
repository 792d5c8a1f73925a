"""How fast is a matrix multiplication, C (m, n) = A (m, k) B?

A is row-major (m, k). ``layout`` says how B lies: ``nn`` row-major (k, n), ``nt`` row-major (n, k), its transpose, as
weights are stored. 2 m n k operations. Every element of C is verified, in O(n^2) and against arithmetic in float64.

``data``: N(0, 1) numbers by default (int8: uniform over -127..127), on the element type's grid, so that nothing is
rounded on the way into a tensor core. ``zeros`` and ``integers`` (-2..2) toggle fewer wires: hardware that is limited
by power runs faster on them. They are probes of that headroom, never a headline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.benchmarks import _gemm_cuda as cuda
from benchsuite.benchmarks import _gemm_tcgen05 as blackwell
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Case,
    CudaLibrary,
    Expected,
    HostKernel,
    Implementation,
    Metric,
    Tolerance,
    Work,
)

RESULT = {
    "fp64": "fp64",
    "fp32": "fp32",
    "tf32": "fp32",
    "bf16": "bf16",
    "fp16": "fp16",
    "int8": "int32",
    "e4m3": "bf16",
}
"""The element type of C for each of A and B."""
UNIT = {"fp64": 2.0**-52, "fp32": 2.0**-23, "bf16": 2.0**-7, "fp16": 2.0**-10}
"""Spacing of numbers just above 1."""
GPU = frozenset({"cuda"})
COLUMNS = 4  # columns of C that are checked element by element
ROWS_AT_ONCE = 512  # of a matrix, while it is converted to float64: bounds the extra memory


def shape(case: Case) -> tuple[int, int, int]:
    """m, n, k."""
    return case.integer("m"), case.integer("n"), case.integer("k")


def transposed(case: Case) -> bool:
    """Whether B is stored (n, k)."""
    return case.text("layout") == "nt"


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """``a`` (m, k) and ``b`` (k, n), or (n, k) with layout ``nt``, in the case's element type."""
    m, n, k = shape(case)
    sizes = {"a": (m, k), "b": (n, k) if transposed(case) else (k, n)}
    return {name: _values(size, case.text("dtype"), case.text("data"), rng) for name, size in sizes.items()}


def _values(size: tuple[int, int], dtype: str, data: str, rng: np.random.Generator) -> Array:
    if data == "zeros":
        return np.zeros(size, units.dtype(dtype).storage)
    if data == "integers":
        return _encoded(rng.integers(-2, 3, size).astype(np.float32), dtype)
    if dtype == "int8":
        return rng.integers(-127, 128, size, dtype=np.int8)
    if dtype == "fp64":
        return rng.standard_normal(size)
    return _encoded(rng.standard_normal(size, dtype=np.float32), dtype)


def _encoded(values: Array, dtype: str) -> Array:
    """``values`` (float32) rounded to the element type."""
    match dtype:
        case "tf32":
            return units.to_tf32(values)
        case "bf16":
            return units.to_bf16(values)
        case "e4m3":
            return units.to_e4m3(values)
        case _:
            return values.astype(units.dtype(dtype).storage)


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """``c`` (m, n): fp32 for tf32, int32 for int8, bf16 for e4m3, else the inputs' type."""
    m, n, _ = shape(case)
    return {"c": ArraySpec((m, n), RESULT[case.text("dtype")])}


def work(case: Case) -> Work:
    """2 m n k operations; A and B read once, C written once."""
    m, n, k = shape(case)
    dtype = case.text("dtype")
    element, result = units.dtype(dtype).bytes, units.dtype(RESULT[dtype]).bytes
    return Work(flops=2.0 * m * n * k, read=float(element * (m * k + k * n)), written=float(result * m * n))


def exact(case: Case) -> bool:
    """Whether every order of summation gives the same, exactly representable numbers.

    Sums of products of -2..2 stay integers below 4 k, exact in 24 bits. (They need not fit into a 16-bit result, nor
    into the narrower sums of 8-bit tensor cores.)
    """
    dtype, data = case.text("dtype"), case.text("data")
    small = data == "integers" and RESULT[dtype] in {"fp64", "fp32"} and 4 * case.integer("k") < 2**24
    return dtype == "int8" or data == "zeros" or small


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """C P = A (B P) for a projection P (n, 1 + COLUMNS), all in float64.

    P's first column holds random signs: Freivalds' check (1977), which sees every element of C. Its
    other columns are unit vectors: they pick random columns of C, which are thus checked element by
    element. The signs are scaled by 1/sqrt(n), so that a sum of n independent errors is as large as
    one of them and one tolerance serves both; not where everything is exact.
    """
    _, n, _ = shape(case)
    dtype = case.text("dtype")
    project = np.zeros((n, 1 + COLUMNS))
    project[:, 0] = rng.choice((-1.0, 1.0), n) / (1.0 if exact(case) else math.sqrt(n))
    project[rng.integers(0, n, COLUMNS), np.arange(1, 1 + COLUMNS)] = 1.0
    a, b = ranks[0]["a"], ranks[0]["b"]
    vectors = _transposed_product(b, project, dtype) if transposed(case) else _product(b, project, dtype)
    return {"c": Expected(_product(a, vectors, dtype), project=project)}


def _product(matrix: Array, vectors: Array, dtype: str) -> Array:
    """``matrix @ vectors`` in float64, some rows at a time."""
    starts = range(0, len(matrix), ROWS_AT_ONCE)
    return np.concatenate([_rows(matrix, i, dtype) @ vectors for i in starts])


def _transposed_product(matrix: Array, vectors: Array, dtype: str) -> Array:
    """``matrix.T @ vectors`` in float64, some rows of ``matrix`` at a time."""
    total = np.zeros((matrix.shape[1], vectors.shape[1]))
    for i in range(0, len(matrix), ROWS_AT_ONCE):
        total += _rows(matrix, i, dtype).T @ vectors[i : i + ROWS_AT_ONCE]
    return total


def _rows(matrix: Array, start: int, dtype: str) -> Array:
    """Some rows of ``matrix`` in float64."""
    return units.as_float(matrix[start : start + ROWS_AT_ONCE], dtype).astype(np.float64)


def tolerance(case: Case) -> Tolerance:
    """4 u k (+ 2 u of the value) for sums of k products of N(0, 1), u = 2**-23 (fp32) or 2**-52 (fp64).

    A partial sum of j terms has the size sqrt(j), and adding the next one errs by up to u/2 of it: k
    such errors of random sign come to u k / sqrt(24) standard deviation, and 4 u k is 20 of these (a
    blocked sum errs less). A change of 0.01 sqrt(k) of one element moves its row's projection by
    0.01 sqrt(k/n): found while k n < 4e8 in fp32, and in a checked column at any size.

    In fp64 the check errs as much as what it checks: sums of n terms on either side, 4 u sqrt(k n) more.

    Tensor cores cut the sum off instead of rounding it (Fasi, Higham, Mikaitis, Pranesh: Numerical behavior of
    NVIDIA tensor cores, PeerJ CS 2021): errors of up to u of the partial sum after every 4 products or more, all
    towards zero. For an element of five standard deviations, whose partial sums grow evenly to 5 sqrt(k), these come
    to u/2 x k/4 x 2.5 sqrt(k) on average: u k**1.5 / 2 is allowed. One mma step left out (8 products or more)
    changes elements by 2.8, which is far more at any k.

    e4m3 is summed with 13 bits after the point on sm_89 (and by wgmma on sm_90; SageAttention2, arXiv 2411.10958;
    DeepSeek-V3, arXiv 2412.19437, 3.3.2), perhaps elsewhere: u = 2**-13 after every 16 products or more, thus
    u k**1.5 / 16. At k = 4096 that is 2, and an mma step left out changes elements by 5.7 on average, the largest of a
    column by 15 and more; at k = 16384 it is 16, where two steps must be missing to be seen by every seed.

    bf16, fp16 and e4m3 (to bf16) are rounded once at the end: by up to v/2 of an element, v = 2**-7 or 2**-10, which
    is allowed, and v sqrt(k) for the projection, a sum of n such errors of elements of size sqrt(k), each about v/5
    of it. Integers of -2..2 have products twice as large as N(0, 1). What is exact is compared exactly.
    """
    if exact(case):
        return Tolerance()
    _, n, k = shape(case)
    dtype = case.text("dtype")
    u, scale = UNIT["fp64" if dtype == "fp64" else "fp32"], 2.0 if case.text("data") == "integers" else 1.0
    total = 4 * u * (k + (math.sqrt(k * n) if dtype == "fp64" else 0.0))
    if dtype in {"tf32", "bf16", "fp16"}:
        total += u * k**1.5 / 2
    if dtype == "e4m3":
        total += 2.0**-13 * k**1.5 / 16
    rounding = UNIT[RESULT[dtype]]
    if rounding > u:
        return Tolerance(rounding / 2, scale * (total + rounding * math.sqrt(k)))
    return Tolerance(2 * u, scale * total)


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


def multiplied(case: Case) -> bool:
    """Types of ``gemm/mma.cu`` on every GPU. int8 must be ``nt``: ldmatrix transposes 2-byte elements only."""
    return case.text("dtype") in {"tf32", "bf16", "fp16"} or (of("int8", case) and transposed(case))


def eight_bit(case: Case) -> bool:
    """e4m3 with B as ``nt``: there are no transposing loads of single bytes."""
    return of("e4m3", case) and transposed(case)


def vendor_served(case: Case) -> bool:
    """cuBLAS multiplies every type, but 1-byte ones only with weights as they are stored."""
    return case.text("dtype") not in {"int8", "e4m3"} or transposed(case)


BENCHMARK = Benchmark(
    name="gemm",
    question="How fast is a matrix multiplication?",
    metric=Metric.FLOPS,
    axes=(
        Axis("m", (64, 2048), "rows of A and C"),
        Axis("n", (64, 2048), "columns of B and C"),
        Axis("k", (64, 2048), "columns of A, rows of B"),
        Axis("dtype", ("fp32", "fp64"), "element type", choices=tuple(RESULT)),
        Axis("layout", ("nn",), "B row-major (k, n), or nt: (n, k), as weights are stored", choices=("nn", "nt")),
        Axis(
            "data",
            ("normal",),
            "N(0, 1); zeros and integers (-2..2) need less power and show how much of it limits the clock",
            choices=("normal", "zeros", "integers"),
        ),
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
            lambda case: of("int8", case) and not transposed(case),
        ),
        Implementation("mma", cuda.MMA, GPU, supports=multiplied),
        Implementation("mma-fp8", cuda.MMA_FP8, GPU, supports=eight_bit),
        Implementation("mma-fp8-scaled", cuda.MMA_SCALED, GPU, supports=eight_bit),
        Implementation("wgmma", cuda.WGMMA, GPU, supports=cuda.wgmma_serves),
        Implementation(
            "wgmma-promoted",
            cuda.WGMMA_PROMOTED,
            GPU,
            supports=lambda case: of("e4m3", case) and cuda.wgmma_serves(case),
        ),
        Implementation("tcgen05", blackwell.TCGEN05, GPU, supports=blackwell.serves),
        Implementation("dmma", cuda.DMMA, GPU, supports=lambda case: of("fp64", case)),
        Implementation("simt", cuda.SIMT, GPU, supports=lambda case: of("fp32", case)),
        Implementation("cublaslt", CudaLibrary("cublaslt:gemm"), GPU | {"cublaslt"}, "cublaslt", vendor_served),
        Implementation("torch-cuda", CudaLibrary("pytorch:gemm"), GPU | {"torch-cuda"}, "torch", vendor_served),
    ),
    tolerance=tolerance,
    tags=frozenset({"gemm"}),
    invalid=invalid,
)
