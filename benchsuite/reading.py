"""Reads files that come from elsewhere: a typed value, or a sentence that says what is wrong and where.

JSON only. What a JSON parser lets through is looked at before the parser is trusted: size, depth, the number of
values, the length of texts and numbers, names that stand twice in one object, characters that change how a text is
shown. The decoding itself, with its types, is msgspec's.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from benchsuite.errors import DataError
from benchsuite.units import NO_BREAK_SPACE

T = TypeVar("T")

REMEDY = "It was not written by benchsuite, or was edited or damaged since: leave it out."


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may hold: bytes in all and in one line, lines, nesting, values in one document, characters of a
    text, digits of a number. Real files stay far below."""

    size: int = 256 << 20
    line: int = 8 << 20
    lines: int = 200_000
    depth: int = 24
    values: int = 400_000
    text: int = 256 << 10
    digits: int = 40


LIMITS = Limits()

TEXT = re.compile(rb'"((?:[^"\\]++|\\.)*+)(?:"|\Z)', re.DOTALL)
DIGITS = bytes(ord("0") if chr(code).isdigit() else 0 for code in range(128)) + bytes(128)
NO_BRACKET = bytes(code for code in range(256) if chr(code) not in "[]{}")
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, those that reverse or isolate the direction of a text (Unicode TR 9), line separators,
byte-order marks, and halves of a pair, which no file can hold."""
IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def value(data: bytes, kind: type[T], limits: Limits = LIMITS) -> T:
    """The value in one JSON document; ``DataError`` when it is none of that kind, or breaks a limit."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"Byte {error.start + 1} is not UTF-8.", REMEDY) from error
    _shape(data, text, limits)
    try:
        json.loads(text, object_pairs_hook=_named_once, parse_constant=_no_constant, parse_float=_skip, parse_int=_skip)
        return msgspec.json.decode(data, type=kind)
    except json.JSONDecodeError as error:
        raise DataError(f"It is not JSON: {error.msg.lower()} at character {error.pos + 1}.", REMEDY) from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise DataError(f"It is not a {kind.__name__}: {_sentence(str(error))}.", REMEDY) from error


def identifier(text: str) -> str:
    """``text`` if it can be a name in a path on any system; else ``DataError``."""
    if not IDENTIFIER.fullmatch(text):
        raise DataError(f"{text[:80]!r} is not a name.", "Names hold a-z, 0-9 and . _ - and begin with a-z or 0-9.")
    return text


def printable(text: str) -> str:
    """The text as a terminal, a page or a table may show it: no control or direction characters can steer them."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == NO_BREAK_SPACE else " " for one in text)


def content(path: Path, limits: Limits = LIMITS) -> bytes:
    """All of a small file. Raises ``DataError`` when it cannot be read, is no regular file or too large."""
    with _opened(path, limits) as stream:
        return stream.read(limits.size + 1)[: limits.size]


def text(path: Path, limits: Limits = LIMITS) -> str:
    """All of a small text file. Raises ``DataError`` as ``content``, and for hidden characters."""
    return checked(content(path, limits))


def checked(data: bytes) -> str:
    """Bytes as a text. Raises ``DataError`` for what is not UTF-8, and for hidden characters."""
    try:
        found = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"Byte {error.start + 1} is not UTF-8.", "Save it as UTF-8.") from error
    if hidden := FORBIDDEN.search(found):
        where = found.count("\n", 0, hidden.start()) + 1
        raise DataError(f"Line {where} holds the hidden character U+{ord(hidden[0]):04X}.", "Take it out.")
    return found


def lines(path: Path, limits: Limits = LIMITS) -> Iterator[tuple[bytes, bool]]:
    """Each line of a file without its newline, and whether it had one, which only the last may lack.

    Never more than one line is in memory. Raises ``DataError`` as ``content``, and for a line or a number of lines
    beyond the limits.
    """
    with _opened(path, limits) as stream:
        for number in range(1, limits.lines + 2):
            line = stream.readline(limits.line + 1)
            if not line:
                return
            if len(line) > limits.line:
                raise DataError(f"Line {number} of {path.name} is longer than {limits.line >> 20} MiB.", REMEDY)
            if number > limits.lines:
                raise DataError(f"{path.name} has more than {limits.lines} lines.", REMEDY)
            yield line.rstrip(b"\n"), line.endswith(b"\n")


def _opened(path: Path, limits: Limits) -> IO[bytes]:
    """A regular file, opened without waiting for anybody (a FIFO would) and without following a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}.", "Check the path; links are not followed."
        ) from error
    found = os.fstat(descriptor)
    if stat.S_ISDIR(found.st_mode):
        os.close(descriptor)
        raise DataError(f"{path} cannot be read: it is a folder, not a regular file.", "Name a file in it.")
    if not stat.S_ISREG(found.st_mode) or found.st_size > limits.size:
        os.close(descriptor)
        what = f"is larger than {limits.size >> 20} MiB" if stat.S_ISREG(found.st_mode) else "is not a regular file"
        raise DataError(f"{path} cannot be read: it {what}.", REMEDY)
    return os.fdopen(descriptor, "rb")


def _shape(data: bytes, whole: str, limits: Limits) -> None:
    """Refuse what is too large, too deep or hidden, before anything is built from it. Linear in the size."""
    if len(data) > limits.line:
        raise DataError(f"It is longer than {limits.line >> 20} MiB.", REMEDY)
    parts = TEXT.split(data)
    if b"\\" in data or _hidden(whole) or max(map(len, parts[1::2]), default=0) > limits.text:
        for found in TEXT.finditer(data):  # one by one only where there is something to find
            _text(found[1], found.start(), limits)
    bare = b"".join(parts[::2])
    if b"0" * (limits.digits + 1) in bare.translate(DIGITS):
        raise DataError(f"A number has more than {limits.digits} digits.", REMEDY)
    if bare.count(b",") >= limits.values:
        raise DataError(f"It holds more than {limits.values} values.", REMEDY)
    depth = 0
    for bracket in bare.translate(None, NO_BRACKET):
        depth += 1 if bracket in b"[{" else -1
        if depth > limits.depth:
            raise DataError(f"It is nested more than {limits.depth} deep.", REMEDY)


def _hidden(text: str) -> bool:
    """Whether a forbidden character stands in it; of ASCII the parser refuses all but one of them itself."""
    return "\x7f" in text if text.isascii() else FORBIDDEN.search(text) is not None


def _text(raw: bytes, position: int, limits: Limits) -> None:
    if len(raw) > limits.text:
        raise DataError(f"The text at byte {position + 1} is longer than {limits.text >> 10} KiB.", REMEDY)
    if raw.isascii() and b"\\" not in raw:
        return  # nothing below a space can stand in a JSON text as it is; the parser says so
    try:
        text = json.loads(b'"%s"' % raw)
    except ValueError:
        return  # the parser says what is wrong with it
    if found := FORBIDDEN.search(text):
        raise DataError(f"The text at byte {position + 1} holds the hidden character U+{ord(found[0]):04X}.", REMEDY)


def _named_once(pairs: list[tuple[str, object]]) -> object:
    if len({name for name, _ in pairs}) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"The name {printable(twice)[:80]!r} stands twice in one object.", REMEDY)
    return None


def _no_constant(name: str) -> None:
    raise DataError(f"{name} is not a number of JSON.", REMEDY)


def _skip(number: str) -> None:
    """A number is msgspec's business: building it twice would cost half the time."""


def _sentence(problem: str) -> str:
    return printable(problem[:1].lower() + problem[1:300])
