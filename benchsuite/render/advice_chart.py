"""Dollars over latency, and the plans that no other one beats in both: a drawing beside its table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.model import Band
from benchsuite.render.drawing import Element, element, markup, titled

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 16, 48
SHAPES = ("M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", "M-5 -5h10v10h-10z", "M0 -6l6 11h-12z", "M0 -6l6 6l-6 6l-6 -6z")
"""A disc, a square, a triangle, a diamond: the precisions, with a colour each."""
STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Point:
    """A plan: seconds of a further token (99th percentile), dollars of a million tokens written."""

    number: int
    name: str
    precision: str
    latency: float
    dollars: Band


def frontier(points: Sequence[Point]) -> list[Point]:
    """Those that no other point beats in both, from the fastest: by estimate, bands left aside."""
    best: list[Point] = []
    for point in sorted(points, key=lambda one: (one.latency, one.dollars.value)):
        if not best or point.dollars.value < best[-1].dollars.value:
            best.append(point)
    return best


def chart(points: Sequence[Point], limit: float) -> str:
    """The drawing; both axes logarithmic. limit: seconds that a further token may take, drawn where it is finite."""
    values = [end for one in points for end in (one.dollars.low, one.dollars.value, one.dollars.high)]
    finite = [value for value in values if math.isfinite(value) and value > 0]
    times = [one.latency for one in points if one.latency > 0]
    if not finite or not times:
        return ""
    axes = _Axes(
        min(times) / 1.2,
        max(*times, limit if math.isfinite(limit) else 0.0) * 1.2,
        min(finite) / 1.2,
        max(finite) * 1.2,
    )
    marks = [*_grid(axes)]
    if math.isfinite(limit):
        marks.append(
            titled(element("path", d=f"M{axes.x(limit):.1f} {TOP}V{HEIGHT - BOTTOM}", kind="limit"), "the limit")
        )
    marks.append(element("path", d=_steps(axes, frontier(points)), kind="frontier"))
    order = list(dict.fromkeys(one.precision for one in points))
    first = {one.number for one in frontier(points)}
    for one in points:
        marks += _marks(axes, one, order.index(one.precision) % len(SHAPES), one.number in first)
    marks += _legend(order)
    words = f"{len(points)} plans: dollars of a million tokens written over the time of a further token"
    return markup(
        element("svg", *marks, kind="pareto", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=words,
                width=WIDTH, height=HEIGHT)
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Axes:
    left: float
    right: float
    bottom: float
    top: float

    def x(self, seconds: float) -> float:
        """Pixels from the left."""
        share = math.log(seconds / self.left) / math.log(self.right / self.left)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, dollars: float) -> float:
        """Pixels from the top; what is beyond an end lies on it."""
        share = math.log(dollars / self.bottom) / math.log(self.top / self.bottom) if dollars > 0 else 0.0
        return HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between the ends."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found = [step * 10.0**power for power in range(first, last + 1) for step in STEPS]
    return [one for one in found if low <= one <= high]


def _grid(axes: _Axes) -> list[Element]:
    marks = []
    for value in _ticks(axes.bottom, axes.top):
        y = axes.y(value)
        marks.append(element("path", d=f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}", kind="grid"))
        marks.append(element("text", text=f"${value:g}", x=LEFT - 8, y=y + 4, text_anchor="end", kind="name"))
    for value in _ticks(axes.left, axes.right):
        x = axes.x(value)
        marks.append(element("path", d=f"M{x:.1f} {TOP}V{HEIGHT - BOTTOM}", kind="grid"))
        text = units.quantity(value, "s")
        marks.append(element("text", text=text, x=x, y=HEIGHT - BOTTOM + 16, text_anchor="middle", kind="name"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    words = "seconds of each further token, 99th percentile; dollars of a million tokens written upwards"
    marks.append(element("text", text=words, x=middle, y=HEIGHT - 10, text_anchor="middle", kind="name"))
    return marks


def _steps(axes: _Axes, best: Sequence[Point]) -> str:
    """Stairs: between two plans there is nothing to be had."""
    path = f"M{axes.x(best[0].latency):.1f} {axes.y(best[0].dollars.value):.1f}"
    return path + "".join(f"H{axes.x(one.latency):.1f}V{axes.y(one.dollars.value):.1f}" for one in best[1:])


def _marks(axes: _Axes, one: Point, look: int, first: bool) -> list[Element]:
    x, y = axes.x(one.latency), axes.y(one.dollars.value)
    high = axes.y(one.dollars.high) if math.isfinite(one.dollars.high) else float(TOP)
    band = f"M{x:.1f} {high:.1f}V{axes.y(one.dollars.low):.1f}"
    top = "open" if not math.isfinite(one.dollars.high) else f"${units.significant(one.dollars.high)}"
    words = (
        f"{one.number}: {one.name}: {units.quantity(one.latency, 's')}, ${units.significant(one.dollars.value)} "
        f"(${units.significant(one.dollars.low)} to {top})"
    )
    shape = element("path", d=SHAPES[look], transform=f"translate({x:.1f} {y:.1f})", kind=f"plan look{look + 1}")
    made = [element("path", d=band, kind="band"), titled(shape, words)]
    if first:
        made.append(element("text", text=str(one.number), x=x + 8, y=y - 6, kind="label"))
    return made


def _legend(order: Sequence[str]) -> list[Element]:
    made = []
    x = LEFT + 8.0
    for number, name in enumerate(order):
        look = number % len(SHAPES)
        made.append(
            element(
                "path", d=SHAPES[look], transform=f"translate({x:.1f} {HEIGHT - BOTTOM - 12})", kind=f"look{look + 1}"
            )
        )
        made.append(element("text", text=name, x=x + 10, y=HEIGHT - BOTTOM - 8, kind="label"))
        x += 24 + 8 * len(name)
    return made
