"""all_reduce_bench.py of ml-engineering: the table it prints, one line a payload, or one an iteration.

GBps are 1e9 B/s; the first version printed 2^30 B/s under the same name, and says so in its legend. Payloads are
powers of 1024. busbw is algbw times 2(n-1)/n for n ranks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchsuite.errors import DataError
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.lines import Unit, measured, name, number, numbered, unit
from benchsuite.imports.nccl_tests_table import implied
from benchsuite.model import Metric, Scalar

TOOL = "all_reduce_bench"
BENCHMARK = f"{TOOL}/all_reduce"
REMEDY = "Save what all_reduce_bench.py prints, from 'Environment' to 'Elapsed time'."
METRICS = {"busbw": Metric.BUSBW, "algbw": Metric.ALGBW}
MEANINGS = {
    "busbw": "bus bandwidth: algbw times 2(n-1)/n (busbw)",
    "algbw": "algorithm bandwidth: payload over time, mean of the ranks (algbw)",
}
SCALES = {"GBps": "1e9", "Gbps": "1.25e8"}
BINARY = 1 << 30
PAYLOAD = re.compile(r"(\d{1,6})([KMGTPE]?)i?B")
POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
CELL = re.compile(r"(-?[\d.]{1,20}|-?nan|-?inf) ?GBps")
PLAIN = re.compile(r"(algbw|busbw): ([\d.]{1,20}|nan|inf) +(GBps|Gbps)\b")
HEAD = re.compile(r"over (\d{1,7}) ranks \((\d{1,9}) warmups / (\d{1,9}) trials\)")
OLD_HEAD = re.compile(r"with a ([\d.]{1,12})GB payload \((\d{1,9}) trials, (\d{1,7}) ranks\)")
ONE_PAYLOAD = re.compile(r"The ([\d.]{1,12})GiB payload bandwidth")
VERSIONS = re.compile(r"torch=([0-9][\w.+-]{0,40}), cuda=([0-9][\w.]{0,20}|None), nccl=(\([\d, ]{1,20}\)|\d{1,6})")
DEVICE = re.compile(r"\bname='([^']{1,100})'")


@dataclass(slots=True)
class Log:
    """The output while it is read."""

    columns: list[str] = field(default_factory=list)
    ranks: int = 0
    payload: int = 0
    rows: list[Row] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    iterations: int = 0
    last: dict[str, str] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)


def tells(text: str) -> bool:
    """Its table, or the sentence above it."""
    if "busbw" not in text:
        return False
    return any(_head(line) for _, line in numbered(text)) or " of all_reduce " in text


def read(text: str) -> Imported:
    """Both bandwidths of each line. Raises ``DataError`` when there is no line with a result."""
    binary = re.search(r"1GB(?:ps)? ?= ?2\*\*30", text) is not None
    log = Log()
    for place, line in numbered(text):
        _line(log, place, line, binary)
    if not log.rows:
        raise DataError("There is no result in it: it ends before the first line of its table.", REMEDY)
    problems = [f"Line {place} is cut." for place in log.cut]
    if not log.ranks:
        said = implied("all_reduce_perf", log.last.get("algbw", ""), log.last.get("busbw", ""))
        problems.append(
            f"It does not say how many ranks took part. {said.replace('all_reduce_perf', 'all-reduce')}".strip()
        )
    if binary:
        problems.append("Its legend says that GB are 2^30 bytes: so are the bandwidths.")
    return Imported(TOOL, tuple(log.rows), "", "", tuple(log.devices), log.facts, tuple(problems))


FORMATS = (Format("all-reduce-bench", "the table of all_reduce_bench.py", tells, read),)


def _head(line: str) -> list[str]:
    """The columns, if the line is the head of the table; what a launcher put before it does not matter."""
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    return cells if cells in (["payload", "busbw", "algbw"], ["busbw", "algbw"]) else []


def _line(log: Log, place: int, line: str, binary: bool) -> None:
    if columns := _head(line):
        log.columns, log.iterations = columns, 0
    elif "|" in line and log.columns:
        log.rows += list(_cells(log, place, line, binary))
    elif found := PLAIN.search(line):
        log.rows.append(_row(log, found[1], found[2], found[3], place, binary))
        log.last[found[1]] = found[2]
    elif found := HEAD.search(line):
        log.ranks = int(found[1])
        log.facts |= {"warm-up iterations": found[2], "iterations": found[3]}
        one = ONE_PAYLOAD.search(line)
        log.payload = _bytes(one[1], BINARY) if one else 0
    elif found := OLD_HEAD.search(line):
        log.ranks, log.payload = int(found[3]), _bytes(found[1], 10**9)
        log.facts["iterations"] = found[2]
    elif found := VERSIONS.search(line):
        log.facts |= {"torch": found[1], "CUDA": found[2], "NCCL": found[3].strip("()").replace(", ", ".")}
    elif device := DEVICE.search(line):
        log.devices.append(name(device[1]))


def _cells(log: Log, place: int, line: str, binary: bool) -> Iterator[Row]:
    """The bandwidths of one line of the table."""
    cells = [cell.strip() for cell in line.split("|")[1:]]
    if set("".join(cells)) <= set(":- "):
        return
    values = dict(zip(log.columns, cells, strict=False))
    payload = PAYLOAD.fullmatch(values.pop("payload", ""))
    if "payload" in log.columns:
        log.payload = int(payload[1]) << 10 * POWER[payload[2]] if payload else 0
    else:
        log.iterations += 1
    if len(cells) <= len(log.columns) or ("payload" in log.columns and payload is None):
        log.cut.append(place)
    for column, cell in values.items():
        if (found := CELL.fullmatch(cell)) and log.payload:
            log.last[column] = found[1]
            yield _row(log, column, found[1], "GBps", place, binary)


def _row(log: Log, column: str, printed: str, kind: str, place: int, binary: bool) -> Row:
    scale: str | int = BINARY if binary and kind == "GBps" else SCALES[kind]
    params: dict[str, Scalar] = {"size": log.payload, "dtype": "float32"} if log.payload else {"dtype": "float32"}
    params["quantity"] = column
    params |= {"iteration": log.iterations} if log.iterations else {}
    params |= {} if log.ranks else {"ranks": "unknown"}
    of: Unit = unit(METRICS[column], kind, scale)
    meaning = MEANINGS[column] + (", one iteration" if log.iterations else ", mean of the iterations")
    return measured(BENCHMARK, of, printed, meaning, params=params, ranks=log.ranks or 1, line=place)


def _bytes(printed: str, scale: int) -> int:
    found = number(printed)
    return round(found * scale) if found is not None and 0.0 < found < 1e6 else 0
