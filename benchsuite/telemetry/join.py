"""Readings joined to samples: what each sample was touched by, what the sensors said meanwhile, what it cost.

Pure functions. Between two readings nothing is known but both ends and what was counted: so a condition that either end
shows, or that the counts show, holds for the whole interval, and touches every sample that overlaps it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from statistics import median

from benchsuite.model import Caveat, Energy, Samples
from benchsuite.telemetry import conditions, energy
from benchsuite.telemetry.conditions import FOREIGN_CORES, STEAL, TEXTS, difference
from benchsuite.telemetry.reading import Reading

STALE = 2.0
"""Seconds: between readings farther apart nobody watched."""
SPAN = 0.5
"""Seconds over which counters are compared. The kernel counts in ticks of 10 ms, per core: a shorter span is noise."""
HOST = frozenset({"busy", "steal", "own"})
GPU = frozenset({"sm_clock", "throttle"})
"""What must be known before anything is called undisturbed."""
GAUGES = (
    "sm_clock", "memory_clock", "power", "power_limit", "power_limit_default", "temperature", "pcie_generation",
    "pcie_width", "gpu_utilisation", "persistence", "frequency", "load", "memory_available",
)  # fmt: skip
PARTS = ("cpu_pressure", "memory_pressure", "throttled")

Interval = tuple[float, float]
Pair = tuple[Reading, Reading]


@dataclass(frozen=True, slots=True)
class Expected:
    """What should have been observed. gpu: its sensors too. blind: why nothing is, where that is known."""

    gpu: bool = False
    blind: str = ""


def join(samples: Samples, began: float, readings: Sequence[Reading], expected: Expected) -> Samples:
    """The samples with conditions, annotations, caveats and energy.

    began: when the first warm-up sample began, on the clock of the readings, which are in order of time.
    """
    windows = spans(samples, began)
    if not windows:
        unknown = Caveat("TELEMETRY_MISSING", "When this was measured is not known, so neither is what else happened.")
        return replace(samples, caveats=(*samples.caveats, unknown))
    watched = rows(_around(readings, windows))
    pairs = [pair for row in watched for pair in itertools.pairwise(row)]
    found = {code: touched(windows, held) for code, held in intervals(watched).items()}
    told = {**rates(watched), **gauges(_within(windows, watched))}
    notes = [*caveats(found, told, len(windows)), *silences(windows, pairs, expected, found)]
    ranks = len(samples.by_rank[0]) if samples.by_rank and expected.gpu else 1
    spent = energy.of(windows, samples.iterations, pairs, gpu=expected.gpu)
    if ranks > 1:
        partly = f"the sensors of one of {ranks} GPUs were read"
        notes.append(Caveat("ONE_GPU_SENSED", f"{partly[0].upper()}{partly[1:]}: of the others nothing is known."))
        spent = tuple(Energy(one.source, reason=partly) if one.source == "gpu" else one for one in spent)
    return replace(
        samples,
        conditions={**samples.conditions, **told},
        annotations={**samples.annotations, **{code: tuple(hit) for code, hit in found.items() if hit}},
        caveats=(*samples.caveats, *notes),
        energy=spent,
    )


def spans(samples: Samples, began: float) -> list[Interval]:
    """When each sample was taken."""
    return [
        (began + start, began + start + seconds * samples.iterations)
        for start, seconds in zip(samples.starts, samples.seconds, strict=False)
    ]


def touched(windows: Sequence[Interval], held: Sequence[Interval]) -> list[int]:
    """The numbers of the windows that overlap any of the intervals; each row is in order of time."""
    hit, at = [], 0
    for number, (begin, end) in enumerate(windows):
        while at < len(held) and held[at][1] <= begin:
            at += 1
        if at < len(held) and held[at][0] < end:
            hit.append(number)
    return hit


def rows(readings: Sequence[Reading]) -> list[list[Reading]]:
    """The readings in unbroken rows of one sensor process: between two rows nobody watched, and nothing was counted."""
    found: list[list[Reading]] = []
    for one in readings:
        if not found or one.first or one.at - found[-1][-1].at > STALE:
            found.append([])
        found[-1].append(one)
    return [row for row in found if len(row) > 1]


def intervals(watched: Sequence[Sequence[Reading]]) -> dict[str, list[Interval]]:
    """When each condition held, by its code."""
    found: dict[str, list[Interval]] = {code: [] for code in TEXTS}
    for row in watched:
        for number, (first, last) in enumerate(itertools.pairwise(row)):
            for code in conditions.shown(first, last) | conditions.counted(*_compared(row, number)):
                found[code].append((first.at, last.at))
    return found


def _compared(row: Sequence[Reading], number: int) -> Pair:
    """The readings around an interval between which its counters are compared: ``SPAN`` apart, if there are such."""
    left, right = number, number + 1
    while row[right].at - row[left].at < SPAN and (left > 0 or right < len(row) - 1):
        if right < len(row) - 1 and (right - number <= number - left + 1 or left == 0):
            right += 1
        else:
            left -= 1
    return row[left], row[right]


def rates(watched: Sequence[Sequence[Reading]]) -> dict[str, float]:
    """What the counters say of the whole time: parts of a core, or of the time; pages."""

    def went(name: str) -> float | None:
        parts = [difference(name, row[0], row[-1]) for row in watched]
        return None if not parts or None in parts else math.fsum(part for part in parts if part is not None)

    length = math.fsum(row[-1].at - row[0].at for row in watched)
    busy, own, steal = went("busy"), went("own"), went("steal")
    told = {
        "foreign_cores": None if busy is None or own is None else max(0.0, busy - own) / length,
        "steal": None if steal is None else steal / length,
        "numa_misses": went("numa_misses"),
    }
    for name in PARTS:
        part = went(name)
        told[name] = None if part is None else part / length
    return {name: value for name, value in told.items() if value is not None}


def gauges(readings: Sequence[Reading]) -> dict[str, float]:
    """Medians of what the sensors said, every throttle bit that was ever set, the most foreign processes."""
    found = {}
    for name in GAUGES:
        if told := [reading.values[name] for reading in readings if name in reading.values]:
            found[name] = median(told)
    if masks := [conditions.bits(reading) for reading in readings if "throttle" in reading.values]:
        found["throttle"] = float(reduce(or_, masks))
    if pids := [reading.foreign for reading in readings if reading.foreign is not None]:
        found["foreign_processes"] = float(max(map(len, pids)))
    return {**found, "readings": float(len(readings))}


def caveats(found: Mapping[str, Sequence[int]], told: Mapping[str, float], count: int) -> list[Caveat]:
    """A sentence for each condition that concerns the number: a moment of load or steal touches its samples only."""
    averages = {"CONTENDED": ("foreign_cores", FOREIGN_CORES), "HOST_STEAL": ("steal", STEAL)}
    notes = []
    for code, hit in found.items():
        name, most = averages.get(code, ("", 0.0))
        moment = name and told.get(name, 0.0) <= most
        if not hit or (moment and not (code == "CONTENDED" and told.get("foreign_processes"))):
            continue
        share = "" if len(hit) == count else f" ({len(hit)} of {count} samples)"
        notes.append(Caveat(code, f"{TEXTS[code]}{_detail(code, told)}{share}."))
    return notes


def _detail(code: str, told: Mapping[str, float]) -> str:
    match code:
        case "CONTENDED" if told.get("foreign_processes"):
            return f": {told['foreign_processes']:.0f} on the GPU, {told.get('foreign_cores', 0.0):.1f} cores"
        case "CONTENDED":
            return f": {told.get('foreign_cores', 0.0):.1f} cores"
        case "HOST_STEAL" if "steal" in told:
            return f": {told['steal']:.1%} of a core"
        case "POWER_CAP" | "POWER_LIMIT_LOWERED" if "power_limit" in told:
            return f" ({told['power_limit']:.0f} W)"
        case _:
            return ""


def silences(
    windows: Sequence[Interval], pairs: Sequence[Pair], expected: Expected, found: dict[str, list[int]]
) -> list[Caveat]:
    """Caveats about what nobody watched; ``found`` learns which samples that concerns. Silence is never health."""
    notes = []
    found["TELEMETRY_MISSING"] = unseen(windows, pairs, HOST)
    if found["TELEMETRY_MISSING"]:
        reason = _reason(pairs, ("busy",)) or expected.blind or "no sensor was read at that time"
        notes.append(Caveat("TELEMETRY_MISSING", f"How busy others were is not known: {reason}."))
    if expected.gpu:
        found["GPU_TELEMETRY_MISSING"] = unseen(windows, pairs, GPU)
        if found["GPU_TELEMETRY_MISSING"]:
            reason = _reason(pairs, ("gpu", *sorted(GPU))) or expected.blind or "no sensor was read at that time"
            notes.append(Caveat("GPU_TELEMETRY_MISSING", f"The GPU's sensors could not be read: {reason}."))
    return notes


def unseen(windows: Sequence[Interval], pairs: Sequence[Pair], needed: frozenset[str]) -> list[int]:
    """The numbers of the windows that no unbroken row of readings covers in which all that is ``needed`` was told."""
    seen: list[list[float]] = []
    for first, last in pairs:
        if not needed <= first.values.keys() or not needed <= last.values.keys():
            continue
        if seen and seen[-1][1] == first.at:
            seen[-1][1] = last.at
        else:
            seen.append([first.at, last.at])
    inside, at = set(), 0
    for number, (begin, end) in enumerate(windows):
        while at < len(seen) and seen[at][1] < end:
            at += 1
        if at < len(seen) and seen[at][0] <= begin:
            inside.add(number)
    return [number for number in range(len(windows)) if number not in inside]


def _reason(pairs: Iterable[Pair], names: Sequence[str]) -> str:
    """What the sensors themselves say of their silence."""
    for reading in itertools.chain.from_iterable(pairs):
        if told := next((reading.missing[name] for name in names if name in reading.missing), ""):
            return told.rstrip(".")
    return ""


def _around(readings: Sequence[Reading], windows: Sequence[Interval]) -> Sequence[Reading]:
    """The readings within, the last one before and the first one after."""
    begin, end = windows[0][0], windows[-1][1]
    first = max((number for number, one in enumerate(readings) if one.at <= begin), default=0)
    last = min((number for number, one in enumerate(readings) if one.at >= end), default=len(readings) - 1)
    return readings[first : last + 1]


def _within(windows: Sequence[Interval], watched: Sequence[Sequence[Reading]]) -> Sequence[Reading]:
    """The readings while samples were taken; where these were shorter than the beat, those around them."""
    around = [one for row in watched for one in row]
    return [one for one in around if windows[0][0] <= one.at <= windows[-1][1]] or around
