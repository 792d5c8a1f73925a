"""Facts and findings: an allowlist without names, and a remedy for whatever is missing."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

import pytest

from benchsuite import doctor
from benchsuite.machine import facts


def test_facts_name_neither_the_host_nor_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("OMP_PROC_BIND", "$(rm -rf /home/someone)")
    text = json.dumps(facts.collect())
    assert "hunter2" not in text
    assert "someone" not in text
    assert socket.gethostname() not in text or len(socket.gethostname()) < 4
    assert str(Path.home()) not in text
    assert getpass.getuser() not in json.loads(text).get("environment", {}).values()


def test_facts_of_a_planted_machine(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(
        "model name\t: Example 9000\nflags\t\t: avx2 avx512f hypervisor\n\nmodel name: no\n"
    )
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('PRETTY_NAME="Example OS 1"\n')
    found = facts.collect(tmp_path)
    assert found["processor"]["model"] == "Example 9000"
    assert found["processor"]["vector extensions"] == "avx2, avx512f"
    assert found["processor"]["virtual machine"] == "yes"
    assert found["system"]["system"] == "Example OS 1"


def test_a_machine_that_tells_nothing_still_has_facts(tmp_path: Path) -> None:
    assert facts.collect(tmp_path / "nothing")["processor"]["cores usable"]


def test_whatever_is_missing_has_a_remedy_or_an_explanation() -> None:
    findings = doctor.examine()
    assert {"numba", "MPI", "NVIDIA driver", "torch", "mkl", "memory"} <= {one.subject for one in findings}
    for one in findings:
        assert one.detail
        assert one.present or one.remedy or one.subject in {"GPU", "browser"}


def test_missing_mpi_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.launchers.mpi.MpiLauncher.unavailable", lambda self: "there is none")
    found = next(one for one in doctor.examine() if one.subject == "MPI")
    assert (found.present, found.remedy) == (False, "there is none")
