"""What does it cost when some ranks receive more than others, as the experts of a model do?

An ``alltoall`` of unequal parts: every rank sends ``bytes`` in all, and of these the busiest rank receives ``skew``
times the mean. With n ranks it is the k-th most wanted with a share that falls as 1/k**a (Zipf's law), a being such
that the first has ``skew``/n of everything; which rank is the first, the second … is drawn with a seed that is the
same everywhere (``SEED``). A skew of 1 is an ``alltoall``.

algbw = bytes / time, which falls as the skew grows. busbw = what the busiest rank must receive from others (or send,
if that is more) / time: with a skew of 1 that is algbw * (n-1)/n as nccl-tests has it (doc/PERFORMANCE.md), and it
stays as it is where only the busiest rank's link counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from benchsuite.benchmarks import _collective as common
from benchsuite.model import (
    Arrays,
    ArraySpec,
    Axis,
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

SEED = 20
STEEPEST = 64.0


def shares(ranks: int, skew: float) -> list[float]:
    """Each rank's share of everything that is sent, most wanted first; the first is ``skew / ranks``."""
    low, high = 0.0, STEEPEST
    for _ in range(100):
        middle = (low + high) / 2.0
        first = 1.0 / sum(k**-middle for k in range(1, ranks + 1))
        low, high = (middle, high) if first < skew / ranks else (low, middle)
    weights = [k**-high for k in range(1, ranks + 1)] if skew > 1.0 else [1.0] * ranks
    return [weight / sum(weights) for weight in weights]


@cache
def counts(case: Case) -> tuple[int, ...]:
    """Elements that each rank sends to rank 0, 1, 2 …; they are the same for all that send."""
    whole = common.block(case) * case.ranks
    wanted = shares(case.ranks, float(case["skew"]))
    ends = [round(whole * sum(wanted[: number + 1])) for number in range(case.ranks)]
    sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    order = np.random.default_rng([SEED, case.ranks]).permutation(case.ranks)
    return tuple(size for _, size in sorted(zip(order.tolist(), sizes, strict=True)))


@cache
def plan(case: Case, rank: int) -> tuple[list[int], list[int]]:
    """Elements to each rank, and from each."""
    return list(counts(case)), [counts(case)[rank]] * case.ranks


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """One part for every rank, each as long as that rank is wanted."""
    return {common.X: common.numbers(case, rng, sum(counts(case)))}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """One part from every rank: room for what the busiest one receives."""
    return common.result(case, case.ranks * max(counts(case)))


def work(case: Case) -> Work:
    """Of the busiest rank: what it must receive from others, or send to them."""
    size, others = common.itemsize(case), case.ranks - 1
    sent, received = sum(counts(case)), case.ranks * max(counts(case))
    wire = max(others * max(counts(case)), sent - min(counts(case)))
    return Work(read=sent * size, written=received * size, payload=sent * size, wire=wire * size)


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """What every rank had for this one, and nothing behind it."""
    start, count = sum(counts(case)[: ranks.rank]), counts(case)[ranks.rank]
    parts = [common.message(arrays)[start : start + count] for arrays in ranks]
    behind = np.zeros(case.ranks * (max(counts(case)) - count), parts[0].dtype)
    return common.exactly(case, np.concatenate([*parts, behind]))


def clear(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """Zeros where nothing is to be received."""
    buffers[common.Y][sum(plan(case, world.rank)[1]) :] = 0


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The library's own algorithm."""
    world.alltoallv(buffers[common.X], plan(case, world.rank)[0], buffers[common.Y], plan(case, world.rank)[1])


def pairwise(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """In step s to the rank s further on, from the rank s before."""
    x, y, n, rank = buffers[common.X], buffers[common.Y], world.size, world.rank
    to_each, mine = plan(case, rank)[0], plan(case, rank)[1][0]
    starts = [sum(to_each[:number]) for number in range(n + 1)]
    y[rank * mine : (rank + 1) * mine] = x[starts[rank] : starts[rank + 1]]
    for step in range(1, n):
        to, source = (rank + step) % n, (rank - step) % n
        world.sendrecv(x[starts[to] : starts[to + 1]], to, y[source * mine : (source + 1) * mine], source)


def invalid(case: Case) -> str:
    """No rank can receive less than nothing or more than everything."""
    skew = float(case["skew"])
    if 1.0 <= skew <= case.ranks:
        return ""
    return f"the busiest of {case.ranks} ranks receives 1 to {case.ranks} times the mean, not {skew:g} times"


BENCHMARK = Benchmark(
    name="alltoallv",
    question="What does it cost when some ranks receive more than others, as the experts of a model do?",
    metric=Metric.BUSBW,
    axes=(
        common.BYTES,
        common.dtypes(common.MOVED),
        Axis("skew", (1.5,), "what the busiest rank receives, over the mean"),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(*common.by_library(library, clear), *common.ours("pairwise", pairwise, clear)),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
    invalid=invalid,
)
