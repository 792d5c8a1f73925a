"""A row of a file -> a frozen type: unknown columns, missing ones and wrong types each give one sentence.

The shipped files and those of a user go through the same door; only a CSV's numbers begin as text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from benchsuite.errors import DataError

T = TypeVar("T")


class Basis(StrEnum):
    """Whether somebody saw the figure in its source, or wrote it down from memory."""

    FOUND = "found"
    MEMORY = "memory"


class Confidence(StrEnum):
    """How far a figure can be relied on, as judged when it was collected."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def read(kind: type[T], row: Mapping[str, Any], where: str, *, text: bool = False) -> T:
    """The row as a ``kind`` (a dataclass); ``text``: its values are texts of a CSV file, empty ones left out.

    ``where`` names the row in an error: ``prices.csv, line 3``. Raises ``DataError``.
    """
    given = {name: value for name, value in row.items() if not (text and value == "")}
    known = {item.name: item.default is MISSING and item.default_factory is MISSING for item in fields(kind)}  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise DataError(f"{where}: {name!r} is unknown.", nearest(name, known) or f"Known are {', '.join(known)}.")
    missing = [name for name, needed in known.items() if needed and name not in given]
    if missing:
        raise DataError(f"{where}: {', '.join(missing)} is missing.", "Add it.")
    try:
        return msgspec.convert(given, kind, strict=not text)
    except msgspec.ValidationError as error:
        raise DataError(f"{where}: {_sentence(str(error))}.", "Mend that value.") from error


def nearest(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'bf16'?``, or nothing when no known name is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else ""


def _sentence(problem: str) -> str:
    """msgspec's words, with the name of the value first: ``usd_per_hour: Expected `float`, got `str```."""
    words, _, path = problem.partition(" - at `$.")
    name = path.removesuffix("`")
    return f"{name}: {words[:1].lower()}{words[1:]}" if name else words
