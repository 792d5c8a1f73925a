"""One device's burn-in as the controller sees it: its processes, one after another, what each tells, how each ends."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchsuite import backends, campaign, discovery
from benchsuite.attempt import ProcessRunner, Runner
from benchsuite.backends.base import Description
from benchsuite.burn import loads
from benchsuite.burn.counting import Seen, turn_length
from benchsuite.burn.ledger import Ledger
from benchsuite.errors import BenchsuiteError
from benchsuite.execute import Blind, Observer
from benchsuite.launchers.local import LocalLauncher
from benchsuite.machine import cpu
from benchsuite.model import Benchmark, Policy, Samples
from benchsuite.model.acceptance import Subject
from benchsuite.protocol import BurnJob, Job, Kind, Load, Message, Turn
from benchsuite.telemetry import health
from benchsuite.telemetry.archive import recorded
from benchsuite.telemetry.watch import Telemetry

STARTS = 3
"""Processes of one device, at most: one that is lost gets no second."""
SETUP, COMPILE = 180.0, 300.0
"""Seconds without a word while a process starts, makes data or verifies; and while kernels are compiled."""
PART = 1.0
"""Seconds of a slice."""
SHORTEST = 0.02
"""The part of the time that is worth another process."""

Choose = Callable[[tuple[str, ...], Description, Mapping[str, Benchmark]], tuple[Load, ...]]


@dataclass(frozen=True, slots=True)
class Request:
    """What shall be burnt in.

    subjects: the devices, all at once, each a process of its own (``Subject.device``: as nvidia-smi counts; ``None``:
    the processor). backend: "cuda" (every subject has a device), "host" or "fake" (one subject without one).
    seconds: under load. folder: gets ``burn.jsonl`` and a folder for each device (``gpu0``, ``host``) with its
    processes' files and ``telemetry.jsonl``; made if need be. loads: names of ``burn.loads.NAMES``. seed: of the data.
    patience: seconds without a word after which a process under load counts as hung. command: for the record.
    """

    subjects: tuple[Subject, ...]
    seconds: float
    folder: Path
    backend: str = "cuda"
    loads: tuple[str, ...] = loads.NAMES
    seed: int = 0
    patience: float = 60.0
    command: str = ""

    @property
    def policy(self) -> Policy:
        """How long a process may be silent."""
        return Policy(deadline=self.patience, setup_deadline=SETUP, compile_deadline=COMPILE)


def processes(environment: Mapping[str, str]) -> Runner:
    """A worker as a process of this host."""
    return ProcessRunner(LocalLauncher(), environment)


def sensors(folder: Path, found: Description, backend: str) -> AbstractContextManager[Observer]:
    """What watches the device meanwhile; a scripted clock has nothing to be disturbed by."""
    if backend == "fake":
        return nullcontext(Blind())
    return Telemetry(folder, None if found.device is None else found.bus)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a burn-in asks of the machine; tests put their own in its place."""

    describe: Callable[[str, int | None], Description] = backends.describe
    runner: Callable[[Mapping[str, str]], Runner] = processes
    observer: Callable[[Path, Description, str], AbstractContextManager[Observer]] = sensors
    choose: Choose = loads.chosen


class Company:
    """All observers of one burn-in: what belongs to any of its devices is no device's neighbour.

    Otherwise each GPU's worker would be taken for a stranger that disturbs the others, and so would the sensors'.
    """

    def __init__(self) -> None:
        self._one = threading.Lock()
        self._observers: list[Observer] = []
        self._pids: set[int] = set()

    def join(self, observer: Observer) -> None:
        """One observer more."""
        with self._one:
            self._observers.append(observer)
        self.own(())

    def own(self, pids: tuple[int, ...]) -> None:
        """From now on these processes are ours, and all that this one has started."""
        with self._one, suppress(psutil.Error):
            self._pids |= {*pids, *(child.pid for child in psutil.Process().children(recursive=True))}
            for observer in self._observers:
                observer.own(tuple(sorted(self._pids)))


@dataclass
class Station:
    """The burn-in of one device, ``number`` in the request. ``check`` raises when it is time to stop."""

    request: Request
    number: int
    ledger: Ledger
    surroundings: Surroundings
    check: Callable[[], None]
    company: Company
    lost: str = ""
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        device = self.request.subjects[self.number].device
        self.folder = self.request.folder / ("host" if device is None else f"gpu{device}")

    def run(self) -> None:
        """From the first look at the device to its end. Raises what ``check`` raises, and when nothing can be kept."""
        subject = self.request.subjects[self.number]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            found = self.surroundings.describe(self.request.backend, subject.device)
            chosen = self.surroundings.choose(self.request.loads, found, discovery.discover())
        except (BenchsuiteError, OSError) as error:
            self.ledger.failed(self.number, str(error), final=True)
            return
        gpu = found.device
        self.ledger.found(self.number, gpu.name if gpu else "the processor", gpu.memory if gpu else found.memory)
        try:
            with self.surroundings.observer(self.folder, found, self.request.backend) as observer:
                self.company.join(observer)
                self._processes(found, chosen, observer)
        finally:  # also of one that is stopped early: an error that was counted stays one
            self._health(found)

    def _processes(self, found: Description, chosen: tuple[Load, ...], observer: Observer) -> None:
        """Processes until the time is over, the device is lost, or ``STARTS`` of them have failed."""
        cores = max(1, cpu.available_cores() // len(self.request.subjects))
        runner = self.surroundings.runner({**campaign.worker_environment(cores), **found.environment})
        for start in range(1, STARTS + 1):
            folder = self.folder / "attempts" / f"{start:04d}"
            reason = self._process(runner, self._job(start, folder, chosen, cores), folder, observer)
            if not reason:
                self.ledger.done(self.number)
                return
            final = bool(self.lost) or start == STARTS or self._left() < SHORTEST * self.request.seconds
            self.ledger.failed(self.number, self.lost or reason, final=final)
            if final:
                return

    def _process(self, runner: Runner, job: Job, folder: Path, observer: Observer) -> str:
        """One process from its start to its end; why that was not as it should be, or nothing."""
        self.ledger.started(self.number, job.attempt)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            end = runner(job, folder, lambda message: self._hear(message, observer), self.check)
        except OSError as error:
            return f"its files could not be written: {error.strerror}"
        return end.reason

    def _hear(self, message: Message, observer: Observer) -> None:
        match message.kind:
            case Kind.HELLO:
                self.company.own(message.pids)
            case Kind.PHASE if message.phase in {"prepare", "compile"}:
                self.ledger.doing(self.number, "preparing")
            case Kind.READY if message.ready is not None:
                self.ledger.ready(self.number, message.ready)
            case Kind.TURN if message.turn is not None:
                turn = message.turn
                self.ledger.turn(self.number, turn, lambda: _seen(turn, observer))
            case Kind.LOST:
                self.lost = message.phase
            case _:
                pass

    def _left(self) -> float:
        """Seconds still to be spent under load."""
        return max(0.0, self.request.seconds - self.ledger.board.rows[self.number].seconds)

    def _job(self, start: int, folder: Path, chosen: tuple[Load, ...], threads: int) -> Job:
        turn = turn_length(self.request.seconds, len(chosen))
        return Job(
            attempt=start,
            run=0,
            backend=self.request.backend,
            world=LocalLauncher.world,
            ranks=1,
            threads=threads,
            seed=self.request.seed,
            policy=self.request.policy,
            tasks=(),
            results=str((folder / "results.jsonl").resolve()),
            nonce=secrets.token_hex(8),
            controller=os.getpid(),
            host=socket.gethostname(),
            burn=BurnJob(chosen, self._left(), turn, min(PART, turn)),
        )

    def _health(self, found: Description) -> None:
        """What the sensors of a GPU counted from the first reading to the last."""
        readings = [one for one in recorded(self.folder) if found.device is not None]
        if len(readings) > 1:
            self.ledger.health(self.number, health.health(readings[0], readings[-1]))


def _seen(turn: Turn, observer: Observer) -> Seen:
    """What the sensors said while the turn lasted."""
    samples = Samples(turn.seconds, turn.iterations, turn.starts)
    told = observer.observe(samples, turn.began)
    return Seen(dict(told.conditions), tuple(dict.fromkeys(caveat.code for caveat in told.caveats)))
