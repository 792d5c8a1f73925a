"""docs/acceptance.md: its commands are ones and do what they can here, its numbers are what the program reckons."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from benchsuite import units
from benchsuite.accept import contract as contracts
from benchsuite.accept import stages
from benchsuite.cli import app
from benchsuite.model import Word
from benchsuite.render.certificate_document import EXITS

PAGE = (Path(__file__).parents[1] / "docs" / "acceptance.md").read_text()
LINES = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    for line in block.strip().splitlines()
]
HERE = {"contract", "keys"}
"""What does here what it says; of the others, which measure, sign or tell others, the options are read."""


def test_there_are_some() -> None:
    assert {words[0] for words in LINES} == {"contract", "keys", "accept", "verify", "hooks"}
    assert len(LINES) >= 12


def test_every_command_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    group: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    for words in LINES:
        if words[0] in HERE:
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 0, (words, result.output, result.exception)
        else:
            group[words[0]].make_context("benchsuite", words[1:])
    assert (tmp_path / "contract.toml").is_file()


def test_exit_codes_are_those_of_the_program() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| .+? \| (\d) \| .+? \|$", PAGE, flags=re.MULTILINE))
    assert {word: int(code) for word, code in rows.items()} == {word.value: int(EXITS[word]) for word in Word}


def test_times_are_those_that_the_program_reckons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of the page, for the contract that the page makes."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, LINES[1]).exit_code == 0
    made = contracts.read(tmp_path / "contract.toml")
    burn = 60 * made.heat.minutes
    least, most = (round((seconds - burn) / 60) for seconds in stages.forecast(made))
    told = PAGE.replace(units.NO_BREAK_SPACE, " ")
    assert f"| {least} to {most} min |" in told
    assert f"| {made.heat.minutes:g} min |" in told
    scan = (10, 20)
    hours = [(minutes + made.heat.minutes + pause) / 60 for minutes, pause in zip((least, most), scan, strict=True)]
    assert f"used for {hours[0]:.1f} to {hours[1]:.1f} hours" in told
    assert f"{made.claim.units * hours[0]:.0f} to {made.claim.units * hours[1]:.0f} GPU-hours" in told
