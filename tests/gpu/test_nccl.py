"""NCCL on a real GPU with a communicator of one rank: binding, streams, our kernel. Skipped where it is missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchsuite import discovery
from benchsuite.backends import describe
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.backends.cuda.collective import Link, joined
from benchsuite.backends.cuda.nccl_world import NcclWorld
from benchsuite.backends.cuda.view import View
from benchsuite.errors import BenchsuiteError
from benchsuite.measure.task import RankInputs, generator
from benchsuite.measure.verify import check
from benchsuite.model import Array, Case, CollectiveCall, Implementation
from benchsuite.world.solo import SoloWorld

try:
    found = describe("cuda")
except BenchsuiteError as missing:
    pytest.skip(str(missing), allow_module_level=True)
if "nccl" not in found.capabilities:
    pytest.skip("NCCL is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def backend() -> CudaBackend:
    return CudaBackend()


@pytest.fixture(scope="module")
def link(backend: CudaBackend) -> Iterator[Link]:
    with joined(backend.runtime, SoloWorld(), ["nccl"]) as links:
        yield links["nccl"]


def test_every_operation_of_one_rank_is_a_copy(backend: CudaBackend, link: Link) -> None:
    world = link.world
    assert isinstance(world, NcclWorld)
    values = np.arange(1000, dtype=np.float32)

    def fresh() -> tuple[Array, Array]:
        return backend.runtime.upload(values, "device"), backend.runtime.upload(np.zeros_like(values), "device")

    counts = [values.size]
    for name, call in {
        "allreduce": world.allreduce,
        "allgather": world.allgather,
        "reduce_scatter": world.reduce_scatter,
        "alltoall": world.alltoall,
        "alltoallv": lambda send, receive: world.alltoallv(send, counts, receive, counts),
        "sendrecv": lambda send, receive: world.sendrecv(send, 0, receive, 0),
        "start_allreduce": lambda send, receive: world.start_allreduce(send, receive)(),
    }.items():
        send, receive = fresh()
        call(send, receive)
        assert np.array_equal(backend.runtime.download(receive), values), name
    send, _ = fresh()
    world.broadcast(send, 0)
    world.barrier()
    assert np.array_equal(backend.runtime.download(send), values)
    world.check()
    assert link.facts["version"] == world.facts()["library"]


@pytest.mark.parametrize("dtype", ["fp32", "fp64", "fp16", "bf16"])
def test_a_sum_of_one_is_timed_between_events(dtype: str, backend: CudaBackend) -> None:
    subject = discovery.discover()["allreduce"]
    item = next(one for one in subject.implementations if one.name == "nccl")
    case = Case.of("allreduce", 1, bytes=1 << 20, dtype=dtype, place="out")
    with backend.joined(SoloWorld(), ["nccl"]):
        made = backend.allocate(subject.outputs(case))
        buffers = {**backend.upload(RankInputs(subject, case, 1)[0]), **made}
        step = backend.bind(item, buffers, case, SoloWorld())
        step()
        spent = backend.elapsed([step] * 10)
        outputs = backend.download(made)
    expected = subject.reference(case, RankInputs(subject, case, 1), generator(case, 1, 1))
    assert check(outputs, expected, subject.outputs(case), subject.tolerance(case)) == 0.0
    assert 0.0 < spent.seconds < 1.0


@pytest.mark.parametrize("low", [0, 1, 3, 4])
def test_our_kernel_adds_parts_that_begin_anywhere(low: int, backend: CudaBackend, link: Link) -> None:
    def added(world: object, buffers: dict[str, View], case: Case, ops: object) -> None:
        ops.add_into(buffers["y"][low : low + 5000], buffers["x"][low : low + 5000])  # type: ignore[attr-defined]

    y = backend.runtime.upload(np.arange(6000, dtype=np.float32), "device")
    x = backend.runtime.upload(np.ones(6000, np.float32), "device")
    call = Implementation("add", CollectiveCall(added, over="nccl"))  # type: ignore[arg-type]
    assert isinstance(call.op, CollectiveCall)
    link.step(call.op.function, {"x": x, "y": y}, Case.of("add", dtype="fp32"), SoloWorld())()
    expected = np.arange(6000, dtype=np.float32)
    expected[low : low + 5000] += 1
    assert np.array_equal(backend.runtime.download(y), expected)
