"""Every sample of a task as a small strip: one dot a sample, run after run, in the order taken."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite.model import Record

WIDTH, HEIGHT, PAD = 620, 84, 6
MOST = 400
"""Dots drawn per run; beyond it every n-th sample is drawn, and the caption says so."""


def samples(records: Sequence[Record]) -> str:
    """An SVG of the records' samples (seconds per iteration), or nothing where there are none."""
    runs = [record for record in sorted(records, key=lambda one: one.run) if record.samples and record.summary]
    if not runs:
        return ""
    series = [_thinned(record.samples.seconds) for record in runs if record.samples]
    every = [value for values in series for value in values]
    low, high = min(every), max(every)
    span = (high - low) or high
    count = sum(len(values) for values in series)
    step = (WIDTH - 2 * PAD - 12 * (len(series) - 1)) / max(count, 1)
    parts, x = [], float(PAD)
    for record, values in zip(runs, series, strict=True):
        dots = "".join(f"M{x + i * step:.1f} {_y(value, low, span):.1f}h0" for i, value in enumerate(values))
        end = x + len(values) * step
        middle = _y(record.summary.median if record.summary else low, low, span)
        parts.append(f'<path class="dots" d="{dots}"/><path class="median" d="M{x:.1f} {middle:.1f}H{end:.1f}"/>')
        x = end + 12
    label = f"{count} samples in {len(series)} runs; dots are samples, lines the runs' medians"
    return f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _y(value: float, low: float, span: float) -> float:
    return HEIGHT - PAD - (HEIGHT - 2 * PAD) * (value - low) / span


def _thinned(values: Sequence[float]) -> Sequence[float]:
    return values[:: -(-len(values) // MOST)]
