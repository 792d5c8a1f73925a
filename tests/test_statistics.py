"""Intervals, run-level decisions and steadiness: their laws and their error rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import beta, binom

from benchsuite.model import Case, Samples
from benchsuite.statistics.describe import summarise
from benchsuite.statistics.interval import effective_size, lag1, median_interval, median_ranks, persistence, precise
from benchsuite.statistics.runs import Truth, Verdict, estimate, holm, runs_needed, verdict, welch
from benchsuite.statistics.shape import bimodal, dip
from benchsuite.statistics.steady import drifted, mser, settled, trend
from tests.builders import record
from tests.conftest import toy

durations = st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=60)


def clopper_pearson_low(hits: int, n: int, confidence: float = 0.999) -> float:
    return float(beta.ppf(1 - confidence, hits, n - hits + 1)) if hits else 0.0


def test_ranks_need_six_samples_for_95_and_eight_for_99_percent() -> None:
    assert median_ranks(5, 0.95) is None
    assert median_ranks(6, 0.95) == (0, 5)
    assert median_ranks(7, 0.99) is None
    assert median_ranks(8, 0.99) == (0, 7)


@given(st.integers(6, 400), st.sampled_from([0.9, 0.95, 0.99]))
def test_ranks_are_the_tightest_that_hold_the_confidence(n: int, confidence: float) -> None:
    ranks = median_ranks(n, confidence)
    if ranks is None:
        return
    low, high = ranks
    assert low + high == n - 1
    assert 1 - 2 * binom.cdf(low, n, 0.5) >= confidence
    assert 1 - 2 * binom.cdf(low + 1, n, 0.5) < confidence


def test_coverage_holds_for_correlated_samples() -> None:
    """AR(1) with r = 0.7: without the effective size the interval would cover far less than it says."""
    rng = np.random.default_rng(7)
    covered, reps = 0, 400
    for _ in range(reps):
        noise = rng.standard_normal(120)
        x = np.empty(120)
        x[0] = noise[0]
        for i in range(1, 120):
            x[i] = 0.7 * x[i - 1] + math.sqrt(1 - 0.49) * noise[i]
        interval = median_interval([*x], 0.95)
        covered += interval is None or interval[0] <= 0.0 <= interval[1]
    assert covered / reps > 0.92


@given(durations)
def test_interval_brackets_the_median_and_lies_within_the_samples(values: list[float]) -> None:
    interval = median_interval(values, 0.95)
    if interval is not None:
        assert min(values) <= interval[0] <= np.median(values) <= interval[1] <= max(values)


def test_effective_size_falls_with_correlation_and_never_exceeds_n() -> None:
    rng = np.random.default_rng(1)
    white = [*rng.standard_normal(500)]
    walk = [*np.cumsum(white)]
    assert 350 < effective_size(white) <= 500
    assert effective_size(walk) < 30
    assert effective_size([1.0, -1.0] * 50) == 100  # negative correlation never counts as more samples
    assert lag1([3.0, 3.0, 3.0]) == 0.0


def test_a_spike_does_not_hide_that_samples_follow_each_other() -> None:
    ramp = [1.0 + 0.001 * i for i in range(60)]
    spiked = [value + 100.0 * (i % 15 == 7) for i, value in enumerate(ramp)]
    assert lag1(spiked) < 0.1
    assert persistence(spiked) > 0.7
    assert effective_size(spiked) < 20


@given(durations)
def test_effective_size_is_between_one_and_n_and_has_no_unit(values: list[float]) -> None:
    assert 1.0 <= effective_size(values) <= len(values)
    assert effective_size([2.0**10 * value for value in values]) == pytest.approx(effective_size(values))


def test_precise_is_about_the_median_not_the_spread() -> None:
    rng = np.random.default_rng(3)
    few, many = (list(1.0 + 0.02 * rng.standard_normal(n)) for n in (20, 2000))
    assert not precise(few, 0.005)
    assert precise(many, 0.005)


@given(durations, st.floats(1e-3, 1e3))
def test_summary_scales_with_the_unit(values: list[float], factor: float) -> None:
    one, other = summarise(values), summarise([value * factor for value in values])
    for name in ("median", "low", "high", "minimum", "p5", "p95", "maximum"):
        assert getattr(other, name) == pytest.approx(getattr(one, name) * factor, rel=1e-9)
    assert other.n == one.n


def test_outliers_are_counted_and_kept() -> None:
    summary = summarise([*np.linspace(1.0, 1.1, 40), 1.2, 9.0])
    assert (summary.outliers_mild, summary.outliers_severe) == (1, 1)
    assert summary.maximum == 9.0
    assert summary.n == 42


@pytest.mark.parametrize("bad", [[], [0.0], [-1.0], [math.nan], [math.inf], [1.0, math.nan]])
def test_no_summary_of_what_is_no_duration(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="positive, finite"):
        summarise(bad)


def test_estimate_is_geometric_and_needs_two_runs() -> None:
    assert estimate([5.0]) is None
    found = estimate([1.0, 4.0])
    assert found is not None
    assert found.value == pytest.approx(2.0)
    assert found.low < 1.0
    assert found.high > 4.0


@given(st.lists(st.floats(0.9, 1.1), min_size=3, max_size=8), st.lists(st.floats(0.9, 1.1), min_size=3, max_size=8))
def test_welch_is_antisymmetric_and_unit_free(a: list[float], b: list[float]) -> None:
    there, back = welch(a, b), welch(b, a)
    assert there is not None
    assert back is not None
    assert there.ratio == pytest.approx(1 / back.ratio)
    assert there.low == pytest.approx(1 / back.high)
    scaled = welch([7 * x for x in a], [7 * x for x in b])
    assert scaled is not None
    assert scaled.ratio == pytest.approx(there.ratio)


def test_welch_refuses_two_runs() -> None:
    assert welch([1.0, 1.1], [1.0, 1.1, 1.2]) is None


def test_same_against_same_raises_the_stated_number_of_alarms() -> None:
    """A/A: the p-value's rate stays at its level, and no verdict 'beyond 1 %' is given at 0.5 % run spread."""
    rng = np.random.default_rng(11)
    reps, alarms, verdicts = 2000, 0, 0
    for _ in range(reps):
        a, b = (np.exp(0.005 * rng.standard_normal(5)) for _ in range(2))
        ratio = welch([*a], [*b])
        assert ratio is not None
        alarms += ratio.p < 0.05
        verdicts += verdict(ratio, ratio.p < 0.05) in {Verdict.FASTER, Verdict.SLOWER}
    assert clopper_pearson_low(alarms, reps) <= 0.05
    assert verdicts <= 2


def test_a_real_difference_is_found() -> None:
    ratio = welch([1.0, 1.002, 0.998, 1.001, 0.999], [1.1, 1.102, 1.098, 1.101, 1.099])
    assert ratio is not None
    assert verdict(ratio, shown=True) is Verdict.FASTER
    assert verdict(ratio, shown=False) is Verdict.UNDECIDED


def test_same_needs_the_whole_interval_inside_the_margin() -> None:
    tight = welch([1.0, 1.0005, 0.9995], [1.0, 1.0004, 0.9996])
    loose = welch([1.0, 1.05, 0.95], [1.0, 1.04, 0.96])
    assert tight is not None
    assert loose is not None
    assert verdict(tight, shown=False) is Verdict.SAME
    assert verdict(loose, shown=False) is Verdict.UNDECIDED


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == [True, False, False]
    assert holm([0.01, 0.02, 0.03]) == [True, True, True]
    assert holm([]) == []
    assert holm([math.nan]) == [False]


def test_runs_needed_grows_with_the_spread() -> None:
    assert runs_needed(Truth(0.0, 0.001, 0.001)) == 3
    assert runs_needed(Truth(0.0, 0.05, 0.05)) in range(300, 600)
    assert runs_needed(Truth(0.0, 0.1, 0.1)) is None
    assert runs_needed(Truth(math.log(1.01), 0.01, 0.01)) is None  # the truth lies on the margin itself
    assert Truth.estimated([1.0], [1.0, 1.1]) is None


def test_clean_is_what_no_annotation_touches_and_the_median_is_of_all() -> None:
    seconds = [1.0, 2.0, 1.1, 2.1, 1.2, 2.2]
    summary = summarise(seconds, {"THERMAL": (1, 3), "CONTENDED": (3, 5)})
    assert (summary.n, summary.clean, summary.clean_median) == (6, 3, 1.1)
    assert summary.median == pytest.approx(1.6)
    assert summarise(seconds).clean == 6
    annotated = Samples(tuple(seconds), iterations=1, annotations={"THERMAL": (1, 3), "CONTENDED": (3, 5)})
    stored = record(toy(), Case.of("toy", n=64, kind="a"), outcome=annotated).summary
    assert stored is not None
    assert (stored.clean, stored.clean_median) == (3, 1.1)
    none_left = summarise(seconds, {"THERMAL": range(6)})
    assert (none_left.clean, none_left.clean_median) == (0, None)


# -- shape ------------------------------------------------------------------------------------


def nearest_with_one_peak(values: list[float]) -> float:
    """The dip by its definition: a linear program for each place where the peak may be, the least of all."""
    x, counts = np.unique(values, return_counts=True)
    upto, gaps = np.cumsum(counts) / counts.sum(), np.diff(x)
    steps = np.stack([upto - counts / counts.sum(), upto], axis=1)
    return min(_distance(gaps, steps, peak) for peak in range(x.size))


def _distance(gaps: np.ndarray, steps: np.ndarray, peak: int) -> float:
    """Unknown are the values at each place, two of them at the peak (before and after its jump), and the distance."""
    count = len(steps)
    rows: list[np.ndarray] = []
    limits: list[float] = []

    def demand(limit: float, **coefficients: float) -> None:
        row = np.zeros(count + 2)
        for name, value in coefficients.items():
            row[int(name[1:])] += value
        rows.append(row)
        limits.append(limit)

    def at(place: int, side: int) -> str:
        return f"v{place + (place > peak or (place == peak and side == 1))}"

    far = f"v{count + 1}"
    for place in range(count):
        for side in (0, 1):
            demand(steps[place, side], **{at(place, side): 1.0, far: -1.0})
            demand(-steps[place, side], **{at(place, side): -1.0, far: -1.0})
        if place + 1 < count:
            demand(0.0, **{at(place, 1): 1.0, at(place + 1, 0): -1.0})
    demand(0.0, **{at(peak, 0): 1.0, at(peak, 1): -1.0})
    for place in range(1, count - 1):
        if place != peak:
            bend = 1.0 if place < peak else -1.0
            left, right = bend / gaps[place - 1], bend / gaps[place]
            demand(0.0, **{at(place - 1, 1): -left, at(place, 0): left + right, at(place + 1, 0): -right})
    cost = np.zeros(count + 2)
    cost[-1] = 1.0
    found = linprog(cost, A_ub=np.array(rows), b_ub=limits, bounds=[(None, None)] * (count + 1) + [(0.0, None)])
    return float(found.fun)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=3, max_size=10))
def test_the_dip_is_the_distance_to_the_nearest_distribution_with_one_peak(values: list[int]) -> None:
    numbers = [float(value) for value in values]
    assert dip(numbers) == pytest.approx(nearest_with_one_peak(numbers), abs=1e-7)


def test_two_groups_are_bimodal_unless_they_are_the_clock_s_ticks() -> None:
    rng = np.random.default_rng(2)
    groups = [float(value) for value in np.where(rng.random(60) < 0.5, 1.0, 1.1) + 0.002 * rng.standard_normal(60)]
    assert bimodal(groups)
    assert summarise(groups).bimodal
    assert not bimodal([1.0 if value < 1.05 else 1.001 for value in groups])
    assert not bimodal(groups[:10])
    assert not bimodal([1.0] * 60)


# -- steadiness -------------------------------------------------------------------------------


def test_trend_is_the_rise_over_the_window_and_no_spike_bends_it() -> None:
    ramp = list(np.linspace(1.0, 1.1, 60))
    assert trend(ramp) == pytest.approx(0.1 / 1.05, rel=0.05)
    assert trend(ramp[::-1]) == pytest.approx(-0.1 / 1.05, rel=0.05)
    assert abs(trend([*[1.0] * 58, 9.0, 9.0])) < 1e-9
    assert trend([1.0, 2.0]) == 0.0


def test_settled_needs_two_blocks_that_agree_and_no_trend() -> None:
    assert settled([1.0] * 20)
    assert not settled([1.0] * 19)
    assert not settled([1.0] * 10 + [1.006] * 10)
    assert not settled(list(np.linspace(1.0, 1.02, 60)))  # neighbouring blocks agree, the whole does not


def test_mser_sets_the_approach_aside_and_half_at_most() -> None:
    assert mser([3.0] * 10 + [1.0, 1.01] * 40) == 10
    assert mser([1.0, 1.01] * 40) == 0
    assert mser(list(np.linspace(2.0, 1.0, 100))) <= 50
    assert mser([1.0] * 19) == 0


def test_drift_is_seen_and_flat_data_is_not() -> None:
    rng = np.random.default_rng(5)
    flat = 1.0 + 0.002 * rng.standard_normal(90)
    ramp = flat + np.linspace(0.0, 0.03, 90)
    assert not drifted([*flat])
    assert drifted([*ramp])
    assert not drifted([1.0, 2.0])
