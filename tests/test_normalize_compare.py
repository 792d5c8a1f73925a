"""Scores and comparisons: one wrong run leaves no number; ratios are better-is-up; ties stay ties."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import discovery, exhibits, publication, results
from benchsuite.commands import compare as commands
from benchsuite.compare import Correction, compare
from benchsuite.errors import UsageError
from benchsuite.model import (
    Case,
    Caveat,
    Failed,
    Machine,
    Metric,
    Origin,
    Publication,
    Record,
    Rejected,
    Samples,
    Score,
    Status,
    Work,
)
from benchsuite.normalize import Ceilings, attainable, scores
from benchsuite.reportable import compromised, unreportable
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
        record(TOYS["toy"], case, run=run, seconds=[base * float(np.exp(spread * rng.standard_normal()))] * 20)
        for case in made
        for run in range(runs)
    ]
    return scores(records, plan_of(*((case, "good") for case in made)), TOYS, cache=1)[0]


def verdicts(a: list[Score], b: list[Score]) -> set[Verdict]:
    return {row.verdict for row in compare(a, b).rows}


def test_the_same_machine_twice_is_never_called_different() -> None:
    for seed in range(20):
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
    assert all(row.needed > 5 if row.needed is not None else "more than 1000 runs" in row.reason for row in rows)
    assert any(row.needed is not None for row in rows)


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


def caveated(made: list[Score], *codes: str) -> list[Score]:
    return [replace(one, caveats=tuple(Caveat(code, "Told.") for code in codes)) for one in made]


@pytest.mark.parametrize("code", ["CONTENDED", "HOST_STEAL", "NOT_STEADY", "CLOCK_DISAGREE", "TELEMETRY_MISSING"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_verdict_on_a_compromised_side_is_not_clean(code: str, side: int) -> None:
    sides = [campaign(1e-3, 0.001, 1), campaign(1.1e-3, 0.001, 2)]
    assert all(row.clean for row in compare(sides[0], sides[1]).rows)
    sides[side] = caveated(sides[side], code)
    rows = compare(sides[0], sides[1]).rows
    assert {row.verdict for row in rows} == {Verdict.SLOWER}
    assert not any(row.clean for row in rows)
    assert all(code in row.unclean[0] for row in rows)


def test_what_belongs_to_the_machine_compromises_nothing() -> None:
    rows = compare(campaign(1e-3, 0.001, 1), caveated(campaign(1.1e-3, 0.001, 2), "THERMAL", "POWER_CAP")).rows
    assert all(row.clean for row in rows)


def test_one_contended_run_of_five_is_enough() -> None:
    noted = Samples((1e-3,) * 9, 1, caveats=(Caveat("CONTENDED", "Others ran."),))
    made = score_of(record(TOYS["toy"], A, outcome=noted), *(record(TOYS["toy"], A, run=i) for i in range(1, 5)))
    assert compromised(made)
    assert any("CONTENDED" in reason for reason in made.unreportable)


def test_what_nobody_watched_is_not_clean() -> None:
    made = campaign(1e-3, 0.001, 1, cases=1)[0]
    assert compromised(replace(made, backend="host", conditions={"load": 0.1})) == ()
    assert "TELEMETRY_MISSING" in compromised(replace(made, backend="host"))[0]


def test_a_number_may_be_published_from_five_verified_precise_quiet_runs_on() -> None:
    made = replace(campaign(1e-3, 0.001, 1, cases=1)[0], backend="host", conditions={"load": 0.1})
    assert unreportable(made) == ()
    assert unreportable(replace(made, runs=4)) == ("It comes from fewer than 5 runs.",)
    assert unreportable(replace(made, value=None, status=Status.REJECTED)) == ("There is no verified number.",)
    assert "IMPRECISE" in unreportable(caveated([made], "IMPRECISE")[0])[0]
    assert "scripted" in unreportable(replace(made, backend="fake"))[0]


def test_a_score_knows_why_it_may_not_be_published() -> None:
    assert any("fewer than 5" in reason for reason in score_of(record(TOYS["toy"], A)).unreportable)
    assert score_of(record(TOYS["toy"], A, outcome=Rejected("wrong"))).unreportable == ("There is no verified number.",)


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"cache": "cold"}, "cache mode"), ({"sync": "barrier"}, "synchronisation"), ({"backend": "host"}, "backend")],
)
def test_only_numbers_of_one_kind_are_compared(changed: dict[str, str], word: str) -> None:
    one = campaign(1e-3, 0.001, 1, cases=2)
    other = [replace(one[0], **changed), one[1]]  # type: ignore[arg-type]
    result = compare(one, other)
    assert [row.verdict for row in result.rows] == [Verdict.INCOMPARABLE, Verdict.SAME]
    assert word in result.rows[0].reason
    assert result.family == 1


def test_a_score_tells_its_cache_mode_and_how_its_ranks_began() -> None:
    cold = Samples((1e-3,) * 9, 1, sets=4, sync="window")
    made = score_of(
        record(TOYS["toy"], A, outcome=cold), record(TOYS["toy"], A, run=1, outcome=replace(cold, sync="barrier"))
    )
    assert (made.backend, made.cache, made.sync) == ("fake", "cold", "barrier and window")
    assert score_of(record(TOYS["toy"], A)).cache == "hot"


def test_exploration_calls_more_and_says_so() -> None:
    one, other = campaign(1e-3, 0.01, 1, cases=40), campaign(1.03e-3, 0.01, 2, cases=40)
    strict, loose = compare(one, other), compare(one, other, correction=Correction.BENJAMINI_HOCHBERG)
    called = [sum(row.verdict is Verdict.SLOWER for row in result.rows) for result in (strict, loose)]
    assert called[0] < called[1]
    assert loose.correction is Correction.BENJAMINI_HOCHBERG
    assert strict.family == loose.family == 40


def test_more_runs_are_needed_in_a_larger_family_and_always_more_than_there_are() -> None:
    one, other = campaign(1e-3, 0.008, 1, cases=60), campaign(1.03e-3, 0.008, 2, cases=60)
    open_ = [row for row in compare(one, other).rows if row.verdict is Verdict.UNDECIDED and row.needed]
    more = 0
    for row in open_:
        a, b = ([score for score in side if score.case == row.case] for side in (one, other))
        alone = compare(a, b).rows[0]
        assert row.needed is not None
        assert row.needed > 5
        if alone.needed is not None:
            assert alone.needed <= row.needed
            more += alone.needed < row.needed
    assert more > 0


def test_the_bootstrap_is_shown_from_ten_runs_on_and_the_spread_from_two() -> None:
    few, many = (
        compare(campaign(1e-3, 0.001, 1, runs=n, cases=1), campaign(1e-3, 0.001, 2, runs=n, cases=1)).rows[0]
        for n in (5, 10)
    )
    assert few.medians is None
    assert many.medians is not None
    assert many.medians.low <= many.medians.value <= many.medians.high
    assert few.spread_a is not None
    assert few.spread_a.between == pytest.approx(0.001, rel=0.8)
    assert few.spread_a.within == 0.0


# -- the exit code of a comparison ------------------------------------------------------------


def exit_of(monkeypatch: pytest.MonkeyPatch, a: list[Score], b: list[Score], **options: Any) -> int:
    machine = Machine("m", "GPU")
    sides = [
        Publication(1, name, Origin.MEASURED, machine, "", "toys", tuple(side))
        for name, side in zip("ab", (a, b), strict=True)
    ]
    monkeypatch.setattr(exhibits, "gather", lambda names, out, whole, trust: publication.exhibits(sides))
    return commands.compare(commands.Asked(("a", "b"), Path(), **options))


@pytest.mark.parametrize(("codes", "clean_too", "code"), [((), 0, 1), (("CONTENDED",), 0, 3), (("CONTENDED",), 2, 1)])
def test_only_a_clean_slower_fails(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    codes: tuple[str, ...],
    clean_too: int,
    code: int,
) -> None:
    fast, slow = campaign(1e-3, 0.001, 1), campaign(1.1e-3, 0.001, 2)
    noted = [*slow[:clean_too], *caveated(slow[clean_too:], *codes)]
    assert exit_of(monkeypatch, fast, noted, fail_on="slower") == code
    out, err = capsys.readouterr()
    assert ("not clean" in err) == (code == 3)
    assert ("not clean" in out) == bool(codes)
    assert exit_of(monkeypatch, fast, noted) == 0
    assert exit_of(monkeypatch, fast, noted, fail_on="faster") == 0


def test_a_gate_that_decided_nothing_is_not_passed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = campaign(1e-3, 0.2, 1, runs=3), campaign(1e-3, 0.2, 2, runs=3)
    assert {row.verdict for row in compare(one, other).rows} == {Verdict.UNDECIDED}
    assert exit_of(monkeypatch, one, other, fail_on="slower") == 3
    assert "Not one case was decided" in capsys.readouterr().err
    assert exit_of(monkeypatch, one, other) == 0
    quiet, twin = campaign(1e-3, 0.0005, 3), campaign(1e-3, 0.0005, 4)
    some = [*quiet[:1], *one[1:]], [*twin[:1], *other[1:]]
    assert exit_of(monkeypatch, *some, fail_on="slower") == 0, "one was decided"


def test_exploring_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    one = campaign(1e-3, 0.001, 1)
    with pytest.raises(UsageError, match="--explore"):
        exit_of(monkeypatch, one, one, fail_on="slower", explore=True)


def test_a_comparison_and_its_noise_are_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = campaign(1e-3, 0.001, 1, runs=10, cases=1)
    assert exit_of(monkeypatch, one, one, form="json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["correction"] == "Holm"
    assert {"clean", "unclean", "medians", "spread_a"} <= set(told["rows"][0])
    noise = results.case_document(one[0])["noise"]
    assert noise["for_1_percent"]["runs"] >= 2
    assert noise["between"] > 0.0
