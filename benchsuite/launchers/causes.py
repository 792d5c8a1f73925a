"""Why ranks ended, read from what their launcher said: Slurm's srun, MPICH's and Intel MPI's HYDRA, Open MPI's PRRTE.

The words are those of Slurm 22.05, MPICH 5.0 and Open MPI 5.0; Intel MPI and Open MPI 4 add a rank and other names.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

REASONS = {
    "TIME LIMIT": "its time limit was reached",
    "PREEMPTION": "another job took its nodes (preemption)",
    "NODE FAILURE": "a node failed",
    "JOB REQUEUE": "it was put back into the queue",
}
"""Why Slurm cancels a step, and in words."""
CANCELLED = re.compile(r"\*\*\* (?:STEP|JOB) \S+ ON \S+ CANCELLED AT")
FRAME = re.compile(r"=+|-{20,}|=\s.*")
NOISE = re.compile(
    r"(?:\d+: )?(?:srun: |slurmstepd|\[(?:mpiexec|proxy)[:@]|prterun |mpirun |prte? has |Abort\(\d+\) on node"
    r"|The first process to do so was|thus causing the job|Process name: \[|Exit code: +\d|NOTE: invoking MPI_ABORT"
    r"|You may or may not see output|exactly when Open MPI kills|MPI_ABORT was invoked|Proc: \[\[|Errorcode: "
    r'|signal \d+ \(|"abort"\. This may|terminated by signals sent by|with errorcode )'
)
"""How the lines begin that a launcher adds to the words of a rank that failed."""


class Weight(Enum):
    """What a cause is worth beside the rank's own last words."""

    WHOLE = "it tells all there is to tell"
    BESIDE = "it tells which rank, and the rank's own words tell why"
    SILENT = "it is told when no rank said anything"


@dataclass(frozen=True, slots=True)
class Cause:
    """What a launcher said, without a full stop, and what that is worth.

    lost: the ranks' place was taken away (a node failed, the job was ended), which is no fault of what they did.
    """

    sentence: str
    weight: Weight
    lost: bool = False


@dataclass(frozen=True, slots=True)
class _Sign:
    """A form of words and what it means. first: it means so only when nothing was cancelled before; lost: ``Cause``."""

    pattern: re.Pattern[str]
    told: Callable[[re.Match[str]], str]
    weight: Weight = Weight.WHOLE
    first: bool = False
    lost: bool = False


def _of(ranks: str, host: str) -> str:
    """``rank 2 on node3``; srun may name several: ``0-1``."""
    several = any(sign in ranks for sign in ",-")
    return f"{'ranks' if several else 'rank' if ranks else 'a rank'} {ranks}".rstrip() + f" on {host}"


def _by_number(text: str) -> str:
    """A signal's number, or the status that holds it, as its name."""
    try:
        return signal.Signals(int(text) & 127).name
    except ValueError:
        return f"signal {text}"


SIGNS = (
    _Sign(
        re.compile(r"Node failure on (\S+)"),
        lambda said: f"{said[1]} failed: it no longer answers Slurm",
        lost=True,
    ),
    _Sign(
        re.compile(r"Task launch for \S+ failed on node (\S+): (.+?)(?= srun: | slurmstepd|$)"),
        lambda said: f"{said[1]} could not start its ranks ({said[2].lower()})",
        lost=True,
    ),
    _Sign(
        re.compile(r"Slurm job \d+ has expired|Expired or invalid job|Invalid job id specified"),
        lambda said: "the job has ended: it was cancelled, or its time was over",
        lost=True,
    ),
    _Sign(
        re.compile(r"\*\*\* (?:STEP|JOB) \S+ ON (\S+) CANCELLED AT \S+ DUE TO ([A-Z ]+)"),
        lambda said: (
            "Slurm ended the job: "
            + next((words for sign, words in REASONS.items() if said[2].startswith(sign)), said[2].strip().lower())
        ),
        lost=True,
    ),
    _Sign(
        re.compile(r"srun: error: (\S+): tasks? ([\d,-]+): Out Of Memory"),
        lambda said: f"OOM_KILLED: {_of(said[2], said[1])} reached the memory limit, and Slurm ended it",
    ),
    _Sign(
        re.compile(
            r"srun: error: (\S+): tasks? ([\d,-]+): (Killed|Segmentation fault|Bus error|Aborted|Illegal instru\w+)"
        ),
        lambda said: f"{_of(said[2], said[1])}: {said[3].lower()}",
        first=True,
    ),
    _Sign(
        re.compile(r"(?:RANK (\d+) )?PID \d+ RUNNING AT (\S+) =\s+(?:KILLED BY SIGNAL|EXIT CODE): (\d+)"),
        lambda said: f"{_of(said[1] or '', said[2])} was ended by {_by_number(said[3])}",
    ),
    _Sign(
        re.compile(r"noticed that process rank (\d+) with PID \d+ on node (\S+) exited on signal (\d+)"),
        lambda said: f"{_of(said[1], said[2])} was ended by {_by_number(said[3])}",
    ),
    _Sign(
        re.compile(r"lost communication with a remote daemon.*?Remote daemon: .*? on node (\S+)"),
        lambda said: f"the connection to {said[1]} was lost: the host failed, or its MPI daemon was ended",
        lost=True,
    ),
    _Sign(
        re.compile(r"daemon failed to report back.*?Remote host: +(\S+)"),
        lambda said: (
            f"{said[1]} could not be reached: ssh to it must need no password, and MPI must be installed there"
        ),
    ),
    _Sign(
        re.compile(r"\[proxy:\d+@(\S+)\].*?unable to connect to server (\S+) at port"),
        lambda said: (
            f"{said[1]} was reached, but cannot reach {said[2]} in return: it must know that name, and no firewall may "
            "stand between them"
        ),
    ),
    _Sign(
        re.compile(r"Launch proxy failed"),
        lambda said: "a host could not be reached: ssh to each must need no password, and MPI must be installed there",
    ),
    _Sign(
        re.compile(r"\[mpiexec@\S+\] control_cb .*?assert \(!closed\) failed"),
        lambda said: "the connection to a host was lost: it failed, or its MPI daemon was ended",
        lost=True,
    ),
    _Sign(
        re.compile(r"not enough slots available"),
        lambda said: (
            "there are fewer slots on the hosts than ranks: give --per-node, or more slots in the machine file"
        ),
    ),
    _Sign(
        re.compile(r"can not load PMIx library|Invalid MPI type '(\w+)'"),
        lambda said: (
            f"srun lists --mpi={said[1] or 'pmix'}, but its plugin does not load here (PMIx is not installed): "
            "use --launcher mpiexec"
        ),
    ),
    _Sign(
        re.compile(r"Requested nodes are busy|More processors requested than permitted|Job step creation temporarily"),
        lambda said: (
            "Slurm had no room for the ranks in this allocation: give fewer with --per-node, or end other steps"
        ),
    ),
    _Sign(
        re.compile(r"srun: error: (\S+): tasks? ([\d,-]+): Exited with exit code (\d+)"),
        lambda said: f"{_of(said[2], said[1])} ended with exit code {said[3]}",
        Weight.BESIDE,
        first=True,
    ),
    _Sign(
        re.compile(r"process rank (\d+) with PID \d+ on node (\S+) calling"),
        lambda said: f"{_of(said[1], said[2])} ended all others",
        Weight.BESIDE,
    ),
    _Sign(
        re.compile(r"(?:Abort\(\d+\) on node \d+ \(rank|MPI_ABORT was invoked on rank) (\d+)"),
        lambda said: f"rank {said[1]} ended all others",
        Weight.SILENT,
    ),
    _Sign(
        CANCELLED,
        lambda said: "the job or its step was cancelled",
        Weight.SILENT,
        lost=True,
    ),
)
"""What is looked for, the gravest first: what follows from a cause is said too, and often before it."""


def cause(text: str) -> Cause | None:
    """Why the ranks ended, by a launcher's words on standard error; ``None`` where it said nothing that is known."""
    flat = " ".join(re.sub(r"^\d+: ", "", line.strip()) for line in text.splitlines())
    flat = re.sub(r"\s+", " ", flat)
    cancelled = CANCELLED.search(flat)
    for sign in SIGNS:
        found = sign.pattern.search(flat)
        if found and not (sign.first and cancelled and cancelled.start() < found.start()):
            return Cause(sign.told(found), sign.weight, sign.lost)
    return None


def lost(text: str) -> bool:
    """Whether the ranks ended because their place was taken away."""
    found = cause(text)
    return found is not None and found.lost


def own_words(lines: list[str]) -> list[str]:
    """The lines that no launcher added."""
    return [line for line in lines if not FRAME.fullmatch(line) and not NOISE.match(line)]
