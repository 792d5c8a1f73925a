"""Which MPI mpi4py would load here: asked of a process of its own, so that this one stays free of MPI."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REMEDY = "Install it with: pip install 'benchsuite[mpi]'"
CHOICES = ("MPI4PY_MPIABI", "MPI4PY_LIBMPI")
"""Variables with which a person tells mpi4py which library to load."""
SAID = {
    "Open MPI": "openmpi",
    "OpenRTE": "openmpi",
    "PRRTE": "openmpi",
    "prterun": "openmpi",
    "Intel(R) MPI": "intel",
    "CRAY MPICH": "cray",
    "MVAPICH": "mpich",
    "MPICH": "mpich",
    "HYDRA": "mpich",
}
"""A word of a library's or an mpiexec's version and the MPI that says it. Intel's launcher is a HYDRA too, so it comes
first."""
NAMES = {"openmpi": "Open MPI", "intel": "Intel MPI", "cray": "Cray MPICH", "mpich": "MPICH", "": "an unknown MPI"}
FAMILY = {"openmpi": "openmpi", "intel": "mpich", "cray": "mpich", "mpich": "mpich"}
"""The MPIs whose libraries and launchers understand each other: MPICH's have one ABI and one wire protocol (PMI)."""
PROBE = """
import mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
lines = open("/proc/self/maps").read().splitlines() if __import__("os").path.exists("/proc/self/maps") else []
print(next((line.split(maxsplit=5)[5] for line in lines if "/libmpi" in line), ""))
print(MPI.Get_library_version())
"""


@dataclass(frozen=True, slots=True)
class Library:
    """The MPI library: its kind (``openmpi``, ``mpich``, ``intel``, ``cray`` or nothing), its file, and why there is
    none."""

    kind: str
    path: str = ""
    problem: str = ""

    @property
    def name(self) -> str:
        """As a person calls it."""
        return NAMES[self.kind]


def missing() -> str:
    """Why no rank can open MPI here, with the remedy; empty when mpi4py is installed."""
    return "" if importlib.util.find_spec("mpi4py") else f"mpi4py is not installed. {REMEDY}"


def kind_of(text: str) -> str:
    """The MPI that says ``text`` of itself; empty for an unknown one."""
    return next((kind for word, kind in SAID.items() if word in text), "")


def choices() -> tuple[str, ...]:
    """The variables with which a person told mpi4py which library to load; none where nobody did."""
    return tuple(name for name in CHOICES if name in os.environ)


def loaded(**environment: str) -> Library:
    """The library that mpi4py loads with these further variables."""
    return _loaded(tuple(sorted({**_relevant(), **environment}.items())))


def _relevant() -> dict[str, str]:
    names = (*CHOICES, "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH")
    return {name: os.environ[name] for name in names if name in os.environ}


@cache
def _loaded(environment: tuple[tuple[str, str], ...]) -> Library:
    if problem := missing():
        return Library("", problem=problem)
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            env={**os.environ, **dict(environment)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return Library("", problem=f"mpi4py did not say which library it loads. {REMEDY}")
    if done.returncode != 0:
        last = ([line for line in done.stderr.splitlines() if line.strip()] or ["no reason was given"])[-1]
        return Library("", problem=f"mpi4py finds no MPI library ({last.strip()[:200]}). {REMEDY}")
    file, _, version = done.stdout.partition("\n")
    return Library(kind_of(version), file.strip())


def launcher_of(found: Library) -> Path | None:
    """The mpiexec that was installed together with a library, if there is one."""
    for folder in list(Path(found.path).parents)[:3] if found.path else []:
        for candidate in (folder / "mpiexec", folder / "bin" / "mpiexec"):
            if candidate.is_file() and os.access(candidate, os.X_OK):
                return candidate
    return None
