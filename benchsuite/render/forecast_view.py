"""What the page of a forecast says, as frozen values: no HTML here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchsuite import units
from benchsuite.model import Footing, Forecast, Phase
from benchsuite.render import forecast_words as words
from benchsuite.render.forecast_chart import waterfall
from benchsuite.render.forecast_table import Outcome, best, document, rows
from benchsuite.render.words import clean


@dataclass(frozen=True, slots=True)
class PhaseView:
    """One phase: what binds it, its drawing, and the same as rows of a table."""

    title: str
    svg: str
    bars: tuple[words.Bar, ...]
    resources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ForecastView:
    """One forecast. id: of its section on the page."""

    id: str
    title: str
    headline: str
    numbers: tuple[words.Number, ...]
    interval: str
    layout: str
    room: str
    phases: tuple[PhaseView, ...]
    grounds: tuple[words.Ground, ...]
    assumptions: tuple[str, ...]
    cautions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PageView:
    """The page. columns, rows: the forecasts side by side, empty where there is one; refused: title and sentence."""

    headline: str
    version: str
    command: str
    forecasts: tuple[ForecastView, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    best: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    footings: tuple[tuple[str, str, str], ...]
    copy: str
    data: Mapping[str, Any] = field(default_factory=dict)


def build(outcomes: Sequence[Outcome], version: str, command: str) -> PageView:
    """The page of these outcomes, of which at least one is a forecast."""
    made = [(one.title, one.made) for one in outcomes if isinstance(one.made, Forecast)]
    views = tuple(one(forecast, title, f"forecast-{number}") for number, (title, forecast) in enumerate(made, 1))
    several = len(outcomes) > 1
    refused = tuple((one.title, str(one.made)) for one in outcomes if not isinstance(one.made, Forecast))
    return PageView(
        headline=f"{clean(made[0][1].model)}: {len(outcomes)} ways side by side." if several else views[0].headline,
        version=version,
        command=command,
        forecasts=views,
        columns=tuple(clean(each.title) for each in outcomes) if several else (),
        rows=tuple((label, tuple(cells)) for label, cells in rows(outcomes)) if several else (),
        best=best(outcomes) if several else (),
        refused=refused,
        footings=tuple((words.FOOTINGS[each][0], each.value, words.FOOTINGS[each][1]) for each in Footing),
        copy=_copy(views, version, command),
        data=document(outcomes),
    )


def one(forecast: Forecast, title: str, name: str = "forecast") -> ForecastView:
    """One forecast in words and drawings."""
    return ForecastView(
        id=name,
        title=clean(title),
        headline=words.headline(forecast),
        numbers=words.numbers(forecast),
        interval=words.interval(forecast),
        layout=words.layout(forecast),
        room=words.room(forecast),
        phases=tuple(_phase(name, phase) for name, phase in words.phases(forecast)),
        grounds=words.grounds(forecast),
        assumptions=words.assumptions(forecast),
        cautions=words.cautions(forecast),
    )


def _phase(title: str, phase: Phase) -> PhaseView:
    bars = words.waterfall(phase)
    used = dict.fromkeys((bar.kind, bar.bound) for bar in bars)
    return PhaseView(title, waterfall(title, phase), bars, tuple(used))


def _copy(views: Sequence[ForecastView], version: str, command: str) -> str:
    """The answer as plain text, for a ticket or a message."""
    lines: list[str] = []
    for view in views:
        lines += [view.headline, *(f"  {each.label}: {each.value} ({each.ends})" for each in view.numbers if each.ends)]
        lines.append(view.interval)
        lines += [f"  ! {text}" for _, text in view.cautions]
    return "\n".join([*lines, f"benchsuite {version}, {command}"]).replace(units.NO_BREAK_SPACE, " ")
