"""What this process may use of the machine: cores, memory, and the caches it finds there.

``root`` is where the file system is looked at, so that a test can plant any container's view.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path("/")
_UNLIMITED = 2**60  # cgroup v1 writes "no limit" as the largest multiple of the page size
_SCALE = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def available_cores(root: Path = ROOT) -> int:
    """Cores to start one thread on each: those of the affinity mask, cut to the container's CPU quota.

    Hardware threads of one core count once: two on one core share its vector pipes and caches, so
    that a second one adds nothing to a bandwidth or FLOP rate.
    """
    cores = {_siblings(root, cpu) for cpu in _affinity()}
    quota = _cpu_quota(root)
    return max(1, min(len(cores), math.ceil(quota)) if quota is not None else len(cores))


def cache_sizes(root: Path = ROOT) -> dict[str, int]:
    """Bytes of each data cache that CPU 0 sees, nearest first: ``{"L1d": 32768, "L2": …, "L3": …}``.

    Empty where the system does not say (not Linux, some virtual machines).
    """
    sizes: dict[str, int] = {}
    for index in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_text(index / name) for name in ("level", "type", "size"))
        match = re.fullmatch(r"(\d+)([KMG]?)", size)
        if match and level and kind != "Instruction":
            sizes[f"L{level}" + ("d" if kind == "Data" else "")] = int(match[1]) * _SCALE[match[2]]
    return sizes


def last_level_total(root: Path = ROOT) -> int:
    """Bytes of all last-level caches that the usable cores see: what a working set must exceed to reach memory.

    A processor of several dies has one last-level cache a die. 0 where the system does not say.
    """
    found: dict[str, int] = {}
    for cpu in _affinity():
        folders = (root / f"sys/devices/system/cpu/cpu{cpu}/cache").glob("index*")
        levels = {int(_text(folder / "level") or 0): folder for folder in sorted(folders)}
        if levels:
            last = levels[max(levels)]
            match = re.fullmatch(r"(\d+)([KMG]?)", _text(last / "size"))
            if match:
                sharers = _text(last / "shared_cpu_list") or str(cpu)
                found[sharers] = int(match[1]) * _SCALE[match[2]]
    return sum(found.values())


def memory_limit(root: Path = ROOT) -> int:
    """Bytes that may still be allocated: what the system has available, at most the container's limit."""
    return min([int(psutil.virtual_memory().available), *_memory_limits(root)])


def memory_total(root: Path = ROOT) -> int:
    """Bytes of memory in all, at most the container's limit; what others hold now is not taken off."""
    return min([int(psutil.virtual_memory().total), *_memory_limits(root)])


def _memory_limits(root: Path) -> list[int]:
    """The limits of all control groups that hold this process."""
    return [
        int(text)
        for directory in control_groups(root, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (text := _text(directory / name)).isdigit() and int(text) < _UNLIMITED
    ]


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))  # macOS has no affinity


def _siblings(root: Path, cpu: int) -> str:
    return _text(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu)


def _cpu_quota(root: Path) -> float | None:
    """CPUs' worth of time per period, the least of all enclosing groups; None without a quota."""
    quotas = []
    for directory in control_groups(root, "cpu"):
        words = _text(directory / "cpu.max").split() or [
            _text(directory / "cpu.cfs_quota_us"),
            _text(directory / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]) > 0:
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def control_groups(root: Path, controller: str) -> Iterator[Path]:
    """The process's control groups that may limit ``controller``, with every parent up to the mount.

    Lines of /proc/self/cgroup are ``id:controllers:path``; version 2 has no controllers. Within a
    container the path may not exist below its own mount: the parents that do exist hold the limit.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = (controllers, controller) if controllers else ("", "unified")
        for mount in dict.fromkeys(mounts):
            base = root / "sys/fs/cgroup" / mount
            below = Path(path.lstrip("/"))
            yield from (base / part for part in (below, *below.parents))


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
