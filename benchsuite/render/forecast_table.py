"""Forecasts side by side: the same rows for a terminal and for a page, and all of it as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchsuite import units
from benchsuite.errors import RefusedError
from benchsuite.model import Band, Ceiling, Ceilings, Forecast, Phase
from benchsuite.render import forecast_words as words
from benchsuite.render.words import clean


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one machine and precision: a forecast, or why there is none. ``title``: to tell it from others."""

    title: str
    made: Forecast | RefusedError


def columns(outcomes: Sequence[Outcome]) -> list[str]:
    """The title of each."""
    return [clean(one.title) for one in outcomes]


def rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, list[str]]]:
    """Label and cells; what was refused says so in the first row and has dashes below."""
    made = [one.made for one in outcomes]
    told = [_numbers(one) if isinstance(one, Forecast) else {} for one in made]
    labels = dict.fromkeys(label for each in told for label in each)
    for number, label in enumerate(labels):
        cells = [each.get(label, units.DASH if number else "✖ refused") for each in told]
        if set(cells) - {units.DASH}:
            yield label, cells
    if not labels:
        yield "", ["✖ refused"] * len(made)
    for label, what in (
        ("A device for an hour", words.hour),
        ("Devices of a copy", lambda one: str(one.mesh.devices)),
        ("Sequences at once", lambda one: f"{one.batch:,.0f} of {one.max_batch:,}"),
        ("Longest sequence", lambda one: f"{one.max_context:,}"),
        ("Reading is bound by", lambda one: one.prefill.bound.value),
        ("Writing is bound by", lambda one: one.decode.bound.value),
    ):
        if labels:
            yield label, [what(one) if isinstance(one, Forecast) else units.DASH for one in made]


def _numbers(one: Forecast) -> dict[str, str]:
    return {each.label: f"{each.value} ({each.ends})" if each.ends else each.value for each in words.numbers(one)}


def best(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Who writes most tokens in a second, and who cheapest, as sentences; who cannot be told from them."""
    made = [(clean(one.title), one.made) for one in outcomes if isinstance(one.made, Forecast)]
    rates = [(title, each.throughput) for title, each in made]
    costs = [(title, paid) for title, each in made if (paid := words.all_paid(each)) is not None]
    told = [_first("Most tokens per second and device", sorted(rates, key=lambda one: -one[1].value))]
    if len(costs) > 1:
        told.append(_first("Fewest dollars for these requests", sorted(costs, key=lambda one: one[1].value)))
    return tuple(told)


def _first(what: str, order: Sequence[tuple[str, Band]]) -> str:
    (title, ahead), *others = order
    near = [name for name, band in others if band.high >= ahead.low and band.low <= ahead.high]
    doubt = f", not told apart from {' or '.join(near)}" if near else ""
    return f"{what}: {title}{doubt}."


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Everything as JSON, in SI units and US dollars: what was forecast, and what was refused and why."""
    return {
        "forecasts": [one_document(one.made) for one in outcomes if isinstance(one.made, Forecast)],
        "refused": [
            {"what": one.title, "reason": one.made.message, "remedy": one.made.remedy}
            for one in outcomes
            if isinstance(one.made, RefusedError)
        ],
    }


def one_document(forecast: Forecast) -> dict[str, Any]:
    """One forecast. Rates are of one device; ``seconds`` of a phase is the sum of its terms that are not hidden."""
    return {
        "model": forecast.model,
        "machine": _machine(forecast.ceilings),
        "precision": asdict(forecast.precision),
        "mesh": {**asdict(forecast.mesh), "devices": forecast.mesh.devices},
        "traffic": asdict(forecast.traffic),
        "engine": forecast.engine,
        "tokens_per_second": _band(forecast.throughput),
        "ttft_seconds": _band(forecast.ttft),
        "tpot_seconds": _band(forecast.tpot),
        "usd_per_million_in": _band(forecast.usd_in),
        "usd_per_million_out": _band(forecast.usd_out),
        "usd_per_million_out_all_paid": _band(words.all_paid(forecast)),
        "joules_per_token": _band(forecast.joules),
        "confidence": forecast.confidence,
        "batch": forecast.batch,
        "max_batch": forecast.max_batch,
        "max_context": forecast.max_context,
        "phases": [_phase(forecast.prefill), _phase(forecast.decode)],
        "assumptions": list(forecast.assumptions),
        "cautions": [asdict(one) for one in forecast.cautions],
    }


def _band(band: Band | None) -> dict[str, float] | None:
    return asdict(band) if band else None


def _phase(phase: Phase) -> dict[str, Any]:
    terms = [asdict(term) | {"bound": term.bound.value, "footing": term.footing.value} for term in phase.terms]
    return {"name": phase.name, "seconds": phase.seconds, "bound": phase.bound.value, "terms": terms}


def _machine(made: Ceilings) -> dict[str, Any]:
    """The ceilings; of measured shapes, kernels and messages how many there are."""
    rates = ("bandwidth", "decode", "link", "launch", "watts", "usd_per_hour")
    return {
        **{name: getattr(made, name) for name in ("name", "hardware", "devices", "memory", "fabric", "processors")},
        **{name: _ceiling(getattr(made, name)) for name in rates},
        **{name: {k: _ceiling(one) for k, one in getattr(made, name).items()} for name in ("gemm", "attention")},
        "types": sorted(made.types),
        "measured_shapes": sum(map(len, made.shapes.values())),
        "measured_kernels": len(made.kernels),
        "measured_messages": sum(map(len, made.messages.values())),
    }


def _ceiling(one: Ceiling | None) -> dict[str, Any] | None:
    """``value`` is null where it is no number."""
    if one is None:
        return None
    value = one.value if math.isfinite(one.value) else None
    return {"value": value, "footing": one.footing.value, "source": one.source}
