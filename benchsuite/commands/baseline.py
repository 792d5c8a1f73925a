"""``baseline``: what machines known good do becomes references with tolerance limits."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from benchsuite import exhibits
from benchsuite.accept import baseline as baselines
from benchsuite.errors import DataError, UsageError
from benchsuite.reading import printable
from benchsuite.render import contract as render


def learn(names: Sequence[str], out: Path, name: str, without: Sequence[str], to: Path, *, as_json: bool) -> None:
    """Learn from these runs, write the baseline into ``to`` and show it.

    Raises ``UsageError`` and ``DataError`` for what is no fleet known good, and when something lies at ``to`` already.
    """
    found = exhibits.gather(names, out, whole=True)
    for one in found:
        told = one.publication
        if one.problems and not {told.id, told.machine.id}.intersection(without):
            remedy = f"Measure that machine again, or leave it out: --without {told.machine.id or told.id}."
            raise DataError(f"{told.id}: {one.problems[0]}", remedy)
    made = baselines.build((one.publication for one in found), name or to.stem.lower(), without)
    data = baselines.encode(made)
    try:
        with to.open("xb") as stream:
            stream.write(data)
    except FileExistsError as error:
        raise UsageError(f"{to} is there already.", "A new baseline gets a name of its own, and a review.") from error
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror}.", "Choose another place with --to.") from error
    if as_json:
        digest = hashlib.sha256(data).hexdigest()
        print(msgspec.json.encode({**msgspec.to_builtins(made), "path": str(to), "digest": digest}).decode())
    else:
        render.learnt(made, Console(highlight=False))
        where = shlex.quote(printable(str(to)))
        print(f"Written: {where}. A contract of it: benchsuite contract new --baseline {where} --to contract.toml")


def show(path: Path, *, as_json: bool) -> None:
    """Show a baseline's file, once its limits were derived again from its values."""
    made, digest = baselines.read(path)
    if as_json:
        print(msgspec.json.encode({**msgspec.to_builtins(made), "path": str(path), "digest": digest}).decode())
    else:
        render.learnt(made, Console(highlight=False))
