"""Where ranks shall run: options, allocation and machine files become launcher and layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import placing
from benchsuite.errors import DataError, UsageError
from benchsuite.model.fleet import Layout
from benchsuite.placing import Placing, layout, same_hosts, spread


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of an allocation of four nodes, with an srun on PATH."""
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    return {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "node[1-4]",
        "SLURM_JOB_CPUS_PER_NODE": "2(x3),4",
        "PATH": str(tmp_path),
    }


FOUR = ("node1", "node2", "node3", "node4")


def test_nothing_said_is_this_host() -> None:
    assert layout(Placing(), {}) == ("mpiexec", Layout())
    assert layout(Placing(per_node=3), {}) == ("mpiexec", Layout(per_node=3))
    assert layout(Placing("local"), {}) == ("local", Layout())


def test_an_allocation_is_known_without_being_told(slurm: dict[str, str]) -> None:
    assert layout(Placing(), slurm) == ("slurm", Layout(FOUR))
    assert layout(Placing(nodes=2, per_node=3), slurm) == ("slurm", Layout(FOUR[:2], 3))
    assert layout(Placing("mpiexec"), slurm) == ("mpiexec", Layout(FOUR))
    assert layout(Placing("slurm", hosts="node[2-3]"), slurm) == ("slurm", Layout(FOUR[1:3]))
    assert layout(Placing("local"), slurm) == ("local", Layout())


def test_tasks_per_node_of_the_job_count_for_srun(slurm: dict[str, str]) -> None:
    told = {**slurm, "SLURM_NTASKS_PER_NODE": "8"}
    assert layout(Placing(), told)[1].per_node == 8
    assert layout(Placing(per_node=2), told)[1].per_node == 2
    assert layout(Placing("mpiexec"), told)[1].per_node == 0
    one = {**told, "SLURM_JOB_NODELIST": "node1", "SLURM_NTASKS_PER_NODE": "1"}
    assert layout(Placing(), one)[1] == Layout(("node1",)), "one task is what a job gets by default"


def test_without_srun_mpiexec_starts_the_ranks_of_an_allocation(slurm: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "srun").unlink()
    assert layout(Placing(), slurm) == ("mpiexec", Layout(FOUR))


def test_a_list_and_a_file_of_hosts(tmp_path: Path) -> None:
    assert layout(Placing(hosts="a,b[1-2],a"), {})[1] == Layout(("a", "b1", "b2"))
    file = tmp_path / "hosts"
    file.write_text("a slots=4\nb slots=4\n")
    assert layout(Placing(hosts=str(file)), {}) == ("mpiexec", Layout(("a", "b"), 4, str(file)))
    file.write_text("a slots=4\nb slots=2\n")
    assert layout(Placing(hosts=str(file)), {})[1].per_node == 0
    assert layout(Placing(hosts=str(file), nodes=1), {})[1] == Layout(("a",), 4, str(file))


def test_told_hosts_go_before_those_of_a_scheduler(slurm: dict[str, str], tmp_path: Path) -> None:
    assert layout(Placing(hosts="x,y"), slurm) == ("mpiexec", Layout(("x", "y")))


@pytest.mark.parametrize("variable", placing.MACHINE_FILES)
def test_each_variable_with_a_machine_file(variable: str, tmp_path: Path) -> None:
    file = tmp_path / "machines"
    file.write_text("a\na\nb\nb\n")
    assert layout(Placing(), {variable: str(file)}) == ("mpiexec", Layout(("a", "b"), 2, str(file)))
    file.unlink()
    assert layout(Placing(), {variable: str(file)}) == ("mpiexec", Layout())


def test_the_operator_s_file_and_the_hosts_of_lsf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "hostfile"
    file.write_text("bench-launcher.bench.ns.svc slots=8\nbench-worker-0.bench.ns.svc slots=8\n")
    monkeypatch.setattr(placing, "OPERATOR_FILE", file)
    found = layout(Placing(), {"K_MPI_JOB_ROLE": "launcher"})[1]
    assert (found.nodes, found.per_node) == (2, 8)
    assert layout(Placing(), {})[1] == Layout()
    assert layout(Placing(), {"LSB_HOSTS": "a a b b"})[1] == Layout(("a", "b"), 2)


@pytest.mark.parametrize(
    ("asked", "environment", "said"),
    [
        (Placing("carrier-pigeon"), {}, "no launcher 'carrier-pigeon'"),
        (Placing("slurm"), {}, "no allocation of Slurm"),
        (Placing("slurm"), {"SLURM_JOB_NODELIST": "n1"}, "no allocation of Slurm"),
        (Placing("local", hosts="a"), {}, "this host only"),
        (Placing("local", nodes=2), {}, "this host only"),
        (Placing(nodes=2), {}, "2 nodes were asked for, but this host only"),
        (Placing(hosts="machines.txt"), {}, "no file machines.txt"),
        (Placing(hosts="a,b", nodes=3), {}, "3 nodes were asked for, but 2 hosts"),
        (Placing(), {"OMPI_COMM_WORLD_SIZE": "4"}, "itself started 4 times"),
        (Placing(), {"PMI_SIZE": "2"}, "itself started 2 times"),
        (Placing(), {"SLURM_STEP_NUM_TASKS": "16"}, "itself started 16 times"),
    ],
)
def test_what_cannot_be_is_a_sentence(asked: Placing, environment: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        layout(asked, environment)
    assert refused.value.remedy


def test_a_node_that_slurm_did_not_give(slurm: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"node9 is not a node of this allocation.*node1, node2"):
        layout(Placing("slurm", hosts="node1,node9"), slurm)


def test_an_empty_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nobody\n")
    with pytest.raises(UsageError, match="names no host"):
        layout(Placing(hosts=str(tmp_path / "empty")), {})
    with pytest.raises(DataError, match="cannot be read"):
        layout(Placing(hosts=str(tmp_path / "missing")), {})


def test_one_process_of_a_launcher_is_no_crowd(slurm: dict[str, str]) -> None:
    assert layout(Placing("local"), {"SLURM_STEP_NUM_TASKS": "16"}) == ("local", Layout()), "each on its node alone"
    assert layout(Placing(), {**slurm, "SLURM_STEP_NUM_TASKS": "1", "PMI_SIZE": "1"})[0] == "slurm"


def test_ranks_lie_evenly() -> None:
    two = Layout(("a", "b"))
    assert spread(Placing(), two, None, 0, 4) == (8, Layout(("a", "b"), 4))
    assert spread(Placing(), two, None, 0, 64) == (16, Layout(("a", "b"), placing.MOST_PER_HOST))
    assert spread(Placing(), two, 6, 0, 4) == (6, Layout(("a", "b"), 3))
    assert spread(Placing(), two, None, 2, 4) == (2, Layout(("a", "b"), 1))
    assert spread(Placing(), Layout(("a", "b"), 8), None, 0, 4) == (16, Layout(("a", "b"), 8))
    assert spread(Placing(), Layout(("a", "b"), 8), 4, 0, 4) == (4, Layout(("a", "b"), 2)), "slots are an offer"
    assert spread(Placing(), Layout(("a",)), None, 0, 1) == (2, Layout(("a",), 2)), "one alone is no collective"
    assert spread(Placing(), Layout(), None, 0, 4) == (None, Layout())
    assert spread(Placing(), Layout(), 3, 0, 4) == (3, Layout())
    assert spread(Placing(per_node=3), Layout(per_node=3), None, 0, 4) == (3, Layout(per_node=3))


@pytest.mark.parametrize(("asked", "told", "each"), [(5, Placing(), 0), (4, Placing(per_node=4), 4), (1, Placing(), 0)])
def test_uneven_ranks_are_refused(asked: int, told: Placing, each: int) -> None:
    with pytest.raises(UsageError, match="cannot lie evenly on 2 hosts"):
        spread(told, Layout(("a", "b"), each), asked, 0, 4)


@given(st.integers(1, 50), st.integers(0, 16), st.integers(0, 64), st.integers(1, 256))
@settings(max_examples=100, deadline=None)
def test_whatever_is_spread_is_even(nodes: int, each: int, wanted: int, cores: int) -> None:
    where = Layout(tuple(f"n{number}" for number in range(nodes)), each)
    ranks, made = spread(Placing(), where, None, wanted, cores)
    assert ranks == made.per_node * nodes
    assert made.hosts == where.hosts
    assert made.per_node == each or not each


def test_a_person_is_told_where_ranks_run() -> None:
    assert placing.sentence("slurm", Layout(FOUR, 2)).startswith(
        "Ranks run on 4 hosts (node1, node2, node3, node4), 2 on each, started by srun;"
    )
    many = placing.sentence("mpiexec", Layout(tuple(f"n{number}" for number in range(99))))
    assert "99 hosts (n0, n1, n2, n3, n4, n5, n6, n7 and 91 more), started by mpiexec" in many
    assert placing.sentence("mpiexec", Layout()) == ""


def test_cores_of_an_allocation(slurm: dict[str, str]) -> None:
    assert placing.cores("slurm", 64, slurm) == 2
    assert placing.cores("slurm", 1, slurm) == 1
    assert placing.cores("slurm", 64, {}) == 64
    assert placing.cores("mpiexec", 64, slurm) == 64


def test_going_on_needs_the_same_nodes(slurm: dict[str, str]) -> None:
    same_hosts("slurm", Layout(("node2", "node3")), "again", slurm)
    same_hosts("mpiexec", Layout(("elsewhere",)), "again", {})
    with pytest.raises(UsageError, match="begun on node3, node5, but this allocation has node1, node2") as refused:
        same_hosts("slurm", Layout(("node3", "node5")), "again", slurm)
    assert "node5" in refused.value.remedy
    assert "again" in refused.value.remedy
    with pytest.raises(UsageError, match="begun on elsewhere, but this allocation has node1"):
        same_hosts("mpiexec", Layout(("elsewhere",)), "again", slurm)
    same_hosts("mpiexec", Layout(), "again", slurm)
    with pytest.raises(UsageError, match="no allocation of Slurm here"):
        same_hosts("slurm", Layout(("node3",)), "again", {})
