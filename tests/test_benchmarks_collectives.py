"""Collectives: exact on every rank for any number of ranks, length and type; factors as nccl-tests defines them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import units
from benchsuite.backends.host.backend import HostBackend
from benchsuite.benchmarks import _collective as common
from benchsuite.benchmarks import (
    allgather,
    allreduce,
    alltoall,
    alltoallv,
    barrier,
    broadcast,
    exchange,
    reduce_scatter,
    shift,
)
from benchsuite.measure.task import RankInputs, generator
from benchsuite.measure.verify import check
from benchsuite.model import Benchmark, Case, CollectiveCall, Implementation, Metric, Rejected, World
from benchsuite.world.threads import run as run_threads

BENCHMARKS = {
    module.BENCHMARK.name: module.BENCHMARK
    for module in (allgather, allreduce, alltoall, alltoallv, barrier, broadcast, exchange, reduce_scatter, shift)
}
PAIRS = [
    pytest.param(subject, item, id=f"{name}-{item.name}")
    for name, subject in BENCHMARKS.items()
    for item in subject.implementations
    if "host" in item.requires and name != "barrier"
]
SEED = 5


def case_of(subject: Benchmark, ranks: int, **params: object) -> Case:
    """A case with the defaults of the axes that are not named."""
    given_ = {axis.name: params.get(axis.name, axis.values[0]) for axis in subject.axes}
    return Case.of(subject.name, ranks, **given_)  # type: ignore[arg-type]


def outputs(subject: Benchmark, item: Implementation, case: Case, calls: int = 2) -> list[dict[str, np.ndarray]]:
    """Every rank's outputs after some calls on poisoned buffers."""
    call = item.op
    assert isinstance(call, CollectiveCall)

    def rank(world: World) -> dict[str, np.ndarray]:
        backend = HostBackend(threads=1)
        made = backend.allocate(subject.outputs(case))
        buffers = {**backend.upload(RankInputs(subject, case, SEED)[world.rank]), **made}
        if call.before:
            backend.bind(replace(item, op=CollectiveCall(call.before)), buffers, case, world)()
        step = backend.bind(item, buffers, case, world)
        for _ in range(calls):
            step()
        return dict(made)

    return run_threads(case.ranks, rank)


def verdict(subject: Benchmark, case: Case, rank: int, found: dict[str, np.ndarray]) -> float | Rejected:
    ranks = RankInputs(subject, case, SEED, rank=rank)
    want = subject.reference(case, ranks, generator(case, SEED, case.ranks))
    return check(found, want, subject.outputs(case), subject.tolerance(case))


@pytest.mark.parametrize(("subject", "item"), PAIRS)
@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_every_rank_gets_exactly_what_it_should(subject: Benchmark, item: Implementation, data: st.DataObject) -> None:
    ranks = data.draw(st.integers(1, 8), "ranks")
    closed = {axis.name: data.draw(st.sampled_from(axis.choices), axis.name) for axis in subject.axes if axis.choices}
    skew = data.draw(st.floats(1.0, ranks), "skew")
    case = case_of(subject, ranks, bytes=data.draw(st.integers(1, 400), "bytes"), skew=skew, **closed)
    if subject.invalid(case) or not item.supports(case):
        return
    for rank, found in enumerate(outputs(subject, item, case)):
        assert verdict(subject, case, rank, found) == 0.0, (case.key, rank)


@pytest.mark.parametrize(("subject", "item"), PAIRS)
def test_long_messages_are_exact(subject: Benchmark, item: Implementation) -> None:
    """Several segments, and no whole number of them."""
    case = case_of(subject, 3, bytes=3 * (2 * common.SEGMENT + 4 * 17))
    for rank, found in enumerate(outputs(subject, item, case, calls=1)):
        assert verdict(subject, case, rank, found) == 0.0


@pytest.mark.parametrize(("subject", "item"), PAIRS)
def test_an_element_that_never_came_is_noticed(subject: Benchmark, item: Implementation) -> None:
    """Nothing was called: the outputs are poisoned, except where an operation in place begins."""
    case = case_of(subject, 3, bytes=96)
    found = outputs(subject, item, case, calls=0)
    lacking = [rank for rank in range(3) if isinstance(verdict(subject, case, rank, found[rank]), Rejected)]
    assert lacking == ([1, 2] if subject.name == "broadcast" else [0, 1, 2])


@pytest.mark.parametrize(
    ("name", "ranks", "factor"),
    [
        ("allreduce", 2, 1.0),
        ("allreduce", 8, 1.75),
        ("allgather", 4, 0.75),
        ("reduce_scatter", 4, 0.75),
        ("alltoall", 4, 0.75),
        ("broadcast", 4, 1.0),
        ("shift", 4, 1.0),
        ("exchange", 4, 1.0),
    ],
)
def test_the_factors_are_those_of_nccl_tests(name: str, ranks: int, factor: float) -> None:
    """doc/PERFORMANCE.md there: the size S is the whole buffer, algbw = S / t, busbw = algbw * factor."""
    subject = BENCHMARKS[name]
    work = subject.work(case_of(subject, ranks, bytes=units.MIB))
    assert work.payload == units.MIB
    assert work.wire == factor * units.MIB
    assert subject.metric is Metric.BUSBW
    assert subject.metric.quantity(work, 1e-3) == pytest.approx(factor * units.MIB / 1e-3)


@pytest.mark.parametrize("name", ["allgather", "reduce_scatter", "alltoall"])
def test_a_size_that_cannot_be_divided_is_rounded_and_told(name: str) -> None:
    subject = BENCHMARKS[name]
    assert subject.work(case_of(subject, 3, bytes=100)).payload == 96  # 8 fp32 for each of 3
    assert subject.work(case_of(subject, 4, bytes=8)).payload == 16  # one element for each is the least


class Counting:
    """A world that counts the bytes that it is asked to send to others."""

    def __init__(self, world: World) -> None:
        self._world, self.sent = world, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._world, name)

    def send(self, buffer: np.ndarray, to: int) -> None:
        self.sent += buffer.nbytes
        self._world.send(buffer, to)

    def sendrecv(self, send: np.ndarray, to: int, receive: np.ndarray, source: int) -> None:
        self.sent += send.nbytes
        self._world.sendrecv(send, to, receive, source)


def sent(subject: Benchmark, name: str, case: Case) -> list[int]:
    """Bytes that each rank sends in one call."""
    (item,) = (one for one in subject.implementations if one.name == name)

    def rank(world: World) -> int:
        backend, counting = HostBackend(threads=1), Counting(world)
        buffers = {
            **backend.upload(RankInputs(subject, case, SEED)[world.rank]),
            **backend.allocate(subject.outputs(case)),
        }
        backend.bind(item, buffers, case, counting)()  # type: ignore[arg-type]
        return counting.sent

    return run_threads(case.ranks, rank)


@pytest.mark.parametrize("ranks", [2, 3, 4, 7])
@pytest.mark.parametrize(
    ("name", "algorithm"),
    [("allreduce", "ring"), ("allgather", "ring"), ("reduce_scatter", "ring"), ("alltoall", "pairwise")],
)
def test_our_algorithms_send_what_must_be_sent_and_no_more(name: str, algorithm: str, ranks: int) -> None:
    subject = BENCHMARKS[name]
    case = case_of(subject, ranks, bytes=4 * 84 * 5)
    assert set(sent(subject, algorithm, case)) == {int(subject.work(case).wire)}


@pytest.mark.parametrize("ranks", [2, 3, 4, 7])
def test_what_a_broadcast_sends(ranks: int) -> None:
    """By scatter and ring, 2(n-1)/n of the message from the root; all others hand on less. The tree: n-1 messages."""
    case = case_of(broadcast.BENCHMARK, ranks, bytes=4 * 84)
    size = 4 * 84
    found = sent(broadcast.BENCHMARK, "scatter-ring", case)
    assert found[0] == max(found) == 2 * (ranks - 1) * size // ranks
    scattered = sum(one - (ranks - 1) * size // ranks for one in found)
    hops = sum(rank.bit_count() for rank in range(ranks))  # a part travels once for every bit of its rank
    assert scattered == hops * size // ranks
    assert sum(sent(broadcast.BENCHMARK, "binomial", case)) == (ranks - 1) * size


def test_alltoallv_without_skew_is_an_alltoall() -> None:
    even, equal = (case_of(BENCHMARKS[name], 4, bytes=units.MIB, skew=1.0).params for name in ("alltoallv", "alltoall"))
    one = alltoallv.work(Case("alltoallv", even, 4))
    other = alltoall.work(Case("alltoall", equal, 4))
    assert (one.payload, one.wire, one.read, one.written) == (other.payload, other.wire, other.read, other.written)
    assert len(set(alltoallv.counts(Case("alltoallv", even, 4)))) == 1


@settings(deadline=None, max_examples=60)
@given(ranks=st.integers(2, 64), part=st.floats(0.0, 1.0), size=st.integers(1, 1 << 22))
def test_the_busiest_rank_receives_the_stated_multiple_of_the_mean(ranks: int, part: float, size: int) -> None:
    skew = 1.0 + part * (ranks - 1.0)
    case = case_of(alltoallv.BENCHMARK, ranks, bytes=size, skew=skew)
    counts = alltoallv.counts(case)
    whole = common.block(case) * ranks
    assert sum(counts) == whole
    assert min(counts) >= 0
    assert max(counts) == pytest.approx(skew * whole / ranks, abs=1.5)
    work = alltoallv.work(case)
    assert work.wire >= work.payload * (ranks - 1) / ranks - 2 * common.itemsize(case)


def test_counts_are_the_same_everywhere_and_differ_between_ranks() -> None:
    """Every rank works them out for itself; they may not depend on anything but the case."""
    case = case_of(alltoallv.BENCHMARK, 8, bytes=units.MIB, skew=3.0)
    counts = alltoallv.counts(case)
    assert counts == (31934, 98304, 11702, 13417, 18931, 48358, 23789, 15709)
    assert alltoallv.plan(case, 1) == (list(counts), [counts[1]] * 8)


@pytest.mark.parametrize("skew", [0.5, 4.5, float("nan")])
def test_a_skew_that_cannot_be_is_invalid(skew: float) -> None:
    assert "receives 1 to 4 times the mean" in alltoallv.invalid(case_of(alltoallv.BENCHMARK, 4, skew=skew))


def test_of_an_odd_number_of_ranks_the_last_meets_itself() -> None:
    for size in range(1, 12):
        meets = [exchange.partner(rank, size) for rank in range(size)]
        assert all(meets[other] == rank for rank, other in enumerate(meets))
        alone = [rank for rank, other in enumerate(meets) if rank == other]
        assert alone == ([size - 1] if size % 2 else [])


@pytest.mark.parametrize(("dtype", "most"), [("fp32", 2**14), ("fp16", 2**11), ("bf16", 2**8)])
def test_sums_are_exact_up_to_so_many_ranks_and_refused_beyond(dtype: str, most: int) -> None:
    for subject in (allreduce.BENCHMARK, reduce_scatter.BENCHMARK):
        if dtype != "fp32":  # of fp32 and fp64 2**24 ranks would be
            assert subject.invalid(case_of(subject, most + 1, dtype=dtype))
        assert not subject.invalid(case_of(subject, most, dtype=dtype))
        case = case_of(subject, most, dtype=dtype)
        x = common.message(subject.inputs(replace(case, ranks=most), np.random.default_rng(1)))
        assert np.abs(units.as_float(x, dtype).astype(np.float64)).max() * most <= 2.0 ** common.DIGITS[dtype]


def test_what_mpi_cannot_add_is_not_offered() -> None:
    for subject in (allreduce.BENCHMARK, reduce_scatter.BENCHMARK):
        case = case_of(subject, 2, dtype="bf16")
        assert not any(item.supports(case) for item in subject.implementations if "host" in item.requires)


@pytest.mark.parametrize("subject", [allreduce.BENCHMARK, reduce_scatter.BENCHMARK], ids=lambda one: one.name)
def test_in_place_puts_the_message_back_and_says_so(subject: Benchmark) -> None:
    inside, outside = case_of(subject, 2, place="in"), case_of(subject, 2)
    (item,) = (one for one in subject.implementations if one.supports(inside) and one.name == "mpi")
    assert isinstance(item.op, CollectiveCall)
    assert item.op.restoring(outside) is None
    assert item.op.restoring(inside) is not None
    for rank, found in enumerate(outputs(subject, item, inside, calls=5)):
        assert verdict(subject, inside, rank, found) == 0.0
    assert [one.name for one in subject.implementations if one.supports(inside) and "host" in one.requires] == ["mpi"]


def no_barrier(world: World, *rest: object) -> None:
    """Waits for nobody."""


def half_a_barrier(world: World, *rest: object) -> None:
    """Waits for the rank before only."""
    nothing = np.zeros(0)
    world.sendrecv(nothing, (world.rank + 1) % world.size, nothing, (world.rank - 1) % world.size)


@pytest.mark.parametrize("barriers", [barrier.library, barrier.dissemination])
@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_a_barrier_that_waits_is_found_to(barriers: Callable[..., None], ranks: int) -> None:
    assert all(held(barriers, ranks))


@pytest.mark.parametrize("barriers", [no_barrier, half_a_barrier])
def test_a_barrier_that_does_not_wait_for_all_is_found_out(
    barriers: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(barrier, "LATE", (0.02,))
    assert not any(held(barriers, 4))


def held(barriers: Callable[..., None], ranks: int) -> list[bool]:
    """Whether each rank was held each time."""
    case = Case.of("barrier", ranks)
    attempt = barrier.held(barriers)

    def rank(world: World) -> bool:
        backend = HostBackend(threads=1)
        made = backend.allocate(barrier.outputs(case))
        item = Implementation("x", CollectiveCall(attempt))
        backend.bind(item, made, case, world)()
        return verdict(barrier.BENCHMARK, case, world.rank, dict(made)) == 0.0

    return run_threads(ranks, rank)


def test_those_who_come_late_are_spread_over_all_ranks() -> None:
    assert barrier.late_ranks(1) == [0]
    assert barrier.late_ranks(3) == [0, 1, 2]
    many = barrier.late_ranks(512)
    assert (len(many), many[0], many[-1]) == (barrier.MOST, 0, 511)
    assert len(set(many)) == barrier.MOST


def test_a_barrier_is_one_step() -> None:
    case = Case.of("barrier", 4)
    assert barrier.BENCHMARK.metric is Metric.LATENCY
    assert barrier.BENCHMARK.metric.quantity(barrier.BENCHMARK.work(case), 3e-6) == 3e-6
