"""How fast do pairs of ranks exchange messages, all pairs at once and both ways?

The first half of the ranks meets the second: rank r and rank r + n/2, which lie on different nodes where nodes have
ranks next to each other, as neighbouring stages of a pipeline do. With an odd number of ranks the last one sends to
itself. algbw = busbw = bytes / time in each direction (nccl-tests' factor of sendrecv, doc/PERFORMANCE.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchsuite.benchmarks import _collective as common
from benchsuite.model import (
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


def partner(rank: int, size: int) -> int:
    """Whom ``rank`` meets."""
    half = size // 2
    if rank >= 2 * half:
        return rank
    return rank + half if rank < half else rank - half


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """The partner's message."""
    return common.exactly(case, common.message(ranks[partner(ranks.rank, case.ranks)]))


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The library's send and receive in one."""
    other = partner(world.rank, world.size)
    world.sendrecv(buffers[common.X], other, buffers[common.Y], other)


BENCHMARK = Benchmark(
    name="exchange",
    question="How fast do pairs of ranks exchange messages, all pairs at once and both ways?",
    metric=Metric.BUSBW,
    axes=(common.BYTES, common.dtypes(common.MOVED)),
    inputs=common.sent,
    outputs=common.received,
    work=common.once,
    reference=reference,
    implementations=common.by_library(library),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
)
