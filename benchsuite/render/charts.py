"""Charts: scores become Vega-Lite specifications, Vega draws them as SVG when the page is rendered.

Nothing of Vega travels with the page. Colours are CSS variables, so one drawing serves light and
dark; series differ by colour, shape and dash, so that none is needed alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite import units
from benchsuite.model import Metric, Score, Status
from benchsuite.normalize import Ceilings
from benchsuite.render.words import brief, parameters, value

Spec = dict[str, Any]
Row = dict[str, Any]

WIDE, NARROW = 760, 330
COLOURS = [f"var(--series-{number})" for number in range(1, 7)]
SHAPES = ["circle", "diamond", "square", "triangle-up", "cross", "triangle-down"]
DASHES = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [1, 3], [10, 4]]
SIZE_LABEL = (
    "datum.value >= 1073741824 ? datum.value / 1073741824 + ' GiB' : datum.value >= 1048576 ? "
    "datum.value / 1048576 + ' MiB' : datum.value >= 1024 ? datum.value / 1024 + ' KiB' : datum.value + ' B'"
)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as data: its place on the page, what it shows, and its drawing at a given width."""

    id: str
    title: str
    note: str
    specs: tuple[Spec, Spec]


def draw(spec: Spec) -> str:
    """The SVG of a specification."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(spec)
    return svg


def of_campaign(scores: Sequence[Score], ceilings: Ceilings, caches: Mapping[str, int], cores: int) -> list[Chart]:
    """Every chart that has something to show."""
    measured = [score for score in scores if score.status is Status.OK and score.value is not None]
    made = [
        roofline(measured, ceilings),
        rates(measured),
        bandwidth(measured, caches, cores),
        latency(measured, caches),
        allreduce(measured),
    ]
    return [chart for chart in made if chart is not None]


def roofline(scores: Iterable[Score], ceilings: Ceilings) -> Chart | None:
    """Every best result that memory or arithmetic bounds, at its arithmetic intensity, under the measured roofs."""
    rows = [_roof_point(score) for score in scores if score.best and _on_roofline(score)]
    if not rows or ceilings.bandwidth is None or not ceilings.flops:
        return None
    scale, letter = units.prefix(max(ceilings.flops.values()))
    for row in rows:
        row["y"] = row["flops"] / scale
    left, right = min(row["x"] for row in rows) / 2, max(row["x"] for row in rows) * 4
    roofs = [
        {"x": x, "y": min(peak, ceilings.bandwidth * x) / scale, "series": f"{name} roof"}
        for name, peak in sorted(ceilings.flops.items())
        for x in (left, peak / ceilings.bandwidth, right)
        if left <= x <= right
    ]
    x = _field("x", "arithmetic intensity, FLOP per byte", {"type": "log", "domain": [left, right], "nice": False})
    y = _field("y", f"{letter}FLOP/s", {"type": "log"})
    roof_line: Spec = {
        "data": {"values": roofs},
        "mark": {"type": "line", "strokeWidth": 2, "stroke": "var(--text)"},
        "encoding": {"x": x, "y": y, "strokeDash": _series("series", [str(r["series"]) for r in roofs], "strokeDash")},
    }
    specs = _both(lambda width: _layered(rows, [roof_line, _points(x, y, [row["series"] for row in rows])], width, 330))
    note = "Lines: ceilings measured in this run (arithmetic by fma, memory by the best DRAM result). Higher is better."
    return Chart("roofline", "Roofline", note, specs)


def rates(scores: Iterable[Score]) -> Chart | None:
    """FLOP rates of GEMM and attention, every implementation, with intervals."""
    chosen = [score for score in scores if score.metric is Metric.FLOPS and score.case.benchmark != "fma"]
    if not chosen:
        return None
    scale, letter = units.prefix(max(score.value or 0.0 for score in chosen))
    rows = [
        {
            **_interval(score, scale),
            "case": brief(score.case),
            "series": score.implementation,
        }
        for score in chosen
    ]
    title = f"{letter}FLOP/s"
    axis = {"labelLimit": 300, "title": None, "grid": True, "ticks": False, "domain": False}
    cases = list(dict.fromkeys(row["case"] for row in rows))
    y: Spec = {"field": "case", "type": "nominal", "sort": cases, "axis": axis}
    x = _field("y", title, {"zero": True})
    whisker: Spec = {
        "mark": {"type": "rule"},
        "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}},
    }
    whisker["encoding"]["color"] = _series("series", [row["series"] for row in rows], "color")
    height = 60 + 26 * len(cases)

    def spec(width: int) -> Spec:
        layers = [whisker, _points(x, y, [row["series"] for row in rows])]
        if width == NARROW:
            layers = _with_axis(layers, {**axis, "labelLimit": 170})
        return _layered(rows, layers, width, height)

    note = "Every implementation; whiskers are the 95 % interval over runs."
    return Chart("rates", "Matrix multiplication and attention", note, _both(spec))


def _with_axis(layers: Sequence[Spec], axis: Spec) -> list[Spec]:
    changed = []
    for layer in layers:
        encoding = {**layer["encoding"], "y": {**layer["encoding"]["y"], "axis": axis}}
        changed.append({**layer, "encoding": encoding})
    return changed


def bandwidth(scores: Iterable[Score], caches: Mapping[str, int], cores: int) -> Chart | None:
    """The best bandwidth of each operation over the working set of all threads."""
    chosen = [score for score in scores if score.case.benchmark == "memory" and score.best]
    if len({score.case["bytes"] for score in chosen}) < 2:
        return None
    rows = [
        {**_interval(score, 1e9), "x": int(score.case["bytes"]), "series": str(score.case["op"])} for score in chosen
    ]
    levels = {name: size * (1 if name == "L3" else cores) for name, size in caches.items()}
    scale: Spec = {"type": "sqrt"} if _span(rows) > 8 else {"zero": True}
    note = "Working set of all threads together; dashed: where the caches of all cores end."
    note += " Square-root scale." if "type" in scale else ""
    return _over_size("bandwidth", "Memory bandwidth over size", "GB/s", note, rows, levels, scale)


def latency(scores: Iterable[Score], caches: Mapping[str, int]) -> Chart | None:
    """Time of one dependent load over the working set of one thread."""
    chosen = [score for score in scores if score.case.benchmark == "latency" and score.best]
    if len(chosen) < 2:
        return None
    rows = [{**_interval(score, 1e-9), "x": int(score.case["bytes"]), "series": "pointer chase"} for score in chosen]
    note = "One thread, one random chain; dashed: where its caches end. Lower is better."
    return _over_size("latency", "Latency over size", "ns per load", note, rows, caches, {"type": "log"})


def allreduce(scores: Iterable[Score]) -> Chart | None:
    """Bus bandwidth of every implementation over the message size."""
    chosen = [score for score in scores if score.case.benchmark == "allreduce"]
    if len({score.case["bytes"] for score in chosen}) < 2:
        return None
    rows = [
        {**_interval(score, 1e9), "x": int(score.case["bytes"]), "series": score.implementation} for score in chosen
    ]
    note = f"{chosen[0].case.ranks} ranks on this host; busbw = 2(n−1)/n · bytes / time of the slowest rank."
    return _over_size("allreduce", "All-reduce over size", "busbw, GB/s", note, rows, {}, {"type": "log"})


def _over_size(
    name: str, title: str, unit: str, note: str, rows: list[Row], levels: Mapping[str, int], scale: Spec
) -> Chart:
    """Lines over a size in bytes, with a dashed rule where each cache level ends."""
    sizes = sorted({row["x"] for row in rows})
    names = [row["series"] for row in rows]
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "scale": {"type": "log", "base": 2, "domain": [sizes[0], sizes[-1]], "nice": False},
    }
    y = _field("y", unit, scale)
    walls = [{"x": size, "name": level} for level, size in levels.items() if sizes[0] < size < sizes[-1]]

    def spec(width: int) -> Spec:
        ticks = _size_ticks(sizes[0], sizes[-1], 5 if width == NARROW else 9)
        placed = {**x, "axis": {"title": "bytes", "values": ticks, "labelExpr": SIZE_LABEL, "grid": False}}
        line: Spec = {
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {
                "x": placed,
                "y": y,
                "color": _series("series", names, "color"),
                "strokeDash": _series("series", names, "strokeDash"),
            },
        }
        whisker: Spec = {
            "mark": {"type": "rule"},
            "encoding": {
                "x": placed,
                "y": {**y, "field": "low"},
                "y2": {"field": "high"},
                "color": line["encoding"]["color"],
            },
        }
        return _layered(rows, [*_walls(walls, placed), line, whisker, _points(placed, y, names)], width, 300)

    return Chart(name, title, note, _both(spec))


def _walls(walls: Sequence[Row], x: Spec) -> list[Spec]:
    if not walls:
        return []
    rule: Spec = {
        "data": {"values": list(walls)},
        "mark": {"type": "rule", "strokeDash": [4, 4], "stroke": "var(--rule)"},
        "encoding": {"x": x},
    }
    text: Spec = {
        "data": {"values": list(walls)},
        "mark": {"type": "text", "align": "right", "dx": -4, "fill": "var(--muted)", "fontSize": 12},
        "encoding": {"x": x, "y": {"value": 8}, "text": {"field": "name"}},
    }
    return [rule, text]


def _points(x: Spec, y: Spec, names: Sequence[str]) -> Spec:
    """A mark at every result, told apart by colour and shape, with a sentence for who cannot see it."""
    return {
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
        "encoding": {
            "x": x,
            "y": y,
            "color": _series("series", names, "color"),
            "shape": _series("series", names, "shape"),
            "description": {"field": "label"},
        },
    }


def _series(field: str, names: Sequence[str], channel: str) -> Spec:
    """A scale that gives the same series the same looks on every layer, in order of appearance.

    Every layer states the same legend: Vega-Lite merges them into one, and drops it if one layer has none.
    """
    domain = list(dict.fromkeys(names))
    looks: dict[str, Sequence[Any]] = {"color": COLOURS, "shape": SHAPES, "strokeDash": DASHES}
    palette = [looks[channel][index % len(looks[channel])] for index in range(len(domain))]
    scale = {"domain": domain, "range": palette}
    shown: Spec = {"title": None, "orient": "top", "symbolSize": 80}
    return {"field": field, "type": "nominal", "scale": scale, "legend": shown}


def _field(name: str, title: str, scale: Spec) -> Spec:
    axis: Spec = {"title": title, "tickCount": 6}
    if scale.get("type") == "log":  # decades only: minor lines would drown the marks
        axis = {"title": title, "values": [10.0**power for power in range(-9, 10)], "format": "~g"}
    return {"field": name, "type": "quantitative", "scale": scale, "axis": axis}


def _layered(rows: Sequence[Row], layers: Sequence[Spec], width: int, height: int) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 4,
        "background": None,
        "data": {"values": list(rows)},
        "layer": list(layers),
        "config": _theme(width),
    }


def _theme(width: int) -> Spec:
    text = {"labelColor": "var(--muted)", "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "font": "Arial, Liberation Sans, Helvetica, sans-serif",
        "view": {"stroke": None},
        "axis": {
            **text,
            "titleColor": "var(--muted)",
            "gridColor": "var(--grid)",
            "domainColor": "var(--rule)",
            "tickColor": "var(--rule)",
        },
        "legend": {**text, "labelColor": "var(--text)", "columns": 3 if width == NARROW else 6, "labelLimit": 200},
    }


def _both(spec: Any) -> tuple[Spec, Spec]:
    return spec(WIDE), spec(NARROW)


def _interval(score: Score, scale: float) -> Row:
    words = f"{score.case.benchmark} {parameters(score.case)}, {score.implementation}: {value(score)}"
    number, low, high = (each or 0.0 for each in (score.value, score.low, score.high))
    # A whisker is drawn within a factor of three: beyond that it would only squash everything else.
    return {
        "y": number / scale,
        "low": max(low, number / 3) / scale,
        "high": min(high, number * 3) / scale,
        "label": words,
    }


def _on_roofline(score: Score) -> bool:
    return (
        score.of_ceiling is not None and score.work.flops > 0 and score.work.bytes > 0 and score.case.benchmark != "fma"
    )


def _roof_point(score: Score) -> Row:
    row = _interval(score, 1.0)
    rate = score.work.flops if score.metric is Metric.FLOPS else score.work.bytes
    seconds = rate / (score.value or 1.0)
    intensity = score.work.flops / score.work.bytes
    return {"x": intensity, "flops": score.work.flops / seconds, "series": score.case.benchmark, "label": row["label"]}


def _span(rows: Sequence[Row]) -> float:
    values = [float(row["y"]) for row in rows]
    return max(values) / max(min(values), 1e-12)


def _size_ticks(low: int, high: int, most: int) -> list[int]:
    """Powers of two within the range, evenly spaced, at most ``most`` of them."""
    first, last = (low - 1).bit_length(), high.bit_length() - 1
    step = max(1, -(-(last - first + 1) // most))
    return [1 << power for power in range(first, last + 1, step)]
