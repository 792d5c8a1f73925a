"""One attempt: one process group, a deadline for each phase, held by a controller without CuPy and MPI."""

from __future__ import annotations

import hashlib
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

from benchsuite import beat, ending
from benchsuite.errors import DataError, MeasureError
from benchsuite.launchers import causes
from benchsuite.launchers.base import Launcher
from benchsuite.launchers.causes import Weight
from benchsuite.machine import oom
from benchsuite.model import Policy
from benchsuite.protocol import Job, Kind, Message, decode, encode
from benchsuite.reading import printable

POLL = 0.03
KEPT = 2.0
"""Seconds from one sign of the controller to the next."""
FAREWELL = 10.0
"""Seconds in which ranks that have told everything get to end: MPI hangs there when a host is gone."""
CAPTURE = 1 << 20
LONGEST_LINE = 64 << 20
FRAMES = ("Traceback (most", "File ", "Current thread ", "Thread 0x", "Extension modules:", "=")
"""What begins the lines that Python adds to the words of a crash."""
APART = (
    ". The ranks did not find each other: see whether the host's name resolves, whether a firewall is between them, "
    "and which network interface MPI chose"
)


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended: ``reason`` is empty when it said goodbye and exited with 0.

    lost: its place was taken away: a node failed, the job was ended (``launchers.causes``).
    """

    reason: str = ""
    lost: bool = False


Listen = Callable[[Message], None]
Poll = Callable[[], None]


def no_poll() -> None:
    """For those whom nothing can interrupt."""


class Runner(Protocol):
    """Runs the attempt of a job; ``listen`` receives each message as it arrives.

    ``poll`` is called many times a second meanwhile; what it raises ends the attempt and is raised on.
    """

    def __call__(self, job: Job, folder: Path, listen: Listen, poll: Poll = no_poll) -> End:
        """Run ``job`` with its files in ``folder``, to its end."""


class ProcessRunner:
    """Starts the worker through a launcher in a session of its own, and ends what belongs to it only."""

    def __init__(self, launcher: Launcher, environment: Mapping[str, str]) -> None:
        self._launcher = launcher
        self._environment = environment

    def __call__(self, job: Job, folder: Path, listen: Listen, poll: Poll = no_poll) -> End:
        """Run to the end, a deadline or an interrupt; always leaves no process behind."""
        tag = hashlib.sha256(job.nonce.encode()).hexdigest()[:16]
        ending.adopt_orphans()
        process = self._start(job, folder, tag)
        captures = [_capture(process.stdout, folder / "stdout.log"), _capture(process.stderr, folder / "stderr.log")]
        mail = Mail(Path(job.results), job.nonce, listen)
        killed = oom.kills()
        grace = ending.GRACE / 5  # when a person or the machine's owner waits
        try:
            reason = _follow(process, mail, job, folder, poll)
            grace = ending.GRACE
        finally:
            ending.end(process, folder, tag, grace)
            for thread in captures:
                thread.join(ending.GRACE)
        mail.collect()
        starved = killed is not None and (oom.kills() or 0) > killed
        said = _exit_reason(process.returncode, mail.finished, folder, starved)
        return End(reason or said, lost=not reason and causes.lost(_ending(folder / "stderr.log")))

    def _start(self, job: Job, folder: Path, tag: str) -> subprocess.Popen[bytes]:
        job_file = folder / "job.json"
        try:
            descriptor = os.open(job_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it holds the nonce
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(encode(job))
        except OSError as error:
            remedy = "Free some space; what was measured so far is kept."
            raise MeasureError(f"{job_file.name} could not be written: {error.strerror}.", remedy) from error
        world = (job.world, str(job.ranks), str(job.nodes))
        worker = (sys.executable, "-m", "benchsuite.worker", *world, str(job_file.resolve()))
        chosen = {**self._launcher.environment(job.ranks), **self._environment, ending.TAG: tag}
        try:
            process = subprocess.Popen(
                [*self._launcher.tokens(job.ranks), *worker],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **chosen},
                start_new_session=True,
            )
        except OSError as error:
            raise MeasureError(
                f"{self._launcher.name} could not start: {error.strerror}.", "See 'benchsuite doctor'."
            ) from error
        ending.sign_launcher(folder, process)
        return process


class Mail:
    """Reads a results file as it grows; a line with a wrong nonce or a broken line is ignored."""

    def __init__(self, path: Path, nonce: str, listen: Listen) -> None:
        self._path, self._nonce, self._listen = path, nonce, listen
        self._read = 0
        self.finished = False
        self.heard = time.monotonic()
        self.phase = "start"

    def collect(self) -> None:
        """Deliver every complete new line."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._read)
                content = stream.read(LONGEST_LINE)
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
        self.phase = message.phase if message.kind is Kind.PHASE else "end" if message.kind is Kind.BYE else "next"
        self.finished = self.finished or message.kind is Kind.BYE
        self._listen(message)


def allowed(phase: str, policy: Policy) -> float:
    """Seconds that a phase may last before it counts as hung."""
    match phase:
        case "measure":
            return policy.deadline
        case "compile":
            return policy.compile_deadline
        case "end":
            return min(FAREWELL, policy.setup_deadline)
        case _:
            return policy.setup_deadline


def _follow(process: subprocess.Popen[bytes], mail: Mail, job: Job, folder: Path, poll: Poll) -> str:
    """Wait for the end; the reason why we did not wait longer, or nothing."""
    kept = 0.0
    while process.poll() is None:
        mail.collect()
        poll()
        if time.monotonic() - kept > KEPT:
            beat.keep(folder)
            kept = time.monotonic()
        limit = allowed(mail.phase, job.policy)
        if time.monotonic() - mail.heard > limit:
            ranks = beat.diagnosis(folder, job.ranks)
            ending.dump_stacks(folder)
            hint = APART if job.ranks > 1 and mail.phase == "start" else ""
            return f"nothing was heard for {limit:.0f} s, so it was ended" + (f": {ranks}" if ranks else "") + hint
        time.sleep(POLL)
    mail.collect()
    return ""


def _capture(stream: IO[bytes] | None, path: Path) -> threading.Thread:
    """Copy a worker's output to a file, its first MiB; the rest is read and forgotten, so nobody blocks."""

    def copy() -> None:
        written = 0
        with stream or open(os.devnull, "rb") as source, _log(path) as target:
            while chunk := source.read1(1 << 16) if hasattr(source, "read1") else source.read(1 << 16):
                if written < CAPTURE:
                    try:
                        written += target.write(chunk[: CAPTURE - written])
                    except OSError:  # a full disk costs the log, not the measurement
                        written = CAPTURE

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread


def _log(path: Path) -> IO[bytes]:
    try:
        return open(path, "wb", buffering=0)
    except OSError:
        return open(os.devnull, "wb", buffering=0)


def _exit_reason(code: int, finished: bool, folder: Path, starved: bool) -> str:
    """Why the attempt counts as failed, or nothing: exit 0 without a goodbye is a failure too.

    starved: the kernel ended a process for want of memory meanwhile.
    """
    if code == 0 and finished:
        return ""
    if starved:
        return "OOM_KILLED: the memory limit was reached, and the kernel ended the process"
    text = _ending(folder / "stderr.log")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said, cause = _last_line(causes.own_words(lines)), causes.cause(text)
    if cause and (cause.weight is Weight.WHOLE or not said):
        return printable(cause.sentence)
    if cause and cause.weight is Weight.BESIDE:
        return f"{printable(cause.sentence)}: {said}"
    if code < 0:
        what = f"the process was ended by {signal.Signals(-code).name}"
    elif code == 0:
        what = "the process ended before it was done"
    else:
        what = f"the process ended with exit code {code}"
    said = said or _last_line(lines)
    return f"{what}: {said}" if said else what


def _ending(path: Path) -> str:
    """The end of what was captured."""
    try:
        return path.read_bytes()[-32768:].decode("utf-8", "replace")
    except OSError:
        return ""


def _last_line(lines: list[str]) -> str:
    """The last of the lines that Python did not add, without control characters, at most 400 characters."""
    own = [line for line in lines if not line.startswith(FRAMES)]
    return printable((own or lines or [""])[-1])[:400]
