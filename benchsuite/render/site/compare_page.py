"""The comparison of any machines: the explorer's page, whose columns are loaded when they are asked for.

A page that was opened from disk may not fetch; it may add a script from beside it. So each column is a script.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from benchsuite import publication
from benchsuite.model import Exhibit, Publication
from benchsuite.render.explorer import data as tables
from benchsuite.render.explorer import page
from benchsuite.render.html import embedded
from benchsuite.render.site import templates
from benchsuite.render.site.context import Site

LINKS = (
    ("index.html", "Overview"),
    ("types.html", "Hardware"),
    ("tests.html", "Tests"),
    ("value.html", "Price"),
    ("runs.html", "Runs"),
    ("method.html", "Method"),
    ("data.html", "Data"),
)
POLICY = templates.policy(f"'{{script}}' {templates.OWN}", f"'{{style}}' {templates.OWN}")


def chosen(site: Site) -> list[int]:
    """The publications that the comparison holds: of each machine the newest of each suite, simulated ones only where
    there are no others."""
    real = [number for number in site.newest if site.simulated or not site.entry(number).simulated]
    return [number for number in real if number not in site.newer][: site.compared]


def key(name: str) -> str:
    """What the comparison calls a run in its links (as ``explorer.data`` makes it of an id that is alone)."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") or "machine"


def files(
    site: Site, numbers: Sequence[int], read: Callable[[int], Exhibit], figures: Sequence[Publication]
) -> Iterator[tuple[str, str]]:
    """Name and content of the page and of its columns. figures: what was published elsewhere."""
    told = [read(number) for number in numbers]
    labels = [one.label for one in publication.exhibits([one.publication for one in told])]
    named = [replace(one, label=label) for one, label in zip(told, labels, strict=True)]
    data = tables.dataset([*named, *publication.exhibits(figures)])
    index = tables.index(data)
    place = f"data/compare/{hashlib.sha256(embedded(index).encode()).hexdigest()[:12]}/"
    carried = page.on_demand(data, place)
    pages = [f"run/{site.entry(number).slug}.html" for number in numbers]
    carried["index"]["machines"]["href"] = [*pages, *[""] * len(figures)]
    yield "compare.html", page.shell(data, carried, policy=POLICY, links=LINKS)
    for number in range(len(data.cases)):
        yield f"{place}case-{number}.js", page.script_of("case", number, tables.columns(data, number))
    for number in range(len(data.exhibits)):
        yield f"{place}machine-{number}.js", page.script_of("machine", number, tables.about(data, number))
