"""Run directories of scans: what was set out to do, and every round as it was measured.

runs/<id>/scan.json       units, rounds, options, machine facts, versions, seed
          scan.jsonl      one round a line, only ever appended
          journal.jsonl   what happened, chained by digest; it vouches for both
          .lock           held by the process that measures or goes on with it
          attempts/NNNN/  job, results and captured output of each process group
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchsuite import reading
from benchsuite.errors import DataError, UsageError
from benchsuite.journal import Journal, cut_torn_line, replace_file, sync_append
from benchsuite.localise.settings import Settings
from benchsuite.model import Layout, Reference, Scan, Stage, Unit
from benchsuite.protocol import encode
from benchsuite.store import (
    CAMPAIGN,
    JOURNAL,
    attempt_folder,
    attempt_folders,
    digest,
    journal_of,
    vouched,
    vouched_head,
)

SCAN, PIECES = "scan.json", "scan.jsonl"
SCHEMA = 1
SWEEPS = 3
REMEDY = "It was edited or damaged after it was measured; scan again."


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scan was asked to do. Times in seconds.

    rounds, full: of the first look, in ``sweeps`` parts that lie ``apart`` (0: in one go); the second look begins
    ``confirm_after`` the first. nbytes: of a transfer. margin: the slowdown (log) below which nothing is called slow,
    ``None``: as the method chooses. deadline: how long a round may last before it counts as hung.
    """

    rounds: int = 24
    full: bool = False
    nbytes: int = 16 << 20
    sweeps: int = SWEEPS
    apart: float = 0.0
    confirm_after: float = 0.0
    confirm_rounds: int = 12
    margin: float | None = None
    deadline: float = 60.0
    warm: int = 5
    repeats: int = 20
    direction: float = 0.4
    """The longest that the timed transfers of one direction may take together."""
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What one ``benchsuite scan`` set out to do, and where. ``started``: UTC.

    ranks: how many; units: who they are, empty until they have been seen. leaves: the switch of each node, as the
    user's topology has it. reference: what it is judged by, if any. learning: it was made to be learned from.
    """

    schema: int
    id: str
    started: str
    version: str
    command: str
    backend: str
    seed: int
    plan: Plan
    ranks: int
    launcher: str = "mpiexec"
    layout: Layout = field(default_factory=Layout)
    units: tuple[Unit, ...] = ()
    leaves: Mapping[str, str] = field(default_factory=dict)
    reference: Reference | None = None
    transport: str = ""
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    code: str = ""
    learning: bool = False


class ScanDirectory:
    """The open run directory of a scan that is being measured."""

    def __init__(self, path: Path, made: Made) -> None:
        """A new one."""
        self.path, self.made = path, made
        self.pieces: list[Scan] = []
        (path / "attempts").mkdir(parents=True)
        self.journal = Journal(path / JOURNAL)
        self.write(made)

    @classmethod
    def reopen(cls, path: Path) -> ScanDirectory:
        """That of a scan that ended early, with a torn last line cut off. Raises ``DataError`` if it was changed."""
        cut_torn_line(path / PIECES)
        self = cls.__new__(cls)
        self.path, self.journal = path, Journal(path / JOURNAL)
        self.made, self.pieces = _read(path)
        known = vouched(journal_of(path)[0], "round")
        for line, _ in _lines(path):
            if digest(line) not in known:  # its writer ended between the line and the journal's word for it
                self.journal.note("round", sha=digest(line))
        return self

    @property
    def scan(self) -> Scan:
        """All that was measured so far."""
        return merged(self.made, self.pieces)

    def write(self, made: Made) -> None:
        """Replace scan.json whole. Raises ``MeasureError``."""
        self.made = made
        data = encode(made) + b"\n"
        self.journal.note("scan", sha=digest(data))
        replace_file(self.path / SCAN, data)

    def append(self, piece: Scan) -> None:
        """Keep one round: in memory first, so that even a full disk loses nothing of this session."""
        self.pieces.append(piece)
        line = encode(piece)
        sync_append(self.path / PIECES, line)
        self.journal.note("round", sha=digest(line))

    def attempt_folder(self) -> Path:
        """A fresh folder for the next attempt. Raises ``MeasureError``."""
        return attempt_folder(self.path, len(self.attempt_folders()) + 1)

    def attempt_folders(self) -> list[Path]:
        """The folders of all attempts so far, oldest first."""
        return attempt_folders(self.path)


def merged(made: Made, pieces: Iterable[Scan]) -> Scan:
    """The pieces as one scan, its units with their leaf switches."""
    parts = list(pieces)
    return Scan(
        units=tuple(replace(unit, leaf=made.leaves.get(unit.node, unit.leaf)) for unit in made.units),
        seed=made.seed,
        nbytes=made.plan.nbytes,
        rounds=tuple(one for part in parts for one in part.rounds),
        transfers=tuple(one for part in parts for one in part.transfers),
        locals=tuple(one for part in parts for one in part.locals),
        pauses=tuple(one for part in parts for one in part.pauses),
        groups=tuple(one for part in parts for one in part.groups),
        seconds=sum(part.seconds for part in parts),
        transport=made.transport,
    )


def settings(made: Made) -> Settings:
    """By what a scan is judged: its own margin and reference, or those of the method."""
    chosen = Settings(reference=made.reference)
    return chosen if made.plan.margin is None else replace(chosen, margin=made.plan.margin)


def load(path: Path) -> tuple[Scan, Settings, Made]:
    """A scan read back, by what it is judged, and what it set out to do.

    A last line torn when its writer ended is left out. Raises ``DataError`` when anything was changed after it was
    measured: what names a culprit must be what was seen.
    """
    made, pieces = _read(path)
    return merged(made, pieces), settings(made), made


def done(pieces: Iterable[Scan]) -> set[tuple[Stage, int]]:
    """The rounds that are measured, or failed."""
    return {(one.stage, one.number) for piece in pieces for one in piece.rounds}


def is_scan(path: Path) -> bool:
    """Whether a folder holds a scan."""
    return (path / SCAN).is_file()


def find(name: str, out: Path) -> Path | None:
    """The scan called ``name``: a path, an id or its beginning that no other run shares, or ``latest`` if that is one.

    ``None`` when it is no scan.
    """
    if is_scan(Path(name)):
        return Path(name)
    runs = sorted(path.parent for kind in (SCAN, CAMPAIGN) for path in out.glob(f"*/{kind}"))
    found = runs[-1:] if name == "latest" else [path for path in runs if name and path.name.startswith(name)]
    return found[0] if len(found) == 1 and is_scan(found[0]) else None


def named(name: str, out: Path) -> Path:
    """The scan called ``name``, or the newest for ``latest``. Raises ``UsageError`` when there is none."""
    every = sorted(path.parent for path in out.glob(f"*/{SCAN}"))
    found = every[-1] if name == "latest" and every else find(name, out)
    if found is None:
        raise UsageError(f"There is no scan {name!r} in {out}.", "Measure one with 'benchsuite scan'.")
    return found


def _read(path: Path) -> tuple[Made, list[Scan]]:
    made, events = vouched_head(path / SCAN, Made, SCHEMA, "scan")
    return made, _pieces(path, vouched(events, "round"))


def _pieces(path: Path, known: set[str]) -> list[Scan]:
    """The rounds that the journal vouches for; its word for the very last can have been lost with its writer."""
    lines = [line for line, whole in _lines(path) if whole]
    doubted = [number for number, line in enumerate(lines) if digest(line) not in known]
    if doubted and (doubted != [len(lines) - 1] or len(known) >= len(lines)):
        raise DataError(f"Line {doubted[0] + 1} of {PIECES} was changed after it was measured.", REMEDY)
    if len(known) > len(lines):
        raise DataError(f"{len(known) - len(lines)} rounds that the journal knows are missing from {PIECES}.", REMEDY)
    return [reading.value(line, Scan) for line in lines]


def _lines(path: Path) -> Iterable[tuple[bytes, bool]]:
    return reading.lines(path / PIECES) if (path / PIECES).exists() else ()
