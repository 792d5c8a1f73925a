"""``publish`` and ``chart``: what others are to see, as a static site and as a picture for a slide."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from benchsuite import allowlist, exhibits, keys, lint, provenance, publication, reading, results, samples, store, units
from benchsuite.errors import DataError, Exit, UsageError
from benchsuite.lint import Finding, Severity, Shown
from benchsuite.model import Exhibit, Level, Publication
from benchsuite.reading import printable
from benchsuite.render.site.build import Built, Source, build
from benchsuite.render.site.context import Known
from benchsuite.render.site.folder import Folder
from benchsuite.render.words import counted

SHOWN = Shown(ranked=False)
"""How a site shows things: only what was measured is ranked, each kind of number stands apart."""
REPEATED = 16
"""The rule that looks at all of them together; the others are asked of each."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be published: names, the folder of runs, keys that are trusted, files of the user's own catalogue."""

    names: tuple[str, ...]
    runs: Path
    trust: tuple[Path, ...]
    catalog: tuple[Path, ...]
    title: str
    published: bool


@dataclass(slots=True)
class Linting:
    """Takes exhibits one by one, and keeps what the rules say of them."""

    found: list[Finding] = field(default_factory=list)
    _light: list[Exhibit] = field(default_factory=list)

    def take(self, exhibit: Exhibit) -> None:
        """One more that is about to be published."""
        self.found += lint.lint([exhibit], SHOWN)
        self._light.append(replace(exhibit, publication=replace(exhibit.publication, results=())))

    def findings(self) -> list[Finding]:
        """All findings, each once; those that forbid publishing first."""
        together = [one for one in lint.lint(self._light, SHOWN) if one.rule == REPEATED]
        return sorted(dict.fromkeys([*self.found, *together]), key=lambda one: one.severity is not Severity.BLOCKS)


def publish(asked: Asked, to: Path, *, strict: bool, as_json: bool) -> int:
    """Write the site. ``strict``: nothing is written and 1 returned when a rule forbids publishing it so."""
    paths = list(_paths(asked))
    known, trust = _known(asked), keys.trust(asked.trust)
    if strict and (blocks := _blocks(_linted(paths, trust))):
        for one in blocks:
            print(f"benchsuite: {printable(f'{one.title}: {one.subject}: {one.text}')}", file=sys.stderr)
        return int(Exit.REJECTED)
    linting = Linting()
    with Folder(to) as folder:
        built = build(folder, _taken(paths, trust, linting), known, asked.title, Progress(), len(paths))
    _say(built, to, linting.findings(), as_json=as_json)
    return int(Exit.DONE)


def _say(built: Built, to: Path, found: Sequence[Finding], *, as_json: bool) -> None:
    counts = Counter(one.severity for one in found)
    if as_json:
        told = {"site": str(to), **msgspec.to_builtins(built), "findings": [msgspec.to_builtins(one) for one in found]}
        print(msgspec.json.encode(told).decode())
        return
    size = units.size(built.size)
    words = f"{counted(built.runs, 'run')} of {counted(built.machines, 'machine')}, {built.files} files, {size}"
    print(f"Site: {to / 'index.html'} ({words})")
    if counts:
        blocks, notes = counts[Severity.BLOCKS], counts[Severity.NOTE]
        print(
            f"lint: {blocks} to mend before publishing, {notes} to know; 'benchsuite lint' names them.", file=sys.stderr
        )


def _taken(paths: Sequence[Path], trust: keys.Trust, linting: Linting) -> Iterator[Source]:
    for path in paths:
        source = read(path, trust)
        linting.take(source.exhibit)
        yield source


def _linted(paths: Sequence[Path], trust: keys.Trust) -> list[Finding]:
    linting = Linting()
    for path in paths:
        linting.take(read(path, trust).exhibit)
    return linting.findings()


def _blocks(found: Sequence[Finding]) -> list[Finding]:
    return [one for one in found if one.severity is Severity.BLOCKS]


def _paths(asked: Asked) -> Iterator[Path]:
    """Every run directory and publication's file that is meant. Raises ``UsageError`` for a name that means none."""
    for name in asked.names:
        path = Path(name)
        if path.is_dir() and not (path / store.CAMPAIGN).is_file():
            found = list(exhibits.below(path))
            if not found:
                raise UsageError(f"{path} holds no run and no publication.", "Measure one with 'benchsuite run'.")
            yield from found
        else:
            yield path if path.exists() else store.find(name, asked.runs)


def read(path: Path, trust: keys.Trust) -> Source:
    """A run directory or a publication's file, with its samples and its signature where they can be published."""
    if path.is_dir():
        loaded = store.load(path)
        told = results.public(loaded)
        if not told.results:
            raise DataError(f"{path} holds no result.", "Leave it out.")
        exhibit = Exhibit(told, publication.label(told), problems=loaded.problems)
        return Source(exhibit, publication.encode_samples(loaded.records))
    exhibit = exhibits.gather([str(path)], path.parent, trust=trust)[0]
    told = exhibit.publication
    signature = b""
    if exhibit.level is not Level.SELF_REPORTED and publication.encode(told) == reading.content(path):
        signature = reading.content(path.with_name(path.name + provenance.SUFFIX), provenance.LIMITS)
    return Source(exhibit, _samples(path.with_name(f"{told.id}{publication.SAMPLES}"), told), signature)


def _samples(path: Path, told: Publication) -> bytes:
    """The samples beside a publication, if they are what it names and hold nothing that does not belong there."""
    if not told.samples or not path.is_file() or samples.problems(told, path):
        return b""
    lines = [line for line, _ in reading.lines(path, samples.LIMITS)]
    known = {(score.case.key, score.implementation) for score in told.results}
    return b"".join(line + b"\n" for line in lines) if all(_plain(line, known) for line in lines) else b""


def _plain(line: bytes, known: set[tuple[str, str]]) -> bool:
    """Whether a line says again what it said when only what we know of it is written."""
    found = msgspec.json.decode(line, type=samples.Line)
    head = {"case": found.case, "implementation": found.implementation, "run": found.run}
    again = msgspec.json.encode(head | {"samples": allowlist.kept(found.samples)}, order="sorted")
    return (found.case, found.implementation) in known and again == line


def _known(asked: Asked) -> Known:
    from benchsuite import catalog

    found = catalog.load(asked.catalog)
    if not asked.published:
        return Known(found.accelerators, found.prices)
    return Known(found.accelerators, found.prices, found.figures, catalog.publications(found))


def dry_run(asked: Asked, to: Path, *, as_json: bool) -> None:
    """Print what of each run and file would be in the site, and what of a run stays; nothing is written."""
    told = {str(path): _leaving(path) for path in _paths(asked)}
    if as_json:
        print(msgspec.json.encode({"site": str(to), "leaving": told}).decode())
        return
    for path, lines in told.items():
        print(printable(path))
        for line in lines:
            print(f"  {printable(line)}")
    print(f"{len(told)} runs and publications would be written to {to}; nothing was.")


def _leaving(path: Path) -> list[str]:
    if path.is_dir():
        return publication.leaving(store.load(path))
    found = publication.vetted(path)
    told = found.publication
    lines = [
        f"+ publication {told.id} of {told.started}, {told.origin.value}, machine {told.machine.id}",
        f"+ results: {len(told.results)}",
    ]
    for section, values in told.machine.facts.items():
        lines += [f"+ {section}: {name} = {value}" for name, value in values.items()]
    if told.offer:
        lines.append(f"+ offer: {told.offer.provider} {told.offer.instance} {told.offer.region}".rstrip())
    return [*lines, *(f"- {problem}" for problem in found.problems)]


class Progress:
    """How far a long build is, and how long it will take, on standard error: nothing of a short one."""

    EVERY, QUIET = 2.0, 5.0

    def __init__(self) -> None:
        """From now on."""
        self._begun = self._said = time.monotonic()
        self._what, self._since = "", self._begun

    def __call__(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` of this step."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._since = what, now
        if now - self._begun < self.QUIET or now - self._said < self.EVERY:
            return
        self._said = now
        spent = now - self._since
        left = f", about {units.guessed(spent / done * (total - done))} left" if total and spent > 1.0 else ""
        of = f" of {total}" if total else ""
        print(f"benchsuite: {what}: {done}{of}{left}", file=sys.stderr, flush=True)


def chart(name: str, out: Path, to: Path, *, kind: str, patterns: Sequence[str], title: str) -> None:
    """Draw one chart of a run."""
    from benchsuite.render import slide

    loaded = results.load(name, out)
    made = loaded.campaign
    scores, ceilings = results.normalized(made, loaded.records)
    about = slide.About(publication.public_id(made), made.started, made.version, made.backend == "fake")
    first, *others = slide.plots(scores, ceilings, made.caches, made.cores, kind=kind, patterns=patterns)
    picture = slide.slide(first, about, title)
    try:
        to.write_bytes(slide.encoded(picture, to.suffix))
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror}.", "Choose another file with --to.") from error
    print(f"Chart: {to} ({first.title})")
    if others:
        print(f"Not drawn: {', '.join(one.title for one in others)}; choose with --case.", file=sys.stderr)
