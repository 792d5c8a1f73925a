"""The collectives suite on four nodes of a real Slurm, by srun and by sbatch; what cannot work there is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchsuite import store
from tests.cluster import openmpi
from tests.cluster.campaigns import BENCHSUITE, COLLECTIVES, PYTHON, SCRIPT, assert_exact, run_of, words
from tests.cluster.needs import lacking
from tests.cluster.slurm import NODES, Slurm
from tests.mpirun import MISSING

ON_ALL = ("--launcher", "slurm", "--nodes", "4", "--per-node", "1")
pytestmark = pytest.mark.mpi


@pytest.fixture(autouse=True)
def _mpich() -> None:
    if MISSING:
        lacking(MISSING)


def salloc(slurm: Slurm, *command: str, **environment: str) -> tuple[int, str]:
    """Exit code and words of a command in an allocation of all nodes."""
    done = slurm("salloc", "--quiet", "--nodes=4", "--ntasks-per-node=1", *command, timeout=120.0, **environment)
    return done.returncode, words(done)


def test_the_collectives_across_four_nodes_by_srun_are_exact(slurm: Slurm, tmp_path: Path) -> None:
    code, said = salloc(slurm, *BENCHSUITE, "run", *COLLECTIVES, *ON_ALL, "--out", str(tmp_path))
    assert code == 0, said
    run = run_of(tmp_path)
    assert_exact(run, ranks=4, hosts=4, library="MPICH")


def test_the_collectives_across_four_nodes_by_sbatch_are_exact(slurm: Slurm, tmp_path: Path) -> None:
    """As a person submits them. Its end is looked for here: ``sbatch --wait`` looks every ten seconds only."""
    asked = ("--nodes", "4", "--per-node", "1", "--json", "--out", str(tmp_path))
    done = slurm(*BENCHSUITE, "launch", "slurm", *asked, "--", *COLLECTIVES)
    assert done.returncode == 0, words(done)
    job = json.loads(done.stdout)["job"]
    slurm.until(lambda: slurm.job(job)["JobState"] not in {"PENDING", "RUNNING", "COMPLETING"}, "the job's end")
    said = (tmp_path / f"slurm-{job}.out").read_text()
    ended = slurm.job(job)
    assert (ended["JobState"], ended["ExitCode"], ended["NodeList"]) == ("COMPLETED", "0:0", "node[1-4]"), said
    run = run_of(tmp_path)
    assert run.parent.name == f"job-{job}"
    assert_exact(run, ranks=4, hosts=4, library="MPICH")


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        pytest.param({"SLURM_MPI_TYPE": "none"}, "none", id="MPICH without a plugin"),
        pytest.param(openmpi.chosen(), "plugin does not load here (PMIx is not installed)", id="Open MPI without PMIx"),
        pytest.param({**openmpi.chosen(), "SLURM_MPI_TYPE": "pmi2"}, "pmi2", id="Open MPI under pmi2"),
    ],
)
def test_a_plugin_that_the_library_cannot_use_gives_no_result(
    slurm: Slurm, tmp_path: Path, variables: dict[str, str], why: str
) -> None:
    if "MPI4PY_LIBMPI" in variables:
        openmpi.needed()
    code, said = salloc(slurm, *BENCHSUITE, "run", *COLLECTIVES, *ON_ALL, "--out", str(tmp_path), **variables)
    assert code == 4, said
    assert why in said
    kept = [record for path in tmp_path.glob("*") for record in store.load(path).records]
    assert not [record for record in kept if record.samples is not None]


@pytest.mark.parametrize(
    ("plugin", "variables"),
    [
        pytest.param("none", {}, id="MPICH without a plugin"),
        pytest.param("pmi2", openmpi.chosen(), id="Open MPI under pmi2"),
    ],
)
def test_ranks_that_a_wrong_plugin_left_alone_are_refused(slurm: Slurm, plugin: str, variables: dict[str, str]) -> None:
    """What a person starts by hand gets past the launcher: the worker's own look at its world is the last one."""
    if variables:
        openmpi.needed()
    command = ("srun", "--nodes=2", "--ntasks=2", f"--mpi={plugin}", PYTHON, "-c", SCRIPT, "2")
    done = slurm(*command, **variables)
    assert done.returncode == 4, words(done)
    assert done.stdout.count("2 ranks, but each sees a world of 1") == 2
    assert f"srun --mpi={plugin}" in done.stdout


def test_the_nodes_are_those_of_the_allocation(slurm: Slurm) -> None:
    done = slurm("srun", "--nodes=4", "printenv", "SLURMD_NODENAME")
    assert sorted(done.stdout.split()) == list(NODES)
