"""pytest-benchmark's documents: every statistic in seconds, rounds where they are whole, nothing private."""

from __future__ import annotations

import json

import pytest

from benchsuite.errors import DataError
from benchsuite.imports import pytest_benchmark
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

FORMAT = pytest_benchmark.FORMATS[0]


def document(**extra: object) -> str:
    stats = {"min": 1e-3, "max": 4e-3, "mean": 2e-3, "stddev": 5e-4, "rounds": 3, "median": 2e-3, "ops": 500.0}
    benchmark = {
        "group": "fast ones",
        "name": "test_sum[3]",
        "fullname": "tests/test_it.py::test_sum[3]",
        "params": {"n": 3, "kind": "list", "shape": [1, 2], "file": "/home/alice/a.bin"},
        "param": "3",
        "extra_info": {"size": 12.5, "where": "/home/alice", "serial": "4711"},
        "options": {"timer": "perf_counter"},
        "stats": stats | {"data": [1e-3, 2e-3, 4e-3], "iterations": 1},
    }
    machine = {
        "node": "secret-host",
        "machine": "x86_64",
        "python_version": "3.11.7",
        "python_implementation": "CPython",
        "cpu": {"brand_raw": "AMD EPYC 9654", "arch": "X86_64"},
    }
    commit = {"id": "deadbeef", "branch": "secret-branch", "project": "secret-project"}
    whole = {
        "machine_info": machine,
        "commit_info": commit,
        "benchmarks": [benchmark | extra],
        "datetime": "2026-02-03T10:00:00+00:00",
        "version": "5.1.0",
    }
    return json.dumps(whole)


def read(**extra: object) -> pytest_benchmark.Imported:
    found = pytest_benchmark.read(document(**extra))
    sound(found)
    return found


def test_every_statistic_lands_with_its_unit() -> None:
    found = read()
    median = row(found, statistic="median")
    assert (median.benchmark, median.metric, median.value) == (
        "pytest-benchmark/tests/test_it.py::test_sum[3]",
        Metric.LATENCY,
        2e-3,
    )
    assert dict(median.params) == {"n": 3, "kind": "list", "file": "a.bin", "group": "fast ones", "statistic": "median"}
    assert median.samples == (1e-3, 2e-3, 4e-3)
    assert median.text == "0.002 s"
    assert (row(found, statistic="ops").metric, row(found, statistic="ops").value) == (Metric.RATE, 500.0)
    assert row(found, statistic="rounds").value == 3
    assert row(found, statistic="mean").samples == ()
    assert (row(found, extra_info="size").metric, row(found, extra_info="size").value) == (Metric.COUNT, 12.5)
    assert len(found.rows) == 9
    assert (found.version, found.started) == ("5.1.0", "2026-02-03T10:00:00+00:00")


def test_nothing_private_is_kept() -> None:
    found = read()
    assert found.devices == ("AMD EPYC 9654",)
    assert found.facts == {"architecture": "x86_64", "Python": "3.11.7", "implementation of Python": "CPython"}
    for private in ("secret", "alice", "deadbeef", "4711"):
        assert private not in repr(found)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("/home/alice/x/test_it.py::test_sum[a/b]", "test_it.py::test_sum[a/b]"),
        ("C:\\Users\\alice\\test_it.py::test_sum", "test_it.py::test_sum"),
        ("~/x/test_it.py::test_sum", "test_it.py::test_sum"),
        ("tests/deep/down/test_it.py::test_sum[/a/b]", "tests/deep/down/test_it.py::test_sum[/a/b]"),
    ],
)
def test_only_a_path_from_a_root_or_a_home_is_cut_off(name: str, kept: str) -> None:
    assert {one.benchmark for one in read(fullname=name).rows} == {f"pytest-benchmark/{kept}"}


@pytest.mark.parametrize(
    "data", [[1e-3, 2e-3], [1e-3, 2e-3, "… omitted"], [1e-3, 2e-3, 0], [1e-3, 2e-3, 4e-3, "…"], "none", []]
)
def test_a_part_of_the_rounds_is_not_the_rounds(data: object) -> None:
    stats = {"median": 2e-3, "rounds": 3, "data": data}
    found = read(stats=stats)
    assert row(found, statistic="median").samples == ()
    assert len(found.problems) == (1 if isinstance(data, list) and data else 0)


@pytest.mark.parametrize(
    ("stats", "status"),
    [
        ({}, Status.FAILED),
        ({"median": 0.0}, Status.FAILED),
        ({"median": -1.0}, Status.FAILED),
        ({"median": None}, Status.FAILED),
        ({"median": "NaN"}, Status.FAILED),
    ],
)
def test_what_is_no_median_is_none(stats: dict[str, object], status: Status) -> None:
    found = row(read(stats=stats), statistic="median")
    assert (found.status, found.value) == (status, None)


def test_no_spread_is_no_failure() -> None:
    assert row(read(stats={"median": 1.0, "stddev": 0}), statistic="stddev").status is Status.SKIPPED


def test_damage_never_breaks_it() -> None:
    assert FORMAT.tells(document())
    never_breaks(FORMAT, document())
    with pytest.raises(DataError):
        pytest_benchmark.read(document()[:-5])


@pytest.mark.parametrize("name", samples("pytest-benchmark", ".json"))
def test_real_samples_are_read_whole(name: str) -> None:
    text = sample(name)
    assert FORMAT.tells(text)
    found = pytest_benchmark.read(text)
    sound(found)
    whole = json.loads(text)
    kept = pytest_benchmark.TIMES.keys() | pytest_benchmark.COUNTS.keys() | {"ops"}
    numbers = [value for one in whole["benchmarks"] for key, value in one["stats"].items() if key in kept]
    assert sorted(one.value for one in found.rows if one.value is not None) == sorted(
        value for value in numbers if value or statuses(found).get("skipped", 0) == 0
    )
    left_out = {key for one in whole["benchmarks"] for key in one["stats"]} - kept
    assert left_out <= {"outliers", "data"}
    assert whole["machine_info"]["node"] not in repr(found)
    medians = [one["stats"]["median"] for one in whole["benchmarks"]]
    assert [one.value for one in found.rows if one.params["statistic"] == "median"] == medians


def test_the_one_real_benchmark_with_all_its_rounds_keeps_them() -> None:
    found = pytest_benchmark.read(sample("pytest-benchmark/bencher-four.json"))
    median = row(found, benchmark="pytest-benchmark/bench.py::test_sleep_2", statistic="median")
    assert len(median.samples) == 5
    assert median.value == sorted(median.samples)[2]
    assert len(found.problems) == 3


@pytest.mark.parametrize("name", samples("pytest-benchmark", ".json"))
def test_damaged_samples_never_break_it(name: str) -> None:
    never_breaks(FORMAT, sample(name))


def test_what_pytest_benchmark_writes_here_is_read() -> None:
    """The installed version's own statistics, as it would store them."""
    from pytest_benchmark.stats import Stats

    stats = Stats()
    for duration in (3.0, 1.0, 2.0):
        stats.update(duration)
    found = read(stats=stats.as_dict() | {"data": stats.data, "iterations": 1})
    assert row(found, statistic="median").value == 2.0
    assert row(found, statistic="median").samples == (3.0, 1.0, 2.0)
    assert set(statuses(found)) == {"ok"}
