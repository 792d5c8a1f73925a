"""From what the command line asks of a fleet to what will be done, and about how long it will take."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from benchsuite import __version__, campaign, placing, store, units
from benchsuite.errors import UsageError
from benchsuite.fleet import peers
from benchsuite.fleet.fleet import SCHEMA, Made, Phase
from benchsuite.localise.small import FEWEST
from benchsuite.machine import cpu
from benchsuite.model import Layout
from benchsuite.placing import Placing
from benchsuite.scan import ledger, localkernels, pairwise, stages
from benchsuite.scan.scan import fitting

MOST_RUNS = 7
"""Runs that are made without being asked for, so that few nodes can be told apart."""
PAIR_RATE, CONTACT = 1e9, 0.1
"""Bytes a second at which a pair makes, sends and compares data, and seconds of a first contact: for the forecast
alone. The scan foretells its own time better, from its first round."""
STARTS = 3
"""Process groups of a scan."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """What of ``benchsuite scan`` can be chosen here; times in seconds."""

    rounds: int = 24
    full: bool = False
    nbytes: str = "16 MiB"
    apart: float = 0.0
    confirm_after: float = 0.0
    topology: Path | None = None
    reference: Path | None = None

    def words(self) -> tuple[str, ...]:
        """As options of ``scan``."""
        told = ["--rounds", str(self.rounds), *(["--full"] if self.full else [])]
        told += ["--bytes", self.nbytes, "--apart", f"{self.apart:g}", "--confirm-after", f"{self.confirm_after:g}"]
        for name, file in (("--topology", self.topology), ("--reference", self.reference)):
            told += [name, str(file.resolve())] if file else []
        return tuple(told)


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for. runs ``None``: as many as the suite has, and more where nodes are few."""

    suite: str = ""
    together: str = "collectives"
    only: tuple[str, ...] = ()
    budget: float | None = None
    runs: int | None = None
    backend: str = "auto"
    seed: int | None = None
    phases: tuple[Phase, ...] = tuple(Phase)
    margin: float = peers.MARGIN
    placing: Placing = field(default_factory=Placing)
    scan: ScanOptions = field(default_factory=ScanOptions)
    out: Path = Path("runs")


def prepare(request: Request) -> Made:
    """What will be done. Raises ``UsageError`` or ``UnavailableError`` when a phase cannot be."""
    launcher, where = placing.layout(request.placing)
    seed = request.seed if request.seed is not None else int.from_bytes(os.urandom(4), "big")
    suite = _file(request.suite)
    own = campaign.Request(
        suite, request.only, request.budget, request.runs, backend=request.backend, seed=seed, placing=Placing("local")
    )
    settled, found, _ = campaign.settle(own)
    runs, predicted = 0, {}
    if Phase.NODES in request.phases:
        _, plan = campaign.make_plan(settled, found)
        runs = request.runs or _runs(plan.policy.runs, len(plan.tasks), where)
        predicted[Phase.NODES.value] = campaign.remaining(plan.policy, plan) * runs / plan.policy.runs
    placed = _words(request.placing)
    if Phase.SCAN in request.phases:
        predicted[Phase.SCAN.value] = _scan_seconds(
            request.scan, where, where.per_node or fitting(found, where), cpu.available_cores(), settled.backend
        )
    if Phase.TOGETHER in request.phases:
        asked = campaign.Request(_file(request.together), backend=settled.backend, seed=seed, placing=request.placing)
        _, plan = campaign.make_plan(asked, found)
        predicted[Phase.TOGETHER.value] = campaign.remaining(plan.policy, plan)
    backend = ("--backend", settled.backend)
    return Made(
        schema=SCHEMA,
        id=store.new_id("fleet"),
        started=store.now(),
        version=__version__,
        command=_command(request, settled.suite, seed),
        backend=settled.backend,
        suite=settled.suite,
        together=_file(request.together),
        runs=runs,
        launcher=launcher,
        layout=where,
        words=(*backend, "--runs", str(runs), "--seed", str(seed), *_chosen(request)),
        scan_words=(*backend, "--seed", str(seed), *request.scan.words()),
        together_words=(*backend, "--seed", str(seed)),
        placing=placed,
        phases=request.phases,
        predicted=predicted,
        margin=request.margin,
    )


def _runs(suite: int, tasks: int, where: Layout) -> int:
    """The suite's runs; where these few nodes cannot be told apart by them, as many as are needed, within reason."""
    needed = peers.needed(where.nodes, peers.ALPHA / max(1, tasks))
    return needed if needed is not None and suite < needed <= MOST_RUNS else suite


def _file(suite: str) -> str:
    """A suite's name as it is, its file with the whole path: a command on another node has another folder."""
    if not suite.endswith(".toml"):
        return suite
    if not Path(suite).is_file():
        raise UsageError(f"There is no file {suite}.", "Check the path, or name a suite of 'benchsuite list'.")
    return str(Path(suite).resolve())


def _chosen(request: Request) -> tuple[str, ...]:
    only = [word for pattern in request.only for word in ("--only", pattern)]
    return (*only, *(("--budget", f"{request.budget:g}") if request.budget is not None else ()))


def _words(where: Placing) -> tuple[str, ...]:
    """The placing as the options that say it, a file of hosts with its whole path."""
    told: list[str] = []
    told += ["--launcher", where.launcher] if where.launcher != "auto" else []
    file = "/" in where.hosts or Path(where.hosts or "/dev/null").is_file()
    told += (
        ["--hosts", str(Path(where.hosts).resolve()) if where.hosts and file else where.hosts] if where.hosts else []
    )
    told += ["--nodes", str(where.nodes)] if where.nodes else []
    told += ["--per-node", str(where.per_node)] if where.per_node else []
    return tuple(told)


def _size(text: str) -> int:
    try:
        return units.parse_size(text)
    except ValueError as error:
        raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.", "For example --bytes '16 MiB'.") from error


def _scan_seconds(asked: ScanOptions, where: Layout, per_node: int, cores: int, backend: str) -> float:
    """About how long the scan takes without a second look. per_node: ranks on each host; cores: of each.

    A direction ends by the clock, so a slow network makes it hardly longer. Ranks that share a host compute one after
    another, and exchange so many at a time as it has cores.
    """
    plan = ledger.Plan()
    seats = where.nodes if where.nodes > 1 else per_node
    once = _size(asked.nbytes) / PAIR_RATE
    direction = min((plan.warm + plan.repeats) * once, (1 + pairwise.WARM_PART) * plan.direction)
    direction = max((pairwise.FEWEST + 1) * once, direction)
    computing = localkernels.BATCH * len(localkernels.names(backend)) * per_node
    a_round = CONTACT + 2 * direction * ceil(per_node / max(1, cores)) + computing
    rounds = max(asked.rounds, seats - 1) if asked.full else asked.rounds
    links = plan.confirm_rounds if seats > FEWEST else 0
    groups = min(seats, stages.MOST_GROUPS) + 1
    starting = STARTS * stages.START + asked.apart * (plan.sweeps - 1)
    return (rounds + links) * a_round + groups * direction + starting


def _command(request: Request, suite: str, seed: int) -> str:
    """The command that does it again, without anything that names these machines."""
    words = ["benchsuite", "fleet", Path(suite).name, "--together", Path(request.together).name]
    words += [*_chosen(request), "--backend", request.backend]
    words += ["--runs", str(request.runs)] if request.runs else []
    words += [word for phase in request.phases for word in ("--phase", phase)] if len(request.phases) < 3 else []
    words += ["--nodes", str(request.placing.nodes)] if request.placing.nodes else []
    words += ["--per-node", str(request.placing.per_node)] if request.placing.per_node else []
    return shlex.join([*words, "--seed", str(seed)])


def forecast(made: Made) -> Mapping[str, float]:
    """Seconds, about: each phase, ``all`` of them, ``one`` node alone, and the nodes ``one by one``."""
    alone = made.predicted.get(Phase.NODES, 0.0)
    told = {phase.value: made.predicted[phase] for phase in made.phases if phase in made.predicted}
    return {**told, "all": sum(told.values()), "one": alone, "one by one": alone * made.layout.nodes}
