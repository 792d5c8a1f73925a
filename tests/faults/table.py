"""The fault matrix: what can go wrong around a measurement, what must come of it, and how it is brought about here.

Every row has a test marked ``@pytest.mark.fault(number)``; ``conftest.py`` counts which of them ran and passed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, what is expected, and how a test makes it happen."""

    fault: str
    expected: str
    injection: str


ROWS: dict[int, Row] = {
    1: Row(
        "A CUDA error that stays until the process ends",
        "the task fails with the error's code; the next task runs in a new process",
        "the first launch fails, and every call of that process after it",
    ),
    2: Row(
        "A worker crashes",
        "failed, with the signal's name; the others are measured; the journal is whole",
        "SIGSEGV and abort() inside the kernel",
    ),
    3: Row("A rank is killed", "failed within seconds, the other ranks are ended", "SIGKILL of rank 1 in a collective"),
    4: Row("A rank is frozen", "ended at the deadline; the reason names the rank", "SIGSTOP of rank 1"),
    5: Row("A rank is slow", "measured; STRAGGLER names the rank", "rank 1 sleeps before each collective"),
    6: Row("A rank leaves early", "failed, although its exit code is 0", "os._exit(0) before a barrier"),
    7: Row(
        "Ranks disagree about a collective",
        "ended at the deadline; the reason says where each rank was",
        "another size or order on rank 1",
    ),
    8: Row("A collective computes wrongly", "rejected, with place and rank", "one bit flipped on one rank"),
    9: Row(
        "No launcher, or one of another MPI",
        "skipped with a remedy; a world of another size than asked is a failure",
        "a PATH without mpiexec; mpiexec that starts single processes",
    ),
    10: Row("The controller dies", "no rank is left after 10 s", "SIGKILL of the controller"),
    11: Row("The host runs out of memory", "failed with OOM_KILLED", "a memory control group"),
    12: Row(
        "An allocation fails",
        "failed or skipped for want of memory, never a smaller case in its place; the others are measured",
        "RLIMIT_AS; CUDA error 2 from the runtime",
    ),
    13: Row(
        "The disk is full",
        "ends with a sentence and not with 0; no file is torn; what was measured can be resumed",
        "a small tmpfs in a mount namespace",
    ),
    14: Row("A file-size limit", "as for a full disk", "RLIMIT_FSIZE with SIGXFSZ ignored: a short write, then EFBIG"),
    15: Row("The output folder is read-only", "refused before anything is measured", "a read-only bind mount"),
    16: Row(
        "fsync or rename fails",
        "ends with a sentence and not with 0; the earlier file stays whole",
        "os.fsync and os.replace raise at the n-th call in the controller",
    ),
    17: Row(
        "Ctrl-C, once and twice", "the task is finished, exit 130; the second ends it now", "SIGINT to the controller"
    ),
    18: Row("SIGTERM, the notice before preemption", "ends in 5 s with 143, can be resumed", "SIGTERM in every phase"),
    19: Row(
        "The controller is killed at any moment",
        "resumed: nothing lost, nothing measured twice",
        "every state of the files a kill can leave behind; real SIGKILLs at random moments",
    ),
    20: Row(
        "A torn last line", "left out with a warning; the run goes on", "the file cut at every byte of its last line"
    ),
    21: Row("A damaged or edited result", "named, left out, not ranked", "one byte changed"),
    22: Row("Resumed with other code, plan, host or device", "refused with a sentence", "each of them changed"),
    23: Row("The wall clock is stepped", "durations stay true", "the wall clock of controller and worker jumps"),
    24: Row("Clocks of ranks differ", "found within its bound, else a barrier decides", "an offset on rank 1"),
    25: Row(
        "A coarse clock, a standing one, one that runs backwards",
        "larger batches; a standing or backward clock fails; never a zero, negative or infinite result",
        "timers of the scripted backend",
    ),
    26: Row("Two runs on one device", "the second refuses, or waits; a dead holder does not count", "two processes"),
    27: Row("Another process on the GPU", "CONTENDED, not reportable; it is left alone", "a scripted NVML"),
    28: Row("A noisy neighbour on the processor", "HOST_STEAL, CGROUP_THROTTLED or CONTENDED", "burners; a CPU quota"),
    29: Row("No NVML", "measured; TELEMETRY_MISSING, not reportable", "no library"),
    30: Row("Driver and NVML do not match", "the GPU is skipped, the processor measured", "NVML code 18"),
    31: Row("The GPU is lost while measuring", "a hard failure of the gate", "NVML code 15 after two calls"),
    32: Row(
        "An NVML call hangs", "the sensor process is ended, the run goes on, annotated", "a call that never returns"
    ),
    33: Row("A sensor is not supported or not allowed", "no value and the reason, not 0", "NVML codes 3 and 4"),
    34: Row("The GPU throttles", "annotated; every sample is kept", "a recorded trace"),
    35: Row("Persistence mode is off", "the first call's delay is in the warm-up only", "a slow first call"),
    36: Row("A narrow PCIe link", "judged under load only: LINK_NARROW", "traces of link width and generation"),
    37: Row(
        "The GPU is not what its name says", "contradicted: a hard failure of the gate", "a wrong name; a MIG slice"
    ),
    38: Row(
        "New memory errors or XIDs", "a hard failure of the gate; unknown where it cannot be read", "a count that grows"
    ),
    39: Row(
        "NaN, infinity, one wrong bit in the result",
        "rejected, with the place; no number",
        "each planted before and after timing; every bit of an element",
    ),
    40: Row("Ranks never find each other", "ended at the setup deadline, with a hint", "a rank that never joins"),
    41: Row("A slow or lossy network", "measured, no hang", "a token bucket in a network namespace"),
    42: Row(
        "A container without rights",
        "measured with what is left; what is missing is said",
        "another user without rights, a small /dev/shm, no home",
    ),
    43: Row(
        "Fewer cores than the machine has", "as many threads as cores allowed", "taskset -c 0; a cpuset control group"
    ),
    44: Row(
        "A worker floods or forges its output", "bounded; forged lines do not count", "1 GB of output; forged JSON"
    ),
    45: Row("A fork bomb", "contained by the limit on processes; failed; none is left", "a pids control group"),
    46: Row("Compiling takes longer than the deadline", "it has its own", "a slow first call; a slow setup"),
    47: Row("A hostile or huge file", "refused in bounded time and memory", "a corpus of broken files"),
    48: Row("Nothing to report", "a page that says so; no ranking", "empty, single, all failed, mixed versions"),
    49: Row(
        "A rank hangs on another node",
        "ended at the deadline; the reason names rank and node; the others are measured",
        "SIGSTOP of a rank under Slurm",
    ),
    50: Row(
        "A node dies",
        "its task fails in time and names the node; the rest is not failed but left, and resumed when it is back",
        "SIGKILL of slurmd, its step daemon and its rank",
    ),
    51: Row("A node's daemon dies and its ranks go on", "measured to the end", "SIGKILL of slurmd"),
    52: Row(
        "The job is cancelled",
        "ended at once; what was measured is kept, nothing counts as failed; resumed in another allocation",
        "scancel",
    ),
    53: Row(
        "The job is preempted and requeued",
        "it goes on where it was, without a result lost or measured twice",
        "a job of a higher partition that needs its nodes",
    ),
    54: Row(
        "The allocation is smaller than asked",
        "refused before anything is measured",
        "--nodes 4 in an allocation of two",
    ),
    55: Row(
        "Nothing is wrong in a fleet", "a scan says so, and names nobody", "four hosts in namespaces, links by tbf"
    ),
    56: Row("A rank of a fleet gets a fifth of a core", "a scan names it", "a cpu control group's quota"),
    57: Row("A rank of a fleet stands still for three seconds", "a scan names it", "SIGSTOP, then SIGCONT"),
    58: Row(
        "A link of a fleet carries a tenth",
        "a scan names the path, or the host whose sending side it is, and no other host",
        "tbf between two namespaces, or on one host's side",
    ),
    59: Row("A sender's buffer has a flipped bit", "a scan names the sender", "one bit of each seventh large message"),
    60: Row(
        "A GPU dies while it is burnt in",
        "counted and named, and not started again; the others are burnt in to the end; not clean",
        "the device is lost in the middle of a turn",
    ),
    61: Row(
        "A device hangs while it is burnt in",
        "its process is ended at the deadline, counted and named; the others go on; none is left",
        "a call that never returns",
    ),
    62: Row(
        "A result under heat is NaN, or has one flipped bit",
        "counted with its place; exit 1",
        "one call of thousands",
    ),
    63: Row(
        "A GPU becomes too hot while it is burnt in",
        "throttling and temperature are told; a new memory error is a fault",
        "a trace of NVML",
    ),
    64: Row(
        "The controller of a burn-in is killed",
        "no process is left; what was seen can be read, and says that it ended early",
        "SIGKILL",
    ),
    65: Row(
        "A host that is tested for acceptance has less of its processor than was agreed",
        "rejected, or not valid because of the quota; never accepted",
        "a cpu control group's quota",
    ),
    66: Row(
        "Something else uses the memory of a host that is tested",
        "not valid, or rejected, with what disturbed it; never accepted",
        "a process that copies without pause",
    ),
    67: Row(
        "A library of a host that is tested flips a bit",
        "rejected for a wrong result, for good",
        "one bit of the product of each later call of BLAS, through LD_PRELOAD",
    ),
    68: Row(
        "An acceptance is ended by its machine's owner",
        "what was measured is kept, no process is left; gone on with, nothing is measured twice",
        "SIGTERM in the middle of a stage",
    ),
}
