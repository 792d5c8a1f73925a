"""STREAM (McCalpin; C and Fortran, 5.6 to 5.10, and its many children) and BabelStream.

MB/s are 1e6 B/s, times are in seconds. The rate is that of the fastest repetition, without the first. Wrong arrays
(``Failed Validation``) make every rate of the run REJECTED.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchsuite.errors import DataError
from benchsuite.imports import babelstream
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.lines import clipped, measured, missing, number, numbered, rejected, unfinished, unit, untagged
from benchsuite.model import Metric, Scalar, Status

TOOL = "stream"
REMEDY = "Save all that STREAM prints, from its version to 'Solution Validates'."
SECONDS = unit(Metric.LATENCY, "s", 1)
RATES = {"M": unit(Metric.BANDWIDTH, "MB/s", "1e6"), "G": unit(Metric.BANDWIDTH, "GB/s", "1e9")}
KERNELS = {"Copy": "a load and a store", "Scale": "a load and a store", "Add": "two loads and a store"}
KERNELS |= {"Triad": "two loads and a store"}
COLUMNS = ("rate", "avg", "min", "max")
LINE = re.compile(r"(Copy|Scale|Add|Triad): +(\S.*)")
HEAD = re.compile(r"Function +(?:Best )?Rate \(?([MG])B/s\)? +Avg time +Min time +Max time")
FACTS = {
    "version": re.compile(r"STREAM version \$?Revision: ([0-9.]{1,10})"),
    "elements": re.compile(r"Array size = *(\d{1,18})"),
    "bytes": re.compile(r"This system uses +(\d{1,3}) bytes per"),
    "threads": re.compile(r"Number of Threads (?:counted|requested) *= *(\d{1,7})"),
    "repetitions": re.compile(r"(?:Each kernel will be executed|Each test is run) +(\d{1,9}) times"),
}


@dataclass(slots=True)
class Run:
    """One run while it is read."""

    facts: dict[str, str] = field(default_factory=dict)
    head: str = ""
    values: list[tuple[int, str, list[str]]] = field(default_factory=list)
    valid: bool = False
    wrong: str = ""
    unfinished: int = 0


def tells(text: str) -> bool:
    """Its version line, the head of its table, or a line of it."""
    if FACTS["version"].search(text):
        return True
    return any(HEAD.search(line) or len(_values(line)) == 4 for _, line in numbered(text))


def read(text: str) -> Imported:
    """Rate and times of each kernel. Raises ``DataError`` when there is neither a rate nor a failure."""
    runs, last = [Run()], unfinished(text)
    for place, line in numbered(text):
        run = runs[-1]
        run.unfinished = last
        if "STREAM version" in line and (run.values or run.wrong):
            run = Run()
            runs.append(run)
        _line(run, place, untagged(line))
    rows = [row for run in runs for row in _rows(run)]
    if not rows:
        raise DataError("There is no result in it: it ends before the table of rates.", REMEDY)
    problems = [problem for run in runs for problem in _problems(run)]
    facts = {key: value for run in runs for key, value in run.facts.items() if key in {"threads", "repetitions"}}
    return Imported(TOOL, tuple(rows), runs[0].facts.get("version", ""), "", (), facts, tuple(dict.fromkeys(problems)))


FORMATS = (Format("stream", "the table of STREAM", tells, read), babelstream.FORMAT)


def _values(line: str) -> list[str]:
    """The rate and the three times of a line of the table; what is cut is missing."""
    found = LINE.search(line)
    tokens = found[2].split() if found else []
    return tokens if 1 <= len(tokens) <= 4 and all(number(one) is not None for one in tokens) else []


def _line(run: Run, place: int, line: str) -> None:
    for key, pattern in FACTS.items():
        if found := pattern.search(line):
            run.facts[key] = found[1]
    if values := _values(line):
        found = LINE.search(line)
        run.values.append((place, found[1] if found else "", values))
    elif head := HEAD.search(line):
        run.head = head[1]
    elif "Solution Validates" in line:
        run.valid = True
    elif "Failed Validation" in line:
        array = re.search(r"array ([abcABC])", line)
        run.wrong = f"The values of array {array[1]} are wrong." if array else "The values are wrong."


def _rows(run: Run) -> Iterator[Row]:
    params: dict[str, Scalar] = {
        key: int(run.facts[key]) for key in ("elements", "bytes", "threads") if key in run.facts
    }
    checked = "" if run.valid or run.wrong else ", values not checked"
    params |= {"checked": False} if checked else {}
    if run.wrong and not run.values:
        yield missing(f"{TOOL}/unnamed", Metric.BANDWIDTH, "a table that is not there", Status.REJECTED, run.wrong)
    above: list[str] = []
    for place, kernel, values in run.values:
        benchmark = f"{TOOL}/{kernel.lower()}"
        for column, printed in zip(COLUMNS, values, strict=False):
            at = COLUMNS.index(column)
            cut = len(values) < 4 or (place == run.unfinished and clipped(printed, above[at] if above else ""))
            failed = "The line is cut: the number may be too." if cut and at == len(values) - 1 else ""
            if column == "rate":
                said = f"best rate of {kernel}: {KERNELS[kernel]} an element (Best Rate){checked}"
                row = measured(
                    benchmark, RATES[run.head or "M"], printed, said, params=params, line=place, failed=failed
                )
            else:
                said = f"{column} time of {kernel} over the repetitions without the first{checked}"
                here = params | {"statistic": column}
                row = measured(benchmark, SECONDS, printed, said, params=here, line=place, failed=failed)
            yield rejected(row, run.wrong) if run.wrong else row
        above = values if len(values) == 4 else above


def _problems(run: Run) -> Iterator[str]:
    if run.values and not run.head:
        yield "There is no head of the table: the columns are taken to be rate (MB/s), and avg, min and max time (s)."
    if run.wrong:
        yield f"{run.wrong} No rate of this run counts."
    elif not run.valid:
        yield "The line on validation is missing: the output is cut, or the arrays were not checked."
    if cut := [str(place) for place, _, values in run.values if len(values) < 4]:
        yield f"Line {cut[0]} is cut."
    names = {kernel for _, kernel, _ in run.values}
    if run.values and (absent := [kernel for kernel in KERNELS if kernel not in names]):
        yield f"There is no line for {', '.join(absent)}."
