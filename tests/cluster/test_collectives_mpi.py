"""The collectives suite on real ranks of MPICH and of Open MPI; a launcher of the other one is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import openmpi
from tests.cluster.campaigns import BENCHSUITE, COLLECTIVES, PYTHON, SCRIPT, SMALLEST, assert_exact, run_of, words
from tests.cluster.needs import clean_environment, lacking
from tests.mpirun import MISSING

MPICH = Path(sys.prefix) / "lib" / "libmpi.so.12"
MPIEXEC = Path(sys.executable).with_name("mpiexec")
pytestmark = pytest.mark.mpi


@pytest.fixture(autouse=True)
def _mpich() -> None:
    if MISSING or not MPICH.exists():
        lacking(MISSING or "there is no MPICH beside this Python (pip install 'benchsuite[mpi]')")


def execute(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command without another launcher's variables; it must end."""
    return subprocess.run(
        [str(word) for word in command],
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_collectives_of_mpich_are_exact(tmp_path: Path) -> None:
    done = execute(*BENCHSUITE, "run", *COLLECTIVES, "--ranks", 4, "--out", tmp_path)
    assert done.returncode == 0, words(done)
    assert_exact(run_of(tmp_path), ranks=4, hosts=1, library="MPICH")


def test_the_collectives_of_open_mpi_are_exact(tmp_path: Path) -> None:
    """Three ranks: not a power of two, so other algorithms."""
    openmpi.needed()
    command = (*BENCHSUITE, "run", *SMALLEST, "--ranks", 3, "--out", tmp_path)
    done = execute(*command, **openmpi.chosen())
    assert done.returncode == 0, words(done)
    assert_exact(run_of(tmp_path), ranks=3, hosts=1, library="Open MPI")


def test_ranks_of_open_mpi_under_mpich_s_mpiexec_are_refused() -> None:
    openmpi.needed()
    done = execute(MPIEXEC, "-n", 2, PYTHON, "-c", SCRIPT, 2, **openmpi.chosen())
    assert done.returncode == 4, words(done)
    assert done.stdout.count("2 ranks, but each sees a world of 1") == 2
    assert "MPICH's or Intel MPI's mpiexec started" in done.stdout
    assert "library (Open MPI v5" in done.stdout


def test_ranks_of_mpich_under_open_mpi_s_mpiexec_are_refused() -> None:
    """MPICH 5 sees by itself that nobody there speaks its protocol; an older one leaves it to us."""
    openmpi.needed()
    command = (openmpi.MPIEXEC, "--oversubscribe", "-n", 2, PYTHON, "-c", SCRIPT, 2)
    done = execute(*command, **openmpi.AS_ROOT)
    assert done.returncode != 0, words(done)
    assert "a world of" not in done.stdout.replace("sees a world of 1", "")
    assert "unsupported PMI version" in done.stderr or "each sees a world of 1" in done.stdout


def test_a_library_without_its_mpiexec_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """Open MPI's library alone, as a module of a site may leave it: the only mpiexec that is found is MPICH's."""
    openmpi.needed()
    alone = tmp_path / "alone"
    shutil.copytree(openmpi.LIBRARY.parent, alone, ignore=shutil.ignore_patterns("python*"))
    out = tmp_path / "runs"
    command = (*BENCHSUITE, "run", *COLLECTIVES, "--ranks", 2, "--out", out)
    done = execute(*command, **openmpi.chosen(alone / openmpi.LIBRARY.name), PATH=str(MPIEXEC.parent))
    assert done.returncode == 4, words(done)
    assert "mpiexec is MPICH's, but mpi4py loads Open MPI: each rank would be alone" in done.stderr
    assert not list(out.glob("*"))
