"""Ranks through mpiexec on this host: the one beside this Python first, else the one on PATH."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchsuite.model import Caveat

REMEDY = "Install it with: pip install 'benchsuite[mpi]'"


class MpiLauncher:
    """``mpiexec -n RANKS`` with what each MPI needs to run here. Imports no MPI itself."""

    name = "mpiexec"
    world = "mpi"

    def __init__(self, mpiexec: str | None = None) -> None:
        self._mpiexec = mpiexec or find()

    def unavailable(self) -> str:
        """Why no ranks can be started, with the remedy; empty when they can."""
        if not self._mpiexec:
            return f"there is no mpiexec beside this Python or on PATH. {REMEDY}"
        if importlib.util.find_spec("mpi4py") is None:
            return f"mpi4py is not installed. {REMEDY}"
        return ""

    def tokens(self, ranks: int) -> tuple[str, ...]:
        """``mpiexec -n RANKS``; Open MPI must be told that more ranks than cores are meant."""
        if not self._mpiexec:
            raise ValueError("no mpiexec: ask unavailable() first")
        crowd = ("--oversubscribe",) if identify(self._mpiexec) == "openmpi" else ()
        return (self._mpiexec, *crowd, "-n", str(ranks))

    def environment(self, ranks: int) -> dict[str, str]:
        """What a system's Open MPI needs: its own ABI in mpi4py, and root told twice.

        The mpiexec of a wheel needs nothing: mpi4py finds the library beside this Python by itself,
        and naming the ABI would make it look elsewhere.
        """
        if not self._mpiexec or identify(self._mpiexec) != "openmpi":
            return {}
        root = dict.fromkeys(("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"), "1")
        return root if beside_python(self._mpiexec) else {"MPI4PY_MPIABI": "openmpi", **root}


def beside_python(mpiexec: str) -> bool:
    """Whether it was installed into this Python's environment, by a wheel."""
    return Path(mpiexec).parent == Path(sys.executable).parent


def find() -> str:
    """Path of mpiexec, or nothing."""
    beside = Path(sys.executable).parent / "mpiexec"
    return str(beside) if beside.is_file() else shutil.which("mpiexec") or ""


@cache
def identify(mpiexec: str) -> str:
    """``mpich``, ``openmpi`` or ``intel`` by what ``--version`` prints; empty when it says nothing known."""
    try:
        done = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = done.stdout + done.stderr
    known = {"Open MPI": "openmpi", "OpenRTE": "openmpi", "PRRTE": "openmpi", "Intel": "intel", "HYDRA": "mpich"}
    return next((kind for word, kind in known.items() if word in said), "")


def oversubscribed(ranks: int, cores: int) -> Caveat | None:
    """The note beside every number of more ranks than cores."""
    if ranks <= cores:
        return None
    return Caveat("OVERSUBSCRIBED", f"{ranks} ranks share {cores} cores: times include waiting for a core.")
