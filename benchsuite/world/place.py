"""Which host a rank is on: the name that a scheduler gave the node, else the kernel's; and whether it was asked for."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence

HYDRA = "MPI_LOCALNRANKS"
"""A variable that the mpiexec of MPICH and Intel MPI gives its ranks, and no other launcher does."""


def host_name(environment: Mapping[str, str] | None = None) -> str:
    """The node's name. Slurm's own goes first: several of its nodes may be one host, and its name is what it drains.

    Not under MPICH's mpiexec, though: it hands the variables of its own host to the ranks on every other.
    """
    known = os.environ if environment is None else environment
    told = "" if HYDRA in known else known.get("SLURMD_NODENAME", "")
    return told or platform.node() or "localhost"


def misplaced(hosts: Sequence[str], nodes: int) -> str:
    """What is wrong with ranks on ``hosts`` (every rank's) that should lie evenly on ``nodes`` hosts; or nothing."""
    count = Counter(hosts)
    if len(count) != nodes:
        shown = ", ".join(list(count)[:4]) + (", …" if len(count) > 4 else "")
        return f"{nodes} hosts were asked for, but the {len(hosts)} ranks run on {len(count)} ({shown})"
    most, least = max(count, key=lambda host: count[host]), min(count, key=lambda host: count[host])
    if count[most] > count[least]:
        return f"every host was to get as many ranks, but {most} has {count[most]} and {least} has {count[least]}"
    return ""


def local(rank: int, hosts: Sequence[str]) -> tuple[int, int]:
    """The number of ``rank`` among the ranks of its host, and how many these are. ``hosts``: every rank's."""
    same = [other for other, host in enumerate(hosts) if host == hosts[rank]]
    return same.index(rank), len(same)
