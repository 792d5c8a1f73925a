"""Every collective on device buffers: NCCL's own and our algorithms over its messages, with doubles that move the data.

Threads are the ranks, the simulator runs our kernel, and what each rank ends with is held against the reference.
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from benchsuite import discovery
from benchsuite.backends.cuda import nccl_log
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.backends.cuda.cupy_runtime import CupyRuntime
from benchsuite.errors import MeasureError, UnavailableError
from benchsuite.measure.task import RankInputs, generator
from benchsuite.measure.verify import check
from benchsuite.model import Benchmark, Case, CollectiveCall, Implementation, Rejected, World
from benchsuite.world.solo import SoloWorld
from benchsuite.world.threads import run as run_threads
from tests import fake_cupy, fake_nccl
from tests.cuda_host import simulate

pytestmark = pytest.mark.skipif(not simulate.available(), reason="needs g++")
SEED, SOLO = 3, SoloWorld()
SIZES = (8, 20_004)
"""Bytes: the smallest, and parts that begin anywhere."""
PAIRS = [
    pytest.param(subject, item, id=f"{name}-{item.name}")
    for name, subject in discovery.discover().items()
    for item in subject.implementations
    if isinstance(item.op, CollectiveCall) and item.op.over == "nccl"
]


@pytest.fixture(autouse=True)
def _quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NCCL's variables, which are the process's, stay as they are; the double's ranks meet in a folder of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(nccl_log.LEVEL, "WARN")


def cases(subject: Benchmark, item: Implementation, ranks: int) -> list[Case]:
    """The default element type at both sizes, and each choice of each axis once."""
    names = {axis.name for axis in subject.axes}
    plain = {axis.name: axis.values[0] for axis in subject.axes}
    sized = [{**plain, "bytes": size} for size in SIZES] if "bytes" in names else [plain]
    chosen = [{**sized[-1], axis.name: choice} for axis in subject.axes for choice in axis.choices]
    made = [Case.of(subject.name, ranks, **params) for params in [*sized, *chosen]]  # type: ignore[arg-type]
    return [case for case in dict.fromkeys(made) if not subject.invalid(case) and item.supports(case)]


def verdicts(subject: Benchmark, item: Implementation, case: Case, module: fake_nccl.Nccl) -> list[float | Rejected]:
    """What the framework would say of each rank's result after two iterations."""
    assert isinstance(item.op, CollectiveCall)
    call = item.op

    def rank(world: World) -> float | Rejected:
        backend = CudaBackend(simulate.SimulatedRuntime(nccl=module))
        with backend.joined(world, ["nccl"]):
            made = backend.allocate(subject.outputs(case))
            buffers = {**backend.upload(RankInputs(subject, case, SEED)[world.rank]), **made}
            if call.before:
                before = Implementation("before", CollectiveCall(call.before, over="nccl"))
                backend.bind(before, buffers, case, world)()
            step = backend.bind(item, buffers, case, world)
            assert not step.gated
            for _ in range(2):
                step()
            world.barrier()
        inputs = RankInputs(subject, case, SEED, rank=world.rank)
        expected = subject.reference(case, inputs, generator(case, SEED, case.ranks))
        return check(backend.download(made), expected, subject.outputs(case), subject.tolerance(case))

    return run_threads(case.ranks, rank)


def test_every_collective_has_nccl_and_an_mpi_that_knows_cuda() -> None:
    for subject in discovery.discover().values():
        if "collective" in subject.tags and any(item.name == "mpi" for item in subject.implementations):
            over = {item.op.over for item in subject.implementations if isinstance(item.op, CollectiveCall)}
            assert over >= {"", "nccl", "mpi-cuda"} or subject.name == "overlap", subject.name
    assert {param.id for param in PAIRS} >= {"allreduce-nccl", "allreduce-device-ring", "alltoallv-device-pairwise"}


@pytest.mark.parametrize(("subject", "item"), PAIRS)
def test_every_rank_ends_with_the_right_result(subject: Benchmark, item: Implementation) -> None:
    for ranks in (2, 3):
        some = cases(subject, item, ranks)
        assert some
        for case in some:
            module = fake_nccl.Nccl()
            for rank, result in enumerate(verdicts(subject, item, case, module)):
                assert result == 0.0, f"{case.key}, rank {rank}: {result}"


def test_a_wrong_element_of_one_rank_is_noticed() -> None:
    """The double may be wrong in NCCL's place: then a result is rejected, and no number is made of it."""
    subject = discovery.discover()["allreduce"]
    item = next(one for one in subject.implementations if one.name == "nccl")

    module = fake_nccl.Nccl()
    real = fake_nccl.Communicator.allReduce

    def spoilt(self: fake_nccl.Communicator, send: int, receive: int, count: int, *rest: int) -> None:
        real(self, send, receive, count, *rest)
        if self.rank == 1 and count == 5001:
            np.frombuffer((ctypes.c_uint8 * 4).from_address(receive + 400), np.uint8)[0] ^= 64

    case = Case.of("allreduce", 2, bytes=20_004, dtype="fp32", place="out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_nccl.Communicator, "allReduce", spoilt)
        found = verdicts(subject, item, case, module)
    assert found[0] == 0.0
    assert isinstance(found[1], Rejected)


def test_without_the_library_the_step_cannot_be_bound() -> None:
    subject = discovery.discover()["allreduce"]
    item = next(one for one in subject.implementations if one.name == "nccl")
    with pytest.raises(UnavailableError, match="does not run on a GPU"):
        CudaBackend(simulate.SimulatedRuntime()).bind(item, {}, Case.of("allreduce", 2), None)  # type: ignore[arg-type]
    with (
        pytest.raises(UnavailableError, match="NCCL cannot be loaded"),
        CudaBackend(simulate.SimulatedRuntime()).joined(SOLO, ["nccl"]),
    ):
        pass


def test_ranks_on_real_streams_enqueue_all_between_the_events() -> None:
    """On the CuPy runtime: the sum goes to the stream whose events time it, without a gate before it."""
    module = fake_nccl.Nccl()
    cupy = fake_cupy.Cupy(fake_cupy.World(clock=True), module)
    backend = CudaBackend(CupyRuntime(cupy, fake_cupy.Driver()))
    subject = discovery.discover()["allreduce"]
    item = next(one for one in subject.implementations if one.name == "nccl")
    case = Case.of("allreduce", 1, bytes=64, dtype="fp32", place="out")
    with backend.joined(SOLO, ["nccl"]):
        buffers = {**backend.upload(RankInputs(subject, case, SEED)[0]), **backend.allocate(subject.outputs(case))}
        step = backend.bind(item, buffers, case, SOLO)
        step()
        module.log.clear()
        cupy.world.log.clear()
        spent = backend.elapsed([step, step])
    calls = [words for words in module.log if words[0] == "allReduce"]
    assert [words[3] for words in calls] == [backend.runtime.stream()] * 2
    assert "launch" not in [words[0] for words in cupy.world.log], "no gate holds the stream"
    assert spent.seconds > 0.0
    assert np.array_equal(backend.download(buffers)["y"], backend.download(buffers)["x"])


def test_a_failure_elsewhere_makes_a_time_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.backends.cuda.nccl.POLL", 0.05)
    module = fake_nccl.Nccl()
    backend = CudaBackend(simulate.SimulatedRuntime(nccl=module))
    with pytest.raises(MeasureError, match="could not go on"), backend.joined(SOLO, ["nccl"]):  # noqa: PT012
        backend.elapsed([lambda: None])
        module.plan.fails_later = True
        for _ in range(40):
            backend.elapsed([lambda: time.sleep(0.05)])
