"""Where the time of a phase goes, drawn as a waterfall: each term begins where the one before it ends."""

from __future__ import annotations

from itertools import pairwise

from benchsuite.model import Phase
from benchsuite.render import forecast_words as words
from benchsuite.render.drawing import Element, element, markup, titled

WIDE, ROW, BAR = 560, 26, 16
"""Pixels of the drawing's width, of a row and of the bar in it."""
LEFT, RIGHT = 172, 92
"""Pixels for names, and for times behind the bars."""
LEAST = 1.0
"""A term that takes any time at all is this wide."""
LETTERS = 26


def waterfall(title: str, phase: Phase) -> str:
    """The drawing, in colours of the style sheet, one for each resource, which the words beside a bar name too."""
    bars = words.waterfall(phase)
    room, height = WIDE - LEFT - RIGHT, ROW * len(bars)
    drawn = [element("line", x1=LEFT, x2=LEFT, y1=0, y2=height, kind="axis")]
    shown = [number for number, bar in enumerate(bars) if not bar.hidden]
    for number, follows in pairwise(shown):
        x = LEFT + room * bars[follows].start
        drawn.append(element("line", x1=x, x2=x, y1=ROW * number + BAR, y2=ROW * follows + BAR / 2, kind="step"))
    for number, bar in enumerate(bars):
        drawn += _row(bar, ROW * number, room)
    label = f"Waterfall of {title}; the table beside it has the same numbers."
    whole = element("svg", *drawn, kind="waterfall", viewBox=f"0 0 {WIDE} {height + 2}", width=WIDE, height=height + 2,
                    role="img", aria_label=label)  # fmt: skip
    return markup(whole)


def _row(bar: words.Bar, top: int, room: int) -> list[Element]:
    wide = max(LEAST if bar.length > 0 else 0.0, room * bar.length)
    left = min(LEFT + room * bar.start, LEFT + room - wide)
    middle = top + ROW / 2 + 4
    name = bar.name if len(bar.name) <= LETTERS else f"{bar.name[: LETTERS - 1]}…"
    told = f"{bar.name}: {bar.seconds}, {bar.share}, {bar.bound}, {bar.footing}"
    kind = f"{bar.kind} hidden" if bar.hidden else bar.kind
    box = element("rect", x=left, y=top + (ROW - BAR) / 2, width=wide, height=BAR, kind=kind)
    return [
        element("text", text=name, x=LEFT - 8, y=middle, text_anchor="end", kind="name"),
        titled(box, told),
        element("text", text=f"{bar.seconds} {bar.glyph}", x=left + wide + 6, y=middle),
    ]
