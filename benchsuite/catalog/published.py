"""What others measured and published: figures with quantity, role, source, date and confidence.

A **quantity** says what a figure can be compared at. The vocabulary is closed (``QUANTITIES``):

    gemm <type>                                 large products: 2mnk >= 1e11 operations, no side below 1024
    hbm read | hbm write | hbm copy | hbm scale | hbm triad     working sets far beyond every cache
    attention forward <type> causal|full head_dim=<n>           4096 tokens a sequence or more
    allreduce busbw ranks=<n> nodes=<n>         messages of 1 GiB or more; <n> nodes share no memory
    link h2d | link d2h                         pinned host memory, 64 MiB or more
    link p2p                                    from one accelerator to another, one direction, 64 MiB or more

``<type>`` is ``fp64 fp32 tf32 bf16 e4m3 int8``; ``bf16`` stands for fp16 too and ``e4m3`` for every 8-bit float: their
rates are the same on each accelerator here, unless its entry explains otherwise (``check``). A figure that fits none of
them keeps an empty quantity: it is shown, and compared with nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from benchsuite.catalog.rows import Basis, Confidence
from benchsuite.errors import DataError
from benchsuite.model import Case, Metric
from benchsuite.units import GIB, MIB

BIG_FLOPS, BIG_SIDE = 1e11, 1024
LONG = 4096
BIG_MESSAGE, BIG_TRANSFER = GIB, 64 * MIB

CLASSES = {"fp16": "bf16", "fp8": "e4m3", "fp8_e4m3": "e4m3", "e5m2": "e4m3"}
"""Element types that run at another one's rate, and stand under its name in a quantity."""

TYPES = ("fp64", "fp32", "tf32", "bf16", "e4m3", "int8")
QUANTITIES = re.compile(
    rf"gemm ({'|'.join(TYPES)})"
    r"|hbm (read|write|copy|scale|triad)"
    rf"|attention forward ({'|'.join(TYPES)}) (causal|full) head_dim=\d+"
    r"|allreduce busbw ranks=\d+ nodes=\d+"
    r"|link (h2d|d2h|p2p)"
)


class Role(StrEnum):
    """What a figure is. Only ``MEASURED`` ones belong to a population.

    ``THRESHOLD``: what somebody's health check lets pass; ``EXPECTED``: what somebody says is usual; ``DEGRADED``:
    measured on a machine that its source says was not well.
    """

    MEASURED = "measured"
    THRESHOLD = "threshold"
    EXPECTED = "expected"
    DEGRADED = "degraded"


UNITS: Mapping[str, tuple[float, frozenset[Metric]]] = {
    "TFLOP/s": (1e12, frozenset({Metric.FLOPS})),
    "GFLOP/s": (1e9, frozenset({Metric.FLOPS})),
    "TB/s": (1e12, frozenset({Metric.BANDWIDTH, Metric.BUSBW, Metric.ALGBW})),
    "GB/s": (1e9, frozenset({Metric.BANDWIDTH, Metric.BUSBW, Metric.ALGBW})),
    "MB/s": (1e6, frozenset({Metric.BANDWIDTH, Metric.BUSBW, Metric.ALGBW})),
    "Gb/s": (1.25e8, frozenset({Metric.BANDWIDTH, Metric.BUSBW, Metric.ALGBW})),
    "ns": (1e-9, frozenset({Metric.LATENCY})),
    "us": (1e-6, frozenset({Metric.LATENCY})),
    "MHz": (1e6, frozenset({Metric.CLOCK})),
}
"""Units that a row may state, their size in SI units, and the metrics that they measure."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of ``figures.csv`` as it stands there: ``value`` in ``unit``, ``to`` where the source gives a span."""

    hardware: str
    benchmark: str
    value: float
    unit: str
    metric: Metric
    as_of: str
    source: str
    confidence: Confidence
    basis: Basis = Basis.FOUND
    role: Role = Role.MEASURED
    quantity: str = ""
    dtype: str = ""
    shape: str = ""
    ranks: int | None = None
    nodes: int | None = None
    fabric: str = ""
    to: float | None = None
    percent_of_peak: float | None = None
    explained: str = ""
    software: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One published number in SI units.

    value: what the source prints, the middle of it where it prints a span ``low`` to ``high``; text: as printed;
    of_peak: the share of the dense peak as the collection states it (``check`` recomputes it); explained: why it may
    lie above that peak; ranks, nodes: 0 where the source does not say.
    """

    hardware: str
    quantity: str
    role: Role
    metric: Metric
    value: float
    text: str
    benchmark: str
    as_of: str
    source: str
    confidence: Confidence
    basis: Basis
    low: float | None = None
    high: float | None = None
    dtype: str = ""
    shape: str = ""
    ranks: int = 0
    nodes: int = 0
    fabric: str = ""
    of_peak: float | None = None
    explained: str = ""
    software: str = ""
    notes: str = ""

    @property
    def identity(self) -> tuple[str | int | float, ...]:
        """What was measured by whom: no two figures share it."""
        case = (self.hardware, self.benchmark, self.dtype, self.shape, self.ranks, self.nodes, self.fabric)
        return (*case, self.software, self.source, self.as_of, self.value)


def figure(row: Row, where: str) -> Figure:
    """The row in SI units. Raises ``DataError`` for a unit that is unknown or does not measure the metric."""
    scale, metrics = UNITS.get(row.unit, (0.0, frozenset()))
    if row.metric not in metrics:
        known = [unit for unit, (_, kinds) in UNITS.items() if row.metric in kinds]
        raise DataError(
            f"{where}: {row.unit!r} is no unit of {row.metric.value}.", f"Use {' or '.join(known) or 'another metric'}."
        )
    ends = (row.value * scale, row.to * scale) if row.to is not None else (None, None)
    return Figure(
        hardware=row.hardware,
        quantity=row.quantity,
        role=row.role,
        metric=row.metric,
        value=(row.value if row.to is None else (row.value + row.to) / 2) * scale,
        text=f"{row.value:g}{'' if row.to is None else f'-{row.to:g}'} {row.unit}",
        benchmark=row.benchmark,
        as_of=row.as_of,
        source=row.source,
        confidence=row.confidence,
        basis=row.basis,
        low=ends[0],
        high=ends[1],
        dtype=row.dtype,
        shape=row.shape,
        ranks=row.ranks or 0,
        nodes=row.nodes or 0,
        fabric=row.fabric,
        of_peak=None if row.percent_of_peak is None else row.percent_of_peak / 100,
        explained=row.explained,
        software=row.software,
        notes=row.notes,
    )


def population(figures: Iterable[Figure], hardware: str, quantity: str) -> tuple[Figure, ...]:
    """The measured figures of this hardware at this quantity, lowest first: never a threshold or a sick machine."""
    found = [
        one
        for one in figures
        if one.role is Role.MEASURED and quantity and (one.hardware, one.quantity) == (hardware, quantity)
    ]
    return tuple(sorted(found, key=lambda one: one.value))


def quantity_of(case: Case, metric: Metric, *, nodes: int = 1) -> str | None:
    """What a case of ours measures, in the words of ``Figure.quantity``; ``None`` where nothing published compares.

    Whether the working set of ``memory`` lies beyond the caches, and whether fabric and link are alike, is the caller's
    business; ``nodes``: machines that the ranks ran on.
    """
    rule = _RULES.get(case.benchmark)
    try:
        found = rule(case, metric, nodes) if rule else None
    except (KeyError, TypeError):  # a case of another version: nothing is claimed about it
        return None
    return found if found and QUANTITIES.fullmatch(found) else None


def rate_class(dtype: str) -> str:
    """The element type whose rate this one runs at."""
    return CLASSES.get(dtype, dtype)


def _gemm(case: Case, metric: Metric, nodes: int) -> str | None:
    sides = [case.integer(name) for name in "mnk"]
    big = 2.0 * sides[0] * sides[1] * sides[2] >= BIG_FLOPS and min(sides) >= BIG_SIDE
    easy = case.text("data") != "normal"  # zeros take less power: no figure of others says it used them
    return None if metric is not Metric.FLOPS or not big or easy else f"gemm {rate_class(case.text('dtype'))}"


def _memory(case: Case, metric: Metric, nodes: int) -> str | None:
    return f"hbm {case.text('op')}" if metric is Metric.BANDWIDTH else None


def _attention(case: Case, metric: Metric, nodes: int) -> str | None:
    if metric is not Metric.FLOPS or case.integer("seq") < LONG:
        return None
    mask = "causal" if case.flag("causal") else "full"
    return f"attention forward {rate_class(case.text('dtype'))} {mask} head_dim={case.integer('head_dim')}"


def _allreduce(case: Case, metric: Metric, nodes: int) -> str | None:
    """In place, putting the message back is part of our time, and of nobody else's."""
    if dict(case.params).get("place") == "in":
        return None
    return _reduced(case, metric, case.ranks, nodes)


def _peer_allreduce(case: Case, metric: Metric, nodes: int) -> str | None:
    return _reduced(case, metric, case.integer("gpus"), nodes) if case.flag("spread") else None


def _reduced(case: Case, metric: Metric, ranks: int, nodes: int) -> str | None:
    if metric is not Metric.BUSBW or case.integer("bytes") < BIG_MESSAGE or ranks < 2:
        return None
    return f"allreduce busbw ranks={ranks} nodes={nodes}"


def _transfer(case: Case, metric: Metric, nodes: int) -> str | None:
    plain = case.text("host") == "pinned" and case.integer("bytes") >= BIG_TRANSFER
    return f"link {case.text('direction')}" if metric is Metric.BUSBW and plain else None


def _p2p(case: Case, metric: Metric, nodes: int) -> str | None:
    plain = case.text("direction") == "uni" and case.integer("bytes") >= BIG_TRANSFER
    return "link p2p" if metric is Metric.BUSBW and plain else None


_RULES = {
    "gemm": _gemm,
    "memory": _memory,
    "attention": _attention,
    "allreduce": _allreduce,
    "peer-allreduce": _peer_allreduce,
    "transfer": _transfer,
    "p2p": _p2p,
}
