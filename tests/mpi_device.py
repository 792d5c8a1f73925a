"""MPI on device buffers, under mpiexec: the double's device memory is the host's, so that any MPI can move it.

``mpi_device.py RANKS`` prints one JSON object from rank 0: by case, the worst error of any rank or why it is wrong.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from benchsuite import awareness, backends, discovery
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.backends.cuda.cupy_runtime import CupyRuntime
from benchsuite.measure.task import RankInputs, generator
from benchsuite.measure.verify import check
from benchsuite.model import Benchmark, Case, CollectiveCall, Implementation, Rejected, World
from tests import fake_cupy

SEED = 4


class Runtime(CupyRuntime):
    """Of a GPU that no other rank has."""

    def __init__(self, rank: int) -> None:
        super().__init__(fake_cupy.Cupy(fake_cupy.World(count=2, clock=True)), fake_cupy.Driver())
        self._rank = rank

    def bus(self) -> str:
        return f"gpu {self._rank}"


def cases(subject: Benchmark, item: Implementation, ranks: int) -> list[Case]:
    """Odd sizes, and each place."""
    plain = {axis.name: axis.values[0] for axis in subject.axes}
    if "bytes" in plain:
        plain["bytes"] = 20_004
    places = ("out", "in") if "place" in plain else ("",)
    made = [Case.of(subject.name, ranks, **{**plain, **({"place": place} if place else {})}) for place in places]
    return [case for case in made if item.supports(case) and not subject.invalid(case)]


def verdict(
    backend: CudaBackend, world: World, subject: Benchmark, item: Implementation, case: Case
) -> float | Rejected:
    """Of this rank's result after two iterations."""
    assert isinstance(item.op, CollectiveCall)
    made = backend.allocate(subject.outputs(case))
    buffers = {**backend.upload(RankInputs(subject, case, SEED)[world.rank]), **made}
    if item.op.before:
        before = Implementation("before", CollectiveCall(item.op.before, over="mpi-cuda"))
        backend.bind(before, buffers, case, world)()
    step = backend.bind(item, buffers, case, world)
    backend.elapsed([step, step])
    inputs = RankInputs(subject, case, SEED, rank=world.rank)
    expected = subject.reference(case, inputs, generator(case, SEED, case.ranks))
    return check(backend.download(made), expected, subject.outputs(case), subject.tolerance(case))


def main(ranks: int) -> None:
    """Every collective by MPI on device memory."""
    from benchsuite.world import open_world

    world = open_world("mpi", ranks)
    backend = CudaBackend(Runtime(world.rank))
    backends.open_backend = lambda name, threads=None: backend  # type: ignore[assignment]
    found: dict[str, object] = {"exchanged": all(world.share(awareness.exchanged(world)))}
    found["claimed"] = awareness.claim(awareness.loaded())
    with backend.joined(world, ["mpi-cuda"]) as links:
        found["facts"] = dict(links["mpi-cuda"].facts)
        for subject in discovery.discover().values():
            for item in subject.implementations:
                if item.name == "mpi-cuda":
                    for case in cases(subject, item, ranks):
                        told = world.share(verdict(backend, world, subject, item, case))
                        wrong = [str(one) for one in told if isinstance(one, Rejected)]
                        found[case.key] = wrong or float(np.max(told))
    if world.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
