"""N machines on one page that opens offline: template, style, script and data, under a policy of their hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchsuite import __version__, assets
from benchsuite.comparability import unmeasured
from benchsuite.model import Exhibit, Origin
from benchsuite.render import versus
from benchsuite.render.explorer import board, pack, published, view
from benchsuite.render.explorer import data as tables
from benchsuite.render.explorer.data import Dataset
from benchsuite.render.html import POLICY, digest, embedded
from benchsuite.render.words import CAVEATS, STATUSES, clean, sentence
from benchsuite.statistics.runs import Verdict

STYLES = ("style.css", "explorer.css")
SCRIPTS = tuple(
    f"explorer.{name}js"
    for name in ("numbers.", "charts.", "data.", "dom.", "choice.", "table.", "board.", "detail.", "")
)
DETAILED_CELLS = 5_000
"""Cells up to which the samples' quantiles travel with a page; of more they would be most of it."""


def page(exhibits: Sequence[Exhibit], templates: Path | None = None) -> str:
    """The comparison of these machines as one file. Every text of a publication is escaped, none becomes markup.

    Published figures of the same hardware stand beside them: the catalogue's, unless ``exhibits`` bring their own.
    """
    data = tables.dataset([*exhibits, *published.beside(exhibits)])
    return shell(data, everything(data), templates=templates)


def shell(
    data: Dataset,
    carried: Mapping[str, Any],
    *,
    policy: str = POLICY,
    links: Sequence[tuple[str, str]] = (),
    templates: Path | None = None,
) -> str:
    """The page around data that it carries: all of it (``everything``), or ``on_demand``.

    policy: with places for the hashes ``{style}`` and ``{script}``. links: address and name of pages above the header.
    """
    folder = templates or assets.folder("reports")
    style, script = ("\n".join(_text(folder / name) for name in names) for names in (STYLES, SCRIPTS))
    first = view.build(data)
    told = {**carried, "words": words(data, first), "version": __version__}
    made: str = (
        _environment(folder)
        .get_template("explorer.html.j2")
        .render(
            view=first,
            version=__version__,
            links=links,
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704 - our own files
            policy=policy.format(style=digest(style), script=digest(script)),
            data=Markup(embedded(told)),  # noqa: S704 - escaped by embedded()
        )
    )
    return made


def everything(data: Dataset) -> dict[str, Any]:
    """All the data of a page that stands alone."""
    publications = [exhibit.publication for exhibit in data.exhibits]
    facts = [dict(tables.facts(publication)) for publication in publications]
    names = dict.fromkeys(name for each in facts for name in each)
    carried: dict[str, Any] = {
        "index": tables.index(data),
        "columns": [tables.columns(data, number) for number in range(len(data.cases))],
        "facts": [(name, pack.words([each.get(name, "") for each in facts])) for name in names],
        "roofs": [tables.roof(publication) for publication in publications],
    }
    if sum(map(len, data.cells)) <= DETAILED_CELLS:
        carried["details"] = [tables.details(data, number) for number in range(len(data.exhibits))]
    return carried


def on_demand(data: Dataset, place: str) -> dict[str, Any]:
    """What a page carries that loads the rest from the folder ``place``: a script (``script_of``) when it is needed."""
    return {"index": tables.index(data), "from": place}


def script_of(kind: str, number: int, value: Mapping[str, Any]) -> str:
    """The script that hands a page what it asked for. ``kind``: ``case`` (``columns``) or ``machine`` (``about``)."""
    return f"benchsuite.{kind}({number},{embedded(value)});\n"


def words(data: Dataset, first: view.View) -> dict[str, Any]:
    """What the script says, in the words of the rest of benchsuite, and what the page opens with."""
    return {
        "verdicts": {
            verdict.value: [*versus.VERDICTS[verdict], view.TONES.get(verdict, "unknown")] for verdict in Verdict
        },
        "statuses": {status.value: list(told) for status, told in STATUSES.items()},
        "caveats": {code: meaning for code, (_, meaning) in CAVEATS.items()},
        "unmeasured": {origin.value: unmeasured(origin, origin) for origin in Origin},
        "marks": {"differs": versus.DIFFERS, "unclean": versus.UNCLEAN},
        "method": view.METHOD,
        "order": board.ORDER,
        "most": view.MOST_CHOSEN,
        "chosen": [entrant.place for entrant in first.entrants],
        "case": first.board.case if first.board else None,
        "headline": first.headline,
    }


def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: clean(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sentence"] = sentence
    return environment


def _text(path: Path) -> str:
    """A file with Unix line ends: the hash is of exact bytes."""
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")
