"""How long do the ranks take to wait for each other?

No data: the time is that of one barrier. A barrier that did not wait would be the fastest, so before it is timed
each rank in turn comes late (some of them, where there are many), and every other one must have been held until
then. Only what each rank's own clock says of itself is compared.
"""

from __future__ import annotations

import time
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
    Collective,
    Expected,
    LocalOps,
    Metric,
    Ranks,
    Work,
    World,
)

LATE = (0.005, 0.02, 0.1)
"""Seconds by which a rank comes late; again and later, where others were held too short, for that may be chance."""
MOST = 8
"""Ranks that come late in turn, at most."""


def late_ranks(size: int) -> list[int]:
    """Those that come late, first and last among them."""
    chosen = min(size, MOST)
    return [round(number * (size - 1) / max(1, chosen - 1)) for number in range(chosen)]


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Nothing."""
    return {}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """For each rank that came late, whether this one was held until then."""
    return {common.Y: ArraySpec((len(late_ranks(case.ranks)),), "int32")}


def work(case: Case) -> Work:
    """One wait."""
    return Work(steps=1.0)


def reference(case: Case, ranks: Ranks, rng: np.random.Generator) -> Mapping[str, Expected]:
    """Held, every time."""
    return {common.Y: Expected(np.ones(len(late_ranks(case.ranks)), np.int32))}


def library(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """The library's own algorithm."""
    world.barrier()


def dissemination(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
    """An empty message to the rank 1, 2, 4 … further on, from the rank as far before (Hensgen et al. 1988)."""
    n, rank, nothing = world.size, world.rank, buffers[common.Y][:0]
    distance = 1
    while distance < n:
        world.sendrecv(nothing, (rank + distance) % n, nothing, (rank - distance) % n)
        distance *= 2


def held(barrier: Collective) -> Collective:
    """What tries whether ``barrier`` waits for the last."""

    def attempt(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
        for place, rank in enumerate(late_ranks(world.size)):
            buffers[common.Y][place] = _waits_for(rank, barrier, world, buffers, case, ops)

    return attempt


def _waits_for(late: int, barrier: Collective, world: World, buffers: Buffers, case: Case, ops: LocalOps) -> bool:
    for seconds in LATE:
        world.share(None)  # all leave this together, whatever the barrier is worth
        start = time.monotonic()
        if world.rank == late:
            time.sleep(seconds)
        barrier(world, buffers, case, ops)
        if all(world.share(time.monotonic() - start >= seconds / 2.0)):
            return True
    return False


BENCHMARK = Benchmark(
    name="barrier",
    question="How long do the ranks take to wait for each other?",
    metric=Metric.LATENCY,
    axes=(),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        *common.by_library(library, held(library)),
        *common.ours("dissemination", dissemination, held(dissemination), device=False),
    ),
    tags=frozenset({"collective"}),
    cache=CacheMode.HOT,
)
