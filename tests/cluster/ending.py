"""Ends every process of a test's cluster: ``python -m tests.cluster.ending CONF`` waits for the end of its input.

The tests hold the other end of that pipe, so whatever becomes of them, an interrupt or SIGKILL too, nothing is left.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

VARIABLE = "SLURM_CONF"
"""In the environment of every daemon of the cluster and of every rank; its value is unique."""
PATIENCE = 10.0


def belonging(conf: str) -> list[psutil.Process]:
    """All living processes of the cluster with this configuration, but not this one."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            ours = process.environ().get(VARIABLE) == conf or bool(node_of_step(process, conf))
            if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def node_of_step(process: psutil.Process, conf: str) -> str:
    """The node of one of the cluster's step daemons, told by the log that it writes; empty for other processes.

    A step daemon writes its title over its environment.
    """
    if process.name() != "slurmstepd":
        return ""
    logs = (Path(file.path) for file in process.open_files())
    return next((log.stem.removeprefix("slurmd-") for log in logs if log.parent == Path(conf).parent), "")


def end(conf: str) -> list[str]:
    """Force them all to end; what is left after ten seconds, as words."""
    deadline = time.monotonic() + PATIENCE
    while (left := belonging(conf)) and time.monotonic() < deadline:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, 0.2)
    return [str(process) for process in left]


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    if problem := end(sys.argv[1]):
        sys.exit("still there: " + ", ".join(problem))
