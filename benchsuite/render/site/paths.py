"""Where each page of the site lies. An address, once given, keeps its meaning: it is made from an identity alone."""

from __future__ import annotations

import hashlib
import re

from benchsuite.errors import DataError
from benchsuite.reading import identifier

ROWS = 200
"""Rows of a list on one page: below 100 kB compressed with room to spare."""

WORDS = re.compile(r"[^a-z0-9]+")


def slug(text: str) -> str:
    """A name for a file: the text itself where it can be one, else its words, a ``~`` and its digest.

    No identifier holds a ``~``, so that nobody can choose an id that is another's name.
    """
    try:
        return identifier(text)
    except DataError:
        return f"{_words(text)}~{short(text)}"


def short(text: str) -> str:
    """Twelve digits that tell texts apart which look alike as names."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def of_case(words: str, key: str, metric: str) -> str:
    """The name of a case: readable, and its own by the digest of its identity."""
    return f"{_words(words)}~{short(f'{key} {metric}')}"


def _words(text: str) -> str:
    return WORDS.sub("-", text.lower().replace("³", " cubed ")).strip("-")[:48].strip("-") or "x"


def numbered(stem: str, page: int) -> str:
    """The ``page``-th page of a list, counted from 1. A ``~`` before fewer than twelve digits is in no other name."""
    return f"{stem}.html" if page == 1 else f"{stem}~{page}.html"


def root(path: str) -> str:
    """How a page reaches the site's root: links are relative, so that the site works below any address."""
    return "../" * path.count("/")
