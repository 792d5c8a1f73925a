"""How fast do the ranks of this machine sum a message, and how near does our ring come to the MPI library?

Every rank contributes ``bytes`` and ends with the sum over all ranks. Two rates describe it, as
defined in nccl-tests' doc/PERFORMANCE.md: algbw = bytes / time, and busbw = algbw * 2(n-1)/n, which
is what each rank must at least send and can be held against a link whatever the number of ranks.

In place, the sum replaces the message, and a sum of sums would soon be no number that can be verified. So each
iteration first puts the message back; that is part of the time, and what it takes alone is told beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np

from benchsuite.benchmarks import _collective as common
from benchsuite.benchmarks._collective import SEGMENT, elements
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
    """Whole numbers, so that each sum is exact in any order."""
    name = common.ORIGIN if common.in_place(case) else common.X
    return {name: common.summands(case, rng, elements(case))}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The sum, and room for one received segment (allocated here, so never inside the timed call)."""
    scratch = ArraySpec((min(elements(case), SEGMENT // common.itemsize(case)),), case.text("dtype"))
    return {**common.result(case, elements(case)), "scratch": scratch}


def work(case: Case) -> Work:
    """Per rank: send 2(n-1)/n of the message, do its share of the additions, read it once and write the sum once."""
    count, n = elements(case), case.ranks
    size = float(count * common.itemsize(case))
    share = (n - 1) / n
    return Work(flops=count * share, read=size, written=size, payload=size, wire=2 * share * size)


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """The exact sum of every rank's inputs."""
    return {common.Y: Expected(common.total(case, ranks))}


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The library's own algorithm."""
    if common.X in buffers:
        world.allreduce(buffers[common.X], buffers[common.Y])
        return
    y = common.restore(buffers)
    world.allreduce(y, y)


def segments(buffers: Buffers, nbytes: int) -> Iterator[tuple[Array, Array]]:
    """Input and result, ``nbytes`` of each after the other."""
    x, y = buffers[common.X], buffers[common.Y]
    step = nbytes // x.itemsize
    for low in range(0, x.size, step):
        yield x[low : low + step], y[low : low + step]


def ring(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """Reduce-scatter, then all-gather, each in n-1 steps around a ring (Patarasuk & Yuan 2009).

    The received chunk lands in the result and the rank's own part is added to it there, so nothing
    is copied beforehand and no scratch is needed.
    """
    n, rank = world.size, world.rank
    following, before = (rank + 1) % n, (rank - 1) % n
    if n == 1:
        buffers[common.Y][...] = buffers[common.X]
    for x, y in segments(buffers, n * ops.segment):
        chunks = [slice(x.size * i // n, x.size * (i + 1) // n) for i in range(n)]
        send, outgoing = x, chunks[rank]
        for step in range(1, n):
            incoming = chunks[rank - step]
            world.sendrecv(send[outgoing], following, y[incoming], before)
            ops.add_into(y[incoming], x[incoming])
            send, outgoing = y, incoming
        for step in range(n - 1):
            incoming = chunks[rank - step]
            world.sendrecv(y[outgoing], following, y[incoming], before)
            outgoing = incoming


def doubling(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """Whole segments between partners at distance 1, 2, 4 … (Thakur, Rabenseifner & Gropp 2005, section 4.1).

    With n not a power of two, the first 2(n - 2**k) ranks pair up beforehand: the even one hands its
    part to the odd one and receives the result at the end.
    """
    rank, paired = world.rank, world.rank < 2 * _extra(world.size)
    if world.size == 1:
        buffers[common.Y][...] = buffers[common.X]
    for x, y in segments(buffers, SEGMENT):
        nothing, scratch = y[:0], buffers["scratch"][: y.size]
        if paired and rank % 2 == 0:
            world.sendrecv(x, rank + 1, nothing, rank + 1)
            world.sendrecv(nothing, rank + 1, y, rank + 1)
            continue
        held, free, own = x, y, x  # the first to come lands in the result, and the own part is added to it there
        if paired:
            world.sendrecv(nothing, rank - 1, free, rank - 1)
            ops.add_into(y, own)
            held, free, own = y, scratch, scratch
        for partner in partners(rank, world.size):
            world.sendrecv(held, partner, free, partner)
            ops.add_into(y, own)
            held, free, own = y, scratch, scratch
        if paired:
            world.sendrecv(y, rank - 1, nothing, rank - 1)


def _extra(size: int) -> int:
    """Ranks beyond the largest power of two."""
    return size - (1 << (size.bit_length() - 1))


@cache
def partners(rank: int, size: int) -> tuple[int, ...]:
    """Whom ``rank`` meets among the 2**k ranks that take part, nearest first."""
    extra = _extra(size)
    position = rank // 2 if rank < 2 * extra else rank - extra
    distances = (1 << power for power in range((size - extra).bit_length() - 1))
    others = (position ^ distance for distance in distances)
    return tuple(2 * other + 1 if other < extra else other + extra for other in others)


BENCHMARK = Benchmark(
    name="allreduce",
    question="How fast do the ranks of this machine sum a message?",
    metric=Metric.BUSBW,
    axes=(common.BYTES, common.dtypes(common.SUMMED), common.PLACE),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        *common.by_library(library, sums=True, restores=True),
        *common.ours("ring", ring, sums=True),
        *common.ours("doubling", doubling, sums=True),
    ),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
    invalid=common.inexact,
)
