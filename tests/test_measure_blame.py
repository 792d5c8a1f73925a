"""A wrong result of several ranks: the rank whose message was corrupted is told from those that suffer from it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from mpirun import mpirun, needs_mpi

from benchsuite.backends.host.backend import HostBackend
from benchsuite.benchmarks import allgather, allreduce
from benchsuite.measure.blame import changed
from benchsuite.measure.clock import Clock
from benchsuite.measure.task import Bench, Measurement, prepare
from benchsuite.model import (
    Benchmark,
    Buffers,
    Case,
    Collective,
    CollectiveCall,
    LocalOps,
    Outcome,
    Policy,
    Rejected,
    World,
)
from benchsuite.world.solo import SoloWorld
from benchsuite.world.threads import run as run_threads

POLICY = Policy(runs=1, seconds=0.01, warmup=0.002, min_samples=5)
CASES = {
    "allreduce": Case.of("allreduce", 4, bytes=400, dtype="fp32", place="out"),
    "allgather": Case.of("allgather", 4, bytes=400, dtype="fp32", place="out"),
}


def outcomes(subject: Benchmark, case: Case, collective: Collective) -> list[Outcome]:
    """What each rank says came of a task whose implementation is ``collective``."""
    item = replace(subject.implementations[0], op=CollectiveCall(collective))

    def rank(world: World) -> Outcome:
        bench = Bench(HostBackend(threads=1), world, Clock(1e-7, 1e-7), POLICY)
        ready = prepare(subject, case, world.rank, 3)
        return Measurement(bench, subject, item, case, ready, 0.01).outcome().outcome

    return run_threads(case.ranks, rank) if case.ranks > 1 else [rank(SoloWorld())]


def flipping(good: Collective, rank: int, name: str, bit: int, after: bool = False) -> Collective:
    """``good`` with one bit of one rank's buffer flipped, at the first call, before or after the operation."""
    done = [False] * 8

    def collective(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
        def flip() -> None:
            if world.rank == rank and not (done[rank] and name == "x"):
                buffers[name].view(np.uint8)[bit // 8] ^= 1 << bit % 8
                done[rank] = True

        if not after:
            flip()
        good(world, buffers, case, ops)
        if after:
            flip()

    return collective


def rejection(found: list[Outcome]) -> Rejected:
    """What all ranks agree on."""
    first = found[0]
    assert isinstance(first, Rejected)
    assert all(one == first for one in found)
    return first


@pytest.mark.parametrize("subject", [allreduce.BENCHMARK, allgather.BENCHMARK], ids=lambda one: one.name)
def test_the_rank_whose_message_was_corrupted_is_named_every_time(subject: Benchmark) -> None:
    """20 of 20: one bit of one element of one rank's input."""
    case, good = CASES[subject.name], subject.implementations[0].op.function  # type: ignore[union-attr]
    draw = random.Random(7)
    for _ in range(20):
        rank, size = draw.randrange(4), 100 if subject.name == "allreduce" else 25
        element, bit = draw.randrange(size), draw.randrange(32)
        found = rejection(outcomes(subject, case, flipping(good, rank, "x", 32 * element + bit)))
        assert found.where.startswith(f"rank {rank}: its input x changed (element {element})"), found
        assert found.where.count("rank ") == 1


REAL = """
import random
import numpy as np
from dataclasses import replace
from benchsuite.backends.host.backend import HostBackend
from benchsuite.benchmarks import allreduce
from benchsuite.measure import task
from benchsuite.measure.clock import Clock
from benchsuite.measure.task import Bench, Measurement, prepare
from benchsuite.model import Case, CollectiveCall, Policy, Rejected
from benchsuite.world import open_world

task.straggler_caveats = lambda *rest: ()  # which takes a quarter of a second, and is another matter
world, draw, right = open_world("mpi", 2), random.Random(11), []
case = Case.of("allreduce", 2, bytes=4000, dtype="fp32", place="out")
subject, item = allreduce.BENCHMARK, allreduce.BENCHMARK.implementations[0]
for attempt in range(40):
    rank, element, bit = draw.randrange(2), draw.randrange(1000), draw.randrange(32)
    planted = [attempt % 2 == 0 and rank == world.rank]

    def flip(world, buffers, case, ops):
        if planted[0]:
            buffers["x"].view(np.uint32)[element] ^= np.uint32(1 << bit)
            planted[0] = False
        allreduce.library(world, buffers, case, ops)

    bench = Bench(HostBackend(1), world, Clock(1e-7, 1e-7), Policy(runs=1, seconds=0.002, warmup=0.001, min_samples=5))
    faulty = replace(item, op=CollectiveCall(flip))
    ready = prepare(subject, case, world.rank, attempt)
    found = Measurement(bench, subject, faulty, case, ready, 0.002).outcome().outcome
    if attempt % 2:
        right.append(not isinstance(found, Rejected))
    else:
        said = f"rank {rank}: its input x changed (element {element})"
        right.append(isinstance(found, Rejected) and found.where.split(";")[0] == said)
every = world.share(right)
world.rank or print([sum(each) for each in every])
"""


@needs_mpi
def test_on_real_ranks_a_flipped_bit_is_named_in_20_of_20_tries_and_20_clean_ones_raise_nothing() -> None:
    done = mpirun(2, "-c", REAL)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[40, 40]"


@pytest.mark.parametrize("rank", [0, 2])
def test_a_rank_whose_result_alone_is_wrong_is_named_with_its_element(rank: int) -> None:
    case, good = CASES["allreduce"], allreduce.library
    found = rejection(outcomes(allreduce.BENCHMARK, case, flipping(good, rank, "y", 32 * 17 + 3, after=True)))
    assert found.where == f"rank {rank}: y[17]; wrong on rank {rank} of 4, where no rank's inputs changed"
    assert found.reason.startswith("1 of 100 compared values of y are wrong")


def test_ranks_that_are_wrong_together_are_all_named() -> None:
    def wrong(world: World, buffers: Buffers, case: Case, ops: LocalOps) -> None:
        allreduce.library(world, buffers, case, ops)
        buffers["y"][5:7] += world.rank % 2

    found = rejection(outcomes(allreduce.BENCHMARK, CASES["allreduce"], wrong))
    assert found.where == "rank 1: y[5]; wrong on ranks 1, 3 of 4, where no rank's inputs changed"


def test_a_bit_that_is_lost_in_the_rounding_of_the_sum_was_flipped_all_the_same() -> None:
    case = CASES["allreduce"]
    found = rejection(outcomes(allreduce.BENCHMARK, case, flipping(allreduce.library, 3, "x", 32 * 40)))
    assert found.where == "rank 3: its input x changed (element 40)"
    assert found.reason == "a message was corrupted, though every result is right"


def test_one_rank_alone_is_not_called_a_rank() -> None:
    case = Case.of("allreduce", 1, bytes=40, dtype="fp32", place="out")
    found = rejection(outcomes(allreduce.BENCHMARK, case, flipping(allreduce.library, 0, "x", 32 * 3 + 9)))
    assert found.where == "its input x changed (element 3); y[3]"
    found = rejection(outcomes(allreduce.BENCHMARK, case, flipping(allreduce.library, 0, "y", 32 * 3 + 9, after=True)))
    assert found.where == "y[3]"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda x: None, ""),
        (lambda x: x.__setitem__(4, x[4] + 1), "its input x changed (element 4)"),
        (lambda x: x.__setitem__(slice(2, 4), 9.0), "its input x changed (element 2)"),
        (lambda x: x.__setitem__(0, -0.0), "its input x changed (element 0)"),
        (lambda x: x.__setitem__(5, np.nan), ""),
        (lambda x: x.__setitem__(-1, 1.0), "its input x changed (element 299999)"),
    ],
)
def test_inputs_are_compared_bit_by_bit(spoil: Callable[[np.ndarray], None], said: str) -> None:
    made = {"x": np.array([0.0, 1.0, 2.0, 3.0, 4.0, np.nan, *[5.0] * 299_994])}
    held = {"x": made["x"].copy()}
    spoil(held["x"])
    assert changed(held, made) == said
