"""The folder a site is written to: ours or empty; what we wrote there before and no longer want is removed.

``SHA256SUMS`` lists every file with its digest: proof for readers (``sha256sum --check``), and our own memory of what
is ours. While a site is being written its lines grow in ``SHA256SUMS.new``, so that a build that was interrupted leaves
nothing behind that the next would not know.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from benchsuite import __version__, reading
from benchsuite.errors import DataError, UsageError

MARKER, SUMS, GROWING = "benchsuite-site.txt", "SHA256SUMS", "SHA256SUMS.new"
NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._~-]*/)*[A-Za-z0-9][A-Za-z0-9._~-]*")
LINE = re.compile(r"([0-9a-f]{64})  (.+)")
LIMITS = reading.Limits(lines=2_000_000)


class Folder:
    """An open site. Every name is relative, with ``/`` between folders; each is written once."""

    def __init__(self, path: Path) -> None:
        """Claim ``path``: it is made, found empty, or found to hold a site of ours. Raises ``UsageError``."""
        self.path = path
        self.sums: dict[str, str] = {}
        self.size = 0
        self._before = _claimed(path)
        self._folders: set[Path] = set()
        self._growing: IO[str] | None = None

    def __enter__(self) -> Folder:
        (self.path / MARKER).write_text(f"A site written by benchsuite {__version__}.\n", encoding="utf-8")
        self._growing = (self.path / GROWING).open("a", encoding="utf-8", newline="\n")
        return self

    def write(self, name: str, content: str | bytes) -> str:
        """Write one file, and return its SHA-256."""
        if not NAME.fullmatch(name) or name in self.sums:
            raise ValueError(f"{name!r} is no name of a file of the site, or was written before")
        data = content.encode() if isinstance(content, str) else content
        digest = hashlib.sha256(data).hexdigest()
        if self._growing is not None:
            self._growing.write(f"{digest}  {name}\n")
            self._growing.flush()
        _put(self._place(name), data)
        self.sums[name] = digest
        self.size += len(data)
        return digest

    def read(self, name: str) -> bytes:
        """A file that was written into this site."""
        return (self.path / name).read_bytes()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._growing is not None:
            self._growing.close()
        if kind is None:
            self._finish()

    def _finish(self) -> None:
        for name, digest in self._before.items():
            if name not in self.sums:
                _remove(self.path, name, digest)
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.sums.items()))
        _put(self.path / SUMS, lines.encode())
        (self.path / GROWING).unlink()

    def _place(self, name: str) -> Path:
        place = self.path / name
        if place.parent not in self._folders:
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.parent.resolve() != self.path.resolve() / Path(name).parent:
                raise UsageError(f"{place.parent} is a link to elsewhere.", "Remove it, or choose another folder.")
            self._folders.add(place.parent)
        return place


def _claimed(path: Path) -> Mapping[str, str]:
    """What an earlier build wrote here, by name."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        held = [entry.name for entry in os.scandir(path)]
    except OSError as error:
        raise UsageError(f"{path} cannot be used: {error.strerror}.", "Choose another folder with --out.") from error
    if held and MARKER not in held:
        raise UsageError(
            f"{path} is not empty and holds no site of benchsuite.", "Name a new folder, or one that publish made."
        )
    # What an interrupted build was writing may be half a file: it is ours whatever it holds.
    return {**_sums(path / SUMS), **dict.fromkeys(_sums(path / GROWING), "")}


def _sums(path: Path) -> Mapping[str, str]:
    if not path.exists():
        return {}
    found = {}
    for line, whole in reading.lines(path, LIMITS):
        match = LINE.fullmatch(line.decode("utf-8", "replace"))
        if match and NAME.fullmatch(match[2]):
            found[match[2]] = match[1]
        elif whole:
            raise DataError(f"{path} was edited: {match[2] if match else 'a line'} is not of ours.", "Start afresh.")
    return found


def _put(place: Path, data: bytes) -> None:
    """Write without following a link that somebody put in the file's place."""
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise UsageError(
            f"{place} cannot be written: {error.strerror}.", "Choose another folder with --out."
        ) from error


def _remove(root: Path, name: str, digest: str) -> None:
    """Remove a file of ours, and the folders it leaves empty; one that was changed since is left."""
    place = root / name
    if place.is_symlink() or not place.is_file():
        return
    if digest and hashlib.sha256(place.read_bytes()).hexdigest() != digest:
        return
    place.unlink()
    for parent in place.relative_to(root).parents:
        if parent == Path() or any((root / parent).iterdir()):
            return
        (root / parent).rmdir()
