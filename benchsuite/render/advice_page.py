"""Advice as one HTML file that opens offline, under a policy that names the hashes of its style and script."""

from __future__ import annotations

from benchsuite.render.advice_view import View
from benchsuite.render.scan_page import standing

STYLES = ("style.css", "advice.css")


def page(view: View) -> str:
    """The page. Every text of it is escaped; only our own drawings enter as markup."""
    return standing("advice.html.j2", view, {"name": "advice", "copy": view.copy, "document": view.data}, STYLES)
