"""What of an iteration is not the operation: measured by itself, told beside the result, never subtracted."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from benchsuite.backends.host.backend import HostBackend
from benchsuite.benchmarks import allreduce, barrier, shift
from benchsuite.measure.beside import TELLING, Beside
from benchsuite.measure.clock import Clock
from benchsuite.model import (
    Benchmark,
    Buffers,
    Case,
    Collective,
    CollectiveCall,
    LocalOps,
    Samples,
    World,
)
from benchsuite.world.solo import SoloWorld
from benchsuite.world.threads import run as run_threads

OUT = Case.of("allreduce", 2, bytes=8, dtype="fp32", place="out")
IN = Case.of("allreduce", 2, bytes=8, dtype="fp32", place="in")
NAP = 2e-4


def told(subject: Benchmark, case: Case, call: CollectiveCall, seconds: float = 9e-4) -> Samples:
    """What is told of samples of so many seconds."""
    item = replace(subject.implementations[0], op=call)

    def rank(world: World) -> Samples:
        backend = HostBackend(threads=1)
        buffers = backend.allocate(subject.outputs(case))
        beside = Beside(backend, world, Clock(1e-7, 1e-7), subject, item, case)
        return beside.told(buffers, Samples((seconds,) * 3, 1))

    return run_threads(case.ranks, rank)[0] if case.ranks > 1 else rank(SoloWorld())


def napping(good: Collective) -> Collective:
    """``good``, with a nap before it."""

    def collective(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
        time.sleep(NAP)
        good(world, buffers, case, ops)

    return collective


def alone(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    assert (world.size, case.ranks, case["bytes"]) == (1, 1, 8)
    assert buffers["y"].nbytes == 8
    time.sleep(NAP)


@pytest.mark.parametrize("nbytes", [8, 1 << 20])
def test_the_call_is_timed_with_the_smallest_message_in_a_world_of_one(nbytes: int) -> None:
    found = told(
        allreduce.BENCHMARK, Case.of("allreduce", 2, bytes=nbytes, dtype="fp32", place="out"), CollectiveCall(alone)
    )
    assert found.beside["call"] >= NAP
    assert [caveat.code for caveat in found.caveats] == ["CALL"]
    assert found.caveats[0].text.startswith("Of the 900 µs of an iteration ")
    assert found.seconds == (9e-4,) * 3


def test_a_call_that_is_a_small_part_is_kept_and_not_told() -> None:
    found = told(shift.BENCHMARK, Case.of("shift", 2, bytes=8, dtype="fp32"), CollectiveCall(lambda *rest: None))
    assert 0.0 < found.beside["call"] < TELLING * 9e-4
    assert found.caveats == ()


def test_where_an_iteration_is_long_the_call_is_nobodys_business() -> None:
    assert told(allreduce.BENCHMARK, OUT, CollectiveCall(alone), seconds=0.1).beside == {}


def test_a_barrier_has_a_call_too() -> None:
    found = told(barrier.BENCHMARK, Case.of("barrier", 3), CollectiveCall(napping(barrier.dissemination)))
    assert found.beside["call"] >= NAP


def test_a_library_that_the_backend_joins_is_not_joined_for_one_rank() -> None:
    assert told(allreduce.BENCHMARK, OUT, CollectiveCall(alone, over="nccl")).beside == {}


def test_what_puts_the_message_back_is_timed_by_itself() -> None:
    def restore(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
        assert case == IN
        time.sleep(NAP)

    call = CollectiveCall(lambda *rest: None, restoring=lambda case: restore if case["place"] == "in" else None)
    found = told(allreduce.BENCHMARK, IN, call)
    assert found.beside["restore"] >= NAP
    assert found.beside["call"] < NAP
    assert [caveat.code for caveat in found.caveats] == ["RESTORED"]
    assert "restore" not in told(allreduce.BENCHMARK, OUT, call).beside


def test_one_rank_alone_is_no_collective() -> None:
    assert told(allreduce.BENCHMARK, replace(OUT, ranks=1), CollectiveCall(alone)).beside == {}
