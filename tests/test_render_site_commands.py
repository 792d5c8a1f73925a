"""``benchsuite publish`` and ``benchsuite chart``: what they write, what they refuse, what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import render_data
import site_data
from typer.testing import CliRunner

from benchsuite import publication
from benchsuite.cli import app
from benchsuite.commands import site as commands
from benchsuite.commands.site import Asked, Progress
from benchsuite.errors import BenchsuiteError, UsageError
from benchsuite.render import slide
from benchsuite.render.looks import Plot

ABOUT = slide.About("20260102-030405-example-beef", "2026-01-02T03:04:05+00:00", "0.1.0")


def asked(*names: Path) -> Asked:
    return Asked(tuple(map(str, names)), Path("runs"), (), (), "Example", True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    told = [site_data.published(n, "rtx_4090", "Gamma") for n in range(2)]
    return site_data.folder(tmp_path / "in", told)


def test_publish_says_what_it_wrote(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.publish(asked(folder), tmp_path / "site", strict=False, as_json=False) == 0
    told = capsys.readouterr()
    assert "2 runs of 2 machines" in told.out
    assert "lint:" in told.err
    assert (tmp_path / "site/index.html").is_file()


def test_publish_as_json_has_the_counts_and_the_findings(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.publish(asked(folder), tmp_path / "site", strict=False, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["machines"], told["types"]) == (2, 2, 1)
    lines = (tmp_path / "site/SHA256SUMS").read_text().splitlines()
    assert told["files"] == len(lines)
    assert {one["severity"] for one in told["findings"]} >= {"note"}


def test_strict_writes_nothing_when_a_rule_forbids_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site_data.folder(folder, [site_data.simulated()])
    assert commands.publish(asked(folder), tmp_path / "site", strict=True, as_json=False) == 1
    assert "simulated data is no result" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_strict_finds_samples_that_two_machines_claim(folder: Path, tmp_path: Path) -> None:
    one = site_data.published(0, "rtx_4090", "Gamma")
    clean = [replace(one, id=f"same-{n}", machine=replace(one.machine, id=f"m{n}")) for n in range(2)]
    site_data.folder(tmp_path / "twice", clean)
    found = commands._linted(list(commands._paths(asked(tmp_path / "twice"))), commands.keys.trust(()))
    assert [one for one in found if one.rule == commands.REPEATED]


def test_a_dry_run_tells_what_leaves_and_writes_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.dry_run(asked(folder), tmp_path / "site", as_json=False)
    out = capsys.readouterr().out
    assert "+ gpu: name = NVIDIA GeForce RTX 4090" in out
    assert "nothing was." in out
    assert not (tmp_path / "site").exists()
    commands.dry_run(asked(folder), tmp_path / "site", as_json=True)
    assert len(json.loads(capsys.readouterr().out)["leaving"]) == 2


def test_a_folder_without_anything_and_a_name_of_nothing_are_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no run and no publication"):
        commands.publish(asked(tmp_path / "empty"), tmp_path / "site", strict=False, as_json=False)
    with pytest.raises(BenchsuiteError):
        commands.publish(asked(tmp_path / "none"), tmp_path / "site", strict=False, as_json=False)


def test_samples_are_published_only_if_they_are_what_the_publication_names(tmp_path: Path) -> None:
    records = render_data.records(render_data.everything()[:1])
    data = publication.encode_samples(records)
    score = render_data.scores_of(records)[0]
    told = replace(
        site_data.published(1, "rtx_4090"), backend="host", results=(score,), samples=publication.digest(data)
    )
    [file] = site_data.folder(tmp_path, [told]).iterdir()
    beside = tmp_path / f"{told.id}{publication.SAMPLES}"
    nobody = commands.keys.trust(())
    beside.write_bytes(data)
    assert commands.read(file, nobody).samples == data
    beside.write_bytes(data.replace(b'"run":0', b'"run":9'))
    assert commands.read(file, nobody).samples == b""
    more = data.replace(b'{"case"', b'{"also":"/home/somebody","case"')
    site_data.folder(tmp_path, [replace(told, samples=publication.digest(more))])
    beside.write_bytes(more)
    assert commands.read(file, nobody).samples == b""


def test_the_command_line_hands_everything_over(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "site"
    said = CliRunner().invoke(app, ["publish", str(folder), "--out", str(to), "--title", "Ours", "--no-published"])
    assert said.exit_code == 0, said.output
    assert "<h1>Ours</h1>" in (to / "index.html").read_text()
    assert not (to / "data/figures.csv").exists()


def test_a_long_build_tells_how_long_it_will_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(commands.time, "monotonic", lambda: now[0])
    tell = Progress()
    tell("runs", 1, 100)
    now[0] = 10.0
    tell("runs", 20, 100)
    tell("runs", 21, 100)
    assert capsys.readouterr().err == "benchsuite: runs: 20 of 100, about 40\u00a0s left\n"


# -- one chart for a slide ---------------------------------------------------------------------------------------------


def found(kind: str, *patterns: str) -> list[Plot]:
    scores = render_data.scores_of(render_data.records(render_data.everything()))
    ceilings = render_data.ceilings_of(scores)
    return slide.plots(scores, ceilings, render_data.CACHES, render_data.CORES, kind=kind, patterns=patterns)


def drawn(kind: str, *patterns: str, title: str = "") -> dict[str, object]:
    return slide.slide(found(kind, *patterns)[0], ABOUT, title)


@pytest.mark.parametrize(("kind", "pattern"), [("bars", "gemm"), ("sizes", "memory"), ("roofline", "gemm")])
def test_a_slide_stands_alone(kind: str, pattern: str) -> None:
    patterns = ("gemm", "memory", "fma") if kind == "roofline" else (pattern,)
    picture = slide.encoded(drawn(kind, *patterns, title="For <you> & me"), ".svg").decode()
    assert "var(--" not in picture
    assert "For &lt;you&gt; &amp; me" in picture
    assert "run 20260102-030405-example-beef, 2026-01-02" in picture
    assert "#ffffff" in picture
    assert "<script" not in picture


def test_the_legend_of_a_slide_names_each_series() -> None:
    picture = slide.encoded(drawn("sizes", "memory"), ".svg").decode()
    for op in ("read", "write", "copy", "triad"):
        assert f">{op}</text>" in picture


def test_a_png_is_twice_as_fine() -> None:
    spec = drawn("bars", "gemm")
    png = slide.encoded(spec, ".png")
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png[16:20], "big") == 2 * slide.WIDTH


@pytest.mark.parametrize(
    ("kind", "pattern", "told"),
    [("pie", "gemm", "unknown"), ("bars", "nothing", "can be drawn"), ("sizes", "memory latency", "can be drawn")],
)
def test_what_cannot_be_drawn_is_told(kind: str, pattern: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        drawn(kind, pattern)


def test_a_chart_of_a_run_says_when_its_times_are_simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [plot.id for plot in found("sizes")][:2] == ["bandwidth", "latency"]
    monkeypatch.chdir(tmp_path)
    options = ["--backend", "fake", "--runs", "2", "--only", "gemm m=256 dtype=fp32", "--no-report"]
    assert CliRunner().invoke(app, ["run", *options]).exit_code == 0
    made = CliRunner().invoke(app, ["chart", "latest", "--to", "chart.svg", "--case", "gemm"])
    assert made.exit_code == 0, made.output
    assert "SIMULATED DATA" in (tmp_path / "chart.svg").read_text()


def test_a_chart_is_svg_or_png() -> None:
    with pytest.raises(UsageError, match="svg or"):
        slide.encoded(drawn("bars", "gemm"), ".gif")


def test_simulated_slides_say_so() -> None:
    assert replace(ABOUT, simulated=True).line.startswith("SIMULATED DATA")
