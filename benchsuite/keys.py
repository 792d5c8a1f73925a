"""Keys: a pair in two files, and the folder of those whom somebody trusts. Ed25519 (RFC 8032) in PEM."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite import reading
from benchsuite.errors import DataError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PRIVATE, PUBLIC = "benchsuite.key", "benchsuite.pub"
OPERATORS, NONCES = "operators", "nonces.txt"
"""In a folder of trust: the folder of those who measure independently, and the list of the nonces that were given."""
LIMITS = reading.Limits(size=1 << 16)
MAKE = "Make one with 'benchsuite keys new'."
NONCE = re.compile(r"[A-Za-z0-9._-]{16,128}")


class Role(StrEnum):
    """As whom somebody signs: the one who offers the machine, or one who measures it independently."""

    PROVIDER = "provider"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Trusted:
    """A key that is trusted, under the name and as the role that the one who trusts it chose."""

    name: str
    role: Role
    key: Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom somebody trusts, by fingerprint, and which nonces they were given."""

    keys: Mapping[str, Trusted] = field(default_factory=dict)
    nonces: frozenset[str] = frozenset()


def home() -> Path:
    """Where keys are kept unless told otherwise (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "benchsuite"


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key as SubjectPublicKeyInfo, in hexadecimal: what names it in a signature."""
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def new(folder: Path) -> tuple[Path, Path, str]:
    """A fresh pair in ``folder``: the private file, for its owner only, the public one, and the fingerprint.

    Raises ``UsageError`` rather than replace a key, or when nothing can be written there.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = folder / PRIVATE, folder / PUBLIC
    pem, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    if os.path.lexists(public):
        raise UsageError(f"{public} is there already.", "Choose another folder with --to.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(private, secret, 0o600)
        write(public, key.public_key().public_bytes(pem, form), 0o644)
    except OSError as error:
        message = f"No key can be written to {folder}: {error.strerror}."
        raise UsageError(message, "Choose another folder with --to.") from error
    return private, public, fingerprint(key.public_key())


def write(path: Path, data: bytes, mode: int) -> None:
    """A file that was not there before. Raises ``UsageError`` when it was, ``OSError`` when it cannot be written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already.", "Move it away, or choose another place.") from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def private(path: Path) -> Ed25519PrivateKey:
    """The private key in a file. Raises ``DataError``, and ``UsageError`` when others may read the file."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    data = reading.content(path, LIMITS)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DataError(
            f"{path} is no private key without a password.", "Make one with 'benchsuite keys new'."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError(f"{path} is no Ed25519 key.", "Make one with 'benchsuite keys new'.")
    if stat.S_IMODE(path.lstat().st_mode) & 0o077:
        raise UsageError(f"Others may read the private key {path}.", f"Close it: chmod 600 {path}")
    return key


def public(path: Path) -> Ed25519PublicKey:
    """The public key in a file. Raises ``DataError``."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = serialization.load_pem_public_key(reading.content(path, LIMITS))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DataError(f"{path} is no public key.", f"Ask its owner for {PUBLIC}.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise DataError(f"{path} is no Ed25519 key.", f"Ask its owner for {PUBLIC}.")
    return key


def trust(paths: Iterable[Path], nonces: Iterable[str] = ()) -> Trust:
    """Whom these files and folders name. A ``.pub`` file is a provider's, one in a folder ``operators`` that of an
    independent operator; a folder holds such files, a folder ``operators``, and ``nonces.txt``, a nonce a line.

    Raises ``UsageError`` and ``DataError``: a key that cannot be read is never passed over.
    """
    found: dict[str, Trusted] = {}
    given = [nonce(one) for one in nonces]
    for path in paths:
        files = list(_keys(path))
        if not files:
            raise UsageError(f"{path} holds no public key.", "Name a .pub file, or a folder of them.")
        for file in files:
            key, role = public(file), Role.OPERATOR if file.resolve().parent.name == OPERATORS else Role.PROVIDER
            name = reading.printable(file.stem)[:80]
            if found.setdefault(fingerprint(key), Trusted(name, role, key)).role is not role:
                raise UsageError(f"{file} is trusted as provider and as operator.", "Keep one of the two files.")
        if (path / NONCES).is_file():
            lines = reading.text(path / NONCES, LIMITS).splitlines()
            given += [nonce(line.strip()) for line in lines if line.strip() and not line.startswith("#")]
    return Trust(found, frozenset(given))


def _keys(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from sorted(path.glob("*.pub"))
    yield from sorted((path / OPERATORS).glob("*.pub"))


def nonce(text: str) -> str:
    """``text`` if it can be a nonce. Raises ``UsageError``."""
    if not NONCE.fullmatch(text):
        message = f"{reading.printable(text)[:40]!r} is no nonce: 16 to 128 of A-Z, a-z, 0-9 and . _ -"
        raise UsageError(f"{message}.", "For example from: openssl rand -hex 16")
    return text
