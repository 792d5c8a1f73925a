"""``import`` and ``export``: results of other tools in, ours out."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchsuite import imports, publication, reading, results
from benchsuite.commands import evidence
from benchsuite.errors import DataError, Exit, UsageError
from benchsuite.imports import publication as importing
from benchsuite.imports.base import Imported
from benchsuite.model import Publication, Status
from benchsuite.reading import printable
from benchsuite.render import imported as rendering


@dataclass(frozen=True, slots=True)
class Arrival:
    """One file: what was read of it, and the publications that were made of that."""

    file: Path
    found: Imported
    written: tuple[Path, ...]


def list_formats(*, as_json: bool) -> None:
    """Print every format that ``import`` reads."""
    found = imports.formats()
    if as_json:
        print(msgspec.json.encode([{"name": one.name, "title": one.title} for one in found]).decode())
        return
    for one in found:
        print(f"{one.name:<20} {one.title}")


def import_files(files: Sequence[Path], name: str, to: Path, *, machine: str, as_json: bool) -> int:
    """Read each file, write its publications into ``to`` and say what it holds.

    2 if a file could not be read (the others are taken all the same), else 1 if a result is wrong, else 0: what failed
    or was skipped is in what was imported, and says so.
    """
    if not files:
        raise UsageError("There is no file to import.", "Name one, or list the formats with --formats.")
    if name:
        imports.named(name)
    arrivals: list[Arrival] = []
    refused: dict[str, DataError] = {}
    for file in files:
        try:
            arrivals.append(_arrive(file, name, to, machine))
        except DataError as error:
            refused[str(file)] = error
    if as_json:
        print(msgspec.json.encode(_document(arrivals, refused)).decode())
    else:
        for arrival in arrivals:
            lines = rendering.lines(arrival.file.name, arrival.found, [str(path) for path in arrival.written])
            print("\n".join(map(printable, lines)))
    for path, problem in refused.items():
        words = str(problem) if problem.message.startswith(path) else f"{path}: {problem}"
        print(f"benchsuite: {printable(words)}", file=sys.stderr)
    wrong = any(arrival.found.count(Status.REJECTED) for arrival in arrivals)
    return int(Exit.USAGE if refused else Exit.REJECTED if wrong else Exit.DONE)


def _arrive(file: Path, name: str, to: Path, machine: str) -> Arrival:
    found = imports.read(file, name)
    digest = hashlib.sha256(reading.content(file, imports.LIMITS)).hexdigest()
    made = [importing.publication(one, printable(file.name), digest, machine) for one in importing.machines(found)]
    return Arrival(file, found, tuple(_write(one, to) for one in made))


def _write(made: Publication, to: Path) -> Path:
    path = to / f"{made.id}.json"
    data = publication.encode(made)
    try:
        publication.decode(data)
    except DataError as error:
        many = f"It holds {len(made.results)} results, and a publication of them could not be read again."
        raise DataError(f"{many} {error.message}", "Import it in parts.") from error
    try:
        to.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", "Choose another folder with --to.") from error
    return path


def _document(arrivals: Sequence[Arrival], refused: Mapping[str, DataError]) -> dict[str, object]:
    files = [
        {
            "file": arrival.file.name,
            "tool": arrival.found.tool,
            "version": arrival.found.version,
            "devices": list(arrival.found.devices),
            "results": len(arrival.found.rows),
            **{status.value: arrival.found.count(status) for status in Status},
            "problems": list(arrival.found.problems),
            "publications": [str(path) for path in arrival.written],
        }
        for arrival in arrivals
    ]
    return {"files": files, "refused": [{"file": path, "problem": str(problem)} for path, problem in refused.items()]}


def export(name: str, out: Path, form: str, to: Path | None) -> None:
    """Write a run or a publication in another form, to a file or to the standard output.

    As a publication it goes into a folder: the public record, and the samples behind it.
    """
    if form == PUBLICATION:
        print(f"Written: {printable(str(evidence.file_of(name, out, to or Path('publications'))))}")
        return
    if form not in FORMS:
        raise UsageError(f"There is no form {form!r}.", f"Choose one of {', '.join((*FORMS, PUBLICATION))}.")
    path = Path(name)
    found = publication.read(path) if path.is_file() else results.public(results.load(name, out))
    text = FORMS[form](found)
    if to is None:
        print(text, end="")
        return
    try:
        to.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror}.", "Choose another file with --to.") from error
    print(f"Written: {printable(str(to))}")


def _pytest_benchmark(found: Publication) -> str:
    from benchsuite.imports import pytest_benchmark

    document = pytest_benchmark.export(found)
    if not document["benchmarks"]:
        raise DataError("It holds nothing that has a time.", "Export it as csv or json.")
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"


def _csv(found: Publication) -> str:
    from benchsuite.frame import csv

    return csv(found.results)


def _json(found: Publication) -> str:
    return publication.encode(found).decode()


FORMS: Mapping[str, Callable[[Publication], str]] = {
    "pytest-benchmark": _pytest_benchmark,
    "csv": _csv,
    "json": _json,
}
"""What ``export`` prints or writes into one file."""
PUBLICATION = "publication"
