"""How ranks talk: open a world by name, and make sure that it is the world the launcher made."""

from __future__ import annotations

import os
from collections.abc import Mapping

from benchsuite.errors import MeasureError, UsageError
from benchsuite.model import World
from benchsuite.world.place import HYDRA, misplaced

MISPLACED = (
    "See whether --hosts names one host twice, whether each name leads to a host of its own, and whether "
    "the machine file or the allocation has other slots than --per-node says."
)
LAUNCHERS = {
    "OMPI_COMM_WORLD_SIZE": "Open MPI's mpiexec",
    "MPI_LOCALNRANKS": "MPICH's or Intel MPI's mpiexec",
    "PMI_SIZE": "A launcher that speaks PMI",
    "SLURM_STEP_NUM_TASKS": "Slurm's srun",
}
"""The variable in which each launcher tells its ranks how many they are. Slurm's is the job step's:
``SLURM_NTASKS`` is also set in an allocation where nothing was started by ``srun``."""


def open_world(name: str, expected: int, nodes: int = 0) -> World:
    """The world called ``name`` ("solo" or "mpi"), which must have ``expected`` ranks, evenly on ``nodes`` hosts.

    nodes 0: wherever they run.

    Opening "mpi" arranges that an uncaught exception on one rank ends all of them. Raises
    ``UnavailableError`` without an MPI library, and ``MeasureError`` when the world has another
    size: a launcher and a library of different MPIs make every rank a world of one, without any
    error of their own; or lies on other hosts.
    """
    world = _open(name)
    if world.size != expected:
        raise _wrong_size(world, expected, launched_by(os.environ))
    if problem := misplaced(world.share(world.host), nodes) if nodes else "":
        raise MeasureError(f"{problem[0].upper()}{problem[1:]}.", MISPLACED)
    return world


def launched_by(environment: Mapping[str, str]) -> str:
    """The launcher whose variables are in ``environment``, in words; empty without one."""
    return next((words for variable, words in LAUNCHERS.items() if variable in environment), "")


RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
"""The variable in which each launcher tells a process its rank, before any library is opened."""


def launched_rank(environment: Mapping[str, str]) -> int:
    """The rank that a launcher gave this process; 0 without one."""
    told = (environment.get(name, "") for name in RANKS)
    return next((int(number) for number in told if number.isdigit()), 0)


def _open(name: str) -> World:
    match name:
        case "solo":
            from benchsuite.world.solo import SoloWorld

            return SoloWorld()
        case "mpi":
            from benchsuite.world.mpi import MpiWorld

            return MpiWorld()
        case _:
            raise UsageError(f"There is no world called {name!r}.", "Choose solo or mpi.")


def _wrong_size(world: World, expected: int, launcher: str) -> MeasureError:
    if world.size > 1 or expected == 1:
        return MeasureError(
            f"{expected} ranks were expected, but the world has {world.size}.",
            f"Start exactly {expected}: mpiexec -n {expected}.",
        )
    if not launcher:
        return MeasureError(
            f"{expected} ranks were expected, but no MPI launcher started this process: its world has 1.",
            f"Start it with mpiexec -n {expected}.",
        )
    library = world.facts().get("library", world.name)
    if "SLURM_STEP_NUM_TASKS" in os.environ and HYDRA not in os.environ:
        spoken = os.environ.get("SLURM_MPI_TYPE", "") or "none"
        return MeasureError(
            f"srun --mpi={spoken} started {expected} ranks, but each sees a world of 1: "
            f"{library} does not find the others through {spoken}.",
            "MPICH and Intel MPI need --mpi=pmi2, Open MPI needs pmix ('srun --mpi=list' shows what is there); "
            "or use --launcher mpiexec.",
        )
    return MeasureError(
        f"{launcher} started {expected} ranks, but each sees a world of 1: "
        f"launcher and library ({library}) are from different MPIs.",
        "Use the mpiexec of that library (pip install 'benchsuite[mpi]' puts a matching pair beside Python), "
        "or let MPI4PY_MPIABI=mpich or openmpi choose the library of your mpiexec.",
    )
