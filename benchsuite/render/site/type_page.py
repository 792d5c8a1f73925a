"""The page of one type of hardware: what its machines give, how far providers differ, prices, what others published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.catalog.hardware import Accelerator
from benchsuite.catalog.prices import Price
from benchsuite.catalog.published import Figure
from benchsuite.catalog.rows import Basis
from benchsuite.model import Metric, Offer
from benchsuite.render.site import context, population, strips
from benchsuite.render.site.collection import Entry, Measured
from benchsuite.render.site.context import Site
from benchsuite.render.site.run_page import dollars
from benchsuite.render.words import clean, counted

PROVIDERS = 5
"""Machines that each provider must have before one is set against another."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One case on the machines of the type."""

    slug: str
    title: str
    family: str
    words: str
    n: int
    median: str
    sort: float
    range: str
    strip: str
    sheet: str
    published: str


@dataclass(frozen=True, slots=True)
class At:
    """The type at one provider: how many machines, what they cost, the median of each main case."""

    slug: str
    name: str
    machines: int
    price: str
    medians: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Priced:
    """One dated price with its source."""

    provider: str
    instance: str
    region: str
    devices: int
    per_device: str
    kind: str
    as_of: str
    source: str
    sort: float


@dataclass(frozen=True, slots=True)
class Published:
    """One published figure, as printed where it stands."""

    what: str
    value: str
    how: str
    as_of: str
    confidence: str
    source: str


@dataclass(frozen=True, slots=True)
class TypeView:
    """Everything that the page prints."""

    name: str
    title: str
    answer: str
    machines: int
    sheet: tuple[tuple[str, str, str], ...]
    sheet_sources: tuple[str, ...]
    sheet_notes: str
    spreads: tuple[Spread, ...]
    cases: tuple[Spread, ...]
    providers: tuple[At, ...]
    main: tuple[str, ...]
    ranked: bool
    prices: tuple[Priced, ...]
    figures: tuple[Published, ...]
    vouched: tuple[tuple[str, int], ...]
    years: str


def build(site: Site, name: str) -> TypeView:
    """The page of a type that has runs."""
    numbers = site.types[name]
    entries = [site.entry(number) for number in numbers]
    hardware = site.hardware(name)
    own = [(one, site.spreads[slug][name]) for slug, one in site.cases.items() if name in site.spreads[slug]]
    main = context.headlines((measured, spread.n) for measured, spread in own)
    chosen = {one.slug for one in main}
    spreads = tuple(_spread(site, *pair, hardware) for pair in own)
    machines = len({entry.machine for entry in entries})
    title = site.type_title(name)
    shown = main[:4]
    providers = _providers(site, entries, shown)
    return TypeView(
        name=name,
        title=title,
        answer=_answer(title, entries, machines),
        machines=machines,
        sheet=tuple(_sheet(hardware)) if hardware else (),
        sheet_sources=hardware.source if hardware else (),
        sheet_notes=hardware.notes if hardware else "",
        spreads=tuple(one for one in spreads if one.slug in chosen),
        cases=spreads,
        providers=providers,
        main=tuple(one.title for one in shown),
        ranked=sum(one.machines >= PROVIDERS for one in providers) > 1,
        prices=prices(site.known.prices, entries, hardware.key if hardware else ""),
        figures=tuple(published(one) for one in site.known.figures if hardware and one.hardware == hardware.key),
        vouched=_vouched(entries),
        years=_span(entries),
    )


def _answer(title: str, entries: Sequence[Entry], machines: int) -> str:
    providers = len({entry.provider for entry in entries if entry.provider})
    where = f", rented from {counted(providers, 'provider')}" if providers else ""
    enough = "" if machines >= population.FEW else f" Fewer than {population.FEW} machines: too few to call one slow."
    return f"{counted(machines, 'machine')} of {title} in {counted(len(entries), 'run')}{where}.{enough}"


def _span(entries: Sequence[Entry]) -> str:
    days = sorted(entry.day for entry in entries if entry.day)
    return (days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}") if days else ""


def _vouched(entries: Sequence[Entry]) -> tuple[tuple[str, int], ...]:
    """Who ran them: each level, and each signer by name."""
    counts: dict[str, int] = {}
    for entry in entries:
        name = f"{entry.level.value}: {entry.signer}" if entry.signer else entry.level.value
        counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _spread(site: Site, measured: Measured, found: population.Distribution, hardware: Accelerator | None) -> Spread:
    references = site.references(measured, hardware)
    ends = strips.span([found], [one.value for one in references])
    sheet = next((one.value for one in references if one.kind == "sheet"), None)
    told = [one.value for one in references if one.kind == "published"]
    return Spread(
        slug=measured.slug,
        title=measured.title,
        family=measured.family,
        words=measured.words or measured.family,
        n=found.n,
        median=units.quantity(found.median, measured.metric),
        sort=found.median,
        range=strips.ranged(*((found.least, found.most) if found.points else (found.p5, found.p95)), measured.metric),
        strip=strips.strip(found, measured.metric, ends, references=references),
        sheet=units.quantity(sheet, measured.metric) if sheet else "",
        published=_told(told, measured.metric),
    )


def _told(values: Sequence[float], metric: Metric) -> str:
    if not values:
        return ""
    return units.quantity(values[0], metric) if len(values) == 1 else strips.ranged(min(values), max(values), metric)


def _providers(site: Site, entries: Sequence[Entry], main: Sequence[Measured]) -> tuple[At, ...]:
    """The type at each provider, in the order of their names: a list, no ranking."""
    by: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.provider:
            by.setdefault(entry.provider, []).append(entry)
    return tuple(_at(site, slug, found, main) for slug, found in sorted(by.items()))


def _at(site: Site, slug: str, entries: Sequence[Entry], main: Sequence[Measured]) -> At:
    costs = sorted(entry.usd for entry in entries if entry.usd is not None)
    told = "" if not costs else dollars(costs[0])
    if costs and dollars(costs[-1]) != told:
        told += f"{units.DASH}{dollars(costs[-1])}"
    name, kind = site.collection.provider_names[slug], entries[0].type
    medians = []
    for measured in main:
        values = values_at(site, measured, kind, slug)
        middle = population.distribution(values).median if values else None
        medians.append(units.quantity(middle, measured.metric) if middle is not None else units.DASH)
    return At(slug, name, len({entry.machine for entry in entries}), told, tuple(medians))


def values_at(site: Site, measured: Measured, kind: str, provider: str = "") -> list[float]:
    """What machines of a type gave in a case, at one provider or at all."""
    entries = site.collection.entries
    return [
        measured.values[position]
        for position in site.chosen[measured.slug]
        if entries[measured.entries[position]].type == kind
        and provider in {"", entries[measured.entries[position]].provider}
    ]


def _sheet(hardware: Accelerator) -> Iterator[tuple[str, str, str]]:
    """Name, value and basis of each figure of the datasheet."""
    for dtype, peak in hardware.peaks.items():
        yield f"{dtype}, dense", units.quantity(peak, Metric.FLOPS), _basis(hardware.basis(dtype))
    told: Mapping[str, tuple[str, str]] = {
        "Memory": (
            f"{hardware.memory / 1e9:.0f} GB {hardware.memory_kind}".strip() if hardware.memory else "",
            "mem_gb",
        ),
        "Memory bandwidth": (
            units.quantity(hardware.bandwidth, Metric.BANDWIDTH) if hardware.bandwidth else "",
            "mem_bw_gbs",
        ),
        "Boost clock": (f"{hardware.clock / 1e6:.0f} MHz" if hardware.clock else "", "boost_mhz"),
        "Processors": (str(hardware.processors or ""), "sms"),
        "Board power": (f"{hardware.watts:.0f} W" if hardware.watts else "", "tdp_w"),
        "Link between devices": (
            f"{hardware.link.bandwidth / 1e9:.0f} GB/s both ways, {hardware.link.kind}" if hardware.link else "",
            "link_gbs_bidir",
        ),
    }
    for name, (value, column) in told.items():
        if value:
            yield name, value, _basis(hardware.basis(column))


def _basis(basis: Basis | None) -> str:
    return {Basis.FOUND: "seen in a source", Basis.MEMORY: "from memory, not looked up"}.get(basis, "") if basis else ""


def prices(known: Sequence[Price], entries: Sequence[Entry], key: str) -> tuple[Priced, ...]:
    """Prices of the catalogue and those that runs were told, newest first. Each has a date and a source."""
    found = {
        Priced(
            one.provider,
            one.instance,
            one.region,
            one.devices,
            dollars(one.per_device),
            one.kind,
            one.as_of,
            one.source,
            one.per_device,
        )
        for one in known
        if key and one.hardware == key
    }
    for entry in entries:
        if entry.offer and entry.usd is not None and entry.offer.as_of:
            found.add(_told_with(entry.offer, entry.usd))
    by_price = sorted(found, key=lambda one: (one.sort, one.provider, one.instance, one.region, one.source, one.kind))
    return tuple(sorted(by_price, key=lambda one: one.as_of, reverse=True))


def _told_with(offer: Offer, usd: float) -> Priced:
    """The price that a run was told."""
    provider, instance, region, kind, as_of = (
        clean(word) for word in (offer.provider, offer.instance, offer.region, offer.kind, offer.as_of)
    )
    source = offer.source or "told with the run"
    return Priced(provider, instance, region, offer.devices, dollars(usd), kind, as_of, source, usd)


def published(one: Figure) -> Published:
    """A figure with everything that its source says."""
    what = one.quantity or " ".join(filter(None, (one.benchmark, one.dtype)))
    if one.role.value != "measured":
        what += f" ({one.role.value})"
    how = "; ".join(filter(None, (one.benchmark if one.quantity else "", one.shape, one.software)))
    seen = "" if one.basis is Basis.FOUND else ", from memory"
    return Published(what, one.text, how, one.as_of, f"{one.confidence.value}{seen}", one.source)
