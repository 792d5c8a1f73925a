"""Run directories: everything one campaign measured, and everything needed to render it again.

runs/<id>/campaign.json   suite, plan, machine facts, versions, seed
          records.jsonl   one record a line, only ever appended
          journal.jsonl   what happened, chained by digest
          attempts/NNNN/  job, results and captured output of each process group
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchsuite.errors import DataError, UsageError
from benchsuite.journal import Journal, sync_append
from benchsuite.model import Plan, Record, Suite
from benchsuite.protocol import decode, encode
from benchsuite.record import SCHEMA, from_line, to_line

CAMPAIGN, RECORDS, JOURNAL = "campaign.json", "records.jsonl", "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Campaign:
    """What one ``benchsuite run`` set out to do, and where. ``started``: UTC.

    ``caches``: bytes by level as one core sees them; ``cache``: all last-level caches together.
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


@dataclass(frozen=True, slots=True)
class Loaded:
    """A campaign read back; ``problems`` says what of it could not be read."""

    path: Path
    campaign: Campaign
    records: tuple[Record, ...]
    problems: tuple[str, ...]
    digest: str


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
        self.path = path
        self.campaign = campaign
        self.records: list[Record] = []
        (path / "attempts").mkdir(parents=True)
        self.write_campaign(campaign)
        self.journal = Journal(path / JOURNAL)

    def write_campaign(self, campaign: Campaign) -> None:
        """Replace campaign.json whole (facts grow when the first worker reports its libraries)."""
        self.campaign = campaign
        temporary = self.path / f".{CAMPAIGN}"
        try:
            temporary.write_bytes(encode(campaign) + b"\n")
            os.replace(temporary, self.path / CAMPAIGN)
        except OSError as error:
            raise UsageError(
                f"{self.path / CAMPAIGN} cannot be written: {error.strerror}.", "Free some space."
            ) from error

    def append(self, record: Record) -> None:
        """Keep a record: in memory first, so that even a full disk loses nothing of this session."""
        self.records.append(record)
        line = to_line(record)
        sync_append(self.path / RECORDS, line)
        self.journal.note("record", run=record.run, position=record.position, sha=hashlib.sha256(line).hexdigest())

    def attempt_folder(self, number: int) -> Path:
        """A fresh folder for one attempt."""
        folder = self.path / "attempts" / f"{number:04d}"
        folder.mkdir()
        return folder


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
    hint = f"The newest there is {runs[-1].name}." if runs else "Measure one with 'benchsuite run'."
    raise UsageError(f"There is no run {name!r} in {out}.", hint)


def load(path: Path) -> Loaded:
    """A run directory read back.

    A torn last line or a damaged line is left out and named in ``problems``; a newer schema or an
    unreadable campaign raises ``DataError``.
    """
    try:
        campaign = decode((path / CAMPAIGN).read_bytes(), Campaign)
        content = (path / RECORDS).read_bytes() if (path / RECORDS).exists() else b""
    except OSError as error:
        raise DataError(f"The run {path} cannot be read: {error.strerror}.", "Check the path.") from error
    if campaign.schema > SCHEMA:
        message = f"The run {path.name} has schema {campaign.schema}; this benchsuite knows up to {SCHEMA}."
        raise DataError(message, "Read it with a newer benchsuite (pip install --upgrade benchsuite).")
    records, problems = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line:
            continue
        try:
            records.append(from_line(line))
        except DataError as error:
            if "schema" in error.message:
                raise
            problems.append(f"Line {number} of {RECORDS} was left out. {error.message}")
    return Loaded(path, campaign, tuple(records), tuple(problems), hashlib.sha256(content).hexdigest())
