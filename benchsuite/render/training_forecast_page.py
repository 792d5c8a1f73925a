"""A training forecast as one HTML file that opens offline, under a policy that names the hashes of what is in it."""

from __future__ import annotations

from benchsuite.render.scan_page import standing
from benchsuite.render.training_forecast import View

STYLES = ("style.css", "training_forecast.css")


def page(view: View) -> str:
    """The page. Every text of it is escaped."""
    carried = {"name": "training-forecast", "copy": view.copy, "document": view.data}
    return standing("training_forecast.html.j2", view, carried, STYLES)
