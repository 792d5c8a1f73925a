"""Ends the processes of an attempt, and no others: ask for their stacks, ask them to end, force them.

What belongs to an attempt is known three ways: the process group of the launcher, the signs of its ranks
(``beat``), and a tag in the environment that every descendant inherits, whatever session it moved to.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from benchsuite import beat
from benchsuite.errors import DataError
from benchsuite.protocol import decode, encode

GRACE = 5.0
"""Seconds between asking a process to end and forcing it."""
POLL = 0.005
DUMP = 0.5
"""Seconds that ranks get to write their stacks."""
TAG = "BENCHSUITE_ATTEMPT"
LAUNCHER = "launcher.beat"


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends (Linux), so that none is lost sight of."""
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1)


def dump_stacks(folder: Path) -> None:
    """Have every rank write its stacks beside its sign. One that is stopped, or stuck in the kernel, cannot."""
    asked = False
    for sign in beat.signs(folder):
        found = beat.process(sign)
        if found is not None and beat.stack_path(folder, sign.rank).exists():  # else SIGUSR1 would end it
            with suppress(psutil.Error):
                found.send_signal(signal.SIGUSR1)
                asked = True
    if asked:
        time.sleep(DUMP)


def end(process: subprocess.Popen[bytes], folder: Path, tag: str, grace: float = GRACE) -> None:
    """End the launcher's group and everything else that carries ``tag``; returns when none is left."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()
    kill_ranks(folder)
    deadline = time.monotonic() + grace
    while (left := _halted(tag, deadline)) and time.monotonic() < deadline:
        _kill(left)
        _reap(left)


def _halted(tag: str, deadline: float) -> list[psutil.Process]:
    """All that carry the tag, stopped: what is ended one by one while it multiplies is never all ended."""
    found: dict[int, psutil.Process] = {}
    while fresh := [process for process in tagged(tag) if process.pid not in found]:
        for process in fresh:
            with suppress(psutil.Error):
                process.suspend()
            found[process.pid] = process
        if time.monotonic() > deadline:
            break
    return list(found.values())


def kill_ranks(folder: Path) -> list[psutil.Process]:
    """Force every rank that signed in ``folder`` and is still there to end; which they were."""
    found = [process for sign in beat.signs(folder) if (process := beat.process(sign))]
    _kill(found)
    return found


def tagged(tag: str) -> list[psutil.Process]:
    """Our descendants that carry the tag in their environment."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if child.environ().get(TAG) == tag:
                found.append(child)
    return found


def sign_launcher(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Note which process starts the ranks, for a later start that must clean up after us."""
    with suppress(OSError):
        sign = beat.Sign(-1, process.pid, beat.began(process.pid), "launcher")
        (folder / LAUNCHER).write_bytes(encode(sign))


def clean(attempts: Iterable[Path]) -> None:
    """End what an earlier controller, which is dead, left running in these attempts' folders; wait until it is gone."""
    for folder in attempts:
        with suppress(OSError, DataError):
            launcher = decode((folder / LAUNCHER).read_bytes(), beat.Sign)
            if found := beat.process(launcher):
                _signal_group(found.pid, signal.SIGKILL)
        _wait(kill_ranks(folder), GRACE)


def _wait(processes: Iterable[psutil.Process], patience: float) -> None:
    """Until they have ended, whoever their parents are."""
    deadline = time.monotonic() + patience
    for process in processes:
        while beat.alive(process.pid) and time.monotonic() < deadline:
            time.sleep(POLL)


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()


def _reap(processes: Iterable[psutil.Process]) -> None:
    """Wait until they are gone; those that became our children leave no zombie then."""
    psutil.wait_procs(list(processes), GRACE / 10)


def _signal_group(leader: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
