"""Rows about files and what is read from them: edited results, floods and forgeries, bombs, reports of nothing."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from benchsuite import store
from benchsuite.attempt import CAPTURE
from benchsuite.errors import DataError, Exit, NewerError
from benchsuite.model import Status
from tests.faults.injection import Ended, assert_contained, run_campaign, start


def again(folder: Path, *words: str, timeout: float = 60.0) -> Ended:
    """Another command on the runs below ``folder``."""
    with start(folder, *words) as running:
        return running.wait(timeout)


@pytest.mark.fault(21)
@pytest.mark.parametrize("name", [store.RECORDS, store.CAMPAIGN, store.JOURNAL])
def test_one_changed_byte_is_found_and_the_run_is_not_ranked(measured: Path, name: str, tmp_path: Path) -> None:
    run = copy_of(measured, tmp_path / "runs" / measured.name)
    assert not store.load(run).damaged
    path = run / name
    data = bytearray(path.read_bytes())
    at = data.index(b'"time"') + 12 if name == store.JOURNAL else data.index(b"faulted") + 3
    data[at] ^= 1
    path.write_bytes(data)
    loaded = store.load(run)
    assert loaded.damaged
    assert name in loaded.problems[0]
    compared = again(tmp_path, "compare", "latest", "latest")
    assert compared.exit_code == Exit.USAGE
    assert name in compared.stderr
    assert "Traceback" not in compared.stderr


def copy_of(run: Path, to: Path) -> Path:
    """The files of a run directory in another place."""
    to.mkdir(parents=True, exist_ok=True)
    for file in run.iterdir():
        if file.is_file():
            (to / file.name).write_bytes(file.read_bytes())
    return to


FLOOD = """
def faulty(buffers, case):
    double(buffers, case)
    if in_worker() and first("flood"):
        for _ in range(MIBS):
            os.write(1, b"x" * (1 << 20))
            os.write(2, bytes([0xFF]) * (1 << 20))
"""


@pytest.mark.fault(44)
def test_half_a_gigabyte_of_output_is_bounded_and_blocks_nobody(tmp_path: Path) -> None:
    ended = run_campaign(tmp_path, FLOOD.replace("MIBS", "256"), cases=1)
    assert_contained(ended)
    assert ended.exit_code == Exit.DONE
    logs = list(ended.folder.glob("attempts/*/std*.log"))
    assert len(logs) == 2
    assert [log.stat().st_size for log in logs] == [CAPTURE] * 2


FORGERY = """
def faulty(buffers, case):
    double(buffers, case)
    buffers["y"][0] += 1.0
    if in_worker():
        import json
        job = json.load(open(sys.argv[-1]))
        samples = {"seconds": [1e-9] * 20, "iterations": 1}
        line = json.dumps({"nonce": "0" * 16, "kind": "result", "index": 0, "started": "", "samples": samples})
        print(line, flush=True)
        with open(job["results"], "a") as stream:
            stream.write(line + "\\n" + "{}\\n" + line[:40])
"""


@pytest.mark.fault(44)
def test_a_forged_result_does_not_count(tmp_path: Path) -> None:
    """It knows the format and even the file, not the word that only our worker was given."""
    ended = run_campaign(tmp_path, FORGERY, cases=1)
    assert ended.exit_code in {Exit.REJECTED, Exit.FAILED}
    assert not ended.alive
    assert {record.status for record in ended.of("faulty")} <= {Status.REJECTED, Status.FAILED}
    assert all(record.samples is None or min(record.samples.seconds) > 1e-8 for record in ended.records)


BOMBS = {
    "zeros": lambda: b"\x00" * (300 << 20),
    "one line": lambda: b"[" * (64 << 20),
    "lines": lambda: b"\n" * (16 << 20),
    "deep": lambda: b'{"schema":1,"record":' * 200_000 + b"\n",
    "digits": lambda: b'{"schema":' + b"1" * 2_000_000 + b"}\n",
    "number": lambda: b'{"schema":1e999}\n',
    "bytes": lambda: os.urandom(1 << 20),
}


@pytest.mark.fault(47)
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", [store.RECORDS, store.CAMPAIGN])
def test_a_bomb_is_refused_in_bounded_time_and_memory(measured: Path, bomb: str, name: str, tmp_path: Path) -> None:
    copy_of(measured, tmp_path)
    (tmp_path / name).write_bytes(BOMBS[bomb]())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    try:
        loaded = store.load(tmp_path)
    except DataError as error:
        told = str(error)
    else:
        told = " ".join(loaded.problems)
        assert loaded.damaged
    assert name in told
    assert time.process_time() - started < 5.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < (200 << 10)


@pytest.mark.fault(47)
@pytest.mark.parametrize("kind", ["fifo", "link to a device", "folder"])
def test_what_is_no_file_is_not_waited_for(measured: Path, kind: str, tmp_path: Path) -> None:
    path = copy_of(measured, tmp_path) / store.RECORDS
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"records.jsonl (is not a regular|cannot be read)"):
        store.load(tmp_path)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a small campaign."""
    ended = run_campaign(tmp_path_factory.mktemp("measured"), cases=1)
    assert_contained(ended)
    return ended.folder


def report_of(folder: Path) -> str:
    """The page of the newest run below ``folder``."""
    ended = again(folder, "report", "latest", "--to", str(folder / "page.html"))
    assert ended.exit_code == Exit.DONE, ended.stderr
    return (folder / "page.html").read_text()


@pytest.mark.fault(48)
def test_a_report_of_one_result_of_none_and_of_failures_says_so(tmp_path: Path) -> None:
    ended = run_campaign(tmp_path, "def faulty(buffers, case):\n    raise RuntimeError('no luck')\n", cases=1)
    assert ended.exit_code == Exit.FAILED
    page = report_of(tmp_path)
    assert "no luck" in page
    for statuses, keep in (("only failures", b'"failed"'), ("nothing", b"\x00")):
        lines = (ended.folder / store.RECORDS).read_bytes().splitlines(keepends=True)
        (ended.folder / store.RECORDS).write_bytes(b"".join(line for line in lines if keep in line))
        page = report_of(tmp_path)
        assert page.rstrip().endswith("</html>"), statuses
        assert "GB/s</" not in page, statuses
    assert again(tmp_path, "show", "latest").exit_code == Exit.FAILED, "nothing was measured"


@pytest.mark.fault(48)
@pytest.mark.parametrize("name", [store.RECORDS, store.CAMPAIGN])
def test_a_run_of_a_newer_version_is_refused_with_the_remedy(measured: Path, name: str, tmp_path: Path) -> None:
    path = copy_of(measured, tmp_path) / name
    path.write_bytes(path.read_bytes().replace(b'"schema":1', b'"schema":2'))
    with pytest.raises(NewerError, match="newer benchsuite"):
        store.load(tmp_path)
