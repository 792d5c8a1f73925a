"""One device under load: what is found in its results, on scripted time and on the simulated GPU."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from benchsuite.backends.base import Elapsed
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.backends.fake import FakeBackend, Script
from benchsuite.benchmarks import fill, gemm, peak
from benchsuite.burn import preparing
from benchsuite.discovery import discover
from benchsuite.errors import DeviceLostError, MeasureError
from benchsuite.model import Buffers, Case, HostCall, Implementation, Launch, Source, Step, Task
from benchsuite.protocol import Kind, Load, Message
from tests.burn_data import CASE, Fault, double, job, served, slow, turns, with_function
from tests.conftest import toy
from tests.cuda_host import simulate

BEFORE = 1 + preparing.REPEATS + preparing.TRIALS
"""Calls of a step while its load is prepared."""


def ready(told: list[Message]) -> list[Any]:
    return [one.ready for one in told if one.ready is not None]


def scripted(compare: float) -> FakeBackend:
    """An iteration takes 1 ms, a comparison this long."""
    return FakeBackend(Script(seconds={"compare": (compare,)}))


def flip(y: Any) -> None:
    """One bit, the last of the mantissa."""
    y.view(np.uint64)[17] ^= np.uint64(1)


def test_a_healthy_device_is_under_load_for_the_time_asked_and_everything_is_compared() -> None:
    told = served(job(seconds=3.0))
    assert [told[0].kind, told[-1].kind] == [Kind.HELLO, Kind.BYE]
    done = turns(told)
    assert 3.0 <= sum(one.spent for one in done) < 3.3
    assert [one.number for one in done] == list(range(len(done)))
    assert all(one.wrong == 0 and one.checks > 0 and one.speed > 0 for one in done)
    (prepared,) = ready(told)
    assert (prepared.problem, prepared.wrong) == ("", 0)
    assert prepared.checks == 1 + preparing.REPEATS
    assert {one.phase for one in told if one.kind is Kind.PHASE} == {"prepare", "compile", "verify", "measure"}


def test_loads_take_turns() -> None:
    loads = [Load(name, (Task(CASE, "good"),)) for name in ("gemm", "power", "memory")]
    names = [one.load for one in turns(served(job(*loads, seconds=3.0)))]
    assert names[:6] == ["gemm", "power", "memory"] * 2


@pytest.mark.parametrize(
    ("does", "wrong", "where"),
    [(flip, 1, "y[17]"), (lambda y: y.__setitem__(5, np.nan), 1, "y[5]"), (lambda y: y.fill(7.0), 64, "y[0]")],
)
def test_one_wrong_result_under_heat_is_counted_and_located(does: Any, wrong: int, where: str) -> None:
    """A single call of a thousand."""
    fault = Fault(BEFORE + 541, does)
    done = turns(served(job(seconds=1.0), scripted(1e-6), with_function(fault)))
    assert [(one.wrong, one.where) for one in done if one.wrong] == [(wrong, where)]


def test_where_comparing_is_dear_only_some_results_are_compared_and_said_to_be() -> None:
    cheap, dear = (turns(served(job(seconds=1.0), scripted(each)))[0] for each in (1e-6, 1e-3))
    assert cheap.checks == cheap.iterations * len(cheap.seconds) + 1
    assert dear.checks == -(-dear.iterations // 7) * len(dear.seconds) + 1


def test_a_result_that_is_no_longer_written_is_wrong() -> None:
    calls = count(1)

    def stops(buffers: Buffers, case: Case) -> None:
        if next(calls) <= BEFORE + 3:
            double(buffers, case)

    done = turns(served(job(seconds=0.5), benchmarks=with_function(stops)))
    assert sum(one.wrong for one in done) >= 64


def test_an_input_that_was_spoilt_is_named() -> None:
    calls = count(1)

    def spoils(buffers: Buffers, case: Case) -> None:
        if next(calls) == BEFORE + 3:
            buffers["x"][9] += 1.0
        double(buffers, case)

    done = turns(served(job(seconds=0.5), benchmarks=with_function(spoils)))
    assert done[0].where == "y[9]; its input x changed (element 9)"


def test_the_host_looks_too_so_that_a_comparison_that_goes_blind_is_found_out() -> None:
    fault = Fault(BEFORE + 1, flip, stays=True)
    backend = FakeBackend()
    bind = backend.bind

    def blinded(implementation: Implementation, buffers: Buffers, case: Case, *rest: Any) -> Step:
        if implementation.name != "compare":
            return bind(implementation, buffers, case, *rest)

        def compare(buffers: Buffers, case: Case) -> None:
            if fault.calls <= BEFORE:
                bind(implementation, buffers, case, *rest)()
            else:
                buffers["found"][2] += np.uint64(64)

        return bind(replace(implementation, op=HostCall(compare)), buffers, case, *rest)

    backend.bind = blinded  # type: ignore[method-assign]
    done = turns(served(job(seconds=0.5), backend, with_function(fault)))
    assert done[0].wrong == 1
    assert done[0].where == "y[17]"


def test_elements_that_were_never_compared_count_as_wrong() -> None:
    backend = FakeBackend()
    calls, bind = count(1), backend.bind

    def lazy(implementation: Implementation, buffers: Buffers, case: Case, *rest: Any) -> Step:
        step = bind(implementation, buffers, case, *rest)
        if implementation.name != "compare":
            return step
        return lambda: step() if next(calls) <= 2 + preparing.REPEATS + preparing.TRIALS else None

    backend.bind = lazy  # type: ignore[method-assign]
    done = turns(served(job(seconds=0.5), backend))
    assert sum(one.wrong for one in done) > 0
    assert "never compared" in done[0].where


def test_a_device_that_is_wrong_before_any_heat_is_wrong() -> None:
    told = served(job(), benchmarks=with_function(Fault(1, flip, stays=True)))
    assert ready(told)[0].wrong == 0, "a last bit is within the tolerance: it is what is repeated from then on"

    def nan(y: Any) -> None:
        y[3] = np.nan

    told = served(job(), benchmarks=with_function(Fault(1, nan, stays=True)))
    (prepared,) = ready(told)
    assert (prepared.checks, prepared.wrong) == (preparing.TRIALS, preparing.TRIALS)
    assert "wrong before any heat (1 of 64 elements of y are not finite" in prepared.problem
    assert not turns(told)
    assert told[-1].kind is Kind.BYE


def test_a_first_result_that_is_wrong_once_is_counted_and_the_heat_goes_on() -> None:
    told = served(job(seconds=0.3), benchmarks=with_function(Fault(1, lambda y: y.fill(7.0))))
    assert (ready(told)[0].wrong, ready(told)[0].problem) == (1, "")
    assert turns(told)


def test_our_kernel_that_does_not_repeat_its_bits_is_wrong_and_of_a_library_another_is_taken() -> None:
    own = ready(served(job(seconds=0.2), benchmarks=with_function(Fault(3, flip))))[0]
    assert (own.wrong, own.where, own.problem) == (1, "y[17]", "")
    library = Implementation("library", HostCall(Fault(3, flip)), provider="numpy")
    both = {"toy": replace(toy(), implementations=(library, Implementation("good", HostCall(double))))}
    load = Load("gemm", (Task(CASE, "library"), Task(CASE, "good")))
    taken = ready(served(job(load, seconds=0.2), benchmarks=both))[0]
    assert (taken.task, taken.wrong, taken.problem) == (Task(CASE, "good").key, 0, "")
    alone = ready(served(job(Load("gemm", (Task(CASE, "library"),)), seconds=0.2), benchmarks=both))[0]
    assert "bit by bit" not in alone.problem, "its fault came once, and is over"


def test_a_load_that_cannot_be_put_on_says_why_and_the_others_heat() -> None:
    def broken(buffers: Buffers, case: Case) -> None:
        raise ValueError("no such thing")

    both = {
        "toy": replace(
            toy(),
            implementations=(*with_function(double)["toy"].implementations, Implementation("bad", HostCall(broken))),
        )
    }
    loads = Load("power", (Task(CASE, "bad"),)), Load("memory", ()), Load("gemm", (Task(CASE, "good"),))
    told = served(job(*loads, seconds=0.5), benchmarks=both)
    assert [one.problem for one in ready(told)] == [
        "bad: ValueError: no such thing", "nothing here can put this load on", ""
    ]  # fmt: skip
    assert {one.load for one in turns(told)} == {"gemm"}


def test_a_lost_device_is_told_and_raised() -> None:
    def lost(buffers: Buffers, case: Case) -> None:
        if next(calls) > BEFORE + 100:
            raise DeviceLostError("The GPU was lost (XID 79).", "See dmesg.")
        double(buffers, case)

    calls, told = count(1), []
    from benchsuite.burn import worker
    from benchsuite.world.solo import SoloWorld

    with pytest.raises(DeviceLostError):
        worker.serve(job(), FakeBackend(), SoloWorld(), with_function(lost), told.append)
    assert (told[-1].kind, told[-1].phase) == (Kind.LOST, "The GPU was lost (XID 79). See dmesg.")


@pytest.mark.parametrize("seconds", [0.0, float("nan"), float("inf"), -1.0])
def test_a_clock_that_cannot_be_is_a_failure_and_no_speed(seconds: float) -> None:
    class Broken(FakeBackend):
        def elapsed(self, steps: Any) -> Elapsed:
            spent = super().elapsed(steps)
            return Elapsed(seconds) if len(steps) > 10 else spent

    with pytest.raises(MeasureError, match="by the clock"):
        served(job(), Broken())


def test_one_that_hardly_comes_to_load_ends_all_the_same() -> None:
    """A second between slices of a millisecond."""

    class Idle(FakeBackend):
        def elapsed(self, steps: Any) -> Elapsed:
            self._now += 40.0
            return super().elapsed(steps)

    told = served(job(seconds=3.0, turn=0.01, part=0.001), Idle())
    assert sum(one.spent for one in turns(told)) < 3.0
    assert told[-1].kind is Kind.BYE


def test_slow_iterations_still_make_turns() -> None:
    done = turns(served(job(seconds=30.0, turn=5.0, part=1.0), slow(2.0)))
    assert sum(one.spent for one in done) >= 30.0
    assert all(one.iterations >= 1 for one in done)


# -- the simulated GPU ------------------------------------------------------------------------

GPP = pytest.mark.skipif(not simulate.available(), reason="g++ is not installed")
SMALL = (
    Load("gemm", (Task(Case.of("gemm", m=64, n=64, k=64, dtype="bf16", layout="nt", data="normal"), "mma"),)),
    Load("power", (Task(Case.of("peak", flops=2**19, dtype="bf16"), "mma.sync"),)),
    Load("memory", (Task(Case.of("fill", bytes=1 << 16), "hash"),)),
)
KERNELS = {"gemm": gemm.BENCHMARK, "peak": peak.BENCHMARK, "fill": fill.BENCHMARK}


class Flipping(simulate.SimulatedRuntime):
    """Flips a bit of buffer ``name`` after call number ``at`` of the kernel ``entry``, and after all later ones."""

    def __init__(self, entry: str, name: str, at: int) -> None:
        super().__init__(seed=1)
        self._fault = entry, name, at

    def prepare(self, source: Source, launch: Launch, buffers: Buffers) -> Step:
        step, (entry, name, at), calls = super().prepare(source, launch, buffers), self._fault, count(1)
        if launch.entry != entry:
            return step

        def flipping() -> None:
            step()
            if next(calls) >= at:
                buffers[name].reshape(-1).view(np.uint8)[96] ^= 4

        flipping.__dict__["keeps"] = step
        return flipping


@GPP
def test_the_worker_burns_a_simulated_gpu() -> None:
    told = served(job(*SMALL, seconds=0.5, turn=0.01, part=0.01), CudaBackend(simulate.SimulatedRuntime()), KERNELS)
    assert [(one.load, one.problem, one.wrong) for one in ready(told)] == [
        (name, "", 0) for name in ("gemm", "power", "memory")
    ]
    done = turns(told)
    assert {one.load for one in done} == {"gemm", "power", "memory"}
    assert sum(one.wrong for one in done) == 0
    assert all(one.checks > 0 for one in done)


@GPP
@pytest.mark.parametrize(
    ("load", "entry", "name"), [(0, "gemm", "c"), (2, "fill", "memory")], ids=["the product", "the memory"]
)
def test_one_bit_that_flips_on_a_simulated_gpu_is_found(load: int, entry: str, name: str) -> None:
    runtime = Flipping(entry, name, BEFORE + 2)
    told = served(job(SMALL[load], seconds=0.02, turn=0.02, part=0.02), CudaBackend(runtime), KERNELS)
    assert ready(told)[0].wrong == 0
    wrong = sum(one.wrong for one in turns(told))
    assert wrong > 0


def test_the_loads_of_the_shipped_benchmarks_fit_together() -> None:
    """Every task that a device may be given exists, is valid, and is supported by its implementation."""
    from benchsuite.backends.base import Description
    from benchsuite.burn.loads import NAMES, chosen
    from benchsuite.model import TYPICAL

    for found in (
        *(Description(frozenset({"cuda", arch}), gpu.l2, gpu.memory, gpu) for arch, gpu in TYPICAL.items()),
        Description(frozenset({"host", "numba"}), 32 << 20, 16 << 30),
        Description(frozenset({"host"}), 1 << 16, 1 << 32),
    ):
        made = chosen(NAMES, found, discover())
        assert [one.name for one in made] == list(NAMES)
        assert all(one.tasks for one in made), found
        if found.device is not None:
            memory = made[2].tasks[0].case.integer("bytes")
            assert 0.9 * found.memory < memory < found.memory - (1 << 30)
