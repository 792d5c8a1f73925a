"""The cluster of the tests itself: it is one, it stands beside another, and nothing of it is ever left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster import ending, needs
from tests.cluster.needs import ROOT
from tests.cluster.slurm import NODES, Slurm, running

SUM = """
import os
from mpi4py import MPI
world = MPI.COMM_WORLD
print(world.rank, world.size, os.environ["SLURMD_NODENAME"], world.allreduce(world.rank))
"""
HELD = """
import sys, time
from pathlib import Path
from tests.cluster.slurm import running
with running(Path(sys.argv[1])) as slurm:
    job = slurm("sbatch", "--parsable", "--wrap", "sleep 300").stdout.strip()
    slurm.until(lambda: slurm.jobs()[job] == "RUNNING", "the job")
    print("ready", flush=True)
    time.sleep(300)
"""


def test_mpi_ranks_of_four_nodes_are_one_world(slurm: Slurm) -> None:
    done = slurm("srun", "-N4", "-n4", "--mpi=pmi2", sys.executable, "-c", SUM)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{rank} 4 {node} 6" for rank, node in enumerate(NODES)]


def test_a_dead_node_comes_back(slurm: Slurm) -> None:
    slurm.kill_node("node3")
    slurm.declare_dead("node3")
    assert slurm.states()["node3"].startswith("down")
    slurm.ready()
    assert set(slurm.states().values()) == {"idle"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_the_tests_are_ended(cluster: Slurm, tmp_path: Path, number: signal.Signals) -> None:
    """A second cluster, with a job, held by a process that is ended; the first one is not touched."""
    folder = tmp_path / "second"
    command = [sys.executable, "-c", HELD, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n", holder.communicate()
        conf = str(folder / "slurm.conf")
        assert len(ending.belonging(conf)) > 1 + 1 + len(NODES)
        holder.send_signal(number)
        deadline = time.monotonic() + 20.0
        while left := ending.belonging(conf):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
        holder.communicate(timeout=20.0)
    assert cluster.states().keys() == set(NODES)


@pytest.mark.parametrize(("said", "outcome"), [("required", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_part_is_a_skip_and_in_ci_a_failure(
    monkeypatch: pytest.MonkeyPatch, said: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv(needs.REQUIRED, said)
    with pytest.raises(outcome, match="there is no Slurm"):
        needs.lacking("there is no Slurm")


def test_another_scheduler_s_variables_do_not_reach_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_CONF", "PMI_RANK", "OMPI_COMM_WORLD_SIZE", "MPI4PY_MPIABI"):
        monkeypatch.setenv(name, "7")
    slurm = Slurm(Path("/nowhere"))
    assert "7" not in {value for name, value in slurm.environment.items() if name.startswith(needs.FOREIGN)}
    assert slurm.environment["SLURM_CONF"] == "/nowhere/slurm.conf"


def test_a_cluster_that_does_not_start_says_why_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.cluster.slurm.PATIENCE", 1.0)
    monkeypatch.setattr("tests.cluster.slurm.CONFIGURATION", "ClusterName=broken\n")
    folder = tmp_path / "broken"
    with pytest.raises(AssertionError), running(folder):
        pytest.fail("it started")
    assert not ending.belonging(str(folder / "slurm.conf"))
