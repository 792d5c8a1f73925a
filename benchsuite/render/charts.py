"""Every chart of the report: scores become Vega-Lite specifications, drawn as SVG when the page is rendered.

Nothing of Vega travels with the page, so it needs no script to show its charts and prints as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchsuite.model import Score, Status
from benchsuite.normalize import Ceilings
from benchsuite.render import svg
from benchsuite.render.charts_rates import rates
from benchsuite.render.charts_roof import roofline
from benchsuite.render.charts_sizes import bandwidth, collective_bandwidth, collective_time, latency
from benchsuite.render.looks import COLOURS, NARROW, WIDE, Plot

COLLECTIVES = ("allreduce", "allgather", "reduce_scatter", "alltoall", "broadcast", "shift", "exchange")
SWEPT = {"memory", "latency", "fma", "overlap", *COLLECTIVES}
"""Benchmarks with a drawing of their own; each of the others gets a dot plot, also those added later."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn chart. ``legend``: number of the looks and name of each series, where there are several."""

    id: str
    title: str
    note: str
    legend: tuple[tuple[int, str], ...]
    wide: str
    narrow: str


def figures(scores: Sequence[Score], ceilings: Ceilings, caches: Mapping[str, int], cores: int) -> tuple[Figure, ...]:
    """Every chart that has something to show, drawn."""
    return tuple(
        Figure(
            plot.id,
            plot.title,
            plot.note,
            tuple((1 + number % len(COLOURS), name) for number, name in enumerate(plot.series) if plot.series[1:]),
            svg.draw(plot.spec(WIDE), plot.title, "wide"),
            svg.draw(plot.spec(NARROW), plot.title, "narrow"),
        )
        for plot in plots(scores, ceilings, caches, cores)
    )


def plots(scores: Sequence[Score], ceilings: Ceilings, caches: Mapping[str, int], cores: int) -> list[Plot]:
    """Every chart that has something to show."""
    measured = [score for score in scores if score.status is Status.OK and score.value]
    others = dict.fromkeys(score.case.benchmark for score in measured if score.case.benchmark not in SWEPT)
    sweeps = [[score for score in measured if score.case.benchmark == name] for name in COLLECTIVES]
    made = [
        roofline(measured, ceilings),
        *(rates([score for score in measured if score.case.benchmark == name]) for name in others),
        bandwidth(measured, caches, cores),
        latency(measured, caches),
        *(chart(of) for of in sweeps for chart in (collective_bandwidth, collective_time)),
    ]
    return [plot for plot in made if plot is not None]
