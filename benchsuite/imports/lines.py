"""What the readers of other tools share: lines by number, numbers as tools print them, and rows that fail closed."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from benchsuite import reading
from benchsuite.imports.base import Row
from benchsuite.model import Metric, Scalar, Status

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d{1,4})?")
NOT_A_NUMBER = {"nan", "-nan", "+nan", "inf", "-inf", "+inf", "infinity", "-infinity", "nan(ind)", "-nan(ind)"}
LONGEST = 40
"""Characters of the longest number that is looked at: real ones stay far below."""

TAG = re.compile(r"\[[^\[\]\s]{1,80}\]<std(?:out|err)>:?|\[\d{1,6}(?:,\d{1,6})?\]")
"""What launchers put before (and, where ranks interleave, inside) a line: ``[0]``, ``[1,0]<stdout>:``."""
LABEL = re.compile(r"^ *(?:\d{1,6}: |[A-Za-z][\w.-]{0,63}: ?(?=#))")
"""The rank or host in front of a line: ``3: ``, and ``node7: `` where a comment follows."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a tool prints it: the metric it is one of, its name, and what it is in SI units, exactly."""

    metric: Metric
    name: str
    scale: Decimal


def unit(metric: Metric, name: str, scale: str | int) -> Unit:
    """``unit(Metric.LATENCY, "us", "1e-6")``."""
    return Unit(metric, name, Decimal(scale))


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """Each line and its number from 1. What a carriage return overwrote on a terminal comes as lines of one number."""
    for number, line in enumerate(text.split("\n"), 1):
        for part in line.split("\r"):
            yield number, part


def unfinished(text: str) -> int:
    """The number of the last line if it does not end with a newline, as in a text that was cut; else 0."""
    return 0 if text.endswith("\n") or not text else text.count("\n") + 1


def clipped(printed: str, above: str) -> bool:
    """Whether the last number of an unfinished line is cut, as far as the number above it in its column can tell:
    fewer decimals, or fewer digits where there are no decimals. With nothing above it, it counts as cut."""
    if "." in above:
        return len(printed.partition(".")[2]) < len(above.partition(".")[2])
    return len(printed) < len(above) or not above


def untagged(line: str) -> str:
    """The line without what a launcher put into it."""
    line = LABEL.sub("", line) if ":" in line else line
    return TAG.sub(" ", line) if "[" in line else line


def number(token: str) -> float | None:
    """A number as C, Fortran and Rust print it (NaN and infinities too), or ``None``."""
    if len(token) > LONGEST:
        return None
    if NUMBER.fullmatch(token) and token.isascii():
        return float(token.lower().replace("d", "e"))
    return float(token.lower().replace("(ind)", "")) if token.lower() in NOT_A_NUMBER else None


def integer(token: str) -> int | None:
    """A whole number of at most 20 digits, or ``None``."""
    digits = token.removeprefix("-")
    return int(token) if digits.isascii() and digits.isdecimal() and len(digits) <= 20 else None


def name(text: str) -> str:
    """A name from a file as it may stand in a row or a fact: one line, printable, at most 80 characters."""
    return " ".join(reading.printable(text).split())[:80]


def together(runs: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The devices of several runs on one machine: of each name as many as the run with the most of them had."""
    most: Counter[str] = Counter()
    for devices in runs:
        most |= Counter(devices)
    return tuple(most.elements())


def measured(
    benchmark: str,
    kind: Unit,
    printed: str,
    meaning: str,
    *,
    params: Mapping[str, Scalar],
    ranks: int = 1,
    line: int = 0,
    wrong: str = "",
    failed: str = "",
    zero: bool = False,
    samples: Sequence[float] = (),
) -> Row:
    """One printed value. It has a number only if it is finite and above zero, or zero where ``zero`` allows it.

    wrong: why the result is wrong (REJECTED); failed: why it is none (FAILED); samples: in SI units already.
    """
    printed = reading.printable(printed)[:LONGEST]
    text = f"{printed} {kind.name}".strip()
    value, reason, status = None, "", Status.OK
    if wrong or failed:
        reason, status = wrong or failed, Status.REJECTED if wrong else Status.FAILED
    else:
        value, reason = _value(printed, kind, zero)
        status = Status.FAILED if reason else Status.OK
    kept = tuple(samples) if status is Status.OK else ()
    return Row(benchmark, kind.metric, value, text, meaning, dict(params), ranks, status, reason, line, kept)


def missing(benchmark: str, metric: Metric, meaning: str, status: Status, reason: str, *, line: int = 0) -> Row:
    """A result that is not there: skipped, failed or wrong, with the reason."""
    return Row(benchmark, metric, None, "", meaning, status=status, reason=reason, line=line)


def rejected(row: Row, reason: str) -> Row:
    """The row without its number, because something else in the file says that the result is wrong."""
    return replace(row, value=None, status=Status.REJECTED, reason=reason, samples=())


def _value(printed: str, kind: Unit, zero: bool) -> tuple[float | None, str]:
    """The value in SI units, or why there is none. Decimal arithmetic: 97.32 GB/s are 97320000000 B/s to the bit."""
    found = number(printed)
    if found is None:
        return None, f"{printed!r} is not a number." if printed else "There is no number."
    if not math.isfinite(found):
        return None, f"It is {printed}, not a finite number."
    if found < 0.0:
        return None, f"{printed} {kind.name} is below zero.".replace("  ", " ")
    if found == 0.0 and not zero:
        return None, f"It is printed as {printed} {kind.name}, which is no measurement.".replace(" ,", ",")
    value = float(Decimal(printed.lower().replace("d", "e")) * kind.scale)
    return (value, "") if math.isfinite(value) else (None, f"{printed} {kind.name} is too large.")
