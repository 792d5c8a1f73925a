"""BabelStream, before 2.0 GPU-STREAM: its table and its ``--csv``, versions 0.9 to 6.

The bandwidth is that of the fastest repetition, without the first, in the unit that stands above the column: MB/s are
1e6 B/s, MiB/s 2^20 B/s. Wrong arrays make every bandwidth of the run REJECTED (since 5 there is no table then).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchsuite.errors import DataError
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.lines import (
    Unit,
    clipped,
    measured,
    missing,
    name,
    number,
    numbered,
    rejected,
    together,
    unfinished,
    unit,
    untagged,
)
from benchsuite.model import Metric, Scalar, Status

TOOL = "babelstream"
REMEDY = "Save all that BabelStream prints, with what goes to standard error."
SECONDS = unit(Metric.LATENCY, "s", 1)
SIZES = {"M": 10**6, "G": 10**9, "T": 10**12, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
HEAD = re.compile(r"Function +([MGT]i?)B(?:ytes)?/s(?:ec)? +Min \(sec\) +Max +Average", re.IGNORECASE)
CSV_RATE = re.compile(r"(?:max_)?([mgt]i?)(?:b|bytes)_per_sec", re.IGNORECASE)
TITLE = re.compile(r"^(?:BabelStream(?: Fortran)?|GPU-STREAM)\s*$")
ONCE = re.compile(r"^Bandwidth \(([MGT]i?)B/s\): +(\S{1,40})")
RUNTIME = re.compile(r"^Runtime \(seconds\): +(\S{1,40})")
PHASE = re.compile(r"^(Init|Read): +(\S{1,40}) ?s \(= *(\S{1,40}) +([MGT]i?)Bytes/sec\)")
DEVICE = re.compile(r"^(?:Using \w{2,20} device(?::| on)? (.{1,100})|\w{2,10} Device \d{1,4}: \"([^\"]{1,100})\")")
LABELS = ("Copy", "Mul", "Add", "Add4", "Triad", "Dot", "Nstream", "GEOMEAN")
FACTS = {"Version": "version", "Implementation": "implementation", "Precision": "precision", "Driver": "driver"}
FACTS |= {"CUDA Driver": "driver", "Array size": "array size", "Number of elements": "elements"}
CUT = "The line is cut: the number may be too."
PLAIN = re.compile(r"[\w .()=+-]{1,60}")


@dataclass(slots=True)
class Run:
    """One run while it is read."""

    facts: dict[str, str] = field(default_factory=dict)
    device: str = ""
    rate: Unit | None = None
    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    wrong: str = ""
    unfinished: int = 0
    above: list[str] = field(default_factory=list)


def tells(text: str) -> bool:
    """Its title, or the head of one of its tables."""
    return any(TITLE.match(line.strip()) or HEAD.search(line) or _csv_head(line) for _, line in numbered(text))


def read(text: str) -> Imported:
    """Bandwidth and times of each kernel. Raises ``DataError`` when there is neither a bandwidth nor a failure."""
    runs, last = [Run()], unfinished(text)
    for place, tagged in numbered(text):
        line = untagged(tagged).strip()
        if TITLE.match(line) and (runs[-1].rows or runs[-1].facts):
            runs.append(Run())
        runs[-1].unfinished = last
        _line(runs[-1], place, line)
    rows = [row for run in runs for row in _judged(run)]
    if not rows:
        raise DataError("There is no result in it: it ends before the table of bandwidths.", REMEDY)
    problems = [f"{run.wrong} No bandwidth of this run counts." for run in runs if run.wrong]
    problems += [f"Line {run.cut[0]} is cut." for run in runs if run.cut]
    problems += [f"{len(runs) - 1} more runs follow in the same file."] if len(runs) > 1 else []
    facts = {key: value for run in runs for key, value in run.facts.items()}
    devices = together([run.device] for run in runs if run.device)
    return Imported(TOOL, tuple(rows), facts.pop("version", ""), "", devices, facts, tuple(dict.fromkeys(problems)))


FORMAT = Format("babelstream", "the table or CSV of BabelStream", tells, read)


def _csv_head(line: str) -> list[str]:
    """The columns, if the line is the head of a CSV table: of the kernels, or of the phases around them."""
    columns = [cell.strip() for cell in line.split(",")]
    known = columns[0] in {"function", "phase"} and {"n_elements", "sizeof"} <= set(columns)
    return columns if known and any(CSV_RATE.fullmatch(cell) for cell in columns) else []


def _bandwidth(prefix: str) -> Unit:
    """The unit that a column's head names, in the tool's own spelling of the prefix or in small letters."""
    prefix = prefix[0].upper() + prefix[1:].lower()
    return unit(Metric.BANDWIDTH, f"{prefix}B/s", SIZES[prefix])


def _line(run: Run, place: int, line: str) -> None:
    key, _, value = line.partition(":")
    if found := HEAD.search(line):
        run.rate, run.columns = _bandwidth(found[1]), []
    elif columns := _csv_head(line):
        run.rate = _bandwidth(next(found[1] for cell in columns if (found := CSV_RATE.fullmatch(cell))))
        run.columns = columns
    elif "alidation" in line and "ailed" in line.lower():
        array = re.search(r"\b(?:on|of) (\w{1,10})", line)
        run.wrong = f"The values of {array[1]} are wrong." if array else "The values are wrong."
    elif run.columns and "," in line:
        run.rows += _csv(run, place, line)
    elif (tokens := line.split()) and run.rate and not run.columns and tokens[0] in LABELS:
        run.rows += _table(run, place, tokens)
    elif found := PHASE.match(line):
        params = _params(run) | {"statistic": "once"}
        said = f"bandwidth of the phase {found[1]}, over the host's link where the arrays are on a device"
        run.rows.append(
            measured(f"{TOOL}/{found[1].lower()}", _bandwidth(found[4]), found[3], said, params=params, line=place)
        )
    elif found := ONCE.match(line) or RUNTIME.match(line):
        run.rows.append(_triad_only(run, place, found))
    elif device := DEVICE.match(line):
        run.device = name((device[1] or device[2]).partition(" (compute_units")[0])
    elif key.strip() in FACTS and PLAIN.fullmatch(value.strip()):
        run.facts[FACTS[key.strip()]] = value.strip()


def _params(run: Run) -> dict[str, Scalar]:
    kept = ("implementation", "precision", "elements", "array size")
    return {key: run.facts[key] for key in kept if key in run.facts}


def _table(run: Run, place: int, tokens: list[str]) -> Iterator[Row]:
    """A line of the table: kernel, bandwidth, and the shortest, longest and mean time."""
    kernel, values = tokens[0], tokens[1:5]
    if kernel == "GEOMEAN":
        said = "geometric mean of the bandwidths of the kernels, no headline (GEOMEAN)"
        params = _params(run) | {"statistic": "geometric mean"}
        yield from (measured(f"{TOOL}/geomean", _rate(run), one, said, params=params, line=place) for one in values[:1])
        return
    above = run.above[-1] if run.above else ""
    clip = len(values) < 4 or (place == run.unfinished and clipped(values[-1], above))
    if clip or any(number(one) is None for one in values):
        run.cut.append(place)
    cut, run.above = CUT if clip else "", values
    yield from _kernel(run, place, kernel, dict(zip(("rate", "min", "max", "avg"), values, strict=False)), cut)


def _csv(run: Run, place: int, line: str) -> Iterator[Row]:
    """A line of the CSV table."""
    values = [cell.strip() for cell in line.split(",")]
    cells = dict(zip(run.columns, values, strict=False))
    kernel = cells.get("function", cells.get("phase", ""))
    if kernel not in {*LABELS, "Init", "Read"}:
        return
    above = run.above[-1] if run.above else ""
    clip = len(values) < len(run.columns) or (place == run.unfinished and clipped(values[-1], above))
    if clip:
        run.cut.append(place)
    for key, fact in (("n_elements", "elements"), ("sizeof", "sizeof")):
        if cells.get(key, "").isdecimal() and len(cells[key]) <= 20:
            run.facts[fact] = cells[key]
    run.facts["precision"] = {"4": "float", "8": "double"}.get(run.facts.pop("sizeof", ""), "unknown")
    rate = next((cells[column] for column in run.columns if CSV_RATE.fullmatch(column) and column in cells), "")
    times = {"min": "min_runtime", "max": "max_runtime", "avg": "avg_runtime", "once": "runtime"}
    found = {"rate": rate} | {short: cells[long] for short, long in times.items() if long in cells}
    cut, run.above = CUT if clip else "", values
    yield from _kernel(run, place, kernel, found, cut)


def _kernel(run: Run, place: int, kernel: str, values: dict[str, str], cut: str) -> Iterator[Row]:
    """The rows of one kernel. cut: why the last of its values does not count."""
    last = list(values)[-1] if values else ""
    for column, printed in values.items():
        failed, benchmark = cut if column == last else "", f"{TOOL}/{kernel.lower()}"
        if column == "rate":
            said = f"bandwidth of {kernel}, of the fastest repetition without the first"
            yield measured(benchmark, _rate(run), printed, said, params=_params(run), line=place, failed=failed)
        else:
            params = _params(run) | {"statistic": column}
            said = f"{column} time of {kernel} over the repetitions without the first"
            yield measured(benchmark, SECONDS, printed, said, params=params, line=place, failed=failed)


def _triad_only(run: Run, place: int, found: re.Match[str]) -> Row:
    """A line of ``--triad-only``: all repetitions in one interval."""
    params = _params(run) | {"statistic": "all repetitions"}
    if found.re is RUNTIME:
        said = "time of all repetitions of Triad together"
        return measured(f"{TOOL}/triad", SECONDS, found[1], said, params=params, line=place)
    said = "bandwidth of Triad over all repetitions together"
    return measured(f"{TOOL}/triad", _bandwidth(found[1]), found[2], said, params=params, line=place)


def _rate(run: Run) -> Unit:
    return run.rate or _bandwidth("M")


def _judged(run: Run) -> Iterator[Row]:
    if run.wrong and not run.rows:
        reason = f"{run.wrong} BabelStream printed no table."
        yield missing(f"{TOOL}/unnamed", Metric.BANDWIDTH, "a table that is not there", Status.REJECTED, reason)
    yield from (rejected(row, run.wrong) if run.wrong else row for row in run.rows)
