"""``launch`` from the command line: what is printed, submitted and refused before anything waits in a queue."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchsuite.cli import app
from benchsuite.errors import UnavailableError, UsageError

DIGEST = "registry.example/suite@sha256:" + "a" * 64
SBATCH = """#!/bin/sh
echo "$@" > "{folder}/arguments"
cat > "{folder}/script"
{ending}
"""


def launch(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["launch", *words])
    if isinstance(result.exception, UsageError | UnavailableError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An sbatch that keeps what it is given; its folder."""
    _sbatch(tmp_path, "echo '42;cluster'")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _sbatch(folder: Path, ending: str) -> None:
    (folder / "sbatch").write_text(SBATCH.format(folder=folder, ending=ending))
    (folder / "sbatch").chmod(0o755)


def test_a_dry_run_prints_the_script_and_submits_nothing(sbatch: Path) -> None:
    text = launch("slurm", "collectives", "--nodes", "16", "--gpus", "8", "--dry-run", "--", "--budget", "300")
    assert text.startswith("#!/bin/bash\n")
    assert "#SBATCH --nodes=16\n" in text
    assert f'#SBATCH --output="{sbatch}/runs/slurm-%j.out"' in text
    assert "run collectives --budget 300 --out" in text
    assert not (sbatch / "arguments").exists()
    assert not (sbatch / "runs").exists()
    as_json = launch(
        "slurm", "collectives", "--nodes", "16", "--gpus", "8", "--dry-run", "--json", "--", "--budget", "300"
    )
    assert json.loads(as_json)["script"] == text


def test_a_job_is_submitted(sbatch: Path) -> None:
    told = json.loads(launch("slurm", "scan", "--nodes", "4", "--json", "--", "--rounds", "30"))
    assert told == {
        "job": "42",
        "out": f"{sbatch}/runs/job-42",
        "log": f"{sbatch}/runs/slurm-42.out",
    }
    assert (sbatch / "arguments").read_text() == "--parsable\n"
    assert (sbatch / "script").read_text() == launch(
        "slurm", "scan", "--nodes", "4", "--dry-run", "--", "--rounds", "30"
    )
    assert (sbatch / "runs").is_dir()
    assert "Job 42 is submitted" in launch("slurm", "collectives", "--nodes", "4")


@pytest.mark.parametrize("code", [0, 1, 3, 4])
def test_waiting_ends_with_the_job_s_code(sbatch: Path, code: int) -> None:
    _sbatch(sbatch, f"echo 42; exit {code}")
    launch("slurm", "collectives", "--nodes", "4", "--wait", code=code)
    assert (sbatch / "arguments").read_text() == "--parsable --wait\n"


def test_what_slurm_does_not_take_is_said(sbatch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _sbatch(sbatch, "echo 'sbatch: error: invalid partition' >&2; exit 1")
    with pytest.raises(UnavailableError, match="did not take the job"):
        launch("slurm", "collectives", "--nodes", "4")
    (sbatch / "sbatch").unlink()
    monkeypatch.setenv("PATH", str(sbatch))
    with pytest.raises(UnavailableError, match="no sbatch here"):
        launch("slurm", "collectives", "--nodes", "4")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("no-such-suite",), "no-such-suite"),
        (("collectives", "--", "--out", "x"), "--out is an option of the job"),
        (("collectives", "--", "--nodes", "2"), "--nodes is an option of the job"),
        (("scan", "--", "--resume", "x"), "--resume is an option of the job"),
        (("run", "collectives", "--", "--launcher", "local"), "--launcher is an option of the job"),
        (("collectives", "--partition", "a b"), "--partition 'a b' cannot stand"),
    ],
)
def test_nonsense_is_refused_before_it_waits(sbatch: Path, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        launch("slurm", "--nodes", "4", *words)
    assert not (sbatch / "arguments").exists()


def test_an_unknown_option_of_the_command_is_refused_too(sbatch: Path) -> None:
    launch("slurm", "--nodes", "4", "collectives", "--", "--nonsense", code=2)
    assert not (sbatch / "arguments").exists()


def test_a_manifest_goes_to_the_pipe_or_a_file(tmp_path: Path) -> None:
    words = ("kubernetes", "collectives", "--nodes", "4", "--gpus", "8", "--image", DIGEST, "--pvc", "results")
    text = launch(*words)
    assert text.startswith('apiVersion: "kubeflow.org/v2beta1"\n')
    file = tmp_path / "job.yaml"
    assert launch(*words, "--output", str(file)) == ""
    assert file.read_text() == text
    assert json.loads(launch(*words, "--json"))["kind"] == "MPIJob"
    with pytest.raises(UsageError, match="cannot be written"):
        launch(*words, "--output", str(tmp_path / "no" / "folder"))


def test_a_person_is_warned_of_what_will_be_missed() -> None:
    words = ["launch", "kubernetes", "collectives", "--nodes", "2"]
    result = CliRunner().invoke(app, [*words, "--image", "registry.example/suite:latest"])
    assert "no digest" in result.stderr
    assert "end with the pod" in result.stderr
    assert CliRunner().invoke(app, [*words, "--image", DIGEST, "--pvc", "results"]).stderr == ""


def test_a_suite_s_file_may_lie_in_the_image_only() -> None:
    text = launch("kubernetes", "/suites/mine.toml", "--nodes", "2", "--image", DIGEST)
    assert "benchsuite run /suites/mine.toml" in text
    with pytest.raises(UsageError, match="no-such"):
        launch("kubernetes", "no-such", "--nodes", "2", "--image", DIGEST)


def test_ssh_shows_the_command_and_what_starts_its_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.commands.launch.MpiLauncher", Tokens)
    (tmp_path / "hosts").write_text("alpha slots=2\nbeta slots=2\n")
    words = ("ssh", "collectives", "--hosts", str(tmp_path / "hosts"), "--dry-run")
    told = json.loads(launch(*words, "--json", "--", "--budget", "60"))
    assert told["hosts"] == ["alpha", "beta"]
    assert told["launcher"] == ["mpiexec", "alpha,beta", "4"]
    assert told["command"][:5] == ["benchsuite", "run", "collectives", "--budget", "60"]
    assert told["command"][-2:] == ["--out", "runs"]
    first = launch(*words).splitlines()[0]
    assert shlex.split(first)[:3] == ["benchsuite", "run", "collectives"]


class Tokens:
    """A launcher that is not there."""

    def __init__(self, layout: object) -> None:
        self.hosts = ",".join(layout.hosts)  # type: ignore[attr-defined]

    def tokens(self, ranks: int) -> tuple[str, ...]:
        return ("mpiexec", self.hosts, str(ranks))
