"""nccl-tests: the table it prints, in every layout from 2017 to 2.19, and the document of ``-J``.

Times are in microseconds (milliseconds until 2018), GB/s are 1e9 B/s. Each size gives an out-of-place and an in-place
result: time, algorithm bandwidth and bus bandwidth (nccl-tests doc/PERFORMANCE.md). Values that the tool found wrong
are REJECTED; a bandwidth printed as zero is none: SKIPPED where size and time say that it was rounded, else FAILED.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from benchsuite.errors import DataError
from benchsuite.imports import nccl_tests_json
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.lines import (
    integer,
    measured,
    name,
    number,
    numbered,
    rejected,
    together,
    unfinished,
    unit,
    untagged,
)
from benchsuite.imports.nccl_tests_table import (
    CHECKS,
    DTYPE,
    PERF,
    PLACES,
    Header,
    Line,
    after,
    begun,
    cells,
    collectives,
    header,
    implied,
    leading,
    verdict,
    wanted,
    wrong,
)
from benchsuite.model import Metric, Scalar, Status

TOOL = "nccl-tests"
REMEDY = "Save all that the test prints, from the line '# nThread' to 'Avg bus bandwidth'."
UNNAMED, CUT = "unnamed", "cut"

COLUMNS = {
    "time": (unit(Metric.LATENCY, "us", "1e-6"), "time of one {op}, mean over the iterations (nccl-tests time)"),
    "algbw": (unit(Metric.ALGBW, "GB/s", "1e9"), "algorithm bandwidth: size over time (nccl-tests algbw)"),
    "busbw": (unit(Metric.BUSBW, "GB/s", "1e9"), "bus bandwidth: algbw times the factor of the collective (busbw)"),
    "copybw": (unit(Metric.BANDWIDTH, "GB/s", "1e9"), "bandwidth of the copies beside the collective (copybw)"),
    "i_min": (unit(Metric.LATENCY, "us", "1e-6"), "shortest iteration (i_min)"),
    "i_max": (unit(Metric.LATENCY, "us", "1e-6"), "longest iteration (i_max)"),
    "i_p99": (unit(Metric.LATENCY, "us", "1e-6"), "99th percentile of the iterations (i_p99)"),
    "i_cv%": (unit(Metric.RATIO, "%", "1e-2"), "coefficient of variation of the iterations (i_cv%)"),
}
MILLISECONDS = unit(Metric.LATENCY, "ms", "1e-3")
STATISTIC = {"i_min": "min", "i_max": "max", "i_p99": "p99", "i_cv%": "cv"}
AVERAGE = (
    "Avg bus bandwidth: the mean of busbw over all sizes and both placements; it depends on the sizes, no headline"
)

OPTIONS = {"nThread": "threads", "nGpus": "GPUs of a thread", "minBytes": "smallest size", "maxBytes": "largest size"}
OPTIONS |= {"step:": "step", "warmup iters:": "warm-up iterations", "agg iters:": "aggregated iterations"}
OPTIONS |= {"iters:": "iterations", "validation:": "validation", "graph:": "graph", "unalign:": "unalign"}
TROUBLES = {
    "Test NCCL failure": "an NCCL call failed",
    "Test CUDA failure": "a CUDA call failed",
    "Test failure": "the test failed",
    "Test timeout": "the test ran out of time",
    "not enough slots": "the launcher had not enough slots to start it",
    "Invalid number of GPUs": "there are fewer GPUs than it was asked for",
    "invalid sizes for": "the sizes it was asked for make no sense",
    "NCCL WARN": "NCCL printed warnings",
    "# error: ": "NCCL reported an error",
    "due to memory limitation": "the largest size was reduced for lack of memory",
}
VERSION = re.compile(r"[0-9][0-9A-Za-z.+-]{0,30}")


@dataclass(slots=True)
class Run:
    """One test in the file while it is read: what it says of itself, and the rows of its table."""

    perf: str = ""
    columns: Header | None = None
    ranks: dict[int, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    bounds: tuple[str, str, int] | None = None
    average: tuple[str, str, int] | None = None
    facts: dict[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


def tells(text: str) -> bool:
    """A name of a test, a header, or rows that only nccl-tests prints; no JSON."""
    if text.lstrip()[:1] == "{":
        return False
    if ("nThread" in text and "minBytes" in text) or "Avg bus bandwidth" in text or "Collective test" in text:
        return True
    lines = [line for _, line in numbered(text)]
    return any(header(line) for line in lines) or any(_is_row(line) for line in lines) or _launched(lines)


def read(text: str) -> Imported:
    """Every value of every table in the text. Raises ``DataError`` when there is no row in it."""
    runs = _runs(text)
    found = [_rows(run) for run in runs]
    rows = [row for part, _ in found for row in part]
    problems = list(dict.fromkeys(problem for _, part in found for problem in part))
    if not rows:
        troubles = [trouble for run in runs for trouble in run.troubles]
        why = f"There is no result in it: {troubles[0]}." if troubles else "It ends before the first row of results."
        raise DataError(why, REMEDY)
    facts = {key: value for run in runs for key, value in run.facts.items()}
    devices = together([run.ranks[rank] for rank in sorted(run.ranks)] for run in runs)
    return Imported(TOOL, tuple(rows), facts.pop("version", ""), "", devices, facts, tuple(problems))


FORMATS = (
    Format("nccl-tests", "the table of nccl-tests", tells, read),
    Format("nccl-tests-json", "the JSON of nccl-tests -J", nccl_tests_json.tells, nccl_tests_json.read),
)


def _is_row(line: str) -> bool:
    row = begun(1, line, None) if DTYPE.search(line) else None
    return row is not None and len(row.values) >= 8


def _launched(lines: Iterable[str]) -> bool:
    """A launcher's complaint about a test that never began."""
    return any(line.strip().removesuffix("_mpi").endswith(PERF) and "/" in line for line in lines)


def _runs(text: str) -> list[Run]:
    """The tests in the file: a new one where a head follows results."""
    runs, waiting, last = [Run()], False, unfinished(text)
    for place, line in numbered(text):
        run = runs[-1]
        if ("nThread" in line or "Collective test starting" in line or "nccl-tests version" in line) and (
            run.lines or run.average
        ):
            run, waiting = Run(), False
            runs.append(run)
        found, row = header(line), begun(place, line, run.columns)
        listed = "Rank" in line and "device" in line
        if run.average and (found or row or listed):  # the first lines of the next test are missing
            run, waiting = Run(columns=run.columns), False
            runs.append(run)
        if found:
            run.columns, waiting = found, False
        elif row:
            run.lines.append(row)
            waiting = len(row.values) < wanted(row, run.columns or Header())
        elif waiting and (values := leading(untagged(line).split())):
            run.lines[-1].values += values
            waiting = len(run.lines[-1].values) < wanted(run.lines[-1], run.columns or Header())
        else:
            _said(run, place, line)
    for cut in runs[-1].lines[-1:]:  # a line's last value is whole only if something stands behind it
        if cut.number == last and cut.values and (runs[-1].columns or Header()).group[-1] not in CHECKS:
            cut.values.pop()
    if runs[-1].average and runs[-1].average[2] == last and not text[-1].isspace():
        runs[-1].average = (runs[-1].average[0], CUT, last)
    return runs


def _said(run: Run, place: int, line: str) -> None:
    """What a line outside the table says."""
    tokens = untagged(line).replace("#", " ").split()
    if {"Rank", "on", "device"} <= set(tokens):
        _rank(run, tokens)
    elif "nThread" in line and "minBytes" in line:
        run.facts |= _options(line)
    elif "nccl-tests version" in line and VERSION.fullmatch(version := after(tokens, "version")):
        run.facts["version"] = version
    elif "NCCL version" in line and VERSION.fullmatch(version := after(tokens, "version")):
        run.facts["NCCL"] = version
    elif "rccl-tests" in line:
        run.facts["variant"] = "rccl-tests"
    elif "Out of bounds values" in line and number(verdict(line)[0]) is not None:
        run.bounds = (*verdict(line), place)
    elif "Avg bus bandwidth" in line:
        run.average = (*verdict(line), place)
    if not run.perf and "_perf" in line:
        run.perf = next((one for one in PERF if re.search(rf"(?<![a-z_]){one}(?:_mpi)?\b", line)), "")
    run.troubles += [words for sign, words in TROUBLES.items() if sign in line and words not in run.troubles]


def _rank(run: Run, tokens: list[str]) -> None:
    """``Rank 0 Group 0 Pid 66421 on HOST device 0 [0x00] NAME``: only the rank and the name are kept."""
    rank = integer(after(tokens, "Rank"))
    close = next((at for at, token in enumerate(tokens) if token.endswith("]") and at > tokens.index("device")), None)
    if rank is not None and 0 <= rank < 1 << 20 and close is not None:
        run.ranks[rank] = name(" ".join(tokens[close + 1 :]))


def _options(line: str) -> dict[str, str]:
    found = {}
    for label, meaning in OPTIONS.items():  # "iters:" comes after the two labels that end with it
        words = line.partition(label)[2].split()
        line = line.replace(label, " ", 1)
        if words and integer(digits := words[0].partition("(")[0]) is not None:
            kind = words[0].partition("(")[2].rstrip(")")
            found[meaning] = f"{digits} ({kind})" if kind in {"factor", "bytes"} else digits
    return found


def _rows(run: Run) -> tuple[list[Row], list[str]]:
    """The rows of one test, and what has to be said of it."""
    if not run.lines:
        return [], [f"In one of its tests there is no result: {trouble}." for trouble in run.troubles]
    ranks = max(run.ranks) + 1 if run.ranks else 0
    columns = run.columns or Header()
    perf, problems = _named(run, columns, ranks)
    problems += _ranks(run, columns, ranks, perf)
    rows = [row for line in run.lines for row in _values(line, columns, f"{TOOL}/{perf}", ranks, run.columns is None)]
    cut = [str(line.number) for line in run.lines if len(line.values) < wanted(line, columns)]
    if cut:
        problems.append(f"Line {cut[0]} ends before its last column: what is cut is left out.")
    rows = [_rounded(row, rows) for row in rows]
    hidden = sum(row.status is Status.FAILED and row.metric in {Metric.ALGBW, Metric.BUSBW} for row in rows)
    if hidden:
        problems.append(f"{hidden} bandwidths have no value: they are printed as zero or are no numbers.")
    rows = list(_judged(run, rows, problems))
    if run.average:
        rows.append(_average(run, run.average, f"{TOOL}/{perf}", ranks))
    problems += [f"It says that {trouble}." for trouble in run.troubles]
    return rows, problems


def _named(run: Run, columns: Header, ranks: int) -> tuple[str, list[str]]:
    """The test's name, as it is printed or as the rows tell it."""
    if run.perf:
        return run.perf, []
    fit = collectives(run.lines, columns, ranks)
    if len(fit) == 1:
        return fit[0], [f"It does not name the test; only {fit[0]} prints such operations, sizes and bandwidths."]
    those = " or ".join(one.removesuffix("_perf") for one in fit) or "no known test"
    return UNNAMED, [f"It does not name the test; the rows fit {those}."]


def _ranks(run: Run, columns: Header, ranks: int, perf: str) -> list[str]:
    problems = []
    if run.columns is None:
        problems.append(
            "There is no header: the columns are taken to be time (us), algbw and busbw (GB/s) and the check,"
            " out of place and in place."
        )
    if not ranks:
        last = dict(zip(columns.group, run.lines[-1].values, strict=False))
        said = implied(perf, last.get("algbw", ""), last.get("busbw", ""))
        problems.append(f"It does not say how many ranks took part. {said}".strip())
    elif len(run.ranks) < ranks:
        problems.append(f"The list of devices is cut: {len(run.ranks)} of at least {ranks} ranks are in it.")
    if run.bounds is None:
        problems.append("The line 'Out of bounds values' is missing: the output is cut, or the test did not end.")
    return problems


def _values(line: Line, columns: Header, benchmark: str, ranks: int, guessed: bool) -> Iterator[Row]:
    """The rows of one line of the table."""
    params: dict[str, Scalar] = {"size": line.size, "count": line.count, "dtype": line.dtype}
    params |= {"redop": line.redop} if line.redop not in {"", "none"} else {}
    params |= {"root": line.root} if line.root is not None and line.root >= 0 else {}
    params |= {"ranks": "unknown"} if not ranks else {}
    for in_place, values in cells(line, columns):
        check = next((column for column in columns.group if column in CHECKS), "")
        kind = "told by value" if guessed else check
        bad = wrong(kind, values.get(check, "N/A"), line.dtype, ranks)
        unchecked = values.get(check, "N/A") == "N/A"
        here = params | {"in_place": in_place} | ({"checked": False} if unchecked else {})
        for column, printed in values.items():
            if column not in COLUMNS or (line.size == 0 and "bw" in column):
                continue
            unit_of, meaning = COLUMNS[column]
            unit_of = MILLISECONDS if column == "time" and columns.milliseconds else unit_of
            said = f"{meaning.format(op='operation')}, {PLACES[in_place]}{', values not checked' if unchecked else ''}"
            extra = {"statistic": STATISTIC[column]} if column in STATISTIC else {"quantity": column}
            yield measured(
                benchmark,
                unit_of,
                printed,
                said,
                params=here | extra,
                ranks=ranks or 1,
                line=line.number,
                wrong=bad,
                zero=column == "i_cv%",
            )


def _rounded(row: Row, rows: list[Row]) -> Row:
    """A bandwidth that is printed as zero because two decimals are too few for it: nothing failed there."""
    size, place = row.params.get("size"), row.params.get("in_place")
    if row.status is not Status.FAILED or row.metric not in {Metric.ALGBW, Metric.BUSBW} or not isinstance(size, int):
        return row
    beside = (one for one in rows if one.line == row.line and one.params.get("in_place") == place)
    seconds = next((one.value for one in beside if one.params.get("quantity") == "time" and one.value), None)
    factor = 2.0 if row.metric is Metric.BUSBW else 1.0  # no collective's bus bandwidth is more than twice the other
    if number(row.text.split()[0]) != 0.0 or seconds is None or factor * size / seconds > SMALLEST:
        return row
    return replace(row, status=Status.SKIPPED, reason=f"It is printed as {row.text}: too little for its decimals.")


SMALLEST = 2e7
"""B/s that are printed as more than 0.00 GB/s for certain."""


def _judged(run: Run, rows: list[Row], problems: list[str]) -> Iterator[Row]:
    """The rows after the test's own verdict: if it found wrong values that no row owns up to, all are suspect."""
    if run.bounds is None or (run.bounds[1] != "FAILED" and number(run.bounds[0]) == 0.0):
        yield from rows
        return
    count = name(run.bounds[0])
    problems.append(f"It found {count} values out of bounds (line {run.bounds[2]}): the result is wrong.")
    owned = any(row.status is Status.REJECTED for row in rows)
    reason = f"The test found {count} values out of bounds and no row says where."
    for row in rows:
        suspect = row.status is Status.OK and not owned
        yield rejected(row, reason) if suspect else row


def _average(run: Run, average: tuple[str, str, int], benchmark: str, ranks: int) -> Row:
    printed, verdict, place = average
    unit_of, _ = COLUMNS["busbw"]
    cut = "The line is cut: the number may be too." if verdict == CUT else ""
    bad = "The test judged it FAILED: below what it was told to expect (-c)." if verdict == "FAILED" else ""
    if run.bounds and run.bounds[1] == "FAILED":
        bad = "The test found values out of bounds."
    params: dict[str, Scalar] = {"quantity": "busbw", "statistic": "mean over all sizes"}
    params |= {} if ranks else {"ranks": "unknown"}
    return measured(
        benchmark, unit_of, printed, AVERAGE, params=params, ranks=ranks or 1, line=place, wrong=bad, failed=cut
    )
