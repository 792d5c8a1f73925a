"""The MPI launcher: which mpiexec, whose, with which flags and variables; said plainly when there is none."""

from __future__ import annotations

import importlib.util
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchsuite.errors import UnavailableError
from benchsuite.launchers import library
from benchsuite.launchers.local import LocalLauncher
from benchsuite.launchers.mpi import MpiLauncher, beside_python, find, identify, oversubscribed

VERSIONS = {
    "mpich": "HYDRA build details:\n    Version:                                 4.2.0",
    "openmpi": "mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/",
    "openmpi-5": "mpiexec (Open MPI) 5.0.11",
    "intel": "Intel(R) MPI Library for Linux* OS, Version 2021.18 Build 20260101\nHYDRA",
    "unknown": "mpiexec of a future nobody has seen",
}
Make = Callable[..., str]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes an mpiexec that only says its version, in a folder of its own; mpi4py's choice is left to us."""
    for name in library.CHOICES:
        monkeypatch.delenv(name, raising=False)

    def make(kind: str, folder: str = "system", text: str = "") -> str:
        path = tmp_path / folder / "mpiexec"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text or VERSIONS[kind]}\nEND\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python with nothing beside it and an empty PATH."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "venv").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    return tmp_path


@pytest.mark.parametrize(
    ("said", "kind"), [(said, said.removesuffix("-5").replace("unknown", "")) for said in VERSIONS]
)
def test_identify(fake: Make, said: str, kind: str) -> None:
    assert identify(fake(said)) == kind


def test_what_cannot_be_asked_is_unknown(tmp_path: Path) -> None:
    assert identify(str(tmp_path / "missing")) == ""


def test_mpich_needs_nothing_but_the_number(fake: Make) -> None:
    path = fake("mpich")
    assert MpiLauncher(path).tokens(4) == (path, "-n", "4")


@pytest.mark.parametrize("kind", ["openmpi", "openmpi-5"])
def test_open_mpi_is_told_of_root_and_of_crowds(fake: Make, kind: str) -> None:
    path = fake(kind)
    launcher = MpiLauncher(path)
    assert launcher.tokens(4) == (path, "--oversubscribe", "--bind-to", "none", "-n", "4")
    assert launcher.environment(4) == {
        "MPI4PY_MPIABI": "openmpi",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }


@pytest.mark.parametrize(("kind", "abi"), [("mpich", "mpich"), ("intel", "mpich"), ("openmpi", "openmpi")])
def test_a_launcher_of_the_system_names_its_abi(fake: Make, kind: str, abi: str) -> None:
    assert MpiLauncher(fake(kind)).environment(2)["MPI4PY_MPIABI"] == abi


def test_an_unknown_launcher_names_no_abi(fake: Make) -> None:
    assert MpiLauncher(fake("unknown")).environment(2) == {}


@pytest.mark.parametrize("kind", ["mpich", "openmpi"])
def test_a_launcher_beside_python_names_no_abi(fake: Make, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = fake(kind)
    monkeypatch.setattr(sys, "executable", str(Path(path).with_name("python")))
    assert beside_python(path)
    assert "MPI4PY_MPIABI" not in MpiLauncher(path).environment(2)


@pytest.mark.parametrize("choice", library.CHOICES)
def test_a_person_s_choice_of_library_stands(fake: Make, monkeypatch: pytest.MonkeyPatch, choice: str) -> None:
    monkeypatch.setenv(choice, "mine")
    assert "MPI4PY_MPIABI" not in MpiLauncher(fake("openmpi")).environment(2)


def test_the_mpiexec_beside_python_comes_first(fake: Make, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = fake("openmpi", "onpath")
    monkeypatch.setenv("PATH", str(Path(on_path).parent))
    assert find() == on_path
    beside = fake("mpich", "venv")
    assert find() == beside


def test_a_missing_mpiexec_is_a_sentence_with_its_remedy(nowhere: Path) -> None:
    launcher = MpiLauncher()
    assert "no mpiexec" in launcher.unavailable()
    assert "pip install 'benchsuite[mpi]'" in launcher.unavailable()
    assert launcher.environment(2) == {}
    with pytest.raises(UnavailableError, match="no mpiexec"):
        launcher.tokens(2)


def test_a_missing_mpi4py_is_a_sentence_with_its_remedy(fake: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mpi4py" else real(name))
    assert MpiLauncher(fake("mpich")).unavailable().startswith("mpi4py is not installed. Install it with")


def test_odd_bytes_in_the_version_do_no_harm(fake: Make) -> None:
    assert identify(fake("unknown", text="HYDRA \\303\\050 ☃")) == "mpich"


def test_more_ranks_than_cores_are_reported() -> None:
    assert oversubscribed(2, 2) is None
    caveat = oversubscribed(4, 2)
    assert caveat is not None
    assert caveat.code == "OVERSUBSCRIBED"
    assert "4 ranks share 2 cores" in caveat.text


def test_the_local_launcher_starts_one_rank_as_it_is() -> None:
    launcher = LocalLauncher()
    assert (launcher.world, launcher.unavailable(), launcher.tokens(1), launcher.environment(1)) == ("solo", "", (), {})
    with pytest.raises(ValueError, match="one rank, not 2"):
        launcher.tokens(2)
