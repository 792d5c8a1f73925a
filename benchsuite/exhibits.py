"""Names -> exhibits: runs, publications' files and folders of them become what is compared, with who vouches for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from benchsuite import publication, results, store
from benchsuite.errors import DataError, UsageError
from benchsuite.model import Exhibit, Publication

SIGNATURE = ".dsse.json"
"""What the name of a signature's file has after the name of the file that it signs."""
MOST = 20_000
"""Files and run directories that one folder may hold."""
DEEPEST = 8
"""Folders below a folder that are looked into."""


@dataclass(frozen=True, slots=True)
class Read:
    """A publication, the file it stands in (``None`` for a run), and what of it could not be read."""

    publication: Publication
    path: Path | None = None
    problems: tuple[str, ...] = ()


def gather(names: Sequence[str], out: Path, *, whole: bool = False) -> list[Exhibit]:
    """What these names stand for, in their order, each with a label that is unique among them.

    A name is a run as ``store.find`` takes it (in ``out``), a publication's ``.json`` file, or a folder that holds run
    directories and such files. ``whole``: a damaged run is refused, since what is left of it may not be compared.
    Raises ``UsageError`` and ``DataError``.
    """
    found = [read for name in names for read in _named(name, out, whole=whole)]
    labelled = publication.exhibits([read.publication for read in found])
    return [replace(exhibit, problems=read.problems) for exhibit, read in zip(labelled, found, strict=True)]


def _named(name: str, out: Path, *, whole: bool) -> Iterator[Read]:
    path = Path(name)
    if (path / store.CAMPAIGN).is_file():
        yield _run(path, whole=whole)
    elif path.suffix == ".json" and path.is_file():
        yield _file(path)
    elif path.is_dir():
        yield from _folder(path, whole=whole)
    else:
        yield _run(store.find(name, out), whole=whole)


def _run(path: Path, *, whole: bool) -> Read:
    loaded = store.load(path)
    if whole and loaded.damaged:
        raise DataError(loaded.problems[0], f"{path.name} can be shown, but not compared: measure again.")
    return Read(results.public(loaded), None, loaded.problems)


def _file(path: Path) -> Read:
    found = publication.vetted(path)
    return Read(found.publication, path, found.problems)


def _folder(folder: Path, *, whole: bool) -> Iterator[Read]:
    """All that a folder holds, in the order of its paths. Raises ``UsageError`` when that is nothing, or too much."""
    count = 0
    for path in _below(folder):
        count += 1
        if count > MOST:
            raise UsageError(f"{folder} holds more than {MOST} runs and publications.", "Name fewer of them.")
        try:
            yield _run(path, whole=whole) if path.is_dir() else _file(path)
        except DataError as error:
            message = error.message if str(path) in error.message else f"{path}: {error.message}"
            raise DataError(message, error.remedy) from error
    if not count:
        raise UsageError(f"{folder} holds no run and no publication.", "Measure one with 'benchsuite run'.")


def _below(folder: Path) -> Iterator[Path]:
    """Run directories and publications' files. A run directory is not looked into, a link to a folder not followed.

    Raises ``DataError`` for a folder that cannot be read.
    """
    for place, folders, files in os.walk(folder, onerror=_unreadable):
        here = Path(place)
        runs = sorted(name for name in folders if (here / name / store.CAMPAIGN).is_file())
        deep = len(here.relative_to(folder).parts) >= DEEPEST
        folders[:] = [] if deep else sorted(set(folders) - set(runs))
        yield from (here / name for name in sorted([*runs, *_publications(files)]))


def _unreadable(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename} cannot be read: {error.strerror}.", "Leave it out.") from error


def _publications(files: Iterable[str]) -> list[str]:
    return [name for name in files if name.endswith(".json") and not name.endswith(SIGNATURE)]
