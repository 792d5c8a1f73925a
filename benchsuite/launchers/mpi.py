"""Ranks through mpiexec on this host: the one beside this Python first, else the one on PATH."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchsuite.errors import UnavailableError
from benchsuite.model import Caveat

REMEDY = "Install it with: pip install 'benchsuite[mpi]'"
CHOICES = ("MPI4PY_MPIABI", "MPI4PY_LIBMPI")
"""Variables with which a person tells mpi4py which library to load."""
SAID = {"Open MPI": "openmpi", "OpenRTE": "openmpi", "PRRTE": "openmpi", "Intel(R) MPI": "intel", "HYDRA": "mpich"}
"""A word of ``mpiexec --version`` and the MPI that says it. Intel's launcher is a HYDRA too, so it comes first."""


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
        """``mpiexec -n RANKS``, bound to no core.

        That is what MPICH does by itself. Open MPI would bind each of two ranks to a single core,
        whatever the number of threads in it, and refuses more ranks than cores unless told.
        Raises ``UnavailableError`` without an mpiexec.
        """
        if not self._mpiexec:
            raise UnavailableError(f"Ranks cannot be started: {self.unavailable()}.")
        free = ("--oversubscribe", "--bind-to", "none") if identify(self._mpiexec) == "openmpi" else ()
        return (self._mpiexec, *free, "-n", str(ranks))

    def environment(self, ranks: int) -> dict[str, str]:
        """The launcher's own ABI for mpi4py, and for Open MPI that root is meant, said twice."""
        kind = identify(self._mpiexec) if self._mpiexec else ""
        root = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM") if kind == "openmpi" else ()
        return {**_abi(self._mpiexec, kind), **dict.fromkeys(root, "1")}


def _abi(mpiexec: str, kind: str) -> dict[str, str]:
    """``MPI4PY_MPIABI`` for a launcher of the system, unless a person has chosen.

    Without it mpi4py takes the first ``libmpi.so`` it finds: with two MPIs installed perhaps the
    other one's, and every rank is a world of one. A wheel's mpiexec needs nothing: mpi4py looks
    beside Python first, but only when no ABI is named.
    """
    if not kind or beside_python(mpiexec) or any(name in os.environ for name in CHOICES):
        return {}
    return {"MPI4PY_MPIABI": "openmpi" if kind == "openmpi" else "mpich"}


def beside_python(mpiexec: str) -> bool:
    """Whether it was installed into this Python's environment, by a wheel."""
    return Path(mpiexec).parent == Path(sys.executable).parent


def find() -> str:
    """Path of the mpiexec beside this Python, else on PATH, else nothing."""
    return shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec") or ""


@cache
def identify(mpiexec: str) -> str:
    """``mpich``, ``openmpi`` or ``intel`` by what ``--version`` prints; empty when it says nothing known."""
    try:
        done = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next((kind for word, kind in SAID.items() if word in done.stdout + done.stderr), "")


def oversubscribed(ranks: int, cores: int) -> Caveat | None:
    """The note beside every number of more ranks than cores."""
    if ranks <= cores:
        return None
    return Caveat("OVERSUBSCRIBED", f"{ranks} ranks share {cores} cores: times include waiting for a core.")
