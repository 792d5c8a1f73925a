"""The folder of an acceptance as evidence: sealed, signed, and verified again by anybody, offline.

``manifest.json`` names every other file with its size and SHA-256; a signature (``provenance``) is over the manifest,
so over every byte. Without one the folder proves only that it fits together: whoever edits it can seal it again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchsuite import provenance, reading, store
from benchsuite.accept import layout
from benchsuite.accept.layout import Made
from benchsuite.errors import DataError, MeasureError
from benchsuite.journal import replace_file
from benchsuite.keys import Role, Trust
from benchsuite.provenance import SUFFIX, Checked, Envelope, Predicate, Subject

SCHEMA = 1
LIMITS = reading.Limits(size=64 << 20, line=64 << 20, depth=8, values=2_000_000)
CHUNK = 1 << 20
UNSEALED = {layout.MANIFEST, layout.MANIFEST + SUFFIX}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the bundle: bytes, and their SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every file of the bundle by its path in it, but for the manifest and its signature."""

    schema: int
    acceptance: str
    contract: str
    files: Mapping[str, Entry]


def seal(path: Path, made: Made) -> str:
    """Write the manifest over what is there; its SHA-256. An older signature is no more. Raises ``MeasureError``."""
    for lock in path.rglob(layout.LOCK):
        lock.unlink(missing_ok=True)
    (path / (layout.MANIFEST + SUFFIX)).unlink(missing_ok=True)
    files, strange = listed(path)
    if strange:
        raise MeasureError(strange[0], "Take it out of the bundle.")
    data = encoded(Manifest(SCHEMA, made.id, made.contract, files))
    replace_file(path / layout.MANIFEST, data)
    return store.digest(data)


def encoded(manifest: Manifest) -> bytes:
    """A manifest's bytes: one line for each file, in the order of their names."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"


def listed(path: Path) -> tuple[dict[str, Entry], list[str]]:
    """Every file below ``path`` but the manifest and its signature; and sentences about what does not belong there."""
    files: dict[str, Entry] = {}
    strange: list[str] = []
    for name, one in _walked(path):
        if one.is_symlink() or not one.is_file(follow_symlinks=False):
            strange.append(f"{_shown(name)} is neither a file nor a folder.")
        elif not name.isprintable():
            strange.append(f"{_shown(name)} has a name that cannot be shown.")
        elif name not in UNSEALED:
            files[name] = _entry(Path(one.path))
    return files, strange


def _walked(path: Path, inside: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything that is no folder, with its path from the top; links are not followed."""
    with os.scandir(path) as found:
        for one in sorted(found, key=lambda one: one.name):
            name = f"{inside}{one.name}"
            if one.is_dir(follow_symlinks=False):
                yield from _walked(Path(one.path), f"{name}/")
            else:
                yield name, one


def _entry(path: Path) -> Entry:
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            sha.update(chunk)
            size += len(chunk)
    return Entry(size, sha.hexdigest())


def sign(path: Path, key: Ed25519PrivateKey, role: Role) -> Path:
    """Sign the manifest of a sealed bundle: the file of the signature, which replaces an older one.

    Raises ``DataError`` when the bundle is not sealed, or is not as it was sealed.
    """
    made = layout.read(path)
    if problems := unsealed(path, made):
        raise DataError(f"{path.name} is not signed: {problems[0]}", "Sign it where it was made.")
    subject = Subject(layout.MANIFEST, {"sha256": store.digest(reading.content(path / layout.MANIFEST, LIMITS))})
    nonce = made.nonce if made.challenged else ""
    level = provenance.claimed(role, nonce)
    predicate = Predicate("benchsuite", made.version, made.code, made.started, role, level, nonce)
    target = path / (layout.MANIFEST + SUFFIX)
    replace_file(target, provenance.enveloped([subject], predicate, key))
    return target


def unsealed(path: Path, made: Made) -> list[str]:
    """How a folder differs from its manifest, in sentences; empty when it does not by a single byte."""
    if not any((path / name).exists() for name in (layout.MANIFEST, layout.VERDICT)):
        return ["It is not sealed: it has not ended. Go on with it: benchsuite accept --resume FOLDER."]
    try:
        data = reading.content(path / layout.MANIFEST, LIMITS)
        manifest = reading.value(data, Manifest, LIMITS)
    except DataError as error:
        return [f"{layout.MANIFEST} cannot be read. {error.message}"]
    files, strange = listed(path)
    problems = [*strange, *(f"{_shown(name)} is missing." for name in manifest.files.keys() - files.keys())]
    problems += [f"{_shown(name)} was added." for name in files.keys() - manifest.files.keys()]
    problems += [f"{_shown(name)} was changed." for name, one in files.items() if manifest.files.get(name, one) != one]
    if (manifest.schema, manifest.acceptance, manifest.contract) != (SCHEMA, made.id, made.contract):
        problems.append(f"{layout.MANIFEST} is that of another acceptance.")
    if not problems and data != encoded(manifest):
        problems.append(f"{layout.MANIFEST} was changed.")
    return sorted(problems)


def signed(path: Path, trust: Trust) -> Checked:
    """Who vouches for the manifest."""
    beside = path / (layout.MANIFEST + SUFFIX)
    checked = provenance.check(path / layout.MANIFEST, trust, _digest(path / layout.MANIFEST))
    if checked.state in {provenance.State.VERIFIED, provenance.State.UNTRUSTED}:
        data = reading.content(beside, provenance.LIMITS)
        whole = msgspec.json.encode(msgspec.json.decode(data, type=Envelope), order="sorted") + b"\n"
        if whole != data:
            return Checked(provenance.State.BAD, problem=f"{beside.name} was changed.")
    return checked


def _digest(path: Path) -> str:
    try:
        return store.digest(reading.content(path, LIMITS))
    except DataError:
        return "none"


def _shown(name: str) -> str:
    return reading.printable(name)[:200]
