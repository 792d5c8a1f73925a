"""What a rank of a scan does, with ranks as threads: every transfer checked, turns kept, nothing said twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.backends.fake import FakeBackend
from benchsuite.discovery import discover
from benchsuite.model import Array, Case, Policy, Round, Stage, World
from benchsuite.protocol import Job, Kind, Message, ScanJob
from benchsuite.scan import localkernels, resting, scanning
from benchsuite.scan.pairwise import Payload, differing
from benchsuite.scan.pauses import Withheld
from benchsuite.scan.resting import Machine, Rest, neighbours, waves
from benchsuite.world.threads import ThreadWorld, run
from tests.cuda_host import simulate

ROUNDS = (
    Round(Stage.SCREEN, 0, ((0, 1), (2, 3))),
    Round(Stage.SCREEN, 1, ((0, 2),)),
    Round(Stage.SCREEN, 2, ((3, 1), (2, 0))),
)
WORK = ScanJob(ROUNDS, 4096, warm=1, repeats=3)
Change = Callable[[ThreadWorld, Array, int], Array]


def job(work: ScanJob = WORK, ranks: int = 4) -> Job:
    """A job of so many ranks."""
    return Job(1, 0, "fake", "threads", ranks, 1, 7, Policy(), (), "", "nonce", scan=work)


class Meddling(ThreadWorld):
    """A world in which something may happen to a message on its way."""

    change: Change = staticmethod(lambda world, data, to: data)

    def send(self, buffer: Array, to: int) -> None:
        """Send what has become of it."""
        super().send(self.change(self, buffer, to) if buffer.nbytes > 8 else buffer, to)


def served(work: ScanJob = WORK, change: Change | None = None, ranks: int = 4) -> list[Message]:
    """What rank 0 says of a scan."""
    said: list[Message] = []

    def rank(world: World) -> None:
        assert isinstance(world, ThreadWorld)
        if change is not None:
            world.__class__ = type("Changed", (Meddling,), {"change": staticmethod(change)})
        scanning.serve(job(work, ranks), FakeBackend(), world, said.append)

    run(ranks, rank, timeout=20.0)
    return said


def pieces(said: Sequence[Message]) -> list[Message]:
    """The messages of rounds."""
    return [one for one in said if one.kind is Kind.ROUND and one.index >= 0]


def test_every_pair_is_measured_both_ways_in_each_round_and_reported_at_once() -> None:
    said = served()
    assert [one.kind for one in said[:2]] == [Kind.HELLO, Kind.ROUND]
    assert [one.kind for one in said[2:]] == [Kind.PHASE, Kind.ROUND] * 3 + [Kind.BYE]
    introduced = said[1].scan
    assert introduced is not None
    assert [unit.rank for unit in introduced.units] == [0, 1, 2, 3]
    assert [unit.local for unit in introduced.units] == [0, 1, 2, 3]
    for number, message in enumerate(pieces(said)):
        piece = message.scan
        assert piece is not None
        assert piece.rounds == (ROUNDS[number],)
        assert message.index == number
        ways = {way for pair in ROUNDS[number].pairs for way in (pair, pair[::-1])}
        assert {(one.sender, one.receiver) for one in piece.transfers} == ways
        assert len(piece.transfers) == len(ways)
        assert all(
            one.seconds and one.seconds > 0 and one.wrong == 0 and one.round == number for one in piece.transfers
        )


def test_a_flipped_bit_is_counted_in_each_transfer_of_its_sender() -> None:
    def flip(world: ThreadWorld, data: Array, to: int) -> Array:
        changed = data.copy()
        if world.rank == 2:
            changed[17] ^= np.uint64(1 << 9)
        return changed

    for message in pieces(served(change=flip)):
        assert message.scan is not None
        for one in message.scan.transfers:
            assert one.wrong == (4 if one.sender == 2 else 0)


def test_data_of_an_earlier_transfer_never_passes_for_new() -> None:
    """A library that delivers an old buffer again would be the quickest of all."""
    first: dict[tuple[int, int], Array] = {}

    def stale(world: ThreadWorld, data: Array, to: int) -> Array:
        return first.setdefault((world.rank, to), data.copy())

    for message in pieces(served(change=stale)):
        assert message.scan is not None
        assert all(one.wrong > 4096 for one in message.scan.transfers)


def test_a_slow_link_takes_longer_one_way_only() -> None:
    def slow(world: ThreadWorld, data: Array, to: int) -> Array:
        if (world.rank, to) == (1, 0):
            time.sleep(0.02)
        return data

    for message in pieces(served(change=slow)):
        assert message.scan is not None
        for one in message.scan.transfers:
            assert one.seconds is not None
            assert (one.seconds > 0.02) == ((one.sender, one.receiver) == (1, 0))


def test_the_longest_that_a_direction_may_take_ends_it_after_three() -> None:
    count = [0]

    def slow(world: ThreadWorld, data: Array, to: int) -> Array:
        count[0] += 1
        time.sleep(0.01)
        return data

    work = ScanJob((Round(Stage.SCREEN, 0, ((0, 1),)),), 64, warm=5, repeats=20, seconds=0.001)
    (message,) = pieces(served(work, slow, ranks=2))
    assert count[0] == 2 * (1 + 3)
    assert message.scan is not None
    assert len(message.scan.transfers) == 2


SMALL = {
    "gemm": Case.of("gemm", m=16, n=16, k=16, dtype="fp32", layout="nt", data="normal"),
    "copy": Case.of("gemm", m=16, n=32, k=16, dtype="fp64", layout="nn", data="normal"),
}


def test_kernels_are_timed_and_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted clock is the time; the arithmetic is real."""
    monkeypatch.setattr(localkernels, "HOST", SMALL)
    work = replace(WORK, rounds=ROUNDS[:1], kernels=("gemm", "copy"))
    (message,) = pieces(served(work))
    assert message.scan is not None
    told = [(one.rank, one.kernel) for one in message.scan.locals]
    assert sorted(told) == [(rank, kernel) for rank in range(4) for kernel in ("copy", "gemm")]
    assert all(one.seconds == pytest.approx(1e-3, rel=0.02) and one.wrong == 0 for one in message.scan.locals)


def test_a_kernel_that_computes_wrongly_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localkernels, "HOST", SMALL)
    kernel = localkernels.prepare("gemm", FakeBackend(), 1)
    assert (kernel.run(2).wrong, kernel.run(2).reason) == (0, "")
    assert kernel.held is not None
    kernel.held.inputs["a"][3, 5] += np.float32(100.0)
    told = kernel.run(2)
    assert told.wrong == 1
    assert "wrong" in told.reason


def test_a_kernel_that_cannot_run_here_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        localkernels, "HOST", {"gemm": Case.of("gemm", m=16, n=16, k=16, dtype="e4m3", layout="nt", data="normal")}
    )
    told = localkernels.prepare("gemm", FakeBackend(), 1).run(1)
    assert told.seconds is None
    assert "Nothing here can run" in told.reason


@pytest.mark.skipif(not simulate.available(), reason="needs g++")
def test_the_kernels_of_a_gpu_run_and_are_verified_over_the_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {
        "gemm": Case.of("gemm", m=64, n=64, k=64, dtype="bf16", layout="nt", data="normal"),
        "copy": Case.of("memory", op="copy", bytes=1 << 22),
        "to the GPU": Case.of("transfer", direction="h2d", host="pinned", bytes=1 << 16),
        "from the GPU": Case.of("transfer", direction="d2h", host="pinned", bytes=1 << 16),
    }
    assert set(small) == set(localkernels.CUDA)
    monkeypatch.setattr(localkernels, "CUDA", small)
    backend = CudaBackend(simulate.SimulatedRuntime())
    for name in small:
        told = localkernels.prepare(name, backend, 1).run(1)
        assert (told.seconds is not None, told.wrong, told.reason) == (True, 0, ""), name


@pytest.mark.parametrize("case", [*localkernels.HOST.values(), *localkernels.CUDA.values()], ids=lambda case: case.key)
def test_every_kernel_is_a_case_of_its_benchmark(case: Case) -> None:
    benchmark = discover()[case.benchmark]
    assert {name for name, _ in case.params} == {axis.name for axis in benchmark.axes}
    assert benchmark.invalid(case) == ""


def test_a_kernel_that_no_rank_can_run_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    eight_bits = Case.of("gemm", m=16, n=16, k=16, dtype="e4m3", layout="nt", data="normal")
    monkeypatch.setattr(localkernels, "HOST", {**SMALL, "odd": eight_bits})
    (message,) = pieces(served(replace(WORK, rounds=ROUNDS[:1], kernels=("odd", "gemm"))))
    assert message.scan is not None
    assert [(one.kernel, one.seconds is not None) for one in message.scan.locals] == [("gemm", True)] * 4


def test_a_kernel_that_one_rank_cannot_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localkernels, "HOST", SMALL)
    known, guard, count = scanning.prepare, threading.Lock(), [0]

    def prepare(name: str, backend: FakeBackend, seed: int) -> localkernels.Kernel:
        with guard:
            count[0] += 1
            first = count[0] == 1
        ready = known(name, backend, seed)
        return replace(ready, prepared=None, reason="its memory is gone") if first else ready

    monkeypatch.setattr(scanning, "prepare", prepare)
    (message,) = pieces(served(replace(WORK, rounds=ROUNDS[:1], kernels=("gemm",))))
    assert message.scan is not None
    assert sorted(one.reason for one in message.scan.locals) == ["", "", "", "its memory is gone"]
    assert [one.seconds is None for one in message.scan.locals if one.reason] == [True]


def test_ranks_of_the_same_cores_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, most, guard = [0], [0], threading.Lock()

    class Slow:
        reason = ""

        def filling(self) -> int:
            return 1

        def run(self, iterations: int) -> scanning.Timing:
            with guard:
                busy[0] += 1
                most[0] = max(most[0], busy[0])
            time.sleep(0.005)
            with guard:
                busy[0] -= 1
            return scanning.Timing("slow", 1.0)

    monkeypatch.setattr(scanning, "prepare", lambda name, backend, seed: Slow())
    served(replace(WORK, kernels=("slow",)))
    assert most == [1]


def test_groups_leave_out_whom_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    members: set[tuple[int, ...]] = set()
    known = ThreadWorld.subset

    def subset(self: ThreadWorld, ranks: Sequence[int]) -> ThreadWorld | None:
        members.add(tuple(ranks))
        return known(self, ranks)

    monkeypatch.setattr(ThreadWorld, "subset", subset)
    said = pieces(served(replace(WORK, groups=((), (1,), (0, 3)))))[3:]
    assert [one.index for one in said] == [3, 3, 3]
    found = [one.scan.groups[0] for one in said if one.scan is not None]
    assert all(one.seconds is not None and one.seconds > 0 and not one.reason for one in found)
    assert members == {(0, 1, 2, 3), (0, 2, 3), (1, 2)}
    assert found[0].left_out == ""
    assert found[1].left_out == found[2].left_out != "", "all of them run on one host"


def test_what_was_withheld_in_a_round_is_told_beside_its_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    count, guard = [0.0], threading.Lock()

    def growing() -> Withheld:
        with guard:
            count[0] += 10.0
            return Withheld(throttled=count[0])

    monkeypatch.setattr(localkernels, "HOST", SMALL)
    monkeypatch.setattr(scanning, "withheld", growing)
    (message,) = pieces(served(replace(WORK, rounds=ROUNDS[:1], kernels=("gemm",))))
    assert message.scan is not None
    assert all("its control group was throttled" in one.reason and one.seconds for one in message.scan.locals)


def test_a_wrong_sum_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: ThreadWorld, send: Array, receive: Array) -> None:
        self.share(None)
        receive[:] = self.size + (self.rank == 1)

    monkeypatch.setattr(ThreadWorld, "allreduce", wrong)
    (group,) = (one.scan.groups[0] for one in pieces(served(replace(WORK, groups=((),))))[3:] if one.scan)
    assert group.seconds is None
    assert group.reason == "the sum of an all-reduce was wrong"


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 5), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_both_ends_make_the_same_data_and_no_two_transfers_alike(
    number: int, sender: int, receiver: int, other: int
) -> None:
    here, there = Payload(100, 3), Payload(100, 3)
    one = Round(Stage.SCREEN, 2, ())
    made = here.make(one, sender, receiver, number).copy()
    assert here.nbytes == 104
    assert np.array_equal(made, there.make(one, sender, receiver, number))
    assert differing(made, made) == 0
    for changed in (
        there.make(one, sender, receiver, number + 1).copy(),
        there.make(replace(one, number=3), sender, receiver, number).copy(),
        there.make(replace(one, stage=Stage.CONFIRM), sender, receiver, number).copy(),
        *([there.make(one, other, receiver, number).copy()] if other != sender else []),
        *([there.make(one, receiver, sender, number).copy()] if receiver != sender else []),
    ):
        assert not np.any(made == changed), "a word is the same"


def test_wrong_bytes_are_counted_one_by_one() -> None:
    data = np.arange(1000, dtype=np.uint64)
    other = data.copy()
    other[3] ^= np.uint64(0xFF00FF)
    other[999] ^= np.uint64(1)
    assert differing(other, data) == 3


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[tuple[int, int]], list[Machine]]:
    """Disjoint pairs of ranks on some machines."""
    ranks = draw(st.integers(2, 24))
    cores = {f"m{number}": frozenset(range(draw(st.integers(1, 8)))) for number in range(draw(st.integers(1, 4)))}
    machines = [
        Machine(boot, cores[boot])
        for boot in draw(st.lists(st.sampled_from(sorted(cores)), min_size=ranks, max_size=ranks))
    ]
    order = draw(st.permutations(range(ranks)))
    return list(zip(order[::2], order[1::2], strict=False)), machines


@settings(max_examples=100, deadline=None)
@given(fleets())
def test_waves_hold_each_pair_once_and_no_machine_too_many(fleet: tuple[list[tuple[int, int]], list[Machine]]) -> None:
    pairs, machines = fleet
    found = waves(pairs, machines)
    assert sorted(pair for wave in found for pair in wave) == sorted(pairs)
    cores = {one.boot: len(one.cores) for one in machines}
    for wave in found:
        for boot, count in cores.items():
            busy = [sum(machines[rank].boot == boot for rank in pair) for pair in wave]
            assert sum(busy) <= count or sum(map(bool, busy)) == 1, "a pair that is too many itself goes alone"


def test_ranks_with_cores_of_their_own_all_go_at_once() -> None:
    cores = [Machine("a", frozenset({rank})) for rank in range(4)] + [
        Machine("b", frozenset({rank})) for rank in range(4)
    ]
    pairs = [(rank, rank + 4) for rank in range(4)]
    assert waves(pairs, cores) == [pairs]
    assert neighbours(cores, 2) == [2]
    shared = [Machine("a", frozenset({0, 1}))] * 4
    assert len(waves([(0, 1), (2, 3)], shared)) == 2
    assert neighbours(shared, 2) == [0, 1, 2, 3]
    assert resting.here() == resting.here()


def test_nobody_leaves_a_barrier_before_the_last_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "LATE", 0.02)
    came, left, told = [0.0] * 4, [0.0] * 4, []

    def rank(world: World) -> None:
        rest = Rest(world)
        for _ in range(3):
            rest.barrier()
        time.sleep(0.1 if world.rank == 2 else 0.0)
        came[world.rank] = time.monotonic()
        rest.barrier(lambda late: told.append(list(late)))
        left[world.rank] = time.monotonic()

    run(4, rank, timeout=20.0)
    assert min(left) >= max(came)
    assert told == [[2]]
