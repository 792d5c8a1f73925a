"""How fast do the ranks of this machine sum a message, and how near does our ring come to the MPI library?

Every rank contributes ``bytes`` and ends with the sum over all ranks. Two rates describe it, as
defined in nccl-tests' doc/PERFORMANCE.md: algbw = bytes / time, and busbw = algbw * 2(n-1)/n, which
is what each rank must at least send and can be held against a link whatever the number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    CollectiveCall,
    Expected,
    Implementation,
    LocalOps,
    Metric,
    Work,
    World,
)

LARGEST = 2**10
SEGMENT = units.MIB
"""Bytes of the largest message our algorithms send. What was just received is added, and sent on, while it
is in the cache; smaller messages lose more to the ranks' waiting for each other than they gain."""


def elements(case: Case) -> int:
    """Elements of the message."""
    return max(1, case.integer("bytes") // units.dtype(case.text("dtype")).bytes)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Whole numbers below 2**10: sums of up to 2**14 ranks stay below 2**24, so each is exact in any order."""
    kind = units.dtype(case.text("dtype")).storage
    return {"x": rng.integers(-LARGEST, LARGEST, elements(case), dtype=np.int16).astype(kind)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The sum, and room for one received segment (allocated here, so never inside the timed call)."""
    length, dtype = elements(case), units.dtype(case.text("dtype"))
    return {
        "y": ArraySpec((length,), dtype.name),
        "scratch": ArraySpec((min(length, SEGMENT // dtype.bytes),), dtype.name),
    }


def work(case: Case) -> Work:
    """Per rank: send 2(n-1)/n of the message, do its share of the additions, read it once and write the sum once."""
    count, n = elements(case), case.ranks
    size = float(count * units.dtype(case.text("dtype")).bytes)
    share = (n - 1) / n
    return Work(flops=count * share, read=size, written=size, payload=size, wire=2 * share * size)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The exact sum of every rank's inputs."""
    total: Array = np.zeros(elements(case), np.int32)
    for arrays in ranks:
        total = total + arrays["x"].astype(np.int32)
    return {"y": Expected(total.astype(units.dtype(case.text("dtype")).storage))}


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The MPI library's own algorithm."""
    world.allreduce(buffers["x"], buffers["y"])


def segments(buffers: Buffers, nbytes: int) -> Iterator[tuple[Array, Array]]:
    """Input and result, ``nbytes`` of each after the other."""
    x, y = buffers["x"], buffers["y"]
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
    for x, y in segments(buffers, n * SEGMENT):
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


RANKS = frozenset({"host", "ranks"})

BENCHMARK = Benchmark(
    name="allreduce",
    question="How fast do the ranks of this machine sum a message?",
    metric=Metric.BUSBW,
    axes=(
        Axis("bytes", (8, units.MIB), "message each rank contributes", unit="bytes"),
        Axis("dtype", ("fp32",), choices=("fp32", "fp64")),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("mpi", CollectiveCall(library), RANKS, provider="mpi"),
        Implementation("ring", CollectiveCall(ring), RANKS),
        Implementation("doubling", CollectiveCall(doubling), RANKS),
    ),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
)
