"""nvbandwidth: its matrices as text (v0.1 to v0.8) and as JSON (``-j``).

GB/s are 1e9 B/s, latencies are in ns. Each cell of a matrix is a row; a cell N/A is none. The tool's sum adds all
cells, both directions where there are two, and its min counts N/A as zero: sum and min are made from the cells here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchsuite.errors import DataError
from benchsuite.imports import nvbandwidth_json
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.lines import missing, name, number, numbered, together, untagged
from benchsuite.imports.nvbandwidth_matrix import NO_MATRIX, TOOL, Matrix, metric, rows_of, suspects, trouble
from benchsuite.model import Status

REMEDY = "Save all that nvbandwidth prints, from its version to the last SUM."
BEGIN = re.compile(r"Running ([a-z0-9_]{3,80})\.?")
WAIVING = re.compile(r"\s*Waiving ([a-z0-9_]{3,80})\.?\s*")
DESCRIPTION = re.compile(r"(?:Bisect benchmarking|memcpy|memory latency|multicast|[Dd]evice|[Hh]ost|[CG]PU\().*")
UNIT = re.compile(r"\((?:GB/s|ns)\)")
LABEL = re.compile(r"[A-Za-z0-9_-]{1,20}")
DEVICE = re.compile(r"(?:Process \S{1,20} \([^()]{0,200}\): device|Device) \d{1,4}: (.{1,200})")
PCI = re.compile(r"\s*\([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}(?:\.\d)?\)?\s*$")
FACTS = {"CUDA Runtime Version": "CUDA runtime", "CUDA Driver Version": "CUDA driver", "Driver Version": "driver"}
FACTS |= {"CUDA Driver Version (API)": "CUDA driver"}
SUMMARIES = ("SUM ", "MIN ", "MAX ", "AVG ", "COEFFICIENT_OF_VARIATION ", "&&&& ")
VERSION = re.compile(r"v?[0-9][0-9A-Za-z.+-]{0,30}(?: \([0-9]{1,9}\))?")


@dataclass(slots=True)
class Test:
    """One test while it is read: its matrices, and what went wrong in it."""

    name: str
    line: int
    matrices: list[Matrix] = field(default_factory=list)
    status: Status = Status.FAILED
    reason: str = "There is no matrix: the output is cut, or the test did not end."


@dataclass(slots=True)
class Log:
    """The whole output while it is read."""

    tests: list[Test] = field(default_factory=list)
    version: str = ""
    devices: list[list[str]] = field(default_factory=lambda: [[]])
    facts: dict[str, str] = field(default_factory=dict)
    waived: list[int] = field(default_factory=list)
    troubles: list[tuple[int, Status, str]] = field(default_factory=list)


def tells(text: str) -> bool:
    """Its version line, or a test that it runs; no JSON."""
    if nvbandwidth_json.tells(text):
        return False
    return "nvbandwidth Version" in text or any(_begins(line) or WAIVING.fullmatch(line) for _, line in numbered(text))


def read(text: str) -> Imported:
    """Every cell of every matrix. Raises ``DataError`` when there is neither a value nor a failure in it."""
    log = _log(text)
    rows = [row for test in log.tests for row in _rows(test)]
    rows += [missing(f"{TOOL}/unnamed", metric(""), NO_MATRIX, Status.SKIPPED, "Waived.", line=at) for at in log.waived]
    if not rows and (wrong := [one for one in log.troubles if one[1] is Status.REJECTED]):
        place, status, words = wrong[0]
        rows = [missing(f"{TOOL}/unnamed", metric(""), NO_MATRIX, status, words, line=place)]
    if not rows:
        why = log.troubles[0][2] if log.troubles else "It ends before the first test."
        raise DataError(f"There is no result in it. {why}", REMEDY)
    for _, status, words in log.troubles:
        rows = suspects(rows, words) if status is Status.REJECTED else rows
    problems = [f"{words} (line {place})" for place, _, words in log.troubles]
    for test in log.tests:
        failed = not test.matrices and test.status is not Status.SKIPPED
        problems += [f"{test.name}: {test.reason}"] if failed else []
        problems += [f"{test.name}: {matrix.problem}" for matrix in test.matrices if matrix.problem]
    if log.waived:
        problems.append(f"{len(log.waived)} tests were waived; the text does not name them.")
    devices = together(log.devices)
    return Imported(TOOL, tuple(rows), log.version, "", devices, log.facts, tuple(dict.fromkeys(problems)))


FORMATS = (
    Format("nvbandwidth", "the matrices of nvbandwidth", tells, read),
    Format("nvbandwidth-json", "the JSON of nvbandwidth -j", nvbandwidth_json.tells, nvbandwidth_json.read),
)


def _begins(line: str) -> str:
    """The test that this line begins; empty when it begins none."""
    found = BEGIN.search(line) if "Running " in line else None
    return found[1] if found and re.search("memcpy|latency|_ce|_sm|copy", found[1]) else ""


def _describes(line: str) -> bool:
    """Whether the line is the description above a matrix."""
    known = "row" in line or "column" in line or "total bandwidth" in line
    return (known and UNIT.search(line) is not None) or "Bisect benchmarking" in line


def _log(text: str) -> Log:
    log, matrix = Log(), None
    for place, tagged in numbered(text):
        line = untagged(tagged)
        if begun := _begins(line):
            log.tests.append(
                Test(begun, place, reason="There is no matrix: the output is cut, or the test did not end.")
            )
            matrix = None
        elif found := WAIVING.fullmatch(line):  # early versions
            log.tests.append(Test(found[1], place, [], Status.SKIPPED, "Waived: this machine cannot run it."))
            matrix = None
        elif _describes(line):
            described = DESCRIPTION.search(line)  # a host's name may stand in front of it
            matrix = Matrix(name(described[0] if described else "a matrix (GB/s)"), place, decimals=2)
            if not log.tests:
                log.tests.append(Test("unnamed", place))
            log.tests[-1].matrices.append(matrix)
        elif matrix is not None and _cell_line(matrix, line, place):
            continue
        elif not line.strip() or _summary(log, line, place):
            matrix = None
        else:  # a message, which may stand between two rows
            _said(log, line, place)
    return log


def _cell_line(matrix: Matrix, line: str, place: int) -> bool:
    """Takes the header or a row of the matrix; ``False`` for a line that is neither."""
    tokens = line.split()
    if not tokens or line.startswith(SUMMARIES):
        return not tokens and not matrix.rows  # a blank line ends it
    if not matrix.columns:
        matrix.columns = tokens if all(one.isascii() and one.isdecimal() for one in tokens) else []
        return bool(matrix.columns)
    good = 1 < len(tokens) <= len(matrix.columns) + 1 and LABEL.fullmatch(tokens[0])
    if good and all(one == "N/A" or number(one) is not None for one in tokens[1:]):
        matrix.rows.append((place, tokens))
        return True
    return False


def _summary(log: Log, line: str, place: int) -> bool:
    """A line ``SUM test value`` (``&&&& PERF test value`` on request), shown beside the sum of the cells, and what
    follows it: only the coefficient of variation cannot be made from the cells."""
    words = line.replace("&&&& PERF", "SUM").replace("+", " ").split()
    if len(words) < 3 or not line.startswith(SUMMARIES) or not log.tests or not log.tests[-1].matrices:
        return False
    matrix = log.tests[-1].matrices[-1]
    matrix.sum = words[2] if words[0] == "SUM" else matrix.sum
    matrix.variation = (words[2], place) if words[0].startswith("COEFF") else matrix.variation
    return True


def _said(log: Log, line: str, place: int) -> None:
    """What a line outside the matrices says."""
    key, _, value = line.partition(":")
    value = value.strip()
    if key.strip() in FACTS and VERSION.fullmatch(value):
        log.facts[FACTS[key.strip()]] = value
    elif key.strip() == "nvbandwidth Version" and VERSION.fullmatch(value):
        log.version = value
        log.devices.append([])
    elif device := DEVICE.match(line.strip()):
        log.devices[-1].append(name(PCI.sub("", device[1])))
    elif key.strip() == "Waived":
        _waived(log, place)
    elif found := trouble(line):
        status, words = found
        test = log.tests[-1] if log.tests else None
        if test is not None and not test.matrices:
            worse = test.status is not Status.REJECTED
            test.status, test.reason = (status, words) if worse else (test.status, test.reason)
        else:
            log.troubles.append((place, status, words))


def _waived(log: Log, place: int) -> None:
    """A waived test: named by ``Running`` in front of it in some versions, nameless in others."""
    last = log.tests[-1] if log.tests else None
    if last is not None and not last.matrices and last.line == place - 1:
        last.status, last.reason = Status.SKIPPED, "Waived: this machine cannot run it."
    else:
        log.waived.append(place)


def _rows(test: Test) -> Iterator[Row]:
    benchmark = f"{TOOL}/{test.name}"
    if not test.matrices:
        yield missing(
            benchmark, metric(test.name), "a matrix that is not there", test.status, test.reason, line=test.line
        )
    for matrix in test.matrices:
        yield from rows_of(matrix, benchmark)
