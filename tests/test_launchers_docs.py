"""The pages on mpiexec, Slurm and Kubernetes: each command in them is one, and does what can be done here."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from benchsuite.cli import app
from benchsuite.launchers import causes

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("mpiexec.md", "slurm.md", "kubernetes.md")


def commands() -> list[list[str]]:
    """Every command of ours in a shell block, from its program's name on."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```$", (DOCS / page).read_text(), flags=re.DOTALL | re.MULTILINE):
            for line in block.strip().splitlines():
                words = shlex.split(line, comments=True)
                assert "benchsuite" in words or words[0] == "pip", line
                if "benchsuite" in words:
                    found.append(words[words.index("benchsuite") + 1 :])
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_one(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are made, and shown; of what would measure the options are read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "machines.txt").write_text("node1 slots=2\nnode2 slots=2\n")
    if words[:2] == ["launch", "slurm"]:
        at = words.index("--") if "--" in words else len(words)
        words = [*words[:at], "--dry-run", *words[at:]]
    if words[0] == "launch":
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        return
    group: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    group[words[0]].make_context("benchsuite", words[1:])


def test_there_are_some() -> None:
    assert len(commands()) >= 13
    assert all("What is measured" in (DOCS / page).read_text() for page in PAGES)


def test_what_the_page_says_of_slurm_s_words_is_what_is_said() -> None:
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \|$", (DOCS / "slurm.md").read_text(), flags=re.MULTILINE)
    assert len(rows) == 6
    for said, told in rows:
        text = said.replace("… task", "srun: error: node2: task").replace("STEP …", "STEP 5.0 ON node1 CANCELLED AT 1")
        found = causes.cause(text)
        assert found is not None, said
        assert found.sentence.startswith(told.rstrip("… ")), (said, found)
