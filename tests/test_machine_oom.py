"""The kernel's count of processes ended for want of memory, in both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.machine import oom


def tree(root: Path, own: str, file: str, text: str) -> Path:
    for path, content in (("proc/self/cgroup", own), (f"sys/fs/cgroup/{file}", text)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


@pytest.mark.parametrize(
    ("own", "file", "text", "expected"),
    [
        ("0::/job\n", "job/memory.events", "low 0\noom 3\noom_kill 2\n", 2),
        ("0::/job\n", "memory.events", "oom 0\noom_kill 1\n", 1),
        ("7:cpu:/\n5:memory:/job\n", "memory/job/memory.oom_control", "oom_kill_disable 0\noom_kill 4\n", 4),
        ("5:memory:/docker/x\n", "memory/memory.oom_control", "under_oom 0\noom_kill 5\n", 5),
        ("5:memory:/\n", "memory/memory.oom_control", "under_oom 0\n", None),
        ("0::/job\n", "job/memory.events", "oom_kill many\n", None),
        ("7:cpu:/\n", "unrelated", "oom_kill 4\n", None),
    ],
)
def test_kills_are_counted_or_unknown(tmp_path: Path, own: str, file: str, text: str, expected: int | None) -> None:
    assert oom.kills(tree(tmp_path, own, file, text)) == expected


def test_no_control_groups_tell_nothing(tmp_path: Path) -> None:
    assert oom.kills(tmp_path) is None
