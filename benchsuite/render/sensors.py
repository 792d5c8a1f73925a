"""What the sensors said while a campaign was measured: which curves are drawn, and what is said of them in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from benchsuite import units
from benchsuite.render import trace
from benchsuite.render.words import CAVEATS, clean, counted
from benchsuite.telemetry import conditions, join
from benchsuite.telemetry.reading import Reading
from benchsuite.units import DASH, MINUS, NO_BREAK_SPACE

FOLD, FOLDED = 60.0, 10.0
"""Seconds: a longer pause, as before ``benchsuite resume``, is drawn as this short one; the page says so."""
REASONS, LONGEST = 8, 200
"""Reasons of silent sensors that are told, and characters of each."""
BLIND = "TELEMETRY_MISSING"
"""The end of the codes that say that nobody watched."""
Told = Callable[[Reading, Reading], float | None]
"""A value by two readings of one stretch, ``join.SPAN`` apart: what counters say."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """A curve. scale: of its unit in SI. told: how it is made where it is no plain value. limit: a sensor, or a value
    in SI units, with its name. codes: the conditions drawn below it. always: also where it never changes."""

    title: str
    name: str
    unit: str
    scale: float = 1.0
    places: int = 0
    told: Told | None = None
    limit: tuple[str | float, str] | None = None
    codes: tuple[str, ...] = ()
    always: bool = False


def _rate(name: str) -> Told:
    def told(first: Reading, last: Reading) -> float | None:
        part = conditions.difference(name, first, last)
        return None if part is None or part < 0.0 else part / (last.at - first.at)

    return told


GPU = (
    Sensor(
        "SM clock", "sm_clock", "MHz", 1e6, limit=("sm_clock_max", "highest"), always=True,
        codes=(
            "THERMAL", "HW_SLOWDOWN", "POWER_CAP", "CLOCK_LOCKED", "LINK_NARROW", "CONTENDED", "GPU_TELEMETRY_MISSING",
        ),
    ),
    Sensor(
        "Power", "power", "W", limit=("power_limit", "limit"), always=True, codes=("POWER_CAP", "POWER_LIMIT_LOWERED"),
    ),
    Sensor("Temperature", "temperature", "°C", always=True, codes=("THERMAL", "HW_SLOWDOWN")),
    Sensor("Memory clock", "memory_clock", "MHz", 1e6),
)  # fmt: skip
HOST = (
    Sensor("Our processes", "own", "cores", places=2, told=_rate("own"), always=True, codes=("TELEMETRY_MISSING",)),
    Sensor(
        "Other processes", "busy", "cores", places=2, told=conditions.foreign_cores, always=True,
        limit=(conditions.FOREIGN_CORES, "noted from"), codes=("CONTENDED",),
    ),
    Sensor("Clock of the cores", "frequency", "GHz", 1e9, places=2),
    Sensor(
        "Taken by the hypervisor", "steal", "% of a core", 0.01, places=1, told=conditions.stolen,
        limit=(conditions.STEAL, "noted from"), codes=("HOST_STEAL",),
    ),
    Sensor(
        "Stopped by a CPU quota", "throttled", "% of the time", 0.01, places=1, told=_rate("throttled"),
        codes=("CGROUP_THROTTLED",),
    ),
    Sensor("A task waited for a core", "cpu_pressure", "% of the time", 0.01, places=1, told=_rate("cpu_pressure")),
    Sensor(
        "A task waited for memory", "memory_pressure", "% of the time", 0.01, places=1, told=_rate("memory_pressure"),
    ),
    Sensor("Load", "load", "tasks", places=1),
)  # fmt: skip
NAMES = {
    "gpu": "the GPU", "sm_clock": "the SM clock", "power": "the power", "temperature": "the temperature",
    "busy": "the time of the processor", "frequency": "the clock of the cores",
    "package_energy": "the energy of the processor", "throttled": "a CPU quota", "numa_misses": "pages of other nodes",
    "cpu_pressure": "tasks that wait for a core", "memory_pressure": "tasks that wait for memory",
    "gpu_energy": "the energy of the GPU", "nvlink_errors": "errors of the NVLinks", "xids": "the kernel log",
    "pages_retired": "retired pages", "ecc_corrected": "corrected memory errors",
    "ecc_uncorrected": "uncorrected memory errors",
}  # fmt: skip
"""What a sensor tells, in words; another name stands as it is, without underscores."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A curve with its title and its range in words."""

    title: str
    told: str
    svg: str


@dataclass(frozen=True, slots=True)
class Held:
    """A condition: its letter, what it says, and for how long it held."""

    letter: str
    meaning: str
    told: str


@dataclass(frozen=True, slots=True)
class During:
    """The section. ``quiet``: what did not change, and so is not drawn; ``silent``: what was not told, and why."""

    gpu: tuple[Panel, ...] = ()
    host: tuple[Panel, ...] = ()
    held: tuple[Held, ...] = ()
    seen: str = ""
    quiet: str = ""
    silent: str = ""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Readings that no pause breaks, and what is taken from their moments to have seconds since the drawing begins."""

    readings: Sequence[Reading]
    offset: float


@dataclass(frozen=True, slots=True)
class _Line:
    """All that was read, on one line of time of ``length`` seconds, of which ``watched`` were watched."""

    stretches: Sequence[_Stretch]
    length: float
    watched: float
    held: Mapping[str, Sequence[trace.Interval]] = field(default_factory=dict)


def during(readings: Sequence[Reading], *, gpu: bool) -> During | None:
    """The section; ``None`` where fewer than two readings are kept. ``gpu``: a GPU was measured."""
    stretches, length = _stretches(readings)
    watched = sum(one.readings[-1].at - one.readings[0].at for one in stretches)
    if not watched > 0.0:
        return None
    line = _Line(stretches, length, watched, _held(stretches, length, gpu=gpu))
    unchanged: list[str] = []
    never: list[str] = []
    cards, host = (tuple(_panels(sensors, line, unchanged, never)) for sensors in (GPU if gpu else (), HOST))
    quiet = [f"{name}: {'; '.join(told)}." for name, told in (("Unchanged", unchanged), ("Never", never)) if told]
    return During(
        gpu=cards,
        host=host,
        held=tuple(_words(code, line) for code in sorted(line.held, key=lambda one: CAVEATS[one]) if line.held[code]),
        seen=_seen(readings, stretches, line),
        quiet=" ".join(quiet),
        silent=_silent(readings),
    )


def _stretches(readings: Sequence[Reading]) -> tuple[list[_Stretch], float]:
    """Readings between which nobody watched lie in different stretches: as ``join.rows``, single ones kept."""
    rows: list[list[Reading]] = []
    for one in readings:
        if not rows or one.first or one.at - rows[-1][-1].at > join.STALE:
            rows.append([])
        rows[-1].append(one)
    found: list[_Stretch] = []
    end = 0.0
    for row in rows:
        if found:
            pause = row[0].at - found[-1].readings[-1].at
            end += pause if 0.0 < pause <= FOLD else FOLDED
        found.append(_Stretch(row, row[0].at - end))
        end = row[-1].at - found[-1].offset
    return found, end


def _held(stretches: Sequence[_Stretch], length: float, *, gpu: bool) -> dict[str, list[trace.Interval]]:
    """When each condition held, by its code, and when those sensors were silent that must speak."""
    found: dict[str, list[trace.Interval]] = {}
    for one in stretches:
        for code, held in join.intervals([one.readings]).items():
            found.setdefault(code, []).extend((begin - one.offset, end - one.offset) for begin, end in held)
    needed = {"TELEMETRY_MISSING": join.HOST, **({"GPU_TELEMETRY_MISSING": join.GPU} if gpu else {})}
    for code, names in needed.items():
        found[code] = list(_unseen(stretches, names))
    return {code: trace.merged(held) for code, held in found.items()}


def _unseen(stretches: Sequence[_Stretch], needed: frozenset[str]) -> Iterator[trace.Interval]:
    """Between two readings that do not both tell all that is needed, and in the pauses."""
    end = 0.0
    for one in stretches:
        begin = one.readings[0].at - one.offset
        if begin > end:
            yield end, begin
        for first, last in pairwise(one.readings):
            if not needed <= first.values.keys() or not needed <= last.values.keys():
                yield first.at - one.offset, last.at - one.offset
        end = one.readings[-1].at - one.offset


def _panels(sensors: Sequence[Sensor], line: _Line, unchanged: list[str], never: list[str]) -> Iterator[Panel]:
    """A panel for every sensor that told something; one that did not change, or counted nothing, is only named."""
    for sensor in sensors:
        runs = [run for stretch in line.stretches for run in _runs(sensor, stretch)]
        values = [value for run in runs for _, value in run]
        if not values:
            continue
        low, high = min(values), max(values)
        if _said(sensor, low) == _said(sensor, high) and not sensor.always:
            name = f"{sensor.title[:1].lower()}{sensor.title[1:]}"
            if sensor.told is not None and high == 0.0:
                never.append(name)
            else:
                unchanged.append(f"{name}, {_said(sensor, low)}{NO_BREAK_SPACE}{sensor.unit}")
            continue
        yield _panel(sensor, runs, values, line)


def _panel(sensor: Sensor, runs: Sequence[Sequence[trace.Point]], values: Sequence[float], line: _Line) -> Panel:
    low, high, middle = (_said(sensor, number) for number in (min(values), max(values), median(values)))
    span = low if low == high else f"{low}{DASH}{high}"
    told = f"{span}{NO_BREAK_SPACE}{sensor.unit}" + ("" if low == high else f", median {middle}")
    limit = _limit(sensor, line, max(values))
    ends = _ends([*values, *(value for run in limit for _, value in run)], sensor)
    if sensor.limit is not None and limit:
        told += f"; dashed: {sensor.limit[1]} {_said(sensor, limit[-1][-1][1])}"
    codes = [code for code in sensor.codes if line.held.get(code)]
    bands = [trace.Band(CAVEATS[code][0], line.held[code], code.endswith(BLIND)) for code in codes]
    label = "; ".join([f"{sensor.title}: {told}", *(f"{CAVEATS[code][1]}, {_share(code, line)}" for code in codes)])
    return Panel(sensor.title, told, trace.draw(runs, ends, line.length, label, limit, bands))


def _said(sensor: Sensor, value: float) -> str:
    """A value in the sensor's unit."""
    return f"{value:.{sensor.places}f}".replace("-", MINUS)


def _runs(sensor: Sensor, stretch: _Stretch) -> list[list[trace.Point]]:
    """What a sensor told within a stretch, in its unit; counters by the readings ``join.SPAN`` before."""
    readings, back = stretch.readings, 0
    points: list[tuple[float, float | None]] = []
    for number, one in enumerate(readings):
        if sensor.told is None:
            value = one.values.get(sensor.name)
        else:
            while back + 1 < number and one.at - readings[back + 1].at >= join.SPAN:
                back += 1
            apart = one.at - readings[back].at
            value = sensor.told(readings[back], one) if apart >= join.SPAN / 2 else None
        points.append((one.at - stretch.offset, None if value is None else value / sensor.scale))
    return trace.broken(points)


def _limit(sensor: Sensor, line: _Line, highest: float) -> Sequence[Sequence[trace.Point]]:
    """The limit as a curve of its own; one that is a number is drawn only where it is within reach."""
    if sensor.limit is None:
        return ()
    told, name = sensor.limit
    if isinstance(told, str):
        source = Sensor(name, told, sensor.unit, sensor.scale)
        return [run for stretch in line.stretches for run in _runs(source, stretch)]
    value = told / sensor.scale
    return [[(0.0, value), (line.length, value)]] if highest > value / 4 else ()


def _ends(values: Sequence[float], sensor: Sensor) -> tuple[float, float]:
    """Of the axis: what was counted from zero, a clock or a temperature from near its least value."""
    low, high = min(values), max(values)
    if sensor.told is not None:
        return 0.0, max(high * 1.05, 0.01)
    room = max((high - low) * 0.05, abs(high) * 0.01, 0.01)
    return low - room, high + room


def _share(code: str, line: _Line) -> str:
    """How long a condition held: of the time watched, or unwatched, in seconds."""
    lasted = trace.lasted(line.held[code])
    if code.endswith(BLIND):
        return f"for {units.seconds(lasted)}"
    part = min(1.0, lasted / line.watched)
    return "all the time" if part > 0.9995 else f"{units.percent(part)} of the time"


def _words(code: str, line: _Line) -> Held:
    letter, meaning = CAVEATS[code]
    return Held(letter, meaning, _share(code, line))


def _seen(readings: Sequence[Reading], stretches: Sequence[_Stretch], line: _Line) -> str:
    told = f"{counted(len(readings), 'reading')} in {units.seconds(line.watched)}"
    pauses = [(before.readings[-1], after.readings[0]) for before, after in pairwise(stretches)]
    folded = sum(not 0.0 < last.at - first.at <= FOLD for first, last in pauses)
    return f"{told}; {counted(folded, 'long pause')} without readings drawn short" if folded else told


def _silent(readings: Sequence[Reading]) -> str:
    """The sensors that said nothing, by reason, in one sentence."""
    counts: dict[tuple[str, str], int] = {}
    for one in readings:
        for silent in one.missing.items():
            counts[silent] = counts.get(silent, 0) + 1
    reasons: dict[str, list[str]] = {}
    for (name, reason), count in counts.items():
        words = NAMES.get(name, clean(name).replace("_", " "))
        part = "" if count == len(readings) else " (part of the time)"
        reasons.setdefault(clean(reason)[:LONGEST].rstrip("."), []).append(f"{words}{part}")
    told = [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in reasons.items()]
    more = f"; {counted(len(told) - REASONS, 'other reason')}" if len(told) > REASONS else ""
    return f"Not told by a sensor: {'; '.join(told[:REASONS])}{more}." if told else ""
