"""Run directories: everything one campaign measured, and everything needed to render it again.

runs/<id>/campaign.json   suite, plan, machine facts, versions, seed
          records.jsonl   one record a line, only ever appended
          journal.jsonl   what happened, chained by digest
          telemetry.jsonl what the sensors said meanwhile
          .lock           held by the process that measures or goes on with it
          attempts/NNNN/  job, results and captured output of each process group
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from benchsuite import reading
from benchsuite.errors import DataError, MeasureError, NewerError, UsageError
from benchsuite.journal import Event, Journal, cut_torn_line, read, replace_file, sync_append
from benchsuite.model import Plan, Record, Suite
from benchsuite.model.fleet import Layout
from benchsuite.protocol import decode, encode
from benchsuite.record import SCHEMA, Version, from_line, to_line

CAMPAIGN, RECORDS, JOURNAL = "campaign.json", "records.jsonl", "journal.jsonl"
LOCK = ".lock"
Head = TypeVar("Head")


@dataclass(frozen=True, slots=True)
class Campaign:
    """What one ``benchsuite run`` set out to do, and where. ``started``: UTC.

    ``caches``: bytes by level as one core sees them; ``cache``: all last-level caches together. code: a digest of
    benchsuite's own sources; machine: a name for host and device that only this host can make (``identity``).
    launcher, layout: what starts ranks, and on which hosts.
    """

    schema: int
    id: str
    started: str
    version: str
    command: str
    backend: str
    suite: Suite
    plan: Plan
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    caches: Mapping[str, int] = field(default_factory=dict)
    cores: int = 1
    cache: int = 0
    code: str = ""
    machine: str = ""
    launcher: str = "auto"
    layout: Layout = field(default_factory=Layout)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A campaign read back; ``problems`` says what of it could not be read.

    damaged: more is wrong than a last line torn when its writer ended: what is left is shown, but not ranked.
    """

    path: Path
    campaign: Campaign
    records: tuple[Record, ...]
    problems: tuple[str, ...]
    digest: str
    damaged: bool = False


def now() -> str:
    """This moment in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_id(suite: str, now: datetime | None = None) -> str:
    """A sortable, unique name: UTC time, suite, four random digits."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{suite}-{secrets.token_hex(2)}"


def prepare_folder(out: Path) -> Path:
    """The folder for run directories, made and proved writable before anything is measured.

    Raises ``UsageError``.
    """
    probe = out / f".writable-{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"benchsuite")
        probe.unlink()
    except OSError as error:
        problem = f"Nothing can be written to {out}: {error.strerror}."
        raise UsageError(problem, "Choose another folder with --out.") from error
    return out


class RunDirectory:
    """The open run directory of a campaign that is being measured."""

    def __init__(self, path: Path, campaign: Campaign) -> None:
        """A new one."""
        self.path = path
        self.campaign = campaign
        self.records: list[Record] = []
        (path / "attempts").mkdir(parents=True)
        self.journal = Journal(path / JOURNAL)
        self.write_campaign(campaign)

    @classmethod
    def reopen(cls, path: Path) -> RunDirectory:
        """The run directory of a campaign that ended early, with torn last lines cut off and every record known
        to the journal.

        Raises ``DataError`` if the journal or a record was changed.
        """
        cut_torn_line(path / RECORDS)
        journal = Journal(path / JOURNAL)
        loaded = load(path)
        if loaded.problems:
            raise DataError(loaded.problems[0], "It can be shown, but not gone on with: start a new run.")
        self = cls.__new__(cls)
        self.path, self.campaign, self.journal = path, loaded.campaign, journal
        self.records = list(loaded.records)
        known = vouched(journal_of(path)[0])
        for record, line in zip(loaded.records, (line for line, _ in _lines(path)), strict=True):
            if digest(line) not in known:  # its writer ended between the record and the journal's word for it
                self._vouch(record, line)
        return self

    def write_campaign(self, campaign: Campaign) -> None:
        """Replace campaign.json whole (facts grow when the first worker reports its libraries).

        Raises ``UsageError`` for the first one, before anything is measured, and ``MeasureError`` later.
        """
        begun = (self.path / CAMPAIGN).exists()
        self.campaign = campaign
        data = encode(campaign) + b"\n"
        self.journal.note("campaign", sha=digest(data))
        try:
            replace_file(self.path / CAMPAIGN, data)
        except MeasureError as error:
            if begun:
                raise
            raise UsageError(error.message, error.remedy) from error

    def append(self, record: Record) -> None:
        """Keep a record: in memory first, so that even a full disk loses nothing of this session."""
        self.records.append(record)
        line = to_line(record)
        sync_append(self.path / RECORDS, line)
        self._vouch(record, line)

    def _vouch(self, record: Record, line: bytes) -> None:
        self.journal.note("record", run=record.run, position=record.position, sha=digest(line))

    def attempt_folder(self, number: int) -> Path:
        """A fresh folder for one attempt. Raises ``MeasureError``."""
        return attempt_folder(self.path, number)

    def attempt_folders(self) -> list[Path]:
        """The folders of all attempts so far, oldest first."""
        return attempt_folders(self.path)


def attempt_folder(run: Path, number: int) -> Path:
    """A fresh folder for one attempt of a run directory, of a campaign or a scan. Raises ``MeasureError``."""
    folder = run / "attempts" / f"{number:04d}"
    try:
        folder.mkdir()
    except OSError as error:
        remedy = "Free some space; what was measured so far is kept."
        raise MeasureError(f"{folder} could not be made: {error.strerror}.", remedy) from error
    return folder


def attempt_folders(run: Path) -> list[Path]:
    """The folders of all attempts of a run directory so far, oldest first."""
    return sorted((run / "attempts").glob("[0-9]*"))


def find(name: str, out: Path) -> Path:
    """The run directory called ``name``: a path, an id or its unique beginning, or ``latest``.

    Raises ``UsageError`` when there is none or more than one.
    """
    if (Path(name) / CAMPAIGN).is_file():
        return Path(name)
    runs = sorted(path.parent for path in out.glob(f"*/{CAMPAIGN}"))
    if name == "latest" and runs:
        return runs[-1]
    matching = [path for path in runs if path.name.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UsageError(f"{name!r} could be {len(matching)} runs in {out}.", f"For example {matching[0].name}.")
    if name and Path(name).is_dir():
        raise UsageError(f"{name} is no run: there is no {CAMPAIGN} in it.", "Name a run directory.")
    if Path(name).is_file():
        raise UsageError(f"{name} is a file, not a run.", "A publication goes to compare, report, verify or publish.")
    if name.endswith(".json"):
        raise UsageError(f"There is no file {name}.", "Check the path.")
    hint = f"The newest there is {runs[-1].name}." if runs else "Measure one with 'benchsuite run'."
    raise UsageError(f"There is no run {name!r} in {out}.", hint)


def load(path: Path) -> Loaded:
    """A run directory read back.

    A torn last line, a damaged line, and a line that the journal does not vouch for are left out and named in
    ``problems``; a newer schema or an unreadable campaign raises ``DataError``.
    """
    campaign, sha = head(path / CAMPAIGN, Campaign, SCHEMA, "run")
    events, broken = journal_of(path)
    vetting = _Vetting(vouched(events), trusting=bool(broken))
    if broken:
        vetting.problems.append(f"The journal cannot be trusted to its end: {broken}.")
    elif sha not in vouched(events, "campaign"):
        vetting.problems.append(f"{CAMPAIGN} was changed after the run had begun.")
    torn = False
    for line, whole in _lines(path):
        torn = not whole
        if whole:
            vetting.take(line)
    vetting.finish()
    problems, damaged = list(vetting.problems), bool(vetting.problems)
    if torn:
        problems.append(f"The last line of {RECORDS} was torn when its writer ended; it was left out.")
    return Loaded(path, campaign, tuple(vetting.records), tuple(problems), vetting.whole.hexdigest(), damaged)


class _Vetting:
    """Takes the lines of a records file one by one, and keeps what the journal vouches for.

    Only its word for the very last line can have been lost with its writer. ``trusting``: the journal itself is
    broken, so that its word is not asked for.
    """

    def __init__(self, known: set[str], *, trusting: bool) -> None:
        self._known, self._trusting = known, trusting
        self._seen: set[str] = set()
        self._number = 0
        self._doubted = False
        self.records: list[Record] = []
        self.problems: list[str] = []
        self.whole = hashlib.sha256()

    def take(self, line: bytes) -> None:
        """One more line."""
        if self._doubted:
            self._disown()
        self._number += 1
        self.whole.update(line + b"\n")
        sha = digest(line)
        if sha in self._seen:
            self.problems.append(f"Line {self._number} of {RECORDS} is there twice; the second one was left out.")
            return
        self._seen.add(sha)
        try:
            self.records.append(from_line(line))
        except NewerError:
            raise
        except DataError as error:
            self.problems.append(f"Line {self._number} of {RECORDS} was left out. {error.message}")
            return
        self._doubted = sha not in self._known and not self._trusting

    def finish(self) -> None:
        """There are no more lines."""
        if self._doubted and len(self._known) >= self._number:
            self._disown()
        if (lost := len(self._known) - len(self._seen)) > 0:
            self.problems.append(f"{lost} records that the journal knows are missing from {RECORDS}.")

    def _disown(self) -> None:
        self.problems.append(f"Line {self._number} of {RECORDS} was changed after it was measured; it was left out.")
        self.records.pop()
        self._doubted = False


def digest(line: bytes) -> str:
    """What the journal notes of a record."""
    return hashlib.sha256(line).hexdigest()


def vouched(events: Iterable[Event], what: str = "record") -> set[str]:
    """Digests of the records, or of the campaign's versions, that the journal knows."""
    return {event.data.get("sha", "") for event in events if event.event == what}


def journal_of(path: Path) -> tuple[list[Event], str]:
    """The journal's intact events, and what is wrong with the rest; a torn last line is no fault."""
    try:
        return read(path / JOURNAL)
    except DataError as error:
        return [], error.message.rstrip(".")


def head(path: Path, kind: type[Head], schema: int, what: str) -> tuple[Head, str]:
    """The file that says what a run set out to do, and its digest. ``what``: as a person calls such a run.

    Raises ``DataError`` when it cannot be read, ``NewerError`` when its schema is above ``schema``.
    """
    data = reading.content(path)
    try:
        found = decode(data, Version).schema
        value = reading.value(data, kind) if found <= schema else None
    except DataError as error:
        raise DataError(f"{path} cannot be read. {error.message}", error.remedy or reading.REMEDY) from error
    if value is None:
        message = f"The {what} {path.parent.name} has schema {found}; this benchsuite knows up to {schema}."
        raise NewerError(message, "Read it with a newer benchsuite (pip install --upgrade benchsuite).")
    return value, digest(data)


def vouched_head(path: Path, kind: type[Head], schema: int, what: str) -> tuple[Head, list[Event]]:
    """The same of a run whose journal is whole and vouches for it, and that journal. Raises ``DataError``."""
    value, sha = head(path, kind, schema, what)
    events, broken = journal_of(path.parent)
    if broken:
        raise DataError(f"The journal of {path.parent.name} cannot be trusted: {broken}.", reading.REMEDY)
    if sha not in vouched(events, what):
        raise DataError(f"{path} was changed after the {what} had begun.", reading.REMEDY)
    return value, events


def _lines(path: Path) -> Iterator[tuple[bytes, bool]]:
    """The lines of the records file, and whether each is whole."""
    return reading.lines(path / RECORDS) if (path / RECORDS).exists() else iter(())
