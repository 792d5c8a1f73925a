"""The local step of an all-reduce: its kernel executed on the CPU, and faults planted to be found."""

from __future__ import annotations

import numpy as np
import pytest

from benchsuite.benchmarks import reduce_step
from benchsuite.model import Case, Rejected
from tests.cuda_host import simulate
from tests.hostcase import judge, prepare

pytestmark = pytest.mark.skipif(not simulate.available(), reason="g++ is not installed")


def case(nbytes: int, dtype: str) -> Case:
    return Case.of("reduce-step", bytes=nbytes, dtype=dtype)


@pytest.mark.parametrize("dtype", reduce_step.LARGEST)
@pytest.mark.parametrize("nbytes", [4, 14, 16, 1002, 3 * 16384 + 18])
@pytest.mark.parametrize("seed", [1, 2])
def test_sums_are_exact(nbytes: int, dtype: str, seed: int) -> None:
    result = simulate.run(reduce_step.BENCHMARK, "add", case(nbytes, dtype), seed=seed)
    assert result == 0.0


@pytest.mark.parametrize("dtype", reduce_step.LARGEST)
def test_the_processor_agrees(dtype: str) -> None:
    wanted = case(1002, dtype)
    inputs, buffers = prepare(reduce_step.BENCHMARK, wanted)
    reduce_step.by_numpy(buffers, wanted)
    assert judge(reduce_step.BENCHMARK, wanted, inputs, buffers) == 0.0


@pytest.mark.parametrize("dtype", reduce_step.LARGEST)
def test_the_sum_may_replace_a_source(dtype: str) -> None:
    wanted, runtime = case(20000, dtype), simulate.SimulatedRuntime()
    _, inputs, buffers = simulate.bound(reduce_step.BENCHMARK, "add", wanted, runtime)
    (launch,) = reduce_step.launches(wanted, runtime.device())
    runtime.prepare(reduce_step.source(wanted, runtime.device()), launch, {**buffers, "y": buffers["a"]})()
    expected = reduce_step.reference(wanted, [inputs], np.random.default_rng(0))["y"].values
    assert np.array_equal(reduce_step.units.as_float(buffers["a"], dtype).astype(np.float64), expected)


@pytest.mark.parametrize(
    ("before", "after", "dtype"),
    [
        ("if (word < words)", "if (word + 1 < words)", "fp32"),
        ("if (odd &&", "if (0 &&", "bf16"),
        ("vectors * 4 + threadIdx.x", "vectors * 4 + threadIdx.x + 1", "fp16"),
        ("* (THREADS * DEPTH)", "* (THREADS * DEPTH - 1)", "fp32"),
        ("+ i * THREADS) * 16, {", "+ i) * 16, {", "fp32"),
    ],
)
def test_planted_faults_are_found(before: str, after: str, dtype: str) -> None:
    result = simulate.run(reduce_step.BENCHMARK, "add", case(3 * 16384 + 14, dtype), edit={before: after})
    assert isinstance(result, Rejected)
