"""The document of nccl-tests ``-J`` (format version 3, ``src/util.cu``): its results, and nothing of its environment.

Booleans are texts, NaN is the text "nan", and an infinity stands as the bare word ``inf``, which is no JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from benchsuite.errors import DataError
from benchsuite.imports.base import Imported, Row
from benchsuite.imports.fragments import decoded, rows, table, whole
from benchsuite.imports.lines import integer, measured, name, number, rejected, unit
from benchsuite.imports.nccl_tests_table import PERF
from benchsuite.model import Metric, Scalar, Status

TOOL = "nccl-tests"
REMEDY = "Let the test run to its end; it writes the document last."
MICROSECONDS = unit(Metric.LATENCY, "us", "1e-6")
VALUES = {
    "time": (MICROSECONDS, "time of one operation, mean over the iterations (time)"),
    "cpu_time": (MICROSECONDS, "CPU time of one operation, mean over the iterations (cpu_time)"),
    "alg_bw": (unit(Metric.ALGBW, "GB/s", "1e9"), "algorithm bandwidth: size over time (alg_bw)"),
    "bus_bw": (unit(Metric.BUSBW, "GB/s", "1e9"), "bus bandwidth: alg_bw times the factor of the collective (bus_bw)"),
}
QUANTITY = {"time": "time", "cpu_time": "time", "alg_bw": "algbw", "bus_bw": "busbw"}
"""The names of the columns of the table, so that a result is the same case in both formats."""
STATISTICS = {f"{one}_us": one for one in ("min", "max", "avg", "p50", "p95", "p99", "stdev")}
AVERAGE = "average_bus_bandwidth: the mean of bus_bw over all sizes and both placements; no headline"
EXPERIMENTS = {"AllReduce": "all_reduce", "AllGather": "all_gather", "AlltoAll": "alltoall", "AlltoAllv": "alltoallv"}
EXPERIMENTS |= {"Broadcast": "broadcast", "Gather": "gather", "HyperCube": "hypercube", "Reduce": "reduce"}
EXPERIMENTS |= {"ReduceScatter": "reduce_scatter", "Scatter": "scatter", "SendRecv": "sendrecv"}
OPTIONS: tuple[str, ...] = (
    "nthreads",
    "ngpus",
    "minimum_bytes",
    "maximum_bytes",
    "step_factor",
    "step_bytes",
    "warmup_iters",
)
OPTIONS += ("iterations", "aggregated_iterations", "validation", "graph", "blocking_collectives", "parallel_init")

SETTINGS = {"NCCL_ALGO", "NCCL_PROTO", "NCCL_MIN_NCHANNELS", "NCCL_MAX_NCHANNELS", "NCCL_MIN_CTAS", "NCCL_MAX_CTAS"}
SETTINGS |= {"NCCL_NTHREADS", "NCCL_BUFFSIZE", "NCCL_P2P_DISABLE", "NCCL_P2P_LEVEL", "NCCL_SHM_DISABLE"}
SETTINGS |= {"NCCL_NVLS_ENABLE", "NCCL_IB_DISABLE", "NCCL_IB_QPS_PER_CONNECTION", "NCCL_NET_GDR_LEVEL"}
SETTINGS |= {"NCCL_CROSS_NIC", "NCCL_COLLNET_ENABLE", "NCCL_CUMEM_ENABLE", "NCCL_PXN_DISABLE", "NCCL_MNNVL_ENABLE"}
WORDS = {"ring", "tree", "collnet", "collnetdirect", "collnetchain", "nvls", "nvlstree", "pat", "ll", "ll128", "simple"}
WORDS |= {"loc", "nvl", "pix", "pxb", "phb", "node", "sys", ""}
"""NCCL's settings that change a result, and the words their values are made of: nothing else of ``env`` is kept."""

BARE = re.compile(r'("(?:[^"\\]++|\\.)*+(?:"|\Z))|(-?\b(?:inf|nan)\b)', re.DOTALL)


def tells(text: str) -> bool:
    """The keys that only this document has."""
    return text.lstrip()[:1] == "{" and ('"nccl_version"' in text or ('"alg_bw"' in text and '"bus_bw"' in text))


def read(text: str) -> Imported:
    """Every value of the document; of one that is cut, the results that are whole. Raises ``DataError`` for none."""
    document, problems = _document(text)
    config = table(document.get("config"))
    devices = [table(one) for one in rows(config.get("devices"))]
    ranks = _ranks(config, len(devices))
    if not ranks:
        problems.append("It does not say how many ranks took part: config has no devices.")
    results = [table(one) for one in rows(document.get("results"))]
    found = [row for one in results for row in _result(one, document, ranks)]
    if not found:
        raise DataError("There is no result in it.", REMEDY)
    problems += [f"Result {at} is no object with values." for at, one in enumerate(results, 1) if not _has_values(one)]
    found = _judged(found, document, problems)
    found += _average(document, ranks, found[0].benchmark)
    facts = {key: str(config[key])[:40] for key in OPTIONS if _plain(config.get(key))} | _settings(document)
    if version := _nccl_version(document.get("nccl_version")):
        facts["NCCL"] = version
    names = tuple(name(info) for one in devices if isinstance(info := one.get("device_info"), str))
    if devices and ranks > len(devices):
        problems.append(f"It names the first device of each process: {len(devices)} of {ranks}.")
    if rows(document.get("errors")):
        problems.append("NCCL reported errors (errors).")
    return Imported(TOOL, tuple(found), "", _started(document), names, facts, tuple(problems))


def _document(text: str) -> tuple[dict[str, Any], list[str]]:
    """The document, or as much of it as is whole, and what is wrong with it."""
    repaired = BARE.sub(lambda found: found[1] or f'"{found[2]}"', text)
    problems = ["It is no JSON: it holds the bare word inf or nan."] if repaired != text else []
    try:
        return table(decoded(repaired)), problems
    except DataError as error:
        parts = list(whole(repaired))
        results = [one for one in parts if "size" in one and _has_values(one)]
        if not results:
            raise DataError(f"It cannot be read: {error.message[:200]}", REMEDY) from error
        problems.append(f"It is cut or damaged; {len(results)} results in it are whole. {error.message[:200]}")
        config = next((table(one["config"]) for one in parts if "config" in one), {})
        config |= next((one for one in parts if "ngpus" in one), {})
        return {"results": results, "config": config}, problems


def _ranks(config: dict[str, Any], processes: int) -> int:
    """Processes (one device of each is named) times threads times GPUs of a thread; 0 where it cannot be told."""
    counts = [config.get("nthreads"), config.get("ngpus"), processes]
    known = [one for one in counts if isinstance(one, int) and not isinstance(one, bool) and 0 < one < 1 << 20]
    return known[0] * known[1] * known[2] if len(known) == 3 else 0


def _has_values(result: dict[str, Any]) -> bool:
    return bool(table(result.get("out_of_place")) or table(result.get("in_place")))


def _result(result: dict[str, Any], document: dict[str, Any], ranks: int) -> Iterator[Row]:
    """The rows of one size."""
    benchmark = f"{TOOL}/{_perf(result, document)}"
    params: dict[str, Scalar] = {}
    for key, kept in (("size", "size"), ("count", "count"), ("type", "dtype"), ("redop", "redop")):
        value = result.get(key)
        if (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value != "none"):
            params[kept] = value if isinstance(value, int) else name(value)
    root = integer(str(result.get("root", "")).strip())
    params |= {"root": root} if root is not None and root >= 0 else {}
    params |= {} if ranks else {"ranks": "unknown"}
    for key, in_place in (("out_of_place", False), ("in_place", True)):
        values, per_iteration = table(result.get(key)), table(result.get(f"{key}_per_iter"))
        here = params | {"in_place": in_place} | ({"checked": False} if values.get("nwrong") is None else {})
        bad = _wrong(values.get("nwrong"))
        said = f", {key.replace('_', '-')}{', values not checked' if values.get('nwrong') is None else ''}"
        for field, (kind, meaning) in VALUES.items():
            if field in values and not (params.get("size") == 0 and "bw" in field):
                seconds = _seconds(per_iteration.get("times_us")) if field == "time" else ()
                printed = _printed(values[field])
                yield measured(
                    benchmark,
                    kind,
                    printed,
                    meaning + said,
                    params=here | {"quantity": QUANTITY[field]},
                    ranks=ranks or 1,
                    wrong=bad,
                    samples=seconds,
                )
        for field, statistic in STATISTICS.items():
            if field in per_iteration:
                yield measured(
                    benchmark,
                    MICROSECONDS,
                    _printed(per_iteration[field]),
                    f"{statistic} of the iterations ({field}){said}",
                    params=here | {"statistic": statistic},
                    ranks=ranks or 1,
                    wrong=bad,
                    zero=statistic == "stdev",
                )


def _wrong(count: Any) -> str:
    """Why the values are wrong; empty where they are right or unchecked (``null``)."""
    if count is None:
        return ""
    found = number(_printed(count))
    return "" if found == 0.0 else f"nwrong is {_printed(count)}: that many values are wrong."


def _seconds(times: Any) -> tuple[float, ...]:
    """Times of the iterations in seconds; none at all unless every one is a time."""
    found = [number(_printed(one)) for one in rows(times)]
    good = [one * 1e-6 for one in found if one is not None and 0.0 < one < 1e12]
    return tuple(good) if len(good) == len(found) else ()


def _printed(value: Any) -> str:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else name(str(value))


def _perf(result: dict[str, Any], document: dict[str, Any]) -> str:
    """The test: from the result's own name, else from the program's (its path is dropped)."""
    experiment = result.get("experiment_name")
    if isinstance(experiment, str) and experiment in EXPERIMENTS:
        return f"{EXPERIMENTS[experiment]}_perf"
    arguments = rows(document.get("args"))
    program = str(arguments[0]).rpartition("/")[2].removesuffix(".exe").removesuffix("_mpi") if arguments else ""
    return program if program in PERF else "unnamed"


def _judged(found: list[Row], document: dict[str, Any], problems: list[str]) -> list[Row]:
    """The rows after the document's own verdict on values out of bounds: suspect, if no result owns up to them."""
    bounds = document.get("out_of_bounds")
    if bounds is None:
        problems.append("out_of_bounds is missing: the test did not end.")
        return found
    count = table(bounds).get("count")
    if count == 0 and table(bounds).get("okay") in {"true", True}:
        return found
    problems.append(f"The test found {_printed(count)} values out of bounds: the result is wrong.")
    if any(row.status is Status.REJECTED for row in found):
        return found
    reason = "The test found values out of bounds and no result says where."
    return [rejected(row, reason) if row.status is Status.OK else row for row in found]


def _average(document: dict[str, Any], ranks: int, benchmark: str) -> list[Row]:
    average = table(document.get("average_bus_bandwidth"))
    if "bandwidth" not in average:
        return []
    bad = "The test judged it: below what it was told to expect (-c)." if average.get("okay") == "false" else ""
    if table(document.get("out_of_bounds")).get("okay") == "false":
        bad = "The test found values out of bounds."
    kind = VALUES["bus_bw"][0]
    params: dict[str, Scalar] = {"quantity": "busbw", "statistic": "mean over all sizes"}
    params |= {} if ranks else {"ranks": "unknown"}
    printed = _printed(average["bandwidth"])
    return [measured(benchmark, kind, printed, AVERAGE, params=params, ranks=ranks or 1, wrong=bad)]


def _plain(value: Any) -> bool:
    """A number, or one of the document's two booleans."""
    return (isinstance(value, int) and not isinstance(value, bool)) or value in {"true", "false"}


def _settings(document: dict[str, Any]) -> dict[str, str]:
    """NCCL's settings that change a result, with values of known words and numbers only."""
    found = {}
    for entry in rows(document.get("env")):
        key, _, value = str(entry).partition("=")
        parts = re.split(r"[,:;^]", value[:100])
        if key in SETTINGS and all(part.lower() in WORDS or integer(part) is not None for part in parts):
            found[key] = value[:100]
    return found


def _nccl_version(code: Any) -> str:
    """21602 is 2.16.2 (``NCCL_VERSION``: major 10000, minor 100 since 2.9)."""
    if not isinstance(code, int) or isinstance(code, bool) or not 1000 <= code < 1_000_000:
        return ""
    major, minor = (code // 10000, code // 100 % 100) if code >= 10000 else (code // 1000, code // 100 % 10)
    return f"{major}.{minor}.{code % 100}"


def _started(document: dict[str, Any]) -> str:
    started = document.get("start_time")
    whole = isinstance(started, str) and re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", started)
    return started if isinstance(started, str) and whole else ""
