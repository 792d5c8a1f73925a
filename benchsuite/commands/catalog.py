"""``catalog``: what is known of hardware, prices, published figures and models; one figure explained; files checked."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from benchsuite import catalog as catalogs
from benchsuite.catalog import Catalog, check, explain, user
from benchsuite.errors import Exit, UsageError
from benchsuite.reading import printable
from benchsuite.render import catalog as render

Rows = Sequence[Any]

KINDS: Mapping[str, Callable[[Catalog], Rows]] = {
    "hardware": lambda known: list(known.accelerators.values()),
    "prices": lambda known: known.prices,
    "figures": lambda known: known.figures,
    "models": lambda known: list(known.models.values()),
}

UNSEARCHED = {"source", "notes", "precision", "explained", "columns"}

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would take for a formula."""


def overview(files: Sequence[Path], *, as_json: bool) -> None:
    """Print how much there is of what, from which files."""
    known = catalogs.load(files)
    if as_json:
        counts = {kind: len(rows(known)) for kind, rows in KINDS.items()}
        print(msgspec.json.encode({**counts, "files": known.files}).decode())
    else:
        render.overview(known, Console(highlight=False))


def listing(kind: str, files: Sequence[Path], only: Sequence[str], *, form: str) -> None:
    """Print the rows of one kind that hold every word of ``only``, as ``text``, ``json`` or ``csv``."""
    every = KINDS[kind](catalogs.load(files))
    found = [row for row in every if matches(row, only)]
    if not found:
        raise UsageError(f"None of the {len(every)} {kind} holds all of: {' '.join(only)}.", "Use fewer words.")
    if form == "json":
        print(msgspec.json.encode([document(row) for row in found]).decode())
    elif form == "csv":
        _csv([document(row) for row in found])
    else:
        render.TABLES[kind](found, Console(highlight=False))


def matches(row: object, only: Iterable[str]) -> bool:
    """Whether each word begins a word of the row, sources and notes left out: ``h200`` does not find ``gh200``."""
    fields = msgspec.to_builtins(row)
    text = _plain(" ".join(str(value) for name, value in fields.items() if name not in UNSEARCHED))
    return all(f" {_plain(word)}" in f" {text}" for word in only)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9.]+", " ", text.casefold()).split())


def document(row: object) -> dict[str, Any]:
    """The row as JSON has it: every field, sets in order."""
    made = msgspec.to_builtins(row)
    return {name: sorted(value) if isinstance(getattr(row, name), frozenset) else value for name, value in made.items()}


def _csv(rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows as CSV; lists and tables inside a row as JSON, and no text that a spreadsheet would compute."""
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, list | tuple | dict):
        return msgspec.json.encode(value).decode()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def explained(hardware: str, subject: str, files: Sequence[Path], *, as_json: bool) -> None:
    """Print one figure of an accelerator with all that is known of it, or all its figures in short."""
    known = catalogs.load(files)
    made = (explain.explain(known, hardware, subject),) if subject else explain.everything(known, hardware)
    if as_json:
        print(msgspec.json.encode(made[0] if subject else made).decode())
    elif subject:
        render.explanation(made[0], Console(highlight=False))
    else:
        render.figures_of(explain.find(known, hardware), made, Console(highlight=False))


def checked(files: Sequence[Path], *, as_json: bool) -> int:
    """Print what is wrong with the shipped catalogue and these files; 1 if anything is."""
    known = catalogs.load()
    found = check.problems(known)
    for path in files:
        known, errors = user.merged(known, path)
        found += [str(error) for error in errors]
    if as_json:
        print(msgspec.json.encode({"problems": found, "files": known.files}).decode())
    else:
        for sentence in found:
            print(printable(sentence))
        if not found:
            render.overview(known, Console(highlight=False))
            print("Nothing is wrong with it.")
    return int(Exit.REJECTED if found else Exit.DONE)
