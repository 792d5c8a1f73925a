"""One rank of the all-reduce comparison: ``allreduce_worker.py RANKS ROUNDS SECONDS LOOP BYTES...``.

LOOP is ``allreduce_loop.c`` as a shared library, or "-". Rank 0 prints JSON: per size and arm, the seconds of a call in
each round.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
from collections.abc import Callable
from random import Random

from benchsuite.backends.host.backend import HostBackend
from benchsuite.benchmarks.allreduce import BENCHMARK
from benchsuite.measure.beside import Beside
from benchsuite.measure.clock import calibrate
from benchsuite.measure.task import prepare
from benchsuite.measure.verify import check
from benchsuite.model import Array, Case, Samples, Step, World
from benchsuite.world import open_world

Arm = Callable[[int], float]
"""Seconds that so many calls take on this rank."""
LOOP = "C loop"


def slowest(world: World, arm: Arm, at_least: float) -> float:
    """Seconds per call, the slowest rank's, of as many calls as should last ``at_least`` seconds."""

    def timed(calls: int) -> float:
        world.barrier()
        return max(world.share(arm(calls) / calls))

    arm(1)
    return timed(max(1, math.ceil(at_least / timed(1))))


def measured(step: Step) -> Arm:
    """As the framework times a step."""
    backend = HostBackend(threads=1)
    return lambda calls: backend.elapsed([step] * calls).seconds


def by_hand(x: Array, y: Array) -> Step:
    """What a user would write, between the same buffers as our "mpi"."""
    from mpi4py import MPI  # after open_world, which says how the library is to be initialised

    comm = MPI.COMM_WORLD
    return lambda: comm.Allreduce(x, y)


def in_c(path: str, name: str, x: Array, y: Array) -> Arm:
    """The loop in C, between the same buffers."""
    loop = getattr(ctypes.CDLL(path), name)
    loop.restype = ctypes.c_double
    loop.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_long)
    return lambda calls: float(loop(x.ctypes.data, y.ctypes.data, x.size, calls))


def compare(world: World, nbytes: int, rounds: int, at_least: float, loop: str) -> dict[str, object]:
    """Every implementation, an ``Allreduce`` written by hand, and the loop in C, in every round each."""
    case = Case.of("allreduce", world.size, bytes=nbytes, dtype="fp32", place="out")
    backend = HostBackend(threads=1)
    ready = prepare(BENCHMARK, case, world.rank, 1)
    inputs, specs = backend.upload(ready.inputs), BENCHMARK.outputs(case)
    arms: dict[str, Arm] = {}
    found: dict[str, object] = {"bytes": nbytes}
    for item in (one for one in BENCHMARK.implementations if "host" in one.requires):
        outputs = backend.allocate(specs)
        buffers = {**inputs, **outputs}
        arms[item.name] = measured(backend.bind(item, buffers, case, world))
        arms[item.name](1)
        assert check(backend.download(outputs), ready.expected, specs, BENCHMARK.tolerance(case)) == 0.0, item.name
        if item.name != "mpi":
            continue
        arms["by hand"] = measured(by_hand(inputs["x"], outputs["y"]))
        beside = Beside(backend, world, calibrate(backend.timer()), BENCHMARK, item, case)
        found["beside"] = dict(beside.told(buffers, Samples((1e-6,), 1)).beside)
        if loop != "-":
            arms[LOOP] = in_c(loop, "allreduce_loop", inputs["x"], outputs["y"])
            found["alone in C"] = slowest(
                world, in_c(loop, "allreduce_alone", inputs["x"][:2], outputs["y"][:2]), at_least
            )
    order, shuffle = list(arms), Random(0).shuffle
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            seconds[name].append(slowest(world, arms[name], at_least))
    return {**found, "seconds": seconds}


def main(ranks: int, rounds: int, at_least: float, loop: str, sizes: list[int]) -> None:
    """Compare at every size."""
    world = open_world("mpi", ranks)
    results = [compare(world, nbytes, rounds, at_least, loop) for nbytes in sizes]
    if world.rank == 0:
        print(json.dumps({"world": world.facts(), "results": results}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], [int(word) for word in sys.argv[5:]])
