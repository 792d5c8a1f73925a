"""The samples behind a publication: whether its file is the one that was published, and the results follow from it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

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


def problems(publication: Publication, path: Path) -> list[str]:
    """A sentence for everything in which the samples' file contradicts the publication; empty when nothing does.

    Raises ``DataError`` when the file cannot be read.
    """
    whole = hashlib.sha256()
    medians: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for data, _ in reading.lines(path, LIMITS):
        whole.update(data + b"\n")
        line = reading.value(data, Line, LIMITS)
        seconds = line.samples.seconds
        if not seconds or not all(0.0 < one < math.inf for one in seconds):
            raise DataError(f"{path.name} holds a duration that is zero or negative.", reading.REMEDY)
        medians.setdefault((line.case, line.implementation), []).append((line.run, median(seconds)))
    if whole.hexdigest() != publication.samples:
        return [f"{path.name} is not the file that the publication names."]
    return list(_contradictions(publication, medians))


def _contradictions(publication: Publication, medians: dict[tuple[str, str], list[tuple[int, float]]]) -> Iterator[str]:
    for score in publication.results:
        if score.status is Status.OK and not _follows(score, medians.get((score.case.key, score.implementation), [])):
            yield f"{score.case.key} [{score.implementation}] does not follow from the samples."


def _follows(score: Score, told: list[tuple[int, float]]) -> bool:
    """Whether the value of each run is what the median of its samples makes of the work."""
    made = [score.metric.quantity(score.work, seconds) for _, seconds in sorted(told)]
    return len(made) == len(score.run_values) and all(
        math.isclose(one, run, rel_tol=CLOSE) for one, run in zip(made, score.run_values, strict=True)
    )
