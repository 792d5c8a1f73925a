"""nvbench's JSON (``--json``): every state of every benchmark with its axes, every summary by its tag and hint.

The hint is what tells the unit. Before version 1.0 of the file states, summaries and values were objects by name and
not lists; before that, summaries had sentences for names and not tags.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from benchsuite.imports import values
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.model import Metric, Scalar, Status

TOOL = "nvbench"
HINTS = {
    "duration": (Metric.LATENCY, "s"),
    "item_rate": (Metric.RATE, "1/s"),
    "byte_rate": (Metric.BANDWIDTH, "B/s"),
    "frequency": (Metric.CLOCK, "Hz"),
    "percentage": (Metric.RATIO, ""),
    "sample_size": (Metric.COUNT, ""),
    "bytes": (Metric.COUNT, "B"),
}
"""What nvbench's hints say of a number, all in SI units; a percentage is a fraction of 1."""
FILES = re.compile(r"file/.*")
COUNTED = "nv/element_count/"
SPREAD = re.compile(r"stdev|/iqr/|deviation", re.IGNORECASE)
HEAD = re.compile(r'"benchmarks"\s*:')
STATES = re.compile(r'"states"\s*:')
SIGN = re.compile(r'"(?:summaries|is_skipped|sm_version|ptx_version|number_of_sms)"\s*:')


def tells(text: str) -> bool:
    """Whether the text is a file of nvbench."""
    if not text.lstrip().startswith("{") or '"machine_info"' in text:
        return False
    return bool(HEAD.search(text) and (STATES.search(text) or '"devices"' in text) and SIGN.search(text))


def read(text: str) -> Imported:
    """Every summary of every state."""
    found = values.document(text)
    devices = {device.get("id"): device for device in _listed(found.get("devices"))}
    unknown: Counter[str] = Counter()
    rows: list[Row] = []
    used: dict[object, None] = {}
    for benchmark in _listed(found.get("benchmarks")):
        for state in _listed(benchmark.get("states")):
            used[state.get("device")] = None
            rows.extend(_state(values.word(benchmark.get("name")) or "unnamed", state, len(devices) > 1, unknown))
    problems: tuple[str, ...] = ()
    if unknown:
        most = ", ".join(name for name, _ in unknown.most_common(5))
        problems = (f"{sum(unknown.values())} summaries say no unit that is known, and were left out: {most}.",)
    taken = [devices[key] for key in used if key in devices] or list(devices.values())
    version = values.section(values.section(values.section(found, "meta"), "version"), "nvbench")
    return Imported(
        TOOL,
        tuple(rows),
        values.word(version.get("string")),
        devices=tuple(values.word(device.get("name")) or "unnamed device" for device in taken),
        facts=_facts(taken),
        problems=problems,
    )


def _listed(found: object) -> list[dict[str, Any]]:
    """Objects in a list, or the values of an object by name, each with its name."""
    if isinstance(found, dict):
        return [{**one, "name": name} for name, one in found.items() if isinstance(one, dict)]
    return values.entries(found, dict)


def _named(found: object) -> dict[str, Any]:
    """Values by name: of ``[{"name": …, "value": …}]``, or of ``{name: {"value": …}}``."""
    return {values.word(one.get("name")): one.get("value") for one in _listed(found)}


def _facts(devices: list[dict[str, Any]]) -> dict[str, str]:
    """What is public of the device, where it is one or all are alike."""
    facts = {
        "processors": "number_of_sms",
        "memory bytes": "global_memory_size",
        "compute capability": "sm_version",
        "default clock in Hz": "sm_default_clock_rate",
        "ecc": "ecc_state",
    }
    told = {name: {values.word(device.get(key)) for device in devices} for name, key in facts.items()}
    return {name: found.pop() for name, found in told.items() if len(found) == 1 and "" not in found}


def _state(benchmark: str, state: Mapping[str, Any], several: bool, unknown: Counter[str]) -> Iterator[Row]:
    """The rows of one state; a state that was skipped is one row that says why."""
    params: dict[str, Scalar] = {
        name: one if isinstance(one, int | float) else _parameter(one)
        for name, one in _named(state.get("axis_values")).items()
        if name and isinstance(one, int | float | str)
    }
    if several:
        params["device"] = _parameter(values.word(state.get("device")))
    given = 0
    for summary in _listed(state.get("summaries")):
        tag = values.word(summary.get("tag")) or values.word(summary.get("name"))
        told = _named(summary["data"]) if "data" in summary else _named(summary)
        hint = values.word(summary.get("hint") if isinstance(summary.get("hint"), str) else told.get("hint"))
        if FILES.fullmatch(hint):
            continue
        if hint not in HINTS and not tag.startswith(COUNTED):
            unknown[tag] += 1
            continue
        given += 1
        yield _summary(benchmark, {**params, "summary": tag}, hint, told, summary)
    skipped = state.get("is_skipped") is True
    if skipped or not given:
        reason = values.word(state.get("skip_reason"))[:200].rstrip(". ")
        yield Row(
            f"{TOOL}/{benchmark}",
            Metric.LATENCY,
            None,
            "",
            "time of a kernel",
            params,
            status=Status.SKIPPED if skipped else Status.FAILED,
            reason=f"nvbench skipped it: {reason or 'no reason given'}." if skipped else "It holds no summary.",
        )


def _summary(
    benchmark: str, params: Mapping[str, Scalar], hint: str, told: Mapping[str, Any], summary: Mapping[str, Any]
) -> Row:
    metric, unit = HINTS.get(hint, (Metric.COUNT, ""))
    tag = str(params["summary"])
    number = values.number(told.get("value"))
    free = metric in {Metric.RATIO, Metric.COUNT}
    value, status, reason = values.judged(number, zero=free, spread=not free and bool(SPREAD.search(tag)))
    if metric is Metric.RATIO and number is not None and not math.isfinite(number):
        status, reason = Status.SKIPPED, "nvbench had too few samples to say."
    meaning = values.word(summary.get("description")) or values.word(told.get("description")) or tag
    return Row(
        f"{TOOL}/{benchmark}",
        metric,
        value,
        f"{values.word(told.get('value'))} {unit}".strip(),
        meaning,
        params,
        status=status,
        reason=reason,
    )


def _parameter(text: str) -> Scalar:
    """A value of an axis: nvbench writes numbers as texts."""
    number = values.number(text)
    if number is None or not math.isfinite(number):
        return values.without_folders(values.word(text))
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


FORMATS = (Format(TOOL, "nvbench", tells, read),)
