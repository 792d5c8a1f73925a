"""Scores and comparisons: one wrong run leaves no number; ratios are better-is-up; ties stay ties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import discovery
from benchsuite.compare import compare
from benchsuite.model import Case, Caveat, Failed, Metric, Record, Rejected, Samples, Score, Status, Work
from benchsuite.normalize import Ceilings, attainable, scores
from benchsuite.statistics.runs import Verdict
from tests.builders import plan_of, record
from tests.conftest import toy

A = Case.of("toy", n=64, kind="a")
TOYS = {"toy": toy()}


def score_of(*records: Record) -> Score:
    return scores(records, plan_of((records[0].case, records[0].implementation)), TOYS, cache=1)[0][0]


def test_the_value_is_the_geometric_mean_of_run_medians() -> None:
    score = score_of(*(record(TOYS["toy"], A, run=i, seconds=[t] * 9) for i, t in enumerate((1e-3, 4e-3))))
    assert score.value == pytest.approx(16 * 64 / 2e-3)
    assert score.interval == "2 runs"
    assert score.low is not None
    assert score.high is not None
    assert score.low < score.value < score.high


def test_one_run_has_its_own_interval_and_says_so() -> None:
    score = score_of(record(TOYS["toy"], A))
    assert score.interval == "this run only"
    assert score.low is not None
    assert score.high is not None
    assert score.value is not None
    assert score.low <= score.value <= score.high


@pytest.mark.parametrize(("outcome", "status"), [(Rejected("wrong"), Status.REJECTED), (Failed("died"), Status.FAILED)])
def test_one_bad_run_takes_the_number_away(outcome: Rejected | Failed, status: Status) -> None:
    score = score_of(
        record(TOYS["toy"], A), record(TOYS["toy"], A, run=1, outcome=outcome), record(TOYS["toy"], A, run=2)
    )
    assert score.status is status
    assert score.value is None
    assert score.reason.startswith("run 2:")


def test_caveats_are_told_once_with_their_runs() -> None:
    noted = Samples((1e-3,) * 9, 1, caveats=(Caveat("CONTENDED", "Others ran."),))
    found = score_of(*(record(TOYS["toy"], A, run=i, outcome=noted) for i in range(2)), record(TOYS["toy"], A, run=2))
    assert found.caveats == (Caveat("CONTENDED", "Others ran. (2 of 3 runs)"),)


def test_the_fastest_verified_implementation_is_best() -> None:
    records = [
        record(TOYS["toy"], A, "good", seconds=[2e-3] * 9),
        record(TOYS["toy"], A, "wrong", outcome=Rejected("wrong")),
        record(TOYS["toy"], A, "idle", seconds=[1e-3] * 9),
    ]
    found, _ = scores(records, plan_of((A, "good"), (A, "wrong"), (A, "idle")), TOYS, cache=1)
    assert [score.best for score in found] == [False, False, True]


def test_latency_is_better_when_smaller() -> None:
    benchmark = replace(TOYS["toy"], metric=Metric.LATENCY, work=lambda case: Work(steps=10))
    records = [record(benchmark, A, name, seconds=[t] * 9) for name, t in (("good", 2e-3), ("idle", 1e-3))]
    found, _ = scores(records, plan_of((A, "good"), (A, "idle")), {"toy": benchmark}, cache=1)
    assert [score.best for score in found] == [False, True]
    assert found[1].value == pytest.approx(1e-4)


@given(st.floats(1, 1e12), st.floats(1, 1e12), st.floats(1e9, 1e15), st.floats(1e9, 1e13))
def test_the_roofline_is_the_slower_of_its_two_limits(
    flops: float, nbytes: float, peak: float, bandwidth: float
) -> None:
    limit = attainable(Metric.FLOPS, Work(flops=flops, read=nbytes), "fp32", Ceilings({"fp32": peak}, bandwidth))
    assert limit is not None
    assert limit[0] == max(flops / peak, nbytes / bandwidth)


def test_no_ceiling_is_claimed_where_none_was_measured() -> None:
    work = Work(flops=1.0, read=1.0)
    assert attainable(Metric.FLOPS, work, "bf16", Ceilings({"fp32": 1.0}, 1.0)) is None
    assert attainable(Metric.BANDWIDTH, work, "fp32", Ceilings({"fp32": 1.0}, None)) is None
    assert attainable(Metric.BANDWIDTH, work, "bf16", Ceilings({"fp32": 1.0}, 2.0)) == (0.5, "memory bandwidth")


def test_ceilings_come_from_dram_sizes_only() -> None:
    benchmarks = discovery.discover()
    cases = [Case.of("memory", op="read", bytes=size) for size in (1 << 14, 1 << 28)]
    records = [
        record(benchmarks["memory"], case, "stream", seconds=[t] * 9)
        for case, t in zip(cases, (1e-6, 1e-2), strict=True)
    ]
    found, ceilings = scores(records, plan_of(*((case, "stream") for case in cases)), benchmarks, cache=32 << 20)
    assert ceilings.bandwidth == found[1].value
    assert found[0].of_ceiling is None
    assert found[1].of_ceiling == pytest.approx(1.0)


# -- comparison -------------------------------------------------------------------------------


def campaign(base: float, spread: float, seed: int, runs: int = 5, cases: int = 6) -> list[Score]:
    rng = np.random.default_rng(seed)
    made = [Case.of("toy", n=n, kind="a") for n in range(64, 64 + cases)]
    records = [
        record(TOYS["toy"], case, run=run, seconds=[base * float(np.exp(spread * rng.standard_normal()))] * 9)
        for case in made
        for run in range(runs)
    ]
    return scores(records, plan_of(*((case, "good") for case in made)), TOYS, cache=1)[0]


def verdicts(a: list[Score], b: list[Score]) -> set[Verdict]:
    return {row.verdict for row in compare(a, b).rows}


def test_the_same_machine_twice_is_never_called_different() -> None:
    for seed in range(40):
        assert not verdicts(campaign(1e-3, 0.01, seed), campaign(1e-3, 0.01, seed + 1000)) & {
            Verdict.FASTER,
            Verdict.SLOWER,
        }


def test_a_slower_machine_is_called_slower_and_the_other_way_round() -> None:
    fast, slow = campaign(1e-3, 0.001, 1), campaign(1.1e-3, 0.001, 2)
    assert verdicts(fast, slow) == {Verdict.SLOWER}
    assert verdicts(slow, fast) == {Verdict.FASTER}


def test_quiet_twins_are_same_and_noisy_ones_undecided_with_runs_needed() -> None:
    assert verdicts(campaign(1e-3, 1e-4, 1), campaign(1e-3, 1e-4, 2)) == {Verdict.SAME}
    rows = compare(campaign(1e-3, 0.05, 1), campaign(1e-3, 0.05, 2)).rows
    assert {row.verdict for row in rows} == {Verdict.UNDECIDED}
    assert all(row.needed is not None and row.needed > 5 for row in rows)


def test_two_runs_give_numbers_and_no_verdict() -> None:
    result = compare(campaign(1e-3, 0.0, 1, runs=2), campaign(2e-3, 0.0, 2, runs=2))
    assert {row.verdict for row in result.rows} == {Verdict.UNDECIDED}
    assert "fewer than 3 runs" in result.rows[0].reason
    assert result.family == 0


def test_a_case_without_a_number_is_incomparable() -> None:
    good = campaign(1e-3, 0.0, 1, cases=1)
    bad = [replace(good[0], value=None, status=Status.REJECTED, reason="wrong")]
    assert compare(good, bad).rows[0].verdict is Verdict.INCOMPARABLE


def test_only_identical_cases_are_paired() -> None:
    assert (
        compare(
            campaign(1e-3, 0.0, 1, cases=1),
            [replace(campaign(1e-3, 0.0, 1, cases=1)[0], case=Case.of("toy", n=9, kind="a"))],
        ).rows
        == ()
    )
