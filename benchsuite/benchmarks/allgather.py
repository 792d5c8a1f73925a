"""How fast do the ranks collect every rank's part of a buffer?

Every rank contributes an n-th part of ``bytes`` and ends with all of them. algbw = bytes / time, and busbw = algbw *
(n-1)/n (nccl-tests, doc/PERFORMANCE.md): what each rank must at least receive. In place, a rank's part lies in the
result already; the operation leaves it as it is, so that nothing has to be put back between iterations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchsuite.benchmarks import _collective as common
from benchsuite.model import (
    Array,
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
    """The rank's part."""
    name = common.ORIGIN if common.in_place(case) else common.X
    return {name: common.numbers(case, rng, common.block(case))}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """Every rank's part."""
    return common.result(case, common.block(case) * case.ranks)


def work(case: Case) -> Work:
    """Per rank: receive every part but its own."""
    part = float(common.block(case) * common.itemsize(case))
    size = part * case.ranks
    return Work(read=part, written=size, payload=size, wire=size - part)


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """The parts in rank order."""
    return common.exactly(case, np.concatenate([common.message(arrays) for arrays in ranks]))


def own(world: World, buffers: Buffers) -> Array:
    """This rank's part of the result."""
    size = buffers[common.Y].size // world.size
    part: Array = buffers[common.Y][world.rank * size : (world.rank + 1) * size]
    return part


def place(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """In place: the rank's part, where it belongs."""
    if common.ORIGIN in buffers:
        own(world, buffers)[...] = buffers[common.ORIGIN]


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The library's own algorithm."""
    part = buffers[common.X] if common.X in buffers else own(world, buffers)
    world.allgather(part, buffers[common.Y])


def ring(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The own part, then what came last, to the next rank: n-1 steps (Thakur, Rabenseifner & Gropp 2005, 3.1)."""
    if common.X in buffers:
        own(world, buffers)[...] = buffers[common.X]
    common.pass_round(world, buffers[common.Y])


BENCHMARK = Benchmark(
    name="allgather",
    question="How fast do the ranks collect every rank's part of a buffer?",
    metric=Metric.BUSBW,
    axes=(common.BYTES, common.dtypes(common.MOVED), common.PLACE),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(*common.by_library(library, place), *common.ours("ring", ring, place)),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
)
