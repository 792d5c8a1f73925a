"""Every CUDA kernel through the CUDA backend on the simulator: right, and not blind to a wrong result."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchsuite import units
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.measure.task import RankInputs
from benchsuite.measure.verify import check
from benchsuite.model import Array, Benchmark, Case, CudaKernel, Implementation, Rejected
from benchsuite.world.solo import SoloWorld
from tests.cuda_host import simulate
from tests.subjects import arch_for, expected, kernels, one_of_each_source

pytestmark = pytest.mark.skipif(not simulate.available(), reason="needs g++")
ROOT = Path(__file__).parent.parent.parent
KERNELS = [
    pytest.param(*one, id=f"{one[2].key} [{one[1].name}]".replace(" ", "-"))
    for one in (one_of_each_source() if simulate.SANITIZE else kernels())
]


def computed(subject: Benchmark, item: Implementation, case: Case) -> dict[str, Array]:
    """The outputs after two iterations, on one of the architectures that the kernel claims."""
    assert isinstance(item.op, CudaKernel)
    arch = arch_for(item, case)
    backend = CudaBackend(simulate.SimulatedRuntime(simulate.device(arch, count=max(1, item.op.devices(case)))))
    places = subject.places(case)
    buffers = backend.upload(RankInputs(subject, case, 1)[0], places)
    made = backend.allocate(subject.outputs(case), places)
    step = backend.bind(item, {**buffers, **made}, case, SoloWorld(), places)
    for _ in range(2):
        step()
    return dict(backend.download(made))


def test_there_are_kernels_of_every_family() -> None:
    sources = {one[1].op.source(one[2], simulate.device("sm_89")).path.split("/")[0] for one in kernels()}  # type: ignore[union-attr]
    assert {"gemm", "attention", "memory", "collective", "probe"} <= sources


@pytest.mark.parametrize(("subject", "item", "case"), KERNELS)
def test_every_kernel_is_right(subject: Benchmark, item: Implementation, case: Case) -> None:
    outputs = computed(subject, item, case)
    result = check(outputs, expected(subject, case), subject.outputs(case), subject.tolerance(case))
    assert not isinstance(result, Rejected), result


def test_a_wrong_element_of_a_kernel_s_result_is_noticed() -> None:
    for subject, item, case in {one[0].name: one for one in kernels()}.values():
        outputs, want = computed(subject, item, case), expected(subject, case)
        specs, tolerance = subject.outputs(case), subject.tolerance(case)
        for name in want:
            flat = outputs[name].reshape(-1)
            place = int(np.argmax(np.abs(units.as_float(flat, specs[name].dtype))))  # a bit of a small one is noise
            kept = flat[place].copy()
            flat[place] = np.nan if flat.dtype.kind == "f" else flat[place] ^ 0x40
            assert isinstance(check(outputs, want, specs, tolerance), Rejected), f"{case.key}: {name} went unnoticed"
            flat[place] = kept


@pytest.mark.skipif(simulate.SANITIZE, reason="this is the sanitized run")
def test_no_kernel_strays_outside_its_buffers() -> None:
    """Again with address and undefined-behaviour sanitizers, every buffer allocated to the byte."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__, "-k", "kernel_is_right"]
    done = subprocess.run(
        command, cwd=ROOT, env=simulate.sanitized_environment(), check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
