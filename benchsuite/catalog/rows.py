"""A row of a file -> a frozen type: unknown columns, missing ones and wrong types each give one sentence.

The shipped files and those of a user go through the same door; only a CSV's numbers begin as text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

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
            raise DataError(
                f"{where}: {name[:80]!r} is unknown.", nearest(name, known) or f"Known are {', '.join(known)}."
            )
    missing = [name for name, needed in known.items() if needed and name not in given]
    if missing:
        raise DataError(f"{where}: {', '.join(missing)} is missing.", "Add it.")
    try:
        return msgspec.convert(given, kind, strict=not text)
    except msgspec.ValidationError as error:
        words, name = _problem(error)
        raise DataError(f"{where}: {words}.", _choices(kind, name) or "Mend that value.") from error


def nearest(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'bf16'?``, or nothing when no known name is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else ""


def _problem(error: msgspec.ValidationError) -> tuple[str, str]:
    """msgspec's words behind the name of the value, and that name."""
    words, _, path = str(error).partition(" - at `$.")
    name = path.removesuffix("`")
    words = f"{words[:1].lower()}{words[1:]}".replace("`", "")
    return (f"{name}: {words}" if name else words), name


def _choices(kind: type, name: str) -> str:
    """What a closed column may hold, as advice; empty for an open one."""
    hint = get_type_hints(kind).get(name)
    if not (isinstance(hint, type) and issubclass(hint, StrEnum)):
        return ""
    return f"Use {', '.join(hint)}."
