"""Export to pytest-benchmark: its own code loads and compares it, and our importer reads the same medians back."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchsuite.imports import pytest_benchmark
from benchsuite.model import Case, Machine, Metric, Origin, Publication, Score, Status, Work
from tests.imported import row

DURATIONS = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=9)


def score(metric: Metric, work: Work, rounds: list[float], **extra: object) -> Score:
    case = Case.of("gemm", ranks=2, m=256, dtype="fp32")
    values = tuple(metric.quantity(work, one) for one in rounds)
    middle = statistics.geometric_mean(values) if values else None
    usual: dict[str, Any] = {"status": Status.OK, "value": middle, "run_values": values, "runs": len(rounds)}
    return Score(case=case, implementation="raw", provider="benchsuite", metric=metric, work=work, **usual | extra)


def publication(*scores: Score) -> Publication:
    machine = Machine("m-1", "AMD EPYC 9654", facts={"processor": {"architecture": "x86_64"}})
    return Publication(1, "quick-1", Origin.MEASURED, machine, "2026-02-03T10:00:00+00:00", "quick", scores, "1.2.3")


@pytest.mark.parametrize(
    ("metric", "work"),
    [
        (Metric.FLOPS, Work(flops=2e9)),
        (Metric.BANDWIDTH, Work(read=1e9, written=5e8)),
        (Metric.BUSBW, Work(wire=1.5e9)),
        (Metric.LATENCY, Work(steps=1000)),
        (Metric.CLOCK, Work(steps=1e9)),
    ],
)
def test_rates_become_the_seconds_of_an_iteration_again(metric: Metric, work: Work) -> None:
    rounds = [0.5, 0.25, 0.125]
    document = pytest_benchmark.export(publication(score(metric, work, rounds)))
    assert document["benchmarks"][0]["stats"]["data"] == pytest.approx(rounds, rel=1e-15)


@given(DURATIONS)
@settings(max_examples=40, deadline=None)
def test_our_importer_reads_the_same_medians_back(rounds: list[float]) -> None:
    made = publication(score(Metric.LATENCY, Work(steps=1), rounds))
    found = pytest_benchmark.read(json.dumps(pytest_benchmark.export(made)))
    median = row(found, statistic="median")
    assert median.value == statistics.median(rounds)
    assert median.samples == tuple(rounds)
    assert (median.params["m"], median.params["dtype"], median.params["ranks"]) == (256, "fp32", 2)
    assert found.devices == ("AMD EPYC 9654",)


@given(DURATIONS)
@settings(max_examples=60, deadline=None)
def test_the_statistics_are_those_of_pytest_benchmark(rounds: list[float]) -> None:
    from pytest_benchmark.stats import Stats

    theirs = Stats()
    for one in rounds:
        theirs.update(one)
    ours = pytest_benchmark.statistics_of(tuple(rounds))
    for name, value in theirs.as_dict().items():
        assert ours[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-12)), name


def test_what_has_no_time_is_left_out() -> None:
    good = score(Metric.FLOPS, Work(flops=1e9), [0.5])
    bad = [
        score(Metric.FLOPS, Work(flops=1e9), [], status=Status.REJECTED),
        score(Metric.FLOPS, Work(flops=1e9), [0.5], status=Status.FAILED),
        Score(good.case, "x", "", Metric.BANDWIDTH, Status.OK, Work(), 1, 1e9, run_values=(1e9,)),
        Score(good.case, "x", "", Metric.COUNT, Status.OK, Work(steps=1.0), 1, 5.0, run_values=(5.0,)),
        Score(good.case, "x", "", Metric.FLOPS, Status.OK, Work(flops=1.0), 1, 0.0, run_values=(0.0,)),
    ]
    names = [one["name"] for one in pytest_benchmark.export(publication(*bad, good))["benchmarks"]]
    assert names == ["gemm dtype=fp32 m=256 ranks=2 [raw]"]


def stored(folder: Path, name: str, rounds: list[float]) -> Path:
    path = folder / name
    made = pytest_benchmark.export(publication(score(Metric.FLOPS, Work(flops=2e9), rounds)))
    path.write_text(json.dumps(made), encoding="utf-8")
    return path


def test_its_storage_loads_it(tmp_path: Path) -> None:
    from pytest_benchmark.logger import Logger
    from pytest_benchmark.storage.file import FileStorage

    path = stored(tmp_path, "0001_ours.json", [0.5, 0.25, 0.125])
    loaded = list(FileStorage(tmp_path, Logger(0)).load_benchmarks(str(path)))
    assert [(one["median"], one["rounds"], one["group"]) for one in loaded] == [(0.25, 3, "gemm")]


def test_its_compare_shows_two_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pytest_benchmark import cli

    files = [stored(tmp_path, f"000{i}_ours.json", [0.5 * i, 0.25 * i, 0.125 * i]) for i in (1, 2)]
    monkeypatch.chdir(tmp_path)
    arguments = ["pytest-benchmark", "--storage", str(tmp_path), "compare", "--columns=median,rounds", *map(str, files)]
    monkeypatch.setattr(sys, "argv", arguments)
    cli.main()
    shown = capsys.readouterr().out
    assert shown.count("gemm dtype=fp32 m=256 ranks=2 [raw]") >= 2
    assert "250.0000" in shown
    assert "500.0000" in shown


def test_a_run_becomes_a_publication_with_its_samples_beside_it(tmp_path: Path) -> None:
    """Fed a real run of scripted time; the samples are those that the publication names."""
    from benchsuite import publication as publications
    from benchsuite import samples
    from benchsuite.cli import app

    runs, folder = tmp_path / "runs", tmp_path / "public"
    words = ["run", "quick", "--only", "gemm m=256", "--backend", "fake", "--runs", "1", "--no-report"]
    assert CliRunner().invoke(app, [*words, "--out", str(runs)]).exit_code == 0
    done = CliRunner().invoke(app, ["export", "--format", "publication", "--to", str(folder), "--out", str(runs)])
    assert done.exit_code == 0, done.output
    (file,) = folder.glob("*.json")
    found = publications.vetted(file)
    assert found.problems == ()
    beside = folder / f"{found.publication.id}{publications.SAMPLES}"
    assert samples.problems(found.publication, beside) == []
    beside.write_bytes(beside.read_bytes().replace(b"1", b"2", 1))
    assert samples.problems(found.publication, beside)
