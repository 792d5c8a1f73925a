"""The controller's side of the sensor process: starts it, hears it, replaces it when it is silent.

A driver call that hangs cannot be interrupted, only the process that made it can be ended: then it is started once
more without the GPU, and the run goes on with samples that say so.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from benchsuite.model import Samples
from benchsuite.telemetry import together
from benchsuite.telemetry.archive import FILE, Archive
from benchsuite.telemetry.join import STALE, Expected, join, spans
from benchsuite.telemetry.reading import Reader, Reading

KEPT = 36_000
"""Readings held in memory: an hour of them."""
WAIT = 1.0
"""Seconds to wait for a reading after the last sample: ten beats, on a machine that is very busy."""
LISTEN = 0.5
SILENCE, SILENCE_AT_START = 4, 20
"""Times ``LISTEN`` without a line after which the process hangs: 2 s, and 10 s while it opens the driver."""


class Telemetry:
    """The observer of a campaign (``execute.Observer``). Use it as a context manager.

    folder: the run directory, whose earlier readings of the same boot count too. gpu: the PCI bus id of the GPU that is
    measured, ``None`` without one. command: what is started, for tests.
    """

    def __init__(self, folder: Path, gpu: str | None = None, command: tuple[str, ...] = ()) -> None:
        self._archive, self._gpu = Archive(folder / FILE), gpu
        self._command = command or (sys.executable, "-m", "benchsuite.telemetry")
        self._bus = gpu or ""
        self._pids: set[int] = set()
        self._fresh = threading.Condition()
        self._readings: deque[Reading] = deque(self._archive.readings(), KEPT)
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.blind = "its PCI address is not known" if gpu == "" else ""
        """Why the sensors, or those of the GPU, say nothing any more."""

    def __enter__(self) -> Telemetry:
        together.tell(())  # the controller itself
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if (process := self._process) is not None:
            process.kill()  # it holds nothing, and the thread that hears it ends with it
        self._thread.join()

    @property
    def watching(self) -> bool:
        """Whether there is still a sensor process, or will be one again."""
        return self._thread.is_alive()

    def own(self, pids: tuple[int, ...]) -> None:
        """From now on these processes are ours."""
        with self._fresh:
            self._pids |= set(pids)
        self._tell(pids)
        together.tell(pids)

    def observe(self, samples: Samples, began: float) -> Samples:
        """The samples with conditions, annotations, caveats and energy; waits for the reading after the last one."""
        end = max((end for _, end in spans(samples, began)), default=0.0)
        deadline = time.monotonic() + WAIT
        with self._fresh:
            while self.watching and not (self._readings and self._readings[-1].at >= end):
                left = deadline - time.monotonic()
                if left <= 0 or not self._fresh.wait(left):
                    break
            readings = list(self._readings)
            while len(self._readings) > 1 and self._readings[0].at < end - STALE:
                self._readings.popleft()
        return join(samples, began, readings, Expected(gpu=self._gpu is not None, blind=self.blind))

    def _follow(self) -> None:
        """Hear the process; start it again once, without the GPU, when it hangs or ends."""
        reason = self._hear()
        if reason and not self._closing.is_set():
            self.blind = reason
            self._bus = ""
            if again := self._hear():
                self.blind = again

    def _hear(self) -> str:
        """One process from its start to its end; why it ended, empty when we ended it."""
        try:
            process = subprocess.Popen(
                [*self._command, str(os.getpid()), *([self._bus] if self._bus else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the controller
            )
        except OSError as error:
            return f"the sensor process could not be started: {error.strerror}"
        self._process = process
        try:
            if self._pids:
                self._tell(sorted(self._pids))
            return self._listen(process)
        finally:
            process.kill()
            with self._fresh:  # nobody may write into a closed pipe whose number is another file's by now
                self._process = None
                for stream in (process.stdin, process.stdout):
                    if stream is not None:
                        with suppress(OSError):
                            stream.close()
            process.wait()

    def _listen(self, process: subprocess.Popen[bytes]) -> str:
        output, reader = process.stdout.fileno() if process.stdout else -1, Reader()
        rest, silent, patience = b"", 0, SILENCE_AT_START
        while not self._closing.is_set():
            if not select.select([output], [], [], LISTEN)[0]:
                silent += 1  # counted, not timed: a controller that was stopped itself has not waited
                if silent >= patience:
                    asked = "the GPU's driver did not answer the sensor process" if self._bus else "it said nothing"
                    return f"{asked} for {patience * LISTEN:.0f} s, so it was ended"
                continue
            content = os.read(output, 1 << 16)
            if not content:
                return f"the sensor process ended (exit code {process.wait()})"
            *lines, rest = (rest + content).split(b"\n")
            if lines:
                silent, patience = 0, SILENCE
                self._keep(lines, reader)
        return ""

    def _keep(self, lines: list[bytes], reader: Reader) -> None:
        with self._fresh:
            self._readings.extend(reader.readings(lines))
            self._fresh.notify_all()
        self._archive.append(b"".join(line + b"\n" for line in lines))

    def _tell(self, pids: Iterable[int]) -> None:
        """Name our processes to the sensor process; one that is being replaced hears of them when it starts."""
        line = f"own {' '.join(map(str, pids))}\n".encode()
        with self._fresh, suppress(OSError):
            if self._process is not None and self._process.stdin is not None:
                os.write(self._process.stdin.fileno(), line)
