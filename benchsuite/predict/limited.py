"""The latency simulation against published rates under a limit of latency: MLPerf's Server and Interactive scenarios.

For each machine the highest rate that keeps the scenario's limits for 99 % of the requests is predicted, with the best
tensor-parallel degree, and set against the published one; beside it stand the offline forecast unchanged and that
times a ratio. Nothing is fitted here.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Mesh
from benchsuite.predict import step
from benchsuite.predict.engine import FITTED, Engine
from benchsuite.predict.fit import Table
from benchsuite.predict.latency import Copy, Limits, fitted, highest
from benchsuite.predict.memory import fitting
from benchsuite.predict.precision import PRECISIONS, check
from benchsuite.predict.table import Row, excluded

PROMISED: Mapping[tuple[str, str], Limits] = {
    ("llama-2-70b", "Server"): Limits(2.0, 0.2),
    ("llama-2-70b", "Interactive"): Limits(0.45, 0.04),
    ("llama-3.1-8b", "Server"): Limits(2.0, 0.1),
    ("llama-3.1-8b", "Interactive"): Limits(0.5, 0.03),
    ("llama-3.1-405b", "Server"): Limits(6.0, 0.175),
    ("llama-3.1-405b", "Interactive"): Limits(4.5, 0.08),
    ("mixtral-8x7b", "Server"): Limits(2.0, 0.2),
}
"""What MLPerf Inference's rules ask for: 99th percentiles of the time to the first token and of each further one."""

RATIOS: Mapping[str, float] = {"Server": 0.92, "Interactive": 0.55}
"""Median published rate under the limits by the same submission's offline rate, of the very rows that are scored."""

DEGREES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Compared:
    """A published cell, replicates at their median: output tokens per second of one device, measured and predicted.

    simulated: 0 where no rate keeps the limits. offline: the forecast without limits.
    """

    row: Row
    measured: float
    simulated: float
    offline: float
    tensor: int

    @property
    def scaled(self) -> float:
        """The offline forecast times the scenario's ratio."""
        return self.offline * RATIOS[self.row.scenario]


def compare(rows: Iterable[Row], known: Table, engine: Engine = FITTED) -> tuple[Compared, ...]:
    """Every cell under a limit that no rule leaves out and that can be forecast."""
    cells: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        told = row.model in known.catalog.models and row.gpu in known.ceilings and row.precision in PRECISIONS
        if (row.model, row.scenario) in PROMISED and told and not excluded(row):
            cells.setdefault(row.cell, []).append(row)
    return tuple(made for same in cells.values() if (made := _compared(same, known, engine)) is not None)


def _compared(same: list[Row], known: Table, engine: Engine) -> Compared | None:
    row = same[0]
    degrees = [row.mesh.tensor] if row.mesh else [one for one in DEGREES if row.gpus % one == 0]
    try:
        _, offline = known.predict(replace(row, scenario="Offline", tpot=0.0), engine)
    except RefusedError:
        return None
    found = {degree: _simulated(row, known, engine, degree) for degree in degrees}
    best = max(found, key=lambda degree: found[degree])
    measured = statistics.median(one.measured for one in same)
    return Compared(row, measured, found[best], offline.throughput, best)


def _simulated(row: Row, known: Table, engine: Engine, degree: int) -> float:
    """Output tokens per second of one device at the highest rate that keeps the limits; 0 where none does."""
    shape, ceilings = known.catalog.models[row.model], known.ceilings[row.gpu]
    mesh, isl, osl = Mesh(tensor=degree), round(row.isl), round(row.osl)
    try:
        precision = check(PRECISIONS[row.precision], ceilings)
        batch = min(engine.cap, fitting(shape, precision, ceilings, mesh, engine, isl + osl))
        prompt = step.prefill(shape, precision, ceilings, mesh, engine, isl).seconds
        times: dict[int, float] = {}

        def seconds(sequences: int) -> float:
            if sequences not in times:
                phase = step.decode(shape, precision, ceilings, mesh, engine, sequences, isl + osl / 2)
                times[sequences] = phase.seconds
            return times[sequences]

        limits = PROMISED[row.model, row.scenario]
        copy = fitted(Copy(seconds, prompt, isl, osl, batch), limits)
    except RefusedError:
        return 0.0
    served = highest(copy, limits) if copy else None
    return served.rate * osl / degree if served else 0.0
