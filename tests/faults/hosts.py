"""Four hosts on one machine, and what can be wrong with them: each rank in a network namespace with a name of its own.

Their links go through a bridge and are capped by tbf far below what the processor can do, so that a transfer takes as
long as its link wants, whoever else computes (netem is in few kernels). Needs root, ip, tc, nsenter and MPICH.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchsuite.launchers.mpi import find, identify

COUNT = 4
RATE, TENTH = "800mbit", "80mbit"
BURST = "128kb"
NUMBERS = count()
"""A namespace's devices outlive it by a moment, so that its name is not free at once."""
CGROUP = Path("/sys/fs/cgroup/cpu")
QUOTA, PERIOD = 10_000, 100_000
"""Microseconds of a processor that the slow rank gets in each period."""
WRAPPER = """#!/bin/sh
exec nsenter --net="/run/netns/$HOSTS_PREFIX$PMI_RANK" unshare --uts \\
  sh -c 'hostname "node$PMI_RANK"; exec "$@"' sh "$@"
"""


def missing() -> str:
    """Why there can be no such hosts here; empty when there can."""
    if os.geteuid() != 0:
        return "needs root"
    if absent := [name for name in ("ip", "tc", "nsenter", "unshare") if shutil.which(name) is None]:
        return f"{absent[0]} is not installed"
    if not find() or identify(find()) != "mpich":
        return "needs MPICH's mpiexec"
    try:
        with Hosts() as hosts:
            hosts.tenth(0, 2)
    except subprocess.CalledProcessError as error:
        return f"namespaces or tbf cannot be had: {error.stderr.decode(errors='replace').strip()[:120]}"
    return ""


def run(*words: str) -> None:
    """A command that must succeed."""
    subprocess.run(words, check=True, capture_output=True, timeout=20)


class Hosts:
    """The namespaces and links, while the context lasts."""

    def __init__(self) -> None:
        self.prefix = f"bs{os.getpid() % 100_000}x{next(NUMBERS) % 1000}n"

    def __enter__(self) -> Hosts:
        bridge = f"{self.prefix}br"
        try:
            run("ip", "link", "add", bridge, "type", "bridge")
            run("ip", "link", "set", bridge, "up")
            for host in range(COUNT):
                self._host(host, bridge)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *ended: object) -> None:
        for host in range(COUNT):
            for words in (("link", "del", f"{self.prefix}v{host}"), ("netns", "del", self.name(host))):
                with suppress(subprocess.CalledProcessError):
                    run("ip", *words)
        with suppress(subprocess.CalledProcessError):
            run("ip", "link", "del", f"{self.prefix}br")

    def name(self, host: int) -> str:
        """A host's namespace."""
        return f"{self.prefix}{host}"

    def _host(self, host: int, bridge: str) -> None:
        space, port = self.name(host), f"{self.prefix}v{host}"
        run("ip", "netns", "add", space)
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "link", "set", port, "master", bridge, "up")
        run("ip", "-n", space, "addr", "add", f"10.77.0.{host + 1}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "eth0", "up")
        run("ip", "-n", space, "link", "set", "lo", "up")
        self._tc(host, "qdisc", "add", "dev", "eth0", "root", "handle", "1:", "htb", "default", "10")
        self._class(host, 10, RATE)

    def _class(self, host: int, number: int, rate: str) -> None:
        """Traffic of this class waits in a tbf of ``rate``; htb above it only sorts."""
        own = f"1:{number}"
        self._tc(
            host,
            "class",
            "add",
            "dev",
            "eth0",
            "parent",
            "1:",
            "classid",
            own,
            "htb",
            "rate",
            "10gbit",
            "quantum",
            "60000",
        )
        shape = ("tbf", "rate", rate, "burst", BURST, "latency", "100ms")
        self._tc(host, "qdisc", "add", "dev", "eth0", "parent", own, "handle", f"{number}:", *shape)

    def _tc(self, host: int, *words: str) -> None:
        run("ip", "netns", "exec", self.name(host), "tc", *words)

    def tenth(self, one: int, other: int) -> None:
        """From now on the path between these two hosts carries a tenth, both ways; all other paths are as they were."""
        for here, there in ((one, other), (other, one)):
            self._class(here, 20, TENTH)
            match = ("u32", "match", "ip", "dst", f"10.77.0.{there + 1}/32", "flowid", "1:20")
            self._tc(here, "filter", "add", "dev", "eth0", "parent", "1:", "protocol", "ip", "prio", "1", *match)

    def slow_sender(self, host: int) -> None:
        """From now on everything this host sends goes at a tenth."""
        self._tc(
            host,
            "qdisc",
            "change",
            "dev",
            "eth0",
            "parent",
            "1:10",
            "handle",
            "10:",
            "tbf",
            "rate",
            TENTH,
            "burst",
            BURST,
            "latency",
            "100ms",
        )


@dataclass
class InHosts:
    """A launcher that puts rank i of one ``mpiexec`` on host i. variables: further ones of its ranks."""

    hosts: Hosts
    wrapper: Path
    variables: dict[str, str] = field(default_factory=dict)
    name: str = "mpiexec"
    world: str = "mpi"

    def __post_init__(self) -> None:
        self.wrapper.write_text(WRAPPER)
        self.wrapper.chmod(0o755)

    def unavailable(self) -> str:
        """It can."""
        return ""

    def tokens(self, ranks: int) -> tuple[str, ...]:
        """``mpiexec -n RANKS WRAPPER``."""
        return (find(), "-n", str(ranks), str(self.wrapper))

    def environment(self, ranks: int) -> dict[str, str]:
        """Messages go over TCP, also between ranks of one machine."""
        return {
            "MPIR_CVAR_NOLOCAL": "1",
            "MPIR_CVAR_CH4_NETMOD": "ofi",
            "FI_PROVIDER": "tcp",
            "FI_TCP_IFACE": "eth0",
            "HOSTS_PREFIX": self.hosts.prefix,
            **self.variables,
        }


@contextmanager
def quota() -> Iterator[Path]:
    """A control group that gets a tenth of a processor; a process moves there with ``enter``."""
    group = CGROUP / f"benchsuite-{os.getpid()}"
    group.mkdir()
    try:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(QUOTA))
        yield group
    finally:
        group.rmdir()


def enter(group: Path, pid: int) -> None:
    """Move a process with all its threads into the group."""
    (group / "cgroup.procs").write_text(str(pid))


def throttled(group: Path) -> int:
    """Nanoseconds that the group was kept from running."""
    words = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(words["throttled_time"])


def stopped(pid: int, seconds: float) -> None:
    """Stop a process now, and let it go on after so many seconds."""
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))
    timer.daemon = True
    timer.start()


def flipping(folder: Path) -> str:
    """``flip.c``, compiled against the MPI beside this Python, for LD_PRELOAD."""
    prefix, library = Path(sys.prefix), folder / "flip.so"
    compiler = shutil.which("cc") or shutil.which("gcc") or "cc"
    paths = (f"-I{prefix}/include", f"-L{prefix}/lib", "-l:libmpi.so.12", f"-Wl,-rpath,{prefix}/lib")
    source = str(Path(__file__).with_name("flip.c"))
    run(compiler, "-shared", "-fPIC", "-O1", source, "-o", str(library), *paths)
    return str(library)
