"""Which host a rank is on: the name that a scheduler gave the node, else the kernel's."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence


def host_name(environment: Mapping[str, str] | None = None) -> str:
    """The node's name. Slurm's own goes first: several of its nodes may be one host, and its name is what it drains."""
    told = (os.environ if environment is None else environment).get("SLURMD_NODENAME", "")
    return told or platform.node() or "localhost"


def local(rank: int, hosts: Sequence[str]) -> tuple[int, int]:
    """The number of ``rank`` among the ranks of its host, and how many these are. ``hosts``: every rank's."""
    same = [other for other, host in enumerate(hosts) if host == hosts[rank]]
    return same.index(rank), len(same)
