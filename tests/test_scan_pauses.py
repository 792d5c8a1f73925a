"""What keeps a rank from running is noticed, and what does not is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.model import Pause
from benchsuite.scan.pauses import IDLE, STILL, PauseWatch, Withheld, withheld


class Clocks:
    """Two clocks that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = self.used = 100.0

    def watch(self) -> PauseWatch:
        """A watch of rank 3 that nobody calls but the test."""
        return PauseWatch(3, lambda: self.now, lambda: self.used)

    def pass_by(self, seconds: float, busy: float = 0.0) -> None:
        """Time passes, of which the process ran for ``busy``."""
        self.now += seconds
        self.used += busy


def test_a_process_that_did_not_run_had_a_pause() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.pass_by(2.0, busy=2.0)
    watch.look()
    clocks.pass_by(3.0, busy=0.01)
    assert watch.take() == (Pause(3, 2.0, 3.0),)
    assert watch.take() == (), "told twice"


@pytest.mark.parametrize(("seconds", "busy"), [(0.4, 0.0), (3.0, 2.9), (3.0, 0.7)])
def test_a_short_gap_or_a_busy_process_is_no_pause(seconds: float, busy: float) -> None:
    """The thread alone was kept waiting, or the machine is merely slow."""
    clocks = Clocks()
    watch = clocks.watch()
    clocks.pass_by(seconds, busy)
    assert watch.take() == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.001, 5.0), st.floats(0.0, 1.0)), min_size=1, max_size=20))
def test_every_pause_lasts_and_lies_where_time_passed(gaps: list[tuple[float, float]]) -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for seconds, part in gaps:
        clocks.pass_by(seconds, part * seconds)
        watch.look()
    found = watch.take()
    assert len(found) == sum(seconds >= STILL and part <= IDLE for seconds, part in gaps)
    assert all(one.at >= 0.0 and one.at + one.seconds <= sum(seconds for seconds, _ in gaps) + 1e-9 for one in found)


STOPPED = """
import sys, time
from benchsuite.scan.pauses import PauseWatch
watch = PauseWatch(0).start()
print("ready", flush=True)
sys.stdin.readline()
print(*(one.seconds for one in watch.take()), flush=True)
"""


def test_a_stopped_process_notices_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGCONT)
        told, _ = process.communicate("go\n", timeout=20)
    (seconds,) = map(float, told.split())
    assert 0.9 < seconds < 20.0


def machine(folder: Path, group: str, stolen: int = 0) -> tuple[Path, Path]:
    """A proc and a cgroup file system in which this process is in ``group``."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    cgroups.mkdir()
    (proc / "self" / "cgroup").write_text(f"{group}\n")
    (proc / "stat").write_text(f"cpu  10 0 10 900 0 0 0 {stolen} 0 0\ncpu0 1 0 1 9 0 0 0 0 0 0\n")
    return proc, cgroups


@pytest.mark.parametrize(
    ("line", "place", "text"),
    [
        ("4:cpu,cpuacct:/job/step", "cpu/job/step", "nr_periods 9\nnr_throttled 8\nthrottled_time 2500000000\n"),
        ("4:cpu:/job/step", "cpu/job", "throttled_time 2500000000\n"),
        ("0::/job/step", "job/step", "usage_usec 9\nthrottled_usec 2500000\n"),
        ("0::/", ".", "throttled_usec 2500000\n"),
    ],
)
def test_throttling_is_read_of_the_group_and_of_those_above_it(
    tmp_path: Path, line: str, place: str, text: str
) -> None:
    proc, cgroups = machine(tmp_path, line)
    (cgroups / place).mkdir(parents=True, exist_ok=True)
    (cgroups / place / "cpu.stat").write_text(text)
    found = withheld(proc, cgroups)
    assert found.throttled == pytest.approx(2.5)
    assert found.since(Withheld(), 10.0) == "its control group was throttled for 2.5 s"
    assert found.since(found, 10.0) == ""


def test_what_the_hypervisor_took_is_told_a_core(tmp_path: Path) -> None:
    ticks, cores = os.sysconf("SC_CLK_TCK"), os.cpu_count() or 1
    proc, cgroups = machine(tmp_path, "0::/", stolen=3 * ticks * cores)
    found = withheld(proc, cgroups)
    assert found.stolen == pytest.approx(3.0)
    assert found.since(Withheld(), 10.0) == "the hypervisor kept its cores for 3 s"
    assert found.since(Withheld(), 1000.0) == "", "not worth telling"


def test_a_machine_that_tells_nothing_withholds_nothing(tmp_path: Path) -> None:
    assert withheld(tmp_path / "none", tmp_path / "none") == Withheld()
    assert withheld() == withheld(), "this machine's own numbers can be read"
