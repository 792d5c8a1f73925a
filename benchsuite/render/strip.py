"""Every sample of a task as a small strip: run after run, in the order taken.

Drawn by hand, since a page holds a hundred of them: one path per run, of strokes that each span a
few consecutive samples from the least to the greatest; a stroke of one sample is a dot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.model import Record
from benchsuite.render.words import counted

WIDTH, HEIGHT, PAD, GAP = 360, 64, 4, 10
STROKES = 96
"""Strokes of all runs together: about 1 kB."""

ABOVE = 3.0
"""Samples farther above the 95th percentile than this many times its distance from the least one are
drawn at the edge: a single interruption would otherwise press everything else into a line."""


@dataclass(frozen=True, slots=True)
class Strip:
    """The drawing, and the numbers it shows in words."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float

    def y(self, value: float) -> int:
        share = (min(value, self.high) - self.low) / (self.high - self.low)
        return round(HEIGHT - PAD - (HEIGHT - 2 * PAD) * share)


def samples(records: Sequence[Record]) -> Strip | None:
    """The strip of a task's records (seconds per iteration), or nothing where there are no samples."""
    runs = sorted((r for r in records if r.samples and r.samples.seconds), key=lambda record: record.run)
    series = [record.samples.seconds for record in runs if record.samples]
    if not series:
        return None
    axis = _axis([value for values in series for value in values])
    width = (WIDTH - GAP * (len(series) - 1)) / len(series)
    paths = []
    for number, values in enumerate(series):
        left = number * (width + GAP)
        paths.append(f'<path class="dots" d="{_strokes(values, axis, left, width, STROKES // len(series))}"/>')
        summary = runs[number].summary
        if summary is not None:
            level = axis.y(summary.median)
            paths.append(f'<path class="median" d="M{round(left)} {level}h{round(width)}"/>')
    caption = _caption(series, axis)
    head = f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{caption}">'
    return Strip(f"{head}{''.join(paths)}</svg>", caption)


def _axis(values: Sequence[float]) -> _Axis:
    ordered = sorted(values)
    least, p95 = ordered[0], ordered[int(0.95 * (len(ordered) - 1))]
    high = min(ordered[-1], p95 + ABOVE * (p95 - least)) if p95 > least else ordered[-1]
    return _Axis(least, high if high > least else least * 1.001 + 1e-15)


def _strokes(values: Sequence[float], axis: _Axis, left: float, width: float, most: int) -> str:
    """Relative moves, since they are short: from the end of a stroke to the start of the next."""
    per_stroke = -(-len(values) // max(1, most))
    groups = [values[i : i + per_stroke] for i in range(0, len(values), per_stroke)]
    step = (width - 2 * PAD) / max(1, len(groups) - 1)
    parts: list[str] = []
    at_x, at_y = 0, 0
    for number, group in enumerate(groups):
        x, bottom, top = round(left + PAD + number * step), axis.y(min(group)), axis.y(max(group))
        parts.append(
            f"{'m' if parts else 'M'}{x - at_x} {bottom - at_y}{f'v{top - bottom}' if top != bottom else 'h0'}"
        )
        at_x, at_y = x, top
    return "".join(parts).replace(" -", "-")


def _caption(series: Sequence[Sequence[float]], axis: _Axis) -> str:
    every = [value for values in series for value in values]
    words = f"{counted(len(every), 'sample')} in {counted(len(series), 'run')}, "
    words += f"{units.quantity(min(every), 's')} to {units.quantity(max(every), 's')} per iteration"
    clipped = sum(value > axis.high for value in every)
    return words + (f"; {clipped} above the edge" if clipped else "")
