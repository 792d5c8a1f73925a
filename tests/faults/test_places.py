"""Rows about where a campaign runs: beside another on the same device, in a container without rights, on few cores."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchsuite import campaign, store
from benchsuite.backends.base import Description
from benchsuite.errors import Exit, MeasureError
from benchsuite.model import Device, Status
from benchsuite.protocol import Job, decode
from tests.faults.injection import (
    Ended,
    assert_contained,
    assert_once_each,
    begin,
    cgroup,
    mounted,
    run_campaign,
    run_command,
)

STAYS = """
def faulty(buffers, case):
    double(buffers, case)
    if "compile" in doing() and first("stays"):
        time.sleep(60)
"""


def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Three users of one machine."""
    made = tuple(tmp_path / name for name in ("first-user", "second", "third"))
    for folder in made:
        folder.mkdir()
    return made  # type: ignore[return-value]


@pytest.mark.fault(26)
def test_a_second_run_on_the_processor_refuses_or_waits_and_a_dead_holder_does_not_count(tmp_path: Path) -> None:
    one, other, third = folders(tmp_path)
    locks = {"BENCHSUITE_LOCKS": str(tmp_path)}
    with begin(one, STAYS, cases=1, backend="host", environment=locks) as holder:
        holder.until((one / "first" / "stays").exists)
        refused = run_campaign(other, cases=1, backend="host", environment=locks)
        assert_contained(refused, within=15)
        assert refused.exit_code == Exit.FAILED
        assert f"is being measured by process {holder.process.pid}" in refused.stderr
        assert "--wait" in refused.stderr
        assert refused.run is None, "a run was begun although the device is in use"
        with begin(third, cases=1, backend="host", options=("--wait", "40"), environment=locks) as waiting:
            waiting.until(lambda: f"Waiting for process {holder.process.pid}" in waiting.said())
            assert waiting.run is None
            holder.send(signal.SIGKILL)
            assert not holder.wait(patience=10).alive
            ended = waiting.wait()
    assert_contained(ended, within=60)
    assert ended.exit_code == Exit.DONE
    assert_once_each(ended.folder)


@pytest.mark.fault(26)
def test_a_gpu_is_told_from_its_neighbour_by_its_uuid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHSUITE_LOCKS", str(tmp_path))
    card = Device("NVIDIA H100 80GB HBM3", "sm_90a", 132, 232448, 50 << 20, 80 << 30)
    one, other = (
        Description(frozenset({"cuda"}), 1, 1, card, environment={"CUDA_VISIBLE_DEVICES": f"GPU-{n}"}) for n in (1, 2)
    )
    with campaign.alone("cuda", one, 0.0):
        with pytest.raises(MeasureError, match=rf"GPU .*is being measured by process {os.getpid()}"):
            campaign.alone("cuda", one, 0.0).__enter__()
        with campaign.alone("cuda", other, 0.0):
            pass
    with campaign.alone("cuda", one, 0.0):
        pass


# -- without rights -----------------------------------------------------------------------------------------------

FORBIDDEN = {"x86_64": (203, 298, 103), "aarch64": (122, 241, 116)}
"""Numbers of sched_setaffinity, perf_event_open and syslog."""


def forbidding(numbers: Sequence[int]) -> Callable[[], None]:
    """A ``preexec`` after which these system calls fail with EPERM, in the process and all that it starts (seccomp)."""
    load, equal, give, allow, refuse = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050001
    steps = [(load, 0, 0, 0)]
    steps += [(equal, len(numbers) - n, 0, number) for n, number in enumerate(numbers)]
    steps += [(give, 0, 0, allow), (give, 0, 0, refuse)]
    program = b"".join(struct.pack("HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(program, len(program))
    libc = ctypes.CDLL(None, use_errno=True)

    def apply() -> None:
        words = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(held)))
        set_no_new_privileges, set_seccomp, filtered = 38, 22, 2
        libc.prctl(set_no_new_privileges, 1, 0, 0, 0)
        if libc.prctl(set_seccomp, filtered, words, 0, 0):
            raise OSError(ctypes.get_errno(), "no seccomp")

    return apply


def without_rights() -> tuple[tuple[str, ...], dict[str, str]]:
    """The words and variables for a process without capabilities, home and room in /dev/shm."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    words = mounted("mount -t tmpfs -o size=64k none /dev/shm")
    dropped = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
    return (*words, *dropped), {"HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none", "NUMBA_CACHE_DIR": ""}


@pytest.mark.fault(42)
def test_without_rights_it_measures_and_says_what_it_could_not_see(tmp_path: Path) -> None:
    forbidden = FORBIDDEN.get(platform.machine())
    if forbidden is None:
        pytest.skip(f"numbers of system calls on {platform.machine()} are not known to this test")
    words, environment = without_rights()
    fault = """
def denied(call):
    try:
        call()
    except OSError:
        return True
    return False

def faulty(buffers, case):
    double(buffers, case)
    assert denied(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0))), "the fault was not injected"
    assert denied(lambda: open("/dev/shm/large", "wb").write(bytes(1 << 20))), "/dev/shm is not small"
    assert denied(lambda: os.mkdir("/proc/none"))
"""
    more: dict[str, Any] = {"environment": environment, "preexec": forbidding(forbidden)}
    ended = run_campaign(tmp_path, fault, cases=1, backend="host", wrapper=words, **more)
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE, ended.stdout + ended.stderr
    assert_once_each(ended.folder)
    for record in ended.records:
        assert record.status is Status.OK
        assert record.samples is not None
        assert all(one.joules is not None or one.reason for one in record.samples.energy), "a blind sensor says nothing"
    said = run_command(tmp_path, "doctor", wrapper=words, **more)
    assert said.exit_code in {Exit.DONE, Exit.FAILED}
    assert "Traceback" not in said.stderr
    assert "processor cores" in said.stdout


# -- few cores ----------------------------------------------------------------------------------------------------

COUNTED = """
def faulty(buffers, case):
    double(buffers, case)
    assert len(os.sched_getaffinity(0)) == 1, "the worker may use more cores than it was given"
    assert os.environ["OMP_NUM_THREADS"] == "1"
"""


def assert_one_core(ended: Ended) -> None:
    """One thread on the one core, and the campaign says so."""
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE
    assert_once_each(ended.folder)
    assert store.load(ended.folder).campaign.cores == 1
    job = decode((ended.folder / "attempts" / "0001" / "job.json").read_bytes(), Job)
    assert job.threads == 1


@pytest.mark.fault(43)
def test_as_many_threads_as_cores_allowed(tmp_path: Path) -> None:
    if shutil.which("taskset") is None or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs taskset and two cores")
    core = min(os.sched_getaffinity(0))
    assert_one_core(run_campaign(tmp_path, COUNTED, cases=1, backend="host", wrapper=("taskset", "-c", str(core))))


@pytest.mark.fault(43)
def test_as_many_threads_as_cores_of_the_control_group(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores")
    core = max(os.sched_getaffinity(0))
    with cgroup("cpuset", {"cpuset.cpus": str(core), "cpuset.mems": "0"}) as inside:
        assert_one_core(run_campaign(tmp_path, COUNTED, cases=1, backend="host", preexec=inside))
