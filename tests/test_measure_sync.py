"""Clocks of ranks: offsets and drift within their bound, starts that coincide, and what is done where they do not."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpirun import mpirun, needs_mpi

from benchsuite.backends.base import Elapsed
from benchsuite.measure.clock import calibrate
from benchsuite.measure.clocks import (
    DRIFT,
    EXCHANGES,
    FAN,
    FEWEST,
    Clocks,
    Offset,
    Stamp,
    composed,
    measure,
    offset,
    parents,
)
from benchsuite.measure.collect import APART, Sampler, collect
from benchsuite.measure.sync import Starter, Timed, crowded
from benchsuite.model import Policy, Samples, Step, World
from benchsuite.world.solo import SoloWorld
from benchsuite.world.threads import run as run_threads

TIME = st.floats(-1e5, 1e5)
DRIFTS = st.floats(-0.9 * DRIFT, 0.9 * DRIFT)
DELAYS = st.lists(st.tuples(st.floats(1e-7, 5e-3), st.floats(1e-7, 5e-3)), min_size=FEWEST, max_size=40)


def exchanges(delays: list[tuple[float, float]], clock: Callable[[float], float], start: float = 0.0) -> Offset | None:
    """Messages that need these seconds there and back, stamped by a true clock here and ``clock`` there."""
    here, there, now = [], [], start
    for forth, back in delays:
        begun, answered = now, now + 0.3 * back  # the other rank comes a little later
        here.append(Stamp(begun, max(begun, answered + back)))
        there.append(Stamp(clock(answered), clock(max(answered, begun + forth))))
        now += forth + 2.0 * back
    return offset(here, there)


# -- the offset of two clocks ------------------------------------------------------------------


@given(TIME, DRIFTS, DELAYS)
def test_the_offset_lies_within_its_bound_however_unequal_the_ways(shift: float, drift: float, delays: list) -> None:
    def clock(true: float) -> float:
        return true * (1.0 + drift) + shift

    found = exchanges(delays, clock)
    assert found is not None
    true = (found.at - shift) / (1.0 + drift)
    rounding = 1e-9 + 1e-15 * abs(shift) * 1e3
    assert abs(found.seconds - (clock(true) - true)) <= found.error + rounding


@given(TIME, st.lists(st.tuples(st.floats(1e-6, 1e-3), st.floats(1e-6, 1e-3)), min_size=FEWEST, max_size=FEWEST))
def test_the_bound_is_no_larger_than_half_the_shortest_round_trip(shift: float, delays: list) -> None:
    found = exchanges(delays, lambda true: true + shift)
    assert found is not None
    shortest = min(max(0.0, 1.3 * back) + max(0.0, forth - 0.3 * back) for forth, back in delays)
    span = sum(forth + 2.0 * back for forth, back in delays)
    assert found.error <= shortest / 2.0 + DRIFT * span + 1e-9


def test_slow_exchanges_do_not_count() -> None:
    """Most messages are held up on one way: the midpoint of all of them would be off by a quarter of that."""
    delays = [(1e-3, 1e-6)] * 90 + [(1e-6, 1e-6)] * 10
    found = exchanges(delays, lambda true: true + 5.0)
    assert found is not None
    assert found.seconds == pytest.approx(5.0, abs=1e-6)
    assert found.error < 1e-5


def test_a_standing_clock_and_one_that_jumps_tell_nothing() -> None:
    standing = [Stamp(7.0, 7.0)] * 20
    assert offset(standing, standing) is None
    jumping = [Stamp(1e-5 * number, 1e-5 * number + 1e-6) for number in range(20)]
    jumped = [Stamp(one.before + (number % 2), one.after + (number % 2)) for number, one in enumerate(jumping)]
    assert offset(jumping, jumped) is None


def test_a_coarse_clock_is_off_by_its_tick_at_least() -> None:
    standing = [Stamp(7.0, 7.0)] * 20
    found = offset(standing, standing, tick=0.0156)
    assert found is not None
    assert found.error >= 0.0156


# -- clocks over time --------------------------------------------------------------------------


@given(TIME, DRIFTS, st.floats(0.0, 1.0), st.floats(0.01, 1e3))
def test_between_two_measurements_time_is_within_the_bound(
    shift: float, drift: float, part: float, span: float
) -> None:
    def clock(true: float) -> float:
        return true * (1.0 + drift) + shift

    nothing = (Offset(0.0, 0.0, 0.0), Offset(span, 0.0, 0.0))
    found = [exchanges([(2e-6, 9e-6)] * 20, clock, start) for start in (0.0, span)]
    assert found[0] is not None
    assert found[1] is not None
    clocks = Clocks((nothing[0], found[0]), (nothing[1], found[1]))
    assert clocks.linear
    assert abs(clocks.common(1, clock(part * span)) - part * span) <= clocks.error + 1e-9 + 1e-12 * abs(shift)
    assert clocks.common(0, 3.0) == 3.0


def test_a_clock_that_was_stepped_is_found_out() -> None:
    zero = Offset(0.0, 0.0, 0.0)
    before, after = Offset(0.0, 1.0, 1e-6), Offset(10.0, 1.0, 1e-6)
    assert Clocks((zero, before), (zero, replace(after, seconds=1.0 + 9.0 * DRIFT))).linear
    assert not Clocks((zero, before), (zero, replace(after, seconds=1.0 + 11.0 * DRIFT))).linear


SKEWS = ((0.0, 0.0), (12.5, 2e-4), (-3.0, -4e-4))
"""Each rank's offset in seconds and drift."""


def skewed(rank: int) -> Callable[[], float]:
    shift, drift = SKEWS[rank]
    return lambda: time.perf_counter() * (1.0 + drift) + shift


def test_ranks_with_skewed_clocks_find_a_common_time() -> None:
    def rank(world: World) -> tuple[Clocks | None, float]:
        timer = skewed(world.rank)
        before = measure(world, timer)
        time.sleep(0.02)
        moment = time.perf_counter()
        time.sleep(0.02)
        after = measure(world, timer)
        assert before is not None
        assert after is not None
        return replace(before, after=after.before), moment

    results = run_threads(3, rank)
    assert len({repr(clocks) for clocks, _ in results}) == 1, "the ranks know different things"
    clocks = results[0][0]
    assert clocks is not None
    assert clocks.linear
    assert 0.0 < clocks.error < 0.02
    for rank_, (_, moment) in enumerate(results):
        shift, drift = SKEWS[rank_]
        assert abs(clocks.common(rank_, moment * (1.0 + drift) + shift) - moment) <= clocks.error


HOSTS = st.lists(st.integers(0, 40).map("host{}".format), min_size=1, max_size=120)


@given(HOSTS)
def test_every_rank_s_way_up_the_tree_is_short_and_ends_at_rank_0(hosts: list[str]) -> None:
    above = parents(hosts)
    leaders = len(set(hosts))
    for rank in range(len(hosts)):
        steps, at = 0, rank
        while at:
            assert above[at] < at
            at, steps = above[at], steps + 1
        assert steps <= math.ceil(math.log(max(leaders, 1) + 1, FAN)) + 1
    for parent in range(len(hosts)):
        elsewhere = [r for r, up in enumerate(above) if up == parent and hosts[r] != hosts[parent]]
        assert len(elsewhere) <= FAN


def test_4096_hosts_are_three_steps_away() -> None:
    above = parents([f"host{number}" for number in range(4096)])
    depth = [0] * len(above)
    for rank in range(1, len(above)):
        depth[rank] = depth[above[rank]] + 1
    assert max(depth) == 3


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), DRIFTS), min_size=3, max_size=3), DELAYS, st.floats(0.0, 1.0))
def test_offsets_and_errors_add_up_along_the_tree(clocks: list, delays: list, later: float) -> None:
    """Rank 1 hangs on rank 0, rank 2 on rank 1, and is compared ``later`` seconds later."""
    (shift, drift), (further, faster), _ = clocks

    def middle(true: float) -> float:
        return true * (1.0 + drift) + shift

    def last(own: float) -> float:
        return own * (1.0 + faster) + further

    first = exchanges(delays, middle)
    assert first is not None
    begun = sum(forth + 2.0 * back for forth, back in delays) + later
    second = exchanges(delays, last, middle(begun))
    assert second is not None
    found = composed([None, first, second], (0, 0, 1))
    assert found is not None
    true = ((second.at - further) / (1.0 + faster) - shift) / (1.0 + drift)
    assert abs(found.common(2, second.at) - true) <= 1.001 * found.error + 1e-8
    assert found.error >= first.error + second.error


def test_an_unknown_offset_on_the_way_leaves_nothing_known() -> None:
    known = Offset(0.0, 1.0, 1e-6)
    assert composed([None, None, known], (0, 0, 1)) is None
    assert composed([None, known, None], (0, 0, 1)) is None
    assert composed([None, known, known], (0, 0, 1)) is not None


def test_ranks_of_many_hosts_find_a_common_time() -> None:
    """Five ranks on three hosts, each with a clock of its own."""

    def rank(world: World) -> tuple[Clocks | None, float]:
        world.host = f"host{world.rank % 3}"
        clocks = measure(world, lambda: time.perf_counter() + 10.0 * world.rank)
        return clocks, time.perf_counter()

    for number, (clocks, moment) in enumerate(run_threads(5, rank)):
        assert clocks is not None
        assert abs(clocks.common(number, moment + 10.0 * number) - moment) <= clocks.error


def test_exchanges_are_counted_and_both_sides_stop_together(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = run_threads(2, _count)
    assert counts[0] == counts[1]
    assert FEWEST <= counts[0] <= EXCHANGES
    monkeypatch.setattr("benchsuite.measure.clocks.PATIENCE", 0.0)
    assert run_threads(2, _count) == [FEWEST, FEWEST]


def _count(world: World) -> int:
    calls = 0
    real = world.sendrecv

    def counted(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        real(*arguments)  # type: ignore[arg-type]

    world.sendrecv = counted  # type: ignore[method-assign]
    measure(world, time.perf_counter)
    return calls


# -- beginning together ------------------------------------------------------------------------


def starter(sync: str, *, offsets: Sequence[float] = (0.0, 0.0), error: float = 1e-6) -> Starter:
    """One that has compared the clocks of two ranks."""
    made = Starter(SoloWorld(), time.perf_counter)
    made.clocks, made.sync = Clocks(tuple(Offset(0.0, one, error) for one in offsets)), sync
    return made


def test_a_window_is_timed_from_the_last_start_to_the_last_end() -> None:
    one = starter("window", offsets=(0.0, 100.0))
    timed = Timed((5.0, 105.05), (1.0, 0.97))
    assert one.starts(timed) == pytest.approx((5.0, 5.05))
    assert one.judge(timed).seconds == pytest.approx(0.97)
    assert not one.judge(timed).apart
    assert starter("barrier", offsets=(0.0, 100.0)).judge(timed).seconds == 1.0


@pytest.mark.parametrize("sync", ["window", "barrier"])
def test_ranks_that_begin_apart_are_noted_and_never_gain_by_it(sync: str) -> None:
    """Rank 1 missed the window: from its start to the end it took 0.2 s, but the others needed 1 s."""
    judged = starter(sync).judge(Timed((5.0, 5.8), (1.0, 0.2)))
    assert judged.apart
    assert judged.seconds == 1.0


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(1e-3, 1.0)), min_size=2, max_size=2))
def test_no_sample_is_ever_shorter_than_nothing_or_longer_than_the_slowest(ranks: list) -> None:
    timed = Timed(tuple(start for start, _ in ranks), tuple(length for _, length in ranks))
    seconds, apart = starter("window").judge(timed)
    assert 0.0 < seconds <= max(timed.lengths) * (1.0 + 1e-12)
    assert apart or seconds >= 0.9 * max(timed.lengths) - 1e-12


def test_too_many_missed_windows_lead_back_to_the_barrier() -> None:
    together, missed = Timed((1.0, 1.0), (1.0, 1.0)), Timed((1.0, 1.5), (1.0, 0.5))
    one = starter("window")
    one.doubt([together] * 10 + [missed] * 10)
    assert one.sync == "window"
    one.doubt([together] * 9 + [missed] * 10)
    assert one.sync == "barrier"


def test_clocks_too_coarse_for_the_work_lead_to_the_barrier() -> None:
    def rank(world: World) -> list[str]:
        one = Starter(world, time.perf_counter)
        return [one.sync, *(one.align(length) or one.sync for length in (10.0, 1e-9))]

    cores_for_all = run_threads(2, crowded) == [False, False]
    expected = "window" if cores_for_all else "barrier"
    assert run_threads(2, rank) == [["barrier", expected, "barrier"]] * 2


def test_ranks_that_share_cores_keep_to_the_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0}, raising=False)

    def rank(world: World) -> str:
        one = Starter(world, time.perf_counter)
        one.align(10.0)
        return one.sync

    assert run_threads(2, rank) == ["barrier", "barrier"]


def test_a_clock_that_goes_astray_while_measuring_is_noted() -> None:
    """Rank 1's clock is stepped by a second between the two measurements."""

    def rank(world: World) -> tuple[bool, bool, str, float | None]:
        step = [0.0]
        one = Starter(world, lambda: time.perf_counter() + step[0])
        one.align(10.0)
        steady = one.recheck(10.0)
        one.align(10.0)
        step[0] = float(world.rank)
        return steady, one.recheck(10.0), one.sync, one.error

    assert run_threads(2, rank) == [(True, False, "barrier", None)] * 2


# -- samples of several ranks ------------------------------------------------------------------

POLICY = Policy(seconds=0.1, warmup=0.02, min_samples=5, max_samples=20)


def samples(world: World, timer: Callable[[], float], step: Step, policy: Policy = POLICY) -> Samples:
    def elapsed(steps: Sequence[Step]) -> Elapsed:
        start = timer()
        for one in steps:
            one()
        return Elapsed(timer() - start)

    return collect(Sampler([step], elapsed, timer, world), calibrate(timer), policy, policy.seconds)[0]


def test_samples_of_ranks_with_skewed_clocks_are_on_one_clock() -> None:
    found = run_threads(2, lambda world: samples(world, skewed(world.rank), lambda: time.sleep(0.004)))
    assert found[0] == found[1], "the ranks decided differently"
    (one, _) = found
    assert one.sync in {"window", "barrier"}
    assert one.sync_error is not None
    assert 0.0 < one.sync_error < 0.1
    assert len(one.rank_starts) == len(one.by_rank) == len(one.seconds)
    for number, starts in enumerate(one.rank_starts):
        # Unsynchronised they would be 12.5 s apart.
        assert max(starts) - min(starts) < 1.0
        assert starts[0] == pytest.approx(one.starts[number], abs=1e-6)
        distance = max(starts) - min(starts)
        noted = number in one.annotations.get(APART, ())
        assert noted == (distance > 0.1 * max(one.by_rank[number]) * one.iterations)


def test_ranks_that_keep_missing_the_window_are_measured_after_a_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 1 is late every time; the samples say so, and hold what the slowest rank took."""
    monkeypatch.setattr("benchsuite.measure.sync.crowded", lambda world: False)

    def rank(world: World) -> Samples:
        begun = Starter.begin

        def begin(self: Starter, delay: float = 0.0) -> None:
            begun(self, delay)
            time.sleep(0.01 * self._world.rank)

        monkeypatch.setattr(Starter, "begin", begin) if world.rank == 0 else None
        world.barrier()
        return samples(world, time.perf_counter, lambda: time.sleep(0.004))

    (one, _) = run_threads(2, rank)
    assert one.sync == "barrier"
    assert one.annotations[APART] == tuple(range(len(one.seconds)))
    assert APART in {caveat.code for caveat in one.caveats}
    assert one.seconds == pytest.approx([max(ranks) for ranks in one.by_rank])


def test_a_clock_stepped_among_the_samples_costs_the_starts() -> None:
    policy = replace(POLICY, min_samples=20, max_samples=60)

    def rank(world: World) -> Samples:
        ahead, calls = [0.0], [0]

        def step() -> None:
            time.sleep(0.004)
            calls[0] += 1
            ahead[0] += world.rank * (calls[0] == 22)

        return samples(world, lambda: time.perf_counter() + ahead[0], step, policy)

    (one, _) = run_threads(2, rank)
    assert max(one.seconds) > 0.9, "it was stepped before or after the samples"
    assert (one.sync, one.sync_error, one.rank_starts) == ("barrier", None, ())
    assert "CLOCK_DISAGREE" in {caveat.code for caveat in one.caveats}


def test_without_a_clock_that_advances_nothing_is_claimed_of_the_starts() -> None:
    """The scripted clock stands while messages travel."""

    def rank(world: World) -> Samples:
        now = 0.0

        def step() -> None:
            nonlocal now
            now += 1e-3

        return samples(world, lambda: now, step)

    (one, _) = run_threads(2, rank)
    assert (one.sync, one.sync_error, one.rank_starts, one.annotations) == ("barrier", None, (), {})
    assert len(one.by_rank) == len(one.seconds)


def test_a_world_of_one_needs_no_clocks() -> None:
    one = samples(SoloWorld(), time.perf_counter, lambda: time.sleep(0.001))
    assert (one.sync, one.sync_error, one.rank_starts, one.by_rank) == ("none", None, (), ())


SCRIPT = """
import json, sys, time
from benchsuite.backends.host.backend import HostBackend
from benchsuite.measure.clock import calibrate
from benchsuite.measure.collect import Sampler, collect
from benchsuite.measure.clocks import measure
from benchsuite.model import Policy
from benchsuite.protocol import encode
from benchsuite.world import open_world

world = open_world("mpi", 2)
shift = 5.0 * world.rank
timer = lambda: time.perf_counter() + shift
clocks = measure(world, timer)
backend = HostBackend(threads=1)
policy = Policy(seconds=0.1, warmup=0.02, min_samples=5, max_samples=50)
work = lambda: [world.barrier() for _ in range(10)]
found, _ = collect(Sampler([work], backend.elapsed, timer, world), calibrate(timer), policy, 0.1)
if world.rank == 0:
    print(json.dumps({"offset": clocks.before[1].seconds, "error": clocks.error, "samples": json.loads(encode(found))}))
"""


@needs_mpi
def test_on_real_ranks_an_offset_is_recovered_within_its_bound(tmp_path: Path) -> None:
    """Ranks of one host read one clock, so the truth is known: what was added to rank 1's."""
    script = tmp_path / "rank.py"
    script.write_text(SCRIPT)
    done = mpirun(2, str(script))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert abs(told["offset"] - 5.0) <= told["error"] < 1e-2
    found = told["samples"]
    assert found["sync"] in {"window", "barrier"}
    assert len(found["rank_starts"]) == len(found["seconds"])
    assert all(max(starts) - min(starts) < 1.0 for starts in found["rank_starts"])
    assert all(math.isfinite(one) and one > 0.0 for one in found["seconds"])
