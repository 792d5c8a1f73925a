"""Rows about clocks: a wall clock that is stepped, a coarse timer, one that stands, one that runs backwards."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import pytest

from benchsuite.errors import Exit
from benchsuite.model import Status
from tests.faults.injection import Ended, assert_contained, assert_others_measured, run_campaign

STEPPED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
/* The wall clock is set forth and back by an hour every tenth of a second. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    struct timespec steady;
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (failed || clock != CLOCK_REALTIME) return failed;
    real(CLOCK_MONOTONIC, &steady);
    now->tv_sec += steady.tv_nsec / 100000000 % 2 ? 3600 : -3600;
    return 0;
}
"""
ASLEEP = """
def faulty(buffers, case):
    double(buffers, case)
    time.sleep(0.004)
"""


def stepped_clock(folder: Path) -> Path:
    """The library that steps the wall clock of whoever is started with it."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the stepped clock with")
    source, library = folder / "stepped.c", folder / "stepped.so"
    source.write_text(STEPPED)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.mark.fault(23)
def test_a_stepped_wall_clock_changes_no_duration(tmp_path: Path) -> None:
    library = stepped_clock(tmp_path)
    ended = run_campaign(
        tmp_path, ASLEEP, cases=1, backend="host", environment={"LD_PRELOAD": str(library)}, policy={"seconds": 0.3}
    )
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE
    (record,) = ended.of("faulty")
    assert record.samples is not None
    assert all(0.004 <= seconds < 1.0 for seconds in record.samples.seconds)
    assert all(0.0 <= start < 30.0 for start in record.samples.starts)
    assert any("clock_step" in event.data for event in ended.events), "nothing says that the stamps cannot be trusted"


@pytest.mark.fault(23)
def test_a_hang_is_ended_in_time_by_whatever_the_wall_clock_says(tmp_path: Path) -> None:
    fault = 'def faulty(buffers, case):\n    double(buffers, case)\n    first("hung") and time.sleep(60)'
    environment = {"LD_PRELOAD": str(stepped_clock(tmp_path))}
    ended = run_campaign(tmp_path, fault, cases=1, environment=environment, policy={"compile_deadline": 1.0})
    assert_contained(ended, within=20)
    assert ended.exit_code == Exit.FAILED
    assert_others_measured(ended)
    assert "nothing was heard for 1 s" in ended.of("faulty")[0].reason


TIMER = """
from benchsuite.backends.base import Elapsed
from benchsuite.backends.fake import FakeBackend

def timed(self, steps):
    clock = self.timer()
    start = clock()
    for step in steps:
        step()
    return Elapsed(clock() - start)

{timer}

if in_worker():
    FakeBackend.timer = timer
    FakeBackend.elapsed = timed
"""
COARSE = """
def timer(self):
    def read():
        self._now += 2e-5
        return int(self._now / 0.0156) * 0.0156
    return read
"""
STANDING = """
def timer(self):
    return lambda: 5.0
"""
BACKWARD = """
def timer(self):
    def read():
        self._now -= 1e-6
        return self._now
    return read
"""
ONCE_BACKWARD = """
readings = 0

def timer(self):
    def read():
        global readings
        readings += "measure" in doing()
        if readings == {reading} and first("set back"):
            self._now -= 10.0
        return self._now
    return read
"""


def clocked(tmp_path: Path, timer: str) -> Ended:
    """A campaign by a timer with a fault."""
    return run_campaign(tmp_path, TIMER.format(timer=timer), cases=1)


@pytest.mark.fault(25)
def test_a_coarse_timer_makes_longer_batches(tmp_path: Path) -> None:
    """At ticks of 15.6 ms a batch must last 15.6 s (of scripted time) to be right within 0.1 %."""
    ended = clocked(tmp_path, COARSE)
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE
    for record in ended.records:
        assert record.samples is not None
        assert record.samples.iterations * min(record.samples.seconds) >= 15.0
        assert all(0.9e-3 < seconds < 1.1e-3 for seconds in record.samples.seconds)


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("timer", "words"),
    [(STANDING, "no longer than one by the clock"), (BACKWARD, "The clock ran backwards")],
    ids=["standing", "backward"],
)
def test_a_timer_that_cannot_be_trusted_gives_no_number(tmp_path: Path, timer: str, words: str) -> None:
    ended = clocked(tmp_path, timer)
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED
    assert len(ended.records) == 2
    for record in ended.records:
        assert record.status is Status.FAILED
        assert words in record.reason
        assert record.summary is None


@pytest.mark.fault(25)
@pytest.mark.parametrize("reading", [3, 20, 60], ids=["sizing", "between", "sample"])
def test_a_timer_that_is_set_back_once_gives_no_negative_and_no_infinite_number(tmp_path: Path, reading: int) -> None:
    """The third reading is one of those that find the batch's size; the others lie between two samples and in one."""
    ended = clocked(tmp_path, ONCE_BACKWARD.format(reading=reading))
    assert_contained(ended)
    assert (tmp_path / "first" / "set back").exists()
    assert ended.exit_code == Exit.FAILED
    assert sorted(record.status for record in ended.records) == [Status.FAILED, Status.OK]
    for record in ended.records:
        if record.status is Status.OK:
            assert record.samples is not None
            assert all(0.0 < seconds < math.inf for seconds in record.samples.seconds)
        else:
            assert "which cannot be" in record.reason or "began before the one ahead of it" in record.reason
            assert record.summary is None
