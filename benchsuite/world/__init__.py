"""How ranks talk: open a world by name, and make sure that it is the world the launcher made."""

from __future__ import annotations

from benchsuite.errors import MeasureError, UsageError
from benchsuite.model import World


def open_world(name: str, expected: int) -> World:
    """The world called ``name`` ("solo" or "mpi"), which must have ``expected`` ranks.

    Raises ``MeasureError`` when it has another size: a launcher and a library of different MPIs make
    every rank a world of one, without any error of their own.
    """
    match name:
        case "solo":
            from benchsuite.world.solo import SoloWorld

            world: World = SoloWorld()
        case "mpi":
            from benchsuite.world.mpi import MpiWorld

            world = MpiWorld()
        case _:
            raise UsageError(f"There is no world called {name!r}.", "Choose solo or mpi.")
    if world.size != expected:
        raise MeasureError(
            f"{expected} ranks were started, but this one sees a world of {world.size}: "
            f"the launcher and the MPI library ({world.facts().get('library', name)}) do not belong together.",
            "Use the mpiexec of the library that mpi4py loads; MPI4PY_MPIABI=mpich or openmpi chooses the library.",
        )
    return world
