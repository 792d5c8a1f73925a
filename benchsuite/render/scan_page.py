"""A scan as one HTML file that opens offline, under a policy that names the hashes of its style and script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from benchsuite import assets
from benchsuite.render.html import POLICY, digest, embedded
from benchsuite.render.scan_view import ScanView
from benchsuite.render.site.templates import environment

STYLES, SCRIPT = ("style.css", "fleet.css"), "fleet.js"


def page(view: ScanView) -> str:
    """The page of a scan. Every text of it is escaped; only our own drawings enter as markup."""
    return standing("scan.html.j2", view, {"name": view.about.id, "copy": view.copy, "document": view.data})


def standing(template: str, view: object, carried: Mapping[str, Any], styles: Sequence[str] = STYLES) -> str:
    """A page that stands alone. carried: its name, its copy text and its JSON document, for the buttons."""
    folder = assets.folder("reports")
    style, script = "\n".join(_text(folder / name) for name in styles), _text(folder / SCRIPT)
    made: str = (
        environment(folder)
        .get_template(template)
        .render(
            view=view,
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704 - our own file
            policy=POLICY.format(style=digest(style), script=digest(script)),
            data=Markup(embedded(carried)),  # noqa: S704 - escaped by embedded()
        )
    )
    return made


def _text(path: Path) -> str:
    """A file with Unix line ends: the hash is of exact bytes."""
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")
