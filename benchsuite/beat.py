"""Signs of life: one small file a rank, saying which process it is and what it is doing.

A rank rewrites its file at each phase and touches it twice a second from a thread; the same thread ends the
rank when its controller is gone. The controller reads the files when something takes too long, and the next
start reads them to end what an earlier one left behind.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchsuite.errors import DataError
from benchsuite.protocol import decode, encode
from benchsuite.world.place import host_name

INTERVAL = 0.5
STATES = {
    psutil.STATUS_STOPPED: "is stopped",
    psutil.STATUS_TRACING_STOP: "is held by a debugger",
    psutil.STATUS_DISK_SLEEP: "waits for a device",
    psutil.STATUS_ZOMBIE: "has ended",
    psutil.STATUS_RUNNING: "is computing",
    psutil.STATUS_SLEEPING: "is waiting",
}
"""What the kernel says of a process, in words."""
USUAL = frozenset({STATES[psutil.STATUS_SLEEPING], STATES[psutil.STATUS_RUNNING], "is alive"})
CONTROLLER = "controller.sign"
PATIENCE = 180.0
"""Seconds without a sign of a controller on another host: a shared folder may show what is new a minute later."""
NAMED = 16
"""Ranks in one sentence."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What one rank last said. ``began``: the kernel's tick at which its process began, so that a pid used again for
    another process is not mistaken for it. host: whose process it is; node: as the scheduler calls that."""

    rank: int
    pid: int
    began: int
    doing: str = ""
    host: str = ""
    node: str = ""


class Beat:
    """A rank's own sign, kept fresh until ``close``, where the attempt's folder can be seen: on another host perhaps
    it cannot. ``controller``: the process on this host that must not be outlived, 0 where there is none; one on
    another host is outlived by ``PATIENCE`` seconds at most, where its sign is seen.
    """

    def __init__(self, folder: Path, rank: int, controller: int = 0) -> None:
        self.rank = rank
        self._sign = Sign(rank, os.getpid(), began(os.getpid()), host=socket.gethostname(), node=host_name())
        self._controller = controller
        self._other, self._seen, self._since = folder / CONTROLLER, 0, time.monotonic()
        self._descriptor = -1
        with suppress(OSError):
            self._descriptor = os.open(path(folder, rank), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._ended = threading.Event()
        self.say("start")
        threading.Thread(target=self._follow, daemon=True).start()

    def say(self, doing: str) -> None:
        """From now on this rank is ``doing`` that. A full disk loses the words, not the measurement."""
        line = encode(replace(self._sign, doing=doing)) + b"\n"
        try:
            os.pwrite(self._descriptor, line, 0)
            os.ftruncate(self._descriptor, len(line))
        except OSError:
            return

    def close(self) -> None:
        """Stop the thread."""
        self._ended.set()

    def _follow(self) -> None:
        while not self._ended.wait(INTERVAL):
            with suppress(OSError):
                os.utime(self._descriptor)
            if self._abandoned():
                os._exit(1)  # nobody reads what this rank would still measure

    def _abandoned(self) -> bool:
        """Whether the controller has ended. Of one on another host its sign only is seen, and by another clock."""
        if self._controller:
            return not alive(self._controller)
        try:
            seen = self._other.stat().st_mtime_ns
        except OSError:
            return False
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return time.monotonic() - self._since > PATIENCE


def keep(folder: Path) -> None:
    """The controller is there: it says so many times in ``PATIENCE``."""
    with suppress(OSError):
        (folder / CONTROLLER).touch(0o600)


def path(folder: Path, rank: int) -> Path:
    """Where a rank's sign lies in its attempt's folder."""
    return folder / f"rank-{rank}.beat"


def stack_path(folder: Path, rank: int) -> Path:
    """Where a rank writes its stacks when it is asked (SIGUSR1) or crashes."""
    return folder / f"rank-{rank}.stack"


def signs(folder: Path) -> list[Sign]:
    """What the ranks of an attempt last said, by rank; a file that is being written is left out."""
    found = []
    for file in folder.glob("rank-*.beat"):
        try:
            found.append(decode(file.read_bytes(), Sign))
        except (OSError, DataError):
            continue
    return sorted(found, key=lambda sign: sign.rank)


def began(pid: int) -> int:
    """Ticks from the start of the machine to that of the process (proc(5), field 22): no clock that can be set.

    Raises ``OSError`` when there is no such process.
    """
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])


def alive(pid: int) -> bool:
    """Whether the process is there and has not ended.

    One that has is seen as long as its parent does not ask how: for ever below a container's first process that asks
    nobody.
    """
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def process(sign: Sign) -> psutil.Process | None:
    """The process that gave the sign, if it is still there and is one of this host."""
    if sign.host not in {"", socket.gethostname()}:
        return None
    try:
        return psutil.Process(sign.pid) if began(sign.pid) == sign.began else None
    except (psutil.Error, OSError):
        return None


def diagnosis(folder: Path, ranks: int = 0) -> str:
    """What each rank is doing, for a person: the stopped, the ended and the silent first; at most ``NAMED`` of them.

    Their nodes are named where there is more than one. ranks: how many there should be; of those on hosts that do not
    see the folder nothing is known here.
    """
    found = [(_state(sign, folder), sign) for sign in signs(folder)]
    found.sort(key=lambda one: (one[0] in USUAL, one[1].rank))
    several = len({sign.node for _, sign in found}) > 1
    told = [
        f"rank {sign.rank}{f' on {sign.node}' if several else ''} {state} ({sign.doing})"
        for state, sign in found[:NAMED]
    ]
    more = [f"and {len(found) - NAMED} more"] if len(found) > NAMED else []
    unseen = sorted(set(range(ranks)) - {sign.rank for _, sign in found}) if found else []
    named = ", ".join(map(str, unseen[:NAMED])) + (" …" if len(unseen) > NAMED else "")
    return "; ".join([*told, *more, *([f"no sign is seen here of rank {named}"] if unseen else [])])


def _state(sign: Sign, folder: Path) -> str:
    """Of a process on another host its freshness is all that is known."""
    try:
        age = time.time() - path(folder, sign.rank).stat().st_mtime
        if sign.host not in {"", socket.gethostname()}:
            state = "is alive"
        else:
            found = process(sign)
            state = STATES.get(found.status(), "is alive") if found else "is gone"
    except (psutil.Error, OSError):
        return "is gone"
    return f"{state}, silent for {age:.0f} s" if age > 10 * INTERVAL and state in USUAL else state
