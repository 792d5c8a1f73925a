"""OSU micro-benchmarks (OMB), 2.1 to 7.5: point to point, one-sided and collective tests over MPI, NCCL or OpenSHMEM.

Times are in microseconds, MB/s are 1e6 B/s. The columns depend on the options (``-f``, ``-c``, ``-z``): they are read
from the words of the header. Latencies of collectives are means of the ranks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from benchsuite.errors import DataError
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.lines import (
    Unit,
    clipped,
    integer,
    measured,
    missing,
    number,
    numbered,
    unfinished,
    unit,
    untagged,
)
from benchsuite.imports.osu_tests import called
from benchsuite.model import Metric, Scalar, Status

TOOL = "osu"
REMEDY = "Save all that the test prints, from its title to its last line."
MICROSECONDS = unit(Metric.LATENCY, "us", "1e-6")
MEGABYTES = unit(Metric.BANDWIDTH, "MB/s", "1e6")
MESSAGES = unit(Metric.RATE, "messages/s", 1)
PERCENT = unit(Metric.RATIO, "%", "1e-2")

TITLE = re.compile(r"^\W{0,16}OSU (\S.{3,80}?)(?: v(\d[\w.-]{0,20})| \(Version ([\d.]{1,10})\))?\s*$")
COLUMN = re.compile(
    r"Size|(?:Avg |Min |Max )?Latency ?\(us\)|(?:Bi-)?Bandwidth ?\(MB/s\)|MB/s(?:ec)?|Messages/s(?:ec)?"
    r"|Iterations|Validation|Overall\(us\)|Compute\(us\)|Coll\. Init\(us\)|MPI_Test\(us\)|MPI_Wait\(us\)"
    r"|(?:Pure|Min|Max) Comm\.\(us\)|Overlap\(%\)|P\d{1,2} Tail (?:Lat\(us\)|BW\(MB/s\))|Transmit Size"
)
STARTUP = re.compile(r"MPI startup\(\): (\d{1,7}) +\d{1,9} +\S")
INIT = re.compile(r"nprocs: (\d{1,7}), min: (\d{1,12}) ms, max: (\d{1,12}) ms, avg: (\d{1,12}) ms")
SAID = {
    "datatype": re.compile(r"# Datatype: (\w{1,40})"),
    "pairs": re.compile(r"\[ pairs: (\d{1,7}) \]"),
    "window": re.compile(r"\[ window size: (\d{1,7}) \]"),
    "window creation": re.compile(r"# Window creation: (\w{1,40})"),
    "synchronization": re.compile(r"# Synchronization: ([\w/]{1,60})"),
    "send buffer": re.compile(r"# (?:Send Buffer|Rank 0 Memory) on (\w{1,20})"),
    "receive buffer": re.compile(r"(?:Receive Buffer|Rank 1 Memory) on (\w{1,20})"),
}
COUNTS = {"Iterations", "Transmit Size"}
PAIR = {"latency", "bw", "bibw", "latency_mt", "persistent_latency", "persistent_bw", "persistent_bibw"}
ONE_SIDED = ("get_", "put_", "acc_", "fop_", "cas_")


@dataclass(slots=True)
class Test:
    """One test while it is read."""

    name: str = "unnamed"
    version: str = ""
    params: dict[str, Scalar] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ranks: int = 0


def tells(text: str) -> bool:
    """A title of a test, or a header."""
    return any(_titled(line) or _header(line) for _, line in numbered(text))


def read(text: str) -> Imported:
    """Every value of every test. Raises ``DataError`` when there is none."""
    tests, ranks, last = [Test()], 0, unfinished(text)
    for place, tagged in numbered(text):
        if started := STARTUP.search(tagged):
            ranks = max(ranks, int(started[1]) + 1)
            continue
        line = untagged(tagged)
        if title := _titled(line):
            name, params = called(title[1])
            tests.append(Test(name, title[2] or title[3] or "", params))
            continue
        _line(tests[-1], place, line, place == last, ranks)
    tests = [test for test in tests if test.rows or test.problems or test.name != "unnamed"]
    rows = [row for test in tests for row in test.rows]
    if not rows:
        raise DataError("There is no result in it: it ends before the first line of values.", REMEDY)
    problems = [problem for test in tests for problem in (*test.problems, *_missing(test))]
    versions = {test.version for test in tests if test.version}
    version = versions.pop() if len(versions) == 1 else ""
    return Imported(TOOL, tuple(rows), version, problems=tuple(dict.fromkeys(problems)))


FORMATS = (Format("osu", "the tables of the OSU micro-benchmarks", tells, read),)


def _titled(line: str) -> re.Match[str] | None:
    found = TITLE.match(line) if "OSU " in line else None
    return found if found and "Test" in found[1] else None


def _header(line: str) -> list[str]:
    """The columns, if the line is a header: only known words, of which one has a unit."""
    if "(us)" not in line and "MB/s" not in line and "Messages/s" not in line:
        return []
    columns = COLUMN.findall(line)
    known = not COLUMN.sub("", line).strip(" #\t")
    return columns if known and ("#" in line or columns[0] in {"Size", "Overall(us)"}) else []


def _line(test: Test, place: int, line: str, last: bool, started: int) -> None:
    if columns := _header(line):
        test.columns, test.above = columns, []
    elif found := INIT.search(line):
        test.rows += _init(test, found, place)
    elif "DATA VALIDATION ERROR" in line:
        wrong = "It reports that data were wrong (DATA VALIDATION ERROR)."
        test.problems.append(wrong)
        if not any(row.status is Status.REJECTED for row in test.rows):
            benchmark, what = f"{TOOL}/{test.name}", "a line that is not there"
            test.rows.append(missing(benchmark, Metric.LATENCY, what, Status.REJECTED, wrong, line=place))
    elif line.lstrip().startswith("#"):
        for key, pattern in SAID.items():
            if said := pattern.search(line):
                test.params[key] = int(said[1]) if said[1].isdecimal() else said[1]
    elif test.columns:
        _row(test, place, line, last, started)


def _row(test: Test, place: int, line: str, last: bool, started: int) -> None:
    """Takes a line of the table. Anything else may stand there too: an MPI's messages."""
    cells, tokens = _cells(line, len(test.columns)), line.split()
    if not cells:
        looks = len(tokens) == len(test.columns) and integer(tokens[0]) is not None
        test.problems += [f"Line {place} cannot be read."] if looks else []
        return
    test.ranks = _ranks(test, started)
    cut = len(cells) < len(test.columns) or (last and _clipped(test, cells[-1]))
    if cut:
        test.problems.append(f"Line {place} is cut.")
    test.rows += _values(test, dict(zip(test.columns, cells, strict=False)), place, cut)
    test.above = cells


def _cells(line: str, columns: int) -> list[str]:
    """The values of a line of the table; empty when it is none. A label of the launcher in front does not matter."""
    tokens = line.split()
    if tokens and tokens[0].endswith(":"):
        tokens = tokens[1:]
    good = all(number(one) is not None or one in {"Pass", "Fail"} for one in tokens)
    return tokens if good and 0 < len(tokens) <= columns and len(tokens) >= min(2, columns) else []


def _clipped(test: Test, printed: str) -> bool:
    """Whether the last number of an unfinished line is cut: values have two decimals, or more in versions before 3."""
    if test.columns[-1] in COUNTS:
        return bool(test.above) and clipped(printed, test.above[-1])
    return len(printed.partition(".")[2]) < 2 and printed not in {"Pass", "Fail"}


def _ranks(test: Test, started: int) -> int:
    """How many ranks took part: as the MPI lists them, as pairs, or as the kind of test has it; 0 where unknown."""
    if isinstance(pairs := test.params.get("pairs"), int):
        return 2 * pairs
    return 2 if test.name in PAIR or test.name.startswith(ONE_SIDED) else started


def _values(test: Test, cells: dict[str, str], place: int, cut: bool) -> Iterator[Row]:
    """The rows of one line of the table."""
    params: dict[str, Scalar] = dict(test.params)
    for column, key in (("Size", "size"), ("Iterations", "iterations"), ("Transmit Size", "transmit size")):
        value = integer(cells.get(column, ""))
        params |= {key: value} if value is not None else {}
    params |= {} if test.ranks else {"ranks": "unknown"}
    wrong = "The data were wrong (Validation: Fail)." if cells.get("Validation") == "Fail" else ""
    checked = ", data checked" if cells.get("Validation") == "Pass" else ""
    for column, printed in cells.items():
        kind, statistic, said = _meaning(column)
        if kind is None or (params.get("size") == 0 and kind is not MICROSECONDS):
            continue
        here = params | ({"statistic": statistic} if statistic else {})
        failed = "The line is cut: the number may be too." if cut and column == list(cells)[-1] else ""
        row = measured(
            f"{TOOL}/{test.name}",
            kind,
            printed,
            f"{said} ({column}){checked}",
            params=here,
            ranks=test.ranks or 1,
            line=place,
            wrong=wrong,
            failed=failed,
            zero=kind is PERCENT,
        )
        yield _uncalled(row) if column == "MPI_Test(us)" and number(printed) == 0.0 and not wrong else row


def _uncalled(row: Row) -> Row:
    """The time in ``MPI_Test`` when it is never called, as by default: nothing was measured, nothing failed."""
    return replace(row, status=Status.SKIPPED, reason="MPI_Test was not called: there is no time to measure.")


def _meaning(column: str) -> tuple[Unit | None, str, str]:
    """Unit, statistic (none for the plain value of the test) and meaning of a column; no unit where it is no value."""
    tail = re.match(r"P(\d+) Tail", column)
    statistic = f"p{tail[1]}" if tail else ""
    if column in COUNTS or column in {"Size", "Validation"}:
        return None, "", ""
    if "MB/s" in column:
        return MEGABYTES, statistic, "bandwidth of all messages"
    if column.startswith("Messages"):
        return MESSAGES, "message rate", "messages in a second"
    if column == "Overlap(%)":
        return PERCENT, "overlap", "share of the communication that computation hid"
    if "Lat" in column:
        statistic = {"Min": "min", "Max": "max"}.get(column[:3], statistic)
        return (
            MICROSECONDS,
            statistic,
            {"min": "least of the ranks", "max": "most of the ranks"}.get(statistic, "latency"),
        )
    return MICROSECONDS, column.removesuffix("(us)").rstrip(".").lower(), "part of a non-blocking operation"


def _init(test: Test, found: re.Match[str], place: int) -> Iterator[Row]:
    """``osu_init``: how long ``MPI_Init`` takes."""
    milliseconds = unit(Metric.LATENCY, "ms", "1e-3")
    for at, statistic in ((2, "min"), (3, "max"), (4, "")):
        params: dict[str, Scalar] = test.params | ({"statistic": statistic} if statistic else {})
        said, ranks = f"time of MPI_Init over the ranks ({statistic or 'avg'})", int(found[1])
        yield measured(f"{TOOL}/{test.name}", milliseconds, found[at], said, params=params, ranks=ranks, line=place)


def _missing(test: Test) -> Iterator[str]:
    if not test.rows:
        yield f"{test.name} has no line of values: the output is cut, or the test did not run."
        return
    if test.name == "unnamed":
        yield "There is no title: the test is not named."
    if not test.ranks and not all(row.ranks > 1 for row in test.rows):
        yield f"It does not say how many ranks took part in {test.name}."
