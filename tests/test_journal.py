"""The journal: every event on disk, every change visible, a torn end survived."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from benchsuite.errors import MeasureError
from benchsuite.journal import Journal, read, sync_append


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = Journal(tmp_path / "journal.jsonl")
    for number in range(4):
        journal.note("event", number=number)
    return tmp_path / "journal.jsonl"


def test_events_come_back_in_order(path: Path) -> None:
    events, problem = read(path)
    assert [event.data["number"] for event in events] == ["0", "1", "2", "3"]
    assert problem == ""


def test_truncation_at_every_byte_loses_only_the_torn_line(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        events, problem = read(path)
        assert len(events) == whole[:length].count(b"\n")
        assert problem == ""


def test_any_flipped_bit_of_a_line_is_found(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    for position in range(0, len(whole), 7):
        if whole[position] == 0x0A:
            continue
        changed = bytearray(whole)
        changed[position] ^= 0x04
        path.write_bytes(changed)
        events, problem = read(path)
        assert len(events) < 4
        assert problem


def test_a_removed_line_is_found(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:1] + lines[2:]))
    events, problem = read(path)
    assert len(events) == 1
    assert "does not follow" in problem


def test_the_outcome_of_the_campaign_is_noted(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Journal(tmp_path / "j"):
        raise RuntimeError
    assert read(tmp_path / "j")[0][-1].data == {"outcome": "RuntimeError"}


def test_a_full_disk_at_the_end_does_not_hide_the_first_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the first"), Journal(tmp_path / "nowhere" / "j"):
        raise RuntimeError("the first")
    with pytest.raises(MeasureError), Journal(tmp_path / "nowhere" / "j"):
        pass


def test_a_full_disk_leaves_no_torn_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
    with pytest.raises(MeasureError, match="No space left"):
        sync_append(path, b"a line that does not fit")
    assert path.read_bytes() == before


def test_a_full_device_is_a_sentence() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with pytest.raises(MeasureError, match=os.strerror(errno.ENOSPC)):
        sync_append(Path("/dev/full"), b"x")
