"""Threads as ranks: no failure of one leaves another waiting, and what goes wrong is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from benchsuite.errors import MeasureError
from benchsuite.model import World
from benchsuite.world.threads import ThreadWorld, run


def test_results_come_in_rank_order() -> None:
    assert run(4, lambda world: world.rank * 10) == [0, 10, 20, 30]


WAITING: dict[str, Callable[[World], object]] = {
    "barrier": lambda world: world.barrier(),
    "share": lambda world: world.share(1),
    "sendrecv": lambda world: world.sendrecv(np.zeros(2), 1, np.zeros(2), 1),
    "receive": lambda world: world.receive(np.zeros(2), 1),
    "allreduce": lambda world: world.allreduce(np.zeros(2), np.zeros(2)),
    "start_allreduce": lambda world: world.start_allreduce(np.zeros(2), np.zeros(2))(),
    "allgather": lambda world: world.allgather(np.zeros(2), np.zeros(2 * world.size)),
    "reduce_scatter": lambda world: world.reduce_scatter(np.zeros(2 * world.size), np.zeros(2)),
    "alltoall": lambda world: world.alltoall(np.zeros(world.size), np.zeros(world.size)),
    "alltoallv": lambda world: world.alltoallv(np.zeros(9), [1] * world.size, np.zeros(9), [1] * world.size),
    "broadcast": lambda world: world.broadcast(np.zeros(2), 1),
    "subset": lambda world: world.subset([0]),
}


@pytest.mark.parametrize("operation", WAITING)
def test_the_first_exception_frees_the_ranks_that_wait(operation: str) -> None:
    def rank(world: World) -> None:
        if world.rank == 1:
            time.sleep(0.02)
            raise ZeroDivisionError("rank 1 exploded")
        WAITING[operation](world)

    start = time.monotonic()
    with pytest.raises(ZeroDivisionError, match="rank 1 exploded"):
        run(3, rank, timeout=20)
    assert time.monotonic() - start < 10


def test_a_rank_that_comes_late_to_a_broken_group_fails_too() -> None:
    worlds = ThreadWorld.group(2)
    worlds[0].abort(1)
    with pytest.raises(MeasureError, match="Rank 1 waited in vain"):
        worlds[1].barrier()
    with pytest.raises(MeasureError, match="Rank 1 waited in vain"):
        worlds[1].sendrecv(np.zeros(1), 0, np.zeros(1), 0)


@pytest.mark.parametrize("operation", WAITING)
def test_waiting_ends_when_a_rank_never_comes(operation: str) -> None:
    def rank(world: World) -> None:
        if world.rank == 0:
            WAITING[operation](world)

    with pytest.raises(MeasureError, match=r"did not come for 0\.2 s|did not return within 0\.2 s"):
        run(2, rank, timeout=0.2)


def test_a_rank_that_hangs_is_named() -> None:
    release = threading.Event()
    try:
        with pytest.raises(MeasureError, match=r"Of 3 ranks, 2 did not return within 0\.2 s"):
            run(3, lambda world: world.rank == 2 and release.wait(20), timeout=0.2)
    finally:
        release.set()


@pytest.mark.parametrize("receive", [np.zeros(3), np.zeros(5), np.zeros(4, np.float32)], ids=["short", "long", "type"])
def test_a_message_must_fit_exactly(receive: np.ndarray) -> None:
    def rank(world: World) -> None:
        world.sendrecv(np.zeros(4), 1 - world.rank, receive, 1 - world.rank)

    with pytest.raises(ValueError, match=r"sent float64\[4\], rank \d expected"):
        run(2, rank)
