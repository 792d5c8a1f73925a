"""Rows about burn-ins: a device dies, hangs, computes wrongly, becomes hot, or loses its controller."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchsuite import journal
from benchsuite.attempt import End, ProcessRunner, Runner, no_poll
from benchsuite.backends.base import Description
from benchsuite.burn import events
from benchsuite.burn.controller import Request, run
from benchsuite.burn.station import Surroundings
from benchsuite.burn.verdict import Come, come, exit_code, reasons
from benchsuite.errors import Exit
from benchsuite.execute import Blind, Observer
from benchsuite.launchers.local import LocalLauncher
from benchsuite.model import Case, Task
from benchsuite.protocol import Job, Load, Message
from benchsuite.telemetry.watch import Telemetry
from tests import nvml_double
from tests.burn_data import described, gpus
from tests.faults.injection import faulted, start, write
from tests.nvml_double import BUS, IDLE, WORK

CASE = Case.of("faulted", n=64)
COUNTED = """
calls = 0
def faulty(buffers, case):
    global calls
    double(buffers, case)
    calls += 1
    if calls == {at} and os.environ.get("DEVICE") == "1":
        {does}
"""
needs_double = pytest.mark.skipif(bool(nvml_double.unavailable()), reason=nvml_double.unavailable())


def machine(
    folder: Path,
    fault: str,
    backend: str = "fake",
    observer: Callable[..., AbstractContextManager[Observer]] = lambda *_: nullcontext(Blind()),
) -> Surroundings:
    """GPUs whose workers are real processes with this fault in the benchmark; their time is scripted."""
    write(folder, fault)
    load = Load("gemm", (Task(CASE, "faulty"),))

    def describe(_: str, device: int | None) -> Description:
        return replace(described("cuda", device), environment={**faulted(folder), "DEVICE": str(device)})

    def runner(environment: Mapping[str, str]) -> Runner:
        processes = ProcessRunner(LocalLauncher(), environment)

        def begin(job: Job, where: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll) -> End:
            return processes(replace(job, backend=backend), where, listen, poll)

        return begin

    return Surroundings(describe, runner, observer, lambda *_: (load,))


def burnt(
    folder: Path, fault: str, seconds: float = 4.0, patience: float = 20.0, count: int = 2, **changes: Any
) -> list[Any]:
    """What came of GPU 0, which is well, and GPU 1, which has the fault."""
    request = Request(gpus(count), seconds, folder / "burn", patience=patience)
    found = run(request, surroundings=machine(folder, fault, **changes))
    return list(found.values())


@pytest.mark.fault(60)
def test_a_gpu_that_dies_is_named_and_the_other_goes_on(tmp_path: Path) -> None:
    raises = "from benchsuite.errors import DeviceLostError; raise DeviceLostError('The GPU was lost (XID 79).')"
    well, dead = burnt(tmp_path, COUNTED.format(at=1500, does=raises))
    assert come(well) is Come.CLEAN
    assert well.seconds >= 4.0
    assert (come(dead), dead.failures) == (Come.FAULTY, 1)
    assert "XID 79" in dead.reason
    assert dead.checks > 0
    assert exit_code([well, dead]) is Exit.REJECTED


@pytest.mark.fault(61)
def test_a_device_that_hangs_is_ended_at_the_deadline(tmp_path: Path) -> None:
    """In its first process; the second goes on to the end, and it is not clean all the same."""
    well, hung = burnt(tmp_path, COUNTED.format(at=1500, does="first('hung') and time.sleep(600)"), patience=4.0)
    assert come(well) is Come.CLEAN
    assert (come(hung), hung.failures) == (Come.FAULTY, 1)
    assert "nothing was heard for 4 s" in " ".join(hung.notes)
    assert "gemm" in " ".join(hung.notes), "what it was doing"
    assert hung.seconds >= 4.0


@pytest.mark.fault(62)
def test_one_wrong_result_of_thousands_is_counted_with_its_place(tmp_path: Path) -> None:
    """From that call on, as not every result is compared on a clock where that takes as long as to compute."""
    fault = """
calls = 0
def faulty(buffers, case):
    global calls
    double(buffers, case)
    calls += 1
    if calls >= 1500 and os.environ.get("DEVICE") == "1":
        buffers["y"][9] = np.nan
    if calls >= 1500 and os.environ.get("DEVICE") == "2":
        buffers["y"].view(np.uint64)[9] ^= np.uint64(1)
"""
    well, *bad = burnt(tmp_path, fault, seconds=3.0, count=3)
    assert come(well) is Come.CLEAN
    for one in bad:
        assert one.wrong > 0
        assert one.failures == 0
        assert "the first at y[9]" in " ".join(one.notes)
        assert exit_code([well, one]) is Exit.REJECTED


@needs_double
@pytest.mark.fault(63)
def test_a_gpu_that_becomes_hot_is_told_and_a_memory_error_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot = f"{WORK} throttle=32 temperature=91 sm=1200"
    states = [IDLE, WORK, WORK, WORK, *[hot] * 6, f"{hot} uncorrected=1", *[hot] * 60]
    for name, value in nvml_double.environment(tmp_path, states).items():
        monkeypatch.setenv(name, value)

    def observer(folder: Path, found: Description, backend: str) -> AbstractContextManager[Observer]:
        return Telemetry(folder, BUS)

    request = Request(gpus(1), 1.5, tmp_path / "burn", patience=20.0)
    slow = "\ndef faulty(buffers, case):\n    double(buffers, case)\n    time.sleep(0.005)\n"
    (one,) = run(request, surroundings=machine(tmp_path, slow, "host", observer)).values()
    notes = " ".join(one.notes)
    assert "lowered its clock because of heat" in notes
    assert "Hottest 91 °C" in notes
    assert one.wrong == 0
    assert come(one) is Come.FAULTY
    assert "New uncorrected memory errors: 1" in "; ".join(reasons(one))


@pytest.mark.fault(64)
def test_a_controller_that_is_killed_leaves_no_process_and_a_file_that_says_so(tmp_path: Path) -> None:
    write(tmp_path)
    with start(tmp_path, "burn", "--backend", "fake", "--minutes", "1000", "--phases", "gemm") as running:
        path = lambda: next(iter(running.out.glob(f"*/{events.FILE}")), None)  # noqa: E731
        running.until(lambda: (found := path()) and b'"turn"' in found.read_bytes())
        running.send(signal.SIGKILL)
        ended = running.wait(patience=10.0)
    assert not ended.alive
    file = path()
    assert file is not None
    assert not journal.read(file)[1]
    (one,) = events.load(file).values()
    assert one.reason.startswith("it was under load for")
    assert come(one) is Come.UNKNOWN
