"""What samples cost in energy: from a counter of energy, else from power over time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from benchsuite.model import Energy
from benchsuite.telemetry.reading import Reading

SHORTEST = 0.5
"""Seconds: power sensors average over up to a second, and counters move in steps of up to a tenth of one."""

Interval = tuple[float, float]
Pair = tuple[Reading, Reading]
Curve = tuple[list[float], list[float]]
"""Moments, and the joules until each."""


def of(windows: Sequence[Interval], iterations: int, pairs: Sequence[Pair], *, gpu: bool) -> tuple[Energy, ...]:
    """What the samples took of the processor and, with ``gpu``, of the card. ``pairs``: neighbouring readings.

    Samples are shorter than the beat of the sensors: each takes its part of what flowed between two readings.
    """
    package = _energy("package", "package_energy", "", windows, pairs)
    found = (_energy("gpu", "gpu_energy", "power", windows, pairs), package) if gpu else (package,)
    count = len(windows) * iterations
    return tuple(one if one.joules is None else Energy(one.source, one.joules, one.joules / count) for one in found)


def _energy(source: str, counter: str, power: str, windows: Sequence[Interval], pairs: Sequence[Pair]) -> Energy:
    readings = [pairs[0][0], *(last for _, last in pairs)] if pairs else []
    curve = counted(readings, counter) or (integrated(readings, power) if power else None)
    if curve is None:
        told = (reading.missing for reading in readings)
        reasons = [missing.get(counter) or missing.get(source) for missing in told]
        return Energy(source, reason=next((reason for reason in reasons if reason), "no sensor told it all the time"))
    broken = any(before[1] is not after[0] for before, after in pairwise(pairs))
    if broken or windows[0][0] < curve[0][0] or windows[-1][1] > curve[0][-1]:
        return Energy(source, reason="no sensor was read all the time")
    if windows[-1][1] - windows[0][0] < SHORTEST:
        return Energy(source, reason=f"it was measured for less than {SHORTEST:g} s")
    return Energy(source, math.fsum(until(curve, end) - until(curve, begin) for begin, end in windows))


def counted(readings: Sequence[Reading], name: str) -> Curve | None:
    """The curve of a counter; ``None`` unless every reading has it and it never falls."""
    joules = [reading.values[name] for reading in readings if name in reading.values]
    if len(joules) < max(2, len(readings)) or any(after < before for before, after in pairwise(joules)):
        return None
    return [reading.at for reading in readings], [value - joules[0] for value in joules]


def integrated(readings: Sequence[Reading], name: str) -> Curve | None:
    """The integral of power over time by the trapezoidal rule; ``None`` unless every reading has it."""
    power = [reading.values[name] for reading in readings if name in reading.values]
    if len(power) < max(2, len(readings)):
        return None
    moments, joules = [reading.at for reading in readings], [0.0]
    for number in range(1, len(power)):
        joules.append(joules[-1] + (power[number - 1] + power[number]) / 2 * (moments[number] - moments[number - 1]))
    return moments, joules


def until(curve: Curve, moment: float) -> float:
    """The joules until a moment within the curve, linear between readings."""
    moments, joules = curve
    number = min(bisect_right(moments, moment), len(moments) - 1)
    begin, end = moments[number - 1], moments[number]
    return joules[number - 1] + (joules[number] - joules[number - 1]) * (moment - begin) / (end - begin)
