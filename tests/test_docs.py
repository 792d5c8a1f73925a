"""Documents do what they say: README commands exist and run, the guide's benchmark works by one file."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchsuite.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


SMALL = {"gemm": "gemm m=256", "memory op=triad": "gemm m=256"}
PART = {
    "memory": ("--only", "memory op=read bytes=24576", "--runs", "1"),
    "collectives": ("--only", "barrier", "--runs", "1"),
}
"""What the README measures at length, the test measures small."""


ELSEWHERE = {"selftest", "scan", "fleet", "accept", "burn", "baseline", "verify", "hooks"}
"""Take minutes, many hosts or what only these give; their own tests run them, here only their words are tried."""
MAY_END = {"doctor": 4, "lint": 1}
"""What a machine that lacks something, and scripted time, may rightly end with."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def benchsuite(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchsuite", *words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_quick_start_is_two_commands_of_one_line() -> None:
    section = README.split("## Quick start")[1]
    first, second = blocks(section, "sh")[:2]
    assert first.count("\n") == second.count("\n") == 1
    assert first.strip().endswith("benchsuite run")
    assert second.strip().endswith("pytest -q")
    for command in (first, second):
        for word in shlex.split(command):
            if word.startswith("constraints/"):
                assert (ROOT / word).is_file()


def ended(words: list[str], folder: Path) -> tuple[int, str]:
    """The exit code of a command and what it said: what measures has a process of its own, the rest is faster here."""
    if words[0] in {"run", "resume", "selftest", "list"}:
        done = benchsuite(*words, cwd=folder)
        return done.returncode, done.stderr
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, words)
    return result.exit_code, result.output


def test_every_readme_command_runs(tmp_path: Path) -> None:
    """All but the two that install, in their order, on the scripted backend where they measure; selftest's options."""
    runs = []
    for block in blocks(README, "sh")[2:]:
        for line in block.strip().splitlines():
            words = shlex.split(line)
            assert words[0] == "benchsuite"
            if "cuda" in words:
                _runs_or_says_what_is_missing(words[1:], tmp_path)
                continue
            if words[1] == "run":
                words = [SMALL.get(word, word) for word in words if word not in {"--budget", "60"}]
                words += ["--backend", "fake", *(word for name, only in PART.items() if name in words for word in only)]
            if words[1] in ELSEWHERE:
                words.append("--help")
            if words[1] == "keys":  # not into somebody's configuration
                words += ["--to", str(tmp_path)]
            if words[1] == "sign":
                words += ["--key", str(tmp_path / "benchsuite.key")]
            words = [runs[-1] if word.startswith("RUN_") else word for word in words]
            words = [str(ROOT / word) if word == "results" else word for word in words]
            code, said = ended(words[1:], tmp_path)
            assert code in {0, MAY_END.get(words[1], 0)}, f"{line}\n{said}"
            if words[1] == "run":
                runs.append(max(path.name for path in (tmp_path / "runs").iterdir()))


def _runs_or_says_what_is_missing(words: list[str], folder: Path) -> None:
    """Where there is no GPU the command ends with 4 and one sentence that names the missing thing and a remedy."""
    done = benchsuite(*words, "--runs", "1", "--budget", "60", cwd=folder)
    if done.returncode:
        assert done.returncode == 4
        assert len(done.stderr.splitlines()) == 1
        assert re.search(r"driver|CuPy|GPU", done.stderr)
        assert "nstall" in done.stderr


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    """A folder holding the guide's file, word for word."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "reverse.py").write_text(blocks((ROOT / "docs" / "add-a-benchmark.md").read_text(), "python")[0])
    return folder


def test_the_guide_s_benchmark_appears_everywhere_by_one_file(guide: Path, tmp_path: Path) -> None:
    extra = {"BENCHSUITE_BENCHMARKS": str(guide)}
    listed = json.loads(benchsuite("list", "--json", cwd=tmp_path, **extra).stdout)
    assert "reverse" in {item["name"] for item in listed["benchmarks"]}

    done = benchsuite("run", "full", "--only", "reverse", "--runs", "1", "--json", cwd=tmp_path, **extra)
    assert done.returncode == 0, done.stderr
    cases = json.loads(done.stdout)["cases"]
    assert [case["status"] for case in cases] == ["ok", "ok"]
    page = next((tmp_path / "runs").glob("*/report.html")).read_text()
    assert "reverse" in page
    assert "How fast is a vector reversed?" in page

    conformance = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/conformance", "-k", "reverse"],
        cwd=ROOT,
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert conformance.returncode == 0, conformance.stdout
    assert int(re.findall(r"(\d+) passed", conformance.stdout)[0]) >= 5


def test_the_guide_s_toml_is_valid() -> None:
    from benchsuite import discovery
    from benchsuite.suite import parse

    text = blocks((ROOT / "docs" / "suites.md").read_text(), "toml")[0]
    assert len(parse(text, "guide", discovery.discover()).entries) == 2


@pytest.mark.parametrize(("page", "number"), [("suites.md", 1), ("training.md", 0)])
def test_the_patterns_of_the_guides_are_valid(page: str, number: int) -> None:
    from benchsuite import discovery
    from benchsuite.suite import parse

    text = blocks((ROOT / "docs" / page).read_text(), "toml")[number]
    assert parse(text, "guide", discovery.discover()).patterns


def test_every_feature_shows_in_help(tmp_path: Path) -> None:
    page = benchsuite("--help", cwd=tmp_path).stdout
    commands = "run list show report compare doctor selftest schema patterns predict predict-training advise"
    for command in commands.split():
        assert re.search(rf"\b{command}\b", page)


def test_links_of_the_documents_exist() -> None:
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
