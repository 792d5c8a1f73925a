"""The page of one machine that was measured more than once: its main numbers over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.render.site import context, plots
from benchsuite.render.site.collection import Entry, Measured
from benchsuite.render.site.context import Site
from benchsuite.render.site.plots import Point
from benchsuite.render.words import counted

Numbers = dict[str, list[tuple[int, int]]]
"""Machine -> case by its place in ``Site.cases`` and position in its columns."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One number at one time."""

    day: str
    slug: str
    id: str
    suite: str
    value: str
    how: str


@dataclass(frozen=True, slots=True)
class Line:
    """One case over time: the drawing and its table, oldest first."""

    slug: str
    title: str
    svg: str
    moments: tuple[Moment, ...]
    changed: bool


@dataclass(frozen=True, slots=True)
class MachineView:
    """Everything that the page prints."""

    entry: Entry
    title: str
    answer: str
    lines: tuple[Line, ...]
    simulated: bool


def positions(site: Site) -> Numbers:
    """Where the numbers of each machine stand that has more than one run."""
    found: Numbers = {name: [] for name, numbers in site.machines.items() if len(numbers) > 1}
    for place, measured in enumerate(site.cases.values()):
        for at, number in enumerate(measured.entries):
            machine = site.collection.entries[number].machine
            if machine in found:
                found[machine].append((place, at))
    return found


def build(site: Site, name: str, found: Sequence[tuple[int, int]], cases: Sequence[Measured]) -> MachineView:
    """The page of a machine with several runs. ``found``: its part of ``positions``."""
    entries = [site.entry(number) for number in site.machines[name]]
    by_case: dict[int, list[int]] = {}
    for place, at in found:
        by_case.setdefault(place, []).append(at)
    several = [(cases[place], positions_) for place, positions_ in by_case.items() if len(positions_) > 1]
    main = {one.slug for one in context.headlines((one, len(held)) for one, held in several)}
    lines = [_line(site, one, held) for one, held in several if one.slug in main]
    newest = entries[0]
    days = sorted(entry.day for entry in entries)
    return MachineView(
        entry=newest,
        title=site.type_title(newest.type) if newest.type in site.types else newest.name,
        answer=f"One machine in {counted(len(entries), 'run')}, {days[0]} to {days[-1]}.",
        lines=tuple(line for line in lines if line is not None),
        simulated=all(entry.simulated for entry in entries),
    )


def _line(site: Site, measured: Measured, held: Sequence[int]) -> Line | None:
    order = sorted(held, key=lambda at: (site.entry(measured.entries[at]).started, site.entry(measured.entries[at]).id))
    points, moments = [], []
    one_day = len({site.entry(measured.entries[at]).day for at in order}) == 1
    for at in order:
        entry, how = site.entry(measured.entries[at]), site.collection.ways[measured.how[at]]
        told = units.ranged(measured.values[at], measured.lows[at], measured.highs[at], measured.metric)
        moments.append(Moment(entry.day, entry.slug, entry.id, entry.suite, told, how.implementation))
        when = plots.day(entry.started)
        if when is not None:
            values = measured.values[at], measured.lows[at], measured.highs[at]
            named = entry.started[11:16] if one_day else entry.day
            points.append(Point(when, *values, named, f"{entry.day}: {told}", 1, hollow=not measured.sound[at]))
    if len(points) < 2:
        return None
    drawing = plots.timeline(points, units.unit(measured.metric), f"{measured.title} over time")
    changed = len({moment.how for moment in moments}) > 1
    return Line(measured.slug, measured.title, drawing, tuple(moments), changed)
