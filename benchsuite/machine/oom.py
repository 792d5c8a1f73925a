"""Whether the kernel ended a process for want of memory, as the control group counts it (Linux)."""

from __future__ import annotations

from pathlib import Path

from benchsuite.machine import cpu

COUNTS = ("memory.events", "memory.oom_control")
"""Where version 2 and version 1 count (Linux's cgroup documentation)."""


def kills(root: Path = cpu.ROOT) -> int | None:
    """How many processes of this control group were ended so far; ``None`` where it is not told."""
    for group in cpu.control_groups(root, "memory"):
        for name in COUNTS:
            try:
                lines = (group / name).read_text().splitlines()
                words = dict(line.split(maxsplit=1) for line in lines if " " in line)
                if "oom_kill" in words:
                    return int(words["oom_kill"])
            except (OSError, ValueError):
                continue
    return None


def kills_of_machine(root: Path = cpu.ROOT) -> int | None:
    """How many processes of the whole machine were ended so far (/proc/vmstat); ``None`` where it is not told."""
    try:
        lines = (root / "proc/vmstat").read_text().splitlines()
        words = dict(line.split(maxsplit=1) for line in lines if " " in line)
        return int(words["oom_kill"])
    except (OSError, ValueError, KeyError):
        return None
