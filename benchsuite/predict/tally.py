"""What many scores say together: errors, coverage, and whether the order of GPUs is right."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchsuite.model.forecast import Band, Caution, Mesh
from benchsuite.predict.table import Row, Unread

LEAST_GPUS = 3
"""GPUs that one setting needs for their order to say something."""


@dataclass(frozen=True, slots=True)
class Score:
    """A row and its forecast. ``error``: predicted / measured - 1. ``excluded``: the rule that leaves it out, and why;
    ``refused``: why there is no forecast, or none that counts.

    plan: the mesh that was forecast; assumed: what the row does not say; bound: what most of a step is spent on.
    """

    row: Row
    band: Band | None = None
    confidence: float = 0.0
    error: float | None = None
    plan: Mesh | None = None
    bound: str = ""
    assumed: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()
    excluded: str = ""
    refused: str = ""

    @property
    def counts(self) -> bool:
        """Whether it goes into a summary."""
        return self.error is not None and not self.excluded and not self.refused

    @property
    def covered(self) -> bool:
        """Whether what was measured lies in the band."""
        return self.band is not None and self.band.low <= self.row.measured <= self.band.high


@dataclass(frozen=True, slots=True)
class Summary:
    """Errors of some rows: median and 90th percentile of ``|error|``, median of ``error``, share inside the band."""

    count: int
    median: float
    p90: float
    bias: float
    coverage: float


@dataclass(frozen=True, slots=True)
class Scored:
    """All of a table. ``ranks``: mean Spearman correlation of GPUs within each setting with three or more of them, and
    how many such settings; ``None`` where there are none."""

    rows: tuple[Score, ...]
    unread: tuple[Unread, ...] = ()
    ranks: tuple[float, int] | None = None


GROUPS: Mapping[str, Callable[[Score], str]] = {
    "gpu": lambda one: one.row.gpu,
    "model": lambda one: one.row.model,
    "precision": lambda one: one.row.precision,
    "engine": lambda one: one.row.version or "not named",
    "tensor": lambda one: f"TP{one.row.mesh.tensor}" if one.row.mesh else "not published",
    "regime": lambda one: one.bound,
}
"""By what errors are told apart."""


def summary(chosen: Sequence[Score]) -> Summary | None:
    """Errors of these rows; ``None`` of none."""
    errors = [one.error for one in chosen if one.error is not None]
    if not errors:
        return None
    size = sorted(abs(error) for error in errors)
    inside = sum(one.covered for one in chosen) / len(chosen)
    return Summary(len(errors), statistics.median(size), quantile(size, 0.9), statistics.median(errors), inside)


def quantile(ordered: Sequence[float], share: float) -> float:
    """On a line between the two nearest of the ordered values."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spearman(scores: Iterable[Score]) -> tuple[float, int] | None:
    """Mean rank correlation of GPUs, measured against predicted, within each setting: model, lengths, plan, source."""
    settings: dict[tuple[object, ...], dict[str, list[Score]]] = {}
    for one in scores:
        if one.counts and not one.row.latency_limited:
            row = one.row
            setting = (row.version, row.model, row.mesh, *((row.isl, row.osl) if row.mesh else ()))
            settings.setdefault(setting, {}).setdefault(row.gpu, []).append(one)
    found = []
    for gpus in settings.values():
        if len(gpus) >= LEAST_GPUS:
            measured = [statistics.median(one.row.measured for one in same) for same in gpus.values()]
            predicted = [statistics.median(one.band.value for one in same if one.band) for same in gpus.values()]
            found.append(_correlation(_ranks(measured), _ranks(predicted)))
    return (statistics.fmean(found), len(found)) if found else None


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; equal values share their mean rank."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) + 1) / 2 for value in values]


def _correlation(left: list[float], right: list[float]) -> float:
    try:
        return statistics.correlation(left, right)
    except statistics.StatisticsError:  # all equal: there is no order to agree with
        return 0.0
