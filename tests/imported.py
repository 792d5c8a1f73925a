"""What the tests of the importers share: the real samples where they are, and damage of every kind."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchsuite.errors import DataError
from benchsuite.imports.base import Format, Imported, Row
from benchsuite.model import Status

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "samples"


def sample(name: str) -> str:
    """The text of a real sample; skips the test where the samples are not."""
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"the sample {name} is not here")
    return path.read_text(encoding="utf-8")


def samples(folder: str, *endings: str) -> list[str]:
    """Names of the real samples in a folder, as ``sample`` takes them; none where they are not."""
    found = sorted((SAMPLES / folder).glob("*")) if SAMPLES.is_dir() else []
    return [f"{folder}/{path.name}" for path in found if path.suffix in endings]


def row(found: Imported, **params: object) -> Row:
    """The one row with these parameters (``benchmark`` is its benchmark)."""
    wanted = dict(params)
    name = wanted.pop("benchmark", None)
    hits = [
        one
        for one in found.rows
        if (name is None or one.benchmark == name)
        and all(one.params.get(key) == value for key, value in wanted.items())
    ]
    assert len(hits) == 1, [(one.benchmark, dict(one.params)) for one in hits][:5]
    return hits[0]


def statuses(found: Imported) -> dict[str, int]:
    """How many rows have each status."""
    return dict(Counter(one.status.value for one in found.rows))


def sound(found: Imported) -> None:
    """What must hold of everything that is read, however broken the file was."""
    for one in found.rows:
        assert (one.value is None) == (one.status is not Status.OK), one
        assert bool(one.reason) == (one.status is not Status.OK), one
        assert one.value is None or abs(one.value) < float("inf"), one
        assert one.meaning
        assert one.benchmark
        assert one.line >= 0


def damaged(text: str, seed: int, cuts: int = 60, splices: int = 60) -> Iterator[str]:
    """The text cut at many places, and with parts of it deleted, doubled, moved and overwritten."""
    step = max(7, min(100, len(text) // cuts))
    yield from (text[:end] for end in range(0, len(text), max(step, len(text) // cuts)))
    chance = random.Random(seed)
    for _ in range(splices):
        first, second, third = sorted(chance.randrange(len(text) + 1) for _ in range(3))
        yield text[:first] + text[second:]
        yield text[:second] + text[first:]
        yield text[:first] + text[second:third] + text[first:second] + text[third:]
        yield (
            text[:first]
            + chance.choice(['"', "{", "}", "[", ",", ":", "null", "NaN", "-1", "1e999", "\\", "é", "0"])
            + text[second:]
        )


def never_breaks(kind: Format, text: str, seed: int = 1) -> int:
    """Damage of every kind gives something sound, or ``DataError`` with a sentence; how often it could be read."""
    read = 0
    for broken in damaged(text, seed):
        kind.tells(broken)
        found = read_or_refused(lambda: kind.read(broken))  # noqa: B023 - called at once
        read += isinstance(found, Imported)
    return read


def read_or_refused(call: Callable[[], Imported]) -> Imported | DataError:
    """Something sound, or an error that is one sentence."""
    try:
        found = call()
    except DataError as error:
        refused = error
    else:
        sound(found)
        return found
    assert refused.message[-1] in ".'\"", refused.message
    assert "\n" not in refused.message
    return refused
