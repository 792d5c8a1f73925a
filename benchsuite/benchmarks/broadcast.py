"""How fast does a message of one rank reach all others?

Rank 0 has ``bytes``, and every rank ends with them. algbw = busbw = bytes / time (nccl-tests, doc/PERFORMANCE.md): a
rank must at least receive all of it. MPI's broadcast is always in place: the root's message lies in the result.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchsuite.benchmarks import _collective as common
from benchsuite.model import (
    Array,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    Expected,
    LocalOps,
    Metric,
    Ranks,
    World,
)

ROOT = 0


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """The root's message."""
    return common.exactly(case, common.message(ranks[ROOT]))


def place(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The root's message, where it is sent from."""
    if world.rank == ROOT:
        buffers[common.Y][...] = buffers[common.X]


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The library's own algorithm."""
    world.broadcast(buffers[common.Y], ROOT)


def binomial(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """Whoever has it sends it on to a rank half as far away (Thakur, Rabenseifner & Gropp 2005, 3.2)."""
    y, rank, n = buffers[common.Y], world.rank, world.size
    distance = 1 << (n - 1).bit_length()
    while (distance := distance >> 1) > 0:
        if rank % (2 * distance) == 0 and rank + distance < n:
            world.send(y, rank + distance)
        elif rank % (2 * distance) == distance:
            world.receive(y, rank - distance)


def scatter(world: World, y: Array) -> None:
    """The r-th n-th of the root's ``y`` to rank r: whoever has several ranks' parts hands on the upper half."""
    rank, n = world.rank, world.size
    distance = 1 << (n - 1).bit_length()
    while (distance := distance >> 1) > 0:
        middle = rank + distance if rank % (2 * distance) == 0 else rank
        part = y[y.size * middle // n : y.size * min(middle + distance, n) // n]
        if middle > rank and middle < n:
            world.send(part, middle)
        elif rank % (2 * distance) == distance:
            world.receive(part, rank - distance)


def scatter_ring(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """Scatter, then all-gather round a ring: nobody sends more than 2(n-1)/n of it (Barnett et al. 1994)."""
    scatter(world, buffers[common.Y])
    common.pass_round(world, buffers[common.Y])


BENCHMARK = Benchmark(
    name="broadcast",
    question="How fast does a message of one rank reach all others?",
    metric=Metric.BUSBW,
    axes=(common.BYTES, common.dtypes(common.MOVED)),
    inputs=common.sent,
    outputs=common.received,
    work=common.once,
    reference=reference,
    implementations=(
        *common.by_library(library, place),
        *common.ours("binomial", binomial, place),
        *common.ours("scatter-ring", scatter_ring, place),
    ),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
)
