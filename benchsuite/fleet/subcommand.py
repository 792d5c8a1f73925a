"""Runs another command to its end, or to the end of patience: in a process group of its own, its words in a file."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchsuite.errors import MeasureError
from benchsuite.interrupt import Stop

POLL = 0.1
GRACE = 20.0
"""Seconds that a command has to end by itself once it was asked to."""


def execute(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    stop: Stop,
    *,
    speaks: bool = False,
    limit: float = float("inf"),
    meanwhile: Callable[[float], None] = lambda spent: None,
) -> int:
    """Run a command in a process group of its own to its end; its exit code.

    What it prints goes to the file ``log`` with ".log" added; with ``speaks`` its standard output alone, ".json", and
    what it says on the way is heard. When a person or a scheduler asks to stop, so is the command, which
    has ``GRACE`` seconds to end by itself; after ``limit`` seconds likewise. ``meanwhile`` is called all the time with
    the seconds that have passed. Raises ``MeasureError``.
    """
    target = log.with_name(f"{log.name}.{'json' if speaks else 'log'}")
    try:
        with target.open("wb") as stream:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=None if speaks else subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - the controller has no threads
            )
    except OSError as error:
        raise MeasureError(
            f"{command[0]} could not be started: {error.strerror}.", "See 'benchsuite doctor'."
        ) from error
    began = time.monotonic()
    try:
        while process.poll() is None:
            if stop.interrupts or stop.terminated or time.monotonic() - began > limit:
                break
            meanwhile(time.monotonic() - began)
            time.sleep(POLL)
    finally:
        _end(process)
    return process.returncode


def end_with_parent() -> None:
    """Ask Linux to end the command when we are killed ourselves: nobody would wait for it."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process group to end, if it has not, and end what is left of it after a while."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
