"""The sequential rule on one device: what it decides from which runs, and laws that it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp, inf, log, nan, sqrt
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from benchsuite.accept import rule
from benchsuite.model import Contract, Evidence, Measured, Metric, Rule, RunValue, Status, Subject, Word
from benchsuite.statistics.runs import holm
from tests.acceptance_data import GEMM, LATENCY, MEMORY, around, contract, ended, evidence, measured, run

ONE = contract(requirements=[MEMORY])
GOOD, BAD = log(0.98), log(0.95)


def stands(ys: Sequence[float | RunValue], *codes: str, agreed: Contract = ONE) -> rule.Standing:
    """Where the one requirement stands after these runs."""
    own = Evidence(Subject("node0", 0), measured=(measured(agreed.requirements[0], ys, *codes),))
    (found,) = rule.standings(agreed, own)
    return found


def oracle(rows: Sequence[Sequence[float]], agreed: Contract) -> list[tuple[Word | None, int]]:
    """The rule once more, for people: words and runs of each requirement."""
    looks, levels = agreed.rule.looks, rule.levels(agreed)
    words: list[Word | None] = [None] * len(rows)
    runs, highs = [0] * len(rows), [inf] * len(rows)
    for n in looks:
        p = [1.0] * len(rows)
        lows = [-inf] * len(rows)
        for i, row in enumerate(rows):
            if words[i] is None and len(row) >= n:
                mean, error = fmean(row[:n]), max(stdev(row[:n]), rule.FLOOR) / sqrt(n)
                p[i] = float(t.cdf((mean - GOOD) / error, n - 1))
                lows[i] = mean - float(t.isf(levels.accept, n - 1)) * error
                highs[i] = min(highs[i], mean + float(t.isf(levels.worse, n - 1)) * error)
                runs[i] = n
        for i, rejected in enumerate(holm(p, levels.reject)):
            words[i] = Word.REJECT if rejected else words[i]
        for i, low in enumerate(lows):
            if low > BAD:
                words[i] = Word.MARGINAL if highs[i] < GOOD else Word.ACCEPT
    return list(zip(words, runs, strict=True))


rows = st.lists(
    st.tuples(
        st.floats(-0.08, 0.02), st.sampled_from((0.0, 0.001, 0.01, 0.03)), st.integers(0, 22), st.integers(0, 99)
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(rows, st.sampled_from((1, 8, 512)))
def test_it_is_the_rule_that_is_written_down(drawn: list[tuple[float, float, int, int]], units: int) -> None:
    asked = [replace(MEMORY, name=f"r{i}") for i in range(len(drawn))]
    agreed = contract(devices=units, requirements=asked)
    ys = [around(centre, n, sd, seed) for centre, sd, n, seed in drawn]
    own = Evidence(Subject("node0", 0), measured=tuple(map(measured, asked, ys)))
    found = [(one.word if one.word is not Word.INCONCLUSIVE else None, one.runs) for one in rule.standings(agreed, own)]
    told = oracle(ys, agreed)
    assert [word for word, _ in found] == [word for word, _ in told]
    assert all(one == other for (word, one), (_, other) in zip(found, told, strict=True) if word)


def test_what_each_look_may_spend() -> None:
    agreed = contract(devices=8, nodes=4, rule=Rule(alpha=0.02, beta=0.01, looks=(4, 6), retests=3))
    assert rule.bounds(agreed) == pytest.approx((0.02 / 4 / 32, 0.01 / 4))
    each = rule.levels(agreed)
    assert each.reject == pytest.approx(0.02 / 4 / 32 / 2)
    assert each.accept == pytest.approx(0.01 / 4 / 2)
    assert each.worse == pytest.approx(0.02 / 4 / 2)


@pytest.mark.parametrize("level", [0.01, 1e-3, 1e-7])
def test_quantiles_are_those_of_student(level: float) -> None:
    assert rule.quantile(level, 3) == pytest.approx(float(t.isf(level, 3)), rel=1e-6)


def test_a_good_device_is_accepted_after_the_first_look() -> None:
    one = stands(around(0.0))
    assert (one.word, one.runs, one.wanted) == (Word.ACCEPT, 4, 0)
    assert one.low is not None
    assert one.high is not None
    assert BAD < one.low < 0.0 < one.high


def test_a_bad_one_is_rejected_with_its_probability() -> None:
    one = stands(around(-0.062))
    assert one.word is Word.REJECT
    assert one.mean == pytest.approx(-0.062)
    assert one.high is not None
    assert one.high < GOOD
    assert one.p is not None
    assert one.p <= rule.levels(ONE).reject


def test_what_is_known_and_between_is_marginal() -> None:
    assert stands(around(-0.035, sd=0.001)).word is Word.MARGINAL


def test_what_cannot_be_told_needs_more_runs_and_then_is_inconclusive() -> None:
    ys = around(-0.035, 20, 0.05)
    for had, wanted in ((0, 4), (3, 1), (4, 2), (6, 3), (13, 1), (14, 6)):
        one = stands(ys[:had])
        assert (one.word, one.wanted) == (None, wanted)
    for more in ([], [0.1, 0.1]):
        one = stands([*ys, *more])
        assert (one.word, one.wanted, one.runs) == (Word.INCONCLUSIVE, 0, 20)


def test_what_was_decided_first_stands() -> None:
    assert stands([*around(0.0), *around(-0.2, 16)]).word is Word.ACCEPT
    assert stands([*around(-0.2), *around(0.0, 16)]).word is Word.REJECT


def test_who_was_once_found_worse_than_good_is_not_accepted_later() -> None:
    """In a large claim nobody is rejected after four runs; that they were bad is not forgotten."""
    agreed = contract(devices=512, requirements=[MEMORY])
    ys = [*around(-0.043), *around(-0.018, 16, 0.0)]
    one = stands(ys, agreed=agreed)
    assert one.word is Word.MARGINAL
    assert one.runs == 9
    assert stands([*ys[4:8], *ys], agreed=agreed).word is Word.ACCEPT


def test_in_a_large_claim_a_device_is_marginal_as_in_a_small_one() -> None:
    ys = around(-0.035, sd=0.001)
    assert stands(ys, agreed=contract(devices=8, nodes=512, requirements=[MEMORY])).word is Word.MARGINAL


def test_rejection_takes_more_among_many_devices_and_requirements() -> None:
    ys = around(-0.05, 4, 0.004)
    assert stands(ys).word is Word.REJECT
    assert stands(ys, agreed=contract(devices=512, requirements=[MEMORY])).word is None
    asked = [replace(MEMORY, name=f"r{i}") for i in range(40)]
    own = Evidence(Subject("node0", 0), measured=(measured(asked[0], ys),))
    assert rule.standings(contract(requirements=asked), own)[0].word is None


def test_holm_steps_down() -> None:
    p = np.array([[0.001, 0.004, 0.2], [0.004, 0.004, 0.004], [1.0, 0.003, 1.0]])
    assert rule.stepped(p, 0.01).tolist() == [[True, True, False], [False, False, False], [False, True, False]]


def test_values_that_agree_by_rounding_are_no_proof() -> None:
    y = BAD + 2e-4
    one = stands([y] * 4)
    assert one.word is not Word.ACCEPT
    assert one.low is not None
    assert one.low == pytest.approx(y - rule.quantile(rule.levels(ONE).accept, 3) * rule.FLOOR / 2)


def test_of_a_time_less_is_better() -> None:
    assert rule.deviation(LATENCY, LATENCY.reference * 2) == pytest.approx(-log(2))
    assert rule.deviation(MEMORY, MEMORY.reference * 2) == pytest.approx(log(2))
    agreed = contract(requirements=[LATENCY])
    longer = [RunValue(LATENCY.reference * f, Status.OK) for f in (1.06, 1.062, 1.061, 1.063)]
    assert stands(longer, agreed=agreed).word is Word.REJECT
    shorter = [replace(one, value=(one.value or 0.0) / 1.2) for one in longer]
    assert stands(shorter, agreed=agreed).word is Word.ACCEPT


@pytest.mark.parametrize("code", sorted(rule.OUTSIDE))
def test_disturbed_runs_are_set_aside_and_measured_again(code: str) -> None:
    busy = [run(MEMORY, -0.5, code)]
    one = stands([*around(0.0, 3), *busy])
    assert (one.word, one.wanted, len(one.sifted.aside)) == (None, 1, 1)
    one = stands([*around(0.0, 3), *busy, 0.0])
    assert (one.word, one.runs) == (Word.ACCEPT, 4)


def test_two_disturbed_of_the_first_four_are_measured_again_three_are_too_many() -> None:
    busy = [run(MEMORY, -0.5, "CONTENDED")] * 3
    assert stands([*busy[:2], *around(0.0, 2)]).wanted == 2
    assert stands([*busy[:2], *around(0.0)]).word is Word.ACCEPT
    one = stands([*busy, *around(0.0, 1)])
    assert (one.word, one.wanted) == (Word.INVALID, 0)
    assert "3 of 4 runs were disturbed from outside (CONTENDED)" in one.why
    assert stands([*busy, *around(0.0)]).word is Word.INVALID


def test_one_disturbed_run_compromises_nothing_however_strict_the_contract() -> None:
    agreed = contract(requirements=[MEMORY], rule=Rule(aside=0.0))
    busy = run(MEMORY, -0.5, "HOST_STEAL")
    assert stands([busy, *around(0.0)], agreed=agreed).word is Word.ACCEPT
    assert stands([busy, busy, *around(0.0)], agreed=agreed).word is Word.INVALID


@pytest.mark.parametrize("code", sorted(rule.BLIND))
def test_a_run_of_which_nobody_can_say_what_it_is_worth_makes_invalid(code: str) -> None:
    one = stands([*around(0.0, 19), run(MEMORY, 0.0, code)])
    assert one.word is Word.INVALID
    assert code in one.why


def test_unsteady_runs_count_until_there_are_many() -> None:
    shaky = [run(MEMORY, y, "NOT_STEADY") for y in (0.001, -0.001)]
    assert stands([*shaky[:1], *around(0.0, 3)]).word is Word.ACCEPT
    one = stands([*shaky, *around(0.0, 2)])
    assert one.word is Word.INVALID
    assert one.why == "2 of 4 runs were not steady (NOT_STEADY)"
    slow = [run(MEMORY, -0.5 + y, "NOT_STEADY") for y in around(0.0)]
    assert stands(slow).word is Word.INVALID
    open_ = stands([run(MEMORY, y, "NOT_STEADY") for y in around(-0.035, 20, 0.05)[:4]])
    assert (open_.word, open_.wanted) == (None, 2)
    mixed = [run(MEMORY, y, *(["NOT_STEADY"] if i < 3 else [])) for i, y in enumerate(around(-0.035, 20, 0.05))]
    assert stands(mixed).word is Word.INCONCLUSIVE
    most = [run(MEMORY, y, *(["NOT_STEADY"] if i < 6 else [])) for i, y in enumerate(around(-0.035, 20, 0.05))]
    assert stands(most).word is Word.INVALID


def test_other_caveats_count_and_are_kept() -> None:
    one = stands(around(0.0), "THERMAL", "POWER_CAP")
    assert one.word is Word.ACCEPT
    assert one.sifted.noted("THERMAL", 4) == 4


def test_a_wrong_result_rejects_whatever_the_speed() -> None:
    one = stands([*around(0.3), ended(Status.REJECTED, "element 3 is wrong")])
    assert (one.word, one.p, one.wanted) == (Word.REJECT, None, 0)


@pytest.mark.parametrize("status", [Status.FAILED, Status.SKIPPED])
def test_a_run_without_a_number_makes_invalid(status: Status) -> None:
    one = stands([*around(0.0, 19), ended(status, "deadline")])
    assert one.word is Word.INVALID
    assert "deadline" in one.why


@pytest.mark.parametrize("value", [None, nan, inf, -inf, 0.0, -1.0])
@pytest.mark.parametrize("codes", [(), ("CONTENDED",)])
def test_what_is_no_number_never_counts(value: float | None, codes: tuple[str, ...]) -> None:
    assert stands([*around(0.0, 19), RunValue(value, Status.OK, codes)]).word is Word.INVALID


def test_one_run_counts_once() -> None:
    same = [run(MEMORY, y, name="20261130-a/1") for y in around(0.0)]
    assert stands(same).word is Word.INVALID
    agreed = contract(requirements=[MEMORY])
    twice = measured(MEMORY, around(0.0))
    (one,) = rule.standings(agreed, Evidence(Subject("node0", 0), measured=(twice, twice)))
    assert one.word is Word.INVALID
    other = [run(MEMORY, y, name=f"20261130-a/{i}") for i, y in enumerate(around(0.0))]
    assert stands(other).word is Word.ACCEPT


def test_an_invalid_requirement_does_not_help_another_one_to_be_rejected() -> None:
    asked = [replace(MEMORY, name=name) for name in ("a", "b")]
    agreed = contract(requirements=asked)
    ys = around(-0.05, 4, 0.0052)  # p between half of the level and all of it
    slow = [run(MEMORY, y, "NOT_STEADY") for y in around(-0.5)]
    for own, word in ((around(-0.5), Word.REJECT), (slow, None)):
        found = rule.standings(
            agreed, Evidence(Subject("n", 0), measured=(measured(asked[0], own), measured(asked[1], ys)))
        )
        assert found[1].word is word
    each = rule.levels(agreed).reject
    lone = rule.standings(agreed, Evidence(Subject("n", 0), measured=(measured(asked[1], ys),)))[1]
    assert lone.p is not None
    assert each / 2 < lone.p < each


def test_wanted_goes_from_look_to_look() -> None:
    agreed = contract(requirements=[MEMORY, GEMM])
    assert rule.wanted(agreed, Evidence(Subject("node0", 0))) == {"memory-read": 4, "gemm-bf16": 4}
    ys = around(-0.035, 20, 0.05)
    own = evidence(agreed, ys={"memory-read": ys[:4]})
    assert rule.wanted(agreed, own) == {"memory-read": 2}
    busy = evidence(agreed, ys={"memory-read": [run(MEMORY, -0.4, "CONTENDED"), *ys[:3]]})
    assert rule.wanted(agreed, busy) == {"memory-read": 1}
    assert rule.wanted(agreed, evidence(agreed, ys={"memory-read": ys})) == {}
    assert rule.wanted(agreed, evidence(agreed)) == {}


def test_nothing_more_is_wanted_of_a_device_that_is_rejected() -> None:
    agreed = contract(requirements=[MEMORY, GEMM])
    open_ = around(-0.035, 4, 0.05)
    for bad in (around(-0.1), [ended(Status.REJECTED)]):
        assert rule.wanted(agreed, evidence(agreed, ys={"memory-read": bad, "gemm-bf16": open_})) == {}
    marginal = evidence(agreed, ys={"memory-read": around(-0.035, 4, 0.001), "gemm-bf16": open_})
    assert rule.wanted(agreed, marginal) == {"gemm-bf16": 2}


values = st.lists(st.floats(-0.12, 0.05), min_size=4, max_size=20)
ORDER = {Word.ACCEPT: 3, Word.MARGINAL: 2, None: 2, Word.INCONCLUSIVE: 2, Word.REJECT: 0}


def scaled(ys: Sequence[float], sd: float) -> list[float]:
    centre = fmean(ys)
    return [centre + sd * (y - centre) for y in ys]


@settings(max_examples=100, deadline=None)
@given(values, st.sampled_from((0.02, 0.1, 1.0)), st.floats(0.0, 0.1))
def test_who_is_slower_is_never_judged_better(ys: list[float], sd: float, by: float) -> None:
    own = scaled(ys, sd)
    before, after = stands(own).word, stands([y - by for y in own]).word
    assert before is Word.ACCEPT or after is not Word.ACCEPT
    assert before is not Word.REJECT or after is Word.REJECT


@settings(max_examples=50, deadline=None)
@given(
    values,
    st.sampled_from((0.02, 0.1, 1.0)),
    st.floats(1e-9, 1e15),
    st.sampled_from([Metric.BANDWIDTH, Metric.LATENCY]),
)
def test_units_do_not_matter(ys: list[float], sd: float, unit: float, metric: Metric) -> None:
    own = scaled(ys, sd)
    other = replace(MEMORY, metric=metric, reference=unit)
    assert stands(own, agreed=contract(requirements=[other])).word is stands(own).word


@settings(max_examples=50, deadline=None)
@given(values, st.sampled_from((0.02, 0.1)), st.lists(st.floats(-0.5, 0.5), max_size=20))
def test_runs_after_a_decision_change_nothing(ys: list[float], sd: float, more: list[float]) -> None:
    own = scaled(ys, sd)
    one = stands(own)
    if one.word in {Word.ACCEPT, Word.MARGINAL, Word.REJECT}:
        later = stands([*own[: one.runs], *more])
        assert (later.word, later.runs, later.mean) == (one.word, one.runs, one.mean)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(3)), st.lists(values, min_size=3, max_size=3))
def test_the_order_of_requirements_does_not_matter(order: list[int], drawn: list[list[float]]) -> None:
    asked = [MEMORY, GEMM, LATENCY]
    parts = [measured(one, scaled(ys, 0.1)) for one, ys in zip(asked, drawn, strict=True)]
    first = {one.requirement.name: one.word for one in rule.standings(contract(requirements=asked), _own(parts))}
    mixed = contract(requirements=[asked[i] for i in order])
    assert first == {one.requirement.name: one.word for one in rule.standings(mixed, _own(parts[::-1]))}


def _own(parts: Sequence[Measured]) -> Evidence:
    return Evidence(Subject("node0", 0), measured=tuple(parts))


def test_limits_are_those_of_the_mean() -> None:
    ys = around(-0.01, 4, 0.002)
    one = stands(ys)
    reach = rule.quantile(rule.levels(ONE).accept, 3) * 0.002 / 2
    assert one.mean == pytest.approx(-0.01)
    assert one.low == pytest.approx(-0.01 - reach)
    assert one.high == pytest.approx(-0.01 + rule.quantile(rule.levels(ONE).worse, 3) * 0.002 / 2)
    assert exp(one.low or 0.0) > 0.95
