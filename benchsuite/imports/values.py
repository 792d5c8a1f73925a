"""What the readers of JSON share: the document within limits, and a number with what may be wrong with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from benchsuite import reading
from benchsuite.errors import DataError
from benchsuite.model import Scalar, Status

T = TypeVar("T")

LIMITS = reading.Limits(line=64 << 20, values=4_000_000)
"""Raw samples of a whole suite stand in one line."""

REMEDY = "Save the whole output of the tool again."
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|(-?\b(?:NaN|nan|Infinity|infinity|inf)\b)')
BARE = re.compile(r"[:,\[]\s*-?(?:[Nn]a[Nn]|[Ii]nf)")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
PATH = re.compile(r"(?:[A-Za-z]:)?[\\/~][^:\[]*[\\/]")
LONGEST = 500
"""Bytes of the longest text that is kept: SuperBench's longest name has 306."""


def document(text: str) -> dict[str, Any]:
    """The one JSON object in a text. Raises ``DataError`` with one sentence when it is none, or is cut.

    C++ and Python print NaN and infinity as bare words, which JSON has not: they become texts, so that the one value
    is refused and not the file.
    """
    quoted = text
    if BARE.search(text):
        quoted = TOKEN.sub(lambda found: f'"{found[1]}"' if found[1] else found[0], text)
    try:
        return reading.value(quoted.encode(), dict, LIMITS)
    except DataError as error:
        raise DataError(error.message, REMEDY) from error
    except UnicodeEncodeError as error:
        raise DataError("It holds half a character.", REMEDY) from error


def number(found: object) -> float | None:
    """A JSON number, or a text that is one (nvbench writes so); NaN and infinities included; else ``None``."""
    if isinstance(found, str):
        word = found.strip().lower().lstrip("+-")
        if word in {"nan", "inf", "infinity"}:
            return math.nan
        found = float(found) if NUMBER.fullmatch(found.strip()) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if abs(found) < 1e300 else math.inf


def judged(
    found: float | None, *, zero: bool = False, signed: bool = False, spread: bool = False
) -> tuple[float | None, Status, str]:
    """The value if it can be one, its status, and why it is none.

    Times, rates and temperatures lie above zero. zero: 0 can be true (a count, a ratio); signed: so can what lies
    below; spread: 0 says that nothing varied, which is no failure and no figure either.
    """
    if found is None:
        return None, Status.FAILED, "There is no number."
    if not math.isfinite(found):
        return None, Status.FAILED, "It is not a finite number."
    if spread and found == 0:
        return None, Status.SKIPPED, "It was printed as 0: nothing varied."
    if (found < 0 and not signed) or (found == 0 and not zero):
        return None, Status.FAILED, f"It was printed as {found:g}."
    return found, Status.OK, ""


def scaled(value: float | None, scale: float) -> float | None:
    """``value`` in SI units; what is less than one of them is divided, so that 15 ns are 1.5e-8 s to the last bit."""
    if value is None:
        return None
    return value * scale if scale >= 1 else value / round(1 / scale)


def entries(found: object, kind: type[T]) -> list[T]:
    """The elements of a list that are of a kind; nothing where there is no list."""
    return [one for one in found if isinstance(one, kind)] if isinstance(found, list) else []


def section(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object called ``name``; empty where there is none."""
    value = found.get(name)
    return value if isinstance(value, dict) else {}


def word(found: object) -> str:
    """A text or number as one short printable line; empty for anything else."""
    if isinstance(found, bool):
        return str(found).lower()
    if not isinstance(found, str | int | float):
        return ""
    text = str(found)
    return short(text if text.isprintable() else reading.printable(text)).strip()


def short(text: str, longest: int = LONGEST) -> str:
    """The text, cut where its bytes would be more than ``longest``."""
    return text if len(text) * 4 <= longest else text.encode("utf-8", "ignore")[:longest].decode("utf-8", "ignore")


def scalars(found: Mapping[str, Any]) -> dict[str, Scalar]:
    """What of an object can be a parameter: texts in one line, numbers, flags."""
    kept = {word(name): one for name, one in found.items() if isinstance(one, str | int | float | bool)}
    return {name: without_folders(word(one)) if isinstance(one, str) else one for name, one in kept.items() if name}


def without_folders(text: str) -> str:
    """The text without the folders at its beginning, where these begin at a root or at somebody's home."""
    folders = PATH.match(text)
    return text[folders.end() :] if folders else text


def parameter(text: str) -> Scalar:
    """A text as a parameter: an integer where it is one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text
