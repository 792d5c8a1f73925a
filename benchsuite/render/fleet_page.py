"""A fleet's run as one HTML file that opens offline."""

from __future__ import annotations

from benchsuite.render.fleet_view import FleetView
from benchsuite.render.scan_page import standing


def page(view: FleetView) -> str:
    """The page of a fleet. Every text of it is escaped; only our own drawings enter as markup."""
    return standing("fleet.html.j2", view, {"name": view.id, "copy": view.copy, "document": view.data})
