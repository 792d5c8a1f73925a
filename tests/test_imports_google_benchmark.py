"""Google Benchmark: JSON and CSV of all versions, repetitions and aggregates apart, errors kept without their text."""

from __future__ import annotations

import json

import pytest

from benchsuite.errors import DataError
from benchsuite.imports import google_benchmark
from benchsuite.model import Metric, Status
from tests.imported import never_breaks, row, sample, samples, sound, statuses

FORMAT = google_benchmark.FORMATS[0]


def entry(name: str, **extra: object) -> dict[str, object]:
    usual = {"run_name": name, "run_type": "iteration", "iterations": 10, "real_time": 1.5, "cpu_time": 1.25}
    return {"name": name, **usual, "time_unit": "us", **extra}


def document(*entries: dict[str, object], **context: object) -> str:
    usual = {"date": "2026-02-03T10:00:00+01:00", "num_cpus": 8, "mhz_per_cpu": 3000, "library_build_type": "release"}
    return json.dumps({"context": usual | context, "benchmarks": list(entries)})


def read(*entries: dict[str, object], **context: object) -> google_benchmark.Imported:
    found = google_benchmark.read(document(*entries, **context))
    sound(found)
    return found


@pytest.mark.parametrize(("unit", "seconds"), [("ns", 15e-9), ("us", 15e-6), ("ms", 15e-3), ("s", 15.0)])
def test_times_are_in_seconds(unit: str, seconds: float) -> None:
    found = read(entry("BM_A", real_time=15, time_unit=unit))
    time = row(found, quantity="real_time")
    assert (time.benchmark, time.metric, time.value, time.text) == (
        "google-benchmark/BM_A",
        Metric.LATENCY,
        seconds,
        f"15 {unit}",
    )


def test_rates_counters_and_memory_have_their_units_or_none() -> None:
    found = read(
        entry("BM_A", bytes_per_second=2e9, items_per_second=3.5, max_bytes_used=64, foo=-2.5, label="what it is")
    )
    assert (row(found, quantity="bytes_per_second").metric, row(found, quantity="bytes_per_second").value) == (
        Metric.BANDWIDTH,
        2e9,
    )
    assert (row(found, quantity="items_per_second").metric, row(found, quantity="items_per_second").value) == (
        Metric.RATE,
        3.5,
    )
    assert "bytes" in row(found, quantity="max_bytes_used").meaning
    counter = row(found, quantity="foo")
    assert (counter.metric, counter.value) == (Metric.COUNT, -2.5)
    assert "unit is not told" in counter.meaning
    assert all("what it is" in one.meaning for one in found.rows)
    assert len(found.rows) == 6


def test_a_unit_that_is_not_known_is_no_unit() -> None:
    found = read(entry("BM_A", time_unit="fortnight", items_per_second=2.0))
    assert statuses(found) == {"skipped": 2, "ok": 1}


def test_repetitions_and_aggregates_stay_apart() -> None:
    names = ("mean", "median", "stddev")
    aggregates = [
        entry(f"BM_A_{name}", run_name="BM_A", run_type="aggregate", aggregate_name=name, aggregate_unit="time")
        for name in names
    ]
    variation = entry(
        "BM_A_cv",
        run_name="BM_A",
        run_type="aggregate",
        aggregate_name="cv",
        aggregate_unit="percentage",
        real_time=0.02,
    )
    found = read(entry("BM_A"), entry("BM_A", real_time=2.5), *aggregates, variation | {"bytes_per_second": 0.1})
    assert {one.benchmark for one in found.rows} == {"google-benchmark/BM_A"}
    assert row(found, quantity="real_time", repetition=0).value == 1.5e-6
    assert row(found, quantity="real_time", repetition=1).value == 2.5e-6
    for name in names:
        assert row(found, quantity="real_time", aggregate=name).metric is Metric.LATENCY
    cv = row(found, quantity="real_time", aggregate="cv")
    assert (cv.metric, cv.value, cv.text) == (Metric.RATIO, 0.02, "0.02")
    assert row(found, quantity="bytes_per_second", aggregate="cv").metric is Metric.RATIO


def test_older_versions_tell_aggregates_by_the_name_alone() -> None:
    old = [{"name": name, "iterations": 9, "real_time": 2, "cpu_time": 2, "time_unit": "ns"} for name in ("A", "A")]
    found = read(*old, {**old[0], "name": "A_mean"}, {**old[0], "name": "use_mean"}, {**old[0], "name": "B_"})
    assert row(found, benchmark="google-benchmark/B_", quantity="real_time").value == 2e-9
    assert row(found, aggregate="mean", quantity="real_time").benchmark == "google-benchmark/A"
    assert row(found, benchmark="google-benchmark/use_mean", quantity="real_time").params.get("aggregate") is None


def test_a_name_that_looks_like_an_aggregate_is_none_where_the_type_says_so() -> None:
    found = read(entry("A"), entry("A_mean"))
    assert row(found, benchmark="google-benchmark/A_mean", quantity="real_time").params == {"quantity": "real_time"}


def test_a_variation_is_a_ratio_in_versions_that_do_not_say_its_unit() -> None:
    found = read(entry("A_cv", run_name="A", run_type="aggregate", aggregate_name="cv", real_time=0.25))
    assert (row(found, quantity="real_time").metric, row(found, quantity="real_time").value) == (Metric.RATIO, 0.25)
    percent = entry("A_x", run_name="A", run_type="aggregate", aggregate_name="x", aggregate_unit="percentage")
    assert row(read(percent), quantity="real_time").metric is Metric.RATIO


def test_a_fit_has_its_coefficient_and_its_deviation() -> None:
    fit = {"name": "A_BigO", "run_name": "A", "run_type": "aggregate", "aggregate_name": "BigO", "big_o": "NlgN"}
    deviation = {"name": "A_RMS", "run_name": "A", "run_type": "aggregate", "aggregate_name": "RMS", "rms": 0.05}
    found = read(fit | {"cpu_coefficient": 4.5, "real_coefficient": 6.5, "time_unit": "ns"}, deviation)
    assert row(found, quantity="real_coefficient").value == 6.5e-9
    assert "NlgN" in row(found, quantity="cpu_coefficient").meaning
    rms = row(found, quantity="rms")
    assert (rms.metric, rms.value) == (Metric.RATIO, 0.05)


def test_threads_are_part_of_the_case() -> None:
    found = read(entry("BM_A/threads:4", threads=4), entry("BM_B", threads=1))
    assert row(found, benchmark="google-benchmark/BM_A/threads:4", quantity="real_time").params["threads"] == 4
    assert "threads" not in row(found, benchmark="google-benchmark/BM_B", quantity="real_time").params


def test_an_error_and_a_skip_are_kept_without_what_they_said() -> None:
    found = read(
        entry("BM_E", error_occurred=True, error_message="no /home/alice", real_time=0.0),
        entry("BM_S", skipped=True, skip_message="no /home/alice", real_time=0.0),
    )
    assert row(found, benchmark="google-benchmark/BM_E").status is Status.FAILED
    assert row(found, benchmark="google-benchmark/BM_S").status is Status.SKIPPED
    assert "alice" not in repr(found)


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ({"real_time": 0.0}, Status.FAILED),
        ({"real_time": -1}, Status.FAILED),
        ({"real_time": "NaN"}, Status.FAILED),
        ({"real_time": None}, Status.FAILED),
    ],
)
def test_what_is_no_time_is_none(extra: dict[str, object], status: Status) -> None:
    assert row(read(entry("BM_A", **extra)), quantity="real_time").status is status


def test_a_bare_nan_costs_its_value_and_not_the_file() -> None:
    found = google_benchmark.read(document(entry("A", foo=1.0), entry("B")).replace('"foo": 1.0', '"foo": -Infinity'))
    assert statuses(found) == {"ok": 4, "failed": 1}


def test_warnings_before_the_document_are_no_part_of_it() -> None:
    text = f"***WARNING*** CPU scaling is enabled\nloading …\n{document(entry('A'))}"
    assert FORMAT.tells(text)
    assert statuses(google_benchmark.read(text)) == {"ok": 2}


def test_no_processor_time_is_no_failure() -> None:
    assert row(read(entry("BM_A", cpu_time=0.0)), quantity="cpu_time").status is Status.SKIPPED


def test_only_what_is_public_of_the_context_is_kept() -> None:
    private = {"host_name": "secret-host", "executable": "/home/alice/bench", "mine": "secret", "load_avg": [1, 2]}
    found = read(entry("A"), library_version="v1.9.4", cpu_scaling_enabled=True, caches=[], **private)
    assert found.version == "v1.9.4"
    assert found.facts == {
        "processors": "8",
        "clock in MHz": "3000",
        "frequency scaling": "true",
        "build of the library": "release",
    }
    assert "secret" not in repr(found)
    assert "alice" not in repr(found)
    assert "debugging" in read(entry("A"), library_build_type="debug").problems[0]


CSV = """2026-02-03T10:00:00+01:00
Running ./bench
Run on (8 X 4200 MHz CPU s)
name,iterations,real_time,cpu_time,time_unit,bytes_per_second,items_per_second,label,error_occurred,error_message,"foo"
"BM_A<int, 2>/1",100,10.5,10.4,us,1e+09,,,,,1.5
"BM_A<int, 2>/1",100,11.5,10.4,us,1e+09,,,,,1.5
"BM_A<int, 2>/1_mean",2,11,10.4,us,1e+09,,"a ""label"" here",,,1.5
"BM_A<int, 2>/1_cv",2,0.01,0.02,,0.03,,,,,0
"BM_E",,,,,,,,true,"no /home/alice"
"BM_S",,,,,,,,false,"no /home/alice"
"BM_A_BigO",,1.5,1.4,N,,,,,,
"BM_A_RMS",,0.05,0.04,,,,,,,
"""


def test_the_table_says_the_same_as_the_document() -> None:
    assert FORMAT.tells(CSV)
    found = google_benchmark.read(CSV)
    sound(found)
    first = row(found, quantity="real_time", repetition=0)
    assert (first.benchmark, first.value, first.line) == ("google-benchmark/BM_A<int, 2>/1", 10.5e-6, 5)
    assert row(found, quantity="bytes_per_second", aggregate="mean").text == "1e+09 B/s"
    assert 'a "label" here' in row(found, quantity="real_time", aggregate="mean").meaning
    assert row(found, quantity="real_time", aggregate="cv").metric is Metric.RATIO
    assert row(found, benchmark="google-benchmark/BM_E").status is Status.FAILED
    assert row(found, benchmark="google-benchmark/BM_S").status is Status.SKIPPED
    assert {one.status for one in found.rows if one.params.get("aggregate") == "BigO"} == {Status.SKIPPED}
    assert row(found, quantity="real_time", aggregate="RMS").value == 0.05
    assert "alice" not in repr(found)


def test_a_table_without_units_is_in_nanoseconds() -> None:
    found = google_benchmark.read('name,iterations,real_time,cpu_time\n"A",5,17890.7,8407.45\n')
    assert row(found, quantity="real_time").value == 17890.7e-9


def test_a_line_of_the_table_without_a_unit_is_a_ratio() -> None:
    found = google_benchmark.read('name,iterations,real_time,cpu_time,time_unit\n"A_own",5,0.5,0.25,\n')
    assert [(one.metric, one.value) for one in found.rows] == [(Metric.RATIO, 0.5), (Metric.RATIO, 0.25)]


def test_a_line_of_the_table_that_is_cut_is_named() -> None:
    found = google_benchmark.read('name,iterations,real_time,cpu_time,time_unit\n"A",5,1,1,ns\n"B",5,1\n')
    assert len(found.rows) == 2
    assert found.problems == ("Line 3 has 3 cells, not 5.",)


def test_damage_never_breaks_it() -> None:
    text = document(entry("BM_A", foo=1), entry("BM_A_mean", run_type="aggregate", aggregate_name="mean"), entry("E"))
    assert FORMAT.tells(text)
    never_breaks(FORMAT, text)
    assert never_breaks(FORMAT, CSV) > 100
    with pytest.raises(DataError):
        google_benchmark.read(text[:-5])


@pytest.mark.parametrize("name", samples("google-benchmark", ".json", ".csv"))
def test_real_samples_are_read_whole(name: str) -> None:
    text = sample(name)
    assert FORMAT.tells(text)
    found = google_benchmark.read(text)
    sound(found)
    if name.endswith(".csv"):
        assert len(found.rows) == 4 * (len(text.splitlines()) - 1)
        return
    entries = json.loads(text)["benchmarks"]
    figures = ("real_time", "cpu_time", "bytes_per_second", "items_per_second", "rms")
    figures += ("real_coefficient", "cpu_coefficient")
    assert len(found.rows) == sum(max(1, len(set(figures) & set(one))) for one in entries)
    if "test4" in name:
        assert statuses(found) == {"failed": len(entries)}
    else:
        assert set(statuses(found)) == {"ok"}
    assert "my-host" not in repr(found)


@pytest.mark.parametrize(
    ("name", "params", "value"),
    [
        ("test1_run2.json", {"benchmark": "google-benchmark/BM_ThirdFaster", "quantity": "real_time"}, 66.665e-9),
        ("test1_run1.json", {"aggregate": "BigO", "quantity": "real_coefficient"}, 6.4789275289789780e-9),
        ("test2_run.json", {"benchmark": "google-benchmark/BM_Hi", "quantity": "cpu_time"}, 24e-3),
        ("test3_run0.json", {"benchmark": "google-benchmark/BM_Two", "repetition": 1, "quantity": "cpu_time"}, 86e-9),
    ],
)
def test_real_values_land(name: str, params: dict[str, object], value: float) -> None:
    found = google_benchmark.read(sample(f"google-benchmark/gbench-{name}"))
    assert row(found, **params).value == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("name", samples("google-benchmark", ".json", ".csv"))
def test_damaged_samples_never_break_it(name: str) -> None:
    never_breaks(FORMAT, sample(name))
