"""What joining the devices of a mesh costs in a step.

Tensor parallelism sums the activations of every device twice a layer (arXiv 1909.08053): an all-reduce, whose bytes go
over the link as a ring's do, ``2 (t - 1) / t`` of them (NCCL's bus bandwidth), and whose rounds of messages each take a
time that no link shortens. A pipeline hands activations on once a stage.
"""

from __future__ import annotations

import math
from itertools import pairwise

from benchsuite.catalog.models import ModelShape
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Bound, Ceilings, Footing, Mesh, Term
from benchsuite.predict.engine import Engine

ADDING = ("NVLink4 / NVSwitch", "NVLink4 +", "NVLink5", "NVLink6")
"""Fabrics whose switches add on the way (SHARP): a round counts once."""

PEERS = 7
"""Links of a device where each peer has one of its own (xGMI, eight devices, no switch)."""


def joined(shape: ModelShape, ceilings: Ceilings, mesh: Mesh, engine: Engine, size: float) -> tuple[Term, ...]:
    """Every message of a step whose activations are ``size`` bytes. Raises ``RefusedError`` where no link is known."""
    return (*_sums(shape, ceilings, mesh, engine, size), *_stages(ceilings, mesh, engine, size))


def _sums(shape: ModelShape, ceilings: Ceilings, mesh: Mesh, engine: Engine, size: float) -> tuple[Term, ...]:
    tensor, link, times = mesh.tensor, ceilings.link, 2.0 * shape.layers
    if tensor == 1:
        return ()
    found = _message(ceilings, size, tensor)
    if found is not None:
        return (Term("all-reduce", times * found, Bound.LINK, Footing.MEASURED),)
    if link is None:
        raise RefusedError(f"Nothing is known of what joins the devices of {ceilings.name}.", "Use one device a copy.")
    rate = link.value * engine.link * _reachable(ceilings.fabric, tensor)
    moved = times * size * 2.0 * (tensor - 1) / tensor / rate
    fixed = times * engine.reduce * _rounds(ceilings.fabric, tensor)
    return (
        Term("all-reduce", moved, Bound.LINK, link.footing),
        Term("all-reduce latency", fixed, Bound.LATENCY, Footing.ASSUMED),
    )


def _stages(ceilings: Ceilings, mesh: Mesh, engine: Engine, size: float) -> tuple[Term, ...]:
    link = ceilings.link
    if mesh.pipeline == 1 or link is None:
        return ()
    seconds = (mesh.pipeline - 1) * (size / (link.value * engine.link) + engine.reduce)
    return (Term("stages", seconds, Bound.LINK, link.footing),)


def _reachable(fabric: str, ranks: int) -> float:
    """Share of a device's links that ranks use: without a switch each peer has one of its own."""
    return min(1.0, (ranks - 1) / PEERS) if "peers" in fabric else 1.0


def _rounds(fabric: str, ranks: int) -> float:
    """Rounds of messages that an all-reduce of few bytes takes: ranks pair up (log2), each round twice (reduce, tell).

    Where switches add on the way each counts once.
    """
    return math.log2(ranks) * (1.0 if fabric.startswith(ADDING) else 2.0)


def _message(ceilings: Ceilings, size: float, ranks: int) -> float | None:
    """Measured seconds of an all-reduce of this size among as many ranks: on a line between measured sizes.

    Below the smallest its time, beyond the largest its rate.
    """
    points = sorted((one.bytes, one.seconds) for one in ceilings.messages.get("allreduce", ()) if one.ranks == ranks)
    if not points:
        return None
    if size <= points[0][0]:
        return points[0][1]
    for (small, fast), (large, slow) in pairwise(points):
        if size <= large:
            return fast + (slow - fast) * (size - small) / (large - small)
    return points[-1][1] * size / points[-1][0]
