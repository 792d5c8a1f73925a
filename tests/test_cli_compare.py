"""``compare``, ``show --markdown`` and ``report`` of several: exit code, document and text agree."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchsuite import keys, provenance, publication
from benchsuite.cli import app
from benchsuite.errors import BenchsuiteError, DataError, UsageError
from benchsuite.model import Caveat, Exhibit, Metric
from tests import public_data
from tests.exhibit_data import CHASE, GEMM, exhibit, runs, score

SPEEDS = {"base": 1.0, "twin": 1.0, "slow": 0.9, "fast": 1.2}


def made(name: str, *codes: str) -> Exhibit:
    """A campaign of two cases at the speed of its name."""
    notes = tuple(Caveat(code, "") for code in codes)
    speed = SPEEDS[name]
    scores = (
        score(runs(speed * 7e14, 1e-4, 1), GEMM, caveats=notes),
        score(runs(1e-7 / speed, 1e-4, 2), CHASE, Metric.LATENCY, caveats=notes),
    )
    return exhibit(name, *scores, id=f"2026-{name}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a publication of each."""
    for name in SPEEDS:
        (tmp_path / f"{name}.json").write_bytes(publication.encode(made(name).publication))
    noted = replace(made("slow", "CONTENDED").publication, id="2026-noted")
    (tmp_path / "noted.json").write_bytes(publication.encode(noted))
    return tmp_path


def asked(folder: Path, command: str, *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command whose names are publications in the folder."""
    names = [str(folder / f"{word}.json") if word in {*SPEEDS, "noted"} else word for word in words]
    done = CliRunner().invoke(app, [command, "--out", str(folder / "runs"), *names])
    if isinstance(done.exception, BenchsuiteError):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("base", "twin"), 0),
        (("base", "slow"), 0),
        (("base", "slow", "--fail-on", "slower"), 1),
        (("base", "fast", "--fail-on", "slower"), 0),
        (("base", "fast", "--fail-on", "faster"), 1),
        (("base", "fast", "--fail-on", "different"), 1),
        (("base", "fast", "slow", "--fail-on", "slower"), 1),
        (("base", "noted", "--fail-on", "slower"), 3),
        (("base", "noted", "slow", "--fail-on", "slower"), 1),
        (("slow", "base", "--fail-on", "slower", "--baseline", "2026-base"), 1),
        (("base", "slow", "--fail-on", "slower", "--margin", "0.2"), 0),
        (("base", "slow", "--fail-on", "slower", "--only", "gemm"), 1),
    ],
)
def test_the_exit_code_the_document_and_the_text_agree(folder: Path, words: tuple[str, ...], code: int) -> None:
    found, text, errors = asked(folder, "compare", *words)
    assert found == code
    assert ("not clean" in errors) == (code == 3)
    again, document, _ = asked(folder, "compare", *words, "--json")
    told = json.loads(document)
    assert (again, told["outcome"]["code"]) == (code, code)
    for verdict in ("faster", "slower", "same"):
        count = sum(row["verdict"] == verdict for row in told["rows"])
        assert (f"{count} {verdict}" in text) == (count > 0)


def test_the_document_has_every_pair_with_both_labels(folder: Path) -> None:
    told: dict[str, Any] = json.loads(asked(folder, "compare", "base", "fast", "slow", "--json", "--mean")[1])
    assert [(row["case"]["benchmark"], row["label"]) for row in told["rows"]] == [
        ("gemm", "Card fast"),
        ("gemm", "Card slow"),
        ("latency", "Card fast"),
        ("latency", "Card slow"),
    ]
    assert told["baseline"] == "Card base"
    assert told["family"] == 4
    assert told["means"][0]["mean"]["value"] == pytest.approx(1.2, rel=1e-3)
    assert told["conditions"][0]["name"] == "machine"


def test_only_some_tasks_are_compared_in_a_smaller_family(folder: Path) -> None:
    told = json.loads(asked(folder, "compare", "base", "slow", "--only", "latency", "--json")[1])
    assert {row["case"]["benchmark"] for row in told["rows"]} == {"latency"}
    assert told["family"] == 1


def test_a_folder_is_compared_with_what_is_named_before_it(folder: Path) -> None:
    _, text, _ = asked(folder, "compare", "base", str(folder))
    assert "n = 6" in text
    assert "against A" in text


def test_other_forms_are_printed(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(asked(folder, "compare", "base", "slow", "--csv")[1])))
    assert [row["verdict"] for row in rows] == ["slower", "slower"]
    text = asked(folder, "compare", "base", "slow", "--markdown", "--mean")[1]
    assert "| ▼ ×0.900 (" in text
    assert "geometric mean over 2 cases: ×0.9" in text


def test_a_board_ranks_and_a_matrix_shows_every_pair(folder: Path) -> None:
    code, text, _ = asked(folder, "compare", "base", "twin", "slow", "fast", "--board", "gemm")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines() if "Card" in line] == ["1", "2–3", "2–3", "4"]
    told = json.loads(asked(folder, "compare", "base", "slow", "--matrix", "*", "--json")[1])
    assert [one["verdicts"] for one in told["boards"]] == [[[None, "faster"], ["slower", None]]] * 2
    assert "▲" in asked(folder, "compare", "base", "slow", "--matrix", "gemm", "--markdown")[1]
    places = list(csv.DictReader(io.StringIO(asked(folder, "compare", "base", "slow", "--board", "gemm", "--csv")[1])))
    assert [place["first"] for place in places] == ["1", "2"]


def test_a_board_that_ranks_nobody_is_inconclusive(folder: Path) -> None:
    code, text, _ = asked(folder, "compare", "base", "noted", "--board", "gemm", "--by", "dollar")
    assert code == 3
    assert text.count("no price was given") == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("base",), "only one"),
        (("base", "slow", "--fail-on", "often"), "--fail-on often"),
        (("base", "slow", "--fail-on", "slower", "--explore"), "--explore"),
        (("base", "slow", "--json", "--csv"), "two forms"),
        (("base", "slow", "--baseline", "nobody"), "nobody"),
        (("base", "slow", "--only", "nothing"), "shares a case"),
        (("base", "slow", "--board", "nothing"), "No case"),
        (("base", "slow", "--board", "gemm", "--by", "weight"), "--by weight"),
        (("base", "slow", "--board", "gemm", "--fail-on", "slower"), "--fail-on"),
        (("base", "slow", "--board", "gemm", "--matrix", "gemm"), "board"),
        (("base", "nobody"), "no run 'nobody'"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(folder: Path, words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        asked(folder, "compare", *words)


def test_a_file_that_is_no_publication_is_a_sentence(folder: Path) -> None:
    (folder / "bad.json").write_text("{}")
    with pytest.raises(DataError, match=r"bad\.json"):
        asked(folder, "compare", "base", str(folder / "bad.json"))


def test_who_vouches_for_a_campaign_stands_beside_its_name(folder: Path) -> None:
    private, public, _ = keys.new(folder / "keys")
    path = folder / "slow.json"
    path.with_name(f"slow.json{provenance.SUFFIX}").write_bytes(
        provenance.sign(path, keys.private(private), keys.Role.PROVIDER)
    )
    assert "signed by" not in asked(folder, "compare", "base", "slow")[1]
    assert "signed by" in asked(folder, "compare", "base", "slow", "--trust", str(public))[1]


def test_exploring_keeps_another_promise_and_says_so(folder: Path) -> None:
    assert "Benjamini-Hochberg" in asked(folder, "compare", "base", "slow", "--explore")[1]


# -- show and report --------------------------------------------------------------------------


def test_a_run_is_shown_as_markdown(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    made = public_data.measured(tmp_path / "runs")
    _, text, _ = asked(tmp_path, "show", made.path.name, "--markdown")
    assert text.startswith(f"### {made.path.name}\n\n| case | by |")
    assert "✖ wrong result. run 1: c\\[3\\] is wrong" in text


def test_the_report_of_one_run_is_its_page_and_of_several_one_that_compares(folder: Path) -> None:
    (folder / "runs").mkdir()
    run = public_data.measured(folder / "runs").path
    one = json.loads(asked(folder, "report", run.name, "--json")[1])["report"]
    assert one == str(run / "report.html")
    many = folder / "many.html"
    asked(folder, "report", "base", "slow", "--to", str(many))
    page = many.read_text(encoding="utf-8")
    assert "Card base" in page
    assert "Card slow" in page
    alone = folder / "alone.html"
    asked(folder, "report", "base", "--to", str(alone))
    assert "Card base" in alone.read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_is_a_sentence(folder: Path) -> None:
    with pytest.raises(UsageError, match="--to"):
        asked(folder, "report", "base", "slow", "--to", str(folder / "no" / "where.html"))
