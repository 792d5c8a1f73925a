"""Scans of four hosts with a known culprit, from the first rank to the sentence that names it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchsuite import scan
from benchsuite.model import Culprit, Decision, Diagnosis, Finding, Reference, Round, Scan
from benchsuite.scanexecute import Silent, Watcher
from benchsuite.scanstore import Made, Plan
from tests.faults.hosts import Hosts, InHosts, flipping, slowed, stopped, throttled

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
    """A watcher that does something to a rank when a number of rounds has passed."""

    act: Callable[[Sequence[int]], None] = lambda pids: None
    after: int = 5
    pids: Sequence[int] = ()
    count: int = 0

    def started(self, pids: Sequence[int]) -> None:
        """Note the processes."""
        self.pids = pids

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


@contextmanager
def clean(hosts: Hosts, folder: Path, number: int) -> Iterator[Planted]:
    """Nothing is wrong."""
    yield Planted()


@contextmanager
def quota(hosts: Hosts, folder: Path, number: int) -> Iterator[Planted]:
    """A rank gets a fifth of a core."""
    rank = number % COUNT
    with slowed(rank) as (variables, group):
        yield Planted(
            (rank,), frozenset({Culprit.COMPUTES, Culprit.NODE}), variables, proof=lambda: throttled(group) > 0
        )


@contextmanager
def pause(hosts: Hosts, folder: Path, number: int) -> Iterator[Planted]:
    """A rank is stopped for three seconds."""
    rank = number % COUNT
    acting = Acting(lambda pids: stopped(pids[rank], STOP), after=5)
    yield Planted((rank,), frozenset({Culprit.STALLED}), watcher=acting, proof=lambda: acting.count >= acting.after)


@contextmanager
def link(hosts: Hosts, folder: Path, number: int) -> Iterator[Planted]:
    """The path between two hosts carries a tenth."""
    pairs = [(one, other) for one in range(COUNT) for other in range(one + 1, COUNT)]
    pair = pairs[number % len(pairs)]
    hosts.tenth(*pair)
    yield Planted(pair, frozenset({Culprit.PATH}))


@contextmanager
def sender(hosts: Hosts, folder: Path, number: int) -> Iterator[Planted]:
    """A host sends at a tenth, and receives as ever."""
    rank = number % COUNT
    hosts.slow_sender(rank)
    yield Planted((rank,), frozenset({Culprit.SENDS, Culprit.NODE}))


@contextmanager
def flip(hosts: Hosts, folder: Path, number: int) -> Iterator[Planted]:
    """One bit of every seventh large message of a rank is wrong."""
    rank = number % COUNT
    variables = {"LD_PRELOAD": flipping(folder), "FLIP_RANK": str(rank), "FLIP_EVERY": "7"}
    yield Planted((rank,), frozenset({Culprit.CORRUPTS}), variables)


KINDS = {"clean": clean, "quota": quota, "pause": pause, "link": link, "sender": sender, "flip": flip}


def attempt(kind: str, number: int, reference: Reference | None, plan: Plan = PLAN) -> Tried:
    """One scan of four hosts with this fault, somewhere else each time."""
    folder = Path(tempfile.mkdtemp(prefix="benchsuite-planted-"))
    with Hosts() as hosts, KINDS[kind](hosts, folder, number) as planted:
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
    """Whether exactly the planted ranks are accused, of what was planted; of nothing, where nothing was planted."""
    accused = [one for one in diagnosis.findings if one.decision is Decision.ACCUSED]
    if not planted.ranks:
        return not diagnosis.findings
    return bool(accused) and all(fits(one, planted) for one in accused)


def fits(finding: Finding, planted: Planted) -> bool:
    """Whether a finding is about what was planted."""
    return set(finding.ranks) == set(planted.ranks) and finding.culprit in planted.culprits


def learned(number: int = 1000, plan: Plan = PLAN) -> Reference:
    """The reference that a clean scan of such hosts gives."""
    from benchsuite.localise import reference

    tried = attempt("clean", number, None, plan)
    return reference.learn([scan.load(tried.folder)[0]])
