"""What doctor says of launchers: whose mpiexec, whose library, which Slurm with which plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite import doctor
from benchsuite.launchers import library, slurm
from benchsuite.launchers.library import Library


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one folder, with MPICH's mpiexec and its library."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "find", lambda: "mpiexec")
    monkeypatch.setattr(doctor, "identify", lambda path: "mpich")
    monkeypatch.setattr(doctor.MpiLauncher, "unavailable", lambda self: "")
    monkeypatch.setattr(library, "loaded", lambda: Library("mpich"))
    return tmp_path


def said() -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in doctor._mpi()}


def test_whose_mpiexec_and_whose_library(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said() == {"MPI": doctor.Finding("MPI", True, "MPICH's mpiexec; mpi4py loads MPICH")}
    monkeypatch.setattr(library, "loaded", lambda: Library("", problem="not with its defaults"))
    assert "the library that goes with it" in said()["MPI"].detail
    monkeypatch.setattr(doctor.MpiLauncher, "unavailable", lambda self: "there is none. Install it")
    assert said()["MPI"] == doctor.Finding("MPI", False, "all-reduce between ranks", "there is none. Install it")


def test_slurm_s_version_and_plugins(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "srun").write_text("#!/bin/sh\n")
    (here / "srun").chmod(0o755)
    monkeypatch.setattr(slurm, "offered", lambda: ("none", "pmi2"))
    monkeypatch.setattr(slurm, "version", lambda: (22, 5))
    assert said()["Slurm"] == doctor.Finding("Slurm", True, "22.05; srun --mpi offers none, pmi2")
    monkeypatch.setattr(slurm, "offered", lambda: ())
    found = said()["Slurm"]
    assert not found.present
    assert "reaches no cluster" in found.detail
    assert found.remedy
