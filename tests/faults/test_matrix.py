"""The matrix and its harness: every row has a test, one without a row is refused, what is left behind is seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchsuite import store
from tests.faults import injection
from tests.faults.table import ROWS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def pytest_in(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on a folder with the matrix's conftest in it."""
    shutil.copy(HERE / "conftest.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = fault(number)\n")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder, env=environment)


def test_every_row_has_a_test(request: pytest.FixtureRequest) -> None:
    """Only where the whole folder is collected: a single file has a few of them."""
    files = {item.path for item in request.session.items}
    if not files >= set(HERE.glob("test_*.py")):
        pytest.skip("not the whole folder")
    found = {number for item in request.session.items for mark in item.iter_markers("fault") for number in mark.args}
    assert list(ROWS) == list(range(1, 69))
    assert found >= set(ROWS), f"rows without a test: {sorted(set(ROWS) - found)}"


def test_the_end_says_what_ran_and_why_the_rest_did_not(tmp_path: Path) -> None:
    (tmp_path / "test_rows.py").write_text(
        "import pytest\n"
        "@pytest.mark.fault(1)\ndef test_one(): pass\n"
        "@pytest.mark.fault(2)\ndef test_two(): assert False\n"
        "@pytest.mark.fault(3)\ndef test_three(): pytest.skip('no such machine')\n"
        "@pytest.mark.fault(4)\ndef test_four(): pass\n"
        "@pytest.mark.fault(4)\ndef test_four_again(): pytest.skip('not here')\n"
        "@pytest.mark.fault(5)\n@pytest.mark.xfail(reason='known')\ndef test_five(): assert False\n"
    )
    said = pytest_in(tmp_path).stdout
    assert f"fault matrix: 1 of {len(ROWS)} rows ran and passed" in said
    assert f"2. {ROWS[2].fault}: failed (test_two, call)" in said
    assert f"3. {ROWS[3].fault}: skipped: no such machine" in said
    assert f"4. {ROWS[4].fault}: skipped: not here" in said
    assert f"5. {ROWS[5].fault}: skipped: known" in said
    assert f"6. {ROWS[6].fault}: no test" in said


@pytest.mark.parametrize("mark", ["", f"@pytest.mark.fault({1 + len(ROWS)})\n", "@pytest.mark.fault()\n"])
def test_a_test_without_a_row_is_refused(tmp_path: Path, mark: str) -> None:
    (tmp_path / "test_rows.py").write_text(f"import pytest\n{mark}def test_loose(): pass\n")
    done = pytest_in(tmp_path, "--collect-only")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "test_loose" in done.stderr


def test_what_is_left_behind_is_seen() -> None:
    """A process that hides: another session, another parent."""
    hidden = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(30)\n"
    subprocess.run([sys.executable, "-c", hidden], check=True, env={**os.environ, injection.TAG: "left"})
    try:
        (word,) = injection.gone_within("left", 0.1)
        assert sys.executable in word
        assert not injection.gone_within("another", 0.1)
    finally:
        for process in injection.tagged("left"):
            process.kill()
    assert not injection.gone_within("left", 5.0)


def test_a_campaign_without_a_fault_passes_and_each_damage_is_seen(tmp_path: Path) -> None:
    ended = injection.run_campaign(tmp_path)
    assert ended.exit_code == 0
    injection.assert_contained(ended)
    injection.assert_once_each(ended.folder)
    injection.assert_others_measured(ended)
    for broken in (replace(ended, seconds=31.0), replace(ended, alive=("7 sleep",))):
        with pytest.raises(AssertionError):
            injection.assert_contained(broken)
    records = ended.folder / store.RECORDS
    whole = records.read_bytes()
    for content in (whole[:-9], whole + whole.splitlines(keepends=True)[0], whole.replace(b'"good"', b'"best"')):
        records.write_bytes(content)
        with pytest.raises(AssertionError):
            injection.assert_contained(ended)
        with pytest.raises(AssertionError):
            injection.assert_once_each(ended.folder)
    records.write_bytes(whole)
    injection.assert_contained(ended)


def test_a_moment_that_never_comes_is_said(tmp_path: Path) -> None:
    with injection.begin(tmp_path) as running, pytest.raises(AssertionError, match=r"ended with|never came"):
        running.until(lambda: False, within=20.0)
    deadline = time.monotonic() + 5
    while running.process.poll() is None:
        assert time.monotonic() < deadline
