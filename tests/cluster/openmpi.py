"""The Open MPI that ``scripts/cluster-setup`` installs beside the environment of the tests, whose MPI is MPICH."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.needs import ROOT, SETUP, lacking

PREFIX = ROOT / ".venv-openmpi"
LIBRARY = PREFIX / "lib" / "libmpi.so.40"
MPIEXEC = PREFIX / "bin" / "mpiexec"
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def needed() -> None:
    """Skip without it; fail where it is required."""
    if not LIBRARY.exists() or not MPIEXEC.exists():
        lacking(f"Open MPI is not installed: {SETUP}")


def chosen(library: Path = LIBRARY) -> dict[str, str]:
    """The variable with which a person has mpi4py load it."""
    return {"MPI4PY_LIBMPI": str(library)}
