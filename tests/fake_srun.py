"""A ``srun`` for tests: starts the tasks of a step on this host, each with the name of a node of its own.

Tasks that talk through MPI are started by mpiexec in a UTS namespace each, so that their kernel calls the node by its
name, which root may do; others by themselves. NODE_FAILS names a node whose tasks are not started: srun then fails, as
it does when a node is down.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CLONE_NEWUTS = 0x04000000


def install(folder: Path) -> Path:
    """A folder for PATH with this ``srun`` in it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "srun"
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" "$@"\n')
    file.chmod(file.stat().st_mode | stat.S_IEXEC)
    return folder


def allocation(folder: Path, nodes: int) -> dict[str, str]:
    """The environment of a job on so many nodes: node1, node2 …"""
    path = f"{install(folder)}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": f"node[1-{nodes}]"}


def names_are_possible() -> bool:
    """Whether a process here may have a host name of its own."""
    done = subprocess.run(["unshare", "--uts", "true"], capture_output=True, check=False, timeout=20)
    return done.returncode == 0


def main(words: Sequence[str]) -> int:
    if "--mpi=list" in words:
        print("MPI plugin types are...\n\tnone\n\tpmi2")
        return 0
    if "--version" in words:
        print("slurm 23.11.4")
        return 0
    if words[0] == "--as-rank":
        return _as_rank(words[1], words[2:])
    options = dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
    command = words[next(at for at, word in enumerate(words) if not word.startswith("--")) :]
    hosts = options.get("nodelist", "").split(",")
    ranks, each = int(options["ntasks"]), int(options["ntasks-per-node"])
    down = os.environ.get("NODE_FAILS", "")
    if "benchsuite.fleet.nodework" in command:
        return _alone(hosts, command, down)
    if down in hosts:
        print(f"srun: error: {down} is down", file=sys.stderr)
        return 1
    me = (sys.executable, str(Path(__file__).resolve()), "--as-rank", ",".join(h for h in hosts for _ in range(each)))
    mpiexec = str(Path(sys.executable).parent / "mpiexec")
    kept = {name: value for name, value in os.environ.items() if not re.match("SLURM", name)}
    return subprocess.run([mpiexec, "-n", str(ranks), *me, *command], env=kept, check=False).returncode


def _alone(hosts: Sequence[str], command: Sequence[str], down: str) -> int:
    started = [
        subprocess.Popen(command, env={**os.environ, "SLURMD_NODENAME": host, "SLURM_STEP_NUM_TASKS": str(len(hosts))})
        for host in hosts
        if host != down
    ]
    codes = [process.wait() for process in started]
    return max(codes) if not down else 1


def _as_rank(hosts: str, command: Sequence[str]) -> int:
    rank = int(os.environ["PMI_RANK"])
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUTS) == 0:
        socket.sethostname(hosts.split(",")[rank])
    os.execvp(shutil.which(command[0]) or command[0], list(command))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
