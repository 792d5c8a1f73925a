"""Google Benchmark: what ``--benchmark_out`` and ``--benchmark_format`` write as JSON or CSV.

Each repetition and each aggregate is a row for each of its figures. Unit of a user's counter: none, because the tool
prints none.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import DataError
from benchsuite.imports import values
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.model import Metric, Scalar, Status

TOOL = "google-benchmark"
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
CSV_HEAD = re.compile(r"^\"?name\"?,\"?iterations\"?,\"?real_time\"?,\"?cpu_time\"?(?:,|\r?$)", re.MULTILINE)
JSON_HEAD = re.compile(r'"benchmarks"\s*:\s*\[')
JSON_SIGN = re.compile(r'"(?:run_type|real_time|cpu_time|run_name|num_cpus|mhz_per_cpu|library_build_type)"\s*:')
SUFFIX = re.compile(r"(?P<name>.+)_(?P<aggregate>mean|median|stddev|cv|min|max|BigO|RMS)")
STANDARD = 10
"""Columns before those of users' counters: a line that ended with an error has no more cells."""

TIMES = {"real_time": "wall time of an iteration", "cpu_time": "processor time of an iteration"}
RATES = {
    "bytes_per_second": (Metric.BANDWIDTH, "B/s", "bytes that the benchmark says it processed in a second"),
    "items_per_second": (Metric.RATE, "1/s", "items that the benchmark says it processed in a second"),
}
MEMORY = {
    "allocs_per_iter": "allocations in an iteration",
    "max_bytes_used": "most bytes allocated at once",
    "total_allocated_bytes": "bytes allocated in all",
    "net_heap_growth": "bytes allocated and not freed",
}
RMS = "deviation from the fitted order, of the mean"
COEFFICIENTS = {"real_coefficient": "wall time", "cpu_coefficient": "processor time"}
WORDS = frozenset(
    {
        "name",
        "run_name",
        "run_type",
        "family_index",
        "per_family_instance_index",
        "repetition_index",
        "repetitions",
        "threads",
        "iterations",
        "aggregate_name",
        "aggregate_unit",
        "big_o",
        "time_unit",
        "label",
        "error_occurred",
        "error_message",
        "skipped",
        "skip_message",
        "line",
    }
)
"""What an entry holds that is neither a figure nor a user's counter."""


def tells(text: str) -> bool:
    """Whether the text is Google Benchmark's JSON or CSV."""
    body = _body(text)
    if not body:
        return bool(CSV_HEAD.search(text[: 1 << 16]))
    other = any(name in body for name in ('"machine_info"', '"fullname"', '"states"', '"stats"'))
    return bool(JSON_HEAD.search(body) and JSON_SIGN.search(body)) and not other


def _body(text: str) -> str:
    """The JSON, without the warnings that stand before it where both outputs went to one file; empty without JSON."""
    if text.lstrip().startswith("{"):
        return text
    start = text.find("\n{", 0, 1 << 16)
    return text[start:] if start >= 0 else ""


def read(text: str) -> Imported:
    """Every repetition and aggregate of a run."""
    body = _body(text)
    return _document(values.document(body)) if body else _table(text)


def _document(found: Mapping[str, Any]) -> Imported:
    context = values.section(found, "context")
    entries = values.entries(found.get("benchmarks"), dict)
    problems = []
    if isinstance(listed := found.get("benchmarks"), list) and len(listed) > len(entries):
        problems.append(f"{len(listed) - len(entries)} entries are no objects.")
    if context.get("library_build_type") == "debug":
        problems.append("The benchmark library was built for debugging: its own time is in the figures.")
    rows = tuple(row for entry, again in _counted(entries) for row in _entry(entry, again, 0))
    version = values.word(context.get("library_version"))
    date = values.word(context.get("date"))
    return Imported(TOOL, rows, version, date, facts=_facts(context), problems=tuple(problems))


def _facts(context: Mapping[str, Any]) -> dict[str, str]:
    """What is public of the context: no host name, no path, none of what a user added."""
    facts = {
        "processors": values.word(context.get("num_cpus")),
        "clock in MHz": values.word(context.get("mhz_per_cpu")),
        "frequency scaling": values.word(context.get("cpu_scaling_enabled")),
        "build of the library": values.word(context.get("library_build_type")),
    }
    return {name: value for name, value in facts.items() if value}


def _counted(entries: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Scalar]]]:
    """Each entry with what tells it from others of its name: its repetition, or its aggregate."""
    listed = list(entries)
    names = {values.word(entry.get("name")) for entry in listed}
    total: Counter[tuple[str, str]] = Counter((_name(entry, names), _aggregate(entry, names)) for entry in listed)
    seen: Counter[tuple[str, str]] = Counter()
    for entry in listed:
        name, aggregate = _name(entry, names), _aggregate(entry, names)
        again: dict[str, Scalar] = {"aggregate": aggregate} if aggregate else {}
        if total[name, aggregate] > 1:
            again["repetition"] = seen[name, aggregate]
        seen[name, aggregate] += 1
        yield {**entry, "run_name": name}, again


def _aggregate(entry: Mapping[str, Any], names: set[str]) -> str:
    """The aggregate that an entry is; empty for a repetition. Older versions tell it by the name alone."""
    if entry.get("run_type") == "aggregate" or "aggregate_name" in entry:
        return values.word(entry.get("aggregate_name")) or "unnamed"
    if "run_type" in entry:
        return ""
    parts = SUFFIX.fullmatch(values.word(entry.get("name")))
    known = parts and (parts["name"] in names or parts["aggregate"] in {"BigO", "RMS"})
    return parts["aggregate"] if parts and known else ""


def _name(entry: Mapping[str, Any], names: set[str]) -> str:
    name, aggregate = values.word(entry.get("name")), _aggregate(entry, names)
    family = name.removesuffix(f"_{aggregate}") if aggregate else name
    return values.word(entry.get("run_name")) or family or "unnamed"


def _entry(entry: Mapping[str, Any], again: Mapping[str, Scalar], line: int) -> Iterator[Row]:
    """The rows of one repetition or aggregate; one row that says why, where it has no figure."""
    benchmark, aggregate = f"{TOOL}/{entry['run_name']}", str(again.get("aggregate", ""))
    threads = entry.get("threads")
    params = {**again, **({"threads": threads} if isinstance(threads, int) and threads > 1 else {})}
    figures = list(_figures(entry, aggregate))
    status, reason = _refused(entry, figures)
    if reason:
        place = {**params, "quantity": "real_time"}
        meaning = TIMES["real_time"]
        yield Row(benchmark, Metric.LATENCY, None, "", meaning, place, status=status, reason=reason, line=line)
        return
    label = f", labelled {values.word(entry['label'])!r}" if values.word(entry.get("label")) else ""
    for figure in figures:
        raw = entry[figure.name]
        value, status, reason = figure.judged(raw, aggregate)
        yield Row(
            benchmark,
            figure.metric,
            values.scaled(value, figure.scale),
            f"{values.word(raw)} {figure.unit}".strip(),
            (f"{aggregate} of the " if aggregate else "") + figure.meaning + label,
            {**params, "quantity": figure.name},
            status=status,
            reason=reason,
            line=line,
        )


def _refused(entry: Mapping[str, Any], figures: list[Figure]) -> tuple[Status, str]:
    """Why an entry has no result; empty where it has one. The tool's own message may tell anything, and is not kept."""
    if values.word(entry.get("error_occurred")).lower() == "true":
        return Status.FAILED, "The benchmark ended with an error."
    if values.word(entry.get("skipped")).lower() == "true":
        return Status.SKIPPED, "The benchmark skipped itself."
    return (Status.OK, "") if figures else (Status.FAILED, "It holds no time.")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of an entry: its name there, what it is, its unit, SI units in one of it (0: the unit is not told);
    signed: it may lie below zero."""

    name: str
    metric: Metric
    meaning: str
    unit: str = ""
    scale: float = 1.0
    signed: bool = False

    def judged(self, raw: object, aggregate: str) -> tuple[float | None, Status, str]:
        """What was printed, if it can be true."""
        if not self.scale:
            return None, Status.SKIPPED, "Its unit is not told."
        number, zero = values.number(raw), self.metric in {Metric.RATIO, Metric.COUNT}
        if self.name == "cpu_time" and number == 0 and not zero:
            return None, Status.SKIPPED, "It was printed as 0, as the time of a benchmark that waits is."
        return values.judged(number, zero=zero, signed=self.signed, spread=not zero and aggregate == "stddev")


def _figures(entry: Mapping[str, Any], aggregate: str) -> Iterator[Figure]:
    """What an entry tells."""
    ratio = aggregate.lower() in {"cv", "rms"} or entry.get("aggregate_unit") == "percentage"
    unit = values.word(entry.get("time_unit"))
    times = TIMES | {name: f"{text} for each unit of {_order(entry)}" for name, text in COEFFICIENTS.items()}
    for name in entry:
        if name in times and not ratio:
            yield Figure(name, Metric.LATENCY, times[name], unit, SECONDS.get(unit, 0.0))
        elif name in RATES and not ratio:
            metric, symbol, meaning = RATES[name]
            yield Figure(name, metric, meaning, symbol)
        elif name in times or name in RATES or name == "rms":
            yield Figure(name, Metric.RATIO, times.get(name) or (RATES[name][2] if name in RATES else RMS))
        elif name not in WORDS and values.number(entry[name]) is not None:
            meaning = MEMORY.get(name, f"user's counter {values.word(name)}, whose unit is not told")
            yield Figure(name, Metric.RATIO if ratio else Metric.COUNT, meaning, signed=True)


def _order(entry: Mapping[str, Any]) -> str:
    return values.word(entry.get("big_o")) or "the size"


def _table(text: str) -> Imported:
    """The CSV, whose head may stand below lines that the tool printed before it."""
    head = CSV_HEAD.search(text)
    if not head:
        raise DataError("It holds no head of a table of Google Benchmark.", values.REMEDY)
    first = text.count("\n", 0, head.start()) + 1
    lines = text.splitlines()[first - 1 :]
    try:
        table = list(csv.reader(lines, strict=True))
    except csv.Error as error:
        raise DataError(f"It is not CSV: {error}.", values.REMEDY) from error
    columns = table[0]
    entries, problems = [], []
    for line, cells in enumerate(table[1:], first + 1):
        if len(cells) in {len(columns), min(STANDARD, len(columns))}:
            entries.append(_cells(dict(zip(columns, cells, strict=False))) | {"line": line})
        elif any(cells):
            problems.append(f"Line {line} has {len(cells)} cells, not {len(columns)}.")
    rows = tuple(row for entry, again in _counted(entries) for row in _entry(entry, again, entry["line"]))
    return Imported(TOOL, rows, problems=tuple(problems))


def _cells(found: Mapping[str, str]) -> dict[str, Any]:
    """A line of the table as an entry of the document: empty cells left out.

    Versions without a column for the unit always wrote nanoseconds. A line without a unit is an aggregate in
    percent, one whose unit is an order (such as N) the coefficient of a fit, whose unit is then not told.
    """
    entry: dict[str, Any] = {name: cell.strip() for name, cell in found.items() if cell.strip()}
    if "time_unit" not in found:
        entry["time_unit"] = "ns"
    elif "time_unit" not in entry and "real_time" in entry:
        entry["aggregate_unit"] = "percentage"
    if entry.get("error_occurred") == "false" and "error_message" in entry:
        entry["skipped"] = "true"
    return entry


FORMATS = (Format("google-benchmark", "Google Benchmark", tells, read),)
