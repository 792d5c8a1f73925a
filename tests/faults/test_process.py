"""Rows about processes: lost devices, crashes, memory, floods of processes, orphans, slow compilers."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import psutil
import pytest

from benchsuite import beat
from benchsuite.errors import Exit
from benchsuite.model import Status
from tests.faults.injection import (
    Ended,
    assert_contained,
    assert_once_each,
    assert_others_measured,
    begin,
    cgroup,
    resume,
    run_campaign,
)

ROOT = Path(__file__).parents[2]
PATHS = {"PYTHONPATH": str(ROOT)}
"""So that a worker finds the doubles of CuPy among the tests."""

CUPY = """
from pathlib import Path
from benchsuite.backends.cuda.cupy_runtime import CupyRuntime
from tests import fake_cupy

def gpu(**world):
    cupy = fake_cupy.Cupy(fake_cupy.World(**world))
    return CupyRuntime(cupy, fake_cupy.Driver(), lambda source, arch: Path("/none.cubin")), cupy.world
"""
LOST = "cudaErrorIllegalAddress: an illegal memory access was encountered"


def pids(ended: Ended) -> list[int]:
    """The rank's process of each attempt, in order."""
    folders = sorted((ended.folder / "attempts").iterdir())
    return [beat.signs(folder)[0].pid for folder in folders]


@pytest.mark.fault(1)
def test_a_lost_device_costs_its_task_and_the_next_has_another_process(tmp_path: Path) -> None:
    """The kernel is lost at its first launch; whoever launches in that process after it fails too."""
    fault = f"""{CUPY}
lost = []

def faulty(buffers, case):
    runtime, world = gpu()
    world.lost = {LOST!r}
    lost.append(True)
    runtime.synchronize()

def double(buffers, case):
    assert not lost, "measured in a process whose device is lost"
    np.multiply(buffers["x"], 2.0, out=buffers["y"])
"""
    ended = run_campaign(tmp_path, fault, cases=2, environment=PATHS)
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED
    assert_others_measured(ended)
    assert len(ended.of("faulty")) == 2
    for record in ended.of("faulty"):
        assert record.status is Status.FAILED
        assert "The GPU was lost" in record.reason
        assert LOST in record.reason
    assert len(pids(ended)) >= 2
    assert len(set(pids(ended))) == len(pids(ended))


@pytest.mark.fault(2)
@pytest.mark.parametrize(
    ("death", "name"), [("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"), ("os.abort()", "SIGABRT")]
)
def test_a_crash_costs_its_own_task(tmp_path: Path, death: str, name: str) -> None:
    ended = run_campaign(tmp_path, f"def faulty(buffers, case): {death}", cases=1)
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED
    assert_others_measured(ended)
    (record,) = ended.of("faulty")
    assert record.status is Status.FAILED
    assert f"ended by {name}: Fatal Python error: " in record.reason
    assert any(name in data["reason"] for data in ended.told("attempt-end"))


@pytest.mark.fault(10)
def test_no_rank_outlives_a_controller_that_was_killed(tmp_path: Path) -> None:
    with begin(tmp_path, "def faulty(buffers, case): time.sleep(600)", cases=1) as running:
        running.until(lambda: running.doing("[faulty]"))
        running.send(signal.SIGKILL)
        ended = running.wait(patience=10.0)
    assert ended.exit_code == -signal.SIGKILL
    assert not ended.alive
    assert not ended.told("end")


@pytest.mark.fault(10)
def test_the_next_start_ends_what_a_killed_controller_left(tmp_path: Path) -> None:
    """This rank asks the kernel not to be ended with its parent, and is stopped, so that it cannot end itself."""
    fault = """
def faulty(buffers, case):
    double(buffers, case)
    if first("stubborn"):
        ctypes.CDLL(None).prctl(1, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
"""
    with begin(tmp_path, fault, cases=1) as running:
        running.until(lambda: any(_state(sign.pid) == psutil.STATUS_STOPPED for sign in running.signs()))
        (sign,) = running.signs()
        running.send(signal.SIGKILL)
        running.process.wait()
        assert _state(sign.pid) == psutil.STATUS_STOPPED
        resumed = resume(tmp_path)
        assert _state(sign.pid) in {"", psutil.STATUS_ZOMBIE}
    assert_contained(resumed)
    assert resumed.exit_code == Exit.DONE
    assert_once_each(resumed.folder)


def _state(pid: int) -> str:
    try:
        return str(psutil.Process(pid).status())
    except psutil.Error:
        return ""


@pytest.mark.fault(11)
def test_a_memory_limit_is_named_as_the_cause(tmp_path: Path) -> None:
    fault = "def faulty(buffers, case): bytearray(1 << 30)"
    with cgroup("memory", {"memory.limit_in_bytes": str(500 << 20)}) as inside:
        ended = run_campaign(tmp_path, fault, cases=1, preexec=inside)
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED
    assert_others_measured(ended)
    (record,) = ended.of("faulty")
    assert record.status is Status.FAILED
    assert "OOM_KILLED" in record.reason


@pytest.mark.fault(12)
def test_memory_that_is_not_given_costs_the_case_and_not_its_size(tmp_path: Path) -> None:
    """The larger case asks for more than its process may have."""
    fault = """
def inputs(case, rng):
    if case.integer("n") == 128:
        np.zeros(1 << 33, np.uint8)
    return {"x": rng.standard_normal(case.integer("n"))}
"""
    limit = 6 << 30
    ended = run_campaign(
        tmp_path, fault, preexec=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)), cases=2
    )
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED
    assert len(ended.records) == 4
    for record in ended.records:
        small = record.case.integer("n") == 64
        assert record.status is (Status.OK if small else Status.FAILED)
        assert small or "memory" in record.reason
    assert len(ended.told("attempt")) == 1, "want of memory ended the process"


@pytest.mark.fault(12)
def test_memory_that_a_gpu_does_not_give_is_a_sentence(tmp_path: Path) -> None:
    fault = f"""{CUPY}
def faulty(buffers, case):
    runtime, world = gpu()
    world.refuse["empty"] = fake_cupy.OutOfMemoryError("Out of memory allocating 1,024 bytes")
    runtime.empty((1024,), "uint8")
"""
    ended = run_campaign(tmp_path, fault, cases=1, environment=PATHS)
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED
    assert_others_measured(ended)
    (record,) = ended.of("faulty")
    assert "of device memory could not be allocated" in record.reason
    assert len(ended.told("attempt")) == 1


@pytest.mark.fault(45)
def test_a_fork_bomb_is_contained(tmp_path: Path) -> None:
    fault = """
def faulty(buffers, case):
    while True:
        try:
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
        except OSError:
            time.sleep(0.01)
"""
    policy = {"deadline": 1.0, "setup_deadline": 10.0, "compile_deadline": 1.0}
    with cgroup("pids", {"pids.max": "80"}) as inside:
        ended = run_campaign(
            tmp_path, fault, cases=1, policy=policy, preexec=inside, environment={"OPENBLAS_NUM_THREADS": "1"}
        )
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED
    assert_others_measured(ended)
    (record,) = ended.of("faulty")
    assert record.status is Status.FAILED
    assert "nothing was heard for 1 s" in record.reason


SLOW_COMPILER = """
def faulty(buffers, case):
    double(buffers, case)
    if "compile" in doing() and first("compiled"):
        time.sleep({seconds})
"""


SLOW_INPUTS = """
def inputs(case, rng):
    if first("made"):
        time.sleep(2.2)
    return {"x": rng.standard_normal(case.integer("n"))}
"""


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    "fault",
    [
        SLOW_COMPILER.format(seconds=2.2),
        SLOW_INPUTS,
    ],
    ids=["compile", "inputs"],
)
def test_what_is_slow_before_measuring_has_a_deadline_of_its_own(tmp_path: Path, fault: str) -> None:
    ended = run_campaign(tmp_path, fault, cases=1, policy={"deadline": 1.5})
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE
    assert_once_each(ended.folder)


@pytest.mark.fault(46)
@pytest.mark.parametrize(
    ("policy", "fault", "phase"),
    [
        ({"compile_deadline": 1.0}, SLOW_COMPILER.format(seconds=60), "compile: "),
        ({"deadline": 1.0}, SLOW_COMPILER.format(seconds=60).replace("compile", "measure"), "measure: "),
    ],
    ids=["compile", "measure"],
)
def test_a_deadline_names_the_phase_that_it_ended(
    tmp_path: Path, policy: dict[str, float], fault: str, phase: str
) -> None:
    ended = run_campaign(tmp_path, fault, cases=1, policy=policy)
    assert_contained(ended, within=20)
    assert ended.exit_code == Exit.FAILED
    assert_others_measured(ended)
    (record,) = ended.of("faulty")
    assert "nothing was heard" in record.reason
    assert f"({phase}faulted n=64 [faulty])" in record.reason
    stack = ended.folder / "attempts" / "0001" / "rank-0.stack"
    stacks = [file.read_text() for file in stack.parent.parent.glob("*/rank-0.stack")]
    assert any("in faulty" in text for text in stacks), "the place where it hung was not written down"
