"""How fast do the ranks exchange parts, each with every other?

Every rank sends the r-th n-th part of ``bytes`` to rank r. algbw = bytes / time, and busbw = algbw * (n-1)/n
(nccl-tests, doc/PERFORMANCE.md): what each rank must send and receive. ``alltoallv`` has parts of unequal sizes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchsuite.benchmarks import _collective as common
from benchsuite.model import (
    Arrays,
    ArraySpec,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    Expected,
    LocalOps,
    Metric,
    Ranks,
    Work,
    World,
)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """One part for every rank."""
    return {common.X: common.numbers(case, rng, common.block(case) * case.ranks)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """One part from every rank."""
    return common.result(case, common.block(case) * case.ranks)


def work(case: Case) -> Work:
    """Per rank: every part but its own leaves, and as much comes."""
    part = float(common.block(case) * common.itemsize(case))
    size = part * case.ranks
    return Work(read=size, written=size, payload=size, wire=size - part)


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """What every rank had for this one."""
    count = common.block(case)
    mine = slice(count * ranks.rank, count * (ranks.rank + 1))
    return common.exactly(case, np.concatenate([common.message(arrays)[mine] for arrays in ranks]))


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The library's own algorithm."""
    world.alltoall(buffers[common.X], buffers[common.Y])


def pairwise(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """In step s to the rank s further on, from the rank s before (Thakur, Rabenseifner & Gropp 2005, 3.3)."""
    x, y, n, rank = buffers[common.X], buffers[common.Y], world.size, world.rank
    part = x.size // n
    y[rank * part : (rank + 1) * part] = x[rank * part : (rank + 1) * part]
    for step in range(1, n):
        to, source = (rank + step) % n, (rank - step) % n
        outgoing, incoming = x[to * part : (to + 1) * part], y[source * part : (source + 1) * part]
        world.sendrecv(outgoing, to, incoming, source)


BENCHMARK = Benchmark(
    name="alltoall",
    question="How fast do the ranks exchange parts, each with every other?",
    metric=Metric.BUSBW,
    axes=(common.BYTES, common.dtypes(common.MOVED)),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(*common.by_library(library), *common.ours("pairwise", pairwise)),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
)
