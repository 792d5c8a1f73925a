"""Scales, ticks and the few shapes that the site's drawings are made of: numbers in attributes, texts escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from benchsuite import units

MARKS = (
    "M4 0A4 4 0 1 1-4 0A4 4 0 1 1 4 0Z",
    "M0-5.5L4.5 0L0 5.5L-4.5 0Z",
    "M-4-4H4V4H-4Z",
    "M0-5L5 4H-5Z",
    "M-5-1.7H-1.7V-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5Z",
    "M0 5L-5-4H5Z",
)
"""The shapes of the six looks, in their order, around (0, 0)."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from ``low`` to ``high`` onto pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The place of a value in pixels; one beyond the ends is put at the end."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * share

    def ticks(self, most: int = 6) -> list[float]:
        """Round values between the ends: 1, 2 or 5 times a power of ten, at most ``most`` of them."""
        return _log_ticks(self.low, self.high, most) if self.log else _ticks(self.low, self.high, most)


def _ticks(low: float, high: float, most: int) -> list[float]:
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw), 10.0 * power)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        found = [tick for tick in found if low * 0.999 <= tick <= high * 1.001]
        if len(found) <= most:
            return found
    every = -(-len(found) // most)
    return found[::every]


def domain(values: Sequence[float], *, pad: float = 0.05, zero: bool = False) -> tuple[float, float]:
    """Ends of a linear axis that holds the values with some room; from zero where asked."""
    low, high = min(values), max(values)
    room = (high - low) * pad or abs(high) * 0.02 or 1.0
    return (0.0 if zero else low - room), high + room


def log_domain(values: Sequence[float], *, pad: float = 1.25) -> tuple[float, float]:
    """Ends of a logarithmic axis that holds the values, which are positive."""
    return min(values) / pad, max(values) * pad


def px(value: float) -> str:
    """Pixels to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def tick(value: float) -> str:
    """A round value as text, without zeros that say nothing."""
    return f"{value:.12g}" if 1e-4 <= abs(value) < 1e6 else units.significant(value, 1) if value else "0"


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    """A text element; the words may come from anybody."""
    told = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{px(x)}" y="{px(y)}"{told}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line of a class."""
    return f'<path class="{kind}" d="M{px(x1)} {px(y1)}L{px(x2)} {px(y2)}"/>'


def mark(x: float, y: float, look: int, label: str, hollow: bool = False) -> str:
    """A point: shape and colour of a look (1 to 6), with a label that a tooltip and a screen reader tell."""
    kind = f"hollow{look}" if hollow else f"look{look}"
    shape = MARKS[look - 1]
    return (
        f'<path class="{kind}" transform="translate({px(x)} {px(y)})" d="{shape}" role="img" '
        f'aria-label="{escape(label)}"/>'
    )


def frame(x: Scale, y: Scale, x_title: str, y_title: str) -> list[str]:
    """Grid, ticks and titles of a chart."""
    made = [text(x.start - 8, 12, y_title, "title")]
    for value in y.ticks():
        at = y.at(value)
        made += [line(x.start, at, x.end, at, "grid"), text(x.start - 8, at + 4, tick(value), "tick", "end")]
    made.append(line(x.start, y.start, x.end, y.start, "axis"))
    for value in x.ticks(max(3, int((x.end - x.start) / 60))):
        at = x.at(value)
        made += [line(at, y.start, at, y.start + 4, "axis"), text(at, y.start + 18, tick(value), "tick", "middle")]
    made.append(text((x.start + x.end) / 2, y.start + 38, x_title, "title", "middle"))
    return made


def svg(parts: Sequence[str], width: float, height: float, kind: str, label: str, *, group: bool = True) -> str:
    """The drawing. ``group``: its marks are told one by one; else the label tells all."""
    role = "group" if group else "img"
    head = f'<svg class="{kind}" viewBox="0 0 {px(width)} {px(height)}" width="{px(width)}" height="{px(height)}"'
    return f'{head} role="{role}" aria-label="{escape(label)}">{"".join(parts)}</svg>'
