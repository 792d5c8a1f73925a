"""The site's data beside its pages: lists of runs, prices and figures, and the schema of a publication."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from io import StringIO
from typing import Any

from benchsuite.frame import FORMULA
from benchsuite.model import PUBLIC_SCHEMA, Publication
from benchsuite.reading import printable
from benchsuite.render.site import context
from benchsuite.render.site.context import Site

INDEX_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class File:
    """A file that the data page names."""

    name: str
    what: str
    size: str
    digest: str


def index(site: Site) -> str:
    """Every run in short, newest first: the site for programs."""
    rows = [_run(site, number) for number in site.newest]
    told = {"schema": INDEX_SCHEMA, "title": site.title, "runs": rows}
    return json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True) + "\n"


def _run(site: Site, number: int) -> Mapping[str, Any]:
    entry = site.entry(number)
    newer = site.newer.get(number)
    return {
        "id": entry.id,
        "publication": f"run/{entry.slug}.json",
        "page": f"../run/{entry.slug}.html",
        "started": entry.started,
        "suite": entry.suite,
        "machine": entry.machine,
        "hardware": entry.type,
        "name": entry.name,
        "devices": entry.devices,
        "where": context.place(entry),
        "usd_per_device_hour": entry.usd,
        "origin": entry.origin.value,
        "level": entry.level.value,
        "signer": entry.signer,
        "simulated": entry.simulated,
        "results": {status.value: count for status, count in entry.counts.items()},
        "superseded_by": None if newer is None else site.entry(newer).id,
    }


def schema() -> str:
    """The JSON schema of a publication's file."""
    import msgspec

    told = msgspec.json.schema(Publication)
    told["title"] = f"A publication of benchsuite, schema {PUBLIC_SCHEMA}"
    return json.dumps(told, indent=1, sort_keys=True) + "\n"


def rows(items: Sequence[Any]) -> str:
    """Frozen values of one kind as CSV, a column for each field. A text is never a formula (OWASP)."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    names = [one.name for one in fields(items[0])]
    writer.writerow(names)
    writer.writerows([_cell(getattr(item, name)) for name in names] for item in items)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return f"'{printable(value)}" if value.startswith(FORMULA) else printable(value)
    return "" if value is None else value


def parts(numbers: Sequence[int], size: int) -> Iterator[tuple[str, Sequence[int]]]:
    """Numbers in parts of ``size``, each with what its files' names end in: nothing where there is one part."""
    count = -(-len(numbers) // size)
    for at in range(count):
        yield "" if count == 1 else f"-{at + 1:03d}", numbers[at * size : (at + 1) * size]


def size_words(nbytes: int) -> str:
    """``1 234 567``."""
    return f"{nbytes:,}".replace(",", "\u202f")


def listed(pairs: Iterable[tuple[str, str]], sizes: Mapping[str, int], sums: Mapping[str, str]) -> list[File]:
    """What the data page tells of these files (name, what it holds)."""
    return [File(name, what, size_words(sizes[name]), sums[name]) for name, what in pairs]
