"""`benchsuite scan`: options and hosts become a plan, the plan a run directory full of rounds, and a verdict.

``load`` reads a scan back: (what was measured, by what it is judged, what was set out to do).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchsuite import __version__, backends, campaign, ending, identity, launchers, lock, placing, store
from benchsuite.attempt import ProcessRunner
from benchsuite.backends.base import Description
from benchsuite.errors import BenchsuiteError, Exit, UnavailableError, UsageError
from benchsuite.interrupt import stoppable
from benchsuite.launchers.base import Launcher
from benchsuite.localise import reference, topology
from benchsuite.machine import cpu, facts
from benchsuite.model import Decision, Diagnosis, Layout, Local, Scan, Transfer
from benchsuite.placing import Placing
from benchsuite.scan import ledger, localkernels
from benchsuite.scan.ledger import SWEEPS, Made, Plan, ScanDirectory, load
from benchsuite.scan.stages import Place, Scanning, Watcher

__all__ = ["Request", "exit_code", "fitting", "learn", "load", "prepare", "resume", "run"]

MANY = 16
"""Nodes from which on a scan is spread over time unless told otherwise: a second look in the same minute proves "slow
now", no more; below, the caller mostly waits in front of the screen."""
CONFIRM_AFTER, APART = 600.0, 300.0
"""Seconds before the second look, and between the sweeps of the first, on that many nodes."""
Watching = Callable[[Made], AbstractContextManager[Watcher]]


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    apart, confirm_after: seconds, ``None``: by the number of nodes. margin: log, ``None``: as the method chooses.
    topology, reference: files; learn: the file that a reference of this fleet is written to.
    """

    placing: Placing = field(default_factory=Placing)
    plan: Plan = field(default_factory=Plan)
    apart: float | None = None
    confirm_after: float | None = None
    topology: Path | None = None
    reference: Path | None = None
    learn: Path | None = None
    backend: str = "auto"
    seed: int | None = None
    out: Path = Path("runs")
    wait: float = 0.0

    def command(self, seed: int) -> str:
        """The command that repeats this scan, without anything that names these machines."""
        plan, told = self.plan, self.placing
        words = ["benchsuite", "scan", f"--rounds {plan.rounds}", f"--bytes {plan.nbytes}", f"--backend {self.backend}"]
        words += ["--full"] if plan.full else []
        words += [f"--sweeps {plan.sweeps}"] if plan.sweeps != SWEEPS else []
        words += [f"--launcher {told.launcher}"] if told.launcher != "auto" else []
        words += [f"--nodes {told.nodes}"] if told.nodes else []
        words += [f"--per-node {told.per_node}"] if told.per_node else []
        return " ".join([*words, f"--seed {seed}"])


def prepare(request: Request) -> tuple[Made, Description]:
    """What a scan will set out to do, and what its backend offers here. Nothing is measured or written yet.

    Raises ``UsageError`` when there are not two ranks, or too few for the reference that is to be learned, and
    ``UnavailableError`` when ranks cannot be started.
    """
    asked = campaign.Request(backend=request.backend)
    settled, found, _ = campaign.settle(asked)
    launcher, layout = placing.layout(request.placing)
    per_node = layout.per_node or fitting(found, layout)
    ranks = per_node * layout.nodes
    if ranks < 2:
        raise UsageError("A scan needs two ranks at least.", "Name hosts with --hosts, or give --per-node 2.")
    if missing := launchers.choose(launcher, layout).unavailable():
        raise UnavailableError(f"Ranks cannot be started: {missing}.", "See 'benchsuite doctor'.")
    if request.learn is not None:
        _learnable(request.learn, layout.nodes if layout.nodes > 1 else ranks)
    seed = request.seed if request.seed is not None else int.from_bytes(os.urandom(4), "big")
    made = Made(
        schema=ledger.SCHEMA,
        id=store.new_id("scan"),
        started=store.now(),
        version=__version__,
        command=request.command(seed),
        backend=settled.backend,
        seed=seed,
        plan=_timed(request, layout, settled.backend),
        ranks=ranks,
        launcher=launcher,
        layout=Layout(layout.hosts, per_node, layout.hostfile),
        leaves=topology.read(request.topology) if request.topology else {},
        reference=reference.read(request.reference) if request.reference else None,
        facts={} if settled.backend == "fake" else facts.collect(),
        code=identity.code(),
        learning=request.learn is not None,
    )
    return made, found


def _learnable(to: Path, seats: int) -> None:
    """Refuse what could not become a reference before anything is measured for it. Raises ``UsageError``."""
    if seats < reference.LEAST_SEATS:
        raise UsageError(
            f"A reference is learned from {reference.LEAST_SEATS} nodes at least; here are {seats}.",
            "Name more nodes that are known good.",
        )
    if not to.resolve().parent.is_dir():
        raise UsageError(f"There is no folder {to.parent} for the reference.", "Make it, or choose another.")


def fitting(found: Description, layout: Layout) -> int:
    """Ranks on each host unless told: one for each GPU, else one a host; on a single host one for each core."""
    if found.device is not None:
        return max(1, found.device.count)
    return 1 if layout.nodes > 1 else min(cpu.available_cores(), placing.MOST_PER_HOST)


def _timed(request: Request, layout: Layout, backend: str) -> Plan:
    """The plan with its waits and kernels decided."""
    many = layout.nodes >= MANY
    return replace(
        request.plan,
        apart=request.apart if request.apart is not None else APART * many,
        confirm_after=request.confirm_after if request.confirm_after is not None else CONFIRM_AFTER * many,
        kernels=request.plan.kernels or localkernels.names(backend),
    )


def run(
    made: Made, out: Path, found: Description, watching: Watching, wait: float = 0.0, launcher: Launcher | None = None
) -> tuple[ScanDirectory, Diagnosis]:
    """Measure into a new run directory below ``out``, and judge.

    launcher: what starts the ranks, instead of the one that ``made`` names. What was measured before an interrupt or
    a failure is kept; the exception's ``directory`` attribute tells where.
    """
    with _alone(made.backend, wait):
        directory = ScanDirectory(store.prepare_folder(out) / made.id, made)
        with lock.hold(directory.path / store.LOCK, "This scan"):
            return directory, _execute(directory, found, watching, launcher)


def resume(
    path: Path, watching: Watching, wait: float = 0.0, launcher: Launcher | None = None
) -> tuple[ScanDirectory, Diagnosis]:
    """Go on with a scan that ended early: what is measured stays, the rest is measured.

    Raises ``UsageError`` when the code is not that it began with, and ``DataError`` when its files were changed.
    """
    made = ledger.load(path)[2]
    if made.code != identity.code():
        raise UsageError(
            "This scan was begun with another benchsuite, so the rest would not compare.",
            f"Begin a new one: {made.command}",
        )
    placing.same_hosts(made.launcher, made.layout, made.command)
    found = backends.describe(made.backend)
    with lock.hold(path / store.LOCK, f"The scan {path.name}"), _alone(made.backend, wait):
        ending.clean(store.attempt_folders(path))
        directory = ScanDirectory.reopen(path)
        directory.journal.note("resume", rounds=len(directory.pieces))
        return directory, _execute(directory, found, watching, launcher)


def _execute(directory: ScanDirectory, found: Description, watching: Watching, launcher: Launcher | None) -> Diagnosis:
    with directory.journal, stoppable() as stop, watching(directory.made) as watcher:
        try:
            return Scanning(directory, _place(directory.made, found, launcher), watcher, stop).run()
        except BenchsuiteError as error:
            error.__dict__["directory"] = directory
            raise


def _place(made: Made, found: Description, launcher: Launcher | None) -> Place:
    threads = max(1, cpu.available_cores() // made.layout.per_node)
    variables = {**campaign.worker_environment(threads), **found.environment}
    chosen = launcher or launchers.choose(made.launcher, made.layout, tuple(variables))
    return Place(ProcessRunner(chosen, variables), chosen.world, threads, len(made.layout.hosts))


@contextmanager
def _alone(backend: str, wait: float) -> Iterator[None]:
    """Hold this host's processor or GPUs for this process; a scripted clock measures none."""
    subject = "The processor" if backend == "host" else "The GPUs of this host"
    name = "the processor" if backend == "host" else "all GPUs"
    told = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731
    with nullcontext() if backend == "fake" else lock.hold(lock.path(name), subject, wait, told):
        yield


def learn(scan: Scan, diagnosis: Diagnosis, to: Path) -> None:
    """Write a reference from a scan of units that are known good.

    Raises ``UsageError`` when something failed or stood still in it, or somebody is accused: that is no good fleet.
    """
    timed: tuple[Transfer | Local, ...] = (*scan.transfers, *scan.locals)
    why = {
        "somebody is accused": any(one.decision is Decision.ACCUSED for one in diagnosis.findings),
        "something failed": any(one.seconds is None for one in timed),
        "a result was wrong": any(one.wrong for one in timed),
        "a rank stood still": bool(scan.pauses),
    }
    if found := [reason for reason, holds in why.items() if holds]:
        raise UsageError(f"No reference was written: {', '.join(found)}.", "Scan again when all is well.")
    try:
        reference.write(to, reference.learn([scan]))
    except OSError as error:
        raise UsageError(f"{to} could not be written: {error.strerror}.", "Choose another file.") from error


def exit_code(diagnosis: Diagnosis) -> Exit:
    """1 when somebody is accused, 3 when it cannot be told, else 0."""
    if any(one.decision is Decision.ACCUSED for one in diagnosis.findings):
        return Exit.REJECTED
    return Exit.INCONCLUSIVE if diagnosis.findings or not diagnosis.conclusive else Exit.DONE
