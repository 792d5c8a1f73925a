"""One attempt: one process group with a deadline, held by a controller that imports neither CuPy nor MPI."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psutil

from benchsuite.errors import DataError, MeasureError
from benchsuite.launchers.base import Launcher
from benchsuite.protocol import Job, Kind, Message, decode, encode

POLL = 0.03
GRACE = 5.0
CAPTURE = 1 << 20
START_DEADLINE = 120.0


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended: ``reason`` is empty when it said goodbye and exited with 0."""

    reason: str = ""


class Runner(Protocol):
    """Runs the attempt of a job; ``listen`` receives each message as it arrives."""

    def __call__(self, job: Job, folder: Path, listen: Callable[[Message], None]) -> End:
        """Run ``job`` with its files in ``folder``, to its end."""


class ProcessRunner:
    """Starts the worker through a launcher in a session of its own, and ends that session only."""

    def __init__(self, launcher: Launcher, environment: Mapping[str, str]) -> None:
        self._launcher = launcher
        self._environment = environment

    def __call__(self, job: Job, folder: Path, listen: Callable[[Message], None]) -> End:
        """Run to the end, the deadline or an interrupt; always leaves no process behind."""
        job_file = folder / "job.json"
        job_file.write_bytes(encode(job))
        worker = (sys.executable, "-m", "benchsuite.worker", str(job_file))
        environment = {**os.environ, **self._launcher.environment(job.ranks), **self._environment}
        try:
            process = subprocess.Popen(
                [*self._launcher.tokens(job.ranks), *worker],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise MeasureError(
                f"{self._launcher.name} could not start: {error.strerror}.", "See 'benchsuite doctor'."
            ) from error
        captures = [_capture(process.stdout, folder / "stdout.log"), _capture(process.stderr, folder / "stderr.log")]
        mail = _Mail(Path(job.results), job.nonce, listen)
        try:
            reason = _follow(process, mail, job.policy.deadline)
        finally:
            _end(process, mail.pids)
            for thread in captures:
                thread.join(GRACE)
        mail.collect()
        return End(reason or _exit_reason(process.returncode, mail.finished, folder / "stderr.log"))


class _Mail:
    """Reads the results file as it grows; a line with a wrong nonce or a broken line is ignored."""

    def __init__(self, path: Path, nonce: str, listen: Callable[[Message], None]) -> None:
        self._path, self._nonce, self._listen = path, nonce, listen
        self._read = 0
        self.pids: tuple[int, ...] = ()
        self.finished = False
        self.heard = time.monotonic()
        self.greeted = False

    def collect(self) -> None:
        """Deliver every complete new line."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._read)
                content = stream.read()
        except FileNotFoundError:
            return
        complete = content[: content.rfind(b"\n") + 1]
        self._read += len(complete)
        for line in complete.splitlines():
            try:
                message = decode(line, Message)
            except DataError:
                continue
            if message.nonce == self._nonce:
                self._deliver(message)

    def _deliver(self, message: Message) -> None:
        self.heard = time.monotonic()
        self.greeted = True
        if message.kind is Kind.HELLO:
            self.pids = message.pids
        self.finished = self.finished or message.kind is Kind.BYE
        self._listen(message)


def _follow(process: subprocess.Popen[bytes], mail: _Mail, deadline: float) -> str:
    """Wait for the end; the reason why we did not wait longer, or nothing."""
    while process.poll() is None:
        mail.collect()
        allowed = deadline if mail.greeted else max(deadline, START_DEADLINE)
        if time.monotonic() - mail.heard > allowed:
            return f"nothing was heard for {allowed:.0f} s, so it was ended"
        time.sleep(POLL)
    mail.collect()
    return ""


def _end(process: subprocess.Popen[bytes], ranks: tuple[int, ...]) -> None:
    """End the attempt's own processes: ask, wait, force. Ranks that left the group are ended by their pid."""
    started = time.time()
    mine = [rank for rank in map(_process, ranks) if rank and rank.create_time() <= started]
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
    else:
        _signal_group(process.pid, signal.SIGKILL)
    for rank in mine:
        try:
            if rank.is_running() and "benchsuite.worker" in rank.cmdline():
                rank.kill()
        except psutil.Error:
            continue


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


def _capture(stream: IO[bytes] | None, path: Path) -> threading.Thread:
    """Copy a worker's output to a file, its first MiB; the rest is read and forgotten, so nobody blocks."""

    def copy() -> None:
        written = 0
        with stream or open(os.devnull, "rb") as source, path.open("wb") as target:
            while chunk := source.read1(1 << 16) if hasattr(source, "read1") else source.read(1 << 16):
                if written < CAPTURE:
                    written += target.write(chunk[: CAPTURE - written])

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread


def _exit_reason(code: int, finished: bool, errors: Path) -> str:
    """Why the attempt counts as failed, or nothing: exit 0 without a goodbye is a failure too."""
    if code == 0 and finished:
        return ""
    said = _last_line(errors)
    if code < 0:
        what = f"the process was ended by {signal.Signals(-code).name}"
    elif code == 0:
        what = "the process ended before it was done"
    else:
        what = f"the process ended with exit code {code}"
    return f"{what}: {said}" if said else what


def _last_line(path: Path) -> str:
    """The last line of the worker's own words, without control characters, at most 400 characters."""
    text = path.read_bytes()[-8192:].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith(("File ", "Extension modules:", "="))]
    return "".join(c for c in (own or lines or [""])[-1] if c.isprintable())[:400]
