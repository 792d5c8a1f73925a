"""How well the forecast does where it was not fitted: leave one GPU out, one source, one configuration.

Intervals are scored nested: the band of a held-out GPU comes from fits that saw neither it nor the GPU whose errors
make the band.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchsuite.errors import RefusedError
from benchsuite.predict.engine import Engine
from benchsuite.predict.fit import Cell, Table, cells, fit, prior
from benchsuite.predict.interval import Calibration, conformal, fitted_on
from benchsuite.predict.score import score
from benchsuite.predict.table import Row, excluded
from benchsuite.predict.tally import Score, Scored, spearman

LEAST_UNSEEN = 0.34
"""The band of an unseen GPU is never narrower: 4 of 5 external tables were covered by it (x0.71 to x1.40)."""

FOLDS = 10
ENOUGH = 9
"""Cells of a GPU from which on it has a 90 % conformal score of its own."""

Key = Callable[[Row], str]
Fit = Callable[[Sequence[Cell]], Engine]


def gpu(row: Row) -> str:
    """What a fold leaves out: a GPU."""
    return row.gpu


def version(row: Row) -> str:
    """What a fold leaves out: a source and its engine's version."""
    return row.version


@dataclass(frozen=True, slots=True)
class Folds:
    """Held-out scores of every cell, its row carrying the median of what was measured. ``engines``: fitted without."""

    scored: Scored
    engines: Mapping[str, Engine]


def calibrating(rows: Iterable[Row]) -> tuple[Cell, ...]:
    """The cells of a fit: offline rows that no rule leaves out."""
    return cells(row for row in rows if not excluded(row) and not row.latency_limited)


def without(chosen: Sequence[Cell], key: Key, fitted: Fit) -> dict[str, Engine]:
    """An engine for each group, fitted to all the others."""
    groups = sorted({key(cell.row) for cell in chosen})
    return {group: fitted([cell for cell in chosen if key(cell.row) != group]) for group in groups}


def held_out(
    chosen: Sequence[Cell], known: Table, key: Key, engines: Mapping[str, Engine], bands: Mapping[str, Calibration]
) -> Folds:
    """Each cell scored by the engine and the band that have not seen its group."""
    made: list[Score] = []
    for group, engine in engines.items():
        rows = [row_of(cell) for cell in chosen if key(cell.row) == group]
        made += score(rows, known, engine, bands[group]).rows
    made.sort(key=lambda one: one.row.line)
    return Folds(Scored(tuple(made), ranks=spearman(made)), engines)


def row_of(cell: Cell) -> Row:
    """The cell's row with the median of its replicates."""
    return replace(cell.row, measured=cell.measured)


def errors(chosen: Sequence[Cell], known: Table, engine: Engine) -> list[float]:
    """``|ln(measured / predicted)|`` of each cell; infinite where it is said not to run."""
    found = []
    for cell in chosen:
        band = score([row_of(cell)], known, engine).rows[0].band
        found.append(abs(math.log(cell.measured / band.value)) if band else math.inf)
    return found


def widest(chosen: Sequence[Cell], known: Table, engines: Mapping[str, Engine]) -> float:
    """The largest over GPUs of the score that 90 % of a GPU's cells keep when it is held out."""
    found = [LEAST_UNSEEN]
    for name, engine in engines.items():
        mine = [cell for cell in chosen if cell.row.gpu == name]
        away = errors(mine, known, engine)
        quantile = conformal(away)
        found.append(max(away) if math.isinf(quantile) else quantile)
    return max(found)


def nested(chosen: Sequence[Cell], known: Table, fitted: Fit) -> dict[str, Calibration]:
    """For each GPU the calibration that never saw it: 28 fits without a pair for eight GPUs."""
    groups = sorted({cell.row.gpu for cell in chosen})
    pairs = {
        frozenset((one, other)): fitted([cell for cell in chosen if cell.row.gpu not in {one, other}])
        for place, one in enumerate(groups)
        for other in groups[place + 1 :]
    }
    made = {}
    for group in groups:
        rest = [cell for cell in chosen if cell.row.gpu != group]
        engines = {other: pairs[frozenset((group, other))] for other in groups if other != group}
        made[group] = replace(hull(rest, known), unseen=widest(rest, known, engines))
    return made


def configurations(chosen: Sequence[Cell], known: Table, fitted: Fit) -> dict[Cell, float]:
    """``|ln(measured / predicted)|`` of configurations held out of the largest source, whose GPUs are all seen.

    All other cells are in each fit, as they are in the shipped one: what a fit to this source alone misses is less.
    """
    versions = [cell.row.version for cell in chosen]
    largest = max(sorted(set(versions)), key=versions.count)
    mine = [cell for cell in chosen if cell.row.version == largest]
    found: dict[Cell, float] = {}
    for fold in range(FOLDS):
        out = mine[fold::FOLDS]
        engine = fitted([cell for cell in chosen if cell not in out])
        found.update(zip(out, errors(out, known, engine), strict=True))
    return found


def each(configured: Mapping[Cell, float]) -> float:
    """The widest conformal score of any GPU with enough configurations: a pooled one would cover some GPUs less."""
    by_gpu: dict[str, list[float]] = {}
    for cell, error in configured.items():
        by_gpu.setdefault(cell.row.gpu, []).append(error)
    return max(conformal(scores) for scores in by_gpu.values() if len(scores) >= ENOUGH)


def hull(chosen: Sequence[Cell], known: Table) -> Calibration:
    """What the cells span; the scores are still to be found. A GPU is seen where nine cells name their plan.

    Batches are not published: they are those of the priors, which know no result.
    """
    rows = [row_of(cell) for cell in chosen]
    planned = [row.gpu for row in rows if row.mesh]
    shapes = [(row, known.catalog.models[row.model]) for row in rows]
    mixed = [(row, shape) for row, shape in shapes if shape.experts]
    return Calibration(
        known=0.0,
        unseen=0.0,
        rate=max(row.measured * (row.isl + row.osl) / row.osl for row in rows),
        length=max(row.isl + row.osl for row in rows),
        shortest=min(row.isl + row.osl for row in rows),
        reading=max(row.isl / row.osl for row in rows),
        batch=min((_batch(row, known) for row in rows if row.mesh), default=1),
        parameters=float(min(shape.parameters for _, shape in shapes)),
        sparsity=max((shape.experts / shape.experts_active for _, shape in mixed), default=0.0),
        tensor=max(row.mesh.tensor if row.mesh else 1 for row in rows),
        experts_tensor=max((row.mesh.tensor if row.mesh else 1 for row, _ in mixed), default=0),
        over_host=8,
        gpus=frozenset(gpu for gpu in planned if planned.count(gpu) >= ENOUGH),
        versions=frozenset(row.version for row in rows),
        precisions=frozenset(fitted_on(row.precision, row.gpu) for row in rows),
        fitted=frozenset(fitted_on(row.version, row.gpu) for row in rows),
    )


def _batch(row: Row, known: Table) -> int:
    """Whole sequences at once; as many as can be where it is said not to run."""
    try:
        return int(known.predict(row, prior())[1].batch)
    except RefusedError:
        return prior().cap


def fitting(known: Table) -> Fit:
    """A fit that begins at the priors: one that began where a fit to all cells ended would have seen what it is asked
    (a parameter that counts whole sequences has no slope, and stays near where it began)."""
    return lambda chosen: fit(chosen, known, prior())
