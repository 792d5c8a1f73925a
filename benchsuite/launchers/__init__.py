"""How ranks start."""

from __future__ import annotations

from collections.abc import Collection

from benchsuite.errors import UsageError
from benchsuite.launchers.base import Launcher
from benchsuite.launchers.local import LocalLauncher
from benchsuite.launchers.mpi import HERE, MpiLauncher
from benchsuite.launchers.slurm import SlurmLauncher
from benchsuite.model.fleet import Layout

NAMES = ("auto", "local", "mpiexec", "slurm")
"""What ``--launcher`` knows."""


def choose(name: str, layout: Layout = HERE, exported: Collection[str] = ()) -> Launcher:
    """The launcher called ``name`` for the hosts of ``layout`` ("auto": mpiexec; ``placing.layout`` knows better).

    exported: variables that the ranks are given besides those of the environment. Raises ``UsageError``.
    """
    match name:
        case "local":
            return LocalLauncher()
        case "mpiexec" | "auto":
            return MpiLauncher(layout=layout, exported=exported)
        case "slurm":
            return SlurmLauncher(layout)
        case _:
            raise UsageError(f"There is no launcher {name!r}.", f"Choose one of {', '.join(NAMES)}.")
