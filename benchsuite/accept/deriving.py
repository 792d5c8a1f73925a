"""A folder of raw results -> Evidence -> FleetVerdict: what the driver does while it measures, and ``verify`` again.

Nothing here is remembered from the measurement: whatever a verdict rests on is read from the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchsuite import reading, store
from benchsuite.accept import contract as contracts
from benchsuite.accept import fleetrule, gates, inspecting, layout, needs, probes
from benchsuite.accept.inspecting import Inspection
from benchsuite.accept.layout import Attempt, Made
from benchsuite.burn import events as burning
from benchsuite.errors import BenchsuiteError, DataError
from benchsuite.localise import verdict
from benchsuite.model import (
    Burned,
    Contract,
    Diagnosis,
    Evidence,
    FleetVerdict,
    Measured,
    Observation,
    Record,
    RunValue,
    Status,
    Subject,
    Weight,
)
from benchsuite.scan import ledger
from benchsuite.telemetry.archive import recorded

MOST_STAGES = 64
"""Stages that are looked for: more than any rule has looks and repetitions."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One run directory of a subject. step: ``identity`` or ``stage-2``; loaded: ``None`` where there is none.

    problems: what of it cannot be read or trusted. failed: why there is none, although it was tried.
    """

    step: str
    path: Path | None
    loaded: store.Loaded | None
    problems: tuple[str, ...] = ()
    failed: str = ""

    @property
    def records(self) -> tuple[Record, ...]:
        """What was measured; nothing where it was changed since."""
        return () if self.loaded is None or self.loaded.damaged else self.loaded.records


@dataclass(frozen=True, slots=True)
class Judged:
    """Everything that follows from the files. problems: sentences about what could not be read."""

    made: Made
    contract: Contract
    evidences: tuple[Evidence, ...]
    scan: Diagnosis | None
    missing: tuple[str, ...]
    verdict: FleetVerdict
    problems: tuple[str, ...]


def runs(folder: Path, subject: Subject) -> tuple[Ran, ...]:
    """The runs of a subject in an attempt's folder: identity first, then the stages in their order."""
    own = folder / layout.part(subject)
    steps = [layout.IDENTITY]
    steps += [name for name in map(layout.stage, range(1, MOST_STAGES + 1)) if (own / name).is_dir()]
    return tuple(_ran(own / step, step) for step in steps)


def _ran(folder: Path, step: str) -> Ran:
    found = sorted(path.parent for path in folder.glob(f"*/{store.CAMPAIGN}"))
    if not found:
        return Ran(step, None, None, failed=_last_words(folder) if folder.is_dir() else "")
    if len(found) > 1:
        return Ran(step, found[-1], None, (f"{step} was run {len(found)} times",))
    try:
        loaded = store.load(found[0])
    except BenchsuiteError as error:
        return Ran(step, found[0], None, (str(error),))
    return Ran(step, found[0], loaded, loaded.problems)


def _last_words(folder: Path) -> str:
    """What a run said last that left no results."""
    try:
        text = (folder / f"{layout.SAID}.log").read_bytes()[-4096:].decode("utf-8", "replace")
    except OSError:
        text = ""
    said = [line.strip() for line in text.split("\n") if line.strip()]
    words = reading.printable(said[-1].removeprefix("benchsuite: ")) if said else ""
    return words[:300].rstrip(".") or "nothing could be measured"


def measured(contract: Contract, ran: Iterable[Ran]) -> tuple[Measured, ...]:
    """The values of every requirement over these stages; a run that cannot be trusted has failed."""
    asked = [one for one in ran if one.step != layout.IDENTITY]
    whole = [one.loaded for one in asked if one.loaded is not None]
    keys = needs.resolve(contract, whole[0].campaign.cache) if whole else {}
    found = needs.values(contract, keys, [record for one in asked for record in one.records])
    why = [reason for one in asked for reason in (*one.problems, one.failed) if reason]
    bad = tuple(RunValue(None, Status.FAILED, (), reason) for reason in why)
    return tuple(replace(one, runs=(*one.runs, *bad)) for one in found)


def evidence(contract: Contract, folder: Path, subject: Subject, number: int) -> Evidence:
    """Everything that was found of a subject in an attempt. What is missing or damaged is not there; see ``runs``."""
    ran = runs(folder, subject)
    before, after = inspection(folder, layout.BEFORE), inspection(folder, layout.AFTER)
    own = replace(subject, identity=identity(before, subject))
    return Evidence(
        own,
        number,
        measured(contract, ran),
        observations(contract, own, ran, before, after),
        probes.found(contract, own, [record for one in ran[:1] for record in one.records], before),
        burned(folder, own) if contract.heat.minutes else None,
    )


def observations(
    contract: Contract, subject: Subject, ran: Sequence[Ran], before: Inspection | None, after: Inspection | None
) -> tuple[Observation, ...]:
    """The gates over all runs of a subject."""
    readings = [reading for one in ran if one.path is not None for reading in recorded(one.path)]
    records = [record for one in ran for record in one.records]
    return gates.observe(contract, subject, before, after, readings, records)


def heavy(contract: Contract, *weights: Weight) -> set[str]:
    """The checks that have one of these weights."""
    return {gate.check for gate in gates.asked(contract) if gate.weight in weights}


def inspection(folder: Path, name: str) -> Inspection | None:
    """A look at the machine; ``None`` where there was none, or it cannot be read."""
    path = folder / f"{name}.json"
    try:
        return inspecting.load(path) if path.is_file() else None
    except DataError:
        return None


def identity(before: Inspection | None, subject: Subject) -> str:
    """The pseudonym of a subject; empty where the machine does not tell."""
    if before is None or subject.device is None:
        return before.identity if before else ""
    card = before.card(subject.device)
    return card.identity if card else ""


def burned(folder: Path, subject: Subject) -> Burned | None:
    """How a subject came through the burn-in; of several, since one was interrupted, the last with all errors
    of those before."""
    found: list[Burned] = []
    for path in sorted(folder.glob(f"{layout.BURN}*/{burning.FILE}"), key=lambda path: path.parent.name):
        try:
            of = burning.load(path)
        except DataError:
            continue
        found += [one for who, one in of.items() if who.device == subject.device]
    if not found:
        return None
    wrong, failures = sum(one.wrong for one in found), sum(one.failures for one in found)
    return replace(found[-1], wrong=wrong, failures=failures)


def judged(path: Path) -> Judged:
    """Read an acceptance, and judge it. Raises ``DataError`` when what it set out to do cannot be read or trusted."""
    made = layout.read(path)
    contract = contract_of(path, made)
    problems: list[str] = []
    evidences = tuple(_evidences(path, made, contract, problems))
    scan, missing = between(path, contract, problems), absent(path, made, contract)
    return Judged(
        made,
        contract,
        evidences,
        scan,
        missing,
        fleetrule.judge_all(contract, evidences, scan, missing),
        tuple(problems),
    )


def contract_of(path: Path, made: Made) -> Contract:
    """The contract of an acceptance. Raises ``DataError`` when it is not the one that it began with."""
    found = contracts.loads(reading.content(path / layout.CONTRACT), layout.CONTRACT)
    if found.digest != made.contract:
        raise DataError(f"{layout.CONTRACT} is not the contract that was tested.", reading.REMEDY)
    return found


def _evidences(path: Path, made: Made, contract: Contract, problems: list[str]) -> Iterable[Evidence]:
    for node in layout.nodes(path):
        for attempt in made.attempts:
            folder = layout.attempt_folder(path, node, attempt.number)
            for subject in tested(contract, node, attempt):
                for one in runs(folder, subject):
                    problems += [f"{subject.name}, {one.step}: {problem}" for problem in one.problems]
                yield evidence(contract, folder, subject, attempt.number)


def tested(contract: Contract, node: str, attempt: Attempt) -> tuple[Subject, ...]:
    """Whom an attempt is about on a node."""
    return tuple(one for one in layout.subjects(contract, node) if attempt.tests(one))


def absent(path: Path, made: Made, contract: Contract) -> tuple[str, ...]:
    """The nodes that were claimed and are not there: by the hosts' names where they are known, else how many."""
    there = layout.nodes(path)
    count = contract.claim.nodes - len(there)
    if count <= 0:
        return ()
    short = {name for node in there for name in (node, node.partition(".")[0])}
    lost = tuple(host for host in made.layout.hosts if not {host, host.partition(".")[0]} & short)
    return lost if len(lost) == count else (f"{count} of {contract.claim.nodes} nodes",)


def between(path: Path, contract: Contract, problems: list[str]) -> Diagnosis | None:
    """What the scan between the nodes says; ``None`` when there is none, or it cannot be trusted."""
    run = newest_scan(path)
    if run is None or contract.claim.nodes < 2 or not contract.between.scan:
        return None
    try:
        found, settings, _ = ledger.load(run)
    except BenchsuiteError as error:
        problems.append(f"scan: {error}")
        return None
    return verdict.diagnose(found, settings)


def newest_scan(path: Path) -> Path | None:
    """The last scan between the nodes."""
    return max((one.parent for one in (path / layout.SCAN).glob(f"*/{ledger.SCAN}")), default=None)
