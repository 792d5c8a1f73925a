"""PyTorch's routes on a processor: the same calls on tensors over NumPy memory, judged by the references."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from benchsuite import units
from benchsuite.backends.cuda import pytorch
from benchsuite.benchmarks import attention, decode, gemm
from benchsuite.measure.verify import check
from benchsuite.model import Benchmark, Case, Rejected
from tests.cuda_host import simulate

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")


def judged(benchmark: Benchmark, function: str, case: Case) -> float | Rejected:
    runtime = simulate.SimulatedRuntime()
    inputs = dict(benchmark.inputs(case, np.random.default_rng(0)))
    buffers = {name: runtime.upload(array) for name, array in inputs.items()}
    for name, spec in benchmark.outputs(case).items():
        buffers[name] = runtime.empty(spec.shape, units.dtype(spec.dtype).storage)
        runtime.fill(buffers[name], 0xA5)
    step = getattr(pytorch, function)(buffers, case, runtime)
    step()
    expected = benchmark.reference(case, [inputs], np.random.default_rng(1))
    return check(buffers, expected, benchmark.outputs(case), benchmark.tolerance(case))


@pytest.mark.parametrize("layout", ["nn", "nt"])
@pytest.mark.parametrize("dtype", ["fp64", "fp32", "tf32", "bf16", "fp16", "int8", "e4m3"])
def test_matrix_products(dtype: str, layout: str) -> None:
    case = Case.of("gemm", m=48, n=64, k=96, dtype=dtype, layout=layout, data="normal")
    if dtype == "e4m3" and layout == "nn":
        pytest.skip("fp8 multiplies weights as they are stored")
    assert not isinstance(judged(gemm.BENCHMARK, "gemm", case), Rejected)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [4, 2])
def test_attention(causal: bool, heads: int) -> None:
    case = Case.of("attention", seq=100, batch=2, heads=heads, kv_heads=2, head_dim=64, causal=causal, dtype="bf16")
    assert not isinstance(judged(attention.BENCHMARK, "best", case), Rejected)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("heads", [4, 2])
def test_decode(heads: int, dtype: str) -> None:
    case = Case.of("decode", context=100, batch=3, heads=heads, kv_heads=2, head_dim=64, dtype=dtype)
    assert not isinstance(judged(decode.BENCHMARK, "decode", case), Rejected)
