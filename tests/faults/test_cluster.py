"""Rows about a cluster: a rank hung on another node, a node gone, a job cancelled, preempted, or given too little."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchsuite import beat, store
from benchsuite.errors import Exit
from benchsuite.journal import read
from benchsuite.model import Status
from tests.cluster.campaigns import BENCHSUITE, run_of
from tests.cluster.slurm import Slurm
from tests.faults import injection, ranks
from tests.faults.injection import Ended, Running, assert_contained, assert_once_each, assert_others_measured
from tests.mpirun import MISSING

pytestmark = [pytest.mark.mpi, pytest.mark.skipif(bool(MISSING), reason=MISSING or "MPI is here")]
ON_ALL = ("--launcher", "slurm", "--nodes", "4", "--per-node", "1")
MOMENT = "measure: summed n=64 ranks=4 [faulty]"
HELD = """
def faulty(world, buffers, case, ops):
    good(world, buffers, case, ops)
    while measuring(world) and not os.path.exists(os.path.join(os.environ["FAULT_FOLDER"], "go")):
        time.sleep(0.02)
"""
"""A task that waits for the test to hurt the cluster and to say ``go``."""
POLICY: dict[str, object] = {"runs": 2, "deadline": 30.0, "setup_deadline": 40.0}


def salloc(nodes: int = 4) -> tuple[str, ...]:
    """The words that run a command in an allocation, once there is one."""
    return ("salloc", "--quiet", f"--nodes={nodes}", "--ntasks-per-node=1", "--immediate=30")


def begin(slurm: Slurm, folder: Path, fault: str, **policy: object) -> Running:
    """Start a campaign on all four nodes, in an allocation."""
    where = {"wrapper": salloc(), "environment": slurm.environment}
    return ranks.begin(folder, fault, policy={**POLICY, **policy}, options=ON_ALL, **where)  # type: ignore[arg-type]


@contextmanager
def held(slurm: Slurm, folder: Path, **policy: object) -> Iterator[Running]:
    """Such a campaign, once one task is measured and the next one is held."""
    with begin(slurm, folder, HELD, **policy) as running:
        running.until(lambda: running.lines() == 1 and running.doing(MOMENT), within=60.0)
        yield running


def go(folder: Path) -> None:
    """Let the held task end."""
    (folder / "first" / "go").touch()


def _measured(out: Path) -> int:
    """Records of the run below ``out`` so far."""
    return sum(file.read_bytes().count(b"\n") for file in out.glob(f"*/*/{store.RECORDS}"))


def _doing(out: Path, words: str) -> bool:
    """Whether a rank of that run says that it does this."""
    return any(words in sign.doing for folder in out.glob("*/*/attempts/[0-9]*") for sign in beat.signs(folder))


def _completed(slurm: Slurm, job: str) -> bool:
    """Whether a requeued job is done; until then it may begin at once, which Slurm delays by two minutes."""
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    return slurm.job(job).get("JobState") == "COMPLETED"


def assert_displaced(ended: Ended, why: str) -> None:
    """It ended with a sentence that says why its nodes are no use any more, and what to do then."""
    assert ended.exit_code == Exit.FAILED, ended.stderr
    said = ended.stderr.strip().splitlines()[-1]
    assert said.startswith(f"benchsuite: The run lost its place: {why}"), ended.stderr
    assert "'benchsuite resume' goes on" in said


def resume(slurm: Slurm, folder: Path) -> Ended:
    """Go on with it in another allocation."""
    return injection.resume(folder, timeout=90.0, wrapper=salloc(), environment=slurm.environment)


@pytest.mark.fault(49)
def test_a_rank_that_hangs_on_another_node_is_named_with_it(slurm: Slurm, tmp_path: Path) -> None:
    fault = """
def faulty(world, buffers, case, ops):
    if world.rank == 2 and measuring(world):
        os.kill(os.getpid(), signal.SIGSTOP)
    good(world, buffers, case, ops)
"""
    with begin(slurm, tmp_path, fault, runs=1, deadline=3.0) as running:
        ended = running.wait(90.0)
    assert_contained(ended, within=60.0)
    assert ended.exit_code == Exit.FAILED, ended.stderr
    assert_others_measured(ended)
    (record,) = ended.of("faulty")
    assert record.status is Status.FAILED
    assert "nothing was heard for 3 s" in record.reason
    assert re.search(r"rank 2 on node3 is stopped \(measure: summed .*\[faulty\]\); rank 0 on node1 is ", record.reason)
    slurm.until(lambda: not slurm.jobs_left(), "the end of the job")


@pytest.mark.fault(50)
def test_a_node_that_dies_is_named_and_the_rest_is_measured_when_it_is_back(slurm: Slurm, tmp_path: Path) -> None:
    """The task of that moment has failed. What then cannot be started has not: it is left for ``resume``."""
    with held(slurm, tmp_path, deadline=4.0) as running:
        slurm.kill_node("node3")
        ended = running.wait(90.0)
    assert_contained(ended, within=60.0)
    assert ended.exit_code == Exit.FAILED, ended.stderr
    assert_others_measured(ended)
    record = ended.of("faulty")[0]
    assert re.search(r"rank 2 on node3 (is gone|has ended) \(measure: summed", record.reason), record.reason
    assert_displaced(ended, "node3 could not start its ranks")
    slurm.ready()
    go(tmp_path)
    resumed = resume(slurm, tmp_path)
    assert_contained(resumed, within=60.0)
    assert_once_each(resumed.folder)
    assert_others_measured(resumed)
    assert len(resumed.of("good")) == 2


@pytest.mark.fault(51)
def test_ranks_of_a_dead_daemon_are_measured_to_their_end(slurm: Slurm, tmp_path: Path) -> None:
    """Then MPI hangs in its own end, which costs the time of a farewell and no result."""
    with held(slurm, tmp_path, runs=1) as running:
        slurm.kill_daemon("node3")
        go(tmp_path)
        ended = running.wait(90.0)
    assert ended.exit_code == Exit.DONE, ended.stderr
    assert_contained(ended, within=60.0)
    assert_once_each(ended.folder)
    assert {record.status for record in ended.records} == {Status.OK}


@pytest.mark.fault(52)
def test_a_cancelled_job_keeps_what_it_measured(slurm: Slurm, tmp_path: Path) -> None:
    with held(slurm, tmp_path) as running:
        slurm("scancel", *slurm.jobs_left())
        ended = running.wait(90.0)
    assert_contained(ended, within=60.0)
    assert_displaced(ended, "the job")
    assert {record.status for record in ended.records} == {Status.OK}
    go(tmp_path)
    resumed = resume(slurm, tmp_path)
    assert resumed.exit_code == Exit.DONE, resumed.stderr
    assert_once_each(resumed.folder)


@pytest.mark.fault(53)
def test_a_preempted_and_requeued_job_goes_on_where_it_was(slurm: Slurm, tmp_path: Path) -> None:
    suite = ranks.write(tmp_path, HELD, policy=POLICY)
    out = tmp_path / "runs"
    options = ("--nodes", "4", "--per-node", "1", "--out", str(out), "--json")
    command = (
        *BENCHSUITE,
        "launch",
        "slurm",
        str(suite),
        *options,
        "--",
        "--backend",
        "fake",
        "--no-report",
        "--seed",
        "1",
    )
    job = json.loads(slurm(*command, **injection.faulted(tmp_path)).stdout)["job"]
    slurm.until(lambda: _measured(out) == 1 and _doing(out, MOMENT), "the held task")
    slurm("sbatch", "--partition=urgent", "--nodes=4", "--exclusive", "--output=/dev/null", "--wrap", "true")
    slurm.until(lambda: slurm.job(job).get("Restarts") == "1", "the requeue")
    go(tmp_path)
    slurm.until(lambda: _completed(slurm, job), "the end of the requeued job")
    run = run_of(out)
    assert_once_each(run)
    assert {record.status for record in store.load(run).records} == {Status.OK}
    events = [event.event for event in read(run / store.JOURNAL)[0]]
    assert events[: events.index("resume")].count("record") == 1, "what was measured before was not kept"
    assert events.count("resume") == 1


@pytest.mark.fault(54)
def test_an_allocation_smaller_than_asked_is_refused(slurm: Slurm, tmp_path: Path) -> None:
    environment = slurm.environment
    with ranks.begin(tmp_path, wrapper=salloc(2), environment=environment, options=ON_ALL) as running:
        ended = running.wait(90.0)
    assert ended.exit_code == Exit.USAGE
    assert ended.run is None
    assert "4 nodes were asked for, but 2 hosts are known" in ended.stderr
