"""SuperBench: ``results-summary.jsonl`` (a line a node), the older single object, baselines, ``monitor.jsonl``.

Names are ``benchmark[:annotation]/[run/]metric[:rank]``; values are bare numbers, whose units ``superbench_metrics``
knows. A return code that is not 0 is a failure that is kept. Names of nodes become numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchsuite.errors import DataError
from benchsuite.imports import values
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.superbench_metrics import Rule, rule
from benchsuite.model import Metric, Scalar, Status

NAME = re.compile(r"(?P<benchmark>[^/]+(?:/[^/]+)*?)(?:/(?P<run>\d+))?/(?P<metric>[^/]+)")
RANK = re.compile(r"(?P<metric>.+):(?P<rank>\d+)")
LIKE = re.compile(r'"(?:[\w.:+-]+/)+[^"/]+"\s*:\s*(?:-?\d|"?NaN|null)')
MONITOR = re.compile(r'\{\s*"time"\s*:\s*"[^"]*"\s*,[^{}]*"(?:cpu_usage|gpu_usage:0|gpu_temperature:0)"\s*:')
DIAGNOSIS = frozenset({"Category", "Defective Details", "Issue Details"})
WORDS = frozenset({"node", "time", "index", "Index"})
SMALL = re.compile(r"\+?\d{1,4}(?:By)?|\dkB")
CODES = {
    1: "invalid argument",
    2: "invalid type of benchmark",
    3: "invalid result",
    4: "exception at run time",
    10: "no precision supported",
    13: "distributed setting could not begin",
    14: "distributed setting could not end",
    15: "no data set",
    16: "no data loader",
    17: "no optimiser",
    18: "no model",
    30: "no name of the program",
    31: "program not found",
    32: "program failed",
    33: "result not understood",
    34: "architecture not supported",
    35: "no device",
    36: "MPI could not begin",
    50: "no image",
    51: "no container",
    52: "image not pulled",
    53: "container failed",
    54: "result of the container not understood",
    124: "stopped after its time limit",
}
"""What SuperBench's return codes say."""


@dataclass(slots=True)
class Reading:
    """What has been found so far: rows, names without a unit, zeros of return codes, and hosts by the order met."""

    rows: list[Row] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    succeeded: int = 0
    hosts: dict[str, str] = field(default_factory=dict)

    def host(self, name: str) -> str:
        """What a host is called instead of its name."""
        return self.hosts.setdefault(name, f"host {len(self.hosts) + 1}")


def tells(text: str) -> bool:
    """Whether the text is SuperBench's: an object whose names are ``benchmark/metric``, or a line of its monitor."""
    head = text.lstrip()[: 1 << 16]
    like = bool(LIKE.search(head) or MONITOR.match(head)) and '"benchmarks"' not in head
    return like and (head.startswith("{") or (head.startswith("[") and '"diagnosis/' in head))


def read(text: str) -> Imported:
    """What SuperBench measured on each node."""
    documents, problems = ([], []) if text.lstrip().startswith("[") else _documents(text)
    if not documents or any(name in DIAGNOSIS or "diagnosis/" in name for _, found in documents for name in found):
        raise DataError(
            "It is SuperBench's diagnosis: deviations from a baseline, not what was measured.",
            "Give the results-summary.jsonl that was diagnosed.",
        )
    state = Reading()
    if _monitored(documents):
        documents = [(0, _over_time(documents))]
    for place, (line, found) in enumerate(documents, 1):
        for name, value in found.items():
            if name not in WORDS:
                _entry(state, name, value, {"node": place} if len(documents) > 1 else {}, line)
    if state.unknown:
        most = ", ".join(name for name, _ in state.unknown.most_common(5))
        count = sum(state.unknown.values())
        problems.append(f"{count} values have names whose unit is not known, and were left out: {most}.")
    facts = {"nodes": str(len(documents)), "return codes of 0": str(state.succeeded)}
    return Imported("superbench", tuple(state.rows), facts=facts, problems=tuple(problems))


def _documents(text: str) -> tuple[list[tuple[int, dict[str, Any]]], list[str]]:
    """Each object with its line (0: one object over many lines), and what could not be read."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not all(line.lstrip().startswith("{") for _, line in lines) or len(lines) < 2:
        return [(0, values.document(text))], []
    found, problems = [], []
    for number, line in lines:
        try:
            found.append((number, values.document(line)))
        except DataError as error:
            problems.append(f"Line {number} could not be read: {error.message}")
    if not found:
        raise DataError(problems[0], values.REMEDY)
    return found, problems


def _monitored(documents: list[tuple[int, dict[str, Any]]]) -> bool:
    return all("time" in found and not any("/" in name for name in found) for _, found in documents)


def _over_time(documents: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """The monitor's readings, each with all its moments."""
    names = dict.fromkeys(name for _, found in documents for name in found if name not in WORDS)
    return {f"monitor/{name}": [found[name] for _, found in documents if name in found] for name in names}


def _entry(state: Reading, name: str, value: object, node: Mapping[str, Scalar], line: int) -> None:
    """One name and its value: a row, a return code, or a name that is not known."""
    parts = NAME.fullmatch(name)
    if not parts:
        state.unknown[values.word(name)] += 1
        return
    benchmark, _, annotation = parts["benchmark"].partition(":")
    annotation, slash, rest = annotation.partition("/")
    benchmark += slash + rest
    where = {**node, **({"annotation": annotation} if annotation else {})}
    where |= {"run": int(parts["run"])} if parts["run"] else {}
    for metric, rank in _readings(parts["metric"]):
        place = where | rank
        if metric == "return_code":
            _return_code(state, benchmark, value, place, line)
            return
        if known := rule(f"{benchmark}/{metric}"):
            state.rows.extend(_rows(state, known, benchmark, metric, value, place, line))
            return
    state.unknown[re.sub(r"\d+", "#", values.word(name))] += 1


def _readings(metric: str) -> Iterator[tuple[str, dict[str, Scalar]]]:
    """The metric as it stands, and without a number at its end that may be the rank."""
    yield metric, {}
    if (parts := RANK.fullmatch(metric)) and len(parts["rank"]) < 10:
        yield parts["metric"], {"rank": int(parts["rank"])}


def _return_code(state: Reading, benchmark: str, value: object, place: Mapping[str, Scalar], line: int) -> None:
    code = values.number(value)
    if code == 0:
        state.succeeded += 1
        return
    words = f"return code {values.word(value) or 'missing'}"
    reason = f"SuperBench ended it with {words}: {CODES.get(int(code) if code and abs(code) < 1e6 else 0, 'failed')}."
    params = {"name": "return_code", **place}
    state.rows.append(
        Row(
            f"superbench/{values.word(benchmark)}",
            Metric.COUNT,
            None,
            words,
            "how the benchmark ended",
            params,
            status=Status.FAILED,
            reason=reason,
            line=line,
        )
    )


def _rows(
    state: Reading, known: Rule, benchmark: str, metric: str, value: object, place: Mapping[str, Scalar], line: int
) -> Iterator[Row]:
    matched = known.pattern.fullmatch(f"{benchmark}/{metric}")
    groups = {name: found for name, found in (matched.groupdict() if matched else {}).items() if found}
    name = metric
    if host := groups.pop("host", ""):
        name = metric.replace(host, state.host(host))
    params = {"name": values.word(name), **{key: values.parameter(found) for key, found in groups.items()}, **place}
    moments = value if isinstance(value, list) else [value]
    number, status, reason, samples = _judged(known, moments, groups.get("size", ""))
    yield Row(
        f"superbench/{values.word(benchmark)}",
        known.metric,
        number,
        f"{values.word(moments[0])} {known.unit}".strip() if len(moments) == 1 else f"{len(moments)} readings",
        f"{known.meaning} ({values.word(name)})" + (", median of the readings" if len(moments) > 1 else ""),
        params,
        status=status,
        reason=reason,
        line=line,
        samples=samples,
    )


def _judged(known: Rule, moments: list[Any], size: str) -> tuple[float | None, Status, str, tuple[float, ...]]:
    """The value in SI units (of several moments the median), what became of it, why, and the moments themselves."""
    numbers = sorted(found for one in moments if (found := values.number(one)) is not None)
    middle = numbers[len(numbers) // 2] if numbers else None
    value, status, reason = values.judged(middle, zero=known.zero)
    if known.good is not None and status is Status.OK and value != known.good:
        return None, Status.REJECTED if known.good else Status.FAILED, "SuperBench says that it did not pass.", ()
    if middle == 0 and status is Status.FAILED and (known.idle or SMALL.fullmatch(size)):
        why = "what a test does not do is" if known.idle else "rates of small messages are"
        return None, Status.SKIPPED, f"It was printed as 0, as {why}.", ()
    samples = tuple(values.scaled(one, known.scale) or 0.0 for one in numbers) if len(moments) > 1 else ()
    return values.scaled(value, known.scale), status, reason, samples


FORMATS = (Format("superbench", "SuperBench results", tells, read),)
