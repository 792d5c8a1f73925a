"""Signals are counted while measuring, and acted on where nothing is torn apart."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from benchsuite.errors import Exit
from benchsuite.interrupt import InterruptedRunError, Stop, TerminatedError, stoppable


def test_the_first_interrupt_lets_the_task_finish(capsys: pytest.CaptureFixture[str]) -> None:
    with stoppable() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        stop.check(measuring=True)
        with pytest.raises(InterruptedRunError, match="benchsuite resume"):
            stop.check(measuring=False)
    assert "again stops now" in capsys.readouterr().err


def test_the_second_interrupt_does_not() -> None:
    with stoppable() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(InterruptedRunError, match="benchsuite resume"):
            stop.check(measuring=True)


def test_a_termination_stops_at_once_and_names_the_way_on() -> None:
    with stoppable() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(TerminatedError, match="benchsuite resume") as caught:
            stop.check(measuring=True)
    assert caught.value.exit_code is Exit.TERMINATED


def test_the_handlers_of_before_come_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stoppable():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_without_a_signal_nothing_happens() -> None:
    Stop().check(measuring=False)


def test_another_thread_measures_without_handlers() -> None:
    found: list[object] = []

    def measure() -> None:
        with stoppable() as stop:
            stop.check(measuring=False)
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    assert found == [before]
