"""A Slurm of four nodes on this host, with its own munge, ports, state and configuration; ended whatever happens.

Nothing of another Slurm on this machine is read, written or signalled: all is in one folder, on ports that were free,
and reached through ``SLURM_CONF`` only.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.cluster import ending
from tests.cluster.needs import ROOT, SETUP, clean_environment

NODES = ("node1", "node2", "node3", "node4")
SLOTS = 2
"""Processors that each node says it has, whatever this host has."""
PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "salloc", "scontrol", "squeue", "scancel", "sinfo")
PATIENCE = 60.0
CONFIGURATION = """
ClusterName=benchsuite
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=300
KillWait=2
MessageTimeout=30
CompleteWait=0
NodeName=node[1-4] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[{ports[1]}-{ports[4]}] CPUs={slots} RealMemory=2000
PartitionName=main Nodes=node[1-4] Default=YES MaxTime=10 State=UP PriorityTier=1 OverSubscribe=NO
PartitionName=urgent Nodes=node[1-4] MaxTime=10 State=UP PriorityTier=10 OverSubscribe=NO
"""


@dataclass
class Slurm:
    """A running cluster."""

    folder: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def conf(self) -> str:
        """Path of its configuration: what makes a command talk to it."""
        return str(self.folder / "slurm.conf")

    @property
    def environment(self) -> dict[str, str]:
        """For commands that talk to this cluster and no other."""
        return clean_environment(**{ending.VARIABLE: self.conf})

    def __call__(self, *words: str, timeout: float = PATIENCE, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the cluster, to its end."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def states(self) -> dict[str, str]:
        """Each node's state in Slurm's word: idle, allocated, down …; ``*`` behind it: does not answer."""
        lines = self("sinfo", "--noheader", "--Node", "--partition", "main", "--format", "%N %T").stdout.splitlines()
        return dict(line.split() for line in lines if line.strip())

    def jobs(self) -> dict[str, str]:
        """Each job's state that the controller still knows: RUNNING, PENDING, COMPLETED …"""
        lines = self("squeue", "--noheader", "--states", "all", "--format", "%A %T").stdout.splitlines()
        return dict(line.split() for line in lines if line.strip())

    def job(self, number: str) -> Mapping[str, str]:
        """What the controller says of a job, by its own words (``JobState``, ``Restarts``, ``ExitCode``)."""
        words = self("scontrol", "show", "job", number, "--oneliner").stdout.split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def until(self, reached: Callable[[], object], what: str) -> None:
        """Wait until ``reached`` is true; fails with what the cluster says of itself."""
        deadline = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < deadline, f"{what} did not come in {PATIENCE:.0f} s: {self.told()}"
            time.sleep(0.1)

    def told(self) -> str:
        """Nodes, jobs and the end of the controller's log, for a failure's message."""
        return f"nodes {self.states()}; jobs {self.jobs()}; {_tail(self.folder / 'slurmctld.log')}"

    def ready(self) -> None:
        """Every daemon runs, no job is left, every node is idle: what a test begins with."""
        for number in self.jobs_left():
            self("scancel", "--signal=KILL", "--full", number)
            self("scancel", number)
        for node in NODES:
            if node not in self.daemons or self.daemons[node].poll() is not None:
                self.declare_dead(node)
                self.start_node(node)
        self.until(lambda: not self.jobs_left(), "the end of all jobs")
        self.until(self._idle, "the idle nodes")

    def jobs_left(self) -> list[str]:
        """Jobs that have not ended."""
        return self("squeue", "--noheader", "--format", "%A").stdout.split()

    def _idle(self) -> bool:
        states = self.states()
        for node, state in states.items():
            if state.startswith(("down", "drain")):
                self("scontrol", "update", f"NodeName={node}", "State=RESUME")
        return [states.get(node) for node in NODES] == ["idle"] * len(NODES)

    # -- daemons ------------------------------------------------------------------------------

    def start(self, name: str, *command: str) -> None:
        """Start a daemon in the foreground, as a child of this process."""
        with open(self.folder / f"{name}.out", "ab") as said:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=self.folder
            )

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self.start(node, _path("slurmd"), "-D", "-f", self.conf, "-N", node)

    def processes(self, node: str) -> list[psutil.Process]:
        """Step daemons and ranks on a node, without its ``slurmd``."""
        found = []
        for process in ending.belonging(self.conf):
            with suppress(psutil.Error, OSError):
                told = process.environ().get("SLURMD_NODENAME", "") or ending.node_of_step(process, self.conf)
                if told == node:
                    found.append(process)
        return found

    def declare_dead(self, node: str) -> None:
        """What the controller does by itself when it has not heard of a node for ``SlurmdTimeout``."""
        self("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=dead")

    def kill_daemon(self, node: str) -> None:
        """End a node's ``slurmd`` with SIGKILL; what it started goes on."""
        self.daemons[node].kill()
        self.daemons[node].wait()

    def kill_node(self, node: str) -> None:
        """End a node as a loss of power does: its daemon, its steps, its ranks."""
        self.kill_daemon(node)
        for process in self.processes(node):
            process.kill()


def _path(program: str) -> str:
    """Of a program; daemons lie in ``/usr/sbin``, which a user's PATH may lack."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin") or ""


def _tail(file: Path, lines: int = 8) -> str:
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else f"no {file.name}"


def unavailable() -> str:
    """Why no cluster can be started here, with the remedy; empty when it can."""
    if absent := [program for program in PROGRAMS if not _path(program)]:
        return f"Slurm is not installed ({', '.join(absent)}): {SETUP} (as root, with apt)"
    if os.getuid():
        return "Slurm's daemons are started by root only"
    return ""


def _ports(count: int) -> list[int]:
    """One free port, and a row of free ports behind each other."""
    for _ in range(100):
        first = 20000 + secrets.randbelow(10000)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    one = stack.enter_context(socket.socket())
                    one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return list(range(first, first + count))
    raise RuntimeError("there are no free ports")


@contextmanager
def running(folder: Path) -> Iterator[Slurm]:
    """A cluster with all its files in ``folder``, ready; every process of it is gone afterwards."""
    for name in ("munge", "state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir(parents=True, mode=0o700)
    key = folder / "munge" / "key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(1024))
    slurm = Slurm(folder)
    Path(slurm.conf).write_text(CONFIGURATION.format(folder=folder, ports=_ports(1 + len(NODES)), slots=SLOTS))
    warden = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.ending", slurm.conf],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _start(slurm)
        yield slurm
    finally:
        said = warden.communicate(timeout=PATIENCE)[1]
        for daemon in slurm.daemons.values():
            daemon.wait(PATIENCE)
    assert warden.returncode == 0, said.decode(errors="replace")


def _start(slurm: Slurm) -> None:
    munge = slurm.folder / "munge"
    files = (f"--{name}-file={munge / name}" for name in ("key", "pid", "log", "seed"))
    slurm.start("munged", _path("munged"), "--foreground", "--force", f"--socket={munge / 'socket'}", *files)
    slurm.until((munge / "socket").exists, "munge's socket")
    slurm.start("slurmctld", _path("slurmctld"), "-D", "-f", slurm.conf)
    slurm.ready()
