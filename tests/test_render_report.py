"""``benchsuite report`` of one run: set against the records and the catalogue it is given, with its sensors."""

from __future__ import annotations

from pathlib import Path

import pytest
import sensor_data
from test_render_normality import run_directory
from typer.testing import CliRunner

from benchsuite import store
from benchsuite.cli import app
from benchsuite.errors import UsageError
from benchsuite.telemetry import archive
from benchsuite.telemetry.reading import Writer


def page(own: Path, *words: str) -> str:
    """The page that the command writes."""
    target = own.parent / "page.html"
    found = CliRunner().invoke(app, ["report", str(own), "--to", str(target), *words])
    assert found.exit_code == 0, found.output
    return target.read_text(encoding="utf-8")


def test_a_page_is_set_against_the_records_it_is_given(tmp_path: Path) -> None:
    own = run_directory(tmp_path, 0, 2e-3)
    others = [str(run_directory(tmp_path, number, 1e-3)) for number in (1, 2)]
    assert "below all" not in page(own)
    text = page(own, "--reference", others[0], "--reference", others[1])
    assert "below all 2" in text
    assert "Is this normal for Example CPU 9000?" in text


def test_a_page_is_set_against_the_users_own_catalogue(tmp_path: Path) -> None:
    own = run_directory(tmp_path, 0, 1e-3)
    broken = tmp_path / "mine.toml"
    broken.write_text("[gpu")
    assert "Not all could be read" not in page(own)
    text = page(own, "--catalog", str(broken))
    assert "Not all could be read" in text
    assert "mine.toml" in text


def test_references_are_for_one_run(tmp_path: Path) -> None:
    runs = [str(run_directory(tmp_path, number, 1e-3)) for number in (0, 1)]
    found = CliRunner().invoke(app, ["report", *runs, "--reference", runs[0]])
    assert isinstance(found.exception, UsageError)
    assert "for the page of one run" in str(found.exception)


def test_a_record_that_cannot_be_read_is_told_on_the_page(tmp_path: Path) -> None:
    own = run_directory(tmp_path, 0, 1e-3)
    with (own / store.RECORDS).open("ab") as stream:
        stream.write(b"<b>torn")
    text = page(own)
    assert "Not all could be read" in text
    assert "<b>torn" not in text


@pytest.mark.parametrize("kept", [True, False])
def test_the_page_shows_the_readings_beside_the_records(tmp_path: Path, kept: bool) -> None:
    own = run_directory(tmp_path, 0, 1e-3)
    if kept:
        writer = Writer("boot")
        (own / archive.FILE).write_bytes(b"".join(writer.line(one) for one in sensor_data.host(3.0)))
    text = page(own)
    assert ("30 readings in 2.9" in text) == kept
    assert ("No readings of sensors" in text) != kept
