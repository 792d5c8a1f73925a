"""The site's larger drawings: price against rate with its front, roofs on one pair of axes, one machine over time.

Each is drawn from the rows of the table beside it, twice: for wide pages and for narrow ones, of which one is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from benchsuite import units
from benchsuite.render.site import axes
from benchsuite.render.site.axes import Scale

WIDE, NARROW = 560, 344
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 24, 46
DATE = 72.0
"""Pixels of a date."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point with its interval in y. look: 1 to 6; hollow: not told apart from the front, or not measured here."""

    x: float
    y: float
    low: float
    high: float
    name: str
    label: str
    look: int
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Roof:
    """A machine's ceilings in FLOP/s and B/s. ``sheet``: as the datasheet has them, else as they were measured."""

    name: str
    flops: float
    bandwidth: float
    look: int
    sheet: bool = False


def both(draw: Callable[[int], str]) -> str:
    """The drawing at both widths."""
    return draw(WIDE) + draw(NARROW)


def kind(width: int) -> str:
    """The class of a drawing of that width."""
    return f"chart plot {'wide' if width == WIDE else 'narrow'}"


def scatter(points: Sequence[Point], front: Sequence[Point], unit: str, title: str) -> str:
    """Rate (linear, from zero) over price (logarithmic); the front in steps: nothing between measured points."""
    scale, letter = units.prefix(max(point.high for point in points))

    def draw(width: int) -> str:
        height = 360 if width == WIDE else 320
        x = Scale(*axes.log_domain([point.x for point in points]), LEFT, width - RIGHT, log=True)
        y = Scale(0.0, max(point.high for point in points) / scale * 1.08, height - BOTTOM, TOP)
        parts = axes.frame(x, y, "$ per device and hour (logarithmic)", f"{letter}{unit}")
        parts += _steps(front, x, y, scale)
        for point in points:
            at = x.at(point.x), y.at(point.y / scale)
            ends = y.at(point.low / scale), y.at(point.high / scale)
            parts.append(axes.line(at[0], ends[0], at[0], ends[1], f"line{point.look}"))
            parts.append(axes.mark(*at, point.look, point.label, point.hollow))
        taken = [Box(x.at(point.x) - 6, y.at(point.y / scale), 12.0) for point in points]
        for point in front if width == WIDE else ():
            parts += _named((x.at(point.x), y.at(point.y / scale)), point.name, (width - RIGHT, y.start), taken)
        return axes.svg(parts, width, height, kind(width), title)

    return both(draw)


def _steps(front: Sequence[Point], x: Scale, y: Scale, scale: float) -> list[str]:
    if not front:
        return []
    path = f"M{axes.px(x.at(front[0].x))} {axes.px(y.at(front[0].y / scale))}"
    for point in front[1:]:
        path += f"H{axes.px(x.at(point.x))}V{axes.px(y.at(point.y / scale))}"
    return [f'<path class="front" d="{path}H{axes.px(x.end)}"/>']


@dataclass(frozen=True, slots=True)
class Box:
    """What a text or a mark takes of a drawing: its left end, the height of its middle, and its length."""

    left: float
    middle: float
    length: float

    def touches(self, other: Box) -> bool:
        """Whether the two overlap: each is as high as a line of text."""
        beside = self.left > other.left + other.length or other.left > self.left + self.length
        return not beside and abs(self.middle - other.middle) < 13


def _named(at: tuple[float, float], name: str, ends: tuple[float, float], taken: list[Box]) -> list[str]:
    """The name above or below a point, where there is room beside the line: the table has every name.

    ends: the right one of the drawing, and the axis at its foot.
    """
    (x, y), (end, foot), length = at, ends, 6.8 * len(name)
    for shift in (-14.0, 16.0, -28.0, 30.0, -42.0):
        for left in (x - length / 2, x - 4, x - length + 4):
            box = Box(left, y + shift, length)
            inside = left > LEFT and left + length < end and TOP < y + shift < foot - 8
            if inside and not any(map(box.touches, taken)):
                taken.append(box)
                return [axes.text(left, y + shift + 4, name, "name")]
    return []


def rooflines(roofs: Sequence[Roof], title: str) -> str:
    """Attainable FLOP/s over FLOP per byte, both logarithmic: min(flops, bandwidth x intensity)."""
    top = max(roof.flops for roof in roofs)
    scale, letter = units.prefix(top)
    knees = [roof.flops / roof.bandwidth for roof in roofs]
    left, right = min(knees) / 40, max(knees) * 12

    def draw(width: int) -> str:
        height = 360 if width == WIDE else 320
        x = Scale(left, right, LEFT, width - RIGHT, log=True)
        low = min(roof.bandwidth for roof in roofs) * left
        y = Scale(low / scale, top / scale * 1.5, height - BOTTOM, TOP, log=True)
        parts = axes.frame(x, y, "arithmetic intensity, FLOP per byte", f"{letter}FLOP/s")
        for roof in roofs:
            knee = roof.flops / roof.bandwidth
            flat = axes.px(y.at(roof.flops / scale))
            start = f"{axes.px(x.at(left))} {axes.px(y.at(roof.bandwidth * left / scale))}"
            drawn = f"M{start}L{axes.px(x.at(knee))} {flat}H{axes.px(x.end)}"
            dashed = " sheet" if roof.sheet else ""
            parts.append(f'<path class="line{roof.look} roof{dashed}" d="{drawn}"/>')
            if not roof.sheet:
                parts.append(
                    axes.mark(x.at(knee), y.at(roof.flops / scale), roof.look, f"{roof.name}: knee at {knee:.3g}")
                )
        return axes.svg(parts, width, height, kind(width), title)

    return both(draw)


def timeline(points: Sequence[Point], unit: str, title: str) -> str:
    """One number of one machine over time: a dot for each campaign with its interval. ``x``: days (``day``)."""
    scale, letter = units.prefix(max(point.high for point in points))

    def draw(width: int) -> str:
        height = 190
        days = [point.x for point in points]
        ends = axes.domain(days) if max(days) > min(days) else (days[0] - 1, days[0] + 1)
        x = Scale(*ends, LEFT, width - RIGHT)
        values = [end / scale for point in points for end in (point.low, point.high)]
        y = Scale(*axes.domain(values, pad=0.15), height - BOTTOM + 10, TOP)
        parts = [axes.line(x.start, y.start, x.end, y.start, "axis"), *_level(y, x, f"{letter}{unit}")]
        parts += _dates(points, x, y)
        for point in points:
            at = x.at(point.x)
            parts.append(axes.line(at, y.at(point.low / scale), at, y.at(point.high / scale), "line1"))
            parts.append(axes.mark(at, y.at(point.y / scale), 1, point.label, point.hollow))
        return axes.svg(parts, width, height, kind(width), title)

    return both(draw)


def _level(y: Scale, x: Scale, unit: str) -> list[str]:
    made = [axes.text(x.start - 8, 12, unit, "title")]
    for value in y.ticks(4):
        at = y.at(value)
        made += [
            axes.line(x.start, at, x.end, at, "grid"),
            axes.text(x.start - 8, at + 4, axes.tick(value), "tick", "end"),
        ]
    return made


def _dates(points: Sequence[Point], x: Scale, y: Scale) -> list[str]:
    """The day below each campaign, those that would touch their neighbour left out."""
    made, free = [], x.start - 20.0
    for point in points:
        left = min(x.at(point.x) - DATE / 2, x.end - DATE)
        if left > free:
            made.append(axes.text(left, y.start + 18, point.name, "tick"))
            free = left + DATE + 8
    return made


def day(text: str) -> float | None:
    """A moment (ISO 8601) as a number of days; ``None`` for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.toordinal() + (moment.hour * 60 + moment.minute + moment.second / 60) / 1440
