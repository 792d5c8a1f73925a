"""Charts over a size in bytes: memory bandwidth, latency, collectives."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import altair as alt

from benchsuite import units
from benchsuite.bandwidths import FACTORS
from benchsuite.model import Score
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
from benchsuite.render.words import clean, family

HEIGHT = 300
SMALL = 256 * units.KIB
"""Messages up to this size are a matter of time, larger ones of bandwidth."""

SIZE_LABEL = (
    "datum.value >= 1073741824 ? datum.value / 1073741824 + ' GiB' : datum.value >= 1048576 ? "
    "datum.value / 1048576 + ' MiB' : datum.value >= 1024 ? datum.value / 1024 + ' KiB' : datum.value + ' B'"
)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a chart over sizes shows. ``walls``: where each cache ends. ``tall``: a logarithmic y axis."""

    rows: Sequence[Row]
    x_title: str
    y_title: str
    tall: bool = False
    walls: Mapping[str, float] = field(default_factory=dict)
    ends: Sequence[Row] = ()


def bandwidth(scores: Sequence[Score], caches: Mapping[str, int], cores: int) -> Plot | None:
    """The best bandwidth of each memory operation over the working set of all threads."""
    chosen = [score for score in scores if score.case.benchmark == "memory" and score.best]
    if _sizes(chosen) < 2:
        return None
    scale, letter = units.prefix(max(score.value or 0.0 for score in chosen))
    rows = _rows(chosen, scale, "op")
    walls = {name: float(nbytes * (1 if name == "L3" else max(1, cores))) for name, nbytes in caches.items()}
    last = max(rows, key=lambda one: (one["x"], one["y"]))
    ends = [{**last, "text": f"{units.significant(last['y'])} {units.unit('B/s', letter)}"}]
    sweep = Sweep(rows, "working set of all threads", units.unit("B/s", letter), walls=walls, ends=ends)
    note = "Best implementation of each operation. Dashed: what the caches of all cores hold together."
    return Plot(
        "bandwidth", "Memory bandwidth over size", note, Series.of(rows).names, lambda width: _chart(sweep, width)
    )


def latency(scores: Sequence[Score], caches: Mapping[str, int]) -> Plot | None:
    """The time of one dependent load over the working set of one core."""
    chosen = [score for score in scores if score.case.benchmark == "latency" and score.best]
    if _sizes(chosen) < 2:
        return None
    rows = [{**one, "series": "load"} for one in _rows(chosen, 1e-9, "")]
    ends = [{**one, "text": units.significant(one["y"], 2)} for one in (rows[0], rows[-1])]
    sweep = Sweep(rows, "working set of one core", "ns per load", tall=True, walls=caches, ends=ends)
    note = "One load at a time, at random; lower is better. Dashed: what the caches of one core hold."
    return Plot("latency", "Latency over size", note, Series.of(rows).names, lambda width: _chart(sweep, width))


def collective_bandwidth(scores: Sequence[Score]) -> Plot | None:
    """Bus bandwidth of every implementation of one collective over the message size."""
    if _sizes(scores) < 2:
        return None
    name = scores[0].case.benchmark
    scale, letter = units.prefix(max(score.value or 0.0 for score in scores))
    rows = _rows(scores, scale, "")
    sweep = Sweep(rows, "message", f"busbw, {units.unit('B/s', letter)}")
    factor = FACTORS[name].formula
    note = f"{_ranks(scores)}; busbw = {factor} × bytes / time of the slowest rank. Higher is better."
    title = f"{family(name)} bandwidth over size"
    return Plot(name, title, note, Series.of(rows).names, lambda width: _chart(sweep, width))


def collective_time(scores: Sequence[Score]) -> Plot | None:
    """The time of small messages of one collective, where bandwidth says nothing."""
    small = [score for score in scores if int(score.case["bytes"]) <= SMALL]
    if _sizes(small) < 2:
        return None
    chosen = sorted(small, key=lambda score: int(score.case["bytes"]))
    name = chosen[0].case.benchmark
    rows = [_as_time(score, one) for score, one in zip(chosen, _rows(chosen, 1.0, ""), strict=True)]
    sweep = Sweep(rows, "message", "µs", tall=True)
    note = f"{_ranks(chosen)}, messages of at most {units.size(SMALL)}; time of the slowest rank. Lower is better."
    title = f"{family(name)} time, small messages"
    return Plot(f"{name}-time", title, note, Series.of(rows).names, lambda width: _chart(sweep, width))


def _as_time(score: Score, one: Row) -> Row:
    """A bus bandwidth in B/s turned into microseconds; the ends of its interval change places."""
    y, low, high = (score.work.wire / max(one[name], 1e-300) * 1e6 for name in ("y", "high", "low"))
    words = f"{units.quantity(y * 1e-6, 's')}, {one['label']}"
    return {**one, "y": y, "low": low, "high": high, "label": words}


def _ranks(scores: Sequence[Score]) -> str:
    counts = sorted({score.case.ranks for score in scores})
    return " and ".join(str(count) for count in counts) + " ranks"


def _sizes(scores: Sequence[Score]) -> int:
    return len({score.case["bytes"] for score in scores})


def _rows(scores: Sequence[Score], scale: float, parameter: str) -> list[Row]:
    """A row per score; the series is a parameter or else the implementation, with what else the cases differ in."""
    several = {
        name
        for name in ("dtype", "place", "skew")
        if len({dict(score.case.params).get(name) for score in scores}) > 1 and not parameter
    }
    made = [
        {**row(score, scale), "x": int(score.case["bytes"]), "series": _series(score, parameter, several)}
        for score in scores
    ]
    return sorted(made, key=lambda one: one["x"]) if not parameter else made


def _series(score: Score, parameter: str, several: Collection[str]) -> str:
    if parameter:
        return clean(str(score.case[parameter]))
    params = dict(score.case.params)
    words = [str(params["dtype"])] if "dtype" in several else []
    words += ["in place"] if "place" in several and params["place"] == "in" else []
    words += [f"skew {params['skew']}"] if "skew" in several else []
    return clean(", ".join([score.implementation, *words]))


def _chart(sweep: Sweep, width: int) -> alt.LayerChart:
    low, high = min(one["x"] for one in sweep.rows), max(one["x"] for one in sweep.rows)
    floor, top = _domain(sweep)
    ticks = size_ticks(low, high, 5 if width <= NARROW else 8)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", base=2, domain=[low, high], nice=False, padding=8),
        axis=alt.Axis(title=sweep.x_title, values=ticks, labelExpr=SIZE_LABEL, grid=False, labelOverlap=True),
    )
    kind = alt.Scale(type="log" if sweep.tall else "linear", domain=[floor, top], nice=False)
    axis = alt.Axis(title=sweep.y_title, tickCount=6, format="~r", domain=False, ticks=False)
    if sweep.tall:
        axis = alt.Axis(title=sweep.y_title, values=log_ticks(floor, top), format="~r", domain=False, ticks=False)
    y = alt.Y("y:Q", scale=kind, axis=axis)
    series = Series.of(sweep.rows)
    whiskers = within(sweep.rows, floor, top)
    layers = [*_walls(sweep.walls, low, high, x), _lines(sweep.rows, x, y, series)]
    layers += [_whiskers(whiskers, x, y, series)] if whiskers else []
    layers += [points(sweep.rows, x, y, series), *_ends(sweep.ends, x, y)]
    return finish(layers, width, HEIGHT)


def _domain(sweep: Sweep) -> tuple[float, float]:
    """The y axis: from zero, or for a logarithmic one from below the least; by values, not by intervals."""
    values = [one["y"] for one in sweep.rows]
    return (min(values) / 1.6, max(values) * 1.6) if sweep.tall else (0.0, max(values) * 1.12)


def _lines(rows: Sequence[Row], x: alt.X, y: alt.Y, series: Series) -> alt.Chart:
    bare = [{name: one[name] for name in ("x", "y", "series")} for one in rows]
    line = layer(bare).mark_line(strokeWidth=1.75)
    made: alt.Chart = line.encode(x=x, y=y, color=series.colour(), strokeDash=series.dash())
    return made


def _whiskers(rows: Sequence[Row], x: alt.X, y: alt.Y, series: Series) -> alt.Chart:
    bare = [{name: one[name] for name in ("x", "low", "high", "series")} for one in rows]
    rule = layer(bare).mark_rule(strokeWidth=1.25, opacity=0.5)
    made: alt.Chart = rule.encode(x=x, y=renamed(y, "low:Q"), y2=alt.Y2("high:Q"), color=series.colour())
    return made


def _walls(walls: Mapping[str, float], low: float, high: float, x: alt.X) -> list[alt.Chart]:
    inside = [{"x": at, "name": name.removesuffix("d")} for name, at in walls.items() if low < at < high]
    if not inside:
        return []
    rule = layer(inside).mark_rule(strokeDash=[4, 4], stroke=RULE).encode(x=x)
    mark = layer(inside).mark_text(align="right", baseline="top", dx=-5, fill=MUTED, fontSize=SIZE)
    return [rule, mark.encode(x=x, y=alt.value(0), text=alt.Text("name:N"))]


def _ends(rows: Sequence[Row], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Values written beside their marks: the first to its right, the last to its left."""
    made = []
    for number, one in enumerate(rows):
        if number == len(rows) - 1:
            mark = layer([one]).mark_text(align="right", dx=2, dy=-13, fill=TEXT, fontSize=SIZE)
        else:
            mark = layer([one]).mark_text(align="left", dx=6, dy=8, fill=TEXT, fontSize=SIZE)
        made.append(mark.encode(x=x, y=y, text=alt.Text("text:N")))
    return made


def size_ticks(low: int, high: int, most: int) -> list[int]:
    """Powers of two within the range, evenly spaced, at most ``most`` of them."""
    first, last = (low - 1).bit_length(), high.bit_length() - 1
    step = max(1, -(-(last - first + 1) // most))
    return [1 << power for power in range(first, last + 1, step)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 of each decade where that is few enough, else the decades."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) <= 8:
            return inside
    every = -(-len(inside) // 8)
    return inside[::every]
