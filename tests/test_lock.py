"""A device is held by one process at a time, and freed by the kernel however that process ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchsuite import lock
from benchsuite.errors import MeasureError

HOLD = """
import sys, time
from pathlib import Path
from benchsuite import lock
with lock.hold(Path(sys.argv[1]), "It"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def holder(file: Path, seconds: float = 60.0) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(file), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "one.lock"
    with holder(file) as process:
        expected = rf"The GPU is .* process {process.pid};.*--wait"
        with pytest.raises(MeasureError, match=expected), lock.hold(file, "The GPU"):
            pytest.fail("held twice")


def test_waiting_says_so_once_and_ends_with_the_holder(tmp_path: Path) -> None:
    file, told = tmp_path / "one.lock", []
    with holder(file, 0.7), lock.hold(file, "The GPU", 30.0, told.append):
        assert len(told) == 1


def test_a_killed_holder_leaves_it_free(tmp_path: Path) -> None:
    file = tmp_path / "one.lock"
    with holder(file) as process:
        process.kill()
        process.wait()
        with lock.hold(file, "The GPU"):
            assert file.exists()


def test_devices_have_locks_of_their_own_in_the_folder_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(lock.FOLDER, str(tmp_path))
    one, other = lock.path("GPU-1"), lock.path("GPU-2")
    assert one != other
    assert one.parent == tmp_path
    assert "GPU" not in one.name


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """In a folder that others can write to, a lock's name could point at a file of ours."""
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "one.lock").symlink_to(tmp_path / "mine")
    with pytest.raises(MeasureError, match=lock.FOLDER), lock.hold(tmp_path / "one.lock", "It"):
        pytest.fail("held")
    assert (tmp_path / "mine").read_text() == "precious"
