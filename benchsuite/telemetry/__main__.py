"""The sensor process: ``python -m benchsuite.telemetry PARENT [BUS]``.

Ten times a second a line of readings goes to standard output. Lines on standard input name our own processes
(``own 12 13``). It ends with its parent. It imports no numerical library, so that it starts quickly and stays small.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING

from benchsuite.telemetry import together
from benchsuite.telemetry.host import HostSensors, Missing, Values
from benchsuite.telemetry.reading import Reading, Writer, boot

if TYPE_CHECKING:
    from benchsuite.telemetry.nvml import GpuSensors

INTERVAL = 0.1
SLOW = 10
"""Every so many readings the slow sensors are read too."""


class Loop:
    """Reads all sensors; what is read rarely is repeated meanwhile."""

    def __init__(self, host: HostSensors, gpu: GpuSensors | None) -> None:
        self._host, self._gpu, self._controller = host, gpu, os.getppid()
        self._count = 0
        self._values: Values = {}
        self._missing: Missing = {}

    def read(self) -> Reading:
        """Every sensor now."""
        at, slow = time.perf_counter(), self._count % SLOW == 0
        self._count += 1
        for pid in together.others(self._controller):
            self._host.together.add(pid)
        values, missing = self._host.read(slow=slow)
        foreign = None
        if self._gpu is not None:
            seen, unseen, foreign = self._gpu.read(self._host.own.pids, slow=slow)
            values |= seen
            missing |= unseen
        kept = {name: reason for name, reason in self._missing.items() if not slow and name not in values}
        self._missing = {**kept, **missing}
        old = {} if slow else self._values
        self._values = {name: value for name, value in {**old, **values}.items() if name not in self._missing}
        return Reading(at, self._values, self._missing, foreign)


def follow(loop: Loop, host: HostSensors, writer: Writer, commands: int, out: int) -> None:
    """Read on a fixed beat until the commands end."""
    due, rest = time.perf_counter(), b""
    while True:
        while (wait := due - time.perf_counter()) > 0:
            if select.select([commands], [], [], wait)[0]:
                told = os.read(commands, 1 << 16)
                if not told:
                    return
                *lines, rest = (rest + told).split(b"\n")
                for word in b" ".join(lines).split():
                    if word.isdigit():
                        host.own.add(int(word))
        os.write(out, writer.line(loop.read()))
        now = time.perf_counter()
        due = due + INTERVAL if due + INTERVAL > now else now + INTERVAL  # what was missed is not caught up with


def die_with(parent: int) -> None:
    """Have Linux end this process when its parent ends, even while a driver does not return."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def main(words: list[str]) -> None:
    """Until the parent ends or closes our input."""
    parent = int(words[0])
    die_with(parent)
    host, gpu = HostSensors(), None
    if len(words) > 1:
        from benchsuite.telemetry.nvml import GpuSensors

        gpu = GpuSensors(words[1])
    for pid in (os.getpid(), parent):
        host.own.add(pid)
    try:
        follow(Loop(host, gpu), host, Writer(boot()), sys.stdin.fileno(), sys.stdout.fileno())
    except BrokenPipeError:
        return


if __name__ == "__main__":
    main(sys.argv[1:])
