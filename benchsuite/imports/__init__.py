"""Other tools' output -> ``Imported``: which formats there are, which of them a text is, and reading it.

A format is one module of this folder with a tuple ``FORMATS``; ``MODULES`` names them all.
"""

from __future__ import annotations

from pathlib import Path

from benchsuite import reading
from benchsuite.errors import DataError, UsageError
from benchsuite.imports import (
    all_reduce_bench,
    google_benchmark,
    gpu_burn,
    gpu_fryer,
    gpu_stream,
    mamf,
    nccl_tests,
    nvbandwidth,
    nvbench,
    osu,
    pytest_benchmark,
    stream,
    superbench,
    surroundings,
)
from benchsuite.imports.base import Format, Imported

LIMITS = reading.Limits(size=64 << 20)
"""Of a file of another tool."""
MODULES = (
    all_reduce_bench,
    google_benchmark,
    gpu_burn,
    gpu_fryer,
    gpu_stream,
    mamf,
    nccl_tests,
    nvbandwidth,
    nvbench,
    osu,
    pytest_benchmark,
    stream,
    superbench,
)


EACH_RANK = {"babelstream", "gpu-burn", "gpu-fryer", "gpu-stream", "mamf", "stream"}
"""Formats whose tool prints everything in every rank; of the others only the first rank prints results."""


def formats() -> tuple[Format, ...]:
    """Every format, by name."""
    found: list[Format] = [one for module in MODULES for one in module.FORMATS]
    return tuple(sorted(found, key=lambda one: one.name))


def named(name: str) -> Format:
    """The format that ``--format`` calls ``name``. Raises ``UsageError``."""
    for one in formats():
        if one.name == name:
            return one
    raise UsageError(f"There is no format {name!r}.", f"Choose one of {', '.join(one.name for one in formats())}.")


def detect(text: str) -> Format:
    """The one format that tells the text as its own. Raises ``DataError`` when none does, or several do."""
    if not text.strip():
        raise DataError("It is empty.", "Save what the tool printed, from its first line to its last.")
    found = [one for one in formats() if one.tells(text)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.name for one in found or formats())
    if found:
        raise DataError(f"It looks like {names}.", "Save each tool's output on its own, or name one with --format.")
    raise DataError("No known tool printed it.", f"--format knows {names}.")


def read(path: Path, format: str = "") -> Imported:  # noqa: A002 - the option is called so
    """What a file of another tool holds. ``format``: its name; empty: told from the text.

    Raises ``DataError`` when it cannot be read or holds nothing, and ``UsageError`` for an unknown format.
    """
    return parse(reading.checked(surroundings.decoded(reading.content(path, LIMITS))), format)


def parse(text: str, format: str = "") -> Imported:  # noqa: A002
    """What a text of another tool holds, as ``read``."""
    text = surroundings.without(text)
    kind = named(format) if format else detect(text)
    if kind.name in EACH_RANK and len(surroundings.labels(text)) > 1:
        remedy = "Save each rank's on its own, such as with srun --output=%t.txt."
        raise DataError("It holds the lines of several ranks, one's between another's.", remedy)
    found = kind.read(text)
    if not found.rows:
        raise DataError(f"It holds no result of {kind.title}.", " ".join(found.problems))
    return found
