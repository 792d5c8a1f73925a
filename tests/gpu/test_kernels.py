"""Every kernel on a real GPU: right on fresh random inputs, with poisoned outputs. Skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from subjects import expected, kernels  # not tests.subjects: some library there may have installed a "tests" too

from benchsuite.backends import describe
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.errors import BenchsuiteError
from benchsuite.measure.task import RankInputs
from benchsuite.measure.verify import check
from benchsuite.model import Benchmark, Case, CudaKernel, Implementation, Rejected
from benchsuite.world.solo import SoloWorld

try:
    describe("cuda")
except BenchsuiteError as missing:
    pytest.skip(str(missing), allow_module_level=True)
KERNELS = [pytest.param(*one, id=f"{one[2].key} [{one[1].name}]".replace(" ", "-")) for one in kernels()]


@pytest.fixture(scope="module")
def backend() -> CudaBackend:
    return CudaBackend()


@pytest.mark.parametrize(("subject", "item", "case"), KERNELS)
def test_every_kernel_is_right(subject: Benchmark, item: Implementation, case: Case, backend: CudaBackend) -> None:
    assert isinstance(item.op, CudaKernel)
    if lack := item.op.lacks(case, backend.device):
        pytest.skip(lack)
    seed = int(np.random.default_rng().integers(2**31))
    places = subject.places(case)
    buffers = backend.upload(RankInputs(subject, case, seed)[0], places)
    made = backend.allocate(subject.outputs(case), places)
    step = backend.bind(item, {**buffers, **made}, case, SoloWorld(), places)
    for _ in range(3):
        step()
    result = check(
        backend.download(made), expected(subject, case, seed), subject.outputs(case), subject.tolerance(case)
    )
    assert not isinstance(result, Rejected), f"seed {seed}: {result}"


def test_the_device_s_time_is_of_the_work(backend: CudaBackend) -> None:
    """Twice the iterations take about twice the time: the gate and the events enclose what they should."""
    subject, item, case = next(one for one in kernels() if one[0].name == "fma" or one[0].name == "peak")
    places = subject.places(case)
    buffers = backend.upload(RankInputs(subject, case, 1)[0], places)
    made = backend.allocate(subject.outputs(case), places)
    step = backend.bind(item, {**buffers, **made}, case, SoloWorld(), places)
    for _ in range(200):  # until the clock has risen
        backend.elapsed([step] * 20)
    twice, once = (min(backend.elapsed([step] * count).seconds for _ in range(10)) for count in (40, 20))
    assert 1.7 < twice / once < 2.3
