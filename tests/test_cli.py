"""The command line as a person meets it: sentences, exit codes, JSON, nothing on a traceback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchsuite.benchmarks import __file__ as benchmarks_file
from tests.test_docs import benchsuite

FAST = ("--only", "gemm m=256 dtype=fp32", "--backend", "fake", "--no-report")


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What was said on standard error: exactly one sentence, no traceback."""
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("benchsuite:")]
    assert len(lines) == 1, done.stderr
    assert lines[0].endswith((".", "?"))
    return lines[0]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run on the scripted clock."""
    folder = tmp_path_factory.mktemp("cli")
    words = ("run", "--only", "gemm m=256 dtype=fp32", "--backend", "fake", "--seed", "7")
    done = benchsuite(*words, cwd=folder, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_ends_with_a_table_records_and_a_report(measured: Path) -> None:
    run = next((measured / "runs").iterdir())
    for name in ("campaign.json", "records.jsonl", "journal.jsonl", "report.html"):
        assert (run / name).stat().st_size > 0
    assert json.loads((run / "campaign.json").read_text())["cache"] > 0, "what lies beyond it is decided by it"
    done = benchsuite("show", cwd=measured)
    assert done.returncode == 0
    assert "256³" in done.stdout
    assert "measured and verified" in done.stdout


def test_json_has_every_case_with_its_number(measured: Path) -> None:
    document = json.loads(benchsuite("show", "latest", "--json", cwd=measured).stdout)
    case = document["cases"][0]
    assert case["benchmark"] == "gemm"
    asked = {"dtype": "fp32", "k": 256, "m": 256, "n": 256}
    assert {name: case["parameters"][name] for name in asked} == asked
    assert case["implementation"] == "numpy"
    assert case["status"] == "ok"
    assert case["unit"] == "flop/s"
    assert case["median"] == pytest.approx(2 * 256**3 / 1e-3, rel=0.02)  # the scripted millisecond
    low, high = case["interval"]
    assert low <= case["median"] <= high


def test_text_and_json_agree(measured: Path) -> None:
    document = json.loads(benchsuite("show", "--json", cwd=measured).stdout)
    assert f"{document['cases'][0]['median'] / 1e9:.1f}" in benchsuite("show", cwd=measured).stdout


def test_a_report_can_be_rendered_again_to_the_same_bytes(measured: Path) -> None:
    first, second = measured / "a.html", measured / "b.html"
    for target in (first, second):
        assert benchsuite("report", "latest", "--to", str(target), cwd=measured).returncode == 0
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "quik"), 2, "Did you mean 'quick'"),
        (("run", "--only", "gem"), 2, "Did you mean 'gemm'"),
        (("run", "--budget", "1"), 2, "Give a larger --budget"),
        (("run", "--runs", "0"), 2, "1 or more"),
        (("run", "--ranks", "1"), 2, "two ranks"),
        (("run", "--backend", "tpu"), 2, "Choose one of host, cuda, fake"),
        (("run", "missing.toml"), 2, "cannot be read"),
        (("run", "--out", "/proc/nowhere"), 2, "--out"),
        (("show", "none"), 2, "Measure one with 'benchsuite run'"),
        (("report", "none"), 2, "Measure one with 'benchsuite run'"),
        (("compare", "a", "b"), 2, "no run 'a'"),
        (("show", "."), 2, "no campaign.json in it"),
        (("show", __file__), 2, "is a file, not a run"),
        (("verify", ""), 2, "Name a publication's JSON file"),
        (("sign", __file__, "--key", "none"), 2, "benchsuite keys new"),
        (("import", "none"), 2, "benchsuite: none cannot be read"),
        (("catalog", "check", "none"), 2, "The catalogue file none cannot be read: No such file"),
        (("catalog", "prices", "--csv", "--json"), 2, "two forms"),
    ],
)
def test_bad_input_is_one_sentence_with_a_remedy(words: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    done = benchsuite(*words, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in sentence(done)
    assert not list(tmp_path.glob("runs/*/records.jsonl"))


def test_a_malformed_suite_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[bench]]\nselect = ["gemm"]\ndtyp = ["fp32"]\n')
    done = benchsuite("run", "mine.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "line 3" in sentence(done)
    assert "Did you mean 'dtype'" in sentence(done)


def test_a_record_of_a_newer_schema_is_refused(measured: Path, tmp_path: Path) -> None:
    run = next((measured / "runs").iterdir())
    copy = tmp_path / "runs" / run.name
    copy.mkdir(parents=True)
    (copy / "campaign.json").write_bytes((run / "campaign.json").read_bytes())
    (copy / "records.jsonl").write_bytes((run / "records.jsonl").read_bytes().replace(b'"schema":1', b'"schema":2'))
    done = benchsuite("show", cwd=tmp_path)
    assert done.returncode == 2
    assert "newer benchsuite" in sentence(done)


def test_a_truncated_record_file_shows_what_is_whole_and_says_so(measured: Path, tmp_path: Path) -> None:
    run = next((measured / "runs").iterdir())
    copy = tmp_path / "runs" / run.name
    copy.mkdir(parents=True)
    (copy / "campaign.json").write_bytes((run / "campaign.json").read_bytes())
    (copy / "records.jsonl").write_bytes((run / "records.jsonl").read_bytes()[:-100])
    done = benchsuite("show", cwd=tmp_path)
    assert done.returncode == 0
    assert "was left out" in done.stdout
    assert "256³" in done.stdout


WRONG = """
from benchsuite.benchmarks import memory
from benchsuite.model import HostCall, Implementation
from dataclasses import replace


def off_by_one(buffers, case):
    memory.by_numpy(buffers, case)
    buffers["a"][-1] += {flaw}


BENCHMARK = replace(
    memory.BENCHMARK, name="flawed", tags=frozenset(), implementations=(Implementation("flawed", HostCall(off_by_one)),)
)
"""


@pytest.mark.parametrize("flaw", ["1.0", "float('nan')"])
def test_a_wrong_result_has_no_number_and_fails_the_run(flaw: str, tmp_path: Path) -> None:
    folder = tmp_path / "flawed"
    folder.mkdir()
    (folder / "flawed.py").write_text(WRONG.replace("{flaw}", flaw))
    done = benchsuite(
        "run", "full", "--only", "flawed bytes=16384", "--runs", "1", cwd=tmp_path, BENCHSUITE_BENCHMARKS=str(folder)
    )
    assert done.returncode == 1, done.stderr
    assert "wrong result" in done.stdout
    assert "GB/s" not in done.stdout
    shown = benchsuite("show", "--json", cwd=tmp_path, BENCHSUITE_BENCHMARKS=str(folder))
    assert shown.returncode == 1
    case = json.loads(shown.stdout)["cases"][0]
    assert case["status"] == "rejected"
    assert case["median"] is None
    page = next((tmp_path / "runs").glob("*/report.html")).read_text()
    assert "Not valid" in page


def test_without_mpi_collectives_are_skipped_with_the_remedy(tmp_path: Path) -> None:
    """A PATH and a Python without mpiexec: the other families still run, asking only for all-reduce fails."""
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text("import benchsuite.launchers.mpi as m\nm.find = lambda: ''\n")
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/nowhere"}
    done = benchsuite("run", "--only", "allreduce", cwd=tmp_path, **environment)
    assert done.returncode == 4
    assert "benchsuite[mpi]" in sentence(done)
    done = benchsuite("run", *FAST, "--only", "allreduce", "--json", cwd=tmp_path, **environment)
    assert done.returncode == 0
    skipped = [case for case in json.loads(done.stdout)["cases"] if case["status"] == "skipped"]
    assert skipped
    assert any("benchsuite[mpi]" in case["reason"] for case in skipped)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_what_it_measured(number: signal.Signals, code: int, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchsuite", "run", *FAST, "--runs", "2000", "--out", "runs"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(tmp_path.glob("runs/*/records.jsonl")):
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "256³" in out
    shown = benchsuite("show", "--json", cwd=tmp_path)
    assert json.loads(shown.stdout)["cases"][0]["median"] is not None


def test_comparing_a_run_with_itself_calls_nothing_different(measured: Path) -> None:
    name = next((measured / "runs").iterdir()).name
    done = benchsuite("compare", name, name, "--json", cwd=measured)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {row["verdict"] for row in rows} == {"same"}
    assert benchsuite("compare", name, name, "--fail-on", "different", cwd=measured).returncode == 0
    assert benchsuite("compare", name, name, "--fail-on", "often", cwd=measured).returncode == 2


def test_help_imports_nothing_heavy() -> None:
    """The start-up budget, kept by what is imported rather than by a clock."""
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom benchsuite.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
    )
    heavy = [
        "numpy",
        "scipy",
        "numba",
        "pandas",
        "torch",
        "jinja2",
        "vl_convert",
        "mpi4py",
        "cupy",
        "msgspec",
        "psutil",
    ]
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def imported(told: str) -> set[str]:
    """The modules that Python, told to profile imports, says it has imported."""
    return {line.rpartition("|")[2].strip() for line in told.splitlines() if line.startswith("import time:")}


def test_what_starts_often_imports_nothing_that_it_does_not_use(measured: Path) -> None:
    """The same budget of a command that shows a run of several processes, and of each of these processes."""
    heavy = {"scipy.stats", "pandas", "altair", "jinja2", "numba", "cryptography", "mpi4py", "vl_convert"}
    shown = imported(benchsuite("show", cwd=measured, PYTHONPROFILEIMPORTTIME="1").stderr)
    assert "scipy.special" in shown
    assert not shown & {*heavy, "benchsuite.localise.verdict", "benchsuite.scan.stages"}
    logs = list(measured.glob("runs/*/attempts/*/stderr.log"))
    assert len(logs) > 1
    for log in logs:
        ranks = imported(log.read_text())
        assert "numpy" in ranks
        assert not ranks & {*heavy, "scipy", "rich", "typer", "benchsuite.campaign"}


def test_a_reader_that_goes_away_is_no_error(measured: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m benchsuite schema | head -c 10",
        shell=True,
        cwd=measured,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(benchmarks_file).parent.parent.parent)},
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("show",), ("show", "--csv"), ("--help",)])
def test_a_reader_that_went_away_is_no_wrong_result(words: tuple[str, ...], measured: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "benchsuite", *words]
    done = subprocess.run(command, cwd=measured, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_file_is_in_utf_8_whatever_the_locale(measured: Path) -> None:
    shown = benchsuite("show", cwd=measured)
    plain = benchsuite("show", cwd=measured, PYTHONIOENCODING="ascii")
    assert (plain.returncode, plain.stdout) == (0, shown.stdout)
    assert "256³" in plain.stdout


def test_progress_is_on_standard_error_and_guesses_no_tenths(tmp_path: Path) -> None:
    done = benchsuite("run", *FAST, cwd=tmp_path)
    told = [line for line in done.stderr.splitlines() if " of " in line]
    assert told[-1].endswith("measured")  # nothing is left at the end
    assert all(re.fullmatch(r"\d+ of \d+ measured(, about (\d+\smin\s)?\d+\ss left)?", line) for line in told)
    assert not any(line in done.stdout for line in told)


def test_a_report_says_in_the_terminal_that_a_catalogue_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("bad = [")
    only = ("memory", "--only", "memory op=triad bytes=24576", "--runs", "1", "--budget", "5", "--no-report")
    assert benchsuite("run", *only, cwd=tmp_path).returncode == 0
    done = benchsuite("report", "--catalog", "bad.toml", cwd=tmp_path)
    assert done.returncode == 0
    assert "bad.toml is not valid TOML" in sentence(done)
