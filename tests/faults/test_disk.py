"""Rows about files: a full disk, a limit on a file's size, a read-only folder, calls that fail."""

from __future__ import annotations

import resource
import shlex
from pathlib import Path

import pytest

from benchsuite import store
from benchsuite.errors import Exit
from benchsuite.model import Status
from tests.faults.injection import (
    Ended,
    assert_contained,
    assert_once_each,
    begin,
    mounted,
    resume,
    run_campaign,
    run_command,
)


def kept(folder: Path, size: str, **more: object) -> Ended:
    """A campaign on a disk of that ``size``, whose files are copied away before the disk is gone."""
    disk, copy = folder / "disk", folder / "runs"
    disk.mkdir()
    words = mounted(f"mount -t tmpfs -o size={size} none {shlex.quote(str(disk))}")
    words = (
        *words[:-2],
        words[-2].replace('exec "$@"', f'{{ "$@"; code=$?; cp -r {disk} {copy}; exit $code; }}'),
        "sh",
    )
    with begin(folder, wrapper=words, out=disk, **more) as running:  # type: ignore[arg-type]
        ended = running.wait()
    run = next(copy.glob(f"*/{store.CAMPAIGN}"), None)
    return Ended(ended.exit_code, ended.seconds, ended.stdout, ended.stderr, run and run.parent, ended.alive)


@pytest.mark.fault(13)
@pytest.mark.parametrize("size", ["24k", "48k", "64k"])
def test_a_full_disk_tears_no_file_and_loses_nothing(tmp_path: Path, size: str) -> None:
    ended = kept(tmp_path, size, cases=6)
    assert_contained(ended)
    assert ended.exit_code == Exit.FAILED or (ended.exit_code == Exit.USAGE and ended.run is None)
    assert "No space left" in ended.stderr
    if ended.run is None:
        return
    before = ended.records
    resumed = resume(tmp_path)
    assert_contained(resumed)
    assert resumed.exit_code == Exit.DONE
    assert_once_each(resumed.folder)
    assert resumed.records[: len(before)] == before


@pytest.mark.fault(13)
def test_a_report_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    run_campaign(tmp_path, cases=1)
    said = run_command(tmp_path, "report", "latest", "--to", "/dev/full")
    assert said.exit_code == Exit.USAGE
    assert "/dev/full: No space left on device." in said.stderr
    said = run_command(tmp_path, "show", "latest", wrapper=("sh", "-c", 'exec "$@" >/dev/full', "sh"))
    assert said.exit_code == Exit.FAILED
    assert "Traceback" not in said.stderr
    assert "No space left on device" in said.stderr


@pytest.mark.fault(14)
@pytest.mark.parametrize("limit", [2500, 6000])
def test_a_limit_on_file_size_tears_no_file_and_loses_nothing(tmp_path: Path, limit: int) -> None:
    """Python ignores SIGXFSZ, so the kernel gives a short write and then EFBIG."""
    ended = run_campaign(
        tmp_path, cases=6, preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    )
    assert ended.exit_code in {Exit.FAILED, Exit.USAGE}
    assert "File too large" in ended.stderr or "No space left" in ended.stderr
    if ended.run is None:
        return
    assert_contained(ended)
    assert_failures_name(ended, "File too large")
    before = ended.records
    resumed = resume(tmp_path)
    assert_contained(resumed)
    assert_once_each(resumed.folder)
    assert resumed.records[: len(before)] == before


def assert_failures_name(ended: Ended, cause: str) -> None:
    """No record is a failure without a reason that says this."""
    for record in ended.records:
        assert record.status is Status.OK or cause in record.reason, record.reason


@pytest.mark.fault(15)
def test_a_read_only_folder_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    out.mkdir()
    words = mounted(f"mount --bind {out} {out} && mount -o remount,bind,ro {out}")
    ended = run_campaign(tmp_path, "def faulty(buffers, case): first('measured')", wrapper=words)
    assert_contained(ended)
    assert ended.exit_code == Exit.USAGE
    assert f"Nothing can be written to {out}: Read-only file system." in ended.stderr
    assert "--out" in ended.stderr
    assert not list(out.iterdir())
    assert not list((tmp_path / "first").iterdir())


FAILING = """
calls = 0
real = os.{call}

def {call}(*words, **more):
    global calls
    calls += 1
    if calls == {number}:
        raise OSError(5, "Input/output error")
    return real(*words, **more)

if not in_worker() and sys.argv[1] == "run":
    os.{call} = {call}
"""


@pytest.mark.fault(16)
@pytest.mark.parametrize("number", [1, 2, 4, 9])
def test_a_sync_that_fails_ends_the_run_and_loses_nothing(tmp_path: Path, number: int) -> None:
    ended = run_campaign(tmp_path, FAILING.format(call="fsync", number=number))
    assert_contained(ended)
    assert ended.exit_code == (Exit.FAILED if number != 2 else Exit.USAGE)
    assert "be written: Input/output error" in ended.stderr
    if ended.run is None:
        return
    resumed = resume(tmp_path)
    assert_contained(resumed)
    assert resumed.exit_code == Exit.DONE
    assert_once_each(resumed.folder)


@pytest.mark.fault(16)
def test_a_rename_that_fails_leaves_the_earlier_file(tmp_path: Path) -> None:
    """The second one is that of campaign.json when the first worker has told its libraries."""
    ended = run_campaign(tmp_path, FAILING.format(call="replace", number=2))
    assert_contained(ended)
    assert ended.exit_code != Exit.DONE
    assert "campaign.json could not be written: Input/output error" in ended.stderr
    assert (ended.folder / f".{store.CAMPAIGN}").exists(), "what was to be written is kept beside it"
    resumed = resume(tmp_path)
    assert resumed.exit_code == Exit.DONE
    assert_once_each(resumed.folder)
