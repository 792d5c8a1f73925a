"""Ranks through mpiexec, here or on hosts: the one that belongs to the library that mpi4py loads."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from benchsuite.errors import UnavailableError
from benchsuite.launchers import library
from benchsuite.launchers.library import REMEDY
from benchsuite.model import Caveat
from benchsuite.model.fleet import Layout

HERE = Layout()
CARRIED = re.compile(
    "PATH|LD_LIBRARY_PATH|PYTHONPATH|(MPI4PY|BENCHSUITE|NCCL|UCX|FI|CUDA|CUPY|NUMBA|OMP|OPENBLAS|MKL)_[A-Z0-9_]+"
)
"""Variables that ranks on another host must have as they are here. Open MPI carries nothing that it is not told to."""


class MpiLauncher:
    """``mpiexec -n RANKS`` with what each MPI needs to run here or on the hosts of a layout. Imports no MPI itself.

    exported: further variables that the ranks will be given, which Open MPI must be told to carry to other hosts.
    """

    name = "mpiexec"
    world = "mpi"

    def __init__(self, mpiexec: str | None = None, layout: Layout = HERE, exported: Collection[str] = ()) -> None:
        self._mpiexec = mpiexec or find()
        self._layout = layout
        self._exported = exported

    def unavailable(self) -> str:
        """Why no ranks can be started, with the remedy; empty when they can."""
        if not self._mpiexec:
            return f"there is no mpiexec beside this Python or on PATH. {REMEDY}"
        return library.missing() or mismatch(self._mpiexec)

    def tokens(self, ranks: int) -> tuple[str, ...]:
        """``mpiexec -n RANKS``, bound to no core, on the layout's hosts.

        That is what MPICH does by itself. Open MPI would bind each of two ranks to a single core,
        whatever the number of threads in it, and refuses more ranks than cores unless told.
        Raises ``UnavailableError`` without an mpiexec.
        """
        if not self._mpiexec:
            raise UnavailableError(f"Ranks cannot be started: {self.unavailable()}.")
        each = per_node(ranks, self._layout)
        if identify(self._mpiexec) == "openmpi":
            return (self._mpiexec, *self._open_mpi(each), "-n", str(ranks))
        hosts = self._layout.hosts
        where = ("-hosts", ",".join(hosts), "-ppn", str(each)) if hosts else ()
        return (self._mpiexec, *where, "-n", str(ranks))

    def environment(self, ranks: int) -> dict[str, str]:
        """The launcher's own ABI for mpi4py, and for Open MPI that root is meant, said twice."""
        kind = identify(self._mpiexec) if self._mpiexec else ""
        root = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM") if kind == "openmpi" else ()
        return {**_abi(self._mpiexec, kind), **dict.fromkeys(root, "1")}

    def _open_mpi(self, each: int) -> Iterator[str]:
        """Its options. Of this host it counts the cores and would refuse more ranks; of others it is told the slots."""
        yield from ("--bind-to", "none") if self._layout.hosts else ("--oversubscribe", "--bind-to", "none")
        if self._layout.hosts:
            yield from ("--host", ",".join(f"{host}:{each}" for host in self._layout.hosts))
            yield from ("--map-by", f"ppr:{each}:node")
            known = {*self._exported, *self.environment(1), *filter(CARRIED.fullmatch, os.environ)}
            for name in sorted(known):
                yield from ("-x", name)


def per_node(ranks: int, layout: Layout) -> int:
    """Ranks on each host, the last perhaps fewer."""
    return layout.per_node or -(-ranks // layout.nodes)


def mismatch(mpiexec: str) -> str:
    """Why this mpiexec cannot start ranks of the library that a person chose; empty when it can.

    Where nobody chose, the ranks are told to load the launcher's own.
    """
    if not library.choices():
        return ""
    found = library.loaded()
    if found.problem:
        return found.problem
    kind = identify(mpiexec)
    if not kind or not found.kind or library.FAMILY[kind] == library.FAMILY[found.kind]:
        return ""
    return (
        f"mpiexec is {library.NAMES[kind]}'s, but mpi4py loads {found.name}: each rank would be alone. "
        f"Put the mpiexec of {found.name} on PATH, or unset {' and '.join(library.choices())}"
    )


def _abi(mpiexec: str, kind: str) -> dict[str, str]:
    """``MPI4PY_MPIABI`` for a launcher of the system, unless a person has chosen.

    Without it mpi4py takes the first ``libmpi.so`` it finds: with two MPIs installed perhaps the
    other one's, and every rank is a world of one. A wheel's mpiexec needs nothing: mpi4py looks
    beside Python first, but only when no ABI is named.
    """
    if not kind or beside_python(mpiexec) or library.choices():
        return {}
    return {"MPI4PY_MPIABI": library.FAMILY[kind]}


def beside_python(mpiexec: str) -> bool:
    """Whether it was installed into this Python's environment, by a wheel."""
    return Path(mpiexec).parent == Path(sys.executable).parent


def find() -> str:
    """Path of the mpiexec to use, or nothing.

    Where a person chose a library for mpi4py it is the first that belongs to it: of those beside this Python, beside
    that library, and on PATH. Else it is the one beside this Python, else that on PATH.
    """
    found = dict.fromkeys(filter(None, _candidates()))
    if library.choices() and (kind := library.loaded().kind):
        matching = (path for path in found if library.FAMILY.get(identify(path)) == library.FAMILY[kind])
        return next(matching, next(iter(found), ""))
    return next(iter(found), "")


def _candidates() -> Iterator[str]:
    yield shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or ""
    if library.choices():
        yield str(library.launcher_of(library.loaded()) or "")
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        yield shutil.which("mpiexec", path=folder) or ""


@cache
def identify(mpiexec: str) -> str:
    """``mpich``, ``openmpi`` or ``intel`` by what ``--version`` prints; empty when it says nothing known."""
    try:
        done = subprocess.run(
            [mpiexec, "--version"], capture_output=True, text=True, errors="replace", timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return library.kind_of(done.stdout + done.stderr)


def oversubscribed(ranks: int, cores: int, nodes: int = 1) -> Caveat | None:
    """The note beside every number of more ranks than cores on a host. cores: of one host."""
    each = -(-ranks // nodes)
    if each <= cores:
        return None
    where = f"{each} ranks of each host" if nodes > 1 else f"{ranks} ranks"
    return Caveat("OVERSUBSCRIBED", f"{where} share {cores} cores: times include waiting for a core.")
