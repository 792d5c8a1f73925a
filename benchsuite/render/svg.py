"""Vega's drawings made fit for the page: only known elements and attributes, short, in CSS variables.

Vega writes for every reader; this page needs neither its invisible helper paths nor fourteen digits.
An allowlist, because the drawing is inlined under a policy that forbids style attributes and links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"g", "path", "line", "rect", "text", "tspan"}
ATTRIBUTES = {
    "d", "transform", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "width", "height",
    "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "stroke-linecap",
    "opacity", "text-anchor", "aria-label",
}  # fmt: skip
NEUTRAL = {
    ("opacity", "1"),
    ("stroke-width", "1"),
    ("font-weight", "normal"),
    ("fill", "none"),
    ("transform", "translate(0,0)"),
}
NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?|-?\d+(?:\.\d+)?e-\d+")


def draw(spec: Mapping[str, Any], title: str, kind: str) -> str:
    """The SVG element of a Vega-Lite specification; ``kind`` is its class."""
    import vl_convert

    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(dict(spec)))  # noqa: S314 - our own drawing
    width, height = root.get("width", "0"), root.get("height", "0")
    drawing = _tidied(root)
    clean = ElementTree.Element("svg", {"class": f"chart {kind}", "viewBox": f"0 0 {width} {height}"})
    clean.attrib |= {"width": width, "height": height, "fill": "none", "role": "group", "aria-label": title}
    clean.extend(drawing)
    return ElementTree.tostring(clean, encoding="unicode")


def _tidied(element: ElementTree.Element) -> list[ElementTree.Element]:
    """The visible children, cleaned; groups that say nothing are dissolved."""
    kept: list[ElementTree.Element] = []
    for child in element:
        tag = child.tag.removeprefix(SVG)
        if tag not in ELEMENTS or _invisible(child):
            continue
        inside = _tidied(child)
        attributes = _attributes(child, tag)
        if tag == "g" and not attributes:
            kept += inside
        elif tag != "g" or inside:
            made = ElementTree.Element(tag, attributes)
            made.text = child.text
            made.extend(inside)
            kept.append(made)
    return kept


def _invisible(element: ElementTree.Element) -> bool:
    box = element.get("class") in {"background", "foreground"}
    return box or element.get("display") == "none" or element.get("opacity") == "0"


def _attributes(element: ElementTree.Element, tag: str) -> dict[str, str]:
    # Labels of whole axes and legends repeat what the text inside them says.
    names = ATTRIBUTES - {"aria-label"} if tag == "g" else ATTRIBUTES
    found = {
        name: NUMBER.sub(_short, text)
        for name, text in element.attrib.items()
        if name in names and (name, text) not in NEUTRAL
    }
    if tag != "g" and "aria-label" in found:
        found |= {"role": "img"}
    return found


def _short(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")
