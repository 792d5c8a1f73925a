"""A forecast as one HTML file that opens offline, under a policy that names the hashes of its style and script."""

from __future__ import annotations

from benchsuite.render.forecast_view import PageView
from benchsuite.render.scan_page import standing

STYLES = ("style.css", "forecast.css")


def page(view: PageView) -> str:
    """The page. Every text of it is escaped; only our own drawings enter as markup."""
    return standing("forecast.html.j2", view, {"name": "forecast", "copy": view.copy, "document": view.data}, STYLES)
