"""Whether the kernel ended a process for want of memory, as the control group counts it (Linux)."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def kills(own: Path = OWN, root: Path = ROOT) -> int | None:
    """How many processes of this control group were ended so far; ``None`` where it is not told.

    Version 2 counts in ``memory.events``, version 1 in ``memory.oom_control`` (Linux's cgroup documentation).
    """
    for file in _files(own, root):
        try:
            words = dict(line.split(maxsplit=1) for line in file.read_text().splitlines() if " " in line)
            if "oom_kill" in words:
                return int(words["oom_kill"])
        except (OSError, ValueError):
            continue
    return None


def _files(own: Path, root: Path) -> list[Path]:
    """Where the count may lie, nearest first: in a container the group's own path is the root."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        return []
    found = []
    for number, controllers, path in (line for line in lines if len(line) == 3):
        inside = path.lstrip("/")
        if number == "0" and not controllers:
            found += [root / inside / "memory.events", root / "memory.events"]
        elif "memory" in controllers.split(","):
            found += [root / "memory" / inside / "memory.oom_control", root / "memory" / "memory.oom_control"]
    return found
