"""What the host's kernel tells (Linux): how busy the processors were, with whom, at which clock, with what energy.

Only files with a known name are read, and the slow ones once a second: /proc is never searched for processes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median

from benchsuite.telemetry.own import OwnTime
from benchsuite.telemetry.source import Source, first

CLOCKED_CORES = 8
"""Cores whose frequency is read: asking a core for it may interrupt it."""
_PRESSURE = re.compile(r"^some .*total=(\d+)", re.MULTILINE)
_MEGAHERTZ = re.compile(r"^cpu MHz\s*:\s*([\d.]+)", re.MULTILINE)

Values = dict[str, float]
Missing = dict[str, str]


class HostSensors:
    """Reads below ``root`` for the processors ``cores``.

    Counters, seconds since boot: ``busy`` and ``steal`` of these processors, ``throttled`` (by a quota of our control
    group), ``cpu_pressure`` and ``memory_pressure`` (some task waited, PSI), ``own`` (CPU time of our processes,
    and of the campaigns that run together with ours);
    ``package_energy`` in J, ``numa_misses`` in pages. Now: ``load``, ``frequency`` in Hz, ``memory_available`` in B.
    """

    def __init__(self, root: Path = Path("/"), cores: Iterable[int] | None = None) -> None:
        chosen = sorted(cores if cores is not None else _allowed())
        proc, self._tick = root / "proc", os.sysconf("SC_CLK_TCK")
        self._cores = {f"cpu{core}" for core in chosen}
        self.own, self.together = OwnTime(proc, self._tick), OwnTime(proc, self._tick)
        self._fast: dict[str, tuple[Source, Callable[[Source], Values]]] = {
            "busy": (Source(proc / "stat"), self._busy),
            "cpu_pressure": (Source(proc / "pressure/cpu"), _pressure("cpu_pressure")),
            "memory_pressure": (Source(proc / "pressure/memory"), _pressure("memory_pressure")),
            "throttled": (first(_quotas(root)), _throttled),
        }
        self._slow: dict[str, tuple[Source, Callable[[Source], Values]]] = {
            "load": (Source(proc / "loadavg"), lambda source: {"load": float(source.text().split()[0])}),
            "memory_available": (Source(proc / "meminfo"), _available),
        }
        self._packages = Packages(root)
        self._clocks = [Source(path) for path in _clocks(root, chosen)]
        self._cpuinfo = Source(proc / "cpuinfo")
        self._nodes = [Source(path) for path in sorted((root / "sys/devices/system/node").glob("node*/numastat"))]

    def read(self, *, slow: bool) -> tuple[Values, Missing]:
        """What is told now, and what is not with the reason. ``slow``: also what is expensive and changes slowly."""
        values: Values = {"own": self.own.seconds() + self.together.seconds()}
        missing: Missing = {}
        for name, (source, parse) in {**self._fast, **(self._slow if slow else {})}.items():
            _take(name, source, parse, values, missing)
        self._packages.read(values, missing)
        if slow:
            self._frequency(values, missing)
            self._misses(values, missing)
        return values, missing

    def _busy(self, source: Source) -> Values:
        """user nice system | idle iowait | irq softirq steal (proc(5)); guest time is within user."""
        busy = steal = 0
        for line in source.text().splitlines():
            name, *words = line.split()
            if name in self._cores:
                fields = [int(word) for word in words[:8]]
                busy += sum(fields[:3]) + sum(fields[5:8])
                steal += fields[7]
            elif not name.startswith("cpu"):
                break
        if not busy:
            raise ValueError("our processors are not listed")
        return {"busy": busy / self._tick, "steal": steal / self._tick}

    def _frequency(self, values: Values, missing: Missing) -> None:
        """The median over the cores."""
        try:
            found = [1e3 * int(source.text()) for source in self._clocks if not source.reason]
            if not found and not self._cpuinfo.reason:
                found = [1e6 * float(word) for word in _MEGAHERTZ.findall(self._cpuinfo.text())]
        except (OSError, ValueError):
            found = []
        if found:
            values["frequency"] = median(found)
        else:
            missing["frequency"] = "this system does not tell it"

    def _misses(self, values: Values, missing: Missing) -> None:
        """Pages that did not come from the node they were wanted on (Documentation/admin-guide/numastat)."""
        if not self._nodes:
            missing["numa_misses"] = "this system does not tell it"
            return
        try:
            values["numa_misses"] = float(sum(int(source.words()["numa_miss"]) for source in self._nodes))
        except (OSError, ValueError, KeyError):
            missing["numa_misses"] = "this system does not tell it"


class Packages:
    """The energy of the processors by RAPL (Linux powercap). Each counter wraps; the sum given here does not."""

    def __init__(self, root: Path) -> None:
        self._joules = 0.0
        self._zones: list[tuple[Source, int]] = []
        self._last: list[int] = []
        self.reason = "this processor has no energy counter that Linux knows"
        for folder in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):
            name, energy, most = (Source(folder / file) for file in ("name", "energy_uj", "max_energy_range_uj"))
            if name.reason or not name.text().startswith("package"):
                continue
            if energy.reason or most.reason:
                self.reason = f"its energy counter cannot be read: {energy.reason or most.reason}"
                self._zones = []
                return
            self._zones.append((energy, int(most.text())))
        self._last = [int(source.text()) for source, _ in self._zones]

    def read(self, values: Values, missing: Missing) -> None:
        """``package_energy``: joules of all packages since the first reading."""
        if not self._zones:
            missing["package_energy"] = self.reason
            return
        try:
            now = [int(source.text()) for source, _ in self._zones]
        except (OSError, ValueError):
            missing["package_energy"] = "its energy counter went away"
            return
        for before, after, (_, most) in zip(self._last, now, self._zones, strict=True):
            self._joules += 1e-6 * (after - before if after >= before else after - before + most)
        self._last = now
        values["package_energy"] = round(self._joules, 6)


def _allowed() -> Iterable[int]:
    """The processors that this process may use, and with it those that it measures for."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


def _take(
    name: str, source: Source, parse: Callable[[Source], Values], values: Values, missing: dict[str, str]
) -> None:
    try:
        if source.reason:
            missing[name] = source.reason
        else:
            values.update(parse(source))
    except OSError as error:
        missing[name] = error.strerror or "it cannot be read"
    except (ValueError, KeyError, IndexError) as error:
        missing[name] = f"it says nothing that is known: {error}"


def _pressure(name: str) -> Callable[[Source], Values]:
    """Seconds in which some task waited (Documentation/accounting/psi)."""

    def parse(source: Source) -> Values:
        found = _PRESSURE.search(source.text())
        if found is None:
            raise ValueError("no line of some tasks")
        return {name: 1e-6 * int(found[1])}

    return parse


def _available(source: Source) -> Values:
    return {"memory_available": 1024.0 * int(source.words()["MemAvailable"].split()[0])}


def _throttled(source: Source) -> Values:
    """Version 2 counts microseconds, version 1 nanoseconds (Linux's cgroup documentation, "cpu")."""
    words: Mapping[str, str] = source.words()
    if "throttled_usec" in words:
        return {"throttled": 1e-6 * int(words["throttled_usec"])}
    if "throttled_time" in words:
        return {"throttled": 1e-9 * int(words["throttled_time"])}
    raise ValueError("this control group has no quota")


def _quotas(root: Path) -> list[Path]:
    """Where our control group may tell of its quota, nearest first: in a container its own path is the root."""
    groups, found = root / "sys/fs/cgroup", []
    try:
        lines = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
    except OSError:
        lines = []
    for number, controllers, path in (line for line in lines if len(line) == 3):
        inside = path.lstrip("/")
        if "cpu" in controllers.split(","):
            for folder in (groups / controllers, groups / "cpu"):
                found += [folder / inside / "cpu.stat", folder / "cpu.stat"]
        elif number == "0" and not controllers:
            found += [groups / inside / "cpu.stat", groups / "cpu.stat"]
    return found or [groups / "cpu.stat"]


def _clocks(root: Path, cores: list[int]) -> list[Path]:
    folder = root / "sys/devices/system/cpu"
    return [folder / f"cpu{core}/cpufreq/scaling_cur_freq" for core in cores[:CLOCKED_CORES]]
