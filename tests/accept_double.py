"""A machine for tests of ``accept``: it answers ``benchsuite run`` and an inspection, as fast as it is told to be.

``Machine.execute`` stands in for ``processes.run``: it writes the run directory that the command would have written.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from benchsuite import discovery, identity, plan, store, suite
from benchsuite.accept import contract as contracts
from benchsuite.accept import deriving, layout, stages
from benchsuite.accept.acceptance import Request, Work, prepare
from benchsuite.accept.deriving import Judged
from benchsuite.accept.inspecting import Card, Inspection
from benchsuite.accept.processes import Command
from benchsuite.accept.stages import Watcher
from benchsuite.interrupt import Stop
from benchsuite.model import (
    Caveat,
    Contract,
    Failed,
    Kind,
    Metric,
    Outcome,
    Plan,
    Rejected,
    Samples,
    Task,
)
from benchsuite.record import SCHEMA, assemble

CACHE = 32 << 20
MACHINE = "5e5e5e5e5e5e5e5e"
"""The pseudonym that every run bears."""
REFERENCE = {Metric.BANDWIDTH: 1e10, Metric.LATENCY: 1e-7}
HOST = """
schema = 1
name = "own-host"
title = "A host for tests"
{top}
[claim]
kind = "host"
model = "*"
nodes = {nodes}
processors = 2
[rule]
{rule}
[[require]]
name = "read"
benchmark = "memory"
implementation = "stream"
axes = {{op = "read", bytes = "4xLLC"}}
reference = "10 GB/s"
grounds = "own"
source = "a run of this machine, 2026-11-30"
[[require]]
name = "latency"
benchmark = "latency"
implementation = "chase"
axes = {{bytes = "4xLLC"}}
reference = "100 ns"
grounds = "own"
source = "a run of this machine, 2026-11-30"
"""
GPU = """
schema = 1
name = "own-gpus"
title = "GPUs for tests"
[claim]
kind = "gpu"
model = "h200_sxm_141"
devices = {devices}
[[require]]
name = "read"
benchmark = "memory"
implementation = "wide"
axes = {{op = "read", bytes = "4xLLC"}}
reference = "10 GB/s"
grounds = "negotiated"
source = "the parties, 2026-11-30"
"""
Answer = float | Outcome
Speed = Callable[[str, str, int], Answer]
"""Of a part (``gpu0``, or the node), a requirement's benchmark and the number of its run: how fast it is compared with
the reference, or another outcome."""


def host(nodes: int = 1, rule: str = "", top: str = "") -> Contract:
    """A contract about hosts that must read 10 GB/s in 100 ns."""
    return contracts.loads(HOST.format(nodes=nodes, rule=rule, top=top).encode())


def gpus(devices: int = 2) -> Contract:
    """A contract about GPUs that must read 10 GB/s."""
    return contracts.loads(GPU.format(devices=devices).encode())


def steady(part: str, benchmark: str, run: int) -> Answer:
    """As fast as agreed, a little up and down."""
    return 1.0 + (0.001 if run % 2 else -0.001)


@dataclass
class Machine:
    """What ``benchsuite run`` would find. node: a host's name in ``speed``; words: of every command that was run.

    codes: caveats of a run. lost: parts of which nothing can be measured. cards: GPUs that the driver lists. stop:
    after which commands somebody asks us to stop. counts: runs made so far.
    """

    speed: Speed = steady
    node: str = "host"
    codes: Callable[[str, str, int], Sequence[str]] = lambda part, benchmark, run: ()
    lost: frozenset[str] = frozenset()
    cards: int = 8
    identity: str = "11aa22bb33cc44dd"
    stop: Callable[[list[list[str]]], bool] = lambda words: False
    words: list[list[str]] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def look(self, kind: Kind) -> Inspection:
        """An inspection of it."""
        told = Inspection(kind, store.now(), boot="b00t", identity=self.identity)
        if kind is Kind.HOST:
            return replace(told, values={"cores": 2.0, "memory": 8e9}, facts={"processor": {"model": "a processor"}})
        listed = tuple(
            Card(number, f"{number:016x}", {"name": "NVIDIA H200"}, {"sm_clock": 1.98e9, "throttle": 0.0})
            for number in range(self.cards)
        )
        return replace(told, cards=listed)

    def execute(
        self,
        commands: Mapping[str, Command],
        stop: Stop,
        limit: float = 0.0,
        meanwhile: Callable[[float], None] = lambda spent: None,
    ) -> dict[str, int]:
        """Do what the commands say; their exit codes."""
        found = {}
        for part, command in commands.items():
            words = list(command.words)
            words = words[next(at for at, word in enumerate(words) if word in {"run", "resume"}) :]
            self.words.append(words)
            if self.stop(self.words):
                stop.terminated = True
                found[part] = 143
                continue
            found[part] = self._run(part, words)
        meanwhile(1.0)
        return found

    def _run(self, part: str, words: list[str]) -> int:
        if part in self.lost:
            return 4
        if words[0] == "resume":
            return 0
        options = dict(itertools.pairwise(words))
        text = Path(words[1]).read_text()
        asked = suite.parse(text, Path(words[1]).stem, discovery.discover())
        runs = int(options.get("--runs", asked.policy.runs))
        tasks = tuple(
            Task(case, name)
            for entry in asked.entries
            for _, case in plan.cases(entry, discovery.discover(), CACHE, 1)
            for name in entry.implementations
        )
        order = (tuple(range(len(tasks))),) * runs
        policy = replace(asked.policy, runs=runs)
        made = Plan(asked.name, policy, int(options["--seed"]), tasks, (), order)
        campaign = store.Campaign(
            schema=SCHEMA,
            id=f"{asked.name}-{secrets.token_hex(4)}",
            started=store.now(),
            version="0",
            command="benchsuite run",
            backend=options["--backend"],
            suite=asked,
            plan=made,
            cache=CACHE,
            code=identity.code(),
            machine=MACHINE,
        )
        folder = store.RunDirectory(Path(options["--out"]) / campaign.id, campaign)
        statuses = {self._record(folder, part, run, task) for run in range(runs) for task in tasks}
        folder.journal.note("end", outcome="done")
        return 1 if "rejected" in statuses else 4 if "failed" in statuses else 0

    def _record(self, folder: store.RunDirectory, part: str, run: int, task: Task) -> str:
        benchmark = discovery.discover()[task.case.benchmark]
        key = part if part != "host" else self.node, benchmark.name
        number = self.counts.get(key, 0)
        self.counts[key] = number + 1
        answer = self.speed(*key, number)
        outcome: Outcome = answer if isinstance(answer, Samples | Rejected | Failed) else Failed("it has no answer")
        if isinstance(answer, float):
            work, metric = benchmark.work(task.case), benchmark.metric
            once = metric.quantity(work, 1.0)
            better = metric.higher_is_better
            value = REFERENCE[metric] * (answer if better else 1.0 / answer)
            seconds = once / value if better else value / once
            told = tuple(Caveat(code, f"{code}.") for code in self.codes(*key, number))
            outcome = Samples((seconds,) * 9, iterations=4, caveats=told)
        record = assemble(
            benchmark,
            task,
            outcome,
            campaign=folder.campaign.id,
            run=run,
            position=0,
            backend=folder.campaign.backend,
            provider="double",
            started=store.now(),
        )
        folder.append(record)
        return record.status.value


def begun(out: Path, contract: Contract, **more: object) -> Path:
    """A new acceptance of this contract below ``out``, with nothing measured yet."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "contract.toml"
    file.write_bytes(contract.source.encode())
    made, found = prepare(Request(str(file), out=out, **more))  # type: ignore[arg-type]
    return layout.create(out, made, found.source.encode())


class Silent:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def said(self, text: str) -> None:
        """Keep it."""
        self.heard.append(text)

    def went(self, step: str, part: float, left: float) -> None:
        """How far it is, is of no interest."""


def on(machine: Machine, node: str = "node0") -> Callable[[Path, Watcher, Stop], None]:
    """What ``acceptance.Work`` does on one node, when that is this machine."""

    def work(path: Path, watcher: Watcher, stop: Stop) -> None:
        made = layout.read(path)
        contract = deriving.contract_of(path, made)
        folder = layout.attempt_folder(path, node, made.attempt.number)
        machine.node = node
        more = {"look": machine.look, "execute": machine.execute}
        stages.Work(folder, made, made.attempt, contract, node, watcher, stop, **more).run()  # type: ignore[arg-type]

    return work


def measured(path: Path, machine: Machine, watcher: Watcher | None = None) -> Judged:
    """Do everything that is left of an acceptance on one node, and judge."""
    made = layout.read(path)
    work = Work(path, made, deriving.contract_of(path, made), watcher or Silent(), apart=on(machine))
    return work.run()


@pytest.fixture(scope="module")
def unsynced() -> Iterator[None]:
    """Nobody waits for the disk: these files need not outlive the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield
