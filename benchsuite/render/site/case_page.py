"""The page of one case: every type of hardware as a strip on one axis, and every machine in a table, with its rank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchsuite import bandwidths, units
from benchsuite.model import Metric, Origin
from benchsuite.render.site import axes, population, strips
from benchsuite.render.site.collection import Entry, Measured
from benchsuite.render.site.context import Site
from benchsuite.render.site.paths import ROWS
from benchsuite.render.site.ranks import ranks
from benchsuite.render.site.type_page import Published, published
from benchsuite.render.words import counted


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One type of hardware in this case."""

    name: str
    title: str
    n: int
    providers: int
    median: str
    range: str
    strip: str
    sheet: str
    per_dollar: str


@dataclass(frozen=True, slots=True)
class MachineRow:
    """One machine in this case: its newest number."""

    rank: str
    slug: str
    label: str
    type: str
    type_title: str
    value: str
    sort: float
    how: str
    usd: str
    per_dollar: str
    per_dollar_sort: float | None
    day: str
    level: str
    origin: str


@dataclass(frozen=True, slots=True)
class CaseView:
    """Everything that the page prints. hidden: machines that only the CSV file holds."""

    measured: Measured
    answer: str
    formula: str
    unit: str
    axis: str
    axis_unit: str
    types: tuple[TypeRow, ...]
    machines: tuple[MachineRow, ...]
    total: int
    hidden: int
    rule: str
    figures: tuple[tuple[str, Published], ...]
    higher: bool


def build(site: Site, measured: Measured) -> CaseView:
    """The page of a case that some machine has."""
    entries = site.collection.entries
    chosen = sorted(
        site.chosen[measured.slug],
        key=lambda at: (_better(measured, measured.values[at]), entries[measured.entries[at]].id),
    )
    parts = population.by_type(measured, chosen, entries)
    spreads = site.spreads[measured.slug]
    references = {name: site.references(measured, site.hardware(name)) for name in parts}
    ends = strips.span(list(spreads.values()), [one.value for told in references.values() for one in told])
    order = sorted(parts, key=lambda name: (_better(measured, spreads[name].median), name))
    ranges, rule = ranks(site, measured, chosen)
    rows = [_machine(site, measured, at, rank) for at, rank in zip(chosen[:ROWS], ranges[:ROWS], strict=True)]
    figures = tuple(
        (site.type_title(name), published(one)) for name in order for one in site.figures(measured, site.hardware(name))
    )
    return CaseView(
        measured=measured,
        answer=_answer(site, measured, order, len(chosen)),
        formula=formula(measured.metric, measured.benchmark),
        unit=units.unit(measured.metric),
        axis=_axis(ends),
        axis_unit=units.unit(measured.metric, units.prefix(ends[1])[1]),
        types=tuple(_type(site, measured, name, parts[name], ends) for name in order),
        machines=tuple(rows),
        total=len(chosen),
        hidden=max(0, len(chosen) - ROWS),
        rule=rule,
        figures=figures,
        higher=measured.metric.higher_is_better,
    )


FORMULAS = {
    "FLOPS": "rate = FLOP of the algorithm / time; a multiply-add counts as two",
    "BANDWIDTH": "rate = (bytes read + bytes written) / time, each array once",
    "BUSBW": "busbw = bytes that each rank must at least send / time; for an all-reduce 2 (n − 1) / n of the message",
    "ALGBW": "algbw = bytes of the message / time",
    "LATENCY": "time of one dependent step",
    "CLOCK": "steps / time",
}


def formula(metric: Metric, benchmark: str) -> str:
    """How the number comes about; of a collective with its factor."""
    known = bandwidths.FACTORS.get(benchmark)
    if metric is Metric.BUSBW and known:
        return f"busbw = algbw × {known.formula}, algbw = message / time, of n ranks (nccl-tests, doc/PERFORMANCE.md)"
    return FORMULAS.get(metric.name, "")


def _better(measured: Measured, value: float) -> float:
    """The better, the smaller: for sorting."""
    return -value if measured.metric.higher_is_better else value


def _answer(site: Site, measured: Measured, order: Sequence[str], total: int) -> str:
    word = "Highest" if measured.metric.higher_is_better else "Lowest"
    told = f"{counted(total, 'machine')} of {counted(len(order), 'type')} of hardware."
    if len(order) < 2:
        return told
    spread = site.spreads[measured.slug][order[0]]
    middle = units.quantity(spread.median, measured.metric)
    return f"{told} {word} median: {site.type_title(order[0])}, {middle} over {counted(spread.n, 'machine')}."


def _type(site: Site, measured: Measured, name: str, positions: Sequence[int], ends: tuple[float, float]) -> TypeRow:
    spread, entries = site.spreads[measured.slug][name], site.collection.entries
    references = site.references(measured, site.hardware(name))
    sheet = next((one.value for one in references if one.kind == "sheet"), None)
    owners = [entries[measured.entries[at]] for at in positions]
    prices = sorted(entry.usd for entry in owners if entry.usd)
    low, high = (spread.least, spread.most) if spread.points else (spread.p5, spread.p95)
    return TypeRow(
        name=name,
        title=site.type_title(name),
        n=spread.n,
        providers=len({entry.provider for entry in owners if entry.provider}),
        median=units.quantity(spread.median, measured.metric),
        range=strips.ranged(low, high, measured.metric),
        strip=strips.strip(spread, measured.metric, ends, references=references),
        sheet=units.quantity(sheet, measured.metric) if sheet else "",
        per_dollar=worth(measured, spread.median, population.distribution(prices).median) if prices else "",
    )


def worth(measured: Measured, value: float, usd: float) -> str:
    """Work that a dollar buys; nothing for what is no rate. 1 TFLOP/s at $1 an hour is 3.6 PFLOP/$."""
    amount = per_dollar(measured, value, usd)
    if amount is None:
        return ""
    scale, letter = units.prefix(amount)
    return f"{units.significant(amount / scale)}{units.NO_BREAK_SPACE}{letter}{_work(measured)}/$"


def per_dollar(measured: Measured, value: float, usd: float) -> float | None:
    """The work of ``value`` for an hour at ``usd``, in its unit per dollar."""
    return value * 3600.0 / usd if _work(measured) and usd > 0.0 else None


def _work(measured: Measured) -> str:
    return {"FLOP/s": "FLOP", "B/s": "B"}.get(units.unit(measured.metric), "")


def _machine(site: Site, measured: Measured, at: int, rank: tuple[int, int] | None) -> MachineRow:
    entry, value = site.entry(measured.entries[at]), measured.values[at]
    how = site.collection.ways[measured.how[at]]
    devices = measured.case.ranks if measured.case.ranks > 1 else 1
    usd = entry.usd * devices if entry.usd else None
    return MachineRow(
        rank=units.DASH if rank is None else str(rank[0]) if rank[0] == rank[1] else f"{rank[0]}{units.DASH}{rank[1]}",
        slug=entry.slug,
        label=entry.label,
        type=entry.type,
        type_title=site.type_title(entry.type),
        value=units.ranged(value, measured.lows[at], measured.highs[at], measured.metric),
        sort=value,
        how=how.implementation,
        usd="" if usd is None else f"{usd:.2f}",
        per_dollar="" if usd is None else worth(measured, value, usd),
        per_dollar_sort=None if usd is None else per_dollar(measured, value, usd),
        day=entry.day,
        level=f"{entry.level.value}{f': {entry.signer}' if entry.signer else ''}",
        origin="" if entry.origin is Origin.MEASURED else entry.origin.value,
    )


def _axis(ends: tuple[float, float]) -> str:
    """The axis that all strips of the page share, drawn once above them."""
    scale, _ = units.prefix(ends[1])
    place = axes.Scale(ends[0] / scale, ends[1] / scale, strips.PAD, strips.WIDTH - strips.PAD)
    parts = [f'<path class="axis" d="M{strips.PAD} 20H{strips.WIDTH - strips.PAD}"/>']
    for value in place.ticks(5):
        at = place.at(value)
        parts += [axes.line(at, 16, at, 20, "axis"), axes.text(at, 12, axes.tick(value), "tick", "middle")]
    return axes.svg(parts, strips.WIDTH, 22, "position", "Axis of the strips", group=False)


CSV = (
    "run",
    "machine",
    "type",
    "provider",
    "value",
    "low",
    "high",
    "unit",
    "implementation",
    "usd_per_device_hour",
    "date",
)


def csv(site: Site, measured: Measured) -> Iterator[str]:
    """Every number of a case, superseded ones too, a line each. No text in it can be taken for a formula."""
    yield ",".join(CSV) + "\n"
    for at, number in sorted(enumerate(measured.entries), key=lambda pair: site.entry(pair[1]).id):
        entry: Entry = site.entry(number)
        numbers = (measured.values[at], measured.lows[at], measured.highs[at])
        usd = "" if entry.usd is None else f"{entry.usd:.6g}"
        how = site.collection.ways[measured.how[at]].implementation
        texts = (_cell(word) for word in (entry.slug, entry.machine, entry.type, entry.provider))
        words = (*texts, *(f"{one:.7g}" for one in numbers), measured.metric.value, _cell(how), usd, _cell(entry.day))
        yield ",".join(words) + "\n"


def _cell(text: str) -> str:
    """A text as a field: quoted, and never a formula (OWASP)."""
    told = f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
    return '"' + told.replace('"', '""') + '"'
