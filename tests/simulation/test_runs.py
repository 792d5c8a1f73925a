"""Error rates and power of decisions between runs, and what the components of variance promise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from scipy.stats import ttest_ind

from benchsuite.compare import compare
from benchsuite.model import Case, Score, Spread
from benchsuite.normalize import scores
from benchsuite.statistics.components import components, half_width, pilot
from benchsuite.statistics.describe import summarise
from benchsuite.statistics.runs import (
    Estimate,
    Truth,
    Verdict,
    benjamini_hochberg,
    estimate,
    holm,
    power,
    ratio_of_medians,
    runs_needed,
    verdict,
    welch,
)
from tests.builders import plan_of, record
from tests.conftest import toy
from tests.simulation.draws import Array, at_least, at_most, correlated

NOISE = 0.005
"""Between the runs, and of the samples within each: relative standard deviations."""
SAMPLES = 50
DIFFERENT = {Verdict.FASTER, Verdict.SLOWER}
TOYS = {"toy": toy()}


def campaigns(reps: int, runs: int, change: float = 0.0, seed: int = 1) -> Iterator[tuple[Array, Array]]:
    """Pairs of campaigns: samples in seconds, a row for each run; the second takes longer by ``change``."""
    rng = np.random.default_rng(seed)
    for _ in range(reps):
        a, b = (
            np.exp(NOISE * rng.standard_normal((runs, 1)) + NOISE * rng.standard_normal((runs, SAMPLES)))
            for _ in range(2)
        )
        yield a, b * (1.0 + change)


def claims(values: Iterator[tuple[Sequence[float], Sequence[float]]]) -> int:
    """How many pairs are called different when any difference counts, however small."""
    found = 0
    for a, b in values:
        ratio = welch(a, b)
        assert ratio is not None
        found += verdict(ratio, holm([ratio.p])[0], margin=0.0) in DIFFERENT
    return found


def medians(pairs: Iterator[tuple[Array, Array]]) -> Iterator[tuple[Sequence[float], Sequence[float]]]:
    """What the suite decides from."""
    return ((np.median(a, axis=1).tolist(), np.median(b, axis=1).tolist()) for a, b in pairs)


def pooled(pairs: Iterator[tuple[Array, Array]]) -> Iterator[tuple[Sequence[float], Sequence[float]]]:
    """What it must not decide from: the samples of all runs together."""
    return ((a.ravel().tolist(), b.ravel().tolist()) for a, b in pairs)


@pytest.mark.parametrize("runs", [3, 5, 10])
def test_same_against_same_is_called_different_in_5_percent_at_most(runs: int) -> None:
    reps = 2000
    assert at_least(claims(medians(campaigns(reps, runs))), reps) <= 0.05


@pytest.mark.long
@pytest.mark.parametrize("runs", [3, 5, 10])
def test_the_same_to_half_a_percent(runs: int) -> None:
    reps = 20_000
    found = claims(medians(campaigns(reps, runs))) / reps
    assert found <= 0.055, found


@pytest.mark.parametrize("runs", [3, 5, 10])
def test_pooled_samples_would_raise_the_alarm_in_most_cases(runs: int) -> None:
    reps = 300
    assert at_least(claims(pooled(campaigns(reps, runs))), reps) > 0.5


def test_a_change_of_2_percent_is_shown_by_5_runs_in_95_percent() -> None:
    reps = 2000
    assert at_most(reps - claims(medians(campaigns(reps, 5, 0.02))), reps) <= 0.05


def scored(samples: Array) -> list[Score]:
    """The road of real samples: records become a score."""
    case = Case.of("toy", n=64, kind="a")
    records = [record(TOYS["toy"], case, run=run, seconds=row.tolist()) for run, row in enumerate(samples)]
    return scores(records, plan_of((case, "good")), TOYS, cache=1)[0]


@pytest.mark.parametrize("reps", [400, pytest.param(4000, marks=pytest.mark.long)])
def test_from_samples_to_verdicts_no_difference_is_called_where_there_is_none(reps: int) -> None:
    """Beyond the margin of 1 %: much rarer than 5 %, since noise must also look like more than 1 %."""
    found = [compare(scored(a), scored(b)).rows[0].verdict for a, b in campaigns(reps, 5)]
    assert at_least(sum(one in DIFFERENT for one in found), reps) <= 0.001
    slowed = [compare(scored(a), scored(b)).rows[0].verdict for a, b in campaigns(reps // 10, 5, 0.05)]
    assert set(slowed) == {Verdict.SLOWER}


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("noise", [0.001, 0.003])
def test_a_difference_as_large_as_the_margin_is_called_same_in_5_percent_at_most(runs: int, noise: float) -> None:
    rng, reps, hits, near = np.random.default_rng(3), 1000, 0, 0
    for _ in range(reps):
        a, b = (np.exp(noise * rng.standard_normal((2, runs))) * [[1.0], [1.01]]).tolist()
        ratio = welch(a, b)
        assert ratio is not None
        hits += verdict(ratio, shown=False) is Verdict.SAME
        near += 1 / 1.01 <= ratio.ratio <= 1.01
    assert at_least(hits, reps) <= 0.05
    assert at_least(near, reps) > 0.3  # the estimate alone would call it same in half of the cases


def test_welch_is_welch() -> None:
    rng = np.random.default_rng(4)
    a, b = np.exp(rng.standard_normal(5)), np.exp(3.0 * rng.standard_normal(8))
    ratio, known = welch(a.tolist(), b.tolist()), ttest_ind(np.log(b), np.log(a), equal_var=False)
    assert ratio is not None
    assert ratio.p == pytest.approx(known.pvalue)
    assert np.log([ratio.low, ratio.high]) == pytest.approx(list(known.confidence_interval(0.95)))
    assert np.log([ratio.same_low, ratio.same_high]) == pytest.approx(list(known.confidence_interval(0.9)))


PAIRS, CHANGED = 200, 100


def families(reps: int, changed: int) -> Iterator[list[float]]:
    """p-values of ``PAIRS`` comparisons of five runs a side, the first ``changed`` of which differ by 2 %."""
    rng = np.random.default_rng(5)
    change = np.where(np.arange(PAIRS) < changed, 0.02, 0.0)
    for _ in range(reps):
        a, b = NOISE * rng.standard_normal((2, PAIRS, 5))
        yield ttest_ind(a + change[:, None], b, axis=1, equal_var=False).pvalue.tolist()


@pytest.mark.parametrize("reps", [400, pytest.param(10_000, marks=pytest.mark.long)])
def test_of_200_comparisons_not_one_is_wrong_in_95_percent_of_reports(reps: int) -> None:
    unchanged = list(families(reps, 0))
    assert at_least(sum(any(holm(family)) for family in unchanged), reps) <= 0.05
    assert at_least(sum(any(benjamini_hochberg(family)) for family in unchanged), reps) <= 0.05
    uncorrected = sum(min(family) <= 0.05 for family in unchanged)
    assert at_least(uncorrected, reps) > 0.95  # without a correction nearly every report would be wrong
    changed = list(families(reps, CHANGED))
    assert at_least(sum(any(holm(family)[CHANGED:]) for family in changed), reps) <= 0.05


def test_exploration_finds_more_and_5_percent_of_it_is_false() -> None:
    reps, shares, more = 400, [], 0
    for family in families(reps, CHANGED):
        found = benjamini_hochberg(family)
        shares.append(sum(found[CHANGED:]) / max(1, sum(found)))
        more += sum(found[:CHANGED]) - sum(holm(family)[:CHANGED])
    assert np.mean(shares) - 4.0 * np.std(shares) / math.sqrt(reps) <= 0.05
    assert more / reps > 0.3 * CHANGED


def test_benjamini_hochberg_steps_up() -> None:
    assert benjamini_hochberg([0.01, 0.045, 0.03, 0.9]) == [True, False, False, False]
    assert benjamini_hochberg([0.03, 0.01, 0.035, 0.036]) == [True] * 4  # 0.036 <= 0.05 carries the others
    assert benjamini_hochberg([]) == []
    assert benjamini_hochberg([math.nan]) == [False]


TRUTHS = (
    (Truth(0.02, 0.005, 0.005), 1),
    (Truth(0.02, 0.005, 0.005), 200),
    (Truth(0.0, 0.005, 0.005), 1),
    (Truth(-0.02, 0.003, 0.01), 40),
    (Truth(0.005, 0.005, 0.005), 20),
)


def decided(truth: Truth, runs: int, tests: int, reps: int) -> int:
    """In how many of ``reps`` comparisons a verdict is reached, when this one is the least of ``tests``."""
    rng, hits = np.random.default_rng(6), 0
    for _ in range(reps):
        a = np.exp(truth.sd_a * rng.standard_normal(runs)).tolist()
        b = np.exp(truth.difference + truth.sd_b * rng.standard_normal(runs)).tolist()
        ratio = welch(a, b)
        assert ratio is not None
        hits += verdict(ratio, holm([ratio.p] + [0.9] * (tests - 1))[0]) is not Verdict.UNDECIDED
    return hits


@pytest.mark.parametrize("reps", [500, pytest.param(20_000, marks=pytest.mark.long)])
@pytest.mark.parametrize(("truth", "tests"), TRUTHS)
def test_with_the_runs_needed_a_verdict_is_reached_in_80_percent(truth: Truth, tests: int, reps: int) -> None:
    needed = runs_needed(truth, tests=tests)
    assert needed is not None
    hits = decided(truth, needed, tests, reps)
    assert at_most(hits, reps) >= 0.8
    assert at_least(hits, reps) <= power(truth, needed, tests=tests) + 0.005
    assert at_most(hits, reps) >= power(truth, needed, tests=tests) - 0.005
    assert at_least(decided(truth, needed - 1, tests, reps), reps) <= 0.805


def test_the_bootstrap_is_for_ten_runs_a_side_and_always_says_the_same() -> None:
    a, b = np.random.default_rng(7).lognormal(0.0, 0.01, (2, 10)).tolist()
    assert ratio_of_medians(a[:9], b) is None
    found = ratio_of_medians(a, b)
    assert isinstance(found, Estimate)
    assert found == ratio_of_medians(a, b)
    assert found.value == pytest.approx(np.median(b) / np.median(a))
    assert found.low < found.value < found.high


def spreads(reps: int, between: float, within: float, *, related: bool) -> Iterator[Spread]:
    """Of pilots of 5 runs with 100 samples each."""
    rng = np.random.default_rng(8)
    for _ in range(reps):
        noise = correlated(rng, (5, 100)) if related else rng.standard_normal((5, 100))
        samples = np.exp(between * rng.standard_normal((5, 1)) + within * noise)
        found = components([summarise(row.tolist()) for row in samples])
        assert found is not None
        yield found


@pytest.mark.parametrize("related", [False, True])
def test_the_components_are_those_that_were_simulated(related: bool) -> None:
    found = list(spreads(300, 0.005, 0.01, related=related))
    assert np.sqrt(np.mean([one.between**2 for one in found])) == pytest.approx(0.005, rel=0.15)
    # Of n independent normal samples the median has a standard deviation of sqrt(pi / 2 n).
    assert np.median([one.within for one in found]) == pytest.approx(0.01 * math.sqrt(math.pi / 2.0), rel=0.25)


def test_without_noise_between_runs_none_is_found() -> None:
    found = list(spreads(100, 0.0, 0.01, related=True))
    assert np.mean([one.between**2 for one in found]) < 0.3 * np.mean([one.within**2 / one.samples for one in found])


def test_a_pilot_tells_how_many_runs_of_how_many_samples_are_precise_enough() -> None:
    truth = Spread(0.004, 0.01 * math.sqrt(math.pi / 2.0), 50.0, cost=100.0)
    plan = pilot(truth, 0.005)
    assert plan is not None
    rng, reached = np.random.default_rng(9), []
    for _ in range(400):
        noise = 0.01 * rng.standard_normal((plan.runs, plan.samples))
        samples = np.exp(truth.between * rng.standard_normal((plan.runs, 1)) + noise)
        found = estimate(np.median(samples, axis=1).tolist())
        assert found is not None
        reached.append(found.high / found.value - 1.0)
    assert np.mean(reached) == pytest.approx(half_width(truth, plan.runs, plan.samples), rel=0.1)
    assert np.mean(reached) <= 0.005 * 1.05
    assert half_width(truth, plan.runs - 1, plan.samples) > 0.005
    assert pilot(Spread(1.0, 0.1, 50.0), 1e-4) is None


def test_a_pilot_repeats_where_the_noise_arises() -> None:
    between, within = pilot(Spread(0.01, 0.001, 50.0), 0.01), pilot(Spread(0.001, 0.03, 50.0), 0.01)
    assert between is not None
    assert within is not None
    assert between.samples < within.samples
    assert between.runs > within.runs


def test_too_few_samples_or_runs_have_no_components() -> None:
    assert components([summarise([1.0, 1.1, 1.2])] * 5) is None
    assert components([summarise([1.0 + i / 100 for i in range(20)])]) is None
