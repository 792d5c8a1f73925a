"""Where everything of an acceptance lies, and what it set out to do.

acceptances/<id>/   acceptance.json   what it set out to do (``Made``); the journal vouches for it
                    contract.toml     the contract's exact bytes
                    journal.jsonl     which phase began and ended
                    nodes/<node>/attempt-1/  journal.jsonl, inspection-before.json, inspection-after.json,
                                      <part>/identity/<run>, <part>/stage-1/<run> …, burn/burn.jsonl
                    scan/<run>        of several nodes: stragglers and links
                    evidence.json, verdict.json, certificate.*, junit.xml   derived
                    manifest.json, manifest.json.dsse.json                  ``bundle``

<part> is ``host`` or ``gpu0``. A node is named by its folder.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite import assets, reading
from benchsuite.errors import DataError, UsageError
from benchsuite.journal import Journal, replace_file
from benchsuite.model import Contract, Kind, Layout, Subject
from benchsuite.protocol import encode
from benchsuite.provenance import SUFFIX
from benchsuite.store import digest, vouched_head

SCHEMA = 1
ACCEPTANCE, CONTRACT, JOURNAL, LOCK = "acceptance.json", "contract.toml", "journal.jsonl", ".lock"
NODES, SCAN, BURN, IDENTITY, SAID = "nodes", "scan", "burn", "identity", "said"
BEFORE, AFTER = "inspection-before", "inspection-after"
EVIDENCE, VERDICT, MANIFEST = "evidence.json", "verdict.json", "manifest.json"
DERIVED = (EVIDENCE, VERDICT, "certificate.html", "certificate.md", "junit.xml")
PAPERS = "certificates"
"""What follows from the rest: these files, and a folder with a page for each device where there are several."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One test of the whole claim, or the re-test of some of it. number: from 1; started: UTC.

    subjects: who is tested again; empty: everybody. sealed: SHA-256 of the manifest of the attempt before.
    """

    number: int
    started: str
    subjects: tuple[Subject, ...] = ()
    sealed: str = ""

    def tests(self, subject: Subject) -> bool:
        """Whether this attempt is about it."""
        return not self.subjects or (subject.node, subject.device) in {(one.node, one.device) for one in self.subjects}


@dataclass(frozen=True, slots=True)
class Made:
    """What one ``benchsuite accept`` set out to do. started: UTC; contract: the digest of its bytes.

    code: of benchsuite's own sources; kernels: SHA-256 of each kernel's source, by name. nonce: what the data's seeds
    are made from; challenged: somebody else gave it. topology, reference: of the scan, as files.
    """

    schema: int
    id: str
    started: str
    version: str
    code: str
    contract: str
    nonce: str
    challenged: bool
    command: str
    backend: str
    launcher: str = "local"
    layout: Layout = field(default_factory=Layout)
    kernels: Mapping[str, str] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    topology: str = ""
    reference: str = ""

    @property
    def attempt(self) -> Attempt:
        """The newest."""
        return self.attempts[-1]


def is_bundle(path: Path) -> bool:
    """Whether a folder holds an acceptance."""
    return (path / ACCEPTANCE).is_file()


def find(name: str, out: Path) -> Path:
    """The acceptance called ``name``: a path, an id or its unique beginning, or ``latest``. Raises ``UsageError``."""
    if is_bundle(Path(name)):
        return Path(name)
    every = sorted(path.parent for path in out.glob(f"*/{ACCEPTANCE}"))
    found = every[-1:] if name == "latest" else [path for path in every if name and path.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    hint = f"The newest there is {every[-1].name}." if every else "Make one with 'benchsuite accept'."
    raise UsageError(f"There is no acceptance {name!r} in {out}.", hint)


def create(out: Path, made: Made, contract: bytes) -> Path:
    """A new folder for an acceptance. Raises ``UsageError`` when it cannot be written."""
    path = out / made.id
    try:
        (path / NODES).mkdir(parents=True)
        (path / CONTRACT).write_bytes(contract)
    except OSError as error:
        message = f"Nothing can be written to {path}: {error.strerror}."
        raise UsageError(message, "Choose another folder with --out.") from error
    write_made(path, made)
    return path


def write_made(path: Path, made: Made) -> None:
    """Write what it set out to do, and let the journal vouch for it. Raises ``MeasureError``."""
    data = encode(made) + b"\n"
    Journal(path / JOURNAL).note("acceptance", sha=digest(data))
    replace_file(path / ACCEPTANCE, data)


def unseal(path: Path) -> None:
    """Take away what follows from the rest, and the seal over it: more is going to be measured."""
    for name in (*DERIVED, MANIFEST, MANIFEST + SUFFIX):
        (path / name).unlink(missing_ok=True)
    shutil.rmtree(path / PAPERS, ignore_errors=True)


def read(path: Path) -> Made:
    """What an acceptance set out to do. Raises ``DataError`` when it is none, or was changed."""
    made, _ = vouched_head(path / ACCEPTANCE, Made, SCHEMA, "acceptance")
    if not made.attempts:
        raise DataError(f"{path / ACCEPTANCE} knows of no attempt.", reading.REMEDY)
    return made


def kernels() -> dict[str, str]:
    """SHA-256 of each kernel's source, by its name below the folder of kernels."""
    base = assets.folder("kernels")
    files = sorted(path for path in base.rglob("*.cu*") if path.is_file())
    return {str(path.relative_to(base)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def attempt_folder(path: Path, node: str, number: int) -> Path:
    """Where an attempt on a node lies."""
    return path / NODES / node / attempt(number)


def attempt(number: int) -> str:
    """The name of an attempt's folder, from 1."""
    return f"attempt-{number}"


def nodes(path: Path) -> list[str]:
    """The nodes that are there."""
    return sorted(one.name for one in (path / NODES).glob("*") if one.is_dir())


def subjects(contract: Contract, node: str) -> tuple[Subject, ...]:
    """Who is judged on a node: as many devices as are claimed, whether they are there or not; of a host itself."""
    if contract.claim.kind is Kind.HOST:
        return (Subject(node),)
    return tuple(Subject(node, device) for device in range(contract.claim.devices))


def part(subject: Subject) -> str:
    """The name of a subject's folder."""
    return "host" if subject.device is None else f"gpu{subject.device}"


def stage(number: int) -> str:
    """The name of a stage's folder, from 1."""
    return f"stage-{number}"
