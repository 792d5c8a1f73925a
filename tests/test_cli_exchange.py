"""``benchsuite import`` and ``export``: what they print, write and end with."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchsuite import publication
from benchsuite.cli import app
from benchsuite.errors import BenchsuiteError
from benchsuite.imports.base import Imported, Row
from benchsuite.model import Metric, Origin, Status
from benchsuite.reading import Limits
from benchsuite.render import imported as rendering

RIGHT = json.dumps({"gemm-flops/fp16_tc_flops:0": 275000.5, "mem-bw/return_code:0": 4})
WRONG = json.dumps({"gpu-burn/gpu_0_pass": 0, "gpu-burn/time": 60.5})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "right.json").write_text(RIGHT)
    (tmp_path / "wrong.json").write_text(WRONG)
    (tmp_path / "none.txt").write_text("nothing at all\n")
    return tmp_path


def call(folder: Path, *words: str) -> Result:
    """The command's result; what ``main`` prints of an expected failure stands in ``exception``."""
    found = CliRunner().invoke(app, [word.replace("@", f"{folder}/") for word in words])
    assert found.exception is None or isinstance(found.exception, SystemExit | BenchsuiteError), found.exception
    return found


def code(found: Result) -> int:
    return int(found.exception.exit_code) if isinstance(found.exception, BenchsuiteError) else found.exit_code


def test_a_file_becomes_a_publication(files: Path) -> None:
    found = call(files, "import", "@right.json", "--to", "@out", "--machine", "NVIDIA A100-SXM4-80GB")
    assert code(found) == 0
    assert "2 results: 1 read, 1 failed" in found.stdout
    assert "exception at run time" in found.stdout
    (path,) = (files / "out").iterdir()
    assert str(path) in found.stdout
    made = publication.read(path)
    assert (made.origin, made.source) == (Origin.IMPORTED, "right.json")
    assert made.machine.hardware == "a100_sxm_80"
    assert [score.value for score in made.results] == [275000.5e9, None]


def test_the_same_file_gives_the_same_publication(files: Path) -> None:
    call(files, "import", "@right.json", "--to", "@out")
    (path,) = (files / "out").iterdir()
    before = path.read_bytes()
    call(files, "import", "@right.json", "--to", "@out")
    assert [one.read_bytes() for one in (files / "out").iterdir()] == [before]


def test_a_wrong_result_ends_with_1(files: Path) -> None:
    found = call(files, "import", "@right.json", "@wrong.json", "--to", "@out")
    assert code(found) == 1
    assert "1 wrong" in found.stdout
    assert len(list((files / "out").iterdir())) == 2


def test_a_file_that_cannot_be_read_ends_with_2_and_the_others_are_taken(files: Path) -> None:
    found = call(files, "import", "@none.txt", "@wrong.json", "@missing", "--to", "@out")
    assert code(found) == 2
    assert found.stderr.count("benchsuite: ") == 2
    assert "No known tool printed it." in found.stderr
    assert len(list((files / "out").iterdir())) == 1


def test_json_says_the_same(files: Path) -> None:
    found = call(files, "import", "@right.json", "@none.txt", "--to", "@out", "--json")
    assert code(found) == 2
    document = json.loads(found.stdout)
    (one,) = document["files"]
    assert (one["results"], one["ok"], one["failed"], one["rejected"], one["skipped"]) == (2, 1, 1, 0, 0)
    assert (one["tool"], one["file"]) == ("superbench", "right.json")
    assert [Path(path).exists() for path in one["publications"]] == [True]
    assert document["refused"][0]["problem"].startswith("No known tool printed it.")


def test_formats_are_listed(files: Path) -> None:
    assert "superbench " in call(files, "import", "--formats").stdout
    listed = json.loads(call(files, "import", "--formats", "--json").stdout)
    assert {"name": "google-benchmark", "title": "Google Benchmark"} in listed


@pytest.mark.parametrize(
    "words",
    [("import",), ("import", "@right.json", "--format", "excel"), ("import", "@right.json", "--to", "@right.json")],
)
def test_what_makes_no_sense_is_usage(files: Path, words: tuple[str, ...]) -> None:
    assert code(call(files, *words)) == 2


def test_each_node_has_its_file(files: Path) -> None:
    (files / "fleet.jsonl").write_text("\n".join([RIGHT] * 7))
    found = call(files, "import", "@fleet.jsonl", "--to", "@out")
    assert len(list((files / "out").iterdir())) == 7
    assert "2 further files, one for each machine" in found.stdout


def test_more_than_a_publication_can_hold_is_refused(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "LIMITS", Limits(values=5))
    found = call(files, "import", "@right.json", "--to", "@out")
    assert code(found) == 2
    assert "2 results" in found.stderr
    assert not (files / "out").exists()


def exported(files: Path, *words: str) -> Result:
    call(files, "import", "@wrong.json", "--to", "@out")
    (path,) = (files / "out").iterdir()
    return call(files, "export", str(path), *words)


def test_a_publication_is_exported_to_pytest_benchmark(files: Path) -> None:
    document = json.loads(exported(files).stdout)
    (one,) = document["benchmarks"]
    assert one["stats"]["median"] == 60.5
    assert "gpu-burn name=time" in one["name"]


def test_a_publication_is_exported_as_csv_and_json(files: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(files, "--format", "csv").stdout)))
    assert [row["status"] for row in rows] == ["rejected", "ok"]
    document = json.loads(exported(files, "--format", "json", "--to", "@x.json") and (files / "x.json").read_text())
    assert document["origin"] == "imported"


def test_export_says_what_it_cannot_do(files: Path) -> None:
    assert code(exported(files, "--format", "excel")) == 2
    assert code(exported(files, "--to", "@missing/x.json")) == 2
    assert code(call(files, "export", "unheard-of", "--out", "@runs")) == 2
    (files / "timeless.json").write_text(json.dumps({"gemm-flops/fp16_tc_flops:0": 1.5}))
    call(files, "import", "@timeless.json", "--to", "@other")
    (path,) = (files / "other").iterdir()
    found = call(files, "export", str(path))
    assert code(found) == 2
    assert "nothing that has a time" in str(found.exception)


def test_the_lines_tell_the_worst_first_and_not_everything() -> None:
    rows = tuple(
        Row("a/b", Metric.COUNT, None, "", "x", {"n": n}, status=status, reason=f"Reason {status.value} {n}.")
        for n in range(9)
        for status in (Status.FAILED, Status.REJECTED)
    )
    found = Imported("tool", rows, "1.0", devices=("A", "A", "B"), problems=tuple(f"Problem {n}." for n in range(9)))
    lines = rendering.lines("x.txt", found, ["y.json"])
    assert lines[0] == "x.txt: tool 1.0, 2 × A, B"
    assert lines[1] == "  18 results: 9 wrong, 9 failed"
    assert [line[:10] for line in lines[2:8]] == ["  ✖ wrong:"] * 6
    assert lines[7] == "  ✖ wrong: 4 further reasons"
    assert lines[-2:] == ["  note: 4 further notes", "  → y.json"]
