"""Plan -> scan: rounds of disjoint pairs on real ranks, judged, looked at again, and judged for good.

Contact (who is there, how long a round takes) -> the first look, in sweeps -> a later second look at whoever is
suspected, with partners known good -> the slowest links again -> the verdict. Each look is a fresh process group; a
round that hangs or crashes costs itself, and the rest goes on in another.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from benchsuite.attempt import End, Runner
from benchsuite.errors import MeasureError
from benchsuite.execute import Stopper, Tireless
from benchsuite.localise import design, verdict
from benchsuite.localise.small import FEWEST
from benchsuite.model import Culprit, Diagnosis, Finding, Group, Policy, Round, Scan, Stage, Unit
from benchsuite.protocol import Job, Kind, Message, ScanJob
from benchsuite.scan import blame, ledger
from benchsuite.scan.ledger import Plan, ScanDirectory

POLL = 0.1
MOST_GROUPS = 16
"""Groups of nodes that are left out of an all-reduce one after another: more would take longer than the rounds."""
LINKS = 8
"""How many of the slowest links are measured again."""
START = 3.0
"""Seconds that starting a process group takes, about: for the forecast before any was started."""
SLOWEST = 20.0
"""How many times longer than the first round a round may last before it counts as hung."""
HOPELESS, HOPELESS_REASON = 3, "not tried: one of its ranks had failed in three rounds before"
"""Rounds that a rank may fail in before it is left out of those that follow."""


class Watcher(Protocol):
    """Told of progress; a terminal draws it, tests count it."""

    def forecast(self, rounds: int, seconds: float) -> None:
        """So many rounds are to come, and all of it takes about so long from now on."""

    def started(self, pids: Sequence[int]) -> None:
        """A process group has begun: the processes of its ranks, in rank order."""

    def round(self, one: Round, piece: Scan) -> None:
        """A round has been measured, or has failed."""

    def waiting(self, why: str, seconds: float) -> None:
        """Nothing is measured for so long."""


class Silent:
    """Says nothing."""

    def forecast(self, rounds: int, seconds: float) -> None:
        """Nothing."""

    def started(self, pids: Sequence[int]) -> None:
        """Nothing."""

    def round(self, one: Round, piece: Scan) -> None:
        """Nothing."""

    def waiting(self, why: str, seconds: float) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """How the ranks are run: the runner, the world's name, threads of each rank, hosts (0: wherever they run)."""

    runner: Runner
    world: str
    threads: int = 1
    nodes: int = 0


@dataclass
class Attempt:
    """What is known of a process group while it runs."""

    introduced: bool = False
    index: int = -1
    reason: str = ""
    ended: set[int] = field(default_factory=set)

    @property
    def measuring(self) -> bool:
        """Whether a round has begun and not ended: a polite request to stop waits for its end."""
        return self.index >= 0 and self.index not in self.ended


@dataclass
class Scanning:
    """The state of one scan's execution."""

    directory: ScanDirectory
    place: Place
    watcher: Watcher = field(default_factory=Silent)
    stop: Stopper = field(default_factory=Tireless)
    sleep: Callable[[float], None] = time.sleep
    failures: Counter[int] = field(default_factory=Counter)
    per_round: float = 0.0

    def run(self) -> Diagnosis:
        """Measure whatever is not measured yet, and judge. Raises ``MeasureError`` when nothing can be measured."""
        plan, seed = self.directory.made.plan, self.directory.made.seed
        self._contact()
        first = design.screen(self.directory.made.units, plan.rounds, seed, plan.full)
        parts = _sweeps(first, plan.sweeps if plan.apart > 0.0 else 1)
        self._forecast(len(self._open(first)), parts)
        for number, part in enumerate(parts):
            if number and self._open(part) == list(part):
                self._wait(plan.apart, f"sweep {number + 1} of {len(parts)}")
            self._measure(part, _groups(self.directory.made.units) if number + 1 == len(parts) else ())
        settings = ledger.settings(self.directory.made)
        looked = _only(self.directory.scan, Stage.SCREEN)
        suspects = verdict.suspects(looked, settings)
        second = (*_confirming(looked, suspects, plan.confirm_rounds, seed), *_linking(looked, suspects, plan, seed))
        if suspects and self._open(second) == list(second):
            self._wait(plan.confirm_after, "the second look")
        for stage in (Stage.CONFIRM, Stage.LINKS):
            self._measure([one for one in second if one.stage is stage])
        return verdict.diagnose(self.directory.scan, settings)

    def _contact(self) -> None:
        """Who takes part, and how long a round takes, from one that does not count."""
        ranks = self.directory.made.ranks
        pairs = tuple((one, one + ranks // 2) for one in range(ranks // 2))
        found: list[Scan] = []
        state = self._attempt((Round(Stage.SCREEN, 0, pairs),), (), found.append)
        if not state.introduced or not self.directory.made.units:
            raise MeasureError("No rank said who it is.", "See 'benchsuite doctor'.")
        self.per_round = sum(piece.seconds for piece in found) or 1.0

    def _measure(self, rounds: Sequence[Round], groups: tuple[tuple[int, ...], ...] = ()) -> None:
        """Measure the rounds that are open; each attempt gets one further, so this ends."""
        if len(self.directory.scan.groups) >= len(groups):
            groups = ()
        while (pending := self._open(rounds)) or groups:
            chosen = [one for one in map(self._without_hopeless, pending) if one.pairs]
            for one in pending[: len(pending) if not chosen else 0]:
                self._keep(one, blame.unmeasured(one, one.pairs, HOPELESS_REASON))
            if not chosen:
                return
            whole = {(one.stage, one.number): one for one in pending}
            kept = len(self.directory.pieces)
            state = self._attempt(chosen, groups, partial(self._take, whole))
            if len(self.directory.pieces) == kept:
                why = state.reason or "they said goodbye"
                raise MeasureError(f"The ranks ended before their first round: {why}.", blame.REMEDY)
            groups = ()

    def _attempt(
        self, rounds: Sequence[Round], groups: tuple[tuple[int, ...], ...], take: Callable[[Scan], None]
    ) -> Attempt:
        """Run one process group over these rounds; what did not come back is kept as failed."""
        state = Attempt()
        folder = self.directory.attempt_folder()
        job = self._job(rounds, groups, folder)

        def listen(message: Message) -> None:
            match message.kind:
                case Kind.HELLO:
                    self._learn(message)
                    self.watcher.started(message.pids)
                case Kind.PHASE:
                    state.index = message.index
                case Kind.ROUND if message.scan is not None and message.index < 0:
                    self._meet(message.scan)
                    state.introduced = True
                case Kind.ROUND if message.scan is not None:
                    state.ended.add(message.index)
                    take(message.scan)
                case _:
                    pass
            self.stop.check(measuring=state.measuring)

        self.directory.journal.note("attempt", rounds=len(rounds), ranks=job.ranks)
        end = self.place.runner(job, folder, listen, lambda: self.stop.check(measuring=state.measuring))
        self.directory.journal.note("attempt-end", measured=len(state.ended), reason=end.reason)
        if not state.introduced:
            raise MeasureError(f"The ranks could not be started: {end.reason or 'they ended at once'}.", blame.REMEDY)
        state.reason = end.reason
        if end.reason:
            self._fail(rounds, state, end, folder, take)
        return state

    def _fail(
        self, rounds: Sequence[Round], state: Attempt, end: End, folder: Path, take: Callable[[Scan], None]
    ) -> None:
        """Keep what the attempt broke in as failed: the round it was in, or an all-reduce."""
        if state.index in state.ended or state.index < 0:
            return
        if state.index < len(rounds):
            piece = blame.failed(rounds[state.index], folder, end.reason)
            self.failures.update(blame.ranks(piece))
            take(piece)
        else:
            last = rounds[-1]
            take(Scan((), 0, 0, groups=(Group(last.stage, last.number, "", None, end.reason),)))

    def _take(self, whole: Mapping[tuple[Stage, int], Round], piece: Scan) -> None:
        """Keep a piece; of a round from which hopeless ranks were left out, with what was left out."""
        if not piece.rounds:
            self.directory.append(piece)
            return
        ran = piece.rounds[0]
        one = whole[ran.stage, ran.number]
        missing = [pair for pair in one.pairs if pair not in ran.pairs]
        left = blame.unmeasured(one, missing, HOPELESS_REASON).transfers
        self._keep(one, replace(piece, rounds=(one,), transfers=(*piece.transfers, *left)))

    def _keep(self, one: Round, piece: Scan) -> None:
        self.directory.append(piece)
        self.watcher.round(one, piece)

    def _without_hopeless(self, one: Round) -> Round:
        """The round without pairs of a rank that failed too often."""
        hopeless = {rank for rank, count in self.failures.items() if count >= HOPELESS}
        return replace(one, pairs=tuple(pair for pair in one.pairs if not hopeless & set(pair)))

    def _open(self, rounds: Sequence[Round]) -> list[Round]:
        known = ledger.done(self.directory.pieces)
        return [one for one in rounds if (one.stage, one.number) not in known]

    def _meet(self, seen: Scan) -> None:
        """The units that a process group has; they must be those of the groups before it."""
        made = self.directory.made
        if made.units and made.units != seen.units:
            raise MeasureError(
                "The ranks of this attempt lie on other hosts than those before, so the rest would not compare.",
                "Begin a new scan, on hosts that stay the same.",
            )
        if not made.units:
            plan = replace(made.plan, nbytes=seen.nbytes)
            self.directory.write(replace(made, units=seen.units, transport=seen.transport, plan=plan))

    def _learn(self, message: Message) -> None:
        """Add what the ranks report of their libraries, once."""
        made = self.directory.made
        fresh = {section: values for section, values in message.facts.items() if values and section not in made.facts}
        if fresh:
            self.directory.write(replace(made, facts={**made.facts, **fresh}))

    def _forecast(self, first: int, parts: Sequence[Sequence[Round]]) -> None:
        """Tell how long the first look and the links take; a second look comes on top, if somebody is suspected."""
        made = self.directory.made
        links = made.plan.confirm_rounds if _seats(made.units) > FEWEST else 0
        waits = made.plan.apart * (len(parts) - 1)
        seconds = (first + links) * self.per_round + waits + START * (len(parts) + (links > 0))
        self.watcher.forecast(first + links, seconds)

    def _wait(self, seconds: float, why: str) -> None:
        if seconds <= 0.0:
            return
        self.directory.journal.note("wait", why=why, seconds=seconds)
        self.watcher.waiting(why, seconds)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0.0:
            self.stop.check(measuring=False)
            self.sleep(min(POLL, left))

    def _job(self, rounds: Sequence[Round], groups: tuple[tuple[int, ...], ...], folder: Path) -> Job:
        made = self.directory.made
        plan = made.plan
        policy = Policy(deadline=max(plan.deadline, SLOWEST * self.per_round))
        kernels = () if rounds[0].stage is Stage.LINKS else plan.kernels
        work = ScanJob(tuple(rounds), plan.nbytes, plan.warm, plan.repeats, plan.direction, kernels, groups)
        return Job(
            attempt=int(folder.name),
            run=0,
            backend=made.backend,
            world=self.place.world,
            ranks=made.ranks,
            threads=self.place.threads,
            seed=made.seed,
            policy=policy,
            tasks=(),
            results=str((folder / "results.jsonl").resolve()),
            nonce=secrets.token_hex(8),
            controller=os.getpid(),
            host=socket.gethostname(),
            scan=work,
            nodes=self.place.nodes,
        )


def _confirming(looked: Scan, suspects: Sequence[Finding], rounds: int, seed: int) -> tuple[Round, ...]:
    """The second look at whoever is suspected; pairs are looked at as links."""
    return design.confirmation(looked, [one for one in suspects if one.culprit is not Culprit.PATH], rounds, seed + 1)


def _linking(looked: Scan, suspects: Sequence[Finding], plan: Plan, seed: int) -> tuple[Round, ...]:
    """The slowest pairs again. Among four nodes or fewer each was seen often: then those suspected, only."""
    suspected = sum(one.culprit is Culprit.PATH for one in suspects)
    return design.links(looked, suspected if _seats(looked.units) <= FEWEST else LINKS, plan.confirm_rounds, seed + 2)


def _seats(units: Sequence[Unit]) -> int:
    """How many meet each other: nodes, or on a single node its units."""
    nodes = {unit.node for unit in units}
    return len(nodes) if len(nodes) > 1 else len(units)


def _sweeps(rounds: Sequence[Round], count: int) -> list[tuple[Round, ...]]:
    """The rounds in so many parts of nearly equal length, fewer where there are fewer rounds."""
    count = max(1, min(count, len(rounds)))
    bounds = [len(rounds) * number // count for number in range(count + 1)]
    return [tuple(rounds[low:high]) for low, high in pairwise(bounds)]


def _groups(units: Sequence[Unit]) -> tuple[tuple[int, ...], ...]:
    """Ranks left out of an all-reduce: nobody, then each node; of many nodes, each of ``MOST_GROUPS`` parts."""
    nodes = list(dict.fromkeys(unit.node for unit in units))
    if len(nodes) < 3:
        return ((),)
    size = -(-len(nodes) // MOST_GROUPS)
    parts = [set(nodes[begin : begin + size]) for begin in range(0, len(nodes), size)]
    return ((), *(tuple(unit.rank for unit in units if unit.node in part) for part in parts))


def _only(scan: Scan, stage: Stage) -> Scan:
    """What one look measured: decisions about the next must not change when that one has begun."""
    return replace(
        scan,
        rounds=tuple(one for one in scan.rounds if one.stage is stage),
        transfers=tuple(one for one in scan.transfers if one.stage is stage),
        locals=tuple(one for one in scan.locals if one.stage is stage),
        groups=tuple(one for one in scan.groups if one.stage is stage),
    )
