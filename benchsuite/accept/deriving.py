"""A folder of raw results -> Evidence -> FleetVerdict: what the driver does while it measures, and ``verify`` again.

Nothing here is remembered from the measurement: whatever a verdict rests on is read from the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchsuite import reading, store
from benchsuite.accept import contract as contracts
from benchsuite.accept import fleetrule, gates, inspecting, layout, needs, probes
from benchsuite.accept.inspecting import Inspection
from benchsuite.accept.layout import Attempt, Made
from benchsuite.burn import events as burning
from benchsuite.burn.counting import WINDOW
from benchsuite.errors import BenchsuiteError, DataError
from benchsuite.fleet.nodework import folder_name
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
    Unit,
    Weight,
)
from benchsuite.scan import ledger
from benchsuite.telemetry.archive import FILE, recorded
from benchsuite.telemetry.reading import Reading

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
    machines = [before.identity if before else "", *(one.loaded.campaign.machine for one in ran if one.loaded)]
    return Evidence(
        own,
        number,
        measured(contract, ran),
        observations(contract, own, ran, before, after, heated(folder, own)),
        probes.found(contract, own, [record for one in ran[:1] for record in one.records], before),
        burned(folder, own) if contract.heat.minutes else None,
        tuple(filter(None, dict.fromkeys(machines))),
    )


def observations(
    contract: Contract,
    subject: Subject,
    ran: Sequence[Ran],
    before: Inspection | None,
    after: Inspection | None,
    hot: Sequence[Reading] = (),
) -> tuple[Observation, ...]:
    """The gates over all runs of a subject, and the readings of its burn-in."""
    readings = [reading for one in ran if one.path is not None for reading in recorded(one.path)] + [*hot]
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


def told_by_run(run: Path) -> str:
    """What a node's journal notes of a run: a digest of its own journal, which vouches for its records, and of what
    its sensors said."""
    return _digest(run / store.JOURNAL, run / FILE)


def told_by_burn(folder: Path) -> str:
    """The same of a burn-in; nothing where there is none."""
    events = folder / burning.FILE
    return _digest(events, *sorted(folder.glob(f"*/{FILE}"))) if events.is_file() else ""


def _digest(*files: Path) -> str:
    return store.digest(b"\n".join(store.digest(file.read_bytes()).encode() for file in files if file.is_file()))


def burns(folder: Path) -> list[Path]:
    """The folders of an attempt's burn-ins, the oldest first: several where one was interrupted."""
    there = (path.parent for path in folder.glob(f"{layout.BURN}*/{burning.FILE}"))
    return sorted(there, key=lambda path: (len(path.name), path.name))


def heated(folder: Path, subject: Subject) -> list[Reading]:
    """The readings of a subject's sensors in its burn-ins. Who else was there is the burn-in's own affair: workers
    begin and end in it, all at their time."""
    own = (reading for burn in burns(folder) for reading in recorded(burn / layout.part(subject)))
    return [replace(one, foreign=()) for one in own]


def burned(folder: Path, subject: Subject) -> Burned | None:
    """How a subject came through the burn-in; of several, since one was interrupted, the last with all that was found
    against it in those before. One that cannot be read leaves nothing to rely on."""
    found, lost = [], ""
    for path in burns(folder):
        try:
            of = burning.load(path / burning.FILE)
        except DataError as error:
            lost = f"{path.name}: {error.message}"
            continue
        found += [one for who, one in of.items() if (who.node, who.device) == (subject.node, subject.device)]
    if not found:
        return None
    last, before = found[-1], found[:-1]
    drifts = [one.worst for one in before if one.worst is not None and one.seconds >= 2 * WINDOW]
    return replace(
        last,
        wrong=sum(one.wrong for one in found),
        failures=sum(one.failures for one in found),
        faults=tuple(dict.fromkeys(fault for one in found for fault in one.faults)),
        worst=last.worst if last.worst is None else max([last.worst, *drifts]),
        notes=(
            *last.notes,
            *(["It was interrupted, and begun again; what was found before counts."] if before else []),
        ),
        reason=lost or last.reason,
    )


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
        fleetrule.judge_all(contract, evidences, scan, missing, replaced(path)),
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
    if unseen := unscanned(found.units, layout.nodes(path)):
        problems.append(f"scan: it went without {', '.join(unseen)}.")
        return None
    return verdict.diagnose(found, settings)


def replaced(path: Path) -> tuple[Diagnosis, ...]:
    """What the scans before the last one say; one that ended early or cannot be read says nothing."""
    said = []
    for run in sorted(one.parent for one in (path / layout.SCAN).glob(f"*/{ledger.SCAN}"))[:-1]:
        with suppress(BenchsuiteError):
            found, settings, _ = ledger.load(run)
            said.append(verdict.diagnose(found, settings))
    return tuple(said)


def unscanned(units: Sequence[Unit], nodes: Iterable[str]) -> list[str]:
    """The nodes that have no part in a scan of these units."""
    seen = {folder_name(unit.node).partition(".")[0] for unit in units}
    return [node for node in nodes if node.partition(".")[0] not in seen]


def newest_scan(path: Path) -> Path | None:
    """The last scan between the nodes."""
    return max((one.parent for one in (path / layout.SCAN).glob(f"*/{ledger.SCAN}")), default=None)
