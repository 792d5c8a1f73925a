"""One attempt on one node: look, probe, measure in stages until nobody is undecided, burn in, look again.

All devices of the node work at the same time, each in a process group of its own. Each step is in the attempt's
journal before it begins and after it is done, so that an attempt that ended early is gone on with: a step that was
begun is ended as it was planned, whatever its first results say.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from benchsuite import discovery, lock, plan, store, suite, units
from benchsuite.accept import deriving, fleetrule, gates, inspecting, judge, layout, needs, probes, processes, rule
from benchsuite.accept.layout import Attempt, Made
from benchsuite.accept.processes import Command
from benchsuite.burn import controller
from benchsuite.errors import DataError, Exit, MeasureError
from benchsuite.fleet.nodework import GOOD, STOPPED
from benchsuite.interrupt import Stop
from benchsuite.journal import Event, Journal, replace_file
from benchsuite.model import Contract, Evidence, Kind, Policy, State, Subject, Weight
from benchsuite.protocol import decode, encode

PATIENCE = 900.0
"""Seconds beyond four times the forecast after which a step counts as hung: its runs have deadlines of their own."""
WAIT = 30.0
"""Seconds to wait for another measurement on a device to end."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a step measures on one subject. runs: 0: as the suite says; only: requirements by name, empty: all."""

    runs: int = 0
    only: tuple[str, ...] = ()


class Watcher(Protocol):
    """Hears how an attempt goes on."""

    def said(self, text: str) -> None:
        """A sentence for a person."""

    def went(self, step: str, part: float, left: float) -> None:
        """So much of a step (a part of 1) is done; about so many seconds are left of it."""


@dataclass
class Work:
    """An attempt on a node while it is worked on. path: its folder; program: what ``benchsuite`` is here.

    look, execute: ask the machine, and run commands. stopped: who is left alone, and why."""

    path: Path
    made: Made
    attempt: Attempt
    contract: Contract
    node: str
    watcher: Watcher
    stop: Stop
    program: tuple[str, ...] = (sys.executable, "-m", "benchsuite")
    look: Callable[[Kind], inspecting.Inspection] = inspecting.inspect
    execute: Callable[..., Mapping[str, int]] = processes.run
    stopped: dict[Subject, str] = field(default_factory=dict)

    def run(self) -> None:
        """Do what is not done yet. Raises what ends it early: an interrupt, a full disk."""
        self.path.mkdir(parents=True, exist_ok=True)
        with Journal(self.path / layout.JOURNAL) as self.journal:
            if finished(self.path):
                return
            self._look(layout.BEFORE)
            self._preflight()
            self._step(layout.IDENTITY, self._identity)
            number = 1
            while self._step(layout.stage(number), self._wanted):
                number += 1
            self._burn()
            self._look(layout.AFTER)
            self.journal.note("finished")

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Whom this attempt is about."""
        return deriving.tested(self.contract, self.node, self.attempt)

    @property
    def live(self) -> tuple[Subject, ...]:
        """Those that nothing speaks against yet."""
        return tuple(one for one in self.subjects if one not in self.stopped)

    def _halt(self, subject: Subject, why: str) -> None:
        if self.stopped.setdefault(subject, why) is why:
            self.watcher.said(f"{subject.name} is not measured any further: {why}")

    # -- looking ---------------------------------------------------------------------------------------------------

    def _look(self, name: str) -> None:
        """Ask the machine what it is, once."""
        target = self.path / f"{name}.json"
        if not target.exists():
            found = inspecting.dumps(self.look(self.contract.claim.kind))
            self.journal.note("looked", file=target.name, sha=store.digest(found))
            replace_file(target, found)

    def _preflight(self) -> None:
        """Leave those alone of whom one look tells that they cannot be accepted."""
        before = deriving.inspection(self.path, layout.BEFORE)
        if before is None:
            return
        for subject in self.subjects:
            for seen in gates.preflight(self.contract, subject, before):
                if seen.check in deriving.heavy(self.contract, Weight.REJECT, Weight.INVALID):
                    self._halt(subject, seen.sentence)
            if number := self._condemned(subject, before):
                self._halt(
                    subject, f"attempt {number} rejected it for good; nothing shows that it was exchanged since."
                )

    def _condemned(self, subject: Subject, now: inspecting.Inspection) -> int:
        """The earlier attempt that found of this very device what no other test can undo; 0: there is none."""
        for number in range(1, self.attempt.number):
            folder = self.path.with_name(layout.attempt(number))
            found = deriving.evidence(self.contract, folder, subject, number)
            own = replace(subject, identity=deriving.identity(now, subject))
            exchanged = fleetrule.replaced(found, own, (now.identity,))
            if not exchanged and judge.judge(self.contract, found).hard:
                return number
        return 0

    # -- measuring -------------------------------------------------------------------------------------------------

    def _identity(self) -> dict[Subject, Ask]:
        return dict.fromkeys(self.live, Ask()) if needs.identity_suite(self.contract) else {}

    def _wanted(self) -> dict[Subject, Ask]:
        """How many more runs of what each undecided subject needs."""
        found = {}
        for subject in self.live:
            more = wanted(self.contract, subject, deriving.runs(self.path, subject))
            if more.runs:
                found[subject] = more
        return found

    def _step(self, name: str, planned: Callable[[], Mapping[Subject, Ask]]) -> bool:
        """Measure a step on all its subjects at the same time, as it was begun or else as planned now.

        Whether there was anything to do in it.
        """
        self.stop.check(measuring=False)
        asked = self._begun(name)
        if asked is None:
            asked = dict(planned())
            if not asked:
                return False
            self.journal.note("begin", step=name, asks=_written(asked))
        done = self._codes(name)
        left = {subject: ask for subject, ask in asked.items() if layout.part(subject) not in done}
        if left:
            self._measure(name, left)
        for subject in asked:
            self._judge(subject, name)
        return True

    def _codes(self, name: str) -> dict[str, int]:
        """The exit codes of a step's runs that have ended, by the subject's folder."""
        return {one.data["part"]: int(one.data["code"]) for one in self._events("run") if one.data["step"] == name}

    def _begun(self, name: str) -> dict[Subject, Ask] | None:
        """What a step that was begun is to measure; ``None`` if it was not."""
        told = [event.data["asks"] for event in self._events("begin") if event.data["step"] == name]
        if not told:
            return None
        asked = decode(told[0].encode(), dict[str, Ask])
        parts = {layout.part(subject): subject for subject in self.subjects}
        return {parts[part]: ask for part, ask in asked.items() if part in parts}

    def _events(self, kind: str) -> list[Event]:
        return [event for event in store.journal_of(self.path)[0] if event.event == kind]

    def _measure(self, name: str, asked: Mapping[Subject, Ask]) -> None:
        forecast = max(seconds(self.contract, name, ask) for ask in asked.values())
        self.watcher.said(f"{self.node}, {_said(name, asked)}, about {units.guessed(forecast)}.")
        commands = {layout.part(subject): self._command(name, subject, ask) for subject, ask in asked.items()}
        folders = [self.path / part / name for part in commands]
        meanwhile = partial(self._news, name, folders, forecast)
        codes = self.execute(commands, self.stop, 4 * forecast + PATIENCE, meanwhile)
        for subject in asked:
            part = layout.part(subject)
            if codes[part] not in STOPPED:
                self._keep(name, subject, codes[part])
        self.stop.check(measuring=False)
        if lost := [part for part, code in codes.items() if code in STOPPED]:
            raise MeasureError(f"{lost[0]} was ended by somebody else, or took too long.", "Go on with --resume.")

    def _command(self, name: str, subject: Subject, ask: Ask) -> Command:
        folder = self.path / layout.part(subject) / name
        folder.mkdir(parents=True, exist_ok=True)
        begun = max((path.parent for path in folder.glob(f"*/{store.CAMPAIGN}")), default=None)
        words = [*self.program, "resume", str(begun)] if begun else [*self.program, *self._words(name, subject, ask)]
        return Command(
            [*words, "--wait", f"{WAIT:g}", "--no-report", "--json", "--out", str(folder)], folder / layout.SAID
        )

    def _words(self, name: str, subject: Subject, ask: Ask) -> list[str]:
        """``run SUITE`` with what this step asks of a subject."""
        file = self.path / layout.part(subject) / name / f"{name}.toml"
        replace_file(file, text_of(self.contract, name, ask).encode())
        words = ["run", str(file), "--backend", self.made.backend, "--launcher", "local"]
        words += ["--device", str(subject.device)] if subject.device is not None else []
        words += ["--runs", str(ask.runs)] if ask.runs else []
        return [*words, "--seed", str(seed(self.made, self.attempt, name, subject))]

    def _keep(self, name: str, subject: Subject, code: int) -> None:
        """Note a run that has ended, and drop what its records repeat, unless something went wrong in it."""
        part = layout.part(subject)
        run = next((path.parent for path in (self.path / part / name).glob(f"*/{store.CAMPAIGN}")), None)
        if run is not None and code in GOOD:
            with suppress(OSError):
                shutil.rmtree(run / "attempts")
                (run / store.LOCK).unlink()
        sha = deriving.told_by_run(run) if run else ""
        self.journal.note("run", step=name, part=part, code=code, run=run.name if run else "", sha=sha)

    def _judge(self, subject: Subject, name: str) -> None:
        """Leave a subject alone when something speaks against it that no further run can mend."""
        part, ran = layout.part(subject), deriving.runs(self.path, subject)
        at = next((at for at, one in enumerate(ran) if one.step == name), -1)
        code = self._codes(name)[part]
        if ran[at].loaded is None or code not in {*GOOD, Exit.FAILED}:
            why = f"its run ended with exit code {code}" if ran[at].loaded else "nothing could be measured"
            self._halt(subject, f"in {name} {why}; {part}/{name}/{layout.SAID}.log says more.")
        elif at and _count(self.contract, ran[: at + 1]) == _count(self.contract, ran[:at]):
            self._halt(subject, f"what was measured in {name} answers nothing that was asked.")
        before = deriving.inspection(self.path, layout.BEFORE)
        for seen in deriving.observations(self.contract, subject, ran, before, None):
            if seen.state is State.FAILED and seen.check in deriving.heavy(self.contract, Weight.REJECT):
                self._halt(subject, seen.sentence)

    def _news(self, name: str, folders: list[Path], forecast: float, spent: float) -> None:
        """Tell how far the slowest subject is, by the records that are there."""
        parts = [_progress(folder) for folder in folders]
        least = min(parts, default=0.0)
        left = spent * (1.0 - least) / least if least > 0.0 else max(0.0, forecast - spent)
        self.watcher.went(name, least, left)

    # -- burning in ------------------------------------------------------------------------------------------------

    def _burn(self) -> None:
        """Burn in all that are left, at the same time, once."""
        if not self.contract.heat.minutes or not self.live or self._events("burnt"):
            return
        begun = [event.data["folder"] for event in self._events("burn")]
        folder = self.path / (f"{layout.BURN}-{len(begun) + 1}" if begun else layout.BURN)
        length = 60.0 * self.contract.heat.minutes
        if begun:  # what was found in one that was interrupted counts
            self.journal.note("unburnt", folder=begun[-1], sha=deriving.told_by_burn(self.path / begun[-1]))
        self.journal.note("burn", folder=folder.name)
        self.watcher.said(f"{self.node}, burn-in of {units.guessed(length)}.")
        first = seed(self.made, self.attempt, layout.BURN, self.live[0])
        request = controller.Request(self.live, length, folder, self.made.backend, seed=first)
        with lock.hold(lock.path(_device(self.made.backend)), "The device", WAIT, self.watcher.said):
            told = partial(self.watcher.went, "burn-in")
            controller.run(request, self.stop, lambda board: told(*board.ahead(time.monotonic())))
        self.journal.note("burnt", folder=folder.name, sha=deriving.told_by_burn(folder))


def _count(contract: Contract, ran: tuple[deriving.Ran, ...]) -> int:
    """How many runs of requirements there are."""
    return sum(len(one.runs) for one in deriving.measured(contract, ran))


def _device(backend: str) -> str:
    return "the processor" if backend == "host" else "all GPUs"


def finished(path: Path) -> bool:
    """Whether an attempt on a node came to its end."""
    return any(event.event == "finished" for event in store.journal_of(path)[0])


def wanted(contract: Contract, subject: Subject, ran: tuple[deriving.Ran, ...]) -> Ask:
    """What the next stage measures on a subject; no runs when it is decided, or the runs are spent."""
    more = rule.wanted(contract, Evidence(subject, measured=deriving.measured(contract, ran)))
    return Ask(max(more.values(), default=0), tuple(sorted(more)))


def text_of(contract: Contract, name: str, ask: Ask) -> str:
    """The suite of a step."""
    return needs.identity_suite(contract) if name == layout.IDENTITY else needs.suite(contract, ask.only)


def seed(made: Made, attempt: Attempt, name: str, subject: Subject) -> int:
    """The seed of the data of a step on a subject: it follows from the nonce, and is another for each."""
    return probes.seed(f"{made.nonce}/{attempt.number}/{name}", subject)


def seconds(contract: Contract, name: str, ask: Ask) -> float:
    """About how long a step takes."""
    text = text_of(contract, name, ask)
    if not text:
        return 0.0
    made = suite.parse(text, name, discovery.discover())
    return (ask.runs or made.policy.runs) * _one_run(made.policy, len(made.entries))


def _one_run(policy: Policy, tasks: int) -> float:
    return tasks * (policy.seconds + policy.warmup + plan.SETUP_SECONDS) + plan.ATTEMPT_SECONDS


def forecast(contract: Contract) -> tuple[float, float]:
    """About how many seconds an attempt on a node takes: when all is decided at the first look, and at the last."""
    once = seconds(contract, layout.IDENTITY, Ask()) + 60.0 * contract.heat.minutes
    looks = contract.rule.looks
    return (
        once + seconds(contract, layout.stage(1), Ask(looks[0])),
        once + seconds(contract, layout.stage(1), Ask(looks[-1])),
    )


def _written(asked: Mapping[Subject, Ask]) -> str:
    return encode({layout.part(subject): ask for subject, ask in asked.items()}).decode()


def _said(name: str, asked: Mapping[Subject, Ask]) -> str:
    runs = max(ask.runs for ask in asked.values())
    devices = f" on {len(asked)} devices" if len(asked) > 1 else ""
    if not runs:
        return f"identity probes{devices}"
    tasks = max(len(ask.only) for ask in asked.values())
    return f"{name}: {runs} runs of {tasks} {'requirement' if tasks == 1 else 'requirements'}{devices}"


def _progress(folder: Path) -> float:
    """Which part of a run's tasks has a record."""
    for path in folder.glob(f"*/{store.CAMPAIGN}"):
        with suppress(OSError, DataError):
            made = decode(path.read_bytes(), store.Campaign).plan
            there = (path.parent / store.RECORDS).read_bytes().count(b"\n")
            return min(1.0, there / max(1, sum(map(len, made.order))))
    return 0.0
