"""Dot plots: every implementation of every case of a benchmark, with its interval and its ceiling."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from benchsuite import units
from benchsuite.model import Metric, Score
from benchsuite.render.looks import (
    MUTED,
    NARROW,
    RULE,
    SIZE,
    TEXT,
    Plot,
    Row,
    Series,
    finish,
    layer,
    points,
    renamed,
    row,
    within,
)
from benchsuite.render.words import clean, family, parameters

BESIDE = 24
"""Case names up to this many characters stand beside their row, longer ones above it."""

MOST_CASES = 48


def rates(scores: Sequence[Score], least: int = 2) -> Plot | None:
    """The results of one benchmark as dots, a line per case; nothing where there are fewer than ``least``."""
    if len(scores) < least:
        return None
    benchmark, metric = scores[0].case.benchmark, scores[0].metric
    scale, letter = units.prefix(max(score.value or 0.0 for score in scores))
    rows = [{**row(s, scale), "case": parameters(s.case), "series": clean(s.implementation)} for s in scores]
    limits = _limits(scores, scale)
    cases = list(dict.fromkeys(one["case"] for one in rows))[:MOST_CASES]
    rows = [one for one in rows if one["case"] in cases]
    title = units.unit(metric, letter)
    note = "Every implementation, with its 95 % interval where that is wider than the mark. "
    note += "Bars: what the measured ceilings allow. " if limits else ""
    note += "Higher is better." if metric.higher_is_better else "Lower is better."
    name = "".join(character for character in benchmark if character.isalnum()) or "rates"
    series = Series.of(rows).names
    return Plot(f"rates-{name}", family(benchmark), note, series, lambda w: _chart(rows, limits, cases, title, w))


def _limits(scores: Sequence[Score], scale: float) -> list[Row]:
    """The ceiling of each case, where there is one. Arithmetic a benchmark of latency has none."""
    if scores[0].metric is Metric.LATENCY:
        return []
    found = {parameters(s.case): s.ceiling / scale for s in scores if s.ceiling is not None}
    return [{"case": case, "y": ceiling} for case, ceiling in found.items()]


def _chart(rows: Sequence[Row], limits: Sequence[Row], cases: Sequence[str], title: str, width: int) -> alt.LayerChart:
    above = max(len(case) for case in cases) > (BESIDE if width > NARROW else BESIDE // 2)
    top = max([one["y"] for one in rows] + [one["y"] for one in limits if one["case"] in cases]) * 1.05
    x = alt.X("y:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=_values(title))
    extent = 0.0 if above else 7.5 * max(len(case) for case in cases)  # not measured: fonts differ in width
    names = alt.Axis(
        title=None,
        minExtent=extent,
        labels=not above,
        ticks=False,
        domain=False,
        labelColor=TEXT,
        grid=not above,
        labelLimit=200,
    )
    y = alt.Y("case:N", sort=list(cases), axis=names)
    series = Series.of(rows)
    layers = []
    if above:
        mark = layer([{"case": case} for case in cases]).mark_text(align="left", dy=-14, fontSize=SIZE, fill=TEXT)
        layers.append(mark.encode(x=alt.value(0), y=y, text=alt.Text("case:N")))
        line = layer([{"case": case} for case in cases]).mark_rule(stroke=RULE, opacity=0.35)
        layers.append(line.encode(y=y))
    shown = [one for one in limits if one["case"] in cases]
    if shown:
        tick = layer(shown).mark_tick(color=MUTED, thickness=3, size=14, opacity=1)
        layers.append(tick.encode(x=x, y=y))
    seen = within(rows, 0.0, top)
    if seen:
        rule = layer(seen).mark_rule(strokeWidth=1.25, opacity=0.5)
        layers.append(rule.encode(x=renamed(x, "low:Q"), x2=alt.X2("high:Q"), y=y, color=series.colour()))
    layers.append(points(rows, x, y, series, size=58))
    return finish(layers, width, 48 + (40 if above else 26) * len(cases))


def _values(title: str) -> alt.Axis:
    return alt.Axis(title=title, tickCount=5, format="~r", domain=False, ticks=False)
