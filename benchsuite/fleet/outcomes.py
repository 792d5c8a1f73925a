"""A fleet's run read back: each node set against the others, the scan's verdict, the collectives' scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchsuite import results, store
from benchsuite.errors import BenchsuiteError, Exit
from benchsuite.fleet import fleet, nodework, peers
from benchsuite.fleet.fleet import Made, Phase, Spell
from benchsuite.fleet.nodework import Node
from benchsuite.fleet.peers import Standing, Table, Verdict
from benchsuite.localise import verdict
from benchsuite.model import Decision, Diagnosis, Record, Scan, Score, Status
from benchsuite.scan import ledger, scan


@dataclass(frozen=True, slots=True)
class Scanned:
    """The scan of a fleet, and what was found."""

    scan: Scan
    diagnosis: Diagnosis
    made: ledger.Made


@dataclass(frozen=True, slots=True)
class Together:
    """The collectives over all nodes."""

    campaign: store.Campaign
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that a fleet's run has. spells: the phases as they were worked on; problems: what was not readable.

    nodes: how the run of each node went, by name; ``None``: it is missing.
    """

    path: Path
    made: Made
    spells: tuple[Spell, ...]
    nodes: Mapping[str, Node | None]
    table: Table
    verdicts: tuple[Verdict, ...]
    scanned: Scanned | None
    together: Together | None
    problems: tuple[str, ...]

    def spell(self, phase: Phase) -> Spell | None:
        """The last time that a phase was worked on."""
        return next((one for one in reversed(self.spells) if one.phase is phase), None)


def load(path: Path) -> Fleet:
    """Read a fleet's run. Raises ``DataError`` when it is none; what of it cannot be read is among the problems."""
    made = fleet.read(path)
    problems: list[str] = []
    nodes, records = _nodes(path, problems)
    broken = fleet.broken(path, made) if Phase.NODES in made.phases else {}
    nodes |= dict.fromkeys(name for name in broken if name not in nodes)
    records |= {name: () for name in nodes if name not in records}
    table = peers.table(records, made.runs, margin=made.margin)
    return Fleet(
        path,
        made,
        tuple(fleet.spells(path)),
        nodes,
        table,
        peers.verdicts(table, broken),
        _scanned(path / Phase.SCAN, problems),
        _together(path / Phase.TOGETHER, problems),
        tuple(problems),
    )


def _nodes(path: Path, problems: list[str]) -> tuple[dict[str, Node | None], dict[str, tuple[Record, ...]]]:
    """How each node's run went, and its records; a run that was changed or cannot be read has none."""
    nodes: dict[str, Node | None] = {}
    records: dict[str, tuple[Record, ...]] = {}
    for folder in sorted(one for one in (path / Phase.NODES).glob("*") if one.is_dir()):
        one = nodework.read(folder)
        name = one.node if one else folder.name
        nodes[name] = one
        run = folder / one.run if one and one.run else nodework.newest(folder)
        if run is None:
            continue
        try:
            loaded = store.load(run)
        except BenchsuiteError as error:
            problems.append(f"{name}: {error}")
            continue
        problems += [f"{name}: {problem}" for problem in loaded.problems]
        records[name] = () if loaded.damaged else loaded.records
    return nodes, records


def _scanned(folder: Path, problems: list[str]) -> Scanned | None:
    run = max((one.parent for one in folder.glob(f"*/{ledger.SCAN}")), default=None)
    if run is None:
        return None
    try:
        measured, settings, made = scan.load(run)
        return Scanned(measured, verdict.diagnose(measured, settings), made)
    except BenchsuiteError as error:
        problems.append(f"scan: {error}")
        return None


def _together(folder: Path, problems: list[str]) -> Together | None:
    run = max((one.parent for one in folder.glob(f"*/{store.CAMPAIGN}")), default=None)
    if run is None:
        return None
    try:
        loaded = store.load(run)
    except BenchsuiteError as error:
        problems.append(f"together: {error}")
        return None
    problems += [f"together: {problem}" for problem in loaded.problems]
    return Together(loaded.campaign, tuple(results.scores_of(loaded)))


GUILTY = {Standing.SLOW, Standing.WRONG}
UNMEASURED = {Standing.MISSING, Standing.FAILED}
OPEN = {Standing.UNDECIDED, Standing.SKIPPED}


def exit_code(found: Fleet) -> Exit:
    """1 when a node is slow, wrong or accused; 4 when anything wanted is not there; 3 when nobody can tell; else 0."""
    standings = {one.standing for one in found.verdicts}
    decisions = {one.decision for one in found.scanned.diagnosis.findings} if found.scanned else set()
    statuses = {score.status for score in found.together.scores} if found.together else set()
    if standings & GUILTY or Decision.ACCUSED in decisions or Status.REJECTED in statuses:
        return Exit.REJECTED
    spells = [found.spell(phase) for phase in found.made.phases]
    if found.problems or standings & UNMEASURED or any(one is None or not one.complete for one in spells):
        return Exit.FAILED
    undecided = bool(decisions) or bool(found.scanned and not found.scanned.diagnosis.conclusive)
    return Exit.INCONCLUSIVE if undecided or standings & OPEN else Exit.DONE
