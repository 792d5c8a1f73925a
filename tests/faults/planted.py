"""Scans of four hosts with a known culprit, from the first rank to the sentence that names it."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchsuite.model import Culprit, Decision, Diagnosis, Finding, Reference, Round, Scan
from benchsuite.scan import scan
from benchsuite.scan.ledger import Made, Plan
from benchsuite.scan.stages import Silent, Watcher
from tests.faults.hosts import Hosts, InHosts, enter, flipping, stopped, throttled
from tests.faults.hosts import quota as limited

COUNT = 4
STOP = 3.0
"""Seconds for which a rank is stopped."""
PLAN = Plan(
    rounds=24,
    nbytes=1 << 20,
    sweeps=1,
    margin=0.6,
    confirm_rounds=12,
    warm=2,
    repeats=5,
    direction=0.15,
    kernels=("gemm",),
)
"""Transfers of 10 ms, 100 ms where a link has a tenth. The margin: not twice as slow, where the faults are five and ten
times slower and neighbours on two cores cost some per cent."""


@dataclass
class Acting(Silent):
    """A watcher that does something to the ranks when they have started, and when some rounds have passed."""

    begin: Callable[[Sequence[int]], None] = lambda pids: None
    act: Callable[[Sequence[int]], None] = lambda pids: None
    after: int = 5
    pids: Sequence[int] = ()
    count: int = 0

    def started(self, pids: Sequence[int]) -> None:
        """Note the processes."""
        self.pids = pids
        self.begin(pids)

    def round(self, one: Round, piece: Scan) -> None:
        """Act, once."""
        self.count += 1
        if self.count == self.after:
            self.act(self.pids)


@dataclass(frozen=True)
class Planted:
    """A fault in a running fleet: variables of the ranks, what happens meanwhile, and what must be said.

    proof: whether the fault was really there, asked afterwards.
    """

    ranks: tuple[int, ...] = ()
    culprits: frozenset[Culprit] = frozenset()
    variables: dict[str, str] = field(default_factory=dict)
    watcher: Watcher = field(default_factory=Silent)
    proof: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Tried:
    """What came of a try. right: the culprit named, and nobody else."""

    right: bool
    proved: bool
    diagnosis: Diagnosis
    folder: Path

    @property
    def said(self) -> str:
        """All findings in a line."""
        told = [f"{one.decision.value}: {one.sentence}" for one in self.diagnosis.findings]
        return "; ".join(told) or "nothing found"


@dataclass(frozen=True)
class Place:
    """Where a fault is planted. number: of the try, so that it is somewhere else each time."""

    hosts: Hosts
    folder: Path
    number: int


@contextmanager
def clean(place: Place) -> Iterator[Planted]:
    """Nothing is wrong."""
    yield Planted()


@contextmanager
def quota(place: Place) -> Iterator[Planted]:
    """A rank gets a tenth of a core."""
    rank = place.number % COUNT
    with limited() as group:
        acting = Acting(begin=lambda pids: enter(group, pids[rank]))
        slow = frozenset({Culprit.COMPUTES, Culprit.NODE})
        yield Planted((rank,), slow, watcher=acting, proof=lambda: throttled(group) > 0)


@contextmanager
def pause(place: Place) -> Iterator[Planted]:
    """A rank is stopped for three seconds."""
    rank = place.number % COUNT
    acting = Acting(act=lambda pids: stopped(pids[rank], STOP), after=5)
    yield Planted((rank,), frozenset({Culprit.STALLED}), watcher=acting, proof=lambda: acting.count >= acting.after)


@contextmanager
def link(place: Place) -> Iterator[Planted]:
    """The path between two hosts carries a tenth."""
    pairs = [(one, other) for one in range(COUNT) for other in range(one + 1, COUNT)]
    pair = pairs[place.number % len(pairs)]
    place.hosts.tenth(*pair)
    yield Planted(pair, frozenset({Culprit.PATH}))


@contextmanager
def sender(place: Place) -> Iterator[Planted]:
    """A host sends at a tenth, and receives as ever."""
    rank = place.number % COUNT
    place.hosts.slow_sender(rank)
    yield Planted((rank,), frozenset({Culprit.SENDS, Culprit.NODE}))


@contextmanager
def flip(place: Place) -> Iterator[Planted]:
    """One bit of every seventh large message of a rank is wrong."""
    rank = place.number % COUNT
    variables = {"LD_PRELOAD": flipping(place.folder), "FLIP_RANK": str(rank), "FLIP_EVERY": "7"}
    yield Planted((rank,), frozenset({Culprit.CORRUPTS}), variables)


@contextmanager
def hang(place: Place) -> Iterator[Planted]:
    """A rank is stopped in its third round, and never goes on."""
    rank = place.number % COUNT
    acting = Acting(act=lambda pids: os.kill(pids[rank], signal.SIGSTOP), after=3)
    yield Planted((rank,), watcher=acting)


KINDS = {"clean": clean, "quota": quota, "pause": pause, "link": link, "sender": sender, "flip": flip}
"""What ``scripts/scan-planted`` tries; ``hang`` ends by a deadline and names a pair."""


def attempt(kind: str, number: int, reference: Reference | None, plan: Plan = PLAN) -> Tried:
    """One scan of four hosts with this fault, somewhere else each time."""
    folder = Path(tempfile.mkdtemp(prefix="benchsuite-planted-"))
    with Hosts() as hosts, {**KINDS, "hang": hang}[kind](Place(hosts, folder, number)) as planted:
        made, diagnosis = measured(hosts, folder, planted, number, reference, plan)
        proved = planted.proof()
    return Tried(judged(diagnosis, planted), proved, diagnosis, folder / "runs" / made.id)


def measured(
    hosts: Hosts, folder: Path, planted: Planted, seed: int, reference: Reference | None, plan: Plan
) -> tuple[Made, Diagnosis]:
    """Scan the hosts as ``benchsuite scan`` does."""
    request = scan.Request(plan=plan, confirm_after=0.0, apart=0.0, backend="host", seed=seed, out=folder / "runs")
    request = replace(request, placing=replace(request.placing, per_node=COUNT))
    made, found = scan.prepare(request)
    made = replace(made, reference=reference)
    launcher = InHosts(hosts, folder / "wrapper", planted.variables)

    @contextmanager
    def watching(made: Made) -> Iterator[Watcher]:
        yield planted.watcher

    directory, diagnosis = scan.run(made, folder / "runs", found, watching, launcher=launcher)
    return directory.made, diagnosis


def judged(diagnosis: Diagnosis, planted: Planted) -> bool:
    """Whether exactly the planted ranks are accused, of what was planted; of nothing, where nothing was planted.

    What befell all ranks alike, because their one machine stood still, is no suspicion of any of them.
    """
    accused = [one for one in diagnosis.findings if one.decision is Decision.ACCUSED]
    if not planted.ranks:
        return not accused and not suspected(diagnosis)
    return bool(accused) and all(fits(one, planted) for one in accused)


def suspected(diagnosis: Diagnosis) -> list[Finding]:
    """Findings about some of the hosts."""
    return [one for one in diagnosis.findings if len(one.ranks) < COUNT]


def fits(finding: Finding, planted: Planted) -> bool:
    """Whether a finding is about what was planted."""
    return set(finding.ranks) == set(planted.ranks) and finding.culprit in planted.culprits


def learned(number: int = 1000, plan: Plan = PLAN) -> Reference:
    """The reference that a clean scan of such hosts gives."""
    from benchsuite.localise import reference

    tried = attempt("clean", number, None, plan)
    return reference.learn([scan.load(tried.folder)[0]])
