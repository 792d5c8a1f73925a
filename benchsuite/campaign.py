"""`benchsuite run`: suite, machine and options become a plan, the plan a run directory full of records."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from benchsuite import (
    __version__,
    assets,
    awareness,
    backends,
    discovery,
    ending,
    identity,
    launchers,
    lock,
    placing,
    plan,
    rental,
    store,
    units,
)
from benchsuite import suite as suites
from benchsuite.attempt import ProcessRunner
from benchsuite.backends import host
from benchsuite.backends.base import Description
from benchsuite.errors import BenchsuiteError, Exit, UnavailableError, UsageError
from benchsuite.execute import Blind, Execution, Facts, Observer, Place, Watcher
from benchsuite.interrupt import stoppable
from benchsuite.launchers.local import LocalLauncher
from benchsuite.launchers.mpi import oversubscribed, per_node
from benchsuite.machine import cpu, facts, pci
from benchsuite.model import Plan, Policy, Score, Status
from benchsuite.model.fleet import Layout
from benchsuite.normalize import card
from benchsuite.placing import Placing
from benchsuite.record import SCHEMA
from benchsuite.rental import Rental
from benchsuite.telemetry.watch import Telemetry

HERE = Layout()
SUITES = {"host": "quick", "cuda": "gpu"}
"""The suite that is measured when none is named."""
DEVICE_OF = re.compile(r"--device (\d+)")
ONE_RANK = "the local launcher starts one rank: --launcher mpiexec starts more"


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    suite "": the one made for the backend. backend "auto": the GPU where one can be used, else the processor.
    device: which GPU, as nvidia-smi counts. seed None: a fresh one. wait: seconds to wait for another run to end.
    rental: what the user says of the machine's place and price. placing: where ranks shall run.
    """

    suite: str = ""
    only: tuple[str, ...] = ()
    budget: float | None = None
    runs: int | None = None
    out: Path = Path("runs")
    backend: str = "auto"
    ranks: int | None = None
    seed: int | None = None
    device: int | None = None
    wait: float = 0.0
    rental: Rental = field(default_factory=Rental)
    placing: Placing = field(default_factory=Placing)

    def command(self, seed: int) -> str:
        """The command that repeats this campaign, without anything that names this machine."""
        words = ["benchsuite", "run", Path(self.suite).name]
        words += [f"--only {pattern!r}" for pattern in self.only]
        words += [f"--budget {self.budget:g}"] if self.budget is not None else []
        words += [f"--runs {self.runs}"] if self.runs is not None else []
        words += [f"--backend {self.backend}"]
        words += [f"--device {self.device}"] if self.device is not None else []
        words += [f"--ranks {self.ranks}"] if self.ranks is not None else []
        words += [f"--launcher {self.placing.launcher}"] if self.placing.launcher != "auto" else []
        words += [f"--nodes {self.placing.nodes}"] if self.placing.nodes else []
        words += [f"--per-node {self.placing.per_node}"] if self.placing.per_node else []
        return " ".join([*words, f"--seed {seed}"])


def settle(request: Request) -> tuple[Request, Description, str]:
    """The request with its backend and suite decided, what that backend offers, and a line that says what and why.

    Raises ``UnavailableError`` when the GPU was asked for by name and cannot be used.
    """
    asked = "cuda" if request.device is not None and request.backend == "auto" else request.backend
    backend, reason = asked, ""
    try:
        found = backends.describe("cuda" if asked == "auto" else asked, request.device)
        backend = "cuda" if asked == "auto" else asked
    except UnavailableError as error:
        if asked != "auto":
            raise
        backend, reason = "host", f" {error.message}"
        found = backends.describe(backend)
    chosen = replace(request, backend=backend, suite=request.suite or SUITES.get(backend, SUITES["host"]))
    return chosen, found, f"{_measured(backend, found, request.device or 0)}{reason}"


def _measured(backend: str, found: Description, number: int) -> str:
    """Which device is measured, as a sentence."""
    if backend == "fake":
        return "Nothing is measured: the clock is scripted."
    if found.device is None:
        return f"Measured is the processor ({cpu.available_cores()} cores)."
    gpu = found.device
    of = f", number {number} of {gpu.count}" if gpu.count > 1 else ""
    return f"Measured is the GPU ({gpu.name}, {gpu.processors} multiprocessors, {units.size(gpu.memory)}{of})."


def capacity(backend: str, found: Description, launcher: str = "auto", where: Layout = HERE) -> plan.Capacity:
    """What planning must know of this machine and of those in its layout. Imports no CUDA, no MPI."""
    return plan.Capacity(
        capabilities=found.capabilities,
        cores=cpu.available_cores(),
        cache=found.cache,
        memory=found.memory,
        ranks_missing=_ranks_missing(launcher, where),
        device=found.device,
        nodes=where.nodes,
    )


def _ranks_missing(launcher: str, where: Layout) -> str:
    """Why no more than one rank can be started, or nothing."""
    return ONE_RANK if launcher == "local" else launchers.choose(launcher, where).unavailable()


def make_plan(request: Request, found: Description) -> tuple[store.Campaign, Plan]:
    """The campaign of a settled request as it will be recorded, and its plan. Nothing is measured or written yet."""
    benchmarks = discovery.discover()
    suite = suites.load(request.suite, benchmarks)
    seed = request.seed if request.seed is not None else int.from_bytes(os.urandom(4), "big")
    launcher, where = placing.layout(request.placing)
    found, told = awareness.offered(found, suite, benchmarks)
    machine = capacity(request.backend, found, launcher, where)
    each = found.device.count if found.device else placing.cores(launcher, machine.cores)
    ranks, where = placing.spread(request.placing, where, request.ranks, suite.ranks, each)
    options = plan.Options(request.only, request.runs, request.budget, ranks, seed)
    made = plan.build(suite, benchmarks, machine, options)
    if not made.tasks:
        reasons = sorted({skip.reason for skip in made.skips})
        raise UnavailableError(f"Nothing asked for can run here: {reasons[0]}.", "See 'benchsuite doctor'.")
    campaign = store.Campaign(
        schema=SCHEMA,
        id=store.new_id(suite.name),
        started=store.now(),
        version=__version__,
        command=request.command(seed),
        backend=request.backend,
        suite=suite,
        plan=made,
        facts=_with_offer({**_facts(request.backend, found), **told}, request),
        caches={"L2": found.device.l2} if found.device else cpu.cache_sizes(),
        cores=machine.cores,
        cache=machine.cache,
        code=identity.code(),
        machine=identity.machine(_devices(request.backend, found)),
        launcher=launcher,
        layout=where,
    )
    return campaign, made


def _devices(backend: str, found: Description) -> list[str]:
    """What a campaign measures, so exactly that no other device has the same words."""
    gpu = found.device
    # A processor of which fewer cores may be used is another machine: it is slower, and nobody's fault.
    words = [f"cores={cpu.available_cores()}"] if gpu is None else [gpu.name]
    words += [] if gpu is None else sorted(f"{k}={v}" for k, v in found.environment.items())
    return [backend, facts.collect()["processor"].get("model", ""), *words]


def _facts(backend: str, found: Description) -> dict[str, dict[str, str]]:
    if backend == "fake":
        return {"processor": {"model": "scripted clock"}}
    return {**facts.collect(), **({"gpu": {**found.facts, **pci.facts()}} if found.facts else {})}


def _with_offer(told: dict[str, dict[str, str]], request: Request) -> dict[str, dict[str, str]]:
    """The facts with a section that says where the machine was rented; scripted time was rented nowhere by itself."""
    if request.backend == "fake" and request.rental == Rental():
        return told
    measured = card(told)
    today = datetime.now(UTC).date().isoformat()
    offer = rental.facts(request.rental, measured.gpu.key if measured else "", today)
    return {**told, **({"offer": offer} if offer else {})}


def run(
    campaign: store.Campaign, out: Path, watcher: Watcher, found: Description, wait: float = 0.0
) -> store.RunDirectory:
    """Measure the campaign's plan, on the device ``found``, into a new run directory below ``out``.

    The first Ctrl-C lets the task in progress finish, the second and SIGTERM end it at once; both are raised on. Every
    finished task is on disk by then, and ``RunDirectory.records`` of the exception's ``directory`` attribute holds it
    too. Raises ``MeasureError`` when another run still measures the device after ``wait`` seconds.
    """
    with alone(campaign.backend, found, wait):
        directory = store.RunDirectory(store.prepare_folder(out) / campaign.id, campaign)
        with lock.hold(directory.path / store.LOCK, "This run"):
            _execute(directory, watcher, found)
    return directory


def resume(
    path: Path, watcher: Callable[[Plan], AbstractContextManager[Watcher]], wait: float = 0.0
) -> store.RunDirectory:
    """Go on with a run that ended early: what is finished stays, the rest is measured.

    Raises ``UsageError`` when code or machine are not those it began with, and ``DataError`` when its files were
    changed.
    """
    campaign = store.load(path).campaign
    device = DEVICE_OF.search(campaign.command)
    found = backends.describe(campaign.backend, int(device[1]) if device else None)
    _same(campaign, found)
    placing.same_hosts(campaign.launcher, campaign.layout, campaign.command)
    with lock.hold(path / store.LOCK, f"The run {path.name}"), alone(campaign.backend, found, wait):
        ending.clean(store.attempt_folders(path))
        directory = store.RunDirectory.reopen(path)
        directory.journal.note("resume", records=len(directory.records))
        with watcher(campaign.plan) as watching:
            _execute(directory, watching, found)
    return directory


def _same(campaign: store.Campaign, found: Description) -> None:
    """Refuse to mix what two programs or two machines measured."""
    if campaign.code != identity.code():
        raise UsageError(
            "This run was begun with another benchsuite (code, kernels or benchmarks), so the rest would not compare.",
            f"Begin a new one: {campaign.command}",
        )
    if campaign.machine != identity.machine(_devices(campaign.backend, found)):
        raise UsageError(
            "This run was begun on another machine or device, so the rest would not compare.",
            f"Go on there, or begin a new one: {campaign.command}",
        )


def alone(backend: str, found: Description, wait: float) -> AbstractContextManager[None]:
    """Hold the measured device for this process; a scripted clock measures none."""
    if backend == "fake":
        return nullcontext()
    name = "the processor" if found.device is None else " ".join(_devices(backend, found))
    subject = "The processor" if found.device is None else f"The GPU ({found.device.name})"
    return lock.hold(lock.path(name), subject, wait, lambda text: print(text, file=sys.stderr, flush=True))


def _execute(directory: store.RunDirectory, watcher: Watcher, found: Description) -> None:
    campaign = directory.campaign
    with directory.journal, stoppable() as stop, _observer(directory, found) as observer:
        try:
            Execution(
                plan=campaign.plan,
                benchmarks=discovery.discover(),
                directory=directory,
                places=lambda ranks: place(ranks, campaign, found),
                backend=campaign.backend,
                watcher=watcher,
                learn=lambda facts: _learn(directory, facts),
                observer=observer,
                stop=stop,
            ).run()
        except BenchsuiteError as error:
            error.__dict__["directory"] = directory
            raise


def _observer(directory: store.RunDirectory, found: Description) -> AbstractContextManager[Observer]:
    """What watches the machine meanwhile; a scripted clock has nothing to be disturbed by."""
    if directory.campaign.backend == "fake":
        return nullcontext(Blind())
    return Telemetry(directory.path, None if found.device is None else found.bus)


def place(ranks: int, campaign: store.Campaign, found: Description) -> Place:
    """Where tasks with this many ranks run on this host. Of several, each has a GPU of its own."""
    where = campaign.layout
    cores = placing.cores(campaign.launcher, campaign.cores) if ranks > 1 else campaign.cores
    threads = max(1, cores // per_node(ranks, where)) if ranks > 1 else cores
    variables = {**worker_environment(threads), **found.environment}
    several = LocalLauncher() if ranks == 1 else launchers.choose(campaign.launcher, where, tuple(variables))
    crowded = oversubscribed(ranks, cores, where.nodes)
    caveats = (*found.caveats, *([crowded] if crowded else []))
    nodes = len(where.hosts) if ranks > 1 else 0
    return Place(ProcessRunner(several, variables), several.world, threads, caveats, nodes)


def worker_environment(threads: int) -> dict[str, str]:
    """Variables every worker gets: its threads, and caches for compiled kernels.

    CUDA loads a kernel when it is first launched (its default): every step runs once before it is timed, and
    loading all of a vendor's library beforehand would take seconds and memory.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    cache = os.environ.get("NUMBA_CACHE_DIR") or str(assets.cache_folder() / f"numba-{kernels_digest()}")
    cupy = os.environ.get("CUPY_CACHE_DIR") or str(assets.cache_folder() / "cupy")
    return {**dict.fromkeys(names, str(threads)), "NUMBA_CACHE_DIR": cache, "CUPY_CACHE_DIR": cupy}


def kernels_digest() -> str:
    """A digest of the host kernels' sources: numba's cache sees an edit of a kernel's file, not of what it uses."""
    content = b"".join(path.read_bytes() for path in sorted(Path(host.__file__).parent.glob("*.py")))
    return hashlib.sha256(content).hexdigest()[:12]


def exit_code(scores: list[Score]) -> Exit:
    """1 when a result was wrong, 4 when something failed or nothing was measured, else 0."""
    found = {score.status for score in scores}
    if Status.REJECTED in found:
        return Exit.REJECTED
    if Status.FAILED in found or Status.OK not in found:
        return Exit.FAILED
    return Exit.DONE


def remaining(policy: Policy, made: Plan) -> float:
    """About how many seconds the whole plan takes."""
    return plan.estimate(policy, made.tasks)


def _learn(directory: store.RunDirectory, found: Facts) -> None:
    """Add what a worker reports of its libraries, once."""
    known = directory.campaign.facts
    fresh = {section: dict(values) for section, values in found.items() if known.get(section) != values and values}
    if fresh:
        directory.write_campaign(replace(directory.campaign, facts={**known, **fresh}))
