"""How fast does every rank send to the next one while it receives from the one before?

A ring of send and receive, in which every link works one way at once. algbw = busbw = bytes / time (nccl-tests'
sendrecv, doc/PERFORMANCE.md): what each rank sends.
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


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """The message of the rank before."""
    return common.exactly(case, common.message(ranks[(ranks.rank - 1) % case.ranks]))


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The library's send and receive in one."""
    n, rank = world.size, world.rank
    world.sendrecv(buffers[common.X], (rank + 1) % n, buffers[common.Y], (rank - 1) % n)


BENCHMARK = Benchmark(
    name="shift",
    question="How fast does every rank send to the next one while it receives from the one before?",
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
