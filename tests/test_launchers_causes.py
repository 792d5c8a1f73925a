"""Why ranks ended, from the words of each launcher as they were captured; and whose words count."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.attempt import _exit_reason
from benchsuite.launchers.causes import Weight, cause, lost, own_words

STEP = "slurmstepd-node1: error: *** STEP 5.0 ON node1 CANCELLED AT 2026-11-30T13:00:49"
KILLED = f"""srun: error: node3: task 2: Killed
srun: launch/slurm: _step_signal: Terminating StepId=5.0
{STEP} ***
srun: error: node1: task 0: Terminated
srun: error: node4: task 3: Terminated
srun: Force Terminated StepId=5.0
"""
ABORTED = f"""benchsuite says what went wrong.
Abort(4) on node 2 (rank 2 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 4) - process 2
{STEP} ***
srun: Job step aborted: Waiting up to 7 seconds for job step to finish.
srun: error: node2: task 1: Killed
srun: error: node3: task 2: Killed
"""
EXITED = KILLED.replace("task 2: Killed", "task 2: Exited with exit code 4")
TIME = f"""{STEP} DUE TO TIME LIMIT ***
srun: Job step aborted: Waiting up to 7 seconds for job step to finish.
srun: error: node2: task 1: Terminated
"""
NODE = f"""srun: error: Node failure on node3
{STEP} DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***
srun: error: node4: task 3: Terminated
"""
HYDRA = """
===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 4174 RUNNING AT beta
=   EXIT CODE: 9
=   CLEANING UP REMAINING PROCESSES
=   YOU CAN IGNORE THE BELOW CLEANUP MESSAGES
===================================================================================
[proxy:0@alpha] HYD_pmcd_pmip_control_cmd_cb (pmip_cb.c:490): assert (!closed) failed
[mpiexec@vm] main (mpiexec.c:270): process manager error waiting for completion
"""
INTEL = """
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   RANK 1 PID 1234 RUNNING AT beta
=   KILLED BY SIGNAL: 11 (Segmentation fault)
"""
GONE = """[mpiexec@vm] control_cb (pmiserv_cb.c:280): assert (!closed) failed
[mpiexec@vm] HYDT_dmxu_poll_wait_for_event (demux_poll.c:76): callback returned error status
"""
PRRTE = """--------------------------------------------------------------------------
prterun noticed that process rank 1 with PID 4939 on node beta exited on
signal 9 (Killed).
--------------------------------------------------------------------------
"""
PRRTE_ABORT = """A sentence of the rank.
--------------------------------------------------------------------------
MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD
  Proc: [[1521,1],1]
  Errorcode: 4

NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.
You may or may not see output from other processes, depending on
exactly when Open MPI kills them.
--------------------------------------------------------------------------
prterun has exited due to process rank 1 with PID 5103 on node beta calling
"abort". This may have caused other processes in the application to be
terminated by signals sent by prterun (as reported here).
--------------------------------------------------------------------------
"""
PRRTE_LOST = """PRTE has lost communication with a remote daemon.

  HNP daemon   : [prterun-vm-5112@0,0] on node vm
  Remote daemon: [prterun-vm-5112@0,1] on node alpha

This is usually due to either a failure of the TCP network
"""
PRRTE_SSH = """ssh: connect to host beta port 22: No route to host
A daemon failed to report back after being spawned. This could
  Local host:    vm
  Remote host:   beta
  Daemon exit status: 255
"""
PMIX = """srun: error:  mpi/pmix_v4: init: (null) [0]: mpi_pmix.c:195: pmi/pmix: can not load PMIx library
srun: error: Invalid MPI type 'pmix', --mpi=list for acceptable types
"""


@pytest.mark.parametrize(
    ("text", "sentence", "gone"),
    [
        (KILLED, "rank 2 on node3: killed", False),
        (KILLED.replace("Killed", "Segmentation fault", 1), "rank 2 on node3: segmentation fault", False),
        (KILLED.replace("task 2", "tasks 2-3"), "ranks 2-3 on node3: killed", False),
        ("\n".join(f"0: {line}" for line in KILLED.splitlines()), "rank 2 on node3: killed", False),
        (TIME, "Slurm ended the job: its time limit was reached", True),
        (
            TIME.replace("TIME LIMIT", "PREEMPTION"),
            "Slurm ended the job: another job took its nodes (preemption)",
            True,
        ),
        (NODE, "node3 failed: it no longer answers Slurm", True),
        ("srun: error: node2: task 1: Out Of Memory", "OOM_KILLED: rank 1 on node2 reached the memory limit", False),
        (HYDRA, "a rank on beta was ended by SIGKILL", False),
        (INTEL, "rank 1 on beta was ended by SIGSEGV", False),
        (GONE, "the connection to a host was lost", True),
        ("[mpiexec@vm] ui_cmd_cb (pmiserv_pmci.c:51): Launch proxy failed.", "a host could not be reached", False),
        (
            "[proxy:1@beta] main (pmip.c:100): unable to connect to server alpha at port 45431\nLaunch proxy failed.",
            "beta was reached, but cannot reach alpha in return",
            False,
        ),
        (PRRTE, "rank 1 on beta was ended by SIGKILL", False),
        (PRRTE.replace("prterun", "mpirun"), "rank 1 on beta was ended by SIGKILL", False),
        (PRRTE_LOST, "the connection to alpha was lost", True),
        (PRRTE_SSH, "beta could not be reached", False),
        ("There are not enough slots available in the system to satisfy", "there are fewer slots", False),
        (
            "srun: error: Unable to create step for job 2: More processors requested than permitted",
            "Slurm had no",
            False,
        ),
        (PMIX, "srun lists --mpi=pmix, but its plugin does not load here", False),
        (f"{STEP} ***\nsrun: error: node2: task 1: Killed", "the job or its step was cancelled", True),
    ],
)
def test_the_words_of_launchers(text: str, sentence: str, gone: bool) -> None:
    found = cause(text)
    assert found is not None
    assert found.sentence.startswith(sentence)
    assert lost(text) == gone


def test_what_is_known_to_nobody_is_no_cause() -> None:
    assert cause("") is None
    assert cause("Traceback (most recent call last):\nValueError: task 2: Killed") is None
    assert not lost("")


def reason(tmp_path: Path, text: str, code: int = 1) -> str:
    (tmp_path / "stderr.log").write_text(text)
    return _exit_reason(code, finished=False, folder=tmp_path, starved=False)


def test_the_rank_s_own_words_go_before_what_followed_from_them(tmp_path: Path) -> None:
    assert reason(tmp_path, ABORTED, 4) == "the process ended with exit code 4: benchsuite says what went wrong."
    assert reason(tmp_path, f"It cannot be.\n{EXITED}") == "rank 2 on node3 ended with exit code 4: It cannot be."
    assert reason(tmp_path, EXITED) == "rank 2 on node3 ended with exit code 4"
    assert reason(tmp_path, PRRTE_ABORT, 4) == "rank 1 on beta ended all others: A sentence of the rank."
    assert reason(tmp_path, f"Some words.\n{KILLED}") == "rank 2 on node3: killed"
    assert reason(tmp_path, "") == "the process ended with exit code 1"
    unknown = "srun: error: something that nobody knows"
    assert reason(tmp_path, unknown) == f"the process ended with exit code 1: {unknown}"
    assert reason(tmp_path, HYDRA, 0) == "a rank on beta was ended by SIGKILL"


def test_an_abort_of_one_rank_is_no_lost_place() -> None:
    found = cause(ABORTED)
    assert found is not None
    assert (found.lost, found.weight) == (False, Weight.SILENT)


@pytest.mark.parametrize("text", [KILLED, TIME, NODE, HYDRA, INTEL, GONE, PRRTE, PMIX])
def test_launchers_words_are_not_taken_for_a_rank_s(text: str) -> None:
    assert own_words([line.strip() for line in text.splitlines() if line.strip()]) == []


def test_of_an_abort_only_the_rank_s_words_are_left() -> None:
    for text, own in ((ABORTED, "benchsuite says what went wrong."), (PRRTE_ABORT, "A sentence of the rank.")):
        assert own_words([line.strip() for line in text.splitlines() if line.strip()]) == [own]


@given(st.text(max_size=400))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read(text: str) -> None:
    cause(text)
    own_words(text.splitlines())


def test_a_host_s_name_cannot_steer_a_terminal(tmp_path: Path) -> None:
    assert reason(tmp_path, "srun: error: Node failure on \x1b[31mnode3").isprintable()
