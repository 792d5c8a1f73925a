"""Drawings made by hand: known elements and attributes only, texts escaped, colours by class of the style sheet."""

from __future__ import annotations

from xml.etree import ElementTree

from benchsuite.render.words import clean

ELEMENTS = frozenset({"svg", "g", "path", "rect", "line", "text", "title", "defs", "pattern"})
ATTRIBUTES = frozenset(
    {
        "class", "d", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "viewBox", "transform", "id", "fill",
        "text-anchor", "role", "aria-label", "patternUnits", "preserveAspectRatio",
    }
)  # fmt: skip

Element = ElementTree.Element


def element(tag: str, *children: Element, text: str = "", **attributes: str | float) -> Element:
    """One element. ``kind`` is its class; an underscore in a name stands for a hyphen.

    Raises ``ValueError`` for what the page's policy or its reader would not take.
    """
    made = ElementTree.Element(tag)
    for name, value in attributes.items():
        called = "class" if name == "kind" else name.replace("_", "-")
        if called not in ATTRIBUTES:
            raise ValueError(f"no attribute of a drawing: {called}")
        made.set(called, clean(value) if isinstance(value, str) else number(value))
    if tag not in ELEMENTS:
        raise ValueError(f"no element of a drawing: {tag}")
    made.text = clean(text) or None
    made.extend(children)
    return made


def titled(made: Element, words: str) -> Element:
    """``made`` with a tooltip, which is also what a screen reader says of it."""
    made.insert(0, element("title", text=words))
    return made


def number(value: float) -> str:
    """At most two decimals, none where none are needed."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def markup(made: Element) -> str:
    """The drawing as text for a page."""
    return ElementTree.tostring(made, encoding="unicode")
