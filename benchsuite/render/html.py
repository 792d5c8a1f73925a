"""One HTML file that opens offline: template, style and script inlined under a policy that names their hashes."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchsuite import units
from benchsuite.render.view import ReportView

POLICY = (
    "default-src 'none'; style-src '{style}'; script-src '{script}'; img-src data:; base-uri 'none'; form-action 'none'"
)
"""Nothing remote, no connection, no inline attribute: a page that cannot phone home."""


def report(view: ReportView, templates: Path) -> str:
    """The page. Every text of a record is escaped; only our own drawings enter as markup."""
    style = _text(templates / "style.css")
    script = _text(templates / "report.js")
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["svg"] = svg
    environment.filters["seconds"] = units.seconds
    page: str = environment.get_template("report.html.j2").render(
        view=view,
        campaign=view.campaign,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy=POLICY.format(style=digest(style), script=digest(script)),
        data=Markup(embedded(_data(view))),  # noqa: S704 - escaped by embedded()
    )
    return page


def svg(drawing: str) -> Markup:
    """A drawing of ours as markup: from Vega, which escapes its texts, or from ``strip``, which prints only numbers."""
    return Markup(drawing)  # noqa: S704


def digest(content: str) -> str:
    """The source expression of a content security policy for exactly these bytes."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def embedded(value: Any) -> str:
    """JSON that cannot end its script element, whatever its texts hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _data(view: ReportView) -> dict[str, Any]:
    """What the page's download button offers, and what a program may read from the page."""
    return {
        "run": view.campaign.id,
        "digest": view.campaign.digest,
        "cases": [
            {
                "benchmark": score.case.benchmark,
                "parameters": dict(score.case.params),
                "ranks": score.case.ranks,
                "implementation": score.implementation,
                "provider": score.provider,
                "status": score.status.value,
                "value": score.value,
                "low": score.low,
                "high": score.high,
                "unit": score.metric.value,
            }
            for score in view.campaign.scores
        ],
    }


def _text(path: Path) -> str:
    """A file with Unix line ends: the hash is of exact bytes."""
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")
