"""Every run of a requirement as a dot against what was agreed, every device of a fleet likewise, and a probe's region.

The scale is percent of the agreed value, linear, worse to the left. A run that counts is filled, one that was set aside
is hollow; lines mark the agreed value and the two limits; the bar is the mean with the limits that decided. What lies
beyond the edge is drawn as an arrow there: the words beside the drawing have its value.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from benchsuite.model import Decided, Requirement, Word
from benchsuite.render import certificate_words as words
from benchsuite.render.drawing import Element, element, markup, titled
from benchsuite.render.words import counted

WIDTH = 288
"""Pixels across: as much as the narrowest screen shows, so that nothing is ever scaled."""
PAD = 8
TOP, BOTTOM = 16, 18
"""Pixels above for the names of the limits, below for the scale."""
STEP, MOST = 8, 112
"""Pixels from a run to the next below it, and of all of them at most."""
REACH = 2.5
"""How many times the second limit the scale reaches at most; beyond is the edge."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Parts of the agreed value (−0.05: 5 % less) on pixels."""

    low: float
    high: float

    def x(self, part: float) -> float:
        """Where it lies; what is beyond an end lies there."""
        inside = min(max(part, self.low), self.high)
        return round(PAD + (WIDTH - 2 * PAD) * (inside - self.low) / (self.high - self.low), 1)

    def beyond(self, part: float) -> int:
        """-1 or 1 beyond the left or the right end, else 0."""
        return -1 if part < self.low else 1 if part > self.high else 0


def scale(requirement: Requirement, logs: Sequence[float]) -> Scale:
    """From beyond the second limit, or the worst run, to above the agreed value, or the best run."""
    parts = [math.expm1(log) for log in logs if math.isfinite(log)]
    bad = requirement.bad
    low = max(min([-1.3 * bad, *(1.08 * part for part in parts)]), -REACH * bad)
    high = min(max([0.5 * bad, *(1.08 * part for part in parts)]), REACH * bad)
    return Scale(low, high)


def runs(requirement: Requirement, logs: Sequence[float | None], aside: Sequence[bool], found: Decided | None) -> str:
    """The strip of one requirement, the first run at the top. logs: each run's deviation; aside: whether set aside."""
    counting = [log for log, without in zip(logs, aside, strict=True) if log is not None and not without]
    ends = [log for log in (found.low, found.high) if log is not None] if found else []
    across = scale(requirement, [*counting, *ends])
    step = min(STEP, MOST / max(1, len(logs)))
    tall = round(TOP + step * max(1, len(logs)) + 16)
    marks = _frame(requirement, across, tall)
    for number, (log, without) in enumerate(zip(logs, aside, strict=True)):
        y = TOP + 6 + step * number
        told = f"run {number + 1}: {words.signed(log)}{', set aside' if without else ''}"
        if log is None:
            marks.append(titled(_cross(PAD + 4, y), f"run {number + 1}: no value"))
        else:
            marks.append(titled(_dot(across, math.expm1(log), y, hollow=without), told))
    if found is not None and found.mean is not None:
        marks += _interval(across, found, tall - 6)
    return _drawn(marks, tall, _label(requirement, logs, aside, found))


def devices(requirement: Requirement, decided: Sequence[tuple[str, Decided]]) -> str:
    """The means of all devices that have one, each with its name; who was not accepted is a diamond."""
    told = [(name, one) for name, one in decided if one.mean is not None]
    across = scale(requirement, [one.mean for _, one in told if one.mean is not None])
    tall = TOP + 44
    marks = _frame(requirement, across, tall)
    quiet = []
    for name, one in told:
        part, y = math.expm1(one.mean or 0.0), TOP + 6 + zlib.crc32(name.encode()) % 32
        if one.word is Word.ACCEPT:
            quiet.append(f"M{across.x(part):g} {y}h0")
        else:
            shape = f"M{across.x(part):g} {y}m-4.5 0l4.5-4.5l4.5 4.5l-4.5 4.5z"
            said = f"{name}: {words.signed(one.mean)}, {words.WORDS[one.word].word}"
            marks.append(titled(element("path", d=shape, kind="stray"), said))
    if quiet:
        marks.insert(len(marks) - (len(told) - len(quiet)), element("path", d="".join(quiet), kind="each"))
    means = [one.mean for _, one in told if one.mean is not None]
    span = f" between {words.signed(min(means))} and {words.signed(max(means))}" if means else ""
    label = f"{words.task(requirement)}: means of {counted(len(told), 'device')}{span}"
    return _drawn(marks, tall, label)


def region(low: float, high: float, value: float | None, label: str) -> str:
    """A probe's region as a box and what was found as a mark, in a drawing of 120 pixels."""
    span = (high - low) or max(abs(high), 1.0) * 0.1
    least, most = low - span, high + span

    def place(at: float) -> float:
        return round(4 + 112 * (min(max(at, least), most) - least) / (most - least), 1)

    marks = [
        element("path", d="M4 8h112", kind="rail"),
        element("rect", x=place(low) - 1, y=3, width=place(high) - place(low) + 2, height=10, kind="box"),
    ]
    if value is not None and math.isfinite(value):
        marks.append(element("path", d=f"M{place(value):g} 8m-5 0l5-5l5 5l-5 5z", kind="found"))
    return markup(
        element("svg", *marks, kind="region", viewBox="0 0 120 16", width=120, height=16, role="img", aria_label=label)
    )


def _frame(requirement: Requirement, across: Scale, tall: int) -> list[Element]:
    """The ground beyond the second limit, the three lines, their names, and the ends of the scale."""
    line = tall + 13
    bad, good, agreed = (across.x(part) for part in (-requirement.bad, -requirement.good, 0.0))
    left, right = words.signed(math.log1p(across.low)), words.signed(math.log1p(across.high))
    made = [
        element("rect", x=0, y=TOP, width=bad, height=tall - TOP, kind="lost"),
        element("path", d=f"M{bad:g} {TOP}V{tall}", kind="bad-limit"),
        element("path", d=f"M{good:g} {TOP}V{tall}", kind="good-limit"),
        element("path", d=f"M{agreed:g} {TOP}V{tall}", kind="agreed"),
        element("path", d=f"M0 {tall}H{WIDTH}", kind="axis"),
        element("text", text="bad", x=bad - 3, y=12, text_anchor="end"),
        element("text", text="good", x=good + 3, y=12),
        element("text", text=left, x=0, y=line),
        element("text", text="agreed", x=agreed, y=line, text_anchor="middle"),
    ]
    if WIDTH - agreed > 76:
        made.append(element("text", text=right, x=WIDTH, y=line, text_anchor="end"))
    return made


def _dot(across: Scale, part: float, y: float, *, hollow: bool) -> Element:
    """A filled or a hollow circle; beyond an end a triangle that points there."""
    x, way = across.x(part), across.beyond(part)
    kind = "aside" if hollow else "run"
    shape = f"m{4 * way:g} 0l{-8 * way:g}-4v8z" if way else "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z"
    return element("path", d=f"M{x:g} {y:g}{shape}", kind=kind)


def _cross(x: float, y: float) -> Element:
    return element("path", d=f"M{x:g} {y:g}m-3-3l6 6m0-6l-6 6", kind="missing")


def _interval(across: Scale, found: Decided, y: float) -> list[Element]:
    mean = across.x(math.expm1(found.mean or 0.0))
    low, high = (
        across.x(math.expm1(end)) if end is not None and math.isfinite(end) else mean for end in (found.low, found.high)
    )
    told = f"mean {words.signed(found.mean)}, limits {words.signed(found.low)} and {words.signed(found.high)}"
    bar = element("path", d=f"M{low:g} {y:g}H{high:g}M{low:g} {y - 3:g}v6M{high:g} {y - 3:g}v6", kind="reach")
    return [titled(bar, told), element("path", d=f"M{mean:g} {y - 4:g}v8", kind="mean")]


def _label(requirement: Requirement, logs: Sequence[float | None], aside: Sequence[bool], found: Decided | None) -> str:
    known = [log for log, without in zip(logs, aside, strict=True) if log is not None and not without]
    span = f", {words.signed(min(known))} to {words.signed(max(known))} of what was agreed" if known else ""
    without = f"; {sum(aside)} set aside" if any(aside) else ""
    lost = f"; {sum(log is None for log in logs)} without a value" if any(log is None for log in logs) else ""
    return f"{counted(len(logs), 'run')}{span}{without}{lost}; {words.limits(requirement)}"


def _drawn(marks: Sequence[Element], tall: int, label: str) -> str:
    height = tall + BOTTOM
    return markup(
        element("svg", *marks, kind="runs", viewBox=f"0 0 {WIDTH} {height}", width=WIDTH, height=height, role="img",
                aria_label=label)
    )  # fmt: skip
