"""What every world promises. Each check runs on every rank at once; as a script it runs all of them under mpiexec.

``world_contract.py RANKS`` prints one JSON object from rank 0: each check's failure, or "".
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable

import numpy as np

from benchsuite.model import World

COUNTS = (0, 1, 17, 4099, 600_000)
"""Elements: none, one, odd, beyond a page, and more than any library sends without a rendezvous."""
TYPES = ("float32", "float64", "int64", "uint8")


def ranks_are_numbered(world: World) -> None:
    assert world.share(world.rank) == list(range(world.size))


def small_values_arrive_as_they_were(world: World) -> None:
    value = {"rank": world.rank, "text": "é" * world.rank, "none": None, "number": (0.1, float("inf"))}
    gathered = world.share(value)
    assert [each["rank"] for each in gathered] == list(range(world.size))
    assert gathered[world.rank] == value
    assert all(each["number"] == (0.1, float("inf")) for each in gathered)


def gathering_again_never_mixes_rounds(world: World) -> None:
    for number in range(50):
        assert world.share((number, world.rank)) == [(number, rank) for rank in range(world.size)]


def a_barrier_waits_for_the_last(world: World) -> None:
    if world.rank == world.size - 1:
        time.sleep(0.05)
    before = time.monotonic()
    world.barrier()
    after = time.monotonic()
    times = world.share((before, after))
    assert max(arrived for arrived, _ in times) <= min(left for _, left in times)


def messages_go_round(world: World) -> None:
    following, before = (world.rank + 1) % world.size, (world.rank - 1) % world.size
    for kind in TYPES:
        for count in COUNTS:
            send = (np.arange(count) % 50 + world.rank).astype(kind)
            receive = np.zeros(count, kind)
            world.sendrecv(send, following, receive, before)
            assert np.array_equal(receive, (np.arange(count) % 50 + before).astype(kind)), (kind, count)
            assert np.array_equal(send, (np.arange(count) % 50 + world.rank).astype(kind)), (kind, count)


def pieces_of_a_buffer_stay_in_their_place(world: World) -> None:
    following, before = (world.rank + 1) % world.size, (world.rank - 1) % world.size
    buffer = np.full(100, float(world.rank))
    world.sendrecv(buffer[10:30], following, buffer[60:80], before)
    expected = np.full(100, float(world.rank))
    expected[60:80] = before
    assert np.array_equal(buffer, expected)


def a_rank_may_send_to_itself(world: World) -> None:
    receive = np.zeros(5)
    world.sendrecv(np.arange(5.0), world.rank, receive, world.rank)
    assert np.array_equal(receive, np.arange(5.0))


def messages_keep_their_order(world: World) -> None:
    following, before = (world.rank + 1) % world.size, (world.rank - 1) % world.size
    receive = np.zeros(3)
    for number in range(20):
        world.sendrecv(np.full(3, 100.0 * world.rank + number), following, receive, before)
        assert np.array_equal(receive, np.full(3, 100.0 * before + number))


def one_side_may_have_nothing_to_send(world: World) -> None:
    if world.size == 1 or world.rank > 1:
        return
    nothing, message = np.zeros(0), np.arange(7.0)
    if world.rank == 0:
        world.sendrecv(message, 1, nothing, 1)
    else:
        receive = np.zeros(7)
        world.sendrecv(nothing, 0, receive, 0)
        assert np.array_equal(receive, message)


def allreduce_sums(world: World) -> None:
    for kind in TYPES:
        for count in COUNTS:
            send = (np.arange(count) % 30 + world.rank).astype(kind)
            receive = np.ones(count, kind)
            world.allreduce(send, receive)
            total = world.size * (np.arange(count) % 30) + sum(range(world.size))
            assert np.array_equal(receive, total.astype(kind)), (kind, count)
            assert np.array_equal(send, (np.arange(count) % 30 + world.rank).astype(kind)), (kind, count)


def a_nan_of_one_rank_reaches_all(world: World) -> None:
    send, receive = np.ones(3), np.zeros(3)
    if world.rank == 0:
        send[1] = np.nan
    world.allreduce(send, receive)
    assert np.isnan(receive[1])
    assert receive[0] == receive[2] == world.size


def facts_are_words(world: World) -> None:
    facts = world.facts()
    assert facts["name"] == world.name
    assert facts["ranks"] == str(world.size)
    assert all(isinstance(value, str) and value and "\n" not in value for value in facts.values())


CHECKS: tuple[Callable[[World], None], ...] = (
    ranks_are_numbered,
    small_values_arrive_as_they_were,
    gathering_again_never_mixes_rounds,
    a_barrier_waits_for_the_last,
    messages_go_round,
    pieces_of_a_buffer_stay_in_their_place,
    a_rank_may_send_to_itself,
    messages_keep_their_order,
    one_side_may_have_nothing_to_send,
    allreduce_sums,
    a_nan_of_one_rank_reaches_all,
    facts_are_words,
)


def failure(check: Callable[[World], None], world: World) -> str:
    """What ``check`` found wrong on this rank; a rank that fails still meets the others afterwards."""
    try:
        check(world)
    except AssertionError:
        return f"rank {world.rank}: {traceback.format_exc(limit=-1)}"
    return ""


def main(ranks: int) -> None:
    """Every check, one after the other."""
    from benchsuite.world import open_world

    world = open_world("mpi", ranks)
    found = {check.__name__: "".join(world.share(failure(check, world))) for check in CHECKS}
    if world.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
