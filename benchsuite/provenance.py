"""Who says so: signatures over publications, and what they are worth to the one who verifies them.

A signature is a DSSE envelope (github.com/secure-systems-lab/dsse, protocol 1.0) around an in-toto Statement v1 whose
subjects are the digests of a publication's file and of its samples. It proves who said it, not that it is true.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchsuite import keys, publication, reading
from benchsuite.errors import DataError
from benchsuite.keys import Role, Trust, Trusted
from benchsuite.model import Level

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUFFIX = ".dsse.json"
"""What the file of a signature is called, after the name of the file that it signs."""
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:benchsuite:measurement:1"
LIMITS = reading.Limits(size=1 << 16, line=1 << 16, depth=8, text=1 << 15, values=1000)
"""Of an envelope, and of the statement in it."""
MOST = 16
"""Signatures of one envelope."""


class Subject(msgspec.Struct, frozen=True):
    """A file by its name and its digests (``sha256``)."""

    name: str
    digest: Mapping[str, str]


class Predicate(msgspec.Struct, frozen=True):
    """What the signer says of the measurement: what measured it and when (UTC), as whom it is signed, which level that
    claims, and the nonce that a verifier gave. The verifier believes none of it but the nonce."""

    tool: str
    version: str
    code: str
    started: str
    role: Role
    level: Level
    nonce: str = ""


class Statement(msgspec.Struct, frozen=True, rename={"kind": "_type", "predicate_type": "predicateType"}):
    """An in-toto Statement v1 (github.com/in-toto/attestation)."""

    kind: str
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: Predicate


class Signature(msgspec.Struct, frozen=True):
    """One signature in base64; ``keyid``: the fingerprint of its key."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    """A DSSE envelope; the payload in base64."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]


class State(StrEnum):
    """What became of a verification."""

    VERIFIED = "verified"
    BAD = "bad"
    UNTRUSTED = "untrusted"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True)
class Checked:
    """Who vouches for a publication: level and signer, by the name that the verifier gave the key.

    problem: a sentence, unless it is verified or unsigned.
    """

    state: State
    level: Level = Level.SELF_REPORTED
    signer: str = ""
    problem: str = ""


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding.

    >>> pae("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(path: Path, key: Ed25519PrivateKey, role: Role, nonce: str = "") -> bytes:
    """The envelope over a publication's file, as one line of JSON.

    Raises ``DataError`` when the file is no publication, or holds what cannot be true.
    """
    found = publication.vetted(path)
    if found.problems:
        raise DataError(
            f"{path} holds what cannot be true: {found.problems[0]}", "Publish the run again, and sign that."
        )
    told = found.publication
    subjects = [Subject(f"{told.id}.json", {"sha256": found.digest})]
    if told.samples:
        subjects.append(Subject(f"{told.id}{publication.SAMPLES}", {"sha256": told.samples}))
    predicate = Predicate(told.tool, told.version, told.code, told.started, role, claimed(role, nonce), nonce)
    return enveloped(subjects, predicate, key)


def claimed(role: Role, nonce: str) -> Level:
    """The level that somebody claims who signs as this, of what was measured with this nonce."""
    return Level.CHALLENGED if nonce else Level.INDEPENDENT if role is Role.OPERATOR else Level.SIGNED


def enveloped(subjects: Iterable[Subject], predicate: Predicate, key: Ed25519PrivateKey) -> bytes:
    """The signed envelope over a statement about these files, as one line of JSON."""
    payload = msgspec.json.encode(Statement(STATEMENT, tuple(subjects), PREDICATE, predicate), order="sorted")
    made = Signature(keys.fingerprint(key.public_key()), _text(key.sign(pae(PAYLOAD_TYPE, payload))))
    return msgspec.json.encode(Envelope(_text(payload), PAYLOAD_TYPE, (made,)), order="sorted") + b"\n"


def check(path: Path, trust: Trust, digest: str = "") -> Checked:
    """Who vouches for a publication's file, by the envelope beside it. Never raises for what the envelope holds.

    digest: SHA-256 of the file's bytes as they were read, when they were; else they are read here.
    """
    beside = path.with_name(path.name + SUFFIX)
    if not os.path.lexists(beside):
        return Checked(State.UNSIGNED)
    try:
        envelope = reading.value(reading.content(beside, LIMITS), Envelope, LIMITS)
        known = digest or publication.digest(reading.content(path, publication.LIMITS))
        return _judged(envelope, known, trust)
    except DataError as error:
        return Checked(State.BAD, problem=f"{beside.name} is no valid signature. {error.message}")


def _judged(envelope: Envelope, digest: str, trust: Trust) -> Checked:
    """The verdict on an envelope. Raises ``DataError`` when it is malformed, or signs something else."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise DataError(f"Its payload is of the type {reading.printable(envelope.payload_type)[:60]!r}.")
    names = [one.keyid for one in envelope.signatures]
    if not names or len(names) > MOST or len(set(names)) < len(names):
        raise DataError(f"It has {len(names)} signatures of {len(set(names))} keys.")
    payload = _bytes(envelope.payload)
    signed = pae(envelope.payload_type, payload)
    signers = [who for one in envelope.signatures if (who := _signer(one, signed, trust))]
    predicate = _about(payload, digest)
    if not signers:
        known = reading.printable(names[0])[:16]
        return Checked(State.UNTRUSTED, problem=f"It is signed by a key that is not trusted here ({known}).")
    independent = [who for who in signers if who.role is predicate.role is Role.OPERATOR]
    level = Level.INDEPENDENT if independent else Level.SIGNED
    if predicate.nonce and predicate.nonce in trust.nonces:
        level = Level.CHALLENGED
    return Checked(State.VERIFIED, level, (independent or signers)[0].name)


def _signer(one: Signature, signed: bytes, trust: Trust) -> Trusted | None:
    """Whose signature it is; ``None`` for a key that is not trusted. Raises ``DataError`` when it is false."""
    from cryptography.exceptions import InvalidSignature

    raw = _bytes(one.sig)
    who = trust.keys.get(one.keyid)
    if who is None:
        return None
    try:
        who.key.verify(raw, signed)
    except InvalidSignature as error:
        raise DataError(f"The signature of {who.name} does not fit what is signed.") from error
    return who


def _about(payload: bytes, digest: str) -> Predicate:
    """What a statement says of the file with this digest. Raises ``DataError`` when it is of another one."""
    statement = reading.value(payload, Statement, LIMITS)
    if (statement.kind, statement.predicate_type) != (STATEMENT, PREDICATE):
        raise DataError("It signs a statement of another kind.")
    if not statement.subject or statement.subject[0].digest.get("sha256") != digest:
        raise DataError("It signs another file, or the file was changed since.")
    return statement.predicate


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    """The bytes of canonical base64: no other text stands for the same ones. Raises ``DataError``."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError("It is not base64.") from error
    if _text(data) != text:
        raise DataError("It is not canonical base64.")
    return data
