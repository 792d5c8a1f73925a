"""How far a forecast may be wrong: the errors of calibration, and what lies outside of it.

A score is ``|ln(measured / predicted)|``; a band is ``[value e^-q, value e^q]``. For a GPU and an engine that
calibration has seen, ``q`` is the conformal quantile of held-out configurations (split conformal prediction: Lei et
al., J. Am. Stat. Assoc. 113, 2018), of the GPU where it is widest. For a GPU that it has not seen, GPUs are what can be
exchanged, and a 90 % quantile of groups needs nine of them (``(n + 1) 0.9 <= n``): with fewer the band is the widest of
any calibration GPU's and no coverage is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchsuite.catalog.models import ModelShape
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Band, Caution, Ceilings, Footing, Mesh, Precision, Traffic
from benchsuite.predict.engine import data

NOMINAL = 0.9

WIDEST = 3.0
"""Above the hull's token rate by more than this factor nothing is said at all."""

SAME = {"bf16": "fp16", "fp16": "bf16"}
"""Precisions that take the same time wherever both run."""

FINE = 16
"""Experts for each active one, from which on a model's products are many and small."""

FINE_SCORE = 1.1
"""The lower side of the band there: the worst published with this kind of model was three times too high."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the engine was fitted on, and its scores.

    known: the score that 90 % of the held-out configurations of each seen GPU keep; unseen: the largest such score of
    any GPU that a fit had not seen. gpus: with nine cells or more. rate: the highest published tokens per second of one
    device, read and written; length, shortest: tokens of the longest and of the shortest request; reading: most tokens
    read for each written; batch: fewest sequences at once; parameters: of the smallest model; sparsity: most experts
    for each active one; tensor, experts_tensor: the widest group, and that of models with experts; over_host: the width
    from which on PCIe is not trusted; precisions, fitted: those and versions, with their GPU (``fitted_on``).
    """

    known: float
    unseen: float
    rate: float
    length: float
    shortest: float
    reading: float
    batch: int
    parameters: float
    sparsity: float
    tensor: int
    experts_tensor: int
    over_host: int
    gpus: frozenset[str]
    versions: frozenset[str]
    precisions: frozenset[str]
    fitted: frozenset[str]


def calibration(table: Mapping[str, Any]) -> Calibration:
    """From a table of the data file."""
    sets = {name: frozenset(table[name]) for name in ("gpus", "versions", "precisions", "fitted")}
    return Calibration(**{**table, **sets})


def fitted_on(what: str, gpu: str) -> str:
    """How ``Calibration.fitted`` names cells by version, and ``Calibration.precisions`` by precision."""
    return f"{what} on {gpu}"


@cache
def shipped() -> Calibration:
    """Of the fitted engine."""
    return calibration(data()["calibration"])


def conformal(scores: Sequence[float], nominal: float = NOMINAL) -> float:
    """The ``ceil((n + 1) nominal)``-th smallest score; infinite where so many are not there."""
    place = math.ceil((len(scores) + 1) * nominal)
    return sorted(scores)[place - 1] if 0 < place <= len(scores) else math.inf


def cautions(
    shape: ModelShape,
    precision: Precision,
    ceilings: Ceilings,
    mesh: Mesh,
    traffic: Traffic,
    throughput: float,
    batch: float = math.inf,
    *,
    version: str | None = None,
    within: Calibration | None = None,
) -> tuple[Caution, ...]:
    """What about a forecast lies outside of calibration. ``version``: of the engine, where results name another.

    ``throughput``: output tokens per second of one device; ``batch``: sequences at once. Raises ``RefusedError`` far
    above the published rates.
    """
    known = within or shipped()
    found = [
        *_machine(known, ceilings, mesh, version),
        *_precision(known, precision, ceilings),
        *_model(known, shape, mesh),
        *_traffic(known, traffic, throughput, batch),
    ]
    return tuple(found)


def _machine(known: Calibration, ceilings: Ceilings, mesh: Mesh, version: str | None) -> Iterable[Caution]:
    if ceilings.hardware not in known.gpus:
        yield Caution("UNSEEN_GPU", f"Too few published results of {ceilings.name} went into calibration, or none.")
    if version is not None and version not in known.versions:
        yield Caution("UNSEEN_ENGINE", f"The engine was not calibrated on {version or 'this software'}.")
    if ceilings.fabric.startswith("PCIe") and mesh.tensor >= known.over_host:
        yield Caution("WIDE_OVER_PCIE", f"{mesh.tensor} devices joined by PCIe: how boards share it is not known.")
    if mesh.tensor > known.tensor:
        yield Caution("WIDE_GROUP", f"Calibration has seen groups of {known.tensor} devices at most.")
    if mesh.pipeline > 1:
        yield Caution("PIPELINE", "No published pipeline went into calibration; its idle time is not modelled.")
    if mesh.expert > 1:
        yield Caution("EXPERT_PARALLEL", "No published expert parallelism went into calibration.")
    if ceilings.bandwidth.footing is Footing.ASSUMED and ceilings.hardware not in known.gpus:
        yield Caution(
            "ASSUMED_CEILINGS", f"Nobody has published or measured how fast {ceilings.name} reads its memory."
        )
    if ceilings.unsteady:
        what = f"{ceilings.unsteady} of the cases measured there have no steady result"
        yield Caution("UNSTEADY_CEILINGS", f"{what}: measure again while nothing else runs.")


def _precision(known: Calibration, precision: Precision, ceilings: Ceilings) -> Iterable[Caution]:
    names = {precision.name, SAME.get(precision.name, precision.name)}
    if not {fitted_on(name, ceilings.hardware) for name in names} & known.precisions:
        what = f"No published {precision.name} result of {ceilings.name} went into calibration."
        yield Caution("UNSEEN_PRECISION", what)


def _model(known: Calibration, shape: ModelShape, mesh: Mesh) -> Iterable[Caution]:
    if shape.parameters < known.parameters:
        least = f"{known.parameters / 1e9:.2g}"
        yield Caution("SMALL_MODEL", f"Calibration has seen no model of fewer than {least} billion parameters.")
    if not shape.experts:
        return
    if mesh.tensor > known.experts_tensor:
        most = f"calibration has seen {known.experts_tensor} at most"
        yield Caution("NARROW_EXPERTS", f"Experts sliced over {mesh.tensor} devices: {most}.")
    ratio = shape.experts / shape.experts_active
    if ratio >= FINE:
        yield Caution("FINE_EXPERTS", f"{ratio:.0f} experts for each active one: real engines may take far longer.")
    elif ratio > known.sparsity:
        most = f"calibration has seen {known.sparsity:g} at most"
        yield Caution("UNSEEN_EXPERTS", f"{ratio:g} experts for each active one: {most}.")


def _traffic(known: Calibration, traffic: Traffic, throughput: float, batch: float) -> Iterable[Caution]:
    length = traffic.isl + traffic.osl
    if length > known.length:
        yield Caution("LONG", f"Requests of {length} tokens: the longest in calibration had {known.length:.0f}.")
    if length < known.shortest:
        yield Caution("SHORT", f"Requests of {length} tokens: the shortest in calibration had {known.shortest:.0f}.")
    if traffic.isl > known.reading * traffic.osl:
        most = f"calibration has seen {known.reading:g} at most"
        yield Caution("READING", f"{traffic.isl / traffic.osl:.0f} tokens read for each written: {most}.")
    if batch < known.batch:
        most = f"calibration has seen no fewer than {known.batch}"
        yield Caution("FEW_SEQUENCES", f"{batch:.3g} sequences at once: {most}, and gaps between kernels weigh more.")
    rate = throughput * length / traffic.osl if traffic.osl else 0.0
    if rate > WIDEST * known.rate:
        raise RefusedError(
            f"{rate:.0f} tokens per second on one device, read and written, is {rate / known.rate:.1f} times what any "
            "result in calibration reached: what would limit it is not known.",
            "Measure the machine with a serving engine.",
        )
    if rate > known.rate:
        yield Caution("ABOVE_RATE", f"{rate:.0f} tokens/s on one device, above all published: the host may limit it.")


def band(
    value: float, found: Iterable[Caution] = (), *, within: Calibration | None = None, rate: float = 0.0
) -> tuple[Band, float]:
    """The interval of a throughput with these cautions, and its nominal coverage: 0 where none can be claimed.

    ``rate``: tokens read and written per second, where they are above the hull: the band then reaches down to it.
    """
    known = within or shipped()
    codes = {one.code for one in found}
    if not codes:
        return Band(value, value * math.exp(-known.known), value * math.exp(known.known)), NOMINAL
    low = high = max(known.unseen, known.known)
    if "FINE_EXPERTS" in codes:
        low = max(low, FINE_SCORE)
    if "ABOVE_RATE" in codes:
        low += math.log(max(1.0, rate / known.rate) if rate else WIDEST)
    return Band(value, value * math.exp(-low), value * math.exp(high)), 0.0
