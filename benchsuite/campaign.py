"""`benchsuite run`: suite, machine and options become a plan, the plan a run directory full of records."""

from __future__ import annotations

import hashlib
import os
import platform
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from benchsuite import __version__, backends, discovery, plan, store
from benchsuite import suite as suites
from benchsuite.attempt import ProcessRunner
from benchsuite.backends import host
from benchsuite.errors import BenchsuiteError, Exit, UnavailableError
from benchsuite.execute import Execution, Facts, Place, Watcher
from benchsuite.launchers.local import LocalLauncher
from benchsuite.launchers.mpi import MpiLauncher, oversubscribed
from benchsuite.machine import cpu, facts
from benchsuite.model import Plan, Policy, Score, Status
from benchsuite.record import SCHEMA


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. ``seed`` None: a fresh one."""

    suite: str = "quick"
    only: tuple[str, ...] = ()
    budget: float | None = None
    runs: int | None = None
    out: Path = Path("runs")
    backend: str = "host"
    ranks: int | None = None
    seed: int | None = None

    def command(self, seed: int) -> str:
        """The command that repeats this campaign, without anything that names this machine."""
        words = ["benchsuite", "run", Path(self.suite).name]
        words += [f"--only {pattern!r}" for pattern in self.only]
        words += [f"--budget {self.budget:g}"] if self.budget is not None else []
        words += [f"--runs {self.runs}"] if self.runs is not None else []
        words += [f"--backend {self.backend}"] if self.backend != "host" else []
        words += [f"--ranks {self.ranks}"] if self.ranks is not None else []
        return " ".join([*words, f"--seed {seed}"])


class TerminatedError(BenchsuiteError):
    """SIGTERM arrived: what was measured is kept."""

    exit_code = Exit.TERMINATED


def capacity(backend: str) -> plan.Capacity:
    """What planning must know of this machine. Imports no CUDA, no MPI."""
    opened = backends.open_backend(backend)
    ranks_missing = MpiLauncher().unavailable()
    available = opened.capabilities()
    return plan.Capacity(
        capabilities=available,
        cores=cpu.available_cores(),
        cache=opened.cache_bytes(),
        memory=opened.memory_bytes(),
        ranks_missing=ranks_missing,
    )


def make_plan(request: Request) -> tuple[store.Campaign, Plan]:
    """The campaign as it will be recorded, and its plan. Nothing is measured or written yet."""
    benchmarks = discovery.discover()
    suite = suites.load(request.suite, benchmarks)
    seed = request.seed if request.seed is not None else int.from_bytes(os.urandom(4), "big")
    machine = capacity(request.backend)
    options = plan.Options(request.only, request.runs, request.budget, request.ranks, seed)
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
        facts=facts.collect() if request.backend != "fake" else {"processor": {"model": "scripted clock"}},
        caches=cpu.cache_sizes(),
        cores=machine.cores,
        cache=machine.cache,
    )
    return campaign, made


def run(campaign: store.Campaign, out: Path, watcher: Watcher) -> store.RunDirectory:
    """Measure the campaign's plan into a new run directory below ``out``.

    Ctrl-C and SIGTERM end the attempt in progress and are raised on; every finished task is on disk
    by then, and ``RunDirectory.records`` of the exception's ``directory`` attribute holds it too.
    """
    directory = store.RunDirectory(store.prepare_folder(out) / campaign.id, campaign)
    execution = Execution(
        plan=campaign.plan,
        benchmarks=discovery.discover(),
        directory=directory,
        places=lambda ranks: place(ranks, campaign),
        backend=campaign.backend,
        watcher=watcher,
        learn=lambda found: _learn(directory, found),
    )
    with directory.journal, _terminable():
        try:
            execution.run()
        except (BenchsuiteError, KeyboardInterrupt) as error:
            error.__dict__["directory"] = directory
            raise
    return directory


def place(ranks: int, campaign: store.Campaign) -> Place:
    """Where tasks with this many ranks run on this host."""
    threads = max(1, campaign.cores // ranks)
    launcher = LocalLauncher() if ranks == 1 else MpiLauncher()
    crowded = oversubscribed(ranks, campaign.cores)
    runner = ProcessRunner(launcher, worker_environment(threads))
    return Place(runner, launcher.world, threads, (crowded,) if crowded else ())


def worker_environment(threads: int) -> dict[str, str]:
    """Variables every worker gets: its threads, and a cache for compiled kernels."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    cache = os.environ.get("NUMBA_CACHE_DIR") or str(cache_folder() / f"numba-{kernels_digest()}")
    return {**dict.fromkeys(names, str(threads)), "NUMBA_CACHE_DIR": cache}


def cache_folder() -> Path:
    """Where compiled kernels are kept between runs (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "benchsuite" / f"{__version__}-{platform.python_version()}"


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


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM (the notice a preempted machine gets) into an exception, so that everything is kept."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TerminatedError(
            "The run was asked to stop.", "What was measured is kept; 'benchsuite show latest' shows it."
        )

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
