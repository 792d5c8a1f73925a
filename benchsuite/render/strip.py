"""Every sample of a task as a small strip: run after run, in the order taken.

Drawn by hand, since a page holds a hundred of them: one path per run, of strokes that each span a
few consecutive samples from the least to the greatest; a stroke of one sample is a dot. Samples that
an annotation touched have a path of their own.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.model import Caveat, Record
from benchsuite.render.words import counted, mark, meaning

WIDTH, HEIGHT, PAD, GAP = 360, 64, 4, 10
STROKES = 96
"""Strokes of all runs together: about 1 kB."""

ABOVE = 3.0
"""Samples farther above the 95th percentile than this many times its distance from the least one are
drawn at the edge: a single interruption would otherwise press everything else into a line."""

MATTERS = 0.001
"""Relative difference of the median from which leaving out the touched samples is said to change it."""


@dataclass(frozen=True, slots=True)
class Strip:
    """The drawing, and the numbers it shows in words; ``touched``: which samples are marked, and what they change."""

    svg: str
    caption: str
    touched: str = ""


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
        left, most = number * (width + GAP), STROKES // len(series)
        hit = _touched(runs[number])
        quiet = set(range(len(values))) - hit
        for kind, chosen in (("dots", quiet), ("touched", hit)):
            if chosen:
                paths.append(f'<path class="{kind}" d="{_strokes(values, chosen, axis, left, width, most)}"/>')
        summary = runs[number].summary
        if summary is not None:
            level = axis.y(summary.median)
            paths.append(f'<path class="median" d="M{round(left)} {level}h{round(width)}"/>')
    caption = _caption(series, axis)
    head = f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{caption}">'
    return Strip(f"{head}{''.join(paths)}</svg>", caption, _said(runs))


def _touched(record: Record) -> set[int]:
    """The numbers of the samples that an annotation touched."""
    told = record.samples
    if told is None:
        return set()
    return {number for hit in told.annotations.values() for number in hit if 0 <= number < len(told.seconds)}


def _said(runs: Sequence[Record]) -> str:
    """How many samples are marked and why, and what the median would be without them."""
    codes: dict[str, int] = {}
    for record in runs:
        for code, hit in record.samples.annotations.items() if record.samples else ():
            codes[code] = codes.get(code, 0) + len(set(hit))
    total = sum(len(record.samples.seconds) for record in runs if record.samples)
    marked = sum(len(_touched(record)) for record in runs)
    if not marked:
        return ""
    counts = {code: "" if number == marked else f", {number}" for code, number in codes.items()}
    why = "; ".join(
        f"{meaning(Caveat(code, code))} ({mark(Caveat(code, code))}{counts[code]})" for code in sorted(codes)
    )
    share = "All" if marked == total else f"{marked} of {total}"
    return f"{share} marked: {why}. {_sensitivity(runs, total - marked)}".rstrip()


def _sensitivity(runs: Sequence[Record], left: int) -> str:
    """What the undisturbed samples alone would give. The headline is always that of all samples."""
    pairs = [
        (summary.clean_median, summary.median)
        for record in runs
        if (summary := record.summary) is not None and summary.clean_median is not None
    ]
    if not left or len(pairs) < len(runs) or not all(number > 0.0 for pair in pairs for number in pair):
        return "Not every run has samples without a mark." if left else ""
    clean, every = (math.exp(math.fsum(map(math.log, column)) / len(pairs)) for column in zip(*pairs, strict=True))
    if abs(clean / every - 1.0) < MATTERS:
        return f"The other {left} change the median by less than {units.percent(MATTERS)}."
    way = "less" if clean < every else "more"
    return (
        f"The other {left} alone would give a median of {units.quantity(clean, 's')} instead of "
        f"{units.quantity(every, 's')}, {units.percent(abs(clean / every - 1.0))} {way}."
    )


def _axis(values: Sequence[float]) -> _Axis:
    ordered = sorted(values)
    least, p95 = ordered[0], ordered[int(0.95 * (len(ordered) - 1))]
    high = min(ordered[-1], p95 + ABOVE * (p95 - least)) if p95 > least else ordered[-1]
    return _Axis(least, high if high > least else least * 1.001 + 1e-15)


def _strokes(
    values: Sequence[float], chosen: Collection[int], axis: _Axis, left: float, width: float, most: int
) -> str:
    """Of the chosen samples, by their numbers. Relative moves: from the end of a stroke to the start of the next."""
    per_stroke = -(-len(values) // max(1, most))
    groups = [
        [values[at] for at in range(i, min(i + per_stroke, len(values))) if at in chosen]
        for i in range(0, len(values), per_stroke)
    ]
    step = (width - 2 * PAD) / max(1, len(groups) - 1)
    parts: list[str] = []
    at_x, at_y = 0, 0
    for number, group in enumerate(groups):
        if not group:
            continue
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
