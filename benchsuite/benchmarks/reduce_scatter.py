"""How fast do the ranks sum a buffer of which each keeps a part?

Every rank contributes ``bytes`` and ends with its n-th part of the sum over all ranks. algbw = bytes / time, and
busbw = algbw * (n-1)/n (nccl-tests, doc/PERFORMANCE.md): what each rank must at least send. In place, the result lies
where the message began, so each iteration first puts the message back; that is part of the time, and what it takes
alone is told beside it.
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
    """Whole numbers, so that each sum is exact in any order."""
    name = common.ORIGIN if common.in_place(case) else common.X
    return {name: common.summands(case, rng, common.block(case) * case.ranks)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The rank's part of the sum (in place: at the beginning of a whole buffer), and room for a received segment."""
    part = common.block(case)
    scratch = ArraySpec((min(part, common.SEGMENT // common.itemsize(case)),), case.text("dtype"))
    return {**common.result(case, part * case.ranks if common.in_place(case) else part), "scratch": scratch}


def work(case: Case) -> Work:
    """Per rank: send every part but its own, and add the others' parts to it."""
    count = common.block(case)
    part = float(count * common.itemsize(case))
    size = part * case.ranks
    return Work(flops=count * (case.ranks - 1), read=size, written=part, payload=size, wire=size - part)


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """The rank's part of the exact sum."""
    count = common.block(case)
    values = common.total(case, ranks, slice(count * ranks.rank, count * (ranks.rank + 1)))
    return {common.Y: Expected(values, index=slice(count))}


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The library's own algorithm."""
    if common.X in buffers:
        world.reduce_scatter(buffers[common.X], buffers[common.Y])
        return
    y = common.restore(buffers)
    world.reduce_scatter(y, y[: y.size // world.size])


def ring(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """Each part goes once round the ring and grows, to arrive where it is kept (Patarasuk & Yuan 2009).

    What is received lands in the result and in the scratch by turns, so that the last lands in the result.
    """
    x, y, scratch = buffers[common.X], buffers[common.Y], buffers["scratch"]
    n, rank, part = world.size, world.rank, y.size
    following, before = (rank + 1) % n, (rank - 1) % n
    if n == 1:
        y[...] = x
    for low in range(0, part, scratch.size):
        high = min(low + scratch.size, part)
        held = x[before * part + low : before * part + high]
        for step in range(2, n + 1):
            incoming = y[low:high] if (n - step) % 2 == 0 else scratch[: high - low]
            world.sendrecv(held, following, incoming, before)
            number = (rank - step) % n
            ops.add_into(incoming, x[number * part + low : number * part + high])
            held = incoming


BENCHMARK = Benchmark(
    name="reduce_scatter",
    question="How fast do the ranks sum a buffer of which each keeps a part?",
    metric=Metric.BUSBW,
    axes=(common.BYTES, common.dtypes(common.SUMMED), common.PLACE),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        *common.by_library(library, sums=True, restores=True),
        *common.ours("ring", ring, sums=True),
    ),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
    invalid=common.inexact,
)
