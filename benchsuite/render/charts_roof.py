"""The roofline of Williams, Waterman & Patterson (2009), over ceilings measured in the same campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from benchsuite import units
from benchsuite.model import Metric, Score
from benchsuite.normalize import Ceilings
from benchsuite.render.charts_sizes import log_ticks
from benchsuite.render.looks import MUTED, NARROW, SIZE, TEXT, Plot, Row, Series, finish, layer, points, row
from benchsuite.render.words import family

HEIGHT = 340
NOT_COMPUTE = {
    "fma",
    "peak",
    "memory",
    "cache",
    "fill",
    "latency",
    "atomics",
    "allreduce",
    "peer-allreduce",
    "reduce-step",
}
"""Probes of one ceiling each, which lie on the roof or have no place under it."""


def roofline(scores: Sequence[Score], ceilings: Ceilings) -> Plot | None:
    """Every compute result at its arithmetic intensity, under the measured roofs."""
    chosen = [s for s in scores if s.work.flops > 0 and s.work.bytes > 0 and s.case.benchmark not in NOT_COMPUTE]
    if not chosen or not ceilings.flops or not ceilings.bandwidth:
        return None
    scale, letter = units.prefix(max(ceilings.flops.values()))
    rows = [_placed(score, scale) for score in chosen]
    bandwidth = ceilings.bandwidth / scale
    peaks = {name: peak / scale for name, peak in sorted(ceilings.flops.items(), key=lambda item: -item[1])}
    note = (
        "Lines: ceilings measured in this campaign (arithmetic by a probe in registers, memory by the best "
        "result beyond the caches). "
    )
    bare = sorted({str(dict(s.case.params).get("dtype", "")) for s in chosen} - set(peaks) - {""})
    note += f"No arithmetic ceiling was measured for {', '.join(bare)}. " if bare else ""
    note += "Hollow: slower implementations of the same case."
    title = units.unit("flop/s", letter)
    return Plot(
        "roofline", "Roofline", note, Series.of(rows).names, lambda width: _chart(rows, peaks, bandwidth, title, width)
    )


def _placed(score: Score, scale: float) -> Row:
    """A score at its FLOP per byte and FLOP/s, whatever it was measured in."""
    done = score.work.flops if score.metric is Metric.FLOPS else score.work.bytes
    rate = (score.value or 0.0) * score.work.flops / done / scale
    where = {"x": score.work.flops / score.work.bytes, "y": rate, "best": score.best}
    return {**row(score, scale), **where, "series": family(score.case.benchmark)}


def _chart(rows: Sequence[Row], peaks: Mapping[str, float], bandwidth: float, title: str, width: int) -> alt.LayerChart:
    low, high = min(one["y"] for one in rows) / 1.6, max([*peaks.values(), *(one["y"] for one in rows)]) * 1.7
    left = min(min(one["x"] for one in rows) / 2, min(peaks.values()) / bandwidth / (24 if width > NARROW else 60))
    right = max(*(one["x"] for one in rows), *(peak / bandwidth for peak in peaks.values())) * 3
    low = min(low, bandwidth * left)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", domain=[left, right], nice=False),
        axis=_axis("arithmetic intensity, FLOP per byte", log_ticks(left, right), grid=False),
    )
    y = alt.Y(
        "y:Q", scale=alt.Scale(type="log", domain=[low, high], nice=False), axis=_axis(title, log_ticks(low, high))
    )
    series = Series.of(rows)
    best, rest = [one for one in rows if one["best"]], [one for one in rows if not one["best"]]
    layers = [*_roofs(peaks, bandwidth, left, right, x, y), *_names(peaks, bandwidth, title, width, x, y)]
    if rest:
        hollow = layer(rest).mark_point(filled=False, size=34, strokeWidth=1.25, opacity=0.8, aria=True)
        encoded = hollow.encode(x=x, y=y, color=series.colour(), shape=series.shape(), description="label:N")
        layers.append(encoded)
    if best:
        layers.append(points(best, x, y, series, size=60))
    return finish(layers, width, HEIGHT)


def _axis(title: str, ticks: Sequence[float], *, grid: bool = True) -> alt.Axis:
    return alt.Axis(title=title, values=list(ticks), format="~r", grid=grid, domain=not grid, ticks=not grid)


def _roofs(
    peaks: Mapping[str, float], bandwidth: float, left: float, right: float, x: alt.X, y: alt.Y
) -> list[alt.Chart]:
    """The memory's slope up to the highest peak, and each peak from where it meets the slope."""
    knee = max(peaks.values()) / bandwidth
    lines = [[(left, bandwidth * left), (knee, bandwidth * knee)]]
    lines += [[(peak / bandwidth, peak), (right, peak)] for peak in peaks.values()]
    return [
        layer([{"x": at, "y": rate} for at, rate in line]).mark_line(stroke=TEXT, strokeWidth=1.75).encode(x=x, y=y)
        for line in lines
    ]


def _names(peaks: Mapping[str, float], bandwidth: float, title: str, width: int, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Each roof's name and value, to the left of the slope: no result can lie there."""
    wide = width > NARROW
    words = [
        {"x": peak / bandwidth, "y": peak, "text": f"{name} {units.significant(peak)}{f' {title}' if wide else ''}"}
        for name, peak in peaks.items()
    ]
    at = min(peaks.values()) / bandwidth / 1.5
    told = f"{'memory ' if wide else ''}{units.significant(bandwidth)} {title[0]}B/s"
    mark = layer([*words, {"x": at, "y": bandwidth * at, "text": told}])
    text = mark.mark_text(align="right", dx=-10, dy=-4, fontSize=SIZE, fill=MUTED)
    return [text.encode(x=x, y=y, text=alt.Text("text:N"))]
