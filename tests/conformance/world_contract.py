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
PARTS = [*((kind, count) for kind in TYPES for count in (0, 1, 17, 4099)), ("float64", 60_000)]
"""Types and elements of each rank's part where there are as many parts as ranks."""


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


def one_way_messages_arrive_in_order(world: World) -> None:
    if world.size == 1 or world.rank > 1:
        return
    for number in range(20):
        message = np.arange(COUNTS[number % 5]) + float(number)
        if world.rank == 0:
            world.send(message, 1)
        else:
            receive = np.zeros(message.size)
            world.receive(receive, 0)
            assert np.array_equal(receive, message)


def a_message_under_way_is_noticed(world: World) -> None:
    """Nobody has sent anything at first; what was sent is noticed in time, and still there to be received."""
    if world.size == 1:
        assert not world.arrived(0)
        return
    if world.rank == 1:
        assert not world.arrived(0)
    world.barrier()
    if world.rank == 0:
        world.send(np.arange(3.0), 1)
    if world.rank == 1:
        end = time.monotonic() + 20.0
        while not world.arrived(0):
            assert time.monotonic() < end, "it never came"
        receive = np.zeros(3)
        world.receive(receive, 0)
        assert np.array_equal(receive, np.arange(3.0))


def allreduce_in_place(world: World) -> None:
    for kind in TYPES:
        for count in COUNTS:
            buffer = (np.arange(count) % 30 + world.rank).astype(kind)
            world.allreduce(buffer, buffer)
            total = world.size * (np.arange(count) % 30) + sum(range(world.size))
            assert np.array_equal(buffer, total.astype(kind)), (kind, count)


def what_was_begun_ends_when_it_is_waited_for(world: World) -> None:
    """Several under way at once, out of place and in place, waited for in the order in which they began."""
    sends = [np.full(count, float(world.rank + 1)) for count in COUNTS]
    receives = [np.zeros(count) for count in COUNTS]
    waits = [world.start_allreduce(send, receive) for send, receive in zip(sends, receives, strict=True)]
    buffer = np.full(1000, float(world.rank))
    waits.append(world.start_allreduce(buffer, buffer))
    for wait in waits:
        wait()
    total = sum(range(1, world.size + 1))
    assert all(np.all(receive == total) for receive in receives)
    assert all(np.all(send == world.rank + 1) for send in sends)
    assert np.all(buffer == sum(range(world.size)))


def part(rank: int, count: int, kind: str) -> np.ndarray:
    """What a rank contributes, different from every other's."""
    return ((np.arange(count) * 7 + 11 * rank) % 50).astype(kind)


def summed(world: World, count: int, kind: str) -> np.ndarray:
    """This rank's part of the sum."""
    mine = slice(count * world.rank, count * (world.rank + 1))
    total: np.ndarray = np.sum([part(r, count * world.size, kind)[mine] for r in range(world.size)], axis=0, dtype=kind)
    return total


def allgather_collects_the_parts_in_order(world: World) -> None:
    for kind, count in PARTS:
        send, receive = part(world.rank, count, kind), np.ones(count * world.size, kind)
        world.allgather(send, receive)
        assert np.array_equal(receive, np.concatenate([part(r, count, kind) for r in range(world.size)]))
        assert np.array_equal(send, part(world.rank, count, kind))


def allgather_in_place(world: World) -> None:
    for kind, count in PARTS:
        receive = np.full(count * world.size, 77, kind)
        own = receive[count * world.rank : count * (world.rank + 1)]
        own[...] = part(world.rank, count, kind)
        world.allgather(own, receive)
        assert np.array_equal(receive, np.concatenate([part(r, count, kind) for r in range(world.size)])), count


def buffers_that_lie_side_by_side_are_not_in_place(world: World) -> None:
    """Both are pieces of one array, and share nothing."""
    whole = np.full(5 * (world.size + 1), -1.0)
    send, receive = whole[:5], whole[5:]
    send[...] = part(world.rank, 5, "float64")
    world.allgather(send, receive)
    assert np.array_equal(receive, np.concatenate([part(r, 5, "float64") for r in range(world.size)]))
    whole = np.full(5 * (world.size + 1), float(world.rank))
    world.reduce_scatter(whole[: 5 * world.size], whole[5 * world.size :])
    assert np.all(whole[5 * world.size :] == sum(range(world.size)))
    assert np.all(whole[: 5 * world.size] == world.rank)


def reduce_scatter_leaves_each_its_part_of_the_sum(world: World) -> None:
    for kind, count in PARTS:
        send, receive = part(world.rank, count * world.size, kind), np.ones(count, kind)
        world.reduce_scatter(send, receive)
        assert np.array_equal(receive, summed(world, count, kind)), (kind, count)
        assert np.array_equal(send, part(world.rank, count * world.size, kind))


def reduce_scatter_in_place(world: World) -> None:
    for kind, count in PARTS:
        send = part(world.rank, count * world.size, kind)
        world.reduce_scatter(send, send[:count])
        assert np.array_equal(send[:count], summed(world, count, kind)), (kind, count)


def alltoall_turns_rows_into_columns(world: World) -> None:
    for kind, count in PARTS:
        send, receive = part(world.rank, count * world.size, kind), np.ones(count * world.size, kind)
        world.alltoall(send, receive)
        mine = slice(count * world.rank, count * (world.rank + 1))
        want = [part(r, count * world.size, kind)[mine] for r in range(world.size)]
        assert np.array_equal(receive, np.concatenate(want)), (kind, count)


def alltoallv_brings_what_was_meant_for_each(world: World) -> None:
    """Rank r sends r + s elements to rank s, among them none, and the buffers may be longer than needed."""
    ranks = range(world.size)
    to_each, from_each = [world.rank + other for other in ranks], [other + world.rank for other in ranks]
    send, receive = part(world.rank, sum(to_each) + 3, "float32"), np.full(sum(from_each) + 2, -1.0, np.float32)
    world.alltoallv(send, to_each, receive, from_each)
    want = []
    for other in ranks:
        start = sum(other + s for s in range(world.rank))
        want.append(part(other, 1000, "float32")[start : start + other + world.rank])
    assert np.array_equal(receive[:-2], np.concatenate(want))
    assert np.all(receive[-2:] == -1.0)


def broadcast_copies_any_root(world: World) -> None:
    for root in range(world.size):
        for kind, count in PARTS:
            buffer = part(world.rank, count, kind)
            world.broadcast(buffer, root)
            assert np.array_equal(buffer, part(root, count, kind)), (root, kind, count)


def a_subset_is_a_world_in_its_own_order(world: World) -> None:
    """The last ranks, backwards; messages of both worlds do not mix."""
    chosen = list(range(world.size - 1, max(world.size - 3, -1), -1))
    some = world.subset(chosen)
    assert (some is not None) == (world.rank in chosen)
    if some is not None:
        assert (some.rank, some.size) == (chosen.index(world.rank), len(chosen))
        assert some.share(world.rank) == chosen
        assert some.local_size <= some.size
        receive = np.zeros(4)
        some.allreduce(np.full(4, float(world.rank)), receive)
        assert np.all(receive == sum(chosen))
        for check in (messages_keep_their_order, allgather_in_place, a_barrier_waits_for_the_last):
            check(some)
    world.barrier()


def groups_arise_at_once(world: World) -> None:
    """Even and odd ranks, then each rank alone."""
    mine = list(range(world.rank % 2, world.size, 2))
    half = world.subset(mine)
    assert half is not None
    assert half.share(world.rank) == mine
    alone = world.subset([world.rank])
    assert alone is not None
    assert (alone.rank, alone.size, alone.share("x")) == (0, 1, ["x"])
    receive = np.zeros(3)
    alone.allreduce(np.arange(3.0), receive)
    assert np.array_equal(receive, np.arange(3.0))


def a_subset_has_subsets(world: World) -> None:
    half = world.subset(list(range(0, world.size, 2)))
    if half is not None:
        last = half.subset([half.size - 1])
        assert (last is not None) == (half.rank == half.size - 1)
        assert last is None or last.share(world.rank) == [world.rank]


def lengths_that_do_not_fit_are_refused(world: World) -> None:
    """On the rank that asks, before anything is sent: nobody else need be there."""
    n = world.size
    wrong: tuple[Callable[[], None], ...] = (
        lambda: world.allreduce(np.zeros(4), np.zeros(6)),
        lambda: world.allreduce(np.zeros(6), np.zeros(4)),
        lambda: world.allgather(np.zeros(4), np.zeros(3 * n)),
        lambda: world.allgather(np.zeros(3), np.zeros(4 * n)),
        lambda: world.reduce_scatter(np.zeros(4 * n), np.zeros(3)),
        lambda: world.reduce_scatter(np.zeros(3 * n), np.zeros(4)),
        lambda: world.alltoall(np.zeros(4 * n), np.zeros(3 * n)),
        lambda: world.alltoall(np.zeros(3 * n), np.zeros(4 * n)),
        lambda: world.alltoallv(np.zeros(4 * n), [5] * n, np.zeros(5 * n), [5] * n),
        lambda: world.alltoallv(np.zeros(5 * n), [5] * n, np.zeros(4 * n), [5] * n),
    )
    if n > 1:
        wrong = (*wrong, lambda: world.alltoall(np.zeros(2 * n + 1), np.zeros(2 * n + 1)))
    for number, call in enumerate(wrong):
        try:
            call()
        except ValueError:
            continue
        raise AssertionError(f"call {number} was not refused")
    world.barrier()


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
    one_way_messages_arrive_in_order,
    a_message_under_way_is_noticed,
    allreduce_sums,
    allreduce_in_place,
    what_was_begun_ends_when_it_is_waited_for,
    allgather_collects_the_parts_in_order,
    allgather_in_place,
    buffers_that_lie_side_by_side_are_not_in_place,
    reduce_scatter_leaves_each_its_part_of_the_sum,
    reduce_scatter_in_place,
    alltoall_turns_rows_into_columns,
    alltoallv_brings_what_was_meant_for_each,
    broadcast_copies_any_root,
    a_subset_is_a_world_in_its_own_order,
    groups_arise_at_once,
    a_subset_has_subsets,
    lengths_that_do_not_fit_are_refused,
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
