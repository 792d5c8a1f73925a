"""A rank's node, and whether the ranks lie where they were asked to; what a lone world under srun is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import world
from benchsuite.errors import MeasureError
from benchsuite.model import World
from benchsuite.world.place import HYDRA, host_name, local, misplaced
from benchsuite.world.solo import SoloWorld

FOUR = ("a", "a", "b", "b")


def test_ranks_where_they_were_asked_to() -> None:
    assert misplaced(FOUR, 2) == ""
    assert misplaced(("a",), 1) == ""


@pytest.mark.parametrize(
    ("hosts", "nodes", "said"),
    [
        (FOUR, 4, "4 hosts were asked for, but the 4 ranks run on 2 (a, b)"),
        (FOUR, 1, "1 hosts were asked for, but the 4 ranks run on 2 (a, b)"),
        (("a", "a", "a", "b"), 2, "every host was to get as many ranks, but a has 3 and b has 1"),
        (tuple("abcdef"), 2, "2 hosts were asked for, but the 6 ranks run on 6 (a, b, c, d, …)"),
    ],
)
def test_ranks_elsewhere(hosts: tuple[str, ...], nodes: int, said: str) -> None:
    assert misplaced(hosts, nodes) == said


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_even_and_as_many_is_right_and_nothing_else(hosts: list[str], nodes: int) -> None:
    counts = {hosts.count(host) for host in hosts}
    assert (misplaced(hosts, nodes) == "") == (len(set(hosts)) == nodes and len(counts) == 1)


def test_slurm_s_name_of_the_node_but_not_under_hydra() -> None:
    """MPICH's mpiexec hands the variables of its own host to the ranks on all others."""
    assert host_name({"SLURMD_NODENAME": "node3"}) == "node3"
    assert host_name({"SLURMD_NODENAME": "node3", HYDRA: "1"}) == host_name({})


def test_local_numbers() -> None:
    assert [local(rank, FOUR) for rank in range(4)] == [(0, 2), (1, 2), (0, 2), (1, 2)]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that sees a world of one, started by nobody."""
    for name in (*world.LAUNCHERS, HYDRA, "SLURM_MPI_TYPE"):
        monkeypatch.delenv(name, raising=False)

    def opened(name: str) -> World:
        return SoloWorld()

    monkeypatch.setattr(world, "_open", opened)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("plugin", ["pmix", "pmi2", ""])
def test_a_world_of_one_under_srun_names_both(monkeypatch: pytest.MonkeyPatch, plugin: str) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    monkeypatch.setenv("SLURM_MPI_TYPE", plugin)
    with pytest.raises(MeasureError, match=f"srun --mpi={plugin or 'none'} started 4 ranks.*world of 1") as refused:
        world.open_world("mpi", 4)
    assert "pmi2" in refused.value.remedy
    assert "pmix" in refused.value.remedy


@pytest.mark.usefixtures("alone")
def test_under_hydra_within_a_step_the_launcher_is_hydra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    monkeypatch.setenv(HYDRA, "4")
    with pytest.raises(MeasureError, match="MPICH's or Intel MPI's mpiexec started 4 ranks"):
        world.open_world("mpi", 4)


@pytest.mark.usefixtures("alone")
def test_placement_is_checked_only_when_hosts_were_asked_for() -> None:
    assert world.open_world("solo", 1).size == 1
    assert world.open_world("solo", 1, 1).size == 1
    with pytest.raises(MeasureError, match="2 hosts were asked for") as refused:
        world.open_world("solo", 1, 2)
    assert "--hosts" in refused.value.remedy
