"""How every chart looks: widths, colours, shapes, text.

Colours are CSS variables, which pass through Vega unread, so one drawing serves light and dark. Series
differ by colour, shape and dash, so that none of the three is needed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import altair as alt

from benchsuite.model import Score
from benchsuite.render.words import clean, family, parameters, value

Row = dict[str, Any]
Layers = Sequence[alt.Chart]
Axis = TypeVar("Axis", alt.X, alt.Y)

WIDE, NARROW = 560, 336
"""Drawn at both widths, shown one by one: a drawing that shrinks takes its text below legibility."""

TEXT, MUTED, RULE, GRID = (f"var(--{name})" for name in ("text", "muted", "rule", "grid"))
COLOURS = [f"var(--series-{number})" for number in range(1, 7)]
SHAPES = ["circle", "diamond", "square", "triangle-up", "cross", "triangle-down"]
DASHES = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [1, 3], [10, 4]]
SIZE = 13.5
"""Text is laid out this large and shown at 12 px (style.css): fonts differ in width from reader to reader."""

HAIR = 0.02
"""Intervals narrower than this fraction of the value hide behind the mark and are left out."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart to be drawn: its place on the page, what it shows, and its drawing at a given width.

    ``series`` in the order of their looks: the page writes the legend, which may have to wrap.
    """

    id: str
    title: str
    note: str
    series: tuple[str, ...]
    chart: Callable[[int], alt.LayerChart]

    def spec(self, width: int, *, check: bool = False) -> dict[str, Any]:
        """The Vega-Lite specification at ``width`` pixels. Tests ``check`` it against the schema; it takes time."""
        made: dict[str, Any] = self.chart(width).to_dict(validate=check)
        return made


def row(score: Score, scale: float) -> Row:
    """A result as a chart needs it, in units of ``scale``, with a sentence for who cannot see it."""
    number = score.value or 0.0
    label = f"{family(score.case.benchmark)} {parameters(score.case)}, {clean(score.implementation)}: {value(score)}"
    return {
        "y": number / scale,
        "low": (score.low if score.low is not None else number) / scale,
        "high": (score.high if score.high is not None else number) / scale,
        "label": label,
    }


def within(rows: Sequence[Row], low: float, high: float) -> list[Row]:
    """The rows with intervals wide enough to be seen, cut at the axis: a wild one must not flatten the rest."""
    return [
        {**one, "low": max(low, one["low"]), "high": min(high, one["high"])}
        for one in rows
        if one["high"] - one["low"] > HAIR * one["y"]
    ]


def layer(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """An empty layer over these rows."""
    return alt.Chart(alt.InlineData(values=tuple(dict(one) for one in rows)))


def renamed(channel: Axis, column: str) -> Axis:
    """The same axis, reading another column: ``low:Q`` in place of ``y:Q``."""
    made = channel.copy()
    made["shorthand"] = column
    return made


def finish(layers: Layers, width: int, height: int) -> alt.LayerChart:
    """The layers as one chart of exactly ``width`` pixels."""
    chart = alt.layer(*layers).properties(
        width=width,
        height=height,
        padding={"left": 2, "right": 10, "top": 2, "bottom": 2},
        background="transparent",
        autosize=alt.AutoSizeParams(type="fit", contains="padding"),
    )
    text: dict[str, Any] = {"labelFontSize": SIZE, "titleFontSize": SIZE, "titleFontWeight": "normal"}
    made: alt.LayerChart = (
        chart.configure(font="system-ui, sans-serif")
        .configure_view(stroke=None)
        .configure_mark(aria=False)
        .configure_axis(
            **text, labelColor=MUTED, titleColor=MUTED, gridColor=GRID, domainColor=RULE, tickColor=RULE, labelPadding=4
        )
    )
    return made


@dataclass(frozen=True, slots=True)
class Series:
    """The names of a chart's series in fixed order, and the looks each gets in every layer."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Series:
        """The series of the rows, in order of appearance."""
        return cls(tuple(dict.fromkeys(one["series"] for one in rows)))

    def _scale(self, looks: Sequence[Any]) -> alt.Scale:
        chosen = [looks[number % len(looks)] for number in range(len(self.names))]
        return alt.Scale(domain=list(self.names), range=chosen)

    def colour(self) -> alt.Color:
        """The colour of each series."""
        return alt.Color("series:N", scale=self._scale(COLOURS), legend=None)

    def shape(self) -> alt.Shape:
        """The shape of each series' marks."""
        return alt.Shape("series:N", scale=self._scale(SHAPES), legend=None)

    def dash(self) -> alt.StrokeDash:
        """The dash of each series' line."""
        return alt.StrokeDash("series:N", scale=self._scale(DASHES), legend=None)


def points(rows: Sequence[Row], x: alt.X, y: alt.Y, series: Series, size: int = 46) -> alt.Chart:
    """A mark at every result (the style rims it in the page's colour, so that marks in a heap stay countable)."""
    mark = layer(rows).mark_point(filled=True, size=size, opacity=1, aria=True)
    colour, shape = series.colour(), series.shape()
    made: alt.Chart = mark.encode(x=x, y=y, color=colour, shape=shape, description=alt.Description("label:N"))
    return made
