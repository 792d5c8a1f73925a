"""Several commands at the same time, each in a process group of its own, to the end of them all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import MeasureError
from benchsuite.fleet.subcommand import end_with_parent
from benchsuite.interrupt import Stop
from benchsuite.telemetry import together

Process = subprocess.Popen[bytes]
POLL = 0.1
NEWS = 2.0
"""Seconds between two looks at how far they are: whoever looks takes time from what is measured."""
GRACE = 20.0
"""Seconds that a command has to end by itself once it was asked to."""


@dataclass(frozen=True, slots=True)
class Command:
    """Words to run, and where what they say goes: ``log`` with ".json" added the output, with ".log" the rest."""

    words: Sequence[str]
    log: Path


def run(
    commands: Mapping[str, Command],
    stop: Stop,
    limit: float = float("inf"),
    meanwhile: Callable[[float], None] = lambda spent: None,
) -> dict[str, int]:
    """Run all of them at once; their exit codes.

    What a person or a scheduler asks of us is asked of each: the first Ctrl-C lets what is under way be finished.
    After ``limit`` seconds those left are ended. ``meanwhile`` is called now and then with the seconds that have
    passed. Raises ``MeasureError`` when one cannot be started; then none is left.
    """
    started: dict[str, Process] = {}
    began, told = time.monotonic(), 0.0
    asked = Asked(stop)
    folder = tempfile.mkdtemp(prefix="benchsuite-together-")  # so that none takes another for a neighbour
    try:
        for name, command in commands.items():
            started[name] = _start(command, {together.VARIABLE: folder})
        while any(process.poll() is None for process in started.values()):
            spent = time.monotonic() - began
            asked.on(started.values())
            if spent > limit or asked.long_ago:
                break
            if spent >= told + NEWS:
                meanwhile(spent)
                told = spent
            time.sleep(POLL)
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            _end(started.values(), number)
        shutil.rmtree(folder, ignore_errors=True)
    return {name: process.returncode for name, process in started.items()}


class Asked:
    """Passes on what we were asked, each thing once."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._interrupts = 0
        self._since: float | None = None

    @property
    def long_ago(self) -> bool:
        """Whether those who were to end at once have had their time."""
        return self._since is not None and time.monotonic() - self._since > GRACE

    def on(self, processes: Collection[Process]) -> None:
        """Tell the processes what is new."""
        alive = [one for one in processes if one.poll() is None]
        while self._interrupts < min(self._stop.interrupts, 2):
            self._interrupts += 1
            _tell(alive, signal.SIGINT)
        if (self._stop.terminated or self._interrupts == 2) and self._since is None:
            self._since = time.monotonic()
            if self._stop.terminated:
                _tell(alive, signal.SIGTERM)


def _tell(processes: Collection[Process], number: signal.Signals) -> None:
    for process in processes:
        process.send_signal(number)


def _start(command: Command, more: Mapping[str, str]) -> Process:
    try:
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as files:
            output, words = (
                files.enter_context(command.log.with_name(f"{command.log.name}.{kind}").open("ab"))
                for kind in ("json", "log")
            )
            return subprocess.Popen(
                list(command.words),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=words,
                env={**os.environ, **more},
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - the controller has no threads
            )
    except OSError as error:
        message = f"{command.words[0]} could not be started: {error.strerror}."
        raise MeasureError(message, "See 'benchsuite doctor'.") from error


def _end(processes: Collection[Process], number: signal.Signals) -> None:
    """Ask what is left of the process groups to end, and wait for it."""
    left = [one for one in processes if one.poll() is None]
    for process in left:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
    deadline = time.monotonic() + GRACE
    for process in left:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
