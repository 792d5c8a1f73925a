"""One run at a time on one device: a file that the kernel unlocks when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchsuite.errors import MeasureError

FOLDER = "BENCHSUITE_LOCKS"
"""Environment variable: the folder for locks, where the system's folder for temporary files is not shared."""
POLL = 0.2


def path(device: str) -> Path:
    """The lock of a device; its name tells nothing, since others may list the folder."""
    name = hashlib.sha256(device.encode()).hexdigest()[:16]
    return Path(os.environ.get(FOLDER) or tempfile.gettempdir()) / f"benchsuite-{name}.lock"


@contextmanager
def hold(
    file: Path, subject: str, wait: float = 0.0, waiting: Callable[[str], None] = lambda text: None
) -> Iterator[None]:
    """Hold the lock, after ``wait`` seconds at most; ``waiting`` is told once if it must wait.

    subject: what is held, for a person ("The processor"). Raises ``MeasureError`` when another process holds
    it, or the file cannot be opened.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise MeasureError(
            f"The lock {file} cannot be opened: {error.strerror}.", f"Name another folder in {FOLDER}."
        ) from error
    try:
        _take(descriptor, subject, wait, waiting)
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, subject: str, wait: float, waiting: Callable[[str], None]) -> None:
    deadline = time.monotonic() + wait
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            who = f"process {holder}" if holder.isdigit() else "another process"
            if time.monotonic() >= deadline:
                raise MeasureError(
                    f"{subject} is being measured by {who}; two runs at once would measure each other.",
                    "Wait until it has ended, or add --wait SECONDS.",
                ) from None
        if not told:
            waiting(f"Waiting for {who} to end its measurement.")
            told = True
        time.sleep(POLL)
