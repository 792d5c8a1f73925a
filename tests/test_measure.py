"""Clock, verification, rotation, warm-up, batching and stopping, all on a scripted clock."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    CacheMode,
    Case,
    Expected,
    Failed,
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

    def elapsed(self, steps: Sequence[Step]) -> float:
        start = self.now
        for step in steps:
            step()
        return self.now - start


def sampler(*durations: float, sets: int = 1) -> tuple[Sampler, Scripted]:
    scripted = Scripted(itertools.cycle(durations))
    return Sampler([scripted.step] * sets, scripted.elapsed, SoloWorld()), scripted


# -- clock ------------------------------------------------------------------------------------


def test_the_clock_is_measured_and_sets_the_shortest_batch() -> None:
    ticks = itertools.chain.from_iterable(itertools.repeat(i * 0.0156, 3) for i in itertools.count())
    clock = calibrate(lambda: next(ticks), calls=300)
    assert clock.tick == pytest.approx(0.0156)
    assert clock.shortest_batch == pytest.approx(15.6)
    assert Clock(tick=1e-9, overhead=5e-8).shortest_batch == 500e-6


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


def test_buffers_that_do_not_fit_are_refused_not_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend()
    monkeypatch.setattr(backend, "memory_bytes", lambda: 1 << 16)
    with pytest.raises(MeasureError, match="do not fit"):
        allocate(backend, {"x": np.zeros(1024)}, {}, CacheMode.COLD)


# -- collecting -------------------------------------------------------------------------------


def test_batches_grow_to_the_shortest_batch() -> None:
    sample, _ = sampler(1e-6)
    found = collect(sample, Clock(0.0, 0.0), POLICY, 0.05)
    assert found.iterations * 1e-6 >= 500e-6
    assert found.seconds[0] == pytest.approx(1e-6)


def test_slow_work_is_timed_one_at_a_time_and_stops_in_time() -> None:
    sample, scripted = sampler(1.0, 1.2)
    found = collect(sample, Clock(0.0, 0.0), POLICY, 0.05)
    assert found.iterations == 1
    assert len(found.seconds) == 5
    assert scripted.calls < 15
    assert "IMPRECISE" in [caveat.code for caveat in found.caveats]


def test_precise_samples_stop_early_and_carry_no_caveat() -> None:
    sample, _ = sampler(1e-3, 1.0001e-3, 0.9999e-3)
    found = collect(sample, Clock(0.0, 0.0), replace(POLICY, seconds=10.0), 10.0)
    assert len(found.seconds) == 20
    assert found.caveats == ()


def test_a_ramp_is_called_not_steady() -> None:
    scripted = Scripted(itertools.chain(np.linspace(1e-3, 2e-3, 5000), itertools.repeat(2e-3)))
    found = collect(
        Sampler([scripted.step], scripted.elapsed, SoloWorld()), Clock(0.0, 0.0), replace(POLICY, seconds=0.1), 0.1
    )
    assert "NOT_STEADY" in [caveat.code for caveat in found.caveats]


def test_warm_up_waits_until_blocks_agree_and_is_kept_apart() -> None:
    slow_start = itertools.chain([5e-3] * 12, itertools.repeat(1e-3))
    scripted = Scripted(slow_start)
    found = collect(
        Sampler([scripted.step], scripted.elapsed, SoloWorld()), Clock(0.0, 0.0), replace(POLICY, warmup=0.03), 0.05
    )
    assert max(found.warmup) == pytest.approx(5e-3)
    assert max(found.seconds) == pytest.approx(1e-3)


def test_every_buffer_set_takes_its_turn() -> None:
    scripted = Scripted(itertools.repeat(1e-4))
    calls = [0, 0, 0]

    def step(which: int) -> None:
        calls[which] += 1
        scripted.step()

    collect(Sampler([partial(step, i) for i in range(3)], scripted.elapsed, SoloWorld()), Clock(0.0, 0.0), POLICY, 0.05)
    assert max(calls) - min(calls) <= 1
    assert min(calls) > 10


# -- a whole task -----------------------------------------------------------------------------

CASE = Case.of("toy", n=64, kind="a")


def outcome(name: str, script: Script | None = None) -> Outcome:
    bench = Bench(FakeBackend(script), SoloWorld(), Clock(0.0, 0.0), POLICY, neighbours=lambda *_: ())
    benchmark = toy()
    implementation = next(item for item in benchmark.implementations if item.name == name)
    return Measurement(bench, benchmark, implementation, CASE, prepare(benchmark, CASE, 0, 1), 0.05).outcome()


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
    bench = Bench(FakeBackend(Script((1e-6,))), SoloWorld(), Clock(0.0, 0.0), POLICY, neighbours=lambda *_: ())
    found = Measurement(
        bench, benchmark, benchmark.implementations[0], CASE, prepare(benchmark, CASE, 0, 1), 0.05
    ).outcome()
    assert isinstance(found, Rejected)
    assert found.reason.startswith("after timing")


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
