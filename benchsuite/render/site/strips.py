"""A population on one line: whisker from the 5th to the 95th percentile, box from the 25th to the 75th, median, dot.

Few machines are drawn one by one instead. The line does not begin at zero: place is compared, not length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from benchsuite import units
from benchsuite.model import Metric
from benchsuite.render.site.axes import Scale, domain, px
from benchsuite.render.site.population import Distribution

WIDTH, HEIGHT, PAD = 240, 24, 6


@dataclass(frozen=True, slots=True)
class Reference:
    """A value to be marked on a strip that was not measured here: ``kind`` is ``sheet`` or ``published``."""

    value: float
    kind: str
    label: str


def span(found: Sequence[Distribution], extra: Sequence[float] = ()) -> tuple[float, float]:
    """Ends of an axis that several strips share."""
    return domain([one.least for one in found] + [one.most for one in found] + list(extra))


def strip(
    found: Distribution | None,
    metric: Metric,
    ends: tuple[float, float],
    own: tuple[float, float, float] | None = None,
    references: Sequence[Reference] = (),
) -> str:
    """The drawing. ``own``: value and interval of the machine that the page is about."""
    scale, middle = Scale(*ends, PAD, WIDTH - PAD), HEIGHT / 2
    parts = [f'<path class="rail" d="M{PAD} {px(middle)}H{WIDTH - PAD}"/>']
    if found is not None:
        parts += _population(found, scale, middle)
    for reference in references:
        x = px(scale.at(reference.value))
        shape = f"M{x} 2V{HEIGHT - 2}" if reference.kind == "sheet" else _diamond(scale.at(reference.value), middle)
        parts.append(f'<path class="{reference.kind}" d="{shape}"/>')
    if own is not None:
        value, low, high = (scale.at(number) for number in own)
        parts.append(f'<path class="reach" d="M{px(low)} {px(middle)}H{px(high)}"/>')
        parts.append(f'<circle class="own" cx="{px(value)}" cy="{px(middle)}" r="4"/>')
    label = escape(words(found, metric, own, references))
    head = f'<svg class="position" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
    return f'{head} aria-label="{label}">{"".join(parts)}</svg>'


def _population(found: Distribution, scale: Scale, middle: float) -> list[str]:
    if found.points:
        strokes = "".join(f"M{px(scale.at(point))} {px(middle - 5)}v10" for point in found.points)
        return [f'<path class="each" d="{strokes}"/>']
    p5, p25, median, p75, p95 = (scale.at(value) for value in (found.p5, found.p25, found.median, found.p75, found.p95))
    return [
        f'<path class="whisker" d="M{px(p5)} {px(middle)}H{px(p95)}"/>',
        f'<rect class="box" x="{px(p25)}" y="{px(middle - 5)}" width="{px(max(1.0, p75 - p25))}" height="10"/>',
        f'<path class="middle" d="M{px(median)} {px(middle - 7)}v14"/>',
    ]


def _diamond(x: float, y: float) -> str:
    return f"M{px(x)} {px(y - 5)}L{px(x + 4)} {px(y)}L{px(x)} {px(y + 5)}L{px(x - 4)} {px(y)}Z"


def words(
    found: Distribution | None,
    metric: Metric,
    own: tuple[float, float, float] | None = None,
    references: Sequence[Reference] = (),
) -> str:
    """What the drawing shows, as a sentence."""
    told = [f"this machine {units.quantity(own[0], metric)}"] if own else []
    if found is not None and found.points:
        told.append(f"{found.n} on record, {ranged(found.least, found.most, metric)}")
    elif found is not None:
        told.append(f"{found.n} on record, 5th to 95th percentile {ranged(found.p5, found.p95, metric)}")
    told += [f"{reference.label} {units.quantity(reference.value, metric)}" for reference in references]
    sentence = "; ".join(told)
    return sentence[:1].upper() + sentence[1:]


def ranged(low: float, high: float, metric: Metric) -> str:
    """``612–640 TFLOP/s``: two values in one unit."""
    scale, letter = units.prefix(high)
    name = units.unit(metric, letter)
    ends = f"{units.significant(low / scale)}{units.DASH}{units.significant(high / scale)}"
    return f"{ends}{units.NO_BREAK_SPACE}{name}".rstrip()
