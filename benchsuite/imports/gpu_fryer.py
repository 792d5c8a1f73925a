"""gpu-fryer: speed, temperature and throttling of each GPU, and whether it calls them healthy; as text and as JSON.

Gflops/s are 1e9 flop/s; the JSON lines (``--json``) count flop/s and seconds of throttling. Until January 2026 the
mean stood under the name ``dev``. A GPU that did nothing reports 0, and the largest integer as its least.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchsuite.errors import DataError
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.imports.fragments import decoded, rows, table
from benchsuite.imports.lines import Unit, integer, measured, name, number, numbered, together, unit
from benchsuite.model import Metric, Scalar, Status

TOOL = "gpu-fryer"
REMEDY = "Save all that gpu-fryer prints, to the line on the health of the GPUs."
GFLOPS = unit(Metric.FLOPS, "Gflops/s", "1e9")
FLOPS = unit(Metric.FLOPS, "flop/s", 1)
CELSIUS = unit(Metric.TEMPERATURE, "°C", 1)
COUNT = unit(Metric.COUNT, "", 1)
FASTEST, HOTTEST = 1e18, 200.0
"""Beyond these, a speed or a temperature is an overflow: no GPU of today comes near."""

NUMBER = r"(\d{1,30}(?:\.\d{1,9})?|NaN|inf)"
RESULT = re.compile(rf"GPU #(\d{{1,4}}): +{NUMBER} Gflops/s \(min: {NUMBER}, max: {NUMBER}(?:, dev: {NUMBER})?\)")
WARMTH = re.compile(rf"Temperature: {NUMBER}\S{{0,2}}C \(min: {NUMBER}, max: {NUMBER}\)")
THROTTLING = re.compile(r"Throttling HW: (true|false), Thermal SW: (true|false), Thermal HW: (true|false)")
DETECTED = re.compile(r"Detected GPU #(\d{1,4}): \"?([^\"(]{1,100})\"?")
PROBLEM = re.compile(r"- GPU #?(\d{1,4}) - (.{1,200})")
REASONS = {
    "throttled": "it was throttled",
    "Throttling": "it was throttled",
    "not performing as expected": "it is slower than the fastest GPU by more than the tolerance",
    "LowFlops": "it is slower than the fastest GPU by more than the tolerance",
    "0 FLOPS": "it did no work",
    "ZeroFlops": "it did no work",
}
KINDS = ("detected_gpus", "feature_detection", "progress", "results", "problems")


@dataclass(slots=True)
class Log:
    """The output while it is read."""

    rows: list[Row] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    progress: bool = False
    gpus: list[int] = field(default_factory=list)
    params: dict[str, Scalar] = field(default_factory=dict)
    verdict: int = 0
    unwell: bool = False
    sick: dict[int, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def tells(text: str) -> bool:
    """A result, a line of progress, or what it says of the GPUs; no JSON."""
    if tells_json(text):
        return False
    signs = ("Detected GPU #", "All GPUs seem healthy", "Some GPUs are not healthy", "Gflops/s (min:")
    return any(sign in text for sign in signs) or ("Gflops/s)" in text and "Temperatures:" in text)


def tells_json(text: str) -> bool:
    """A JSON line with one of its types."""
    heads = (line.lstrip()[:80] for _, line in numbered(text) if line.lstrip()[:1] == "{")
    types = re.compile(rf'\{{\s*"type"\s*:\s*"(?:{"|".join(KINDS)})"')
    return any(types.match(head) for head in heads)


def read(text: str) -> Imported:
    """Every figure of every GPU. Raises ``DataError`` when there is none."""
    runs = [Log()]
    for place, line in numbered(text):
        if runs[-1].verdict and any(sign in line for sign in ("Detected GPU #", "Temperatures:", "Gflops/s (min:")):
            runs.append(Log())
        _line(runs[-1], place, line)
    return _imported(runs)


def read_json(text: str) -> Imported:
    """As ``read``, from JSON lines. A line that is cut or damaged is left out, with a sentence."""
    runs = [Log()]
    for place, line in numbered(text):
        if not line.strip() or not line.lstrip().startswith("{"):
            continue
        try:
            message = table(decoded(line))
        except DataError as error:
            runs[-1].problems.append(f"Line {place} cannot be read: {error.message[:200]}")
            continue
        if runs[-1].verdict and message.get("type") in {"detected_gpus", "progress", "results"}:
            runs.append(Log())
        _message(runs[-1], place, message)
    return _imported(runs)


FORMATS = (
    Format("gpu-fryer", "what gpu-fryer prints", tells, read),
    Format("gpu-fryer-json", "the JSON lines of gpu-fryer --json", tells_json, read_json),
)


def _imported(runs: list[Log]) -> Imported:
    found = [row for log in runs for row in (*log.rows, *_verdicts(log))]
    if not found:
        why = next((log.problems[0] for log in runs if log.problems), "It ends before its results.")
        raise DataError(f"There is no result in it. {why}", REMEDY)
    problems = dict.fromkeys(problem for log in runs for problem in _problems(log))
    devices = together([log.names[index] for index in sorted(log.names)] for log in runs)
    return Imported(TOOL, tuple(found), "", "", devices, {}, tuple(problems))


def _problems(log: Log) -> Iterator[str]:
    yield from log.problems
    for index, reasons in sorted(log.sick.items()):
        yield f"GPU {index} is not healthy: {' and '.join(reasons)}."
    if not log.gpus and log.progress:
        yield "It ends before its results: there is progress only."
    if not log.verdict:
        yield "It does not say whether the GPUs are healthy: the output is cut."


def _line(log: Log, place: int, line: str) -> None:
    """A line of the text."""
    if found := RESULT.search(line):
        index = int(found[1])
        log.gpus.append(index)
        log.rows += _speeds(log, index, GFLOPS, (found[2], found[3], found[4]), place)
        log.rows += [_deviation(log, index, found, place)] if found[5] else []
    elif (found := WARMTH.search(line)) and log.gpus:
        log.rows += _temperatures(log, log.gpus[-1], ("mean", "min", "max"), found.groups(), place)
    elif (found := THROTTLING.search(line)) and log.gpus:
        log.rows += _throttled(log, place, found)
    elif "Temperatures:" in line:
        log.progress = True
    else:
        _said(log, place, line)


def _said(log: Log, place: int, line: str) -> None:
    """A line of the text without a figure."""
    if detected := DETECTED.search(line):
        log.names[int(detected[1])] = name(detected[2])
    elif "Using precision(s):" in line:
        log.params["precision"] = " ".join(one for one in line.split() if one in {"FP32", "BF16", "FP8"}).lower()
    elif "All GPUs seem healthy" in line or "Some GPUs are not healthy" in line:
        log.verdict, log.unwell = place, log.unwell or "not healthy" in line
    elif found := PROBLEM.search(line):
        log.sick.setdefault(int(found[1]), []).append(_reason(found[2]))


def _throttled(log: Log, place: int, found: re.Match[str]) -> Iterator[Row]:
    for kind, printed in zip(("HW", "thermal SW", "thermal HW"), found.groups(), strict=True):
        params = log.params | {"gpu": log.gpus[-1], "reason": kind}
        said = f"whether it was throttled: {kind} (1 is true)"
        yield Row(f"{TOOL}/throttling", Metric.COUNT, float(printed == "true"), printed, said, params, line=place)


def _message(log: Log, place: int, message: dict[str, Any]) -> None:
    """A JSON line."""
    kind = message.get("type")
    if kind == "detected_gpus":
        log.names |= {index: name(str(one.get("name", ""))) for index, one in _each(message, kind, "index")}
    elif kind == "feature_detection":
        log.params["precision"] = " ".join(one for one in ("fp32", "bf16", "fp8") if message.get(one) is True)
    elif kind == "progress":
        log.progress = True
    elif kind == "results":
        for one in map(table, rows(message.get("gpus"))):
            _result(log, place, one)
    elif kind == "problems":
        log.verdict = place
        for index, one in _each(message, kind, "gpu_idx"):
            log.sick.setdefault(index, []).append(_reason(str(one.get("reason", ""))))
    elif "message" in message:
        log.problems.append("gpu-fryer reports an error.")


def _each(message: dict[str, Any], key: str, numbers: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list, with the number of the GPU that each is of."""
    for one in map(table, rows(message.get(key))):
        if (index := _index(one.get(numbers))) is not None:
            yield index, one


def _result(log: Log, place: int, result: dict[str, Any]) -> None:
    burned = table(result.get("burn_result"))
    index = _index(burned.get("gpu_idx"))
    if index is None:
        log.problems.append(f"Line {place} has a result without a GPU.")
        return
    log.gpus.append(index)
    speeds = (_printed(result.get("flops_avg")), _printed(burned.get("flops_min")), _printed(burned.get("flops_max")))
    log.rows += _speeds(log, index, FLOPS, speeds, place)
    warmth = [_printed(burned.get(key)) for key in ("temp_min", "temp_max")]
    log.rows += _temperatures(log, index, ("min", "max"), warmth, place)
    for kind, key in (("HW", "hw"), ("thermal SW", "thermal_sw"), ("thermal HW", "thermal_hw")):
        params = log.params | {"gpu": index, "reason": kind}
        said, printed = f"seconds in which it was throttled: {kind}", _printed(burned.get(f"throttling_{key}"))
        log.rows.append(measured(f"{TOOL}/throttling", COUNT, printed, said, params=params, line=place, zero=True))


def _speeds(log: Log, index: int, kind: Unit, printed: tuple[str, str, str], place: int) -> Iterator[Row]:
    """Mean, least and most of the speeds of one second each, without the first five seconds."""
    for statistic, one in zip(("mean", "min", "max"), printed, strict=True):
        params = log.params | {"gpu": index, "statistic": statistic}
        said = f"{statistic} speed of the matrix product over the seconds of the burn"
        absurd = (number(one) or 0.0) * float(kind.scale) > FASTEST
        failed = "The number overflowed: no second was counted." if absurd else ""
        yield measured(f"{TOOL}/burn", kind, one, said, params=params, line=place, failed=failed)


def _deviation(log: Log, index: int, found: re.Match[str], place: int) -> Row:
    """``dev``, or the mean that stood under that name until January 2026."""
    printed = found[5]
    least, dev, most = number(found[3]) or 0.0, number(printed) or 0.0, number(found[4]) or 0.0
    mean = least <= dev <= most and dev > 0.0
    said = "mean speed again, under the name dev (gpu-fryer until January 2026)" if mean else "standard deviation (dev)"
    params = log.params | {"gpu": index, "statistic": "mean again" if mean else "stdev"}
    idle = "" if (number(found[2]) or 0.0) > 0.0 else "No second was counted."
    return measured(f"{TOOL}/burn", GFLOPS, printed, said, params=params, line=place, zero=True, failed=idle)


def _temperatures(log: Log, index: int, statistics: Any, printed: Any, place: int) -> Iterator[Row]:
    for statistic, one in zip(statistics, printed, strict=True):
        params = log.params | {"gpu": index, "statistic": statistic}
        failed = "That is no temperature." if (number(one) or 0.0) > HOTTEST else ""
        said = f"{statistic} temperature of the GPU over the seconds of the burn"
        yield measured(f"{TOOL}/temperature", CELSIUS, one, said, params=params, line=place, failed=failed)


def _verdicts(log: Log) -> Iterator[Row]:
    """Whether gpu-fryer calls each GPU healthy. Until 2025 it called those healthy that did nothing."""
    if not log.verdict:
        return
    worked = {row.params["gpu"] for row in log.rows if row.metric is Metric.FLOPS and (row.value or 0.0) > 0.0}
    for index in dict.fromkeys((*log.gpus, *log.sick)):
        params = log.params | {"gpu": index}
        said = "verdict at the end: 1 is healthy"
        if reasons := log.sick.get(index):
            reason = f"gpu-fryer calls it unhealthy: {' and '.join(reasons)}."
            yield Row(f"{TOOL}/verdict", Metric.COUNT, None, "", said, params, 1, Status.REJECTED, reason, log.verdict)
        elif log.unwell and not log.sick:
            reason = "gpu-fryer calls some GPUs unhealthy and does not say which: the output is cut."
            yield Row(f"{TOOL}/verdict", Metric.COUNT, None, "", said, params, 1, Status.FAILED, reason, log.verdict)
        elif index not in worked:
            reason = "gpu-fryer calls it healthy, but no speed of it is above 0."
            yield Row(f"{TOOL}/verdict", Metric.COUNT, None, "", said, params, 1, Status.FAILED, reason, log.verdict)
        else:
            yield Row(f"{TOOL}/verdict", Metric.COUNT, 1.0, "healthy", said, params, line=log.verdict)


def _reason(words: str) -> str:
    return next((reason for sign, reason in REASONS.items() if sign in words), "for a reason it does not name")


def _index(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 16 else None


def _printed(value: Any) -> str:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(value) if good and integer(repr(value)) != 0 else name(str(value))
