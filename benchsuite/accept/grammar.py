"""Reads the tables of a contract: closed keys, exact types, finite numbers within bounds; a mistake is named with its
line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchsuite import units
from benchsuite.catalog.rows import nearest
from benchsuite.errors import UsageError
from benchsuite.model import Metric
from benchsuite.reading import IDENTIFIER, printable

LARGEST = 1e30
"""No quantity here is larger."""
TEXT = 400
"""Characters of a text."""
HEADER = re.compile(r"\s*\[+\s*([A-Za-z_-]+)\s*\]+")
PREFIXES: Mapping[str, float] = {
    "P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """A contract's file as text, which complaints point into."""

    name: str
    text: str

    def error(self, problem: str, remedy: str = "", line: int = 0) -> UsageError:
        """What is wrong, with the line, from 1; 0: of no line."""
        where = f"{self.name}, line {line}" if line else self.name
        return UsageError(f"{where}: {printable(problem)}.", remedy or "See docs/contracts.md.")

    def line(self, section: str, number: int, key: str) -> int:
        """The line, from 1, that sets ``key`` in the ``number``-th table of that name, or opens the table called so."""
        code = [line.split("#")[0] for line in self.text.splitlines()]
        headers = {i: match[1] for i, line in enumerate(code) if (match := HEADER.match(line))}
        if not section and key in headers.values():
            return next(i for i, name in headers.items() if name == key) + 1
        named = [i for i, name in headers.items() if name == section]
        start = named[number] if number < len(named) else 0
        setting = re.compile(rf"(?<![\w-]){re.escape(key)}[\"']?\s*=")
        for i in range(start, len(code) if key else start):
            if i > start and i in headers:
                break
            if setting.search(code[i]):
                return i + 1
        return start + 1


class Table:
    """One table of the file. Every question checks what it answers; raises ``UsageError``."""

    def __init__(self, file: File, values: Any, known: Iterable[str], section: str = "", number: int = 0) -> None:
        """The table ``values``, which may hold the ``known`` keys only."""
        self._file, self._section, self._number = file, section, number
        self.title = f"[{section}]" if section else "the contract"
        if not isinstance(values, dict):
            raise self.error(section, f"{section} is not a table")
        self.values: Mapping[str, Any] = values
        allowed = list(known)
        for key in values:
            if key not in allowed:
                hint = nearest(key, allowed) or f"Known are {', '.join(allowed)}."
                raise self.error(key, f"unknown key {key[:80]!r} in {self.title}", hint)

    def error(self, key: str, problem: str, remedy: str = "") -> UsageError:
        """What is wrong with a value of this table."""
        return self._file.error(problem, remedy, self._file.line(self._section, self._number, key))

    def _value(self, key: str, default: Any) -> Any:
        if key not in self.values and default is None:
            raise self.error("", f"{self.title} needs {key} = …", f"Add {key}.")
        return self.values.get(key, default)

    def text(self, key: str, default: str | None = None, most: int = TEXT) -> str:
        """A text that can be shown; not empty, unless that is the default."""
        value = self._value(key, default)
        if not isinstance(value, str) or len(value) > most or not value.isprintable():
            raise self.error(key, f"{key} must be one line of text, {most} characters at most")
        if not value.strip() and value != default:
            raise self.error(key, f"{key} is empty")
        return value

    def identifier(self, key: str) -> str:
        """A name that can be part of a path."""
        value = self.text(key)
        if not IDENTIFIER.fullmatch(value):
            raise self.error(
                key, f"{value!r} is not a name", "Names hold a-z, 0-9 and . _ - and begin with a-z or 0-9."
            )
        return value

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A finite number from ``low`` to ``high``."""
        value = self._value(key, default)
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or not low <= value <= high:  # NaN is in no range
            raise self.error(key, f"{key} must be a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self._value(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(key, f"{key} must be a whole number from {low} to {high}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"{key} is true or false")
        return value

    def one_of(self, key: str, known: Iterable[str]) -> str:
        """One of these words."""
        value, words = self._value(key, None), list(known)
        if not isinstance(value, str) or value not in words:
            hint = nearest(value, words) if isinstance(value, str) else ""
            told = (
                f"{key} is one of {', '.join(words)}" if len(words) <= 40 else f"{key} {str(value)[:80]!r} is unknown"
            )
            raise self.error(key, told, hint)
        return value

    def size(self, key: str, default: int) -> int:
        """Bytes: a whole number, or a text such as ``"80 GiB"``."""
        value = self._value(key, default)
        if isinstance(value, str):
            try:
                value = units.parse_size(value)
            except ValueError as error:
                raise self.error(key, str(error)) from error
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**60:
            raise self.error(key, f"{key} must be a size such as '80 GiB'")
        return value

    def quantity(self, key: str, metric: Metric) -> float:
        """A positive number in the metric's unit: ``795e12``, or with the unit ``"795 TFLOP/s"``."""
        value = self._value(key, None)
        found = measured(value, metric) if isinstance(value, str) else value
        if not isinstance(found, int | float) or isinstance(found, bool) or not 0.0 < found < LARGEST:
            unit = units.unit(metric.value)
            raise self.error(
                key, f"{key} must be a positive number in {unit}, or a text such as '1.5 {example(metric)}'"
            )
        return float(found)

    def list_of(self, key: str, kind: type, most: int, default: list[Any] | None = None) -> list[Any]:
        """A list of values of one type."""
        value = self._value(key, default)
        right = isinstance(value, list) and len(value) <= most and all(type(one) is kind for one in value)
        if not right:
            raise self.error(key, f"{key} must be a list of {most} values at most, each of type {kind.__name__}")
        return list(value)


def measured(text: str, metric: Metric) -> float | None:
    """The number in a text such as ``"795 TFLOP/s"`` in the metric's unit; ``None`` where it is none.

    >>> measured("795 TFLOP/s", Metric.FLOPS), measured("795 TB/s", Metric.FLOPS)
    (795000000000000.0, None)
    """
    unit = re.escape(units.unit(metric.value))
    match = re.fullmatch(rf"\s*(\d+(?:\.\d+)?)\s*([{''.join(PREFIXES)}]?){unit}\s*", text)
    return float(match[1]) * PREFIXES[match[2]] if match else None


def told(value: float, metric: Metric) -> str | float:
    """The number as a contract is best written: with its unit, if ``measured`` reads that back exactly, or as it is."""
    for letter, scale in PREFIXES.items():
        if scale * 0.9995 <= value < scale * 999.5:
            text = f"{value / scale:.12g} {units.unit(metric.value, letter)}"
            return text if measured(text, metric) == value else value
    return value


def example(metric: Metric) -> str:
    """A unit of the metric with a usual prefix."""
    return units.unit(metric.value, "u" if metric is Metric.LATENCY else "G")
