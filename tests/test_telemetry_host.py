"""The host's sensors on invented trees of /proc and /sys, and our own CPU time on real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchsuite.telemetry.host import HostSensors
from benchsuite.telemetry.own import OwnTime

TICK = os.sysconf("SC_CLK_TCK")
STAT = """cpu  9 9 9 9 9 9 9 9 9 9
cpu0 100 20 30 4000 500 6 7 8 9 10
cpu1 1 0 0 0 0 0 0 2 0 0
cpu10 5 5 5 5 5 5 5 5 5 5
intr 7
"""


def tree(root: Path, files: dict[str, str]) -> Path:
    """A tree with these files."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def whole(root: Path) -> Path:
    """A machine that tells everything."""
    package = "sys/class/powercap/intel-rapl:{}/{}"
    return tree(
        root,
        {
            "proc/stat": STAT,
            "proc/pressure/cpu": "some avg10=1.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0 total=7\n",
            "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=40\n",
            "proc/loadavg": "1.25 1.00 0.50 2/300 9999\n",
            "proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    1000 kB\n",
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/cpu.stat": "usage_usec 5\nnr_throttled 3\nthrottled_usec 1500000\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2000000\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "3000000\n",
            "sys/devices/system/node/node0/numastat": "numa_hit 5\nnuma_miss 3\n",
            "sys/devices/system/node/node1/numastat": "numa_hit 5\nnuma_miss 4\n",
            package.format(0, "name"): "package-0\n",
            package.format(0, "energy_uj"): "900\n",
            package.format(0, "max_energy_range_uj"): "1000\n",
            package.format(1, "name"): "psys\n",
            package.format(1, "energy_uj"): "5\n",
            package.format(1, "max_energy_range_uj"): "1000\n",
        },
    )


def test_everything_is_read_in_si_units_for_our_processors_only(tmp_path: Path) -> None:
    values, missing = HostSensors(whole(tmp_path), [0, 1]).read(slow=True)
    assert missing == {}
    assert values == pytest.approx(
        {
            "own": 0.0,
            "busy": (100 + 20 + 30 + 6 + 7 + 8 + 1 + 2) / TICK,
            "steal": (8 + 2) / TICK,
            "cpu_pressure": 2.5,
            "memory_pressure": 40e-6,
            "throttled": 1.5,
            "package_energy": 0.0,
            "load": 1.25,
            "memory_available": 1_024_000.0,
            "frequency": 2.5e9,
            "numa_misses": 7.0,
        }
    )


def test_slow_sensors_are_left_out_in_between(tmp_path: Path) -> None:
    values, missing = HostSensors(whole(tmp_path), [0]).read(slow=False)
    assert "load" not in values | missing
    assert "busy" in values


def test_counters_move_on_while_the_files_stay_open(tmp_path: Path) -> None:
    sensors = HostSensors(whole(tmp_path), [0])
    before = sensors.read(slow=False)[0]["busy"]
    (tmp_path / "proc/stat").write_text(STAT.replace("cpu0 100", "cpu0 300"))
    assert sensors.read(slow=False)[0]["busy"] == pytest.approx(before + 200 / TICK)


def test_an_energy_counter_that_wraps_goes_on(tmp_path: Path) -> None:
    sensors = HostSensors(whole(tmp_path), [0])
    energy = tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj"
    told = []
    for counter in ("950\n", "100\n", "100\n"):
        energy.write_text(counter)
        told.append(sensors.read(slow=False)[0]["package_energy"])
    assert told == pytest.approx([50e-6, 200e-6, 200e-6])


def test_the_energy_of_some_packages_is_not_taken_for_that_of_all(tmp_path: Path) -> None:
    tree(whole(tmp_path), {"sys/class/powercap/intel-rapl:2/name": "package-1\n"})
    values, missing = HostSensors(tmp_path, [0]).read(slow=False)
    assert "package_energy" not in values
    assert "cannot be read" in missing["package_energy"]


def test_version_1_of_control_groups_counts_nanoseconds(tmp_path: Path) -> None:
    whole(tmp_path)
    tree(
        tmp_path,
        {
            "proc/self/cgroup": "9:name=systemd:/\n3:cpu,cpuacct:/in/here\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.stat": "nr_throttled 1\nthrottled_time 250000000\n",
        },
    )
    assert HostSensors(tmp_path, [0]).read(slow=False)[0]["throttled"] == pytest.approx(0.25)


def test_what_the_system_does_not_tell_is_missing_with_a_reason_and_never_zero(tmp_path: Path) -> None:
    values, missing = HostSensors(tmp_path, [0]).read(slow=True)
    assert values == {"own": 0.0}
    assert missing.keys() == {
        "busy", "cpu_pressure", "memory_pressure", "throttled", "load", "memory_available", "package_energy",
        "frequency", "numa_misses",
    }  # fmt: skip
    assert all(missing.values())


@pytest.mark.parametrize(
    ("file", "content", "name"),
    [
        ("proc/stat", "nonsense here\n", "busy"),
        ("proc/stat", STAT.replace("cpu1 ", "cpu9 ").replace("cpu0 ", "cpu8 "), "busy"),
        ("proc/stat", "cpu0 a b c\n", "busy"),
        ("proc/pressure/cpu", "full total=3\n", "cpu_pressure"),
        ("proc/loadavg", "\n", "load"),
        ("proc/meminfo", "MemTotal: 3 kB\n", "memory_available"),
        ("sys/fs/cgroup/a/b/cpu.stat", "usage_usec 5\n", "throttled"),
        ("sys/devices/system/node/node0/numastat", "numa_hit 5\n", "numa_misses"),
    ],
)
def test_nonsense_is_missing_too(tmp_path: Path, file: str, content: str, name: str) -> None:
    tree(whole(tmp_path), {file: content})
    values, missing = HostSensors(tmp_path, [0, 1]).read(slow=True)
    assert name not in values
    assert missing[name]


def test_an_energy_counter_only_root_may_read_is_missing_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def guarded(path: str | Path, *more: int, **named: int) -> int:
        if Path(path).name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return real(path, *more, **named)

    monkeypatch.setattr(os, "open", guarded)
    values, missing = HostSensors(whole(tmp_path), [0]).read(slow=False)
    assert "package_energy" not in values
    assert "Permission denied" in missing["package_energy"]


def test_frequency_comes_from_the_processor_s_list_where_there_is_no_other(tmp_path: Path) -> None:
    tree(tmp_path, {"proc/cpuinfo": "cpu MHz\t\t: 2596.142\nflags : x\ncpu MHz\t\t: 2600.142\n"})
    assert HostSensors(tmp_path, [0]).read(slow=True)[0]["frequency"] == pytest.approx(2598.142e6)


def stat(began: int, user: int, system: int) -> str:
    """A line of /proc/PID/stat, of a process with an awkward name."""
    return f"7 (a) b (c) R {'0 ' * 10}{user} {system} {'0 ' * 6}{began} 0\n"


def test_our_time_is_that_since_we_were_told_and_stays_when_a_process_ends(tmp_path: Path) -> None:
    own = OwnTime(tmp_path, 100)
    tree(tmp_path, {"7/stat": stat(50, 100, 20)})
    own.add(7)
    own.add(8)  # never was
    assert own.seconds() == 0.0
    assert own.pids == {7}
    tree(tmp_path, {"7/stat": stat(50, 150, 30)})
    assert own.seconds() == pytest.approx(0.6)
    tree(tmp_path, {"7/stat": stat(99, 9000, 30)})  # the number is another process's now
    assert own.seconds() == pytest.approx(0.6)
    assert not own.pids
    own.add(7)
    assert own.seconds() == pytest.approx(0.6)


def test_this_process_uses_time() -> None:
    own = OwnTime(Path("/proc"), TICK)
    own.add(os.getpid())
    while own.seconds() < 0.02:
        pass
    assert own.pids == {os.getpid()}
