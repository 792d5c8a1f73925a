"""How fast do the ranks of this machine sum a message, and how near does our ring come to the MPI library?

Every rank contributes ``bytes`` and ends with the sum over all ranks. Two rates describe it, as
defined in nccl-tests' doc/PERFORMANCE.md: algbw = bytes / time, and busbw = algbw * 2(n-1)/n, which
is what each rank must at least send and can be held against a link whatever the number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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
SEGMENT = 1 * units.MIB
"""Bytes the ring reduces at a time: what was just received is added while it is still in the cache."""


def elements(case: Case) -> int:
    """Elements of the message."""
    return max(1, case.integer("bytes") // units.dtype(case.text("dtype")).bytes)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Whole numbers below 2**10: sums of up to 2**14 ranks stay below 2**24, so each is exact in any order."""
    kind = units.dtype(case.text("dtype")).storage
    return {"x": rng.integers(-LARGEST, LARGEST, elements(case), dtype=np.int16).astype(kind)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The sum, and room for one received message."""
    spec = ArraySpec((elements(case),), case.text("dtype"))
    return {"y": spec, "scratch": spec}


def work(case: Case) -> Work:
    """Each rank sends 2(n-1)/n of the message at least, reads it once and writes the sum once."""
    size, n = float(elements(case) * units.dtype(case.text("dtype")).bytes), case.ranks
    return Work(flops=elements(case) * (n - 1.0), read=size, written=size, payload=size, wire=size * 2 * (n - 1) / n)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The exact sum of every rank's inputs."""
    total: Array = np.zeros(elements(case), np.int32)
    for arrays in ranks:
        total = total + arrays["x"].astype(np.int32)
    return {"y": Expected(total.astype(units.dtype(case.text("dtype")).storage))}


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The MPI library's own algorithm."""
    world.allreduce(buffers["x"], buffers["y"])


def ring(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """Reduce-scatter, then all-gather, each in n-1 steps around a ring (Patarasuk & Yuan 2009).

    The received chunk lands in the result and the rank's own part is added to it there, so nothing
    is copied beforehand and no scratch is needed.
    """
    x, y = buffers["x"], buffers["y"]
    step = SEGMENT // x.itemsize
    for low in range(0, x.size, step):
        _ring(world, x[low : low + step], y[low : low + step], ops)


def _ring(world: World, x: Array, y: Array, ops: LocalOps) -> None:
    n, rank = world.size, world.rank
    following, before = (rank + 1) % n, (rank - 1) % n
    chunks = [slice(x.size * i // n, x.size * (i + 1) // n) for i in range(n)]
    for step in range(n - 1):
        outgoing, incoming = chunks[(rank - step) % n], chunks[(rank - step - 1) % n]
        world.sendrecv((y if step else x)[outgoing], following, y[incoming], before)
        ops.add_into(y[incoming], x[incoming])
    for step in range(n - 1):
        outgoing, incoming = chunks[(rank + 1 - step) % n], chunks[(rank - step) % n]
        world.sendrecv(y[outgoing], following, y[incoming], before)


def doubling(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """Whole messages between partners at distance 1, 2, 4 … (Thakur, Rabenseifner & Gropp 2005, section 4.1).

    With n not a power of two, the first 2(n - 2**k) ranks pair up first: the even one hands its part
    to the odd one and receives the result at the end.
    """
    y, scratch, nothing = buffers["y"], buffers["scratch"], buffers["y"][:0]
    np.copyto(y, buffers["x"])
    rank, extra = world.rank, world.size - _power_below(world.size)
    paired = rank < 2 * extra
    if paired and rank % 2 == 0:
        world.sendrecv(y, rank + 1, nothing, rank + 1)
        world.sendrecv(nothing, rank + 1, y, rank + 1)
        return
    if paired:
        world.sendrecv(nothing, rank - 1, scratch, rank - 1)
        ops.add_into(y, scratch)
    for partner in _partners(rank // 2 if paired else rank - extra, extra, world.size):
        world.sendrecv(y, partner, scratch, partner)
        ops.add_into(y, scratch)
    if paired:
        world.sendrecv(y, rank - 1, nothing, rank - 1)


def _power_below(n: int) -> int:
    return 1 << (n.bit_length() - 1)


def _partners(position: int, extra: int, size: int) -> Iterator[int]:
    """Ranks met by the one at ``position`` among the 2**k that take part."""
    distance = 1
    while distance < _power_below(size):
        other = position ^ distance
        yield 2 * other + 1 if other < extra else other + extra
        distance *= 2


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
