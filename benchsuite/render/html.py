"""One HTML file that opens offline: template, style and script inlined under a policy that names their hashes."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchsuite import assets, bandwidths, units
from benchsuite.model import Score
from benchsuite.render.below import PERCENTILES
from benchsuite.render.view import ReportView
from benchsuite.render.words import clean, counted, sentence

POLICY = (
    "default-src 'none'; style-src '{style}'; script-src '{script}'; img-src data:; base-uri 'none'; form-action 'none'"
)
"""Nothing remote, no connection, no inline attribute: a page that cannot phone home."""


def report(view: ReportView, templates: Path | None = None) -> str:
    """The page. Every text of a record is escaped; only our own drawings enter as markup."""
    folder = templates or assets.folder("reports")
    style, script = _text(folder / "style.css"), _text(folder / "report.js")
    page: str = (
        _environment(folder)
        .get_template("report.html.j2")
        .render(
            view=view,
            campaign=view.campaign,
            least=[least for _, least in PERCENTILES],
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=POLICY.format(style=digest(style), script=digest(script)),
            data=Markup(embedded(_data(view))),  # noqa: S704 - escaped by embedded()
        )
    )
    return page


def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = {"svg": svg, "seconds": units.seconds, "size": units.size, "counted": counted, "sentence": sentence}
    filters |= {"capitalize_first": lambda text: text[:1].upper() + text[1:]}
    environment.filters |= filters
    return environment


def _printable(value: Any) -> Any:
    """Texts lose control and direction characters: a name in a record must not turn the words beside it around."""
    return clean(value) if type(value) is str else value


def svg(drawing: str) -> Markup:
    """A drawing of ours as markup: ``render.svg`` keeps known elements only, ``strip`` prints only numbers."""
    return Markup(drawing)  # noqa: S704


def digest(content: str) -> str:
    """The source expression of a content security policy for exactly these bytes."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def embedded(value: Any) -> str:
    """JSON that cannot end its script element, whatever its texts hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _data(view: ReportView) -> dict[str, Any]:
    """What the page's buttons hand out, and what a program may read from the page."""
    return {
        "run": view.campaign.id,
        "suite": view.campaign.suite,
        "started": view.campaign.started,
        "version": view.campaign.version,
        "verdict": view.verdict.code,
        "counts": dict(view.verdict.counts),
        "digest": view.campaign.digest,
        "copy": view.copy,
        "cases": [_case(score) for score in view.campaign.scores],
    }


def _case(score: Score) -> dict[str, Any]:
    found = bandwidths.algbw(score)
    return {
        "benchmark": score.case.benchmark,
        "parameters": dict(score.case.params),
        "ranks": score.case.ranks,
        "implementation": score.implementation,
        "provider": score.provider,
        "status": score.status.value,
        "value": _rounded(score.value),
        "low": _rounded(score.low),
        "high": _rounded(score.high),
        "unit": score.metric.value,
        "interval": score.interval,
        "of_ceiling": _rounded(score.of_ceiling),
        "of_datasheet": _rounded(score.of_datasheet),
        "of_clock": _rounded(score.of_clock),
        "joules": _rounded(score.joules),
        "best": score.best,
        "reason": score.reason,
        **({"algbw": _rounded(found.value)} if found else {}),
    }


def _rounded(number: float | None) -> float | None:
    """Seven digits: more than any measurement has, and half the bytes."""
    return None if number is None else float(f"{number:.7g}")


def _text(path: Path) -> str:
    """A file with Unix line ends: the hash is of exact bytes."""
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")
