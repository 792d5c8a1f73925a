"""The engine's parameters from published results: few, global, each with a prior from first principles.

    minimise  sum w soft_l1(ln(predicted / measured) / SCALE) + sum (ln(parameter / prior) / spread)^2

over the cells (replicates collapsed to their median); ``w``: each block (source, model, GPU, tensor degree) weighs the
same. The priors are what a parameter should be before any result is seen; what data cannot tell stays there.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchsuite.catalog import Catalog
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Ceilings, Mesh, Traffic
from benchsuite.predict import datasheet
from benchsuite.predict.batching import Served, best, copied
from benchsuite.predict.engine import Engine
from benchsuite.predict.precision import PRECISIONS
from benchsuite.predict.table import Row

SCALE = 0.1
"""Relative error beyond which a cell pulls linearly, not by its square."""

EDGE = 1e-3
"""How far below its largest value a parameter begins, in the logarithm: on the edge there is nowhere to step."""

DISTRIBUTED_CAP = 2048
"""Sequences at once where requests come from a data set (the harness's usual maximum)."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A parameter's value before any result, and by what factor it may be wrong (one standard deviation of ln).

    most: the largest that it can be: no share of a ceiling passes 1.
    """

    value: float
    spread: float
    why: str
    most: float = math.inf


PRIORS: Mapping[str, Prior] = MappingProxyType(
    {
        "gemm": Prior(1.0, 0.03, "products reach the ceiling but for what the other terms count", most=1.0),
        "bandwidth": Prior(0.95, 0.1, "reads of weights and caches reach a plain read but for gaps", most=1.0),
        "rows": Prior(64.0, 0.5, "half a tile of padding"),
        "wave": Prior(0.5, 0.5, "half of the last wave idle"),
        "tile": Prior(1.5e-6, 0.7, "one memory latency to begin, writing a tile to end"),
        "traffic": Prior(2.0, 0.2, "each activation once, and once more where it is quantised or begins cold"),
        "reserve": Prior(4.0e9, 0.3, "workspace, graphs, the runtime's context"),
        "link": Prior(0.8, 0.3, "all-reduce of some MiB against the link's rate", most=1.0),
        "reduce": Prior(10e-6, 0.5, "a round of a small all-reduce, and waiting for the slowest"),
        "layer": Prior(10e-6, 0.5, "the gaps between a layer's ten kernels in a graph"),
        "sequence": Prior(3e-6, 0.7, "the host's bookkeeping of a sequence in a step"),
    }
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting and the median of what was measured there."""

    row: Row
    measured: float
    replicates: int


def cells(rows: Iterable[Row]) -> tuple[Cell, ...]:
    """Rows that repeat one measurement, as one: the median of the rates; lengths of the middle row."""
    made = []
    for _, group in groupby(sorted(rows, key=lambda row: (str(row.cell), row.measured)), key=lambda row: str(row.cell)):
        same = list(group)
        middle = statistics.median(row.measured for row in same)
        made.append(Cell(same[len(same) // 2], middle, len(same)))
    return tuple(sorted(made, key=lambda cell: cell.row.line))


@dataclass(frozen=True, slots=True)
class Table:
    """What forecasts of rows need of the catalogue: ceilings by GPU and shapes by model, looked up once."""

    ceilings: Mapping[str, Ceilings]
    catalog: Catalog

    def predict(self, row: Row, engine: Engine) -> tuple[Mesh, Served]:
        """Plan and rate of a row. Raises ``RefusedError`` where it cannot run, ``KeyError`` for an unknown name."""
        shape, ceilings, precision = self.catalog.models[row.model], self.ceilings[row.gpu], PRECISIONS[row.precision]
        traffic = Traffic(round(row.isl), round(row.osl), row.requests, row.batch)
        if row.mesh:
            copies = max(1, row.gpus // row.mesh.devices)
            return row.mesh, copied(shape, precision, ceilings, row.mesh, engine, traffic, copies)
        capped = replace(engine, cap=min(engine.cap, DISTRIBUTED_CAP))
        return best(shape, precision, ceilings, capped, traffic, row.gpus)


def table(catalog: Catalog) -> Table:
    """Ceilings of every accelerator of the catalogue that has enough figures for them."""
    found = {}
    for key, accelerator in catalog.accelerators.items():
        try:
            found[key] = datasheet.ceilings(accelerator, catalog.figures, 8)
        except RefusedError:
            continue
    return Table(found, catalog)


def weights(chosen: Sequence[Cell]) -> NDArray[np.float64]:
    """Each block the same in all, on average 1."""
    blocks = [(cell.row.version, cell.row.model, cell.row.gpu, cell.row.mesh) for cell in chosen]
    count = {block: blocks.count(block) for block in blocks}
    raw = np.array([1.0 / count[block] for block in blocks])
    return np.asarray(raw * len(raw) / raw.sum())


def changed(engine: Engine, values: dict[str, Any]) -> Engine:
    """The engine with other parameters."""
    return replace(engine, **values)


def prior() -> Engine:
    """The engine before any result."""
    start = Engine("prior", attention=0.75, kept=0.95)
    return changed(start, {name: item.value for name, item in PRIORS.items()})


def fit(chosen: Sequence[Cell], known: Table, start: Engine, priors: Mapping[str, Prior] = PRIORS) -> Engine:
    """The engine that comes closest to the cells. ``start``: where the search begins and what is not fitted."""
    from scipy.optimize import least_squares

    names = tuple(priors)
    centre = np.log([item.value for item in priors.values()])
    spread = np.array([item.spread for item in priors.values()])

    weight = np.sqrt(weights(chosen))
    measured = np.log([cell.measured for cell in chosen])

    def residuals(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        engine = _engine(start, names, theta)
        errors = (np.log([_rate(cell, known, engine) for cell in chosen]) - measured) / SCALE
        soft = np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
        return np.concatenate([weight * soft, (theta - centre) / spread])

    most = np.log([item.most for item in priors.values()])
    begin = np.minimum(np.log([getattr(start, name) for name in names]), most - EDGE)
    step = np.full(len(names), 1e-3)
    found = least_squares(residuals, begin, diff_step=step, xtol=1e-3, ftol=1e-4, bounds=(-np.inf, most))
    return _engine(start, names, found.x)


def _engine(start: Engine, names: Sequence[str], theta: NDArray[np.float64]) -> Engine:
    return changed(start, {name: float(math.exp(value)) for name, value in zip(names, theta, strict=True)})


def _rate(cell: Cell, known: Table, engine: Engine) -> float:
    """What is predicted of a cell; one that does not fit counts as a hundredth of what was measured."""
    try:
        return known.predict(cell.row, engine)[1].throughput
    except RefusedError:
        return cell.measured / 100.0
