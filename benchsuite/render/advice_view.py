"""Advice put into words: the same on a page and on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchsuite import units
from benchsuite.model import Band
from benchsuite.predict.advise import MONTH, Advice, Plan
from benchsuite.predict.capacity import SCORE
from benchsuite.predict.ownership import Verdict
from benchsuite.render.advice_chart import Point, chart
from benchsuite.render.advice_document import document
from benchsuite.render.words import clean, counted

METHOD = (
    (
        "Requests arrive at random (Poisson) and are dealt evenly to the copies; each reads and writes as many tokens "
        "as the next. Prompts are read in pieces of {chunk:,} tokens beside the steps that write."
    ),
    "Software is as good as the serving engines whose published results the step model was fitted to.",
    "Instances are rented whole, {hours:g} hours a month, at work or not; no spare copy, host or traffic is counted.",
    (
        "The band is that of rates under limits, of which 90 % of 22 published ones lay within a factor of "
        "{factor:.2g} of the simulation, or wider; an open end means that the slow end of the forecast keeps the "
        "limits at no rate."
    ),
    "A narrower precision changes what a model writes: measure its quality before you take the cheaper plan.",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A plan. number: its place, and its name in the chart; mark: how it stands against the cheapest."""

    number: int
    device: str
    offer: str
    precision: str
    copy: str
    devices: str
    month: str
    month_ends: str
    mtok: str
    mtok_ends: str
    first: str
    further: str
    load: str
    dated: str
    mark: str
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """Offers that were left out for one reason."""

    device: str
    precision: str
    offers: str
    reason: str


@dataclass(frozen=True, slots=True)
class OwnView:
    """Owning against renting. inputs: name, value, source."""

    headline: str
    lines: tuple[str, ...]
    inputs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class View:
    """What is shown. rows: the cheapest plan of each device and precision; every: all plans."""

    headline: str
    asked: str
    sentences: tuple[str, ...]
    rows: tuple[Row, ...]
    every: tuple[Row, ...]
    left: tuple[Left, ...]
    chart: str
    own: OwnView | None
    method: tuple[str, ...]
    version: str
    command: str
    data: dict[str, Any]

    @property
    def copy(self) -> str:
        """The answer as text."""
        return "\n".join((self.headline, self.asked, *self.sentences))


def build(advice: Advice, own: Verdict | None, market: str, version: str, command: str, today: str) -> View:
    """Everything that page and terminal show."""
    every = tuple(_row(advice, number, plan) for number, plan in enumerate(advice.plans, 1))
    first: dict[tuple[str, str], int] = {}
    for number, plan in enumerate(advice.plans):
        first.setdefault((plan.price.hardware, plan.capacity.precision.name), number)
    shown = list(first.values())
    method = tuple(one.format(chunk=advice.wanted.chunk, hours=MONTH, factor=math.exp(SCORE)) for one in METHOD)
    data = {**document(advice, own, market, today), "assumptions": list(method)}
    return View(
        headline=_headline(advice),
        asked=_asked(advice, market),
        sentences=tuple(_sentences(advice)),
        rows=tuple(every[number] for number in shown),
        every=every,
        left=tuple(_left(advice)),
        chart=chart([_point(advice, number) for number in shown], advice.wanted.limits.tpot) if shown else "",
        own=_own(own, advice) if own else None,
        method=method,
        version=version,
        command=command,
        data=data,
    )


def dollars(value: float) -> str:
    """Dollars with three digits, whole ones from a hundred on: ``$0.153``, ``$14,016``."""
    if not math.isfinite(value):
        return "no end"
    return f"${value:,.0f}" if value >= 100 or not value else f"${units.significant(value)}"


def ends(band: Band) -> str:
    """The ends of a band of dollars: so many instances are rented whole that both may need the same."""
    if band.low == band.high:
        return "same at both ends"
    return f"{dollars(band.low)}{units.DASH}{dollars(band.high)}"


def _headline(advice: Advice) -> str:
    if not advice.plans:
        return "No offer keeps these limits at this rate."
    best = advice.plans[0]
    tied = sum(plan.undecided for plan in advice.plans)
    told = f"{counted(best.devices, 'GPU')}: {_device(advice, best)}, {best.capacity.precision.name}, {_offer(best)}"
    if tied:
        return f"Cheapest by estimate, and not told apart from {counted(tied, 'other plan')}: {told}."
    return f"Cheapest: {told}."


def _asked(advice: Advice, market: str) -> str:
    wanted = advice.wanted
    named = [("first token", wanted.limits.ttft), ("each further one", wanted.limits.tpot)]
    limits = ", ".join(f"{name} within {units.quantity(one, 's')}" for name, one in named if math.isfinite(one))
    rate = f"{wanted.rate:,.10g} request{'' if wanted.rate == 1 else 's'}/s"
    return (
        f"{clean(wanted.shape.key or wanted.shape.hf_id)}, {rate} of {wanted.isl:,} + "
        f"{wanted.osl:,} tokens; {limits} for {wanted.limits.share * 100:g} % of the requests; {market} prices."
    )


def _sentences(advice: Advice) -> Iterator[str]:
    for plan in advice.plans[:1]:
        yield (
            f"{dollars(plan.usd_per_month.value)} a month ({ends(plan.usd_per_month)}), "
            f"{dollars(plan.usd_per_mtok.value)} for a million tokens written ({ends(plan.usd_per_mtok)})."
        )
        if not plan.sure:
            yield "At the slow end of the forecast it keeps the limits at no rate: measure before you rent."
        if not plan.capacity.confidence:
            yield "Its band has no known coverage: " + " ".join(one.words for one in plan.capacity.cautions)
    yield from advice.sentences


def _device(advice: Advice, plan: Plan) -> str:
    known = advice.machines.get(plan.price.hardware)
    return clean(known.name if known else plan.price.hardware)


def _offer(plan: Plan) -> str:
    price = plan.price
    return clean(f"{price.provider} {price.instance}")


def _mark(advice: Advice, number: int, plan: Plan) -> str:
    if not plan.sure:
        return "may miss the limits"
    if number == 1:
        return "cheapest"
    return "cannot be told apart" if plan.undecided else "dearer"


def _row(advice: Advice, number: int, plan: Plan) -> Row:
    capacity, at = plan.capacity, plan.at
    return Row(
        number=number,
        device=_device(advice, plan),
        offer=_offer(plan),
        precision=capacity.precision.name,
        copy=f"{counted(capacity.tensor, 'GPU')}, {capacity.batch:,} at once",
        devices=f"{plan.devices}",
        month=dollars(plan.usd_per_month.value),
        month_ends=ends(plan.usd_per_month),
        mtok=dollars(plan.usd_per_mtok.value),
        mtok_ends=ends(plan.usd_per_mtok),
        first=f"{units.quantity(at.ttft_p50, 's')}{units.NO_BREAK_SPACE}/ {units.quantity(at.ttft_p99, 's')}",
        further=f"{units.quantity(at.tpot_p50, 's')}{units.NO_BREAK_SPACE}/ {units.quantity(at.tpot_p99, 's')}",
        load=units.percent(at.load),
        dated=clean(plan.price.as_of),
        mark=_mark(advice, number, plan),
        cautions=tuple(one.code for one in capacity.cautions),
    )


def _point(advice: Advice, number: int) -> Point:
    plan = advice.plans[number]
    return Point(
        number=number + 1,
        name=f"{_device(advice, plan)}, {plan.capacity.precision.name}, {_offer(plan)}",
        precision=plan.capacity.precision.name,
        latency=plan.at.tpot_p99,
        dollars=plan.usd_per_mtok,
    )


def _left(advice: Advice) -> Iterator[Left]:
    """One line for each device, precision and reason."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in advice.rejected:
        told = f"{one.price.provider} {one.price.instance}, {one.price.as_of}" if one.price else ""
        groups.setdefault((one.hardware, one.precision, one.words), []).append(told)
    for (hardware, precision, words), offers in groups.items():
        named = list(dict.fromkeys(filter(None, offers)))
        told = named[0] + (f" and {len(named) - 1} more" if len(named) > 1 else "") if named else ""
        yield Left(clean(hardware), clean(precision), clean(told), clean(words))


def _own(verdict: Verdict, advice: Advice) -> OwnView:
    device = _device(advice, advice.plans[0])
    word = "Own" if verdict.cheaper == "own" else "Rent"
    told = f"{word}: an hour at work of {device} costs {dollars(verdict.owned)} owned, {dollars(verdict.rented)} rented"
    lines = [
        f"It has paid for itself after {verdict.months:.1f} months, {verdict.hours:,.0f} hours at work."
        if verdict.months is not None and verdict.hours is not None
        else "It does not pay for itself within the years over which it is written off.",
        f"Both cost the same when it works {units.percent(verdict.even)} of all hours."
        if verdict.even is not None
        else "Renting is cheaper even if it works in every hour.",
        (
            f"A year of owning: depreciation {dollars(verdict.depreciation)}, interest {dollars(verdict.interest)}, "
            f"energy {dollars(verdict.energy)}, failures {dollars(verdict.failures)}, "
            f"hosting {dollars(verdict.hosting)}."
        ),
    ]
    inputs = tuple((name, f"{value:g}", source) for name, value, source in verdict.assumptions)
    return OwnView(f"{told}.", tuple(lines), inputs)
