"""What single units did: a strip of rounds, a strip of local kernels, a line of pauses, and all-reduces without one.

Drawn for the units that a finding is about and for the slowest others; a table beside each has all of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchsuite import units
from benchsuite.model import Diagnosis, Pause, Scan, Stage, Unit
from benchsuite.render import relative, shades
from benchsuite.render.drawing import Element, element, markup, titled
from benchsuite.render.relative import Cell
from benchsuite.render.words import clean, counted

SHOWN = 24
"""Units with a strip of their own."""
BOX, TALL = 14, 18
AREA = 560
"""Pixels across of a drawing over time or over slowdown."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One unit's rounds: the drawing, and how often it was slower than the margin beside how often it was measured."""

    name: str
    svg: str
    slower: int
    measured: int
    named: bool
    words: str


def of_rounds(scan: Scan, diagnosis: Diagnosis) -> tuple[Strip, ...]:
    """The strips of the units that matter: those of findings first, then the slowest by their median."""
    series = relative.rounds(scan, diagnosis)
    named = {rank for finding in diagnosis.findings for rank in finding.ranks}
    middles = {rank: _middle(by.values()) for rank, by in series.items()}
    order = sorted(scan.units, key=lambda unit: (unit.rank not in named, -middles[unit.rank], unit.rank))
    columns = [(one.stage.value, one.number) for one in scan.rounds]
    return tuple(
        _strip(unit, series[unit.rank], columns, diagnosis, unit.rank in named) for unit in order[:SHOWN] if columns
    )


def _middle(values: Iterable[float | None]) -> float:
    told = [math.inf if value is None else value for value in values]
    return median(told) if told else -math.inf


def _strip(
    unit: Unit,
    series: Mapping[tuple[str, int], float | None],
    columns: Sequence[tuple[str, int]],
    diagnosis: Diagnosis,
    named: bool,
) -> Strip:
    boxes: list[Element] = []
    x = 0.0
    before = columns[0][0]
    slower = measured = failed = 0
    for stage, number in columns:
        x += 10 if stage != before else 0  # the confirmation stands apart from the screen
        before = stage
        at: dict[str, Any] = {"x": x, "y": 0, "width": BOX - 1, "height": TALL}
        x += BOX
        where = f"{stage}, round {number + 1}"
        if (stage, number) not in series:
            boxes.append(titled(element("rect", kind="rest", **at), f"{where}: rested"))
            continue
        y = series[stage, number]
        measured += 1
        failed += y is None
        exceeds = y is None or y > diagnosis.margin
        slower += exceeds
        kind = "s0" if y is None else f"s{shades.shade(y)}"
        boxes.append(titled(element("rect", kind=kind, **at), f"{where}: {shades.words(y)}"))
        if exceeds:
            boxes.append(element("rect", x=x - BOX, y=TALL + 2, width=BOX - 1, height=3, kind="tick"))
    words = f"slower than {_margin(diagnosis)} in {slower} of {counted(measured, 'round')}"
    words += f", {failed} of them without a time" if failed else ""
    words += "; never measured" if not measured else ""
    drawn = element("svg", *boxes, kind="rounds", viewBox=f"0 0 {x:.0f} {TALL + 6}", width=x, height=TALL + 6,
                    role="img", aria_label=f"{unit.name}: {words}")  # fmt: skip
    return Strip(clean(unit.name), markup(drawn), slower, measured, named, words)


def _margin(diagnosis: Diagnosis) -> str:
    return f"{units.percent(shades.rate(diagnosis.margin))} of its peers"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A local kernel over all units: the drawing, and the units that stand out or could not be measured."""

    name: str
    svg: str
    outliers: tuple[str, ...]
    unmeasured: tuple[str, ...]
    count: str


MOST_OUTLIERS = 8


def of_kernels(scan: Scan, diagnosis: Diagnosis) -> tuple[Kernel, ...]:
    """One strip a kernel: a dot a unit, slower to the left, so that left is worse as everywhere on the page."""
    return tuple(_kernel(name, cells, scan.units, diagnosis) for name, cells in relative.local(scan.locals).items())


def _kernel(name: str, cells: Mapping[int, Cell], who: Sequence[Unit], diagnosis: Diagnosis) -> Kernel:
    told = {unit: cells[unit.rank].slowdown for unit in who if unit.rank in cells}
    values = {unit: y for unit, y in told.items() if y is not None}
    lost = [unit.name for unit in who if unit not in values]
    wrong = [unit.name for unit in who if unit.rank in cells and cells[unit.rank].wrong]
    slow = sorted((unit for unit, y in values.items() if y > diagnosis.margin), key=lambda unit: -values[unit])
    words = [f"{unit.name} {shades.words(values[unit])}" for unit in slow[:MOST_OUTLIERS]]
    words += [f"{len(slow) - MOST_OUTLIERS} more"] if len(slow) > MOST_OUTLIERS else []
    words += [f"{name} computed wrongly" for name in wrong]
    drawing = _dots(name, values, diagnosis) if values else ""
    return Kernel(
        clean(name),
        drawing,
        tuple(map(clean, words)),
        tuple(map(clean, lost)),
        f"{len(values)} of {counted(len(who), 'unit')}",
    )


def _dots(name: str, values: Mapping[Unit, float], diagnosis: Diagnosis) -> str:
    reach = max(0.05, *(abs(y) for y in values.values()))
    across = {unit: AREA / 2 - y / reach * (AREA / 2 - 8) for unit, y in values.items()}
    middle = element("path", d=f"M{AREA / 2:g} 0V40", kind="axis")
    marks = [middle]
    quiet = "".join(
        f"M{across[unit]:.1f} {_jitter(unit.rank)}h0" for unit, y in values.items() if y <= diagnosis.margin
    )
    marks += [element("path", d=quiet, kind="dots")] if quiet else []
    for unit, y in values.items():
        if y > diagnosis.margin:
            mark = element("path", d=f"M{across[unit]:.1f} {_jitter(unit.rank)}m-5 0l5-5l5 5l-5 5z", kind="outlier")
            marks.append(titled(mark, f"{unit.name}: {shades.words(y)}"))
    low, high = (units.percent(shades.rate(y)) for y in (reach, -reach))
    marks += [
        element("text", text=low, x=0, y=56, kind="name"),
        element("text", text="the middle unit", x=AREA / 2, y=56, text_anchor="middle", kind="name"),
        element("text", text=high, x=AREA, y=56, text_anchor="end", kind="name"),
    ]
    label = f"{name}: {counted(len(values), 'unit')} between {low} and {high} of the middle unit's rate"
    return markup(element("svg", *marks, kind="kernel", viewBox=f"0 0 {AREA} 60", width=AREA, height=60, role="img",
                          aria_label=label))  # fmt: skip


def _jitter(rank: int) -> int:
    """A height that is the same on every page."""
    return 7 + rank * 11 % 27


def of_pauses(scan: Scan) -> tuple[str, tuple[str, ...]]:
    """The pauses over the scan's time, a line a unit; and each in words. Both empty without any."""
    if not scan.pauses:
        return "", ()
    of = {unit.rank: unit.name for unit in scan.units}
    longest: dict[int, float] = {}
    for pause in scan.pauses:
        longest[pause.rank] = max(longest.get(pause.rank, 0.0), pause.seconds)
    shown = sorted(longest, key=lambda rank: -longest[rank])[:SHOWN]
    total = max(scan.seconds, *(pause.at + pause.seconds for pause in scan.pauses))
    left = max(len(of.get(rank, "")) for rank in shown) * 7.2 + 12
    marks: list[Element] = []
    for row, rank in enumerate(shown):
        y = row * 20 + 4
        marks.append(element("text", text=of.get(rank, f"rank {rank}"), x=left - 8, y=y + 10, text_anchor="end"))
        marks.append(element("path", d=f"M{left:.0f} {y + 6}h{AREA}", kind="grid"))
        for pause in (one for one in scan.pauses if one.rank == rank):
            box = element("rect", x=left + pause.at / total * AREA, y=y, width=max(2.0, pause.seconds / total * AREA),
                          height=12, kind="pause")  # fmt: skip
            marks.append(titled(box, _pause(pause, of)))
    bottom = len(shown) * 20 + 20
    marks.append(element("text", text="0 s", x=left, y=bottom - 4, kind="name"))
    marks.append(
        element("text", text=units.seconds(total), x=left + AREA, y=bottom - 4, text_anchor="end", kind="name")
    )
    label = f"Pauses of {counted(len(longest), 'unit')} over {units.seconds(total)}"
    width = left + AREA + 4
    drawing = element("svg", *marks, kind="pauses", viewBox=f"0 0 {width:.0f} {bottom}", width=width, height=bottom,
                      role="img", aria_label=label)  # fmt: skip
    worst = sorted(scan.pauses, key=lambda pause: -pause.seconds)
    return markup(drawing), tuple(clean(_pause(pause, of)) for pause in worst[:MOST_OUTLIERS])


def _pause(pause: Pause, of: Mapping[int, str]) -> str:
    name = of.get(pause.rank, f"rank {pause.rank}")
    return f"{name} did not run for {units.quantity(pause.seconds, 's')}, {units.seconds(pause.at)} after its start"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An all-reduce without some units: median seconds, and its rate as a ratio to that of the other groups."""

    name: str
    seconds: str
    against: str
    faster: bool
    failures: tuple[str, ...]


def of_groups(scan: Scan, diagnosis: Diagnosis) -> tuple[LeftOut, ...]:
    """Every group, the one of all units first, then the one that is fastest without its units."""
    times: dict[str, list[float]] = {}
    failures: dict[str, list[str]] = {}
    for group in scan.groups:
        if group.seconds is None:
            failures.setdefault(group.left_out, []).append(group.reason)
        else:
            times.setdefault(group.left_out, []).append(group.seconds)
    middles = {name: median(own) for name, own in times.items()}
    names = sorted({*times, *failures}, key=lambda name: (bool(name), middles.get(name, math.inf)))
    return tuple(_left_out(name, middles, failures.get(name, ()), diagnosis) for name in names)


def _left_out(name: str, middles: Mapping[str, float], failed: Sequence[str], diagnosis: Diagnosis) -> LeftOut:
    others = [value for other, value in middles.items() if other and other != name]
    told = f"without {name}" if name else "all units"
    if name not in middles:
        return LeftOut(clean(told), units.DASH, units.DASH, False, tuple(map(clean, failed)))
    ratio = math.log(middles[name] / median(others)) if others else None
    against = f"takes {units.percent(math.exp(ratio))} of the others' time" if ratio is not None else units.DASH
    faster = bool(name) and ratio is not None and -ratio > diagnosis.margin
    return LeftOut(clean(told), units.quantity(middles[name], "s"), against, faster, tuple(map(clean, failed)))


def stages(scan: Scan) -> dict[Stage, int]:
    """How many rounds of each kind were measured."""
    return dict(Counter(one.stage for one in scan.rounds))
