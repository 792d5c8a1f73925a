"""The samples behind a publication: whether its file is the one that was published, and the results follow from it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchsuite import reading
from benchsuite.errors import DataError
from benchsuite.model import Publication, Samples, Score, Status

CLOSE = 1e-9
LIMITS = reading.Limits(depth=5, text=600)


@dataclass(frozen=True, slots=True)
class Line:
    """One task of one run, as ``publication.encode_samples`` writes it."""

    case: str
    implementation: str
    run: int
    samples: Samples


class Run(NamedTuple):
    """What is needed of one task of one run: its number, how many samples it has, and how they spread in seconds."""

    number: int
    n: int
    minimum: float
    median: float
    maximum: float


def problems(publication: Publication, path: Path) -> list[str]:
    """A sentence for everything in which the samples' file contradicts the publication; empty when nothing does.

    Raises ``DataError`` when the file cannot be read.
    """
    whole = hashlib.sha256()
    told: dict[tuple[str, str], list[Run]] = {}
    for data, _ in reading.lines(path, LIMITS):
        whole.update(data + b"\n")
        line = reading.value(data, Line, LIMITS)
        seconds = line.samples.seconds
        if not seconds or not all(0.0 < one < math.inf for one in seconds):
            raise DataError(f"{path.name} holds a duration that is zero or negative.", reading.REMEDY)
        one = Run(line.run, len(seconds), min(seconds), median(seconds), max(seconds))
        told.setdefault((line.case, line.implementation), []).append(one)
    if whole.hexdigest() != publication.samples:
        return [f"{path.name} is not the file that the publication names."]
    return list(_contradictions(publication, told))


def _contradictions(publication: Publication, told: dict[tuple[str, str], list[Run]]) -> Iterator[str]:
    for score in publication.results:
        if score.status is Status.OK and not _follows(score, told.get((score.case.key, score.implementation), [])):
            yield f"{score.case.key} [{score.implementation}] does not follow from the samples."


def _follows(score: Score, told: list[Run]) -> bool:
    """Whether the value of each run is what the median of its samples makes of the work, and so are the quantiles."""
    runs = sorted(told)
    made = [score.metric.quantity(score.work, one.median) for one in runs]
    spread = [Run(number, one.n, one.minimum, one.median, one.maximum) for number, one in enumerate(score.samples)]
    return (
        len(made) == len(score.run_values)
        and all(math.isclose(one, run, rel_tol=CLOSE) for one, run in zip(made, score.run_values, strict=True))
        and [one[1:] for one in runs] == [one[1:] for one in spread]
    )
