"""What the controller and a worker tell each other: a job down, messages up, each one JSON line.

The results travel through a file only these two know (in the attempt's folder), never through
standard output, which belongs to libraries and may say anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import msgspec

from benchsuite.errors import DataError
from benchsuite.model import Failed, Outcome, Policy, Rejected, Round, Samples, Scan, Skipped, Task

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Assigned:
    """A task with its place in the plan and its measured time in seconds."""

    index: int
    task: Task
    seconds: float


@dataclass(frozen=True, slots=True)
class ScanJob:
    """What the ranks of a scan are to do: these rounds in this order (``localise``).

    nbytes: of a transfer; warm, repeats: transfers before and within the timed ones of a direction, fewer when these
    take longer than ``seconds``. kernels: local kernels that every rank runs in a round, by name; groups: the ranks
    left out of each collective of all units.
    """

    rounds: tuple[Round, ...]
    nbytes: int
    warm: int = 5
    repeats: int = 20
    seconds: float = 0.4
    kernels: tuple[str, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of work that heats a device: the tasks that do it, the one that heats most first."""

    name: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class BurnJob:
    """What one device is to bear: these loads by turns, for ``seconds`` under load.

    turn: seconds of a turn; part: of its parts (slices), after each of which it is told what was found.
    """

    loads: tuple[Load, ...]
    seconds: float
    turn: float
    part: float


@dataclass(frozen=True, slots=True)
class Ready:
    """A load that was prepared, or why it could not be.

    task: its key; provider: who computes, with the version; metric: what its speed means. bytes: memory that it writes.
    checks, wrong: results compared meanwhile, and their elements that were wrong; where: the first of them.
    """

    load: str
    task: str = ""
    provider: str = ""
    metric: str = ""
    bytes: int = 0
    checks: int = 0
    wrong: int = 0
    where: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn under one load, so far or (``done``) to its end.

    number: among all turns of this process. began: the backend's timer at its first slice. seconds: per iteration of
    each slice, which has ``iterations``; starts: of each, after ``began``. speed: the median, in the load's metric.
    checks: results compared, each in all its elements; wrong: elements that were wrong; where: the first of them.
    """

    load: str
    number: int
    began: float
    iterations: int
    seconds: tuple[float, ...]
    starts: tuple[float, ...]
    speed: float
    checks: int
    wrong: int = 0
    where: str = ""
    done: bool = False

    @property
    def spent(self) -> float:
        """Seconds under load."""
        return math.fsum(self.seconds) * self.iterations


@dataclass(frozen=True, slots=True)
class Job:
    """What one attempt is to do: one process group, ``ranks`` ranks, these tasks in this order.

    controller, host: the process that reads the results, and where it runs; no rank outlives it there. scan: rounds
    of a scan, which has no tasks. burn: loads of a burn-in, which has none either. nodes: on how many hosts the ranks
    lie evenly; 0: wherever they run.
    """

    attempt: int
    run: int
    backend: str
    world: str
    ranks: int
    threads: int
    seed: int
    policy: Policy
    tasks: tuple[Assigned, ...]
    results: str
    nonce: str
    controller: int = 0
    host: str = ""
    scan: ScanJob | None = None
    nodes: int = 0
    burn: BurnJob | None = None


class Kind(StrEnum):
    """What a message says."""

    HELLO = "hello"
    PHASE = "phase"
    RESULT = "result"
    ROUND = "round"
    READY = "ready"
    TURN = "turn"
    LOST = "lost"
    BYE = "bye"


@dataclass(frozen=True, slots=True)
class Message:
    """One line from rank 0. ``index`` is the task's place in the plan; ``pids`` are all ranks' processes.

    ``began``: rank 0's monotonic clock when the first warm-up sample of a result began, in seconds.
    ``scan``: what one round of a scan measured (with the units, in the first).
    ``ready``, ``turn``: of a burn-in; a device that was lost says why in ``phase``.
    """

    nonce: str
    kind: Kind
    index: int = -1
    phase: str = ""
    started: str = ""
    provider: str = ""
    began: float = 0.0
    samples: Samples | None = None
    rejected: Rejected | None = None
    failed: Failed | None = None
    skipped: Skipped | None = None
    scan: Scan | None = None
    ready: Ready | None = None
    turn: Turn | None = None
    pids: tuple[int, ...] = ()
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """The result this message carries; a message that carries none is a failure."""
        carried = self.samples or self.rejected or self.failed or self.skipped
        return carried or Failed("the worker sent a result without content")


def result(nonce: str, index: int, outcome: Outcome, started: str, provider: str, began: float = 0.0) -> Message:
    """The message that carries ``outcome``."""
    return Message(
        nonce,
        Kind.RESULT,
        index=index,
        started=started,
        provider=provider,
        began=began,
        samples=outcome if isinstance(outcome, Samples) else None,
        rejected=outcome if isinstance(outcome, Rejected) else None,
        failed=outcome if isinstance(outcome, Failed) else None,
        skipped=outcome if isinstance(outcome, Skipped) else None,
    )


def encode(value: object) -> bytes:
    """One line of JSON without its newline."""
    return msgspec.json.encode(value, order="deterministic")


def decode(line: bytes, kind: type[T]) -> T:
    """The value in one JSON line; ``DataError`` when it is not one."""
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"A line is not a {kind.__name__}: {error}.") from error
