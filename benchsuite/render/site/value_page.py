"""What a dollar buys: price against rate with the Pareto front, and the roofs of all types on one pair of axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchsuite import units
from benchsuite.catalog.prices import Market, offers
from benchsuite.model import Metric
from benchsuite.render.site import context, plots, population
from benchsuite.render.site.case_page import worth
from benchsuite.render.site.collection import Measured
from benchsuite.render.site.context import Site
from benchsuite.render.site.plots import Point, Roof
from benchsuite.render.site.run_page import dollars
from benchsuite.render.words import clean

LOOKS = 6
RATES = frozenset({Metric.FLOPS, Metric.BANDWIDTH})
"""What can be bought by the hour on one device."""


@dataclass(frozen=True, slots=True)
class Row:
    """A type of hardware at one price: at a provider as its runs were told, or the catalogue's list price."""

    type: str
    title: str
    where: str
    price: str
    dated: str
    source: str
    n: int
    rate: str
    buys: str
    place: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One case: the drawing, and the table that it is drawn from."""

    slug: str
    title: str
    svg: str
    legend: tuple[tuple[int, str], ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Priced:
    """A type of hardware at one price, with its median rate and that median's range."""

    type: str
    where: str
    usd: float
    dated: str
    source: str
    n: int
    value: float
    low: float
    high: float
    listed: bool

    @property
    def buys(self) -> float:
        """Rate for the price of a dollar an hour."""
        return self.value / self.usd


def charts(site: Site, most: int = 6) -> tuple[Chart, ...]:
    """A chart of each main case that priced machines have."""
    counts = [(one, sum(spread.n for spread in site.spreads[slug].values())) for slug, one in site.cases.items()]
    rates = [(one, n) for one, n in counts if one.metric in RATES and one.case.ranks == 1 and n]
    made = []
    for measured in context.headlines(rates):
        found = _priced(site, measured)
        if len(found) > 1:
            made.append(_chart(site, measured, found))
    return tuple(made[:most])


def _priced(site: Site, measured: Measured) -> list[Priced]:
    """Each type at each provider that told a price, and at the catalogue's lowest on-demand price."""
    entries = site.collection.entries
    groups: dict[tuple[str, str, str], list[int]] = {}
    for at in site.chosen[measured.slug]:
        entry = entries[measured.entries[at]]
        if entry.usd and entry.offer:
            groups.setdefault((entry.type, clean(entry.offer.provider), clean(entry.offer.kind)), []).append(at)
    found = []
    for (name, provider, kind), positions in sorted(groups.items()):
        owners = [entries[measured.entries[at]] for at in positions]
        spread = population.distribution(measured.values[at] for at in positions)
        where = " · ".join(filter(None, (provider or "unnamed", kind)))
        days = sorted({clean(owner.offer.as_of) for owner in owners if owner.offer and owner.offer.as_of})
        usd = median(owner.usd or 0.0 for owner in owners)
        source = "as the runs were told"
        ends = _ends(measured, positions, spread)
        found.append(Priced(name, where, usd, days[-1] if days else "", source, spread.n, spread.median, *ends, False))
    return [*found, *_listed(site, measured)]


def _ends(measured: Measured, positions: Sequence[int], spread: population.Distribution) -> tuple[float, float]:
    """The middle half of the machines; of one machine its interval."""
    if len(positions) == 1:
        return measured.lows[positions[0]], measured.highs[positions[0]]
    return spread.p25, spread.p75


def _listed(site: Site, measured: Measured) -> list[Priced]:
    found = []
    for name, spread in site.spreads[measured.slug].items():
        hardware = site.hardware(name)
        asked = offers(site.known.prices, hardware=hardware.key, market=Market.ON_DEMAND) if hardware else ()
        if asked:
            one = asked[0]
            where = f"{one.provider} {one.instance}".strip() + " · list price"
            ends = (spread.p25, spread.p75)
            found.append(
                Priced(name, where, one.per_device, one.as_of, one.source, spread.n, spread.median, *ends, True)
            )
    return found


def front(found: Sequence[Priced]) -> list[int]:
    """Positions on the Pareto front, the cheapest first: nothing is both cheaper and faster by its median."""
    order = sorted(range(len(found)), key=lambda at: (found[at].usd, -found[at].value))
    kept: list[int] = []
    for at in order:
        if not kept or found[at].value > found[kept[-1]].value:
            kept.append(at)
    return kept


def _chart(site: Site, measured: Measured, found: Sequence[Priced]) -> Chart:
    kept = front(found)
    looks = _looks(found)
    points = [_point(site, measured, one, looks, at in kept or _near(one, found, kept)) for at, one in enumerate(found)]
    order = sorted(range(len(found)), key=lambda at: (-found[at].buys, found[at].type, found[at].where))
    unit = units.unit(measured.metric)
    return Chart(
        slug=measured.slug,
        title=measured.title,
        svg=plots.scatter(points, [points[at] for at in kept], unit, f"{measured.title}: rate over price"),
        legend=_legend(site, looks),
        rows=tuple(_row(site, measured, found[at], _place(at, found, kept)) for at in order),
    )


def _looks(found: Sequence[Priced]) -> dict[str, int]:
    """A look for each type, in the order of their names; where there are more than looks, the rest share the last."""
    names = sorted({one.type for one in found})
    return {name: min(number + 1, LOOKS) for number, name in enumerate(names)}


def _legend(site: Site, looks: Mapping[str, int]) -> tuple[tuple[int, str], ...]:
    own = [(look, site.type_title(name)) for name, look in looks.items()]
    return tuple(own) if len(own) <= LOOKS else (*own[: LOOKS - 1], (LOOKS, f"{len(own) - LOOKS + 1} others"))


def _near(one: Priced, found: Sequence[Priced], kept: Sequence[int]) -> bool:
    """Whether it may be on the front as far as its range tells: no dearer than what it reaches."""
    rivals = [found[at] for at in kept if found[at].usd <= one.usd]
    return all(one.high >= rival.low for rival in rivals)


def _place(at: int, found: Sequence[Priced], kept: Sequence[int]) -> str:
    if at in kept:
        return "on the front"
    return "on it within its range" if _near(found[at], found, kept) else ""


def _point(site: Site, measured: Measured, one: Priced, looks: Mapping[str, int], full: bool) -> Point:
    title = site.type_title(one.type)
    label = f"{title}, {one.where}: {units.quantity(one.value, measured.metric)} at {dollars(one.usd)}"
    return Point(
        one.usd, one.value, one.low, one.high, one.where, label, looks[one.type], hollow=one.listed or not full
    )


def _row(site: Site, measured: Measured, one: Priced, place: str) -> Row:
    return Row(
        type=one.type,
        title=site.type_title(one.type),
        where=one.where,
        price=dollars(one.usd),
        dated=one.dated,
        source=one.source,
        n=one.n,
        rate=units.quantity(one.value, measured.metric),
        buys=worth(measured, one.value, one.usd),
        place=place,
    )


@dataclass(frozen=True, slots=True)
class RoofRow:
    """One type's ceilings for one element type."""

    type: str
    title: str
    n: int
    flops: str
    bandwidth: str
    knee: str
    sheet_flops: str
    sheet_bandwidth: str


@dataclass(frozen=True, slots=True)
class RoofChart:
    """The roofs of an element type: the drawing and its table. hidden: types that only the table has."""

    dtype: str
    svg: str
    legend: tuple[tuple[int, str], ...]
    rows: tuple[RoofRow, ...]
    hidden: int


def roofs(site: Site) -> tuple[RoofChart, ...]:
    """A chart for each element type whose ceiling some machine measured, together with its memory's."""
    entries = site.collection.entries
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for numbers in site.types.values():
        newest = {entries[number].machine: number for number in reversed(numbers)}
        for number in newest.values():
            roof = entries[number].roof
            for dtype, flops in roof.flops.items():
                if roof.bandwidth and roof.bandwidth > 0.0 and flops > 0.0:
                    found.setdefault(clean(dtype), {}).setdefault(entries[number].type, []).append(
                        (flops, roof.bandwidth)
                    )
    return tuple(_roof_chart(site, dtype, by_type) for dtype, by_type in sorted(found.items()))


def _roof_chart(site: Site, dtype: str, by_type: Mapping[str, Sequence[tuple[float, float]]]) -> RoofChart:
    middles = {
        name: (median(flops for flops, _ in pairs), median(rate for _, rate in pairs))
        for name, pairs in by_type.items()
    }
    most = sorted(middles, key=lambda name: (-len(by_type[name]), name))[:LOOKS]
    shown = {name: number + 1 for number, name in enumerate(sorted(most))}
    drawn = []
    for name, look in shown.items():
        drawn.append(Roof(site.type_title(name), *middles[name], look))
        hardware = site.hardware(name)
        peak = hardware.peaks.get(dtype) if hardware else None
        if hardware and peak and hardware.bandwidth:
            drawn.append(Roof(site.type_title(name), peak, hardware.bandwidth, look, sheet=True))
    order = sorted(middles, key=lambda name: (-middles[name][0], name))
    return RoofChart(
        dtype=dtype,
        svg=plots.rooflines(drawn, f"Roofs for {dtype}"),
        legend=tuple((look, site.type_title(name)) for name, look in shown.items()),
        rows=tuple(_roof_row(site, name, len(by_type[name]), middles[name], dtype) for name in order),
        hidden=len(order) - len(shown),
    )


def _roof_row(site: Site, name: str, n: int, middle: tuple[float, float], dtype: str) -> RoofRow:
    hardware = site.hardware(name)
    peak, rate = (hardware.peaks.get(dtype), hardware.bandwidth) if hardware else (None, None)
    return RoofRow(
        type=name,
        title=site.type_title(name),
        n=n,
        flops=units.quantity(middle[0], Metric.FLOPS),
        bandwidth=units.quantity(middle[1], Metric.BANDWIDTH),
        knee=f"{middle[0] / middle[1]:.3g}",
        sheet_flops=units.quantity(peak, Metric.FLOPS) if peak else units.DASH,
        sheet_bandwidth=units.quantity(rate, Metric.BANDWIDTH) if rate else units.DASH,
    )
