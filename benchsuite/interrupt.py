"""Ctrl-C and SIGTERM while measuring: noticed at once, acted on where nothing can be torn apart."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from benchsuite.errors import BenchsuiteError, Exit

REMEDY = "What was measured is kept; 'benchsuite resume' goes on with it."
FIRST = "The task in progress is finished first. Ctrl-C again stops now."


class InterruptedRunError(BenchsuiteError):
    """Ctrl-C: what was measured is kept."""

    exit_code = Exit.INTERRUPTED


class TerminatedError(BenchsuiteError):
    """SIGTERM arrived: what was measured is kept."""

    exit_code = Exit.TERMINATED


@dataclass
class Stop:
    """What was asked: ``interrupts`` Ctrl-Cs, and whether SIGTERM (the notice a preempted machine gets) came."""

    interrupts: int = 0
    terminated: bool = False

    def check(self, *, measuring: bool) -> None:
        """Raise if it is time to stop: at SIGTERM, at the second Ctrl-C, at the first when nothing is being measured.

        Raises ``TerminatedError`` or ``InterruptedRunError``.
        """
        if self.terminated:
            raise TerminatedError("The run was asked to stop.", REMEDY)
        if self.interrupts > 1 or (self.interrupts and not measuring):
            raise InterruptedRunError("The run was interrupted.", REMEDY)


@contextmanager
def stoppable(first: str = FIRST) -> Iterator[Stop]:
    """Count signals instead of being ended by them; only the main thread can, elsewhere nothing is caught.

    first: what is said to the first Ctrl-C; nothing when empty.
    """
    stop = Stop()

    def interrupted(number: int, frame: FrameType | None) -> None:
        stop.interrupts += 1
        if stop.interrupts == 1 and first:
            print(f"\n{first}", file=sys.stderr, flush=True)

    def terminated(number: int, frame: FrameType | None) -> None:
        stop.terminated = True

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGINT, interrupted), (signal.SIGTERM, terminated))
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
