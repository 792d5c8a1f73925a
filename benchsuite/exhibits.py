"""Names -> exhibits: runs, publications' files and folders of them become what is compared, with who vouches for it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from benchsuite import provenance, publication, results, store
from benchsuite.errors import DataError, UsageError
from benchsuite.keys import Trust
from benchsuite.model import Exhibit, Level, Publication

MOST = 20_000
"""Files and run directories that one folder may hold."""
DEEPEST = 8
"""Folders below a folder that are looked into."""
OTHERS = {"burn.jsonl", "scan.jsonl"}
"""Files that tell the folder of a burn-in or of a scan, which holds no publication."""


NOBODY = Trust()
"""The trust of one who knows nobody's key: whatever is signed stays self-reported."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How names are read: the folder of runs, whom the reader trusts, and whether what is not whole is refused."""

    out: Path
    trust: Trust
    whole: bool


@dataclass(frozen=True, slots=True)
class Read:
    """A publication, what of it could not be read, and who vouches for it."""

    publication: Publication
    problems: tuple[str, ...] = ()
    level: Level = Level.SELF_REPORTED
    signer: str = ""


def gather(names: Sequence[str], out: Path, *, whole: bool = False, trust: Trust = NOBODY) -> list[Exhibit]:
    """What these names stand for, in their order, each with a label that is unique among them.

    A name is a run as ``store.find`` takes it (in ``out``), a publication's ``.json`` file, or a folder that holds run
    directories and such files. A signature beside a file says who vouches for it, as far as ``trust`` goes. ``whole``:
    a damaged run and a file that is not what was signed are refused, since they may not be compared.
    Raises ``UsageError`` and ``DataError``.
    """
    reader = Reader(out, trust, whole)
    with _no_search_for_cycles():
        found = [read for name in names for read in _named(name, reader)]
    labelled = publication.exhibits([read.publication for read in found])
    return [
        replace(exhibit, level=read.level, signer=read.signer, problems=read.problems)
        for exhibit, read in zip(labelled, found, strict=True)
    ]


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Reading makes many objects that live on and no cycles: searching for them costs a fifth of its time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _named(name: str, reader: Reader) -> Iterator[Read]:
    path = Path(name)
    if (path / store.CAMPAIGN).is_file():
        yield _run(path, reader)
    elif path.suffix == ".json" and path.is_file():
        yield _file(path, reader)
    elif path.is_dir():
        yield from _folder(path, reader)
    else:
        yield _run(store.find(name, reader.out), reader)


def _run(path: Path, reader: Reader) -> Read:
    loaded = store.load(path)
    if reader.whole and loaded.damaged:
        raise DataError(loaded.problems[0], f"{path.name} can be shown, but not compared: measure again.")
    return Read(results.public(loaded), loaded.problems)


def _file(path: Path, reader: Reader) -> Read:
    found = publication.vetted(path)
    checked = provenance.check(path, reader.trust, found.digest)
    bad = checked.state is provenance.State.BAD
    if reader.whole and bad:
        raise DataError(
            f"{path}: {checked.problem}", "It can be shown, but not compared: get it again from its signer."
        )
    return Read(
        found.publication, (*found.problems, *((checked.problem,) if bad else ())), checked.level, checked.signer
    )


def _folder(folder: Path, reader: Reader) -> Iterator[Read]:
    """All that a folder holds, in the order of its paths. Raises ``UsageError`` when that is nothing, or too much."""
    count = 0
    for path in below(folder):
        count += 1
        if count > MOST:
            raise UsageError(f"{folder} holds more than {MOST} runs and publications.", "Name fewer of them.")
        try:
            yield _run(path, reader) if path.is_dir() else _file(path, reader)
        except DataError as error:
            message = error.message if str(path) in error.message else f"{path}: {error.message}"
            raise DataError(message, error.remedy) from error
    if not count:
        raise UsageError(f"{folder} holds no run and no publication.", "Measure one with 'benchsuite run'.")


def below(folder: Path) -> Iterator[Path]:
    """Run directories and publications' files. Neither a run directory nor what a burn-in or a scan left is looked
    into, and a link to a folder is not followed.

    Raises ``DataError`` for a folder that cannot be read.
    """
    for place, folders, files in os.walk(folder, onerror=_unreadable):
        here = Path(place)
        if OTHERS.intersection(files):
            folders.clear()
            continue
        if store.RECORDS in files and store.CAMPAIGN not in files:
            raise DataError(f"{here} is a run that lost its {store.CAMPAIGN}.", "Restore that file, or leave it out.")
        runs = sorted(name for name in folders if (here / name / store.CAMPAIGN).is_file())
        deep = len(here.relative_to(folder).parts) >= DEEPEST
        folders[:] = [] if deep else sorted(set(folders) - set(runs))
        yield from (here / name for name in sorted([*runs, *_publications(files)]))


def _unreadable(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename} cannot be read: {error.strerror}.", "Leave it out.") from error


def _publications(files: Iterable[str]) -> list[str]:
    return [name for name in files if name.endswith(".json") and not name.endswith(provenance.SUFFIX)]
