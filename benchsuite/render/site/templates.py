"""The site's templates, compiled once: every text escaped, links only to names that we made or to https sources."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchsuite import assets, units
from benchsuite.render.html import svg
from benchsuite.render.site import paths
from benchsuite.render.words import clean, counted, sentence

POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src data:; base-uri 'none'; form-action 'none'"
)
OWN = "'self' file:"
"""Where scripts and styles may come from: this site, which Chromium calls 'self' on disk too, others a file. Hashes
cannot vouch for a file that is opened from disk: its integrity is not checked there, and it is refused."""

SOURCE = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?(?:/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]*)?")
CODE = re.compile(r"``?([^`]+)``?")


def policy(script: str = OWN, style: str = OWN) -> str:
    """The content security policy of a page: nothing from elsewhere, no connection, no inline attribute."""
    return POLICY.format(script=script, style=style)


@cache
def environment(folder: Path | None = None) -> Environment:
    """The templates of ``reports/site``."""
    made = Environment(
        loader=FileSystemLoader(folder or assets.folder("reports") / "site"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.filters |= {
        "svg": svg,
        "counted": counted,
        "sentence": sentence,
        "seconds": units.seconds,
        "code": code,
        "source": source,
        "short": lambda text: text[:12],
        "numbered": paths.numbered,
    }
    return made


def page(template: str, path: str, site: Any, **values: Any) -> str:
    """One page, at ``path`` of the site."""
    made: str = (
        environment()
        .get_template(template)
        .render(root=paths.root(path), path=path, site=site, policy=policy(), **values)
    )
    return made


def alone(template: str, *, style: str, script: str, **values: Any) -> str:
    """A page that carries its style and its script, since it may be shown at any address."""
    own = {"style": Markup(style), "script": Markup(script)}  # noqa: S704 - our own files
    made: str = environment().get_template(template).render(**own, **values)
    return made


def _printable(value: Any) -> Any:
    """Texts lose control and direction characters; most have none, and are looked at once."""
    return clean(value) if type(value) is str and not value.isprintable() else value


def code(text: str) -> Markup:
    """A docstring's paragraph: what stands between backticks is code, the rest plain."""
    parts = CODE.split(text)
    made = [f"<code>{escape(part)}</code>" if number % 2 else str(escape(part)) for number, part in enumerate(parts)]
    return Markup("".join(made))  # noqa: S704 - each part is escaped


def source(text: str) -> Markup:
    """Where a figure stands: a link if it is a plain https address, its host shown; else the text alone."""
    shown = clean(text)
    if not SOURCE.fullmatch(text):
        return escape(shown)
    words = shown.removeprefix("https://").rstrip("/")
    words = words if len(words) <= 60 else f"{words[:57]}…"
    return Markup('<a href="{}" rel="noreferrer noopener external">{}</a>').format(text, words)
