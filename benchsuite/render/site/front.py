"""The overview and the lists: what is measured, on which hardware, by whom, and the index of the search box."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.render.html import embedded
from benchsuite.render.site import context
from benchsuite.render.site.collection import Entry
from benchsuite.render.site.context import Site
from benchsuite.render.site.paths import ROWS
from benchsuite.render.words import counted, family

INDEX = 180_000
"""Bytes of the search index: beyond them the oldest runs are found through the lists only."""
SHOWN = 10

RunRow = tuple[Entry, str, str]
"""A publication, where it was rented, and what came of it in words."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, counted from 1."""

    rows: tuple[RunRow, ...]
    page: int
    last: int


@dataclass(frozen=True, slots=True)
class TypeRow:
    """A type of hardware in a list. both: of its matrix product and its memory the case, its words and the median."""

    name: str
    title: str
    machines: int
    runs: int
    providers: int
    newest: str
    both: tuple[tuple[str, str, str] | None, ...]


@dataclass(frozen=True, slots=True)
class TestRow:
    """A benchmark in a list."""

    name: str
    title: str
    question: str
    cases: int
    machines: int


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider in a list."""

    name: str
    title: str
    machines: int
    types: tuple[tuple[str, str], ...]
    newest: str


def pages(site: Site, numbers: Sequence[int]) -> Iterator[Page]:
    """The list of these publications, page by page; one page at least."""
    last = max(1, -(-len(numbers) // ROWS))
    for page in range(1, last + 1):
        part = numbers[(page - 1) * ROWS : page * ROWS]
        yield Page(tuple(run_row(site.entry(number)) for number in part), page, last)


def sentence(site: Site) -> str:
    """What the site holds, in one sentence."""
    if site.simulated:
        return f"{counted(len(site.collection.entries), 'simulated run')}: no machine was measured."
    entries = [entry for entry in site.collection.entries if entry.populates]
    days = sorted(entry.day for entry in entries if entry.day)
    machines = len({entry.machine for entry in entries})
    when = "" if not days else f" on {days[0]}" if days[0] == days[-1] else f" from {days[0]} to {days[-1]}"
    return (
        f"{counted(machines, 'machine')} of {counted(len(site.types), 'type')} of hardware, measured in "
        f"{counted(len(entries), 'run')}{when}: each number with its interval, its samples, its environment and who "
        "vouches for it."
    )


def run_row(entry: Entry) -> RunRow:
    """A publication as a list shows it."""
    return entry, context.place(entry), context.status_words(entry)


def types(site: Site) -> tuple[TypeRow, ...]:
    """Every type of hardware, the one on most machines first."""
    rows = [_type(site, name) for name in site.types]
    return tuple(sorted(rows, key=lambda row: (-row.machines, row.title)))


def _type(site: Site, name: str) -> TypeRow:
    entries = [site.entry(number) for number in site.types[name]]
    own = [(one, site.spreads[slug][name].n) for slug, one in site.cases.items() if name in site.spreads[slug]]
    chosen = context.headlines(((one, n) for one, n in own if one.benchmark in {"gemm", "memory"}), 12)
    picked = [next((one for one in chosen if one.benchmark == kind), None) for kind in ("gemm", "memory")]
    both = (
        (one.slug, one.words, units.quantity(site.spreads[one.slug][name].median, one.metric)) if one else None
        for one in picked
    )
    return TypeRow(
        name=name,
        title=site.type_title(name),
        machines=len({entry.machine for entry in entries}),
        runs=len(entries),
        providers=len({entry.provider for entry in entries if entry.provider}),
        newest=entries[0].day,
        both=tuple(both),
    )


def tests(site: Site, names: Sequence[str], questions: dict[str, str]) -> tuple[TestRow, ...]:
    """Every benchmark that has a page: those with numbers first."""
    rows = []
    for name in names:
        cases = [one for one in site.cases.values() if one.benchmark == name]
        machines = {site.entry(one.entries[at]).machine for one in cases for at in site.chosen[one.slug]}
        rows.append(TestRow(name, family(name), questions.get(name, ""), len(cases), len(machines)))
    return tuple(sorted(rows, key=lambda row: row.cases == 0))


def providers(site: Site) -> tuple[ProviderRow, ...]:
    """Every provider by name: a list, no ranking."""
    rows = []
    for name, numbers in site.providers.items():
        entries = [site.entry(number) for number in numbers]
        kinds = tuple((kind, site.type_title(kind)) for kind in sorted({entry.type for entry in entries}))
        machines = len({entry.machine for entry in entries})
        rows.append(ProviderRow(name, site.collection.provider_names[name], machines, kinds, entries[0].day))
    return tuple(sorted(rows, key=lambda row: row.title.casefold()))


def search_index(site: Site, tests_: Sequence[tuple[str, str]]) -> str:
    """A script that hands the search box its index: words, kind and address of each page, the runs newest first.

    A script, because a page that was opened from disk may load one from beside it, and nothing else.
    """
    found = [[site.type_title(name), "hardware", f"type/{name}.html"] for name in site.types]
    found += [[title, "test", f"test/{name}.html"] for name, title in tests_]
    found += [
        [title, "provider", f"provider/{name}.html"] for name, title in sorted(site.collection.provider_names.items())
    ]
    found += [[one.title, "case", f"case/{one.slug}.html"] for one in site.cases.values()]
    size, left = sum(len(json.dumps(row)) for row in found), 0
    for number in site.newest:
        entry = site.entry(number)
        row = [f"{entry.label} {entry.day} {entry.id}", "run", f"run/{entry.slug}.html"]
        size += len(json.dumps(row))
        if size > INDEX:
            left += 1
        else:
            found.append(row)
    return f"benchsuiteIndex({embedded({'rows': found, 'left': left})});\n"
