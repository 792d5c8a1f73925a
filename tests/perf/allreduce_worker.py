"""One rank of the all-reduce comparison: ``allreduce_worker.py RANKS ROUNDS SECONDS BYTES...``; rank 0 prints JSON."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from time import perf_counter

from paired import Step, paired_ratio

from benchsuite.backends.host.backend import HostBackend
from benchsuite.benchmarks.allreduce import BENCHMARK
from benchsuite.measure.task import prepare
from benchsuite.measure.verify import check
from benchsuite.model import Array, Case, World
from benchsuite.world import open_world


def slowest(world: World, step: Step, at_least: float) -> float:
    """Seconds per call, the slowest rank's, of as many calls as should last ``at_least`` seconds."""

    def timed(calls: int) -> float:
        world.barrier()
        start = perf_counter()
        for _ in range(calls):
            step()
        return max(world.share((perf_counter() - start) / calls))

    step()
    return timed(max(1, math.ceil(at_least / timed(1))))


def by_hand(x: Array, y: Array) -> Step:
    """What a user would write, between the same buffers as our "mpi"."""
    from mpi4py import MPI  # after open_world, which says how the library is to be initialised

    comm = MPI.COMM_WORLD
    return lambda: comm.Allreduce(x, y)


def compare(world: World, nbytes: int, rounds: int, at_least: float) -> dict[str, object]:
    """Every implementation against an ``Allreduce`` written by hand, after each was verified."""
    case = Case.of("allreduce", world.size, bytes=nbytes, dtype="fp32")
    backend = HostBackend(threads=1)
    ready = prepare(BENCHMARK, case, world.rank, 1)
    inputs, specs = backend.upload(ready.inputs), BENCHMARK.outputs(case)
    arms: dict[str, Step] = {}
    for item in BENCHMARK.implementations:
        outputs = backend.allocate(specs)
        arms[item.name] = backend.bind(item, {**inputs, **outputs}, case, world)
        arms[item.name]()
        assert check(backend.download(outputs), ready.expected, specs, BENCHMARK.tolerance(case)) == 0.0, item.name
        if item.name == "mpi":
            arms["bare"] = by_hand(inputs["x"], outputs["y"])
    rates = {name: nbytes / slowest(world, step, at_least) for name, step in arms.items()}
    ratios = paired_ratio(arms, "bare", rounds, lambda step: slowest(world, step, at_least))
    return {"bytes": nbytes, "algbw": rates, "ratios": {name: asdict(ratio) for name, ratio in ratios.items()}}


def main(ranks: int, rounds: int, at_least: float, sizes: list[int]) -> None:
    """Compare at every size."""
    world = open_world("mpi", ranks)
    results = [compare(world, nbytes, rounds, at_least) for nbytes in sizes]
    if world.rank == 0:
        print(json.dumps({"world": world.facts(), "results": results}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), [int(word) for word in sys.argv[4:]])
