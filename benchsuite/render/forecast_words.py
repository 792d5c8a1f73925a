"""A forecast in words and numbers, the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchsuite import units
from benchsuite.model import Band, Bound, Ceiling, Footing, Forecast, Phase
from benchsuite.render.words import clean, counted, sentence

LARGE = 1e3
THROUGHPUT, FIRST, FURTHER = "Throughput", "First token", "Each further token"
READ, WRITTEN, PAID = "Million tokens in", "Million tokens out", "All for a million out"
ENERGY = "Energy of a token out"
"""Labels of the answer."""
FOOTINGS: Mapping[Footing, tuple[str, str]] = {
    Footing.MEASURED: ("●", "measured on this machine"),
    Footing.PUBLISHED: ("◐", "others measured or published it"),
    Footing.ASSUMED: ("○", "the datasheet times what is usual, or an estimate"),
}
"""Glyph and meaning of where a number comes from; the fuller the circle, the firmer the ground."""
KINDS: Mapping[Bound, str] = {
    Bound.COMPUTE: "compute",
    Bound.BANDWIDTH: "bandwidth",
    Bound.LINK: "link",
    Bound.LATENCY: "latency",
    Bound.IDLE: "idle",
}
"""A word for each resource that a class of the style sheet can be named by."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A term of a phase: where it begins and how long it is, as fractions of the whole; its words.

    kind: of the resource, for its colour; hidden: beside a longer one, drawn and not added.
    """

    name: str
    start: float
    length: float
    seconds: str
    share: str
    bound: str
    kind: str
    glyph: str
    footing: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the answer: value with its unit, ends of its interval in the same unit, what it is exactly."""

    label: str
    value: str
    ends: str
    detail: str


@dataclass(frozen=True, slots=True)
class Ground:
    """A ceiling that a forecast rests on."""

    what: str
    value: str
    glyph: str
    footing: str
    source: str


def figure(value: float, digits: int = 3) -> str:
    """A number with three significant digits and its thousands apart: ``12,300``, ``0.0423``."""
    text = units.significant(value, digits)
    return f"{round(value, digits - len(text)):,.0f}" if float(text) >= LARGE else text


def number(label: str, detail: str, band: Band | None, metric: str) -> Number:
    """A band with its unit: ``s`` takes a prefix, ``$`` stands before; a dash where there is none."""
    if band is None:
        return Number(label, units.DASH, "", "see the assumptions")
    scale, letter = units.prefix(band.value) if metric == "s" else (1.0, "")
    value = figure(band.value / scale)
    told = f"${value}" if metric == "$" else f"{value}{units.NO_BREAK_SPACE}{letter}{metric}"
    return Number(label, told, f"{figure(band.low / scale)}{units.DASH}{figure(band.high / scale)}", detail)


def several(count: int, noun: str) -> str:
    """``1 sequence``, ``4,096 sequences``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def tokens(count: int) -> str:
    """``1 token``, ``2,048 tokens``."""
    return several(count, "token")


def machine(forecast: Forecast) -> str:
    """``2 × NVIDIA H200``, the devices of one copy of the model."""
    count = forecast.mesh.devices
    return f"{count} × {clean(forecast.ceilings.name)}" if count > 1 else clean(forecast.ceilings.name)


def subject(forecast: Forecast) -> str:
    """What was asked, without any number of the answer."""
    return f"{clean(forecast.model)}, {forecast.precision.name}, on {machine(forecast)}"


def headline(forecast: Forecast) -> str:
    """The answer in one sentence."""
    rate, price = (one for one in numbers(forecast) if one.label in {THROUGHPUT, WRITTEN})
    priced = f", {price.value} ({price.ends}) per million tokens out" if forecast.usd_out else ""
    return f"{subject(forecast)}: {rate.value} per device ({rate.ends}){priced}."


def all_paid(forecast: Forecast) -> Band | None:
    """Dollars of a million tokens written that pay for all of the time: price / 3600 / rate x 1e6."""
    price = forecast.ceilings.usd_per_hour
    return forecast.throughput.into(price.value / 3600 * 1e6) if price and forecast.usd_out else None


def hour(forecast: Forecast) -> str:
    """What a device costs for an hour; a dash where nobody said."""
    price = forecast.ceilings.usd_per_hour if forecast.usd_out else None
    return f"${price.value:,.2f}" if price else units.DASH


def numbers(forecast: Forecast) -> tuple[Number, ...]:
    """The answer."""
    return (
        number(THROUGHPUT, "written by one device", forecast.throughput, "tokens/s"),
        number(FIRST, f"{tokens(forecast.traffic.isl)}, no queue", forecast.ttft, "s"),
        number(FURTHER, f"{several(round(forecast.batch), 'sequence')} at once", forecast.tpot, "s"),
        number(READ, "time of reading", forecast.usd_in, "$"),
        number(WRITTEN, "time of writing", forecast.usd_out, "$"),
        number(PAID, "time of reading too", all_paid(forecast), "$"),
        number(ENERGY, "devices, reading too", forecast.joules, "J"),
    )


def interval(forecast: Forecast) -> str:
    """What the intervals claim."""
    if forecast.confidence > 0:
        return (
            f"The intervals held {units.percent(forecast.confidence)} of the published results they were calibrated "
            "on; a price has none (docs/forecast.md)."
        )
    return "No coverage can be claimed for these intervals: the cautions say why (docs/forecast.md)."


def phases(forecast: Forecast) -> tuple[tuple[str, Phase], ...]:
    """Both phases, each with its length and what binds it: ``Prefill of …: 412 ms, bound by compute``."""
    named = (
        (f"Prefill of one request, {tokens(forecast.traffic.isl)}", forecast.prefill),
        (f"Decode, one step of {several(round(forecast.batch), 'sequence')}", forecast.decode),
    )
    return tuple(
        (f"{name}: {units.quantity(phase.seconds, 's')}, bound by {phase.bound.value}", phase) for name, phase in named
    )


def room(forecast: Forecast) -> str:
    """What memory holds."""
    length = forecast.traffic.isl + forecast.traffic.osl
    held = several(forecast.max_batch, "sequence")
    return f"Memory holds {held} of {tokens(length)} at once, or one of {tokens(forecast.max_context)}."


def layout(forecast: Forecast) -> str:
    """Over how many devices one copy of the model goes, and how many copies that leaves."""
    mesh, devices = forecast.mesh, forecast.ceilings.devices
    ways = [f"tensor parallel {mesh.tensor}"] if mesh.tensor > 1 else []
    ways += [f"pipeline of {mesh.pipeline}"] if mesh.pipeline > 1 else []
    ways += [f"experts over {mesh.expert}"] if mesh.expert > 1 else []
    told = f" ({', '.join(ways)})" if ways else ""
    copies = f"; {devices} devices hold {counted(devices // mesh.devices, 'copy', 'copies')}" if devices > 1 else ""
    return f"One copy of the model on {counted(mesh.devices, 'device')}{told}{copies}."


def assumptions(forecast: Forecast) -> tuple[str, ...]:
    """What was taken for granted, as sentences."""
    return tuple(sentence(clean(one)) for one in forecast.assumptions)


def cautions(forecast: Forecast) -> tuple[tuple[str, str], ...]:
    """Why the band is wide: code and sentence."""
    return tuple((one.code, sentence(clean(one.words))) for one in forecast.cautions)


def waterfall(phase: Phase) -> tuple[Bar, ...]:
    """The terms one after another, each beginning where the one before ends; a hidden one beside the longest."""
    shown = [term for term in phase.terms if not term.hidden]
    begins: dict[int, float] = {}
    at = 0.0
    for number, term in enumerate(phase.terms):
        if not term.hidden:
            begins[number] = at
            at += term.seconds
    longest = max((number for number in begins), key=lambda number: phase.terms[number].seconds, default=-1)
    beside = begins.get(longest, 0.0)
    whole = max(at, *(beside + term.seconds for term in phase.terms if term.hidden), 1e-30) if shown else 1.0
    return tuple(
        Bar(
            name=clean(term.name),
            start=begins.get(number, beside) / whole,
            length=term.seconds / whole,
            seconds=units.quantity(term.seconds, "s") if term.seconds > 0 else units.DASH,
            share="beside" if term.hidden else units.percent(term.seconds / at if at > 0 else None),
            bound=term.bound.value,
            kind=KINDS[term.bound],
            glyph=FOOTINGS[term.footing][0],
            footing=term.footing.value,
            hidden=term.hidden,
        )
        for number, term in enumerate(phase.terms)
    )


def grounds(forecast: Forecast) -> tuple[Ground, ...]:
    """The ceilings, each with its footing and its source."""
    return tuple(_grounds(forecast))


def _grounds(forecast: Forecast) -> Iterator[Ground]:
    made, kind = forecast.ceilings, forecast.precision.gemm
    yield Ground("memory of a device", units.size(made.memory), "", "", "")
    yield _ground("reading memory", made.bandwidth, "B/s")
    for dtype in dict.fromkeys((kind, "bf16")):
        if dtype in made.gemm:
            yield _ground(f"large products, {dtype}", made.gemm[dtype], "flop/s")
        if dtype in made.attention:
            yield _ground(f"attention, prefill, {dtype}", made.attention[dtype], "flop/s")
    if measured := sum(map(len, made.shapes.values())):
        glyph, _ = FOOTINGS[Footing.MEASURED]
        yield Ground("products of this machine", counted(measured, "shape"), glyph, Footing.MEASURED.value, "")
    for what, one, unit in (
        ("attention, reading the cache", made.decode, "B/s"),
        (f"link, one direction{f', {clean(made.fabric)}' if made.fabric else ''}", made.link, "B/s"),
        ("starting a kernel", made.launch, "s"),
        ("power of a device", made.watts, "W"),
    ):
        if one is not None:
            yield _ground(what, one, unit)
    if made.usd_per_hour is not None and forecast.usd_out is not None:
        yield _ground("a device for an hour", made.usd_per_hour, "")


def _ground(what: str, one: Ceiling, unit: str) -> Ground:
    told = units.quantity(one.value, unit) if unit else f"${figure(one.value)}"
    return Ground(what, told, FOOTINGS[one.footing][0], one.footing.value, clean(one.source))
