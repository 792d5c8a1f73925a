"""``benchsuite scan`` as a person uses it, on real ranks with scripted kernels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchsuite.errors import Exit, UsageError
from benchsuite.scan import scan as scanning
from benchsuite.scan.ledger import JOURNAL, PIECES, SCAN
from tests import scan_data
from tests.mpirun import needs_mpi, python

SCANNED = ("scan", "--backend", "fake", "--per-node", "2", "--rounds", "4", "--bytes", "4 KiB", "--seed", "7")


def benchsuite(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command on the runs in ``folder``, with locks of its own."""
    return python("-m", "benchsuite", *words, "--out", str(folder), timeout=120.0, BENCHSUITE_LOCKS=str(folder))


def scans(folder: Path) -> list[Path]:
    """The run directories of scans."""
    return [path.parent for path in folder.glob(f"*/{SCAN}")]


@needs_mpi
def test_two_ranks_are_scanned_shown_and_not_judged(tmp_path: Path) -> None:
    """Two can never be told apart, and are not accused."""
    done = benchsuite(tmp_path, *SCANNED, "--json")
    assert done.returncode == Exit.INCONCLUSIVE, done.stderr
    told = json.loads(done.stdout)
    assert told["ranks"] == 2
    assert not any(one["decision"] == "accused" for one in told["findings"])
    assert told["nbytes"] == 4096
    assert "Scanned are 2 ranks of this host (fake)" in done.stderr
    assert "4 rounds will take about" in done.stderr
    (run,) = scans(tmp_path)
    assert "Content-Security-Policy" in (run / "report.html").read_text()
    shown = benchsuite(tmp_path, "show", "latest", "--json")
    assert shown.returncode == Exit.INCONCLUSIVE
    assert json.loads(shown.stdout) == told
    text = benchsuite(tmp_path, "show", run.name)
    assert text.returncode == Exit.INCONCLUSIVE
    assert run.name in text.stdout
    assert "Traceback" not in text.stderr + done.stderr


@needs_mpi
def test_an_interrupted_scan_is_resumed(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchsuite", *SCANNED, "--sweeps", "2", "--apart", "4", "--out", str(tmp_path)]
    surroundings = {**os.environ, "BENCHSUITE_LOCKS": str(tmp_path)}
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=surroundings
    ) as process:
        try:
            deadline = time.monotonic() + 60.0
            while not any(b'"wait"' in (run / JOURNAL).read_bytes() for run in scans(tmp_path)):
                assert process.poll() is None
                assert time.monotonic() < deadline, "the sweeps were never apart"
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == Exit.INTERRUPTED, said
    assert "2 rounds are kept; go on with: benchsuite resume" in said
    (run,) = scans(tmp_path)
    assert f"benchsuite resume {run}" in said, "a name alone is not found outside of the usual folder"
    kept = (run / PIECES).read_bytes()
    resumed = benchsuite(tmp_path, "scan", "--resume", "latest", "--json", "--no-report")
    assert resumed.returncode == Exit.INCONCLUSIVE, resumed.stderr
    assert (run / PIECES).read_bytes().startswith(kept)
    assert json.loads(resumed.stdout)["rounds"] == {"screen": 4}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--bytes", "many"), "is not a size"),
        (("--reference", "none.json"), "cannot be read"),
        (("--topology", "none.conf"), "cannot be read"),
        (("--resume", "nothing"), "There is no scan"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_measured(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = benchsuite(tmp_path, *SCANNED, *words)
    assert done.returncode == Exit.USAGE
    assert said in done.stderr
    assert not scans(tmp_path)


def test_a_reference_of_too_few_nodes_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = benchsuite(tmp_path, *SCANNED, "--learn", str(tmp_path / "good.json"))
    assert done.returncode == Exit.USAGE
    assert "learned from 4 nodes at least; here are 2" in done.stderr
    there = benchsuite(tmp_path, *SCANNED, "--per-node", "4", "--learn", str(tmp_path / "no" / "good.json"))
    assert there.returncode == Exit.USAGE
    assert "There is no folder" in there.stderr
    assert not scans(tmp_path)


@pytest.mark.parametrize(
    ("planted", "accused", "why"),
    [
        (scan_data.Planted(), True, "somebody is accused"),
        (scan_data.Planted(failed=frozenset({(0, 1)})), False, "something failed"),
        (scan_data.Planted(wrong=frozenset({2})), False, "a result was wrong"),
    ],
)
def test_a_bad_fleet_is_no_reference(planted: scan_data.Planted, accused: bool, why: str, tmp_path: Path) -> None:
    scan = scan_data.scan(6, 5, planted)
    found = scan_data.diagnosis(*([scan_data.slow_receiver()] if accused else []))
    with pytest.raises(UsageError, match=why):
        scanning.learn(scan, found, tmp_path / "good.json")
    assert not (tmp_path / "good.json").exists()
    good = scan_data.scan(6, 5, scan_data.Planted())
    scanning.learn(good, scan_data.diagnosis(), tmp_path / "good.json")
    assert (tmp_path / "good.json").is_file()
