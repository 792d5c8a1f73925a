"""Publications -> a site in a folder: read once into columns, then each page is written once.

Only columns stay in memory; a publication is read back from the site's own data when its page is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import groupby
from typing import Any

import msgspec

from benchsuite import __version__, assets, discovery, provenance, publication
from benchsuite.errors import DataError
from benchsuite.model import Exhibit, Level, Publication
from benchsuite.render.html import digest as hashed
from benchsuite.render.site import (
    case_page,
    compare_page,
    context,
    front,
    machine_page,
    normality,
    paths,
    provider_page,
    question_page,
    run_page,
    tables,
    templates,
    type_page,
    value_page,
)
from benchsuite.render.site.collection import Collection
from benchsuite.render.site.context import Known, Site
from benchsuite.render.site.folder import Folder
from benchsuite.render.words import clean, family

PART = 1000
"""Publications whose results stand in one CSV or Parquet file."""

Tell = Callable[[str, int, int], None]
"""Told of progress: what is being done, how much of it is done, and how much there is (0: not known)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A publication to be shown, with the file of its public samples and its signature where there are such."""

    exhibit: Exhibit
    samples: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Built:
    """What was written."""

    runs: int
    machines: int
    types: int
    cases: int
    files: int
    size: int


@dataclass(slots=True)
class Builder:
    """A site on its way. numbers, problems: of each publication, by the name of its page; samples, signatures: names of
    those that have such beside them."""

    folder: Folder
    title: str
    tell: Tell
    collection: Collection = field(default_factory=Collection)
    numbers: dict[str, int] = field(default_factory=dict)
    problems: dict[str, tuple[str, ...]] = field(default_factory=dict)
    samples: set[str] = field(default_factory=set)
    signatures: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)

    def take(self, sources: Iterable[Source], total: int = 0) -> None:
        """Read every source, and write its data. The same publication twice is one, with what either has beside it.

        Raises ``DataError`` when two that differ claim one id.
        """
        for count, source in enumerate(sources, 1):
            told = source.exhibit.publication
            slug, content = paths.slug(told.id), publication.encode(told)
            name = f"data/run/{slug}.json"
            if name not in self.folder.sums:
                self.folder.write(name, content)
                self.numbers[slug] = len(self.collection.entries)
                self.problems[slug] = source.exhibit.problems
                self.collection.add(source.exhibit, slug)
            elif slug not in self.numbers or self.folder.sums[name] != publication.digest(content):
                raise DataError(f"Two publications have the id {told.id}.", "Leave one of them out.")
            self._beside(source, slug)
            self.tell("read", count, total)

    def _beside(self, source: Source, slug: str) -> None:
        """Samples and signature, and who vouches, if that is more than was known."""
        for content, suffix, known in (
            (source.samples, publication.SAMPLES, self.samples),
            (source.signature, f".json{provenance.SUFFIX}", self.signatures),
        ):
            if content and slug not in known:
                if f"data/run/{slug}{suffix}" in self.folder.sums:
                    raise DataError(f"Two publications have the id {slug}{suffix}.", "Leave one of them out.")
                self.folder.write(f"data/run/{slug}{suffix}", content)
                known.add(slug)
        number, order = self.numbers[slug], list(Level)
        entry, exhibit = self.collection.entries[number], source.exhibit
        if order.index(exhibit.level) > order.index(entry.level):
            vouched = replace(entry, level=exhibit.level, signer=clean(exhibit.signer))
            self.collection.entries[number] = vouched

    def exhibit(self, number: int) -> Exhibit:
        """A publication as it was read, from the site's own data."""
        entry = self.collection.entries[number]
        told = msgspec.json.decode(self.folder.read(f"data/run/{entry.slug}.json"), type=Publication)
        return Exhibit(told, entry.label, entry.level, entry.signer, self.problems[entry.slug])

    def page(self, site: Site, template: str, path: str, **values: Any) -> None:
        """Write one page."""
        self.folder.write(path, templates.page(template, path, site, **values))

    def data(self, name: str, content: str | bytes) -> None:
        """Write a file that the data page names."""
        self.folder.write(name, content)
        self.sizes[name] = len(content.encode() if isinstance(content, str) else content)


def build(folder: Folder, sources: Iterable[Source], known: Known, title: str, tell: Tell, total: int = 0) -> Built:
    """Write the site of these sources. Raises ``DataError`` when there is none."""
    builder = Builder(folder, title, tell)
    builder.take(sources, total)
    if not builder.collection.entries:
        raise DataError("There is nothing to publish.", "Name a folder with runs or publications.")
    site = context.site(title, __version__, builder.collection, known)
    for step in (_assets, _runs, _types, _cases, _providers, _machines, _front, _compare, _data):
        step(builder, site)
    machines, types = len(site.machines), len(site.types)
    return Built(len(builder.collection.entries), machines, types, len(site.cases), len(folder.sums), folder.size)


def _assets(builder: Builder, site: Site) -> None:
    reports = assets.folder("reports")
    style = "".join(_text(reports / name) for name in ("style.css", "site/site.css"))
    builder.folder.write("assets/site.css", style)
    builder.folder.write("assets/site.js", _text(reports / "site" / "site.js"))
    script = _text(reports / "site" / "404.js")
    policy = templates.policy(f"'{hashed(script)}'", f"'{hashed(style)}'")
    made = templates.alone("404.html.j2", site=site, policy=policy, style=style, script=script)
    builder.folder.write("404.html", made)


def _text(path: Any) -> str:
    """A file with Unix line ends: digests are of exact bytes."""
    return str(path.read_text(encoding="utf-8")).replace("\r\n", "\n")


def _runs(builder: Builder, site: Site) -> None:
    """The page of every run, type by type, so that what is usual for a type is made once and then forgotten."""
    entries = site.collection.entries
    order = sorted(range(len(entries)), key=lambda number: (entries[number].type, entries[number].slug))
    compared = frozenset(compare_page.chosen(site))
    done = 0
    for name, numbers in groupby(order, key=lambda number: entries[number].type):
        usual = normality.usual(site, name) if name in site.types else None
        for number in numbers:
            entry = entries[number]
            exhibit = builder.exhibit(number)
            fit = usual if entry.populates else None
            beside = run_page.Beside(
                entry.slug in builder.samples,
                entry.slug in builder.signatures,
                compare_page.key(entry.id) if number in compared else "",
            )
            view = run_page.build(site, number, exhibit, fit, beside)
            builder.page(site, "run.html.j2", f"run/{entry.slug}.html", view=view)
            done += 1
            builder.tell("runs", done, len(entries))


def _types(builder: Builder, site: Site) -> None:
    for count, name in enumerate(site.types, 1):
        view = type_page.build(site, name)
        for part in front.pages(site, site.types[name]):
            path = f"type/{paths.numbered(name, part.page)}"
            if part.page == 1:
                builder.page(site, "type.html.j2", path, view=view, list=part)
            else:
                back = {"back": f"type/{name}.html", "back_words": view.title}
                builder.page(site, "runs.html.j2", path, list=part, stem=name, heading=f"Runs of {view.title}", **back)
        builder.tell("hardware", count, len(site.types))


def _cases(builder: Builder, site: Site) -> None:
    benches = _benchmarks(site)
    known = discovery.shipped()
    for name in benches:
        view = question_page.build(site, name, known.get(name))
        builder.page(site, "test.html.j2", f"test/{benches[name]}.html", view=view)
    for count, measured in enumerate(site.cases.values(), 1):
        shown = case_page.build(site, measured)
        path = f"case/{measured.slug}.html"
        builder.page(site, "case.html.j2", path, view=shown, bench=benches[measured.benchmark])
        builder.folder.write(f"data/case/{measured.slug}.csv", "".join(case_page.csv(site, measured)))
        builder.tell("cases", count, len(site.cases))


def _benchmarks(site: Site) -> Mapping[str, str]:
    """Every benchmark that has a page, ours and those of other tools, with the page's name."""
    names = dict.fromkeys([*(one.benchmark for one in site.cases.values()), *discovery.shipped()])
    return {name: paths.slug(name) for name in names}


def _providers(builder: Builder, site: Site) -> None:
    for name in site.providers:
        view = provider_page.build(site, name)
        for part in front.pages(site, site.providers[name]):
            path = f"provider/{paths.numbered(name, part.page)}"
            if part.page == 1:
                builder.page(site, "provider.html.j2", path, view=view, list=part)
            else:
                back = {"back": f"provider/{name}.html", "back_words": view.title}
                heading = f"Runs at {view.title}"
                builder.page(site, "runs.html.j2", path, list=part, stem=name, heading=heading, **back)


def _machines(builder: Builder, site: Site) -> None:
    cases = list(site.cases.values())
    for name, found in machine_page.positions(site).items():
        view = machine_page.build(site, name, found, cases)
        rows = [front.run_row(site.entry(number)) for number in site.machines[name]]
        builder.page(site, "machine.html.j2", f"machine/{name}.html", view=view, rows=rows)


def _front(builder: Builder, site: Site) -> None:
    benches = _benchmarks(site)
    questions = {name: one.question for name, one in discovery.shipped().items()}
    tests = [replace(row, name=benches[row.name]) for row in front.tests(site, list(benches), questions)]
    types = front.types(site)
    newest = [front.run_row(site.entry(number)) for number in site.newest[: front.SHOWN]]
    listed = {"types": types[: front.SHOWN], "more_types": len(types) if len(types) > front.SHOWN else 0}
    cluster = "test/allreduce.html" if "allreduce" in benches else "tests.html"
    builder.page(
        site,
        "index.html.j2",
        "index.html",
        sentence_=front.sentence(site),
        tests=tests,
        newest=newest,
        cluster=cluster,
        **listed,
    )
    builder.page(site, "types.html.j2", "types.html", types=types)
    builder.page(site, "tests.html.j2", "tests.html", tests=tests)
    builder.page(site, "providers.html.j2", "providers.html", providers=front.providers(site))
    for part in front.pages(site, site.newest):
        path = paths.numbered("runs", part.page)
        builder.page(site, "runs.html.j2", path, list=part, stem="runs", heading="Runs", back="", back_words="")
    builder.page(site, "value.html.j2", "value.html", charts=value_page.charts(site))
    builder.page(site, "roofline.html.j2", "roofline.html", charts=value_page.roofs(site))
    levels = [(level.value, words) for level, words in run_page.LEVELS.items()]
    builder.page(site, "method.html.j2", "method.html", levels=levels)
    builder.folder.write("assets/search.js", front.search_index(site, [(benches[n], family(n)) for n in benches]))


def _compare(builder: Builder, site: Site) -> None:
    numbers = compare_page.chosen(site)
    for count, (name, content) in enumerate(
        compare_page.files(site, numbers, builder.exhibit, site.known.publications), 1
    ):
        builder.folder.write(name, content)
        builder.tell("comparison", count, len(numbers) + len(site.cases))


def _data(builder: Builder, site: Site) -> None:
    """Everything for programs, and the page that names it."""
    named = [("data/index.json", "Every run in short, with the addresses of its files.")]
    builder.data("data/index.json", tables.index(site))
    builder.data("data/publication.schema.json", tables.schema())
    named.append(("data/publication.schema.json", "JSON schema of a publication."))
    for name, what, items in (
        ("data/prices.csv", "The catalogue’s prices, each with date and source.", site.known.prices),
        ("data/figures.csv", "Figures published elsewhere, each with date and source.", site.known.figures),
    ):
        if items:
            builder.data(name, tables.rows(items))
            named.append((name, what))
    named += _results(builder, site)
    counts = {"runs": len(site.collection.entries), "samples": len(builder.samples), "cases": len(site.cases)}
    files = tables.listed(named, builder.sizes, builder.folder.sums)
    builder.page(site, "data.html.j2", "data.html", files=files, counts=counts)


def _results(builder: Builder, site: Site) -> Iterator[tuple[str, str]]:
    """All results as CSV and Parquet, oldest runs first, in parts that fit in memory."""
    from benchsuite import frame

    order, done = site.newest[::-1], 0
    forms: Mapping[str, Callable[[Sequence[Exhibit]], str | bytes]] = {"csv": frame.csv_of}
    if find_spec("pyarrow") is not None:
        forms = {**forms, "parquet": frame.parquet_of}
    for ending, numbers in tables.parts(order, PART):
        exhibits = [builder.exhibit(number) for number in numbers]
        first, last = site.entry(numbers[0]).day, site.entry(numbers[-1]).day
        for kind, made in forms.items():
            name = f"data/results{ending}.{kind}"
            builder.data(name, made(exhibits))
            yield name, f"A row for each task of the runs from {first} to {last}."
        done += len(numbers)
        builder.tell("tables", done, len(order))
