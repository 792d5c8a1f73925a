"""Rows about being asked to stop: Ctrl-C once and twice, and SIGTERM, the notice before a machine is taken away."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from benchsuite.errors import Exit
from benchsuite.model import Status
from tests.faults.injection import assert_contained, assert_once_each, begin, resume

SLOW_MEASURE = """
def faulty(buffers, case):
    double(buffers, case)
    if "measure" in doing() and first("measured"):
        time.sleep({seconds})
"""
SLOW_FIRST = """
def double(buffers, case):
    np.multiply(buffers["x"], 2.0, out=buffers["y"])
    if "measure" in doing() and first("measured"):
        time.sleep(2)
"""
"""Whichever task is the first."""
SLEEPS = {
    "start": 'if in_worker() and first("started"): time.sleep(60)',
    "prepare": """
def inputs(case, rng):
    if "prepare" in doing() and first("prepared"):
        time.sleep(60)
    return {"x": rng.standard_normal(case.integer("n"))}
""",
    "compile": SLOW_MEASURE.format(seconds=60).replace("measure", "compile"),
    "measure": SLOW_MEASURE.format(seconds=60),
}
"""A worker that stays in a phase, the first time only."""
MARKS = {"start": "started", "prepare": "prepared", "compile": "compiled", "measure": "measured"}


@pytest.mark.fault(17)
def test_the_first_interrupt_lets_the_task_finish(tmp_path: Path) -> None:
    with begin(tmp_path, SLOW_FIRST, cases=3) as running:
        running.until((tmp_path / "first" / "measured").exists)
        time.sleep(0.5)  # the controller reads what the worker says many times a second, not at once
        running.send(signal.SIGINT)
        ended = running.wait()
    assert_contained(ended)
    assert ended.exit_code == Exit.INTERRUPTED
    assert "The task in progress is finished first" in ended.stderr
    assert "resume" in ended.stderr
    (record,) = ended.records
    assert record.status is Status.OK
    assert ended.told("end") == [{"outcome": "InterruptedRunError"}]
    resumed = resume(tmp_path)
    assert_contained(resumed)
    assert resumed.exit_code == Exit.DONE
    assert_once_each(resumed.folder)
    assert resumed.records[0] == record


@pytest.mark.fault(17)
def test_the_second_interrupt_ends_it_now(tmp_path: Path) -> None:
    with begin(tmp_path, SLEEPS["measure"], cases=1) as running:
        running.until((tmp_path / "first" / "measured").exists)
        time.sleep(0.5)
        sent = running.send(signal.SIGINT)
        time.sleep(0.5)
        assert running.process.poll() is None, "the first one must wait for the task"
        running.send(signal.SIGINT)
        ended = running.wait()
        assert time.monotonic() - sent < 8
    assert_contained(ended)
    assert ended.exit_code == Exit.INTERRUPTED
    assert not ended.of("faulty"), "what was cut off is no result"


@pytest.mark.fault(17)
def test_an_interrupt_before_anything_is_measured_ends_it_at_once(tmp_path: Path) -> None:
    with begin(tmp_path, SLEEPS["start"], cases=1) as running:
        running.until((tmp_path / "first" / "started").exists)
        sent = running.send(signal.SIGINT)
        ended = running.wait()
        assert time.monotonic() - sent < 8
    assert_contained(ended)
    assert ended.exit_code == Exit.INTERRUPTED
    assert not ended.records


@pytest.mark.fault(18)
@pytest.mark.parametrize("phase", SLEEPS)
def test_sigterm_ends_it_in_time_and_it_can_be_resumed(tmp_path: Path, phase: str) -> None:
    with begin(tmp_path, SLEEPS[phase], cases=1) as running:
        running.until((tmp_path / "first" / MARKS[phase]).exists)
        time.sleep(0.3)  # so that the controller knows of the phase too
        sent = running.send(signal.SIGTERM)
        ended = running.wait()
        assert time.monotonic() - sent < 5
    assert_contained(ended)
    assert ended.exit_code == Exit.TERMINATED
    assert "asked to stop" in ended.stderr
    assert all(record.status is Status.OK for record in ended.records), "what was cut off is no result"
    resumed = resume(tmp_path)
    assert_contained(resumed)
    assert resumed.exit_code == Exit.DONE
    assert_once_each(resumed.folder)
    assert resumed.records[: len(ended.records)] == ended.records


@pytest.mark.fault(18)
def test_a_worker_that_ignores_sigterm_delays_it_by_less_than_five_seconds(tmp_path: Path) -> None:
    fault = "signal.signal(signal.SIGTERM, signal.SIG_IGN) if in_worker() else None\n" + SLEEPS["measure"]
    with begin(tmp_path, fault, cases=1) as running:
        running.until((tmp_path / "first" / "measured").exists)
        sent = running.send(signal.SIGTERM)
        ended = running.wait()
        assert time.monotonic() - sent < 5
    assert_contained(ended)
    assert ended.exit_code == Exit.TERMINATED
