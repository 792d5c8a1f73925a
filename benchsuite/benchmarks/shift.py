"""How fast does every rank send to the next one while it receives from the one before?

A ring of send and receive, in which every link works one way at once. algbw = busbw = bytes / time (nccl-tests'
sendrecv, doc/PERFORMANCE.md): what each rank sends.
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
    """What is sent on."""
    return {common.X: common.numbers(case, rng, common.elements(case))}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """What is received."""
    return common.result(case, common.elements(case))


def work(case: Case) -> Work:
    """Per rank: the message leaves, and one like it comes."""
    size = float(common.elements(case) * common.itemsize(case))
    return Work(read=size, written=size, payload=size, wire=size)


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
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=common.by_library(library),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
)
