"""Which code and which machine measured: so that a run is only gone on with where it began."""

from __future__ import annotations

import hashlib
import hmac
import os
import platform
import secrets
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from benchsuite import assets, discovery

MACHINE_ID = Path("/etc/machine-id")
KEY = "identity.key"


@cache
def code() -> str:
    """A digest of benchsuite's own sources and kernels, and of the benchmarks that were added to them."""
    package = Path(__file__).parent
    files = [*package.rglob("*.py"), *(path for path in assets.folder("kernels").rglob("*") if path.is_file())]
    files += [path for folder in discovery.extra_folders() for path in folder.glob("*.py")]
    whole = hashlib.sha256()
    for path in sorted(files, key=lambda path: (path.parent.name, path.name)):
        whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()[:16]


def machine(devices: Iterable[str]) -> str:
    """A name for this host and these devices that tells nobody else anything.

    HMAC-SHA256 with a random key that stays on this host: a plain digest of an identifier could be searched.
    """
    words = "\0".join([_host(), *devices])
    return hmac.new(_key(), words.encode(), hashlib.sha256).hexdigest()[:16]


def _host() -> str:
    try:
        return MACHINE_ID.read_text().strip() or platform.node()
    except OSError:
        return platform.node()


def _key() -> bytes:
    """The random key, made at first use. Where it cannot be kept, every process is another machine."""
    path = assets.cache_folder().parent / KEY
    try:
        return path.read_bytes()
    except OSError:
        fresh = secrets.token_bytes(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(fresh)
    except OSError:
        return fresh
    return fresh
