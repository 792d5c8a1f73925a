"""pytest-benchmark's JSON (``--benchmark-json`` and its storage): read, and written for its ``compare`` and bencher.

All its times are seconds. Of the machine only the processor, the architecture and Python are public; of the commit
nothing is; of ``extra_info`` numbers alone, because a text may tell anything.
"""

from __future__ import annotations

import re
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

from benchsuite.imports import values
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.model import Metric, Publication, Scalar, Score, Status

TOOL = "pytest-benchmark"
HEAD = re.compile(r'"benchmarks"\s*:\s*\[')
SIGN = re.compile(r'"(?:machine_info|commit_info|fullname)"\s*:')

TIMES = {
    "median": "median time of a call",
    "mean": "mean time of a call",
    "min": "shortest time of a call",
    "max": "longest time of a call",
    "q1": "first quartile of the time of a call",
    "q3": "third quartile of the time of a call",
    "ld15iqr": "shortest time within 1.5 interquartile ranges of the quartiles",
    "hd15iqr": "longest time within 1.5 interquartile ranges of the quartiles",
    "stddev": "standard deviation of the time of a call",
    "iqr": "interquartile range of the time of a call",
    "total": "time of all rounds",
}
SPREADS = frozenset({"stddev", "iqr"})
COUNTS = {
    "rounds": "rounds",
    "iterations": "calls in a round",
    "iqr_outliers": "rounds outside 1.5 interquartile ranges of the quartiles",
    "stddev_outliers": "rounds outside one standard deviation of the mean",
}


def tells(text: str) -> bool:
    """Whether the text is a document of pytest-benchmark."""
    return text.lstrip().startswith("{") and bool(HEAD.search(text) and SIGN.search(text))


def read(text: str) -> Imported:
    """Every statistic of every benchmark; the rounds themselves stand with the median."""
    found = values.document(text)
    machine = values.section(found, "machine_info")
    cpu = values.section(machine, "cpu")
    name = values.word(cpu.get("brand_raw")) or values.word(cpu.get("brand"))
    problems: list[str] = []
    rows = tuple(row for entry in values.entries(found.get("benchmarks"), dict) for row in _benchmark(entry, problems))
    facts = {
        "architecture": values.word(machine.get("machine")) or values.word(cpu.get("arch")),
        "Python": values.word(machine.get("python_version")),
        "implementation of Python": values.word(machine.get("python_implementation")),
    }
    return Imported(
        TOOL,
        rows,
        values.word(found.get("version")),
        values.word(found.get("datetime")),
        devices=(name,) if name else (),
        facts={key: value for key, value in facts.items() if value},
        problems=tuple(problems),
    )


def _benchmark(entry: Mapping[str, Any], problems: list[str]) -> Iterator[Row]:
    name = values.word(entry.get("fullname")) or values.word(entry.get("name")) or "unnamed"
    benchmark = f"{TOOL}/{values.without_folders(name)}"
    params = values.scalars(values.section(entry, "params"))
    params |= {"group": group} if (group := values.word(entry.get("group"))) else {}
    stats = values.section(entry, "stats")
    samples = _samples(stats, benchmark, problems)
    if "median" not in stats:
        place = {**params, "statistic": "median"}
        yield Row(
            benchmark,
            Metric.LATENCY,
            None,
            "",
            TIMES["median"],
            place,
            status=Status.FAILED,
            reason="It has no median.",
        )
    for statistic, metric, unit, meaning in _statistics(stats):
        number = values.number(stats[statistic])
        free = metric is Metric.COUNT
        value, status, reason = values.judged(number, zero=free, spread=statistic in SPREADS)
        yield Row(
            benchmark,
            metric,
            value,
            f"{values.word(stats[statistic])} {unit}".strip(),
            meaning,
            {**params, "statistic": statistic},
            status=status,
            reason=reason,
            samples=samples if statistic == "median" else (),
        )
    for key, found in values.section(entry, "extra_info").items():
        number = values.number(found)
        if number is not None and not isinstance(found, str):
            value, status, reason = values.judged(number, zero=True, signed=True)
            place = {**params, "extra_info": values.word(key)}
            meaning = f"extra_info[{values.word(key)!r}], whose unit is not told"
            yield Row(benchmark, Metric.COUNT, value, values.word(found), meaning, place, status=status, reason=reason)


def _statistics(stats: Mapping[str, Any]) -> Iterator[tuple[str, Metric, str, str]]:
    """Name, metric, unit, meaning of each statistic there is."""
    for name, meaning in TIMES.items():
        if name in stats:
            yield name, Metric.LATENCY, "s", meaning
    if "ops" in stats:
        yield "ops", Metric.RATE, "1/s", "calls in a second"
    for name, meaning in COUNTS.items():
        if name in stats:
            yield name, Metric.COUNT, "", meaning


def _samples(stats: Mapping[str, Any], benchmark: str, problems: list[str]) -> tuple[float, ...]:
    """The rounds, if all of them are there: a part of them would not be samples of the same distribution."""
    data = stats.get("data")
    if not isinstance(data, list) or not data:
        return ()
    numbers = [number for one in data if (number := values.number(one)) is not None and 0 < number < float("inf")]
    if len(numbers) != len(data) or len(numbers) != stats.get("rounds", len(numbers)):
        problems.append(f"{benchmark} holds a part of its rounds only; they were left out.")
        return ()
    return tuple(numbers)


def export(publication: Publication) -> dict[str, Any]:
    """A document of pytest-benchmark: for each task the seconds of one iteration, its runs' medians as rounds.

    What was not measured, and what has no time (a rate whose work is not known), is not in it.
    """
    machine = publication.machine
    found = [_exported(score, rounds) for score in publication.results if (rounds := seconds(score))]
    return {
        "machine_info": {
            "node": machine.id,
            "processor": machine.name,
            "machine": machine.facts.get("processor", {}).get("architecture", ""),
            "python_implementation": "CPython",
            "python_version": machine.facts.get("system", {}).get("Python", ""),
            "system": machine.facts.get("system", {}).get("system", ""),
            "release": "",
            "cpu": {"brand_raw": machine.name},
        },
        "commit_info": {"id": publication.code, "dirty": False, "project": publication.tool, "branch": ""},
        "benchmarks": found,
        "datetime": publication.started,
        "version": publication.version,
    }


def seconds(score: Score) -> tuple[float, ...]:
    """The runs' medians as seconds of one iteration; empty where there is none, or the work is not known."""
    if score.status is not Status.OK:
        return ()
    found = score.run_values or (() if score.value is None else (score.value,))
    if score.metric is Metric.LATENCY:
        return tuple(value * (score.work.steps or 1.0) for value in found)
    try:
        whole = score.metric.quantity(score.work, 1.0)
    except ValueError:
        return ()
    return tuple(whole / value for value in found if value > 0) if whole > 0 else ()


def _exported(score: Score, rounds: tuple[float, ...]) -> dict[str, Any]:
    name = f"{score.case.key} [{score.implementation}]"
    ranks: dict[str, Scalar] = {"ranks": score.case.ranks} if score.case.ranks > 1 else {}
    return {
        "group": score.case.benchmark,
        "name": name,
        "fullname": f"benchsuite::{name}",
        "params": {**dict(score.case.params), **ranks, "implementation": score.implementation},
        "param": None,
        "extra_info": {"unit": score.metric.value, "value": score.value},
        "options": {"disable_gc": False, "timer": "perf_counter", "min_rounds": 1, "warmup": True},
        "stats": statistics_of(rounds),
    }


def statistics_of(rounds: tuple[float, ...]) -> dict[str, Any]:
    """The statistics of pytest-benchmark (its own quartiles: those of the halves, the middle left out of none)."""
    data = sorted(rounds)
    half = len(data) // 2
    if len(data) == 1:
        q1 = q3 = data[0]
    elif len(data) % 2:
        q1, q3 = _quartile(data), -_quartile([-one for one in reversed(data)])
    else:
        q1, q3 = statistics.median(data[:half]), statistics.median(data[half:])
    mean, iqr = statistics.mean(data), q3 - q1
    spread = statistics.stdev(data) if len(data) > 1 else 0.0
    low, high = q1 - 1.5 * iqr, q3 + 1.5 * iqr
    beyond = sum(one < mean - spread or one > mean + spread for one in data)
    outside = sum(one < low or one > high for one in data)
    return {
        "min": data[0],
        "max": data[-1],
        "mean": mean,
        "stddev": spread,
        "rounds": len(data),
        "median": statistics.median(data),
        "iqr": iqr,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": outside,
        "stddev_outliers": beyond,
        "outliers": f"{beyond};{outside}",
        "ld15iqr": data[bisect_left(data, low)],
        "hd15iqr": data[bisect_right(data, high) - 1],
        "ops": len(data) / sum(data),
        "total": sum(data),
        "data": list(rounds),
        "iterations": 1,
    }


def _quartile(data: list[float]) -> float:
    """The first quartile of an odd number of values, between the two that lie nearest (Wikipedia's method 3)."""
    whole, rest = divmod(len(data), 4)
    if rest == 1:
        return 0.25 * data[whole - 1] + 0.75 * data[whole]
    return 0.75 * data[whole] + 0.25 * data[whole + 1]


FORMATS = (Format(TOOL, "pytest-benchmark", tells, read),)
