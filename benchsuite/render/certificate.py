"""The papers of an acceptance: a certificate for all, one for each device, each a page that opens offline and prints.

FleetVerdict + Contract + About -> certificate_view -> certificate.html, certificate.md, junit.xml, certificates/…
"""

from __future__ import annotations

from collections.abc import Mapping

from benchsuite.accept import layout
from benchsuite.model import Contract, FleetVerdict
from benchsuite.render import certificate_markdown, certificate_view, junit
from benchsuite.render.certificate_view import About, CertificateView
from benchsuite.render.scan_page import standing

STYLES = ("style.css", "certificate.css")
PAGE, SUMMARY, JUNIT = "certificate.html", "certificate.md", "junit.xml"
"""What each paper is called in a bundle."""


def papers(fleet: FleetVerdict, contract: Contract, about: About) -> Mapping[str, str]:
    """Every paper by its path in the bundle. The same verdict gives the same bytes: no clock, no chance."""
    whole = certificate_view.build(fleet, contract, about)
    made = {PAGE: page(whole), SUMMARY: certificate_markdown.text(whole), JUNIT: junit.text(fleet, contract, about)}
    if not whole.one:
        for number, part in enumerate(whole.parts):
            one = certificate_view.of_one(whole, fleet, contract, number)
            made[f"{layout.PAPERS}/{part.slug}.html"] = page(one)
    return made


def page(view: CertificateView) -> str:
    """A certificate as HTML. Every text of it is escaped; only our own drawings enter as markup."""
    carried = {"name": view.about.id, "copy": view.copy, "document": view.data}
    return standing("certificate.html.j2", view, carried, styles=STYLES)
