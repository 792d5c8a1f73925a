"""The MPI world: mismatched pairs are told apart from real worlds, and no rank outlives another's failure."""

from __future__ import annotations

import stat
import sys
import time
from pathlib import Path

import psutil
import pytest
from mpirun import mpirun, needs_mpi, python

from benchsuite import units
from benchsuite.errors import UnavailableError, UsageError
from benchsuite.world import launched_by, open_world

OPEN = "from benchsuite.world import open_world; world = open_world('mpi', {}); "
REFUSED = """
import sys
from benchsuite.errors import MeasureError
from benchsuite.world import open_world
try:
    open_world("mpi", 3)
except MeasureError as error:
    sys.exit(str(error))
"""


@needs_mpi
def test_without_a_launcher_a_world_of_one_is_refused() -> None:
    done = python("-c", OPEN.format(2))
    assert done.returncode != 0
    assert "2 ranks were expected, but no MPI launcher started this process" in done.stderr
    assert "mpiexec -n 2" in done.stderr


@needs_mpi
def test_a_launcher_of_another_mpi_is_found_out(tmp_path: Path) -> None:
    """The trap as it occurs: every rank starts, none complains, each is alone."""
    fake = tmp_path / "mpiexec"
    fake.write_text('#!/bin/sh\nexport OMPI_COMM_WORLD_SIZE=$2\nshift 2\n"$@" & "$@"; code=$?; wait $!; exit $code\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    done = python("-c", OPEN.format(2) + "print('went on')", prefix=(str(fake), "-n", "2"))
    assert done.returncode != 0
    assert "went on" not in done.stdout
    assert done.stderr.count("Open MPI's mpiexec started 2 ranks, but each sees a world of 1") == 2
    assert "are from different MPIs" in done.stderr
    assert "MPI4PY_MPIABI" in done.stderr


@needs_mpi
def test_a_world_of_the_wrong_size_is_refused() -> None:
    """As the worker refuses: an error that nobody catches ends all ranks, and what they still say may be lost."""
    done = mpirun(2, "-c", REFUSED)
    assert done.returncode != 0
    assert done.stderr.count("3 ranks were expected, but the world has 2") == 2


@needs_mpi
@pytest.mark.parametrize("waiting", ["world.barrier()", "world.share(1)"])
def test_an_exception_on_one_rank_ends_all(waiting: str) -> None:
    start = time.monotonic()
    for _ in range(3):  # a busy mpiexec ends its ranks before it has passed on what they said last
        done = mpirun(2, "-c", OPEN.format(2) + f"world.rank and 1 / 0; {waiting}; print('went on')", timeout=30)
        assert done.returncode != 0
        assert "went on" not in done.stdout
        if done.stderr:
            break
    assert "ZeroDivisionError" in done.stderr
    assert time.monotonic() - start < 20


@needs_mpi
def test_abort_ends_all_with_its_code() -> None:
    done = mpirun(2, "-c", OPEN.format(2) + "world.rank and world.abort(7); world.barrier()", timeout=30)
    assert done.returncode != 0


@needs_mpi
def test_facts_name_library_binding_and_transport() -> None:
    done = mpirun(2, "-c", OPEN.format(2) + "world.rank or print(world.facts())")
    facts = eval(done.stdout)
    assert facts["name"] == "mpi"
    assert facts["ranks"] == "2"
    assert facts["library"].split()[-1][0].isdigit() or "Version" not in facts["library"]
    assert facts["binding"].startswith("mpi4py ")
    assert facts["transport"] == "host memory"
    assert facts["thread_level"] in {"single", "funneled", "serialized", "multiple"}


@needs_mpi
def test_a_library_that_cannot_be_loaded_is_a_sentence(tmp_path: Path) -> None:
    done = python("-c", OPEN.format(1), MPI4PY_LIBMPI=str(tmp_path / "libmpi.so"))
    assert done.returncode != 0
    assert "MPI cannot be opened: " in done.stderr
    assert "pip install 'benchsuite[mpi]'" in done.stderr


@needs_mpi
def test_a_subset_gives_back_its_communicator() -> None:
    """MPICH has room for some two thousand at once; more than that can be made one after the other."""
    done = mpirun(1, "-c", OPEN.format(1) + "[world.subset([0]) and None for _ in range(3000)]; print('made all')")
    assert done.returncode == 0, done.stderr[-500:]
    assert "made all" in done.stdout


MANY = """
import numpy as np
from benchsuite.world import open_world
world = open_world("mpi", 2)
count = 2**31 + 7
x, y = np.zeros(count, np.int8), np.full(count, 9, np.int8)
x[[0, 2**31, -1]] = world.rank + 1
ends = lambda: y[[0, 1, 2**31 - 1, 2**31, -1]].tolist()
world.sendrecv(x, 1 - world.rank, y, 1 - world.rank)
told = [ends() == [2 - world.rank, 0, 0, 2 - world.rank, 2 - world.rank]]
world.allreduce(x, y)
told.append(ends() == [3, 0, 0, 3, 3])
world.allreduce(y, y)
told.append(ends() == [6, 0, 0, 6, 6])
half = count // 2
world.allgather(x[:half], y[: 2 * half])
told.append(y[[0, half - 1, half]].tolist() == [1, 0, 2])
world.reduce_scatter(x[: 2 * half], y[:half])
told.append(y[[0, 1]].tolist() == [3 * (world.rank == 0), 0])
world.alltoall(x[: 2 * half], y[: 2 * half])
told.append(y[[0, half]].tolist() == ([1, 2] if world.rank == 0 else [0, 0]))
world.broadcast(x, 1)
told.append(x[[0, 1, 2**31, -1]].tolist() == [2, 0, 2, 2])
every = world.share(told)
world.rank or print(all(map(all, every)), every)
"""


@needs_mpi
@pytest.mark.long
def test_counts_beyond_32_bits_are_whole() -> None:
    if psutil.virtual_memory().available < 14 * units.GIB:
        pytest.skip("needs 14 GiB")
    done = mpirun(2, "-c", MANY, timeout=500)
    assert done.stdout.startswith("True"), done.stdout + done.stderr[-2000:]


def test_without_mpi4py_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(UnavailableError, match=r"MPI cannot be opened.*pip install 'benchsuite\[mpi\]'"):
        open_world("mpi", 2)


def test_an_unknown_world_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no world called 'carrier pigeon'"):
        open_world("carrier pigeon", 1)


def test_a_solo_world_never_passes_for_two_ranks() -> None:
    from benchsuite.errors import MeasureError

    with pytest.raises(MeasureError, match="2 ranks were expected"):
        open_world("solo", 2)


@pytest.mark.parametrize(
    ("variable", "launcher"),
    [("OMPI_COMM_WORLD_SIZE", "Open MPI"), ("MPI_LOCALNRANKS", "MPICH"), ("PMI_SIZE", "PMI"), ("X", "")],
)
def test_launchers_are_known_by_their_variables(variable: str, launcher: str) -> None:
    assert launcher in launched_by({variable: "2"})
    assert bool(launched_by({variable: "2"})) == bool(launcher)
