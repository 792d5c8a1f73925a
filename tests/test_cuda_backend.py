"""The CUDA backend over a runtime without a GPU: places, poison, scratch, skips, clocks, and a whole task."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchsuite.backends.base import HOME
from benchsuite.backends.cuda.backend import NAN, ODD, CudaBackend, CudaStep
from benchsuite.backends.cuda.runtime import Spent
from benchsuite.discovery import discover
from benchsuite.errors import DeviceLostError, MeasureError, UnavailableError
from benchsuite.measure.clock import Clock
from benchsuite.measure.task import Bench, Measurement, prepare
from benchsuite.model import (
    TYPICAL,
    Array,
    ArraySpec,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    CudaKernel,
    CudaLibrary,
    Device,
    HostCall,
    Implementation,
    Launch,
    Outcome,
    Policy,
    Rejected,
    Samples,
    Skipped,
    Source,
    Step,
    Task,
)
from benchsuite.protocol import Assigned, Job, Kind, Message, decode, encode, result
from benchsuite.serving import _outcome
from benchsuite.worker import main
from benchsuite.world.solo import SoloWorld
from tests.conftest import toy
from tests.cuda_host import simulate

CASE = Case.of("toy", n=64, kind="a")
DOUBLE = Source.of("toy.cu", TIMES=2)
SMALL = replace(TYPICAL["sm_90a"], l2=1 << 12)
"""A GPU whose cache is passed over with few buffers."""


@dataclass
class TinyRuntime:
    """A runtime whose only kernel doubles ``x`` into ``y`` on the host, and which remembers what it was asked."""

    gpu: Device = SMALL
    place: dict[int, str] = field(default_factory=dict)
    fills: list[tuple[int, int]] = field(default_factory=list)
    prepared: list[tuple[Source, Launch]] = field(default_factory=list)
    gates: list[bool] = field(default_factory=list)
    graphs: int = 0
    seconds: float | None = None

    def device(self) -> Device:
        return self.gpu

    def capabilities(self) -> frozenset[str]:
        return frozenset({"cuda", self.gpu.arch})

    def providers(self) -> dict[str, str]:
        return {"benchsuite": "NVRTC 13.5"}

    def address(self, array: Array) -> int:
        return int(array.ctypes.data)

    def stream(self) -> int:
        return 0

    def free_memory(self) -> int:
        return 1 << 30

    def empty(self, shape: tuple[int, ...], storage: str, place: str) -> Array:
        made: Array = np.zeros(shape, storage)
        self.place[id(made)] = place
        return made

    def upload(self, array: Array, place: str) -> Array:
        made = self.empty(array.shape, array.dtype.name, place)
        made[...] = array
        return made

    def download(self, array: Array) -> Array:
        return array.copy()

    def fill(self, array: Array, byte: int) -> None:
        self.fills.append((id(array), byte))
        array.reshape(-1).view(np.uint8).fill(byte)

    def prepare(self, source: Source, launch: Launch, buffers: Buffers) -> Step:
        self.prepared.append((source, launch))
        return lambda: np.multiply(buffers["x"], dict(source.defines)["TIMES"], out=buffers["y"]).sum()

    def copy(self, destination: Array, source: Array) -> Step:
        return lambda: np.copyto(destination, source)

    def together(self, steps: Sequence[Step]) -> Step:
        return self.graph(steps)

    def graph(self, steps: Sequence[Step]) -> Step:
        self.graphs += 1

        def replay() -> None:
            for step in steps:
                step()

        return replay

    def synchronize(self) -> None:
        return

    def elapsed(self, steps: Sequence[Step], gated: bool) -> Spent:
        if steps:
            self.gates.append(gated)
        start = time.perf_counter()
        for step in steps:
            step()
        host = time.perf_counter() - start
        return Spent(host if self.seconds is None else self.seconds, host)


def kernel(source: Source = DOUBLE, **changes: Any) -> CudaKernel:
    launches = (Launch("double", (1, 1, 1), (64, 1, 1), ("x", "y", np.int32(64))),)
    return CudaKernel(source=lambda case, device: source, launches=lambda case, device: launches, **changes)


def cuda_toy(op: CudaKernel | CudaLibrary | None = None, **changes: Any) -> Benchmark:
    implementation = Implementation("raw", op or kernel(), frozenset({"cuda"}))
    return replace(toy(), implementations=(implementation,), **changes)


def bound(op: CudaKernel | CudaLibrary, places: Mapping[str, str] = HOME) -> tuple[CudaStep, TinyRuntime, CudaBackend]:
    runtime = TinyRuntime()
    backend = CudaBackend(runtime)
    buffers = {"x": runtime.upload(np.arange(64.0), "device"), "y": runtime.empty((64,), "float64", "device")}
    return backend.bind(Implementation("raw", op), buffers, CASE, SoloWorld(), places), runtime, backend


def outcome(op: CudaKernel | CudaLibrary | None = None, runtime: TinyRuntime | None = None, **changes: Any) -> Outcome:
    benchmark = cuda_toy(op, **changes)
    backend = CudaBackend(runtime or TinyRuntime())
    policy = Policy(seconds=0.02, warmup=0.0, min_samples=5, max_samples=20)
    bench = Bench(backend, SoloWorld(), Clock(0.0, 0.0), policy)
    return _outcome(
        Measurement(bench, benchmark, benchmark.implementations[0], CASE, prepare(benchmark, CASE, 0, 1), 0.02)
    ).outcome


# -- buffers ----------------------------------------------------------------------------------


def test_buffers_lie_where_the_benchmark_says() -> None:
    runtime = TinyRuntime()
    backend = CudaBackend(runtime)
    places = {"x": "pinned", "z": "device:1"}
    made = backend.upload({"x": np.zeros(4), "y": np.zeros(4)}, places)
    made |= backend.allocate({"z": ArraySpec((4,), "fp32"), "w": ArraySpec((4,), "fp32")}, places)
    assert {name: runtime.place[id(array)] for name, array in made.items()} == {
        "x": "pinned",
        "y": "device",
        "z": "device:1",
        "w": "device",
    }


@pytest.mark.parametrize("dtype", ["fp64", "fp32", "tf32", "bf16", "fp16", "e4m3"])
def test_every_floating_output_is_poisoned_with_nan(dtype: str) -> None:
    from benchsuite import units

    backend = CudaBackend(TinyRuntime())
    made = backend.allocate({"y": ArraySpec((4, 3), dtype)})
    assert np.isnan(units.as_float(made["y"], dtype)).all()
    made["y"].fill(0)
    backend.poison(made)
    assert np.isnan(units.as_float(backend.download(made)["y"], dtype)).all()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_integers_get_an_odd_pattern(dtype: str) -> None:
    made = CudaBackend(TinyRuntime()).allocate({"y": ArraySpec((4,), dtype)})["y"]
    assert set(made.view(np.uint8)) == {ODD}


# -- binding ----------------------------------------------------------------------------------


def test_scratch_is_made_once_a_step_poisoned_or_zeroed_and_placed() -> None:
    specs = {"partial": ArraySpec((8,), "bf16"), "flags": ArraySpec((2,), "uint32"), "count": ArraySpec((2,), "int32")}
    op = kernel(scratch=lambda case, device: specs, zeroed=frozenset({"flags"}))
    step, runtime, _ = bound(op, {"flags": "device:1"})
    filled = dict(runtime.fills)
    assert [filled[id(step.keeps[name])] for name in specs] == [NAN, 0, ODD]
    assert runtime.place[id(step.keeps["flags"])] == "device:1"
    allocated = len(runtime.place)
    step()
    step()
    assert len(runtime.place) == allocated


def test_a_step_is_its_launches_or_one_graph_of_them() -> None:
    launches = tuple(Launch(f"part{i}", (1, 1, 1), (32, 1, 1), ()) for i in range(3))
    op = replace(kernel(), launches=lambda case, device: launches)
    step, runtime, _ = bound(op)
    assert len(step.parts) == 3
    assert [launch.entry for _, launch in runtime.prepared] == ["part0", "part1", "part2"]
    graphed, runtime, _ = bound(replace(op, graph=True))
    assert (len(graphed.parts), runtime.graphs) == (1, 1)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"archs": frozenset({"sm_80"})}, "sm_80"),
        ({"devices": lambda case: 2}, "needs 2 GPUs"),
    ],
)
def test_what_the_device_lacks_is_a_skip_with_the_reason(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UnavailableError, match=why):
        bound(kernel(**changes))
    found = outcome(kernel(**changes))
    assert isinstance(found, Skipped)
    assert why in found.reason


def test_a_skip_reaches_the_controller_as_a_skip() -> None:
    message = decode(encode(result("n", 3, Skipped("It needs 2 GPUs."), "now", "")), Message)
    assert message.outcome == Skipped("It needs 2 GPUs.")


def test_a_processor_s_implementation_is_unavailable() -> None:
    backend = CudaBackend(TinyRuntime())
    with pytest.raises(UnavailableError, match="--backend host"):
        backend.bind(Implementation("numpy", HostCall(lambda buffers, case: None)), {}, CASE, SoloWorld())


def test_a_library_is_called_once_with_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchsuite.backends.cuda import memcpy

    calls: list[object] = []

    def double(buffers: Buffers, case: Case, runtime: object) -> Step:
        calls.append(runtime)
        return lambda: np.multiply(buffers["x"], 2.0, out=buffers["y"]).sum()

    monkeypatch.setattr(memcpy, "double", double, raising=False)
    step, runtime, backend = bound(CudaLibrary("memcpy:double", gated=False))
    assert calls == [runtime]
    backend.elapsed([step, step])
    assert runtime.gates == [False]


# -- time -------------------------------------------------------------------------------------


def test_elapsed_hands_the_parts_to_the_device_gated_unless_one_step_must_not_be() -> None:
    step, runtime, backend = bound(kernel())
    assert backend.elapsed([step]).seconds >= 0.0
    backend.elapsed([step, replace(step, gated=False)])
    assert runtime.gates == [True, False]


def test_a_device_that_was_busier_than_the_wall_clock_is_not_believed() -> None:
    step, runtime, backend = bound(kernel())
    runtime.seconds = 1e-9
    assert backend.elapsed([step]).seconds == 1e-9  # no claim that cannot be: the two clocks are compared later
    for wrong in (0.5, float("nan")):
        runtime.seconds = wrong
        with pytest.raises(MeasureError, match="clock"):
            backend.elapsed([step])


@dataclass
class TwoClocks(TinyRuntime):
    """A device whose host sees the end of each of ``waits`` waits ``late`` seconds late; the work takes ``work``."""

    work: float = 1e-3
    claims: float = 1.0
    late: float = 15e-6
    waits: int = 1
    idle: int = 0

    def elapsed(self, steps: Sequence[Step], gated: bool) -> Spent:
        for step in steps:
            step()
            time.sleep(self.work)  # the wall clock must have room for it
        if not steps:
            self.idle += 1
            return Spent(1e-6, 1e-6 + self.late)
        work = self.work * len(steps)
        return Spent(self.claims * work, work + self.waits * self.late, self.waits)


def test_what_the_host_sees_of_no_work_is_taken_off_once_for_each_wait() -> None:
    runtime = TwoClocks(waits=3)
    backend = CudaBackend(runtime)
    for _ in range(2):
        spent = backend.elapsed([lambda: None])
        assert spent.seconds == runtime.work
        assert spent.host == pytest.approx(runtime.work, abs=1e-9)
    assert runtime.idle == 9, "seen once, then known"


@pytest.mark.parametrize(("claims", "codes"), [(1.0, []), (0.5, ["CLOCK_DISAGREE"])])
def test_events_that_claim_less_than_the_host_saw_are_told_and_the_samples_kept(
    claims: float, codes: list[str]
) -> None:
    found = outcome(runtime=TwoClocks(claims=claims))
    assert isinstance(found, Samples)
    assert [caveat.code for caveat in found.caveats if caveat.code == "CLOCK_DISAGREE"] == codes
    assert list(found.annotations) == codes
    assert len(found.seconds) >= 5


def test_the_timer_waits_for_the_device() -> None:
    _, runtime, backend = bound(kernel())
    waits: list[int] = []
    runtime.synchronize = lambda: waits.append(1)  # type: ignore[method-assign]
    timer = backend.timer()
    assert timer() <= timer()
    assert len(waits) == 2


# -- a whole task -----------------------------------------------------------------------------


def test_a_right_kernel_gets_a_time_and_a_wrong_one_none() -> None:
    assert isinstance(outcome(), Samples)
    assert isinstance(outcome(kernel(Source.of("toy.cu", TIMES=3))), Rejected)


def test_buffers_outside_device_memory_do_not_fill_it() -> None:
    small = TinyRuntime()
    small.free_memory = lambda: 64 * 8 * 4 * 3  # type: ignore[method-assign]
    hot = {"cache": CacheMode.HOT}
    assert isinstance(outcome(runtime=small, **hot), Samples)
    small.free_memory = lambda: 100  # type: ignore[method-assign]
    assert not isinstance(outcome(runtime=small, **hot), Samples)
    placed = outcome(runtime=small, places=lambda case: {"x": "pinned", "y": "pinned"}, **hot)
    assert isinstance(placed, Samples)


@pytest.mark.parametrize("when", ["prepare", "elapsed"])
def test_a_lost_device_ends_the_process_instead_of_failing_one_task_after_another(when: str) -> None:
    runtime = TinyRuntime()

    def lost(*_: object) -> Any:
        raise DeviceLostError("The GPU was lost.")

    setattr(runtime, when, lost)
    with pytest.raises(DeviceLostError):
        outcome(runtime=runtime)


def test_a_lost_device_leaves_the_rest_to_a_fresh_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker says what was lost and ends: the controller blames that task alone and starts again."""
    cases = [Case.of("toy", n=n, kind="a") for n in (64, 1024)]
    assigned = tuple(Assigned(i, Task(case, "raw"), 0.01) for i, case in enumerate(cases))
    policy = Policy(seconds=0.01, warmup=0.0, min_samples=5, max_samples=10)
    job = Job(1, 0, "cuda", "solo", 1, 1, 1, policy, assigned, str(tmp_path / "results"), "nonce")
    (tmp_path / "job.json").write_bytes(encode(job))
    runtime = TinyRuntime()
    measured = runtime.elapsed

    def failing(steps: Sequence[Step], gated: bool) -> float:
        if len(runtime.prepared) and runtime.prepared[-1][1].args[2] == 1024:
            raise DeviceLostError("The GPU was lost (could not finish: an illegal memory access).", "See dmesg.")
        return measured(steps, gated)

    def launches(case: Case, device: Device) -> tuple[Launch, ...]:
        return (Launch("double", (1, 1, 1), (64, 1, 1), ("x", "y", np.int32(case.integer("n")))),)

    runtime.elapsed = failing  # type: ignore[method-assign]
    monkeypatch.setattr("benchsuite.backends.open_backend", lambda name, threads: CudaBackend(runtime))
    monkeypatch.setattr(
        "benchsuite.discovery.discover", lambda: {"toy": cuda_toy(replace(kernel(), launches=launches))}
    )
    monkeypatch.setattr("benchsuite.worker._die_with_parent", lambda: None)
    monkeypatch.setattr("faulthandler.enable", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main(["solo", "1", "0", str(tmp_path / "job.json")])
    assert ended.value.code == 4
    messages = [decode(line, Message) for line in (tmp_path / "results").read_bytes().splitlines()]
    assert [message.index for message in messages if message.kind is Kind.RESULT] == [0]
    assert messages[-1].kind is Kind.PHASE
    assert "an illegal memory access). See dmesg." in capsys.readouterr().err.splitlines()[-1]


# -- real kernels, executed on the processor --------------------------------------------------


def simulated(runtime: simulate.SimulatedRuntime, *args: Any) -> Step:
    source = Source.of("probe/gate.cu")
    buffers = {"opened": np.array([2], np.uint32), "late": np.array([0], np.uint32)}
    step = runtime.prepare(source, Launch("gate", (1, 1, 1), (1, 1, 1), ("opened", args[0], "late", args[1])), buffers)
    step()
    return lambda: int(buffers["late"][0])  # type: ignore[return-value]


needs_compiler = pytest.mark.skipif(not simulate.available(), reason="needs g++")


@needs_compiler
def test_the_gate_lets_pass_when_opened_and_tells_when_it_gave_up() -> None:
    runtime = simulate.SimulatedRuntime()
    assert simulated(runtime, np.uint32(2), np.uint64(10**9))() == 0
    assert simulated(runtime, np.uint32(3), np.uint64(10_000))() == 3


@needs_compiler
def test_a_kernel_of_the_catalogue_is_measured_over_the_simulator() -> None:
    benchmark = replace(discover()["memory"], cache=CacheMode.HOT)
    implementation = next(one for one in benchmark.implementations if "cuda" in one.requires)
    case = Case.of("memory", **{axis.name: axis.values[0] for axis in benchmark.axes})
    bench = Bench(
        CudaBackend(simulate.SimulatedRuntime()),
        SoloWorld(),
        Clock(0.0, 0.0),
        Policy(seconds=0.01, warmup=0.0, min_samples=3, max_samples=3),
    )
    found = Measurement(bench, benchmark, implementation, case, prepare(benchmark, case, 0, 1), 0.01).outcome().outcome
    assert isinstance(found, Samples)
    assert found.max_error >= 0.0
