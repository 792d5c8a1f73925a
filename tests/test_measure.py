"""Clock, verification, rotation, warm-up, batching and stopping, all on a scripted clock."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.backends.base import Elapsed
from benchsuite.backends.fake import FakeBackend, Script
from benchsuite.errors import MeasureError
from benchsuite.measure.buffers import allocate, rotation
from benchsuite.measure.clock import Clock, calibrate
from benchsuite.measure.collect import Sampler, collect
from benchsuite.measure.task import Bench, Measurement, RankInputs, prepare
from benchsuite.measure.verify import ROWS_AT_ONCE, check
from benchsuite.model import (
    Arrays,
    ArraySpec,
    Buffers,
    CacheMode,
    Case,
    Expected,
    Failed,
    Implementation,
    Outcome,
    Policy,
    Rejected,
    Samples,
    Step,
    Tolerance,
)
from benchsuite.world.solo import SoloWorld
from tests.conftest import toy

POLICY = Policy(seconds=0.05, warmup=0.01)


class Scripted:
    """A clock that only steps advance."""

    def __init__(self, durations: Iterator[float]) -> None:
        self.now, self._durations, self.calls = 0.0, durations, 0

    def step(self) -> None:
        self.calls += 1
        self.now += next(self._durations)

    def timer(self) -> float:
        return self.now

    def elapsed(self, steps: Sequence[Step]) -> Elapsed:
        start = self.now
        for step in steps:
            step()
        return Elapsed(self.now - start)


def sampler(*durations: float, sets: int = 1) -> tuple[Sampler, Scripted]:
    scripted = Scripted(itertools.cycle(durations))
    return Sampler([scripted.step] * sets, scripted.elapsed, scripted.timer, SoloWorld()), scripted


# -- clock ------------------------------------------------------------------------------------


def test_the_clock_is_measured_and_sets_the_shortest_batch() -> None:
    ticks = itertools.chain.from_iterable(itertools.repeat(i * 0.0156, 3) for i in itertools.count())
    clock = calibrate(lambda: next(ticks), calls=300)
    assert clock.tick == pytest.approx(0.0156)
    assert clock.shortest_batch == pytest.approx(15.6)
    assert Clock(tick=1e-9, overhead=5e-8).shortest_batch == 500e-6


def test_the_overhead_is_the_median_of_ten_thousand_readings() -> None:
    readings = 0

    def timer() -> float:
        nonlocal readings
        readings += 1
        return 1e-7 * readings + 1e-3 * (readings // 1000)

    clock = calibrate(timer)
    assert readings == 10_001
    assert clock.overhead == pytest.approx(1e-7, rel=1e-3)
    assert Clock(tick=1e-9, overhead=2e-5).shortest_batch == pytest.approx(2e-3)


def test_a_clock_that_runs_backwards_is_refused() -> None:
    readings = iter([0.0, 1.0, 0.5, *range(2, 400)])
    with pytest.raises(MeasureError, match="backwards"):
        calibrate(lambda: next(readings), calls=100)


# -- verification -----------------------------------------------------------------------------

SPECS = {"y": ArraySpec((8,), "fp64")}


def verified(got: np.ndarray, want: Expected, tolerance: Tolerance = Tolerance(relative=1e-6)) -> float | Rejected:  # noqa: B008
    return check({"y": got}, {"y": want}, SPECS, tolerance)


def test_equal_outputs_pass_with_their_error() -> None:
    x = np.arange(8.0)
    assert verified(x, Expected(x)) == 0.0
    error = verified(x + 1e-9, Expected(x + 1e-9 - 5e-10), Tolerance(absolute=1e-9))
    assert error == pytest.approx(5e-10, rel=1e-3)


@given(st.integers(0, 7), st.sampled_from([np.nan, np.inf, -np.inf, 1e-3]))
def test_one_bad_element_anywhere_is_rejected(index: int, bad: float) -> None:
    x = np.arange(1.0, 9.0)
    got = x.copy()
    got[index] += bad
    result = verified(got, Expected(x))
    assert isinstance(result, Rejected)
    assert f"y[{index}]" in result.where


def test_elements_that_are_harder_to_get_right_are_allowed_more_and_no_others() -> None:
    x, tolerance, scale = np.zeros(8), Tolerance(absolute=1e-3), np.full(8, 1.0)
    scale[2] = 5.0
    for index, good in ((2, True), (3, False)):
        got = x.copy()
        got[index] = 4e-3
        assert isinstance(verified(got, Expected(x, scale=scale), tolerance), float) == good
    assert isinstance(verified(np.full(8, np.nan), Expected(x, scale=scale), tolerance), Rejected)


def test_a_nan_outside_the_compared_part_is_rejected() -> None:
    got = np.arange(8.0)
    got[7] = np.nan
    result = verified(got, Expected(np.arange(2.0), index=slice(0, 2)))
    assert isinstance(result, Rejected)
    assert "not finite" in result.reason


def test_a_nan_in_the_reference_rejects_too() -> None:
    x = np.arange(8.0)
    want = x.copy()
    want[0] = np.nan
    assert isinstance(verified(x, Expected(want)), Rejected)


@pytest.mark.parametrize("shape", [(6,), (5, 6), (3 * ROWS_AT_ONCE + 1, 6), (ROWS_AT_ONCE + 1, 2, 6)])
def test_projection_sees_every_element(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    c, x = rng.standard_normal(shape), rng.standard_normal(6)
    want = Expected(np.asarray(c @ x), project=x, tolerance=Tolerance(absolute=1e-12))
    assert isinstance(verified(c, want), float)
    c[(-1,) * len(shape)] += 1e-6
    assert isinstance(verified(c, want), Rejected)


def test_neighbouring_large_integers_are_told_apart() -> None:
    x = np.array([2**62], np.uint64)
    specs = {"y": ArraySpec((1,), "uint64")}
    assert check({"y": x}, {"y": Expected(x)}, specs, Tolerance()) == 0.0
    assert isinstance(check({"y": x + np.uint64(1)}, {"y": Expected(x)}, specs, Tolerance()), Rejected)


def test_no_expectation_and_wrong_shape_are_rejected() -> None:
    assert isinstance(check({"y": np.zeros(8)}, {}, SPECS, Tolerance()), Rejected)
    assert isinstance(verified(np.zeros(8), Expected(np.zeros(7))), Rejected)


def test_large_but_finite_values_are_not_called_infinite() -> None:
    x = np.full(8, 1e308)
    assert verified(x, Expected(x)) == 0.0


# -- rotation ---------------------------------------------------------------------------------


@given(st.integers(1, 1 << 30), st.integers(1, 1 << 28))
def test_cold_reuse_distance_is_at_least_three_caches(working_set: int, cache: int) -> None:
    sets = rotation(working_set, cache, CacheMode.COLD)
    assert (sets - 1) * working_set >= 3 * cache
    assert rotation(working_set, cache, CacheMode.HOT) == 1


class Observed(FakeBackend):
    """Notes which buffers every iteration touches, by address; its cache has the size it is given."""

    def __init__(self, cache: int, seconds: float) -> None:
        super().__init__(Script((seconds,)))
        self._cache = cache
        self.touched: list[dict[int, int]] = []

    def cache_bytes(self) -> int:
        return self._cache

    def bind(self, implementation: Implementation, buffers: Buffers, *args: Any, **named: Any) -> Step:
        step = super().bind(implementation, buffers, *args, **named)
        sizes = {array.ctypes.data: int(array.nbytes) for array in buffers.values()}

        def noting() -> None:
            self.touched.append(sizes)
            step()

        return noting


def reuse_distances(touched: Sequence[Mapping[int, int]]) -> Iterator[int]:
    """For every use of a buffer but its first: the bytes of all other buffers touched since the use before."""
    last: dict[int, int] = {}
    for now, sizes in enumerate(touched):
        for address in sizes:
            if address in last:
                between = {other: size for one in touched[last[address] + 1 : now] for other, size in one.items()}
                between.pop(address, None)
                yield sum(between.values())
            last[address] = now


@settings(max_examples=6)
@given(st.integers(64, 1024), st.integers(1 << 10, 1 << 15), st.sampled_from([3e-5, 1.7e-4, 6e-4]))
def test_no_buffer_of_a_cold_case_is_used_again_before_three_caches_of_others(
    elements: int, cache: int, seconds: float
) -> None:
    """From the first call to the last timed one: also from batch to batch and from warm-up to measurement."""
    backend = Observed(cache, seconds)
    found = task("good", backend, n=elements)
    assert isinstance(found, Samples)
    assert found.sets == rotation(16 * elements, cache, CacheMode.COLD)
    executed = found.iterations * (len(found.warmup) + len(found.seconds))
    assert len(backend.touched) > max(executed, found.sets), "every set was used more than once"
    assert min(reuse_distances(backend.touched)) >= 3 * cache


def test_a_hot_case_uses_the_same_buffers_all_the_time() -> None:
    backend = Observed(1 << 15, 1e-3)
    found = task("good", backend, cache=CacheMode.HOT)
    assert isinstance(found, Samples)
    assert found.sets == 1
    assert set(reuse_distances(backend.touched)) == {0}


def test_buffers_that_do_not_fit_are_refused_not_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend()
    monkeypatch.setattr(backend, "memory_bytes", lambda: 1 << 16)
    with pytest.raises(MeasureError, match="do not fit"):
        allocate(backend, {"x": np.zeros(1024)}, {}, CacheMode.COLD)


# -- collecting -------------------------------------------------------------------------------


def test_batches_grow_to_the_shortest_batch() -> None:
    sample, _ = sampler(1e-6)
    found, _ = collect(sample, Clock(0.0, 0.0), POLICY, 0.05)
    assert found.iterations * 1e-6 >= 500e-6
    assert found.seconds[0] == pytest.approx(1e-6)


def test_a_coarse_clock_makes_the_batch_grow_until_a_tick_is_a_thousandth_of_it() -> None:
    tick, now = 0.0156, 0.0

    def step() -> None:
        nonlocal now
        now += 0.7e-3

    def timer() -> float:
        return math.floor(now / tick) * tick

    def elapsed(steps: Sequence[Step]) -> Elapsed:
        start = timer()
        for one in steps:
            one()
        return Elapsed(timer() - start)

    found, _ = collect(Sampler([step], elapsed, timer, SoloWorld()), Clock(tick, 0.0), POLICY, 0.05)
    assert found.iterations * 0.7e-3 > 1000 * tick
    assert all(value == pytest.approx(0.7e-3, rel=1e-3) for value in found.seconds)


@pytest.mark.parametrize("wrong", [0.0, -1e-3, math.nan, math.inf])
def test_a_batch_that_cannot_have_taken_what_the_clock_says_is_no_measurement(wrong: float) -> None:
    times = itertools.chain([1e-3] * 30, [wrong], itertools.repeat(1e-3))
    broken = Sampler([lambda: None], lambda steps: Elapsed(next(times)), lambda: 0.0, SoloWorld())
    with pytest.raises(MeasureError, match="clock"):
        collect(broken, Clock(0.0, 0.0), POLICY, 0.05)


def test_a_clock_that_runs_backwards_from_the_start_is_no_measurement() -> None:
    broken = Sampler([lambda: None], lambda steps: Elapsed(-1e-3), lambda: 0.0, SoloWorld())
    with pytest.raises(MeasureError, match="clock"):
        collect(broken, Clock(0.0, 0.0), POLICY, 0.05)


@pytest.mark.parametrize("claim", [0.0, 4e-4])
def test_a_clock_that_says_the_same_for_any_work_is_no_measurement(claim: float) -> None:
    broken = Sampler([lambda: None], lambda steps: Elapsed(claim), lambda: 0.0, SoloWorld())
    with pytest.raises(MeasureError, match="no longer than one"):
        collect(broken, Clock(0.0, 0.0), POLICY, 0.05)


def test_every_sample_says_when_it_began() -> None:
    sample, scripted = sampler(1e-3, 1.5e-3)
    scripted.now = 100.0
    found, began = collect(sample, Clock(0.0, 0.0), POLICY, 0.05)
    assert found.warmup_starts[0] == 0.0
    assert began > 100.0, "what chose the batch came before"
    starts, lasted = (*found.warmup_starts, *found.starts), (*found.warmup, *found.seconds)
    for start, following, seconds in zip(starts, starts[1:], lasted, strict=False):
        assert following - start == pytest.approx(seconds * found.iterations)


def two_clocks(*hosts: float | None) -> Sampler:
    """Batches of a millisecond by the device's clock, and by the host's what is given, in turn."""
    told = itertools.cycle(hosts)
    return Sampler([lambda: None], lambda steps: Elapsed(1e-3, next(told)), lambda: 0.0, SoloWorld())


@pytest.mark.parametrize("host", [None, 1e-3, 0.981e-3, 1.0199e-3])
def test_clocks_that_agree_within_two_percent_or_twenty_microseconds_are_believed(host: float | None) -> None:
    found, _ = collect(two_clocks(host), Clock(0.0, 0.0), POLICY, 0.05)
    assert found.caveats == ()
    assert found.annotations == {}


@pytest.mark.parametrize("host", [2e-3, 0.9e-3, 1.03e-3, 0.0, math.nan])
def test_clocks_that_disagree_are_told_with_every_sample_kept(host: float) -> None:
    found, _ = collect(two_clocks(host), Clock(0.0, 0.0), POLICY, 0.05)
    assert [caveat.code for caveat in found.caveats] == ["CLOCK_DISAGREE"]
    assert found.annotations["CLOCK_DISAGREE"] == tuple(range(len(found.seconds)))
    assert len(found.seconds) >= 20


def test_a_host_that_saw_one_end_late_annotates_that_sample_and_leaves_the_result_in_peace() -> None:
    found, _ = collect(two_clocks(*[1e-3] * 24, 5e-3), Clock(0.0, 0.0), POLICY, 0.05)
    assert 1 <= len(found.annotations["CLOCK_DISAGREE"]) <= 2
    assert found.caveats == ()


def test_slow_work_is_timed_one_at_a_time_and_stops_in_time() -> None:
    sample, scripted = sampler(1.0, 1.2)
    found, _ = collect(sample, Clock(0.0, 0.0), POLICY, 0.05)
    assert found.iterations == 1
    assert len(found.seconds) == 5
    assert scripted.calls < 15
    assert "IMPRECISE" in [caveat.code for caveat in found.caveats]


def test_precise_samples_stop_early_and_carry_no_caveat() -> None:
    sample, _ = sampler(1e-3, 1.0001e-3, 0.9999e-3)
    found, _ = collect(sample, Clock(0.0, 0.0), replace(POLICY, seconds=10.0), 10.0)
    assert len(found.seconds) == 30, "narrow at two looks in a row, after 20 and after 30"
    assert found.caveats == ()


def test_a_ramp_is_called_not_steady() -> None:
    scripted = Scripted(itertools.chain(np.linspace(1e-3, 2e-3, 5000), itertools.repeat(2e-3)))
    found, _ = collect(
        Sampler([scripted.step], scripted.elapsed, scripted.timer, SoloWorld()),
        Clock(0.0, 0.0),
        replace(POLICY, seconds=0.1),
        0.1,
    )
    assert "NOT_STEADY" in [caveat.code for caveat in found.caveats]


def test_warm_up_waits_until_blocks_agree_and_is_kept_apart() -> None:
    slow_start = itertools.chain([5e-3] * 12, itertools.repeat(1e-3))
    scripted = Scripted(slow_start)
    found, _ = collect(
        Sampler([scripted.step], scripted.elapsed, scripted.timer, SoloWorld()),
        Clock(0.0, 0.0),
        replace(POLICY, warmup=0.03),
        0.05,
    )
    assert max(found.warmup) == pytest.approx(5e-3)
    assert max(found.seconds) == pytest.approx(1e-3)


def warmed(durations: Iterator[float], warmup: float = 0.03) -> Samples:
    scripted = Scripted(durations)
    policy = replace(POLICY, warmup=warmup)
    return collect(
        Sampler([scripted.step], scripted.elapsed, scripted.timer, SoloWorld()), Clock(0.0, 0.0), policy, 0.05
    )[0]


def test_steady_work_is_warmed_up_for_the_time_that_was_asked() -> None:
    found = warmed(itertools.repeat(1e-3))
    assert len(found.warmup) == 30
    assert found.caveats == ()
    assert found.steady_from == 0
    assert len(warmed(itertools.repeat(1e-3), warmup=0.0).warmup) == 3


def test_work_that_goes_on_drifting_is_warmed_up_three_times_as_long_and_then_not_called_steady() -> None:
    found = warmed(1e-3 * (1.0 + 0.002 * i) for i in itertools.count())
    assert sum(found.warmup) == pytest.approx(0.09, rel=0.05)
    assert [caveat.code for caveat in found.caveats if caveat.code != "IMPRECISE"] == ["NOT_STEADY"]
    assert len(found.seconds) >= 20, "the numbers are kept"


def test_noise_alone_lengthens_the_warm_up_but_is_not_called_unsteady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.measure.collect.settled", lambda recent: False)  # noise rarely fails for so long
    noise = 1.0 + 0.05 * np.random.default_rng(1).standard_normal(100_000)
    codes = [caveat.code for caveat in warmed(iter(1e-3 * noise)).caveats]
    assert codes == ["IMPRECISE"]


def test_an_approach_that_outlasted_the_warm_up_is_marked_in_the_samples() -> None:
    found = warmed(itertools.chain([2e-3] * 10, itertools.repeat(1e-3)), warmup=0.0)
    assert found.steady_from == 5, "two batches chose the size, three were the warm-up"
    assert min(found.seconds[:5]) > 1.9e-3


def test_every_buffer_set_takes_its_turn() -> None:
    scripted = Scripted(itertools.repeat(1e-4))
    calls = [0, 0, 0]

    def step(which: int) -> None:
        calls[which] += 1
        scripted.step()

    collect(
        Sampler([partial(step, i) for i in range(3)], scripted.elapsed, scripted.timer, SoloWorld()),
        Clock(0.0, 0.0),
        POLICY,
        0.05,
    )
    assert max(calls) - min(calls) <= 1
    assert min(calls) > 10


# -- a whole task -----------------------------------------------------------------------------

CASE = Case.of("toy", n=64, kind="a")


def task(name: str, backend: FakeBackend, n: int = 64, cache: CacheMode = CacheMode.COLD) -> Outcome:
    bench = Bench(backend, SoloWorld(), Clock(0.0, 0.0), POLICY)
    benchmark, case = replace(toy(), cache=cache), Case.of("toy", n=n, kind="a")
    implementation = next(item for item in benchmark.implementations if item.name == name)
    return Measurement(bench, benchmark, implementation, case, prepare(benchmark, case, 0, 1), 0.05).outcome().outcome


def outcome(name: str, script: Script | None = None) -> Outcome:
    return task(name, FakeBackend(script))


def test_a_right_kernel_gets_a_time() -> None:
    found = outcome("good")
    assert isinstance(found, Samples)
    assert found.seconds[0] == pytest.approx(1e-3, rel=0.02)
    assert found.sets > 1  # the toy is a cold case


@pytest.mark.parametrize("name", ["wrong", "nan", "idle"])
def test_a_wrong_kernel_never_gets_a_time(name: str) -> None:
    assert isinstance(outcome(name), Rejected)


def test_a_kernel_that_goes_wrong_under_way_is_rejected_after_timing() -> None:
    calls = 0

    def tires(buffers: dict[str, np.ndarray], case: Case) -> None:
        nonlocal calls
        calls += 1
        np.multiply(buffers["x"], 2.0 if calls < 500 else 2.1, out=buffers["y"])

    benchmark = toy(good=tires)
    bench = Bench(FakeBackend(Script((1e-6,))), SoloWorld(), Clock(0.0, 0.0), POLICY)
    found = (
        Measurement(bench, benchmark, benchmark.implementations[0], CASE, prepare(benchmark, CASE, 0, 1), 0.05)
        .outcome()
        .outcome
    )
    assert isinstance(found, Rejected)
    assert found.reason.startswith("after timing")


def test_a_task_says_what_it_is_about_to_do() -> None:
    said: list[str] = []
    benchmark = toy(good=lambda buffers, case: (said.append("step"), np.multiply(buffers["x"], 2.0, out=buffers["y"])))
    bench = Bench(FakeBackend(), SoloWorld(), Clock(0.0, 0.0), POLICY)
    prepared = prepare(benchmark, CASE, 0, 1)
    Measurement(bench, benchmark, benchmark.implementations[0], CASE, prepared, 0.05, said.append).outcome()
    order = [words for words, _ in itertools.groupby(said)]
    assert order == ["compile", "step", "verify", "measure", "step", "verify"], "first calls still compile"


def test_a_standing_clock_is_no_measurement() -> None:
    with pytest.raises(MeasureError):
        outcome("good", Script((0.0,)))


def test_too_little_memory_is_a_failure_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBackend, "memory_bytes", lambda self: 100)
    found = outcome("good")
    assert isinstance(found, Failed)
    assert "do not fit" in found.reason


def test_own_inputs_are_made_once_and_no_reference_can_change_them() -> None:
    made: list[int] = []
    benchmark = toy()

    def inputs(case: Case, rng: np.random.Generator) -> Arrays:
        made.append(case.ranks)
        return benchmark.inputs(case, rng)

    def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
        assert not np.array_equal(ranks[1]["x"], ranks[0]["x"])
        with pytest.raises(ValueError, match="read-only"):
            ranks[1]["x"][0] = 0.0
        return {"y": Expected(2.0 * ranks[1]["x"])}

    prepared = prepare(replace(benchmark, inputs=inputs, reference=reference), replace(CASE, ranks=2), 1, 4)
    assert len(made) == 2, "this rank's once, the other's once"
    assert np.array_equal(prepared.expected["y"].values, 2.0 * prepared.inputs["x"])


def test_rank_inputs_are_reproducible_and_differ_between_ranks() -> None:
    benchmark, case = toy(), Case.of("toy", ranks=3, n=64, kind="a")
    ranks = RankInputs(benchmark, case, seed=4)
    assert len(ranks) == 3
    assert np.array_equal(ranks[1]["x"], RankInputs(benchmark, case, seed=4)[1]["x"])
    assert not np.array_equal(ranks[0]["x"], ranks[1]["x"])
    assert not np.array_equal(ranks[0]["x"], RankInputs(benchmark, case, seed=5)[0]["x"])
    assert len(list(ranks)) == 3
    with pytest.raises(IndexError):
        ranks[3]
