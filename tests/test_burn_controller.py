"""Several devices at once: whoever fails is counted and named, and the others go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite import journal
from benchsuite.attempt import End, no_poll
from benchsuite.backends.base import Description
from benchsuite.burn import controller, events, station
from benchsuite.burn.controller import Request, run
from benchsuite.burn.ledger import Board, Row
from benchsuite.burn.station import STARTS, Company, Surroundings
from benchsuite.burn.verdict import Come, come
from benchsuite.errors import DeviceLostError, MeasureError, UnavailableError, UsageError
from benchsuite.execute import Blind
from benchsuite.interrupt import InterruptedRunError, Stop
from benchsuite.model import Samples
from benchsuite.model.acceptance import Burned, Subject
from benchsuite.protocol import Job, Kind, Message
from benchsuite.telemetry.reading import Reading
from tests.burn_data import HOST, Died, Fault, Inline, described, gpus, surroundings, turn, with_function


def request(folder: Path, *subjects: Subject, seconds: float = 3.0, **changes: Any) -> Request:
    backend = "cuda" if subjects and subjects[0].device is not None else "fake"
    return Request(subjects or (HOST,), seconds, folder, backend, **changes)


def good() -> Inline:
    return Inline([with_function(Fault(0, lambda y: None))])


def raising(error: BaseException, at: int = 1500, **changes: Any) -> Inline:
    """A device that fails so at this call, in every process."""

    def does(y: Any) -> None:
        raise error

    return Inline([with_function(Fault(at, does, stays=True))], **changes)


def told(folder: Path, event: str) -> list[dict[str, str]]:
    found, problem = journal.read(folder / events.FILE)
    assert not problem
    return [dict(one.data) for one in found if one.event == event]


def test_a_healthy_device_is_clean_and_the_file_says_the_same(tmp_path: Path) -> None:
    found = run(request(tmp_path), surroundings=surroundings(good()))
    assert found == events.load(tmp_path / events.FILE)
    assert come(found[HOST]) is Come.CLEAN
    assert found[HOST].seconds >= 3.0
    assert found[HOST].worst == pytest.approx(0.0, abs=0.02)
    assert [one["outcome"] for one in told(tmp_path, "end")] == ["done"]
    assert told(tmp_path, "burn")[0]["loads"] == "gemm,power,memory"


def test_a_device_that_dies_is_counted_and_the_others_go_on(tmp_path: Path) -> None:
    first, second, third = gpus(3)
    lost = raising(DeviceLostError("The GPU was lost (XID 79).", "See dmesg."))
    found = run(request(tmp_path, first, second, third), surroundings=surroundings({0: good(), 1: lost, 2: good()}))
    assert [come(found[one]) for one in (first, second, third)] == [Come.CLEAN, Come.FAULTY, Come.CLEAN]
    assert found[second].failures == 1
    assert len(lost.jobs) == 1, "a lost device gets no second process"
    assert "XID 79" in found[second].reason
    assert 0.0 < found[second].seconds < 3.0, "what it did before stays"
    assert [one["final"] for one in told(tmp_path, "failed")] == ["True"]


def test_a_process_that_dies_is_replaced_for_the_rest_of_the_time(tmp_path: Path) -> None:
    dies, lives = with_function(Fault(1500, _die)), with_function(Fault(0, _die))
    runner = Inline([dies, lives])
    one = run(request(tmp_path), surroundings=surroundings(runner))[HOST]
    assert len(runner.jobs) == 2
    assert (one.failures, one.reason) == (1, "")
    assert one.seconds >= 3.0
    assert runner.jobs[1].burn is not None
    assert 0.0 < runner.jobs[1].burn.seconds < 3.0
    assert come(one) is Come.FAULTY


def _die(y: Any) -> None:
    raise Died("the process was ended by SIGSEGV")


def test_one_that_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    runner = raising(Died("the process was ended by SIGBUS"), at=40)
    one = run(request(tmp_path), surroundings=surroundings(runner))[HOST]
    assert (one.failures, len(runner.jobs)) == (STARTS, STARTS)
    assert "SIGBUS" in one.reason


def test_what_was_wrong_in_the_turn_that_it_died_in_still_counts(tmp_path: Path) -> None:
    calls = {"n": 0}

    def does(y: Any) -> None:
        calls["n"] += 1
        y[3] = 7.0
        if calls["n"] == 2500:
            raise Died("the process was ended by SIGKILL")

    runner = Inline([with_function(Fault(20, does, stays=True)), with_function(Fault(0, does))])
    one = run(request(tmp_path, seconds=30.0), surroundings=surroundings(runner))[HOST]
    assert one.failures == 1
    assert one.wrong > 0


def test_a_device_that_says_nothing_of_itself_costs_only_itself(tmp_path: Path) -> None:
    first, second = gpus(2)
    here = surroundings(good())

    def describe(backend: str, device: int | None) -> Description:
        if device == 1:
            raise UnavailableError("The GPU did not answer within 90 s.", "Reset it.")
        return here.describe(backend, device)

    found = run(
        request(tmp_path, first, second), surroundings=Surroundings(describe, here.runner, here.observer, here.choose)
    )
    assert come(found[first]) is Come.CLEAN
    assert (found[second].failures, found[second].checks) == (1, 0)
    assert "did not answer" in found[second].reason


def test_a_fault_of_ours_costs_one_device_and_is_no_success(tmp_path: Path) -> None:
    first, second = gpus(2)

    def broken(job: Job, folder: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll) -> End:
        raise RuntimeError("a bug")

    found = run(request(tmp_path, first, second), surroundings=surroundings({0: good(), 1: broken}))
    assert come(found[first]) is Come.CLEAN
    assert found[second].reason == "RuntimeError: a bug"
    assert come(found[second]) is Come.FAULTY


def test_nobody_waits_for_a_thread_that_a_driver_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "SETUP", 0.3)
    monkeypatch.setattr(controller, "COMPILE", 0.3)
    monkeypatch.setattr(controller, "STUCK", 0.2)
    first, second = gpus(2)
    free = threading.Event()

    def held(job: Job, folder: Path, listen: Callable[[Message], None], poll: Callable[[], None] = no_poll) -> End:
        free.wait(20)
        listen(Message(job.nonce, Kind.TURN, turn=turn()))  # what it says now is heard by nobody
        return End()

    began = time.monotonic()
    found = run(request(tmp_path, first, second, patience=0.1), surroundings=surroundings({0: good(), 1: held}))
    assert time.monotonic() - began < 15
    free.set()
    assert come(found[first]) is Come.CLEAN
    assert "neither heard nor ended" in found[second].reason
    time.sleep(0.2)
    assert events.load(tmp_path / events.FILE) == found


def test_whoever_is_asked_to_stop_stops_and_the_file_is_whole(tmp_path: Path) -> None:
    stop = Stop()

    def watch(board: Board) -> None:
        if board.rows[0].seconds > 0.5:
            stop.interrupts = 1

    with pytest.raises(InterruptedRunError):
        run(request(tmp_path, seconds=1000.0), stop, watch, surroundings(good()))
    (one,) = events.load(tmp_path / events.FILE).values()
    assert one.reason.startswith("it was under load for")
    assert one.failures == 0
    assert told(tmp_path, "end")[0]["outcome"] == "InterruptedRunError"


def test_what_the_sensors_counted_is_kept_of_one_that_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop()

    def watch(board: Board) -> None:
        if board.rows[0].seconds > 0.5:
            stop.interrupts = 1

    readings = [Reading(float(at), {"ecc_uncorrected": float(at)}) for at in range(3)]
    monkeypatch.setattr(station, "recorded", lambda folder: readings)
    (subject,) = gpus(1)
    with pytest.raises(InterruptedRunError):
        run(request(tmp_path, subject, seconds=1000.0), stop, watch, surroundings(good()))
    assert events.load(tmp_path / events.FILE)[subject].faults == ("New uncorrected memory errors: 2.",)


def test_a_full_disk_ends_the_burn_in_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = journal.sync_append

    def full(path: Path, line: bytes) -> None:
        if b'"turn"' in line:
            raise MeasureError("burn.jsonl could not be written: No space left on device.")
        written(path, line)

    monkeypatch.setattr(journal, "sync_append", full)
    with pytest.raises(MeasureError, match="No space left"):
        run(request(tmp_path, *gpus(2)), surroundings=surroundings(good()))


@pytest.mark.parametrize(
    "changes",
    [
        {"subjects": ()},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"subjects": (HOST, HOST)},
        {"backend": "cuda"},
        {"subjects": gpus(1)},
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(tmp_path: Path, changes: dict[str, Any]) -> None:
    asked = Request(**{"subjects": (HOST,), "seconds": 3.0, "folder": tmp_path / "new", "backend": "fake", **changes})
    with pytest.raises(UsageError):
        run(asked)
    assert not (tmp_path / "new").exists()


def test_a_folder_holds_one_burn_in(tmp_path: Path) -> None:
    run(request(tmp_path, seconds=0.5), surroundings=surroundings(good()))
    with pytest.raises(UsageError, match="already"):
        run(request(tmp_path, seconds=0.5), surroundings=surroundings(good()))


def test_the_board_is_shown_as_it_changes(tmp_path: Path) -> None:
    boards: list[Board] = []
    run(request(tmp_path), watch=boards.append, surroundings=surroundings(good()))
    rows = [board.rows[0] for board in boards]
    assert [rows[0].doing, rows[-1].doing] == ["starting", "done"]
    assert {"preparing", "gemm"} <= {row.doing for row in rows}
    seconds = [row.seconds for row in rows]
    assert seconds == sorted(seconds)
    assert rows[-1].seconds == pytest.approx(events.load(tmp_path / events.FILE)[HOST].seconds)
    assert rows[-1].checks == events.load(tmp_path / events.FILE)[HOST].checks
    assert rows[-1].over


def test_the_time_left_is_that_of_the_slowest() -> None:
    rows = Row(HOST, seconds=50.0), Row(HOST, seconds=25.0), Row(HOST, seconds=1.0, over=True)
    assert Board(100.0, 0.0, rows).left(60.0) == pytest.approx(75.0 * 60.0 / 50.0)
    assert Board(100.0, 0.0, (Row(HOST),)).left(60.0) is None
    assert Board(100.0, 0.0, rows[2:]).left(60.0) == 0.0


def test_no_device_s_process_is_another_s_neighbour() -> None:
    class Remembers(Blind):
        def __init__(self) -> None:
            self.pids: set[int] = set()

        def own(self, pids: tuple[int, ...]) -> None:
            self.pids |= set(pids)

        def observe(self, samples: Samples, began: float) -> Samples:
            return samples

    company, one, late = Company(), Remembers(), Remembers()
    company.join(one)
    company.own((11,))
    company.own((12,))
    company.join(late)
    assert {11, 12} <= one.pids
    assert {11, 12} <= late.pids


def test_a_device_is_described_before_its_first_process(tmp_path: Path) -> None:
    run(request(tmp_path, gpus(1)[0], seconds=0.5), surroundings=surroundings(good()))
    assert told(tmp_path, "found") == [
        {"number": "0", "name": "H200 SXM", "memory": str(described("", 0).device.memory)}
    ]  # type: ignore[union-attr]
    assert isinstance(next(iter(events.load(tmp_path / events.FILE).values())), Burned)
