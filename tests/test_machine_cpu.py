"""Cores, caches and memory as containers of both cgroup versions limit them, on planted file trees."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from benchsuite.machine import cpu

GIB = 2**30


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


V1 = {"proc/self/cgroup": "4:memory:/box\n3:cpu,cpuacct:/box"}
V2 = {"proc/self/cgroup": "0::/outer/inner"}


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({**V2, "sys/fs/cgroup/outer/inner/cpu.max": "max 100000"}, 8),
        ({**V2, "sys/fs/cgroup/outer/inner/cpu.max": "250000 100000"}, 3),
        ({**V2, "sys/fs/cgroup/outer/inner/cpu.max": "1000 100000"}, 1),
        # A parent's quota binds its children.
        ({**V2, "sys/fs/cgroup/outer/inner/cpu.max": "max 100000", "sys/fs/cgroup/outer/cpu.max": "200000 100000"}, 2),
        # Within a container the path of the host does not exist: the mount's own root holds the limit.
        ({"proc/self/cgroup": "0::/host/path", "sys/fs/cgroup/cpu.max": "400000 100000"}, 4),
        (
            {
                **V1,
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000",
            },
            3,
        ),
        (
            {**V1, "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000"},
            8,
        ),
        ({**V2, "sys/fs/cgroup/outer/inner/cpu.max": "garbage"}, 8),
        ({f"sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list": f"{i % 4},{i % 4 + 4}" for i in range(8)}, 4),
    ],
)
def test_cores(tmp_path: Path, files: dict[str, str], cores: int) -> None:
    assert cpu.available_cores(plant(tmp_path, files)) == cores


def test_affinity_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5}, raising=False)
    assert cpu.available_cores(tmp_path) == 1


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, 64 * GIB),
        ({**V2, "sys/fs/cgroup/outer/inner/memory.max": "max"}, 64 * GIB),
        ({**V2, "sys/fs/cgroup/outer/memory.max": str(2 * GIB)}, 2 * GIB),
        ({**V1, "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "9223372036854771712"}, 64 * GIB),
        ({**V1, "sys/fs/cgroup/memory/box/memory.limit_in_bytes": str(3 * GIB)}, 3 * GIB),
    ],
)
def test_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], limit: int) -> None:
    available = psutil.virtual_memory()._replace(available=64 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
    assert cpu.memory_limit(plant(tmp_path, files)) == limit


def test_caches(tmp_path: Path) -> None:
    caches = [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "2M"), ("3", "Unified", "98304K")]
    for i, words in enumerate(caches):
        folder = f"sys/devices/system/cpu/cpu0/cache/index{i}"
        plant(tmp_path, {f"{folder}/{name}": word for name, word in zip(("level", "type", "size"), words, strict=True)})
    assert cpu.cache_sizes(tmp_path) == {"L1d": 48 * 1024, "L2": 2 * 1024**2, "L3": 96 * 1024**2}
    assert cpu.cache_sizes(tmp_path / "elsewhere") == {}


def test_every_die_s_last_level_cache_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two dies of two cores, 32 MiB each: 64 MiB must be exceeded, not 32."""
    for core, sharers in ((0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3")):
        for index, (level, size) in enumerate(((1, "32K"), (2, "1024K"), (3, "32768K"))):
            folder = tmp_path / f"sys/devices/system/cpu/cpu{core}/cache/index{index}"
            folder.mkdir(parents=True)
            (folder / "level").write_text(str(level))
            (folder / "size").write_text(size)
            (folder / "shared_cpu_list").write_text(sharers if level == 3 else str(core))
    monkeypatch.setattr(cpu, "_affinity", lambda: {0, 1, 2, 3})
    assert cpu.last_level_total(tmp_path) == 64 << 20
    monkeypatch.setattr(cpu, "_affinity", lambda: {1})
    assert cpu.last_level_total(tmp_path) == 32 << 20
    assert cpu.last_level_total(tmp_path / "nothing") == 0
