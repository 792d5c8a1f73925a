"""The two drawings of a fleet's page that are its own: when each phase ran, and a collective over its sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchsuite import bandwidths, units
from benchsuite.fleet.fleet import Phase, Spell
from benchsuite.fleet.nodework import Node
from benchsuite.model import Score, Status
from benchsuite.render.drawing import Element, element, markup, titled
from benchsuite.render.words import clean, counted, family

AREA, ROW = 720, 30
LEFT = 80
MOST_LINES = 64
"""Nodes that are drawn as lines of their own within their phase."""


def timeline(spells: Sequence[Spell], nodes: Mapping[str, Node | None]) -> str:
    """Each time a phase was worked on, and below the first the time each node took; nothing without any."""
    if not spells:
        return ""
    first, last = min(one.began for one in spells), max(one.ended for one in spells)
    span = max(last - first, 1e-3)

    def x(at: float) -> float:
        return LEFT + min(max((at - first) / span, 0.0), 1.0) * AREA

    marks: list[Element] = []
    y = 0
    for phase in dict.fromkeys(one.phase for one in spells):
        marks.append(element("text", text=phase.value, x=0, y=y + 16))
        marks.append(element("path", d=f"M{LEFT} {y + 22}h{AREA}", kind="grid"))
        for one in (one for one in spells if one.phase is phase):
            width = max(x(one.ended) - x(one.began), 2.0)
            box = element(
                "rect", x=x(one.began), y=y + 3, width=width, height=16, kind="did" if one.complete else "broke"
            )
            took = units.seconds(one.ended - one.began)
            marks.append(titled(box, f"{phase.value}: {took}{f', {clean(one.reason)}' if one.reason else ''}"))
        y += ROW
        if phase is Phase.NODES:
            y = _node_lines(marks, nodes, x, y)
    marks.append(element("text", text="0 s", x=LEFT, y=y + 12, kind="name"))
    end = units.seconds(span)
    marks.append(element("text", text=end, x=LEFT + AREA, y=y + 12, text_anchor="end", kind="name"))
    label = f"{counted(len(spells), 'phase')} within {end}"
    size = {"width": LEFT + AREA + 4, "height": y + 18}
    return markup(
        element("svg", *marks, kind="timeline", viewBox=f"0 0 {LEFT + AREA + 4} {y + 18}", role="img", aria_label=label,
                width=size["width"], height=size["height"])
    )  # fmt: skip


def _node_lines(marks: list[Element], nodes: Mapping[str, Node | None], x: Callable[[float], float], y: int) -> int:
    """A thin line a node, the longest first; the y below them."""
    told = sorted((one for one in nodes.values() if one), key=lambda one: one.began - one.ended)[:MOST_LINES]
    for one in told:
        line = element("rect", x=x(one.began), y=y, width=max(x(one.ended) - x(one.began), 2.0), height=3,
                       kind="did" if one.complete else "broke")  # fmt: skip
        marks.append(titled(line, f"{clean(one.node)}: {units.seconds(one.ended - one.began)}"))
        y += 5
    return y + 6 if told else y


@dataclass(frozen=True, slots=True)
class Curve:
    """A collective over its sizes: the drawing and what it says."""

    name: str
    svg: str
    note: str


WIDTH, HEIGHT, PAD_LEFT, PAD_BOTTOM = 360, 200, 64, 24


def curves(scores: Sequence[Score]) -> tuple[Curve, ...]:
    """The collectives that have a bus bandwidth at two sizes at least, the best implementation of each size."""
    by: dict[str, dict[int, tuple[float, float]]] = {}
    for score in scores:
        found = bandwidths.algbw(score)
        size = dict(score.case.params).get("bytes")
        good = score.status is Status.OK and score.value is not None and score.value > 0.0
        if found is None or not good or not isinstance(size, int) or size <= 0:
            continue
        own = by.setdefault(score.case.benchmark, {})
        if size not in own or own[size][0] < (score.value or 0.0):
            own[size] = score.value or 0.0, found.value
    return tuple(_curve(name, dict(sorted(own.items()))) for name, own in by.items() if len(own) > 1)


def _curve(name: str, points: Mapping[int, tuple[float, float]]) -> Curve:
    values = [value for pair in points.values() for value in pair]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    first, last = math.log2(min(points)), math.log2(max(points))
    across, down = WIDTH - PAD_LEFT - 12, HEIGHT - PAD_BOTTOM - 8

    def at(size: int, value: float) -> str:
        x = PAD_LEFT + (math.log2(size) - first) / (last - first) * across
        return f"{x:.1f} {8 + (high - math.log10(value)) / (high - low) * down:.1f}"

    marks = [_rule(8 + (high - power) / (high - low) * down, 10.0**power) for power in range(low, high + 1)]
    for kind, column in (("algbw", 1), ("busbw", 0)):
        line = "L".join(at(size, pair[column]) for size, pair in points.items())
        marks.append(element("path", d=f"M{line}", kind=kind))
    for size, (bus, alg) in points.items():
        words = f"{units.size(size)}: busbw {units.quantity(bus, 'B/s')}, algbw {units.quantity(alg, 'B/s')}"
        marks.append(titled(element("path", d=f"M{at(size, bus)}h0", kind="point"), words))
    bottom = HEIGHT - 6
    ends = [(PAD_LEFT, "start", min(points)), (WIDTH - 12, "end", max(points))]
    marks += [
        element("text", text=units.size(size), x=x, y=bottom, text_anchor=anchor, kind="name")
        for x, anchor, size in ends
    ]
    best = max(points, key=lambda size: points[size][0])
    told = f"most: busbw {units.quantity(points[best][0], 'B/s')} at {units.size(best)}"
    words = f"{family(name)} over size; {told}"
    drawn = element(
        "svg",
        *marks,
        kind="curve",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=words,
        width=WIDTH,
        height=HEIGHT,
    )
    return Curve(family(name), markup(drawn), told)


def _rule(y: float, value: float) -> Element:
    scale, letter = units.prefix(value)
    words = f"{value / scale:.0f}{units.NO_BREAK_SPACE}{units.unit('B/s', letter)}"
    return element(
        "g",
        element("path", d=f"M{PAD_LEFT} {y:.1f}H{WIDTH - 12}", kind="grid"),
        element("text", text=words, x=PAD_LEFT - 6, y=y + 4, text_anchor="end", kind="name"),
    )
