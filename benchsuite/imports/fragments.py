"""JSON among other text: the objects that are whole, whatever stands around them or is missing. Linear in the size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from benchsuite import reading
from benchsuite.errors import DataError

PIECE = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[{}\[\]]', re.DOTALL)
"""A text (to the end of the file, if it has none) or a bracket."""
ATTEMPTS = 64
"""How many brackets that begin no whole object are tried: a document that is cut or damaged has a few around each
object; a file of nothing but brackets would take for ever."""


def end(text: str, start: int) -> int:
    """Where the object that begins at ``start`` ends (the position after it); 0 when it does not."""
    depth = 0
    for piece in PIECE.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(piece[0], 0)
        if depth == 0:
            return piece.end()
        if depth > reading.LIMITS.depth:
            return 0
    return 0


def decoded(text: str) -> Any:
    """The value of one JSON text. Raises ``DataError``."""
    try:
        return reading.value(text.encode("utf-8"), object)
    except UnicodeEncodeError as error:
        raise DataError("It holds half a character.", reading.REMEDY) from error


def whole(text: str) -> Iterator[dict[str, Any]]:
    """The objects that are whole, outermost first: a damaged document is entered, a whole one is not."""
    failures, start = 0, text.find("{")
    while start >= 0 and failures < ATTEMPTS:
        stop, found = end(text, start), None
        if stop:
            try:
                found = decoded(text[start:stop])
            except DataError:
                failures += 1
        else:
            failures += 1
        if isinstance(found, dict):
            yield found
        start = text.find("{", stop if isinstance(found, dict) else start + 1)


def table(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one: a file may hold anything anywhere."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
