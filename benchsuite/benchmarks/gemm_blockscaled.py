"""How fast is a matrix multiplication of numbers that share scales in blocks, C (m, n) = A (m, k) B?

The formats of Blackwell's tensor cores (``_gemm_formats``): mxfp8, and nvfp4 at twice its rate. A is (m, k), B (n, k),
as weights are stored, both quantised from N(0, 1); C is bf16. 2 m n k operations. Quantising is no part of the time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.benchmarks import _gemm_blockscale_cuda as cuda
from benchsuite.benchmarks import _gemm_formats as formats
from benchsuite.benchmarks import _gemm_tcgen05 as blackwell
from benchsuite.benchmarks._gemm_cut import shape
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    Case,
    CudaLibrary,
    Expected,
    HostCall,
    Implementation,
    Metric,
    Tolerance,
    Work,
)

COLUMNS = 4
"""Columns of C that are checked element by element."""
MULTIPLE = 32
"""k must be one: whole blocks, and rows of elements in pieces of 16 bytes."""
ADDED = {"mxfp8": 16, "nvfp4": 64}
"""Products that a tensor core adds, at the least, before it may cut the sum off."""


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Elements ``a`` (m, bytes), ``b`` (n, bytes), their scales as ``interleave`` lays them, ``factors`` of A and B."""
    m, n, k = shape(case)
    made = {
        name: formats.quantise(rng.standard_normal((rows, k), dtype=np.float32), case.text("dtype"))
        for name, rows in (("a", m), ("b", n))
    }
    scales = {f"{name}_scales": formats.interleave(one.scales) for name, one in made.items()}
    factors = np.array([one.factor for one in made.values()], np.float32)
    return {name: one.elements for name, one in made.items()} | scales | {"factors": factors}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """``c`` (m, n) in bf16."""
    m, n, _ = shape(case)
    return {"c": ArraySpec((m, n), "bf16")}


def work(case: Case) -> Work:
    """2 m n k operations; elements and scales of A and B read once, C written once."""
    m, n, k = shape(case)
    form = formats.FORMATS[case.text("dtype")]
    return Work(flops=2.0 * m * n * k, read=(m + n) * k * (form.bits / 8 + 1 / form.block), written=2.0 * m * n)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """C P = A (B P) for a projection P of signs and unit vectors, as in ``gemm``; float64, from dequantised numbers."""
    _, n, k = shape(case)
    arrays = ranks[0]
    project = np.zeros((n, 1 + COLUMNS))
    project[:, 0] = rng.choice((-1.0, 1.0), n) / math.sqrt(n)
    project[rng.integers(0, n, COLUMNS), np.arange(1, 1 + COLUMNS)] = 1.0
    vectors = np.zeros((k, 1 + COLUMNS))
    for rows in _parts(n):
        vectors += _rows(arrays, "b", case, rows).T @ project[rows]
    values = np.concatenate([_rows(arrays, "a", case, rows) @ vectors for rows in _parts(case.integer("m"))])
    return {"c": Expected(values * float(np.prod(arrays["factors"], dtype=np.float64)), project=project)}


def _parts(rows: int) -> list[slice]:
    return [slice(start, start + formats.ROWS_AT_ONCE) for start in range(0, rows, formats.ROWS_AT_ONCE)]


def _rows(arrays: Arrays | Buffers, name: str, case: Case, rows: slice) -> Array:
    return formats.rows_of(arrays[name], arrays[f"{name}_scales"], case.text("dtype"), rows)


def by_numpy(buffers: Buffers, case: Case) -> None:
    """Dequantise to float32 and multiply: what a processor without these formats must do."""
    m, n, _ = shape(case)
    b = np.concatenate([_rows(buffers, "b", case, rows).astype(np.float32) for rows in _parts(n)])
    factor = np.float32(np.prod(buffers["factors"]))
    for rows in _parts(m):
        buffers["c"][rows] = units.to_bf16(_rows(buffers, "a", case, rows).astype(np.float32) @ b.T * factor)


def tolerance(case: Case) -> Tolerance:
    """``gemm``'s, for sums of k products of about N(0, 1) in float32 that are cut off, and rounded once to bf16.

    Quantising changes both sides alike, the reference being made from the quantised numbers. A product of two elements
    has at most 8 significant bits (mxfp8) or 4 (nvfp4) and its scales at most 8 more: exact in float32.

    How many bits a sum keeps on sm_120 is not published. For mxfp8 the 13 of e4m3 elsewhere are allowed: u = 2**-13
    after every 16 products, u k**1.5 / 16. For nvfp4, whose instruction adds 64 products, u k**1.5 / 64: at k = 8192
    that is 1.4, and one instruction left out changes elements by 8 on average. A single block's scale may be off by a
    step without being seen; a wrong selector or layout, which befalls many blocks, is.
    """
    k = case.integer("k")
    cut = 2.0**-13 * k**1.5 / ADDED[case.text("dtype")]
    return Tolerance(2.0**-8, 4 * 2.0**-23 * k + cut + 2.0**-7 * math.sqrt(k))


def invalid(case: Case) -> str:
    """Empty matrices, and rows that end within a block or within 16 bytes."""
    if min(shape(case)) < 1:
        return "a matrix has no elements"
    return f"k is no multiple of {MULTIPLE}" if case.integer("k") % MULTIPLE else ""


BENCHMARK = Benchmark(
    name="gemm-blockscaled",
    question="How fast is a matrix multiplication of numbers that share scales in blocks?",
    metric=Metric.FLOPS,
    axes=(
        Axis("m", (64, 1024), "rows of A and C"),
        Axis("n", (64, 1024), "columns of C, rows of B"),
        Axis("k", (64, 1024), f"columns of A and B, a multiple of {MULTIPLE}"),
        Axis("dtype", tuple(formats.FORMATS), "format of A and B", choices=tuple(formats.FORMATS)),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("mma", cuda.KERNEL, frozenset({"cuda"}), supports=cuda.serves),
        Implementation("tcgen05", blackwell.TCGEN05_SCALED, frozenset({"cuda"}), supports=cuda.serves),
        Implementation(
            "cublaslt", CudaLibrary("cublaslt:gemm_blockscaled"), frozenset({"cuda", "cublaslt"}), "cublaslt"
        ),
        Implementation("numpy", HostCall(by_numpy), provider="numpy"),
    ),
    tolerance=tolerance,
    tags=frozenset({"gemm"}),
    invalid=invalid,
)
