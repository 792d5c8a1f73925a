"""What all pages share: the collection, what counts in populations, names, and what the catalogue knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchsuite.catalog.hardware import Accelerator
from benchsuite.catalog.prices import Price
from benchsuite.catalog.published import Figure, Role, quantity_of
from benchsuite.model import Publication, Status
from benchsuite.render.phrases import FAMILIES
from benchsuite.render.site import population
from benchsuite.render.site.collection import Collection, Entry, Measured
from benchsuite.render.site.population import Distribution
from benchsuite.render.site.strips import Reference
from benchsuite.render.words import clean

COMPARED = 700
"""Machines of the comparison, the newest: its page lists each, and shall stay below 100 kB compressed."""
HEADLINES = 12
"""Cases that stand for a type of hardware, before the table of all of them."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalogue knows; all empty where none is wanted. ``publications``: the figures as publications."""

    accelerators: Mapping[str, Accelerator] = field(default_factory=dict)
    prices: Sequence[Price] = ()
    figures: Sequence[Figure] = ()
    publications: Sequence[Publication] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """What every page may look up.

    chosen: case (slug) -> the positions of its columns that count, one for each machine; spreads: case -> type -> the
    spread of its machines; machines, types, providers: numbers of publications, newest first; newer: the campaign
    that superseded one, by number.
    """

    title: str
    version: str
    collection: Collection
    known: Known
    chosen: Mapping[str, Sequence[int]]
    spreads: Mapping[str, Mapping[str, Distribution]]
    cases: Mapping[str, Measured]
    machines: Mapping[str, Sequence[int]]
    types: Mapping[str, Sequence[int]]
    providers: Mapping[str, Sequence[int]]
    newer: Mapping[int, int]

    @property
    def simulated(self) -> bool:
        """Whether no machine gave any of its numbers."""
        return all(entry.simulated for entry in self.collection.entries)

    @property
    def compared(self) -> int:
        """How many machines the comparison holds at most."""
        return COMPARED

    @property
    def newest(self) -> list[int]:
        """Every publication, newest first."""
        return ordered(range(len(self.collection.entries)), self.collection.entries)

    def entry(self, number: int) -> Entry:
        """The publication with that number."""
        return self.collection.entries[number]

    def type_title(self, name: str) -> str:
        """What a type of hardware is called: by the catalogue, else by its driver."""
        numbers = self.types.get(name, ())
        key = self.entry(numbers[0]).hardware if numbers else ""
        known = self.known.accelerators.get(key)
        return known.name if known else self.collection.type_names.get(name, name)

    def hardware(self, name: str) -> Accelerator | None:
        """The catalogue's entry of a type."""
        numbers = self.types.get(name, ())
        return self.known.accelerators.get(self.entry(numbers[0]).hardware) if numbers else None

    def references(self, measured: Measured, hardware: Accelerator | None) -> list[Reference]:
        """What of a case was not measured here: the datasheet's value, and published figures."""
        if hardware is None:
            return []
        found = []
        sheet = sheet_value(measured, hardware)
        if sheet:
            found.append(Reference(sheet, "sheet", "datasheet"))
        found += [Reference(one.value, "published", "published") for one in self.figures(measured, hardware)]
        return found

    def figures(self, measured: Measured, hardware: Accelerator | None) -> list[Figure]:
        """Published figures of this hardware that measure what the case does."""
        name = quantity_of(measured.case, measured.metric) if hardware else None
        return [
            one
            for one in self.known.figures
            if name and hardware and one.role is Role.MEASURED and (one.hardware, one.quantity) == (hardware.key, name)
        ]


def sheet_value(measured: Measured, hardware: Accelerator) -> float | None:
    """What the datasheet promises for a case: the dense peak of a product's type, the memory's bandwidth."""
    params = dict(measured.case.params)
    if measured.benchmark in {"gemm", "gemm-blockscaled", "peak"}:
        return hardware.rates.get(str(params.get("dtype", "")))
    far = measured.benchmark == "memory" and int(params.get("bytes", 0)) >= 4 * (hardware.cache or float("inf"))
    return hardware.bandwidth or None if far else None


def ordered(numbers: Iterable[int], entries: Sequence[Entry]) -> list[int]:
    """Numbers of publications, newest first, those of one moment by their id."""
    by_id = sorted(numbers, key=lambda number: entries[number].id)
    return sorted(by_id, key=lambda number: entries[number].started, reverse=True)


def site(title: str, version: str, collection: Collection, known: Known) -> Site:
    """The shared knowledge of a collection that is complete."""
    entries = collection.entries
    real = [number for number, entry in enumerate(entries) if entry.populates]
    counted = population.current(entries) & frozenset(real)
    chosen = {one.slug: population.rows(one, counted, entries) for one in collection.cases.values()}
    machines = _grouped(range(len(entries)), entries, lambda entry: entry.machine)
    return Site(
        title=title,
        version=version,
        collection=collection,
        known=known,
        chosen=chosen,
        spreads=population.distributions(collection, chosen),
        cases={measured.slug: measured for measured in sorted_cases(collection.cases.values())},
        machines=machines,
        types=_grouped(real, entries, lambda entry: entry.type),
        providers=_grouped(real, entries, lambda entry: entry.provider),
        newer=_newer(machines, entries),
    )


def _grouped(numbers: Iterable[int], entries: Sequence[Entry], name: Callable[[Entry], str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number in ordered(numbers, entries):
        if name(entries[number]):
            found.setdefault(name(entries[number]), []).append(number)
    return dict(sorted(found.items()))


def _newer(machines: Mapping[str, Sequence[int]], entries: Sequence[Entry]) -> dict[int, int]:
    """Each campaign that a later one of the same machine and scope superseded, and the latest such."""
    found = {}
    for numbers in machines.values():
        latest: dict[tuple[str, int], int] = {}
        for number in numbers:
            first = latest.setdefault(entries[number].scope, number)
            if first != number:
                found[number] = first
    return found


def sorted_cases(cases: Iterable[Measured]) -> list[Measured]:
    """By benchmark as the report orders them, then by parameters, numbers by their size."""
    order = {name: number for number, name in enumerate(FAMILIES)}

    def key(one: Measured) -> tuple[int, str, list[tuple[str, float, str]], int, str]:
        params = [
            (name, float(value), "") if isinstance(value, (int, float)) else (name, 0.0, str(value))
            for name, value in one.case.params
        ]
        return order.get(one.benchmark, len(order)), one.benchmark, params, one.case.ranks, one.metric.value

    return sorted(cases, key=key)


def headlines(cases: Iterable[tuple[Measured, int]], most: int = HEADLINES) -> list[Measured]:
    """The cases that stand for many: of each benchmark and element type the largest that nearly all machines have.

    ``cases``: each with how many machines have it. Products of other than usual numbers stand for nothing.
    """
    groups: dict[tuple[str, str], list[tuple[Measured, int]]] = {}
    for measured, count in cases:
        params = dict(measured.case.params)
        if params.get("data", "normal") == "normal":
            kind = str(params.get("dtype", params.get("direction", params.get("level", ""))))
            groups.setdefault((measured.benchmark, kind), []).append((measured, count))
    chosen = sorted_cases(_largest(group) for group in groups.values())
    first = [one for one in chosen if one.benchmark in FIRST]
    rest = [one for one in chosen if one.benchmark not in FIRST]
    kept = {one.slug for one in [*first, *rest][:most]}
    return [one for one in chosen if one.slug in kept]


NEARLY = 0.9
"""The part of a group's machines that a case must have to stand for it."""


def _largest(group: Sequence[tuple[Measured, int]]) -> Measured:
    usual = NEARLY * max(count for _, count in group)

    def rank(one: Measured) -> tuple[bool, float, str]:
        params = dict(one.case.params)
        return params.get("op") == "triad", float(params.get("bytes", 0)) or one.work.flops or one.work.bytes, one.key

    return max((measured for measured, count in group if count >= usual), key=rank)


FIRST = frozenset({"gemm", "attention", "decode", "memory", "latency", "allreduce", "transfer", "p2p"})
"""Benchmarks that people ask for before the probes of single ceilings."""


def status_words(entry: Entry) -> str:
    """``"98 verified, 1 wrong, 2 failed"``."""
    names = {Status.OK: "verified", Status.REJECTED: "wrong", Status.FAILED: "failed", Status.SKIPPED: "not run"}
    return ", ".join(f"{entry.counts[status]} {word}" for status, word in names.items() if entry.counts[status])


def place(entry: Entry) -> str:
    """Where it was rented: provider, instance, region."""
    offer = entry.offer
    return " · ".join(clean(part) for part in (offer.provider, offer.instance, offer.region) if part) if offer else ""
