"""Every library's product is verified by the benchmark's own reference, which catches one wrong element."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hostcase import bind, judge, prepare, run
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import units
from benchsuite.backends.host import providers
from benchsuite.benchmarks import gemm
from benchsuite.model import Case, HostKernel, Rejected

HERE = providers.capabilities()


def case(m: int, n: int, k: int, dtype: str, layout: str = "nn", data: str = "normal") -> Case:
    return Case.of("gemm", m=m, n=n, k=k, dtype=dtype, layout=layout, data=data)


PEERS = [item for item in gemm.BENCHMARK.implementations if item.requires <= HERE]
PAIRS = [
    (item.name, dtype)
    for item in PEERS
    for dtype in gemm.RESULT
    if isinstance(item.op, HostKernel) and item.supports(case(1, 1, 1, dtype))
]


@pytest.mark.parametrize(("name", "dtype"), PAIRS)
@pytest.mark.parametrize("shape", [(64, 64, 64), (37, 129, 255), (128, 96, 1536)])
@pytest.mark.parametrize("threads", [1, 2])
def test_product(name: str, dtype: str, shape: tuple[int, int, int], threads: int) -> None:
    if dtype == "int8":
        shape = (64, 64, 64) if shape[0] == 64 else (48, 128, 256)  # torch._int_mm wants multiples of 8
    error = run(gemm.BENCHMARK, name, case(*shape, dtype), threads)
    assert isinstance(error, float), error


@pytest.mark.parametrize(("name", "dtype"), [pair for pair in PAIRS if pair[1] in {"fp32", "fp64", "bf16"}])
@pytest.mark.parametrize("data", ["normal", "zeros", "integers"])
def test_product_with_a_transposed_matrix(name: str, dtype: str, data: str) -> None:
    error = run(gemm.BENCHMARK, name, case(37, 129, 255, dtype, "nt", data))
    assert isinstance(error, float), error
    assert error == 0.0 or data == "normal" or dtype == "bf16"


def test_numpy_is_always_there() -> None:
    assert ("numpy", "fp32") in PAIRS
    assert ("numpy", "fp64") in PAIRS


@settings(deadline=None, max_examples=60)
@given(m=st.integers(1, 90), n=st.integers(1, 90), k=st.integers(1, 90), dtype=st.sampled_from(["fp32", "fp64"]))
def test_tolerance_admits_right_results_of_any_shape(m: int, n: int, k: int, dtype: str) -> None:
    error = run(gemm.BENCHMARK, "numpy", case(m, n, k, dtype))
    assert isinstance(error, float), error


@settings(deadline=None, max_examples=30)
@given(m=st.integers(1, 90), n=st.integers(1, 90), k=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_bf16_tolerance_admits_one_rounding(m: int, n: int, k: int, seed: int) -> None:
    this = case(m, n, k, "bf16")
    inputs = gemm.inputs(this, np.random.default_rng(seed))
    exact = units.from_bf16(inputs["a"]) @ units.from_bf16(inputs["b"])
    error = judge(gemm.BENCHMARK, this, inputs, {"c": units.to_bf16(exact)})
    assert isinstance(error, float), error


@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
@pytest.mark.parametrize("shape", [(64, 64, 64), (300, 200, 1000), (32, 2048, 2048)])
def test_one_wrong_element_is_caught(dtype: str, shape: tuple[int, int, int]) -> None:
    this, rng = case(*shape, dtype), np.random.default_rng(7)
    inputs, buffers = prepare(gemm.BENCHMARK, this)
    bind(gemm.BENCHMARK, "numpy", buffers, this)()
    right = buffers["c"].copy()
    for _ in range(10):
        where = rng.integers(shape[0]), rng.integers(shape[1])
        for wrong in (1e-2 * math.sqrt(shape[2]), np.nan, np.inf):
            buffers["c"][...] = right
            buffers["c"][where] += wrong
            assert isinstance(judge(gemm.BENCHMARK, this, inputs, buffers), Rejected), (where, wrong)


def test_int8_is_exact_and_one_unit_is_caught() -> None:
    this = case(40, 72, 512, "int8")
    inputs = gemm.inputs(this, np.random.default_rng(0))
    c = inputs["a"].astype(np.int32) @ inputs["b"].astype(np.int32)
    assert judge(gemm.BENCHMARK, this, inputs, {"c": c}) == 0.0
    c[11, 5] += 1
    assert isinstance(judge(gemm.BENCHMARK, this, inputs, {"c": c}), Rejected)


def test_bf16_sum_kept_in_bf16_is_caught() -> None:
    """Accumulating in bf16 loses what a rounded fp32 sum keeps: honest tolerances see the difference."""
    this = case(16, 32, 512, "bf16")
    inputs = gemm.inputs(this, np.random.default_rng(0))
    a, b = units.from_bf16(inputs["a"]), units.from_bf16(inputs["b"])
    total = np.zeros((16, 32), np.float32)
    for k in range(512):
        total = units.from_bf16(units.to_bf16(total + a[:, k : k + 1] * b[k]))
    assert isinstance(judge(gemm.BENCHMARK, this, inputs, {"c": units.to_bf16(total)}), Rejected)
