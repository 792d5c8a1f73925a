"""N campaigns against one: the gate, who gets a verdict, one family of tests, and the laws of a comparison."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import comparability, compare, outcome
from benchsuite.compare import Comparison, Correction, Row, Rule
from benchsuite.errors import Exit, UsageError
from benchsuite.model import Caveat, Exhibit, Metric, Origin, Score, Status
from benchsuite.statistics import pairwise
from benchsuite.statistics import runs as one_pair
from benchsuite.statistics.runs import Verdict
from tests.exhibit_data import CHASE, GEMM, MEMORY, exhibit, fleet, runs, score

QUICK = Rule(detailed=False)
FAST, SLOW = runs(1.1e12, 0.001, 1), runs(1e12, 0.001, 2)
MIRRORED = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
values = st.lists(st.floats(0.8, 1.25), min_size=3, max_size=8)


def row_of(a: Exhibit, b: Exhibit, rule: Rule = QUICK) -> Row:
    rows = compare.against(a, [b], rule).rows
    assert len(rows) == 1
    return rows[0]


def verdict_of(a: list[float], b: list[float], **more: Metric) -> Row:
    return row_of(exhibit("A", score(a, **more)), exhibit("B", score(b, **more)))


# -- who is compared with whom ----------------------------------------------------------------


def test_each_of_the_others_is_set_against_the_baseline_case_by_case() -> None:
    cases = [(GEMM, Metric.FLOPS), (CHASE, Metric.LATENCY)]
    a, b, c = (
        exhibit(name, *(score(runs(speed, 0.001, at), case, metric) for case, metric in cases))
        for at, (name, speed) in enumerate([("A", 1.0), ("B", 1.1), ("C", 0.9)])
    )
    result = compare.against(a, [b, c], QUICK)
    assert [(row.case, row.label, row.verdict) for row in result.rows] == [
        (GEMM, "B", Verdict.FASTER),
        (GEMM, "C", Verdict.SLOWER),
        (CHASE, "B", Verdict.SLOWER),
        (CHASE, "C", Verdict.FASTER),
    ]
    assert (result.baseline, result.others, result.family) == ("A", ("B", "C"), 4)


def test_the_baseline_is_the_first_or_the_one_that_is_named() -> None:
    made = fleet(3)
    assert compare.divided(made)[0] is made[0]
    assert compare.divided(made, "m001") == (made[1], [made[0], made[2]])
    named = replace(made[2], publication=replace(made[2].publication, id="20260505-last"))
    assert compare.divided([*made[:2], named], "20260505")[0] is named
    assert compare.divided([*made[:2], named], "M002")[0] is named


@pytest.mark.parametrize(("name", "word"), [("nobody", "No campaign"), ("m0", "3 campaigns")])
def test_a_baseline_that_is_nobody_or_several_is_refused(name: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        compare.divided(fleet(3), name)


def test_one_campaign_alone_is_no_comparison() -> None:
    with pytest.raises(UsageError, match="only one"):
        compare.divided(fleet(1))


def test_only_tasks_of_both_are_compared_and_the_rest_is_counted() -> None:
    a = exhibit("A", score(SLOW), score(SLOW, MEMORY), score(SLOW, CHASE, status=Status.SKIPPED, value=None))
    b = exhibit("B", score(FAST), score(FAST, implementation="theirs"))
    result = compare.against(a, [b], QUICK)
    assert [row.case for row in result.rows] == [GEMM]
    assert (result.unmatched[0].lacking, result.unmatched[0].extra) == (1, 1)


@pytest.mark.parametrize(
    ("patterns", "count"),
    [
        ((), 4),
        (("gemm",), 2),
        (("gemm theirs",), 1),
        (("memory op=triad", "latency"), 2),
        (("dtype=*16",), 2),
        (("x",), 0),
    ],
)
def test_patterns_choose_tasks(patterns: tuple[str, ...], count: int) -> None:
    whole = exhibit("A", score(FAST), score(FAST, implementation="theirs"), score(FAST, MEMORY), score(FAST, CHASE))
    assert len(compare.chosen(whole, patterns).publication.results) == count


# -- the gate ---------------------------------------------------------------------------------

LOCKED = (Caveat("CLOCK_LOCKED", ""),)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"cache": "hot"}, "cache mode"),
        ({"sync": "barrier"}, "synchronisation"),
        ({"backend": "host"}, "backend"),
        ({"metric": Metric.BANDWIDTH}, "metric"),
        ({"caveats": LOCKED}, "clock policy"),
        ({"status": Status.REJECTED, "value": None, "reason": "The result was wrong."}, "wrong"),
        ({"value": 0.0}, "above zero"),
        ({"run_values": (1.0, 1.0, 0.0)}, "above zero"),
        ({"value": math.inf}, "above zero"),
        ({"run_values": (1.0, 1.0, math.nan)}, "above zero"),
    ],
)
def test_what_does_not_match_has_no_ratio_and_says_why(changed: dict[str, object], word: str) -> None:
    good, other = score(SLOW), replace(score(FAST), **changed)  # type: ignore[arg-type]
    for a, b in ((good, other), (other, good)):
        row = row_of(exhibit("A", a), exhibit("B", b))
        assert (row.verdict, row.ratio, row.low) == (Verdict.INCOMPARABLE, None, None)
        assert word in row.reason


def test_a_pair_beyond_the_gate_is_in_no_family() -> None:
    a = exhibit("A", score(SLOW), score(SLOW, MEMORY))
    b = exhibit("B", score(FAST), score(FAST, MEMORY, cache="hot"))
    assert compare.against(a, [b], QUICK).family == 1


def test_a_ratio_of_temperatures_is_none() -> None:
    row = verdict_of([60.0, 61.0, 62.0], [70.0, 71.0, 72.0], metric=Metric.TEMPERATURE)
    assert row.ratio is None


FACTS = {"gpu": {"driver": "570", "power limit": "700 W", "ecc": "on", "mig": "off", "name": "Card"}}


@pytest.mark.parametrize("name", ["driver", "power limit", "ecc", "mig"])
def test_declared_conditions_that_differ_stand_beside_the_ratio(name: str) -> None:
    other = {"gpu": FACTS["gpu"] | {name: "else"}}
    row = row_of(exhibit("A", score(SLOW), facts=FACTS), exhibit("B", score(FAST), facts=other))
    assert row.verdict is Verdict.FASTER
    assert row.differs == (name,)


def test_a_condition_that_one_side_does_not_tell_differs() -> None:
    missing = {"gpu": {key: value for key, value in FACTS["gpu"].items() if key != "ecc"}}
    row = row_of(exhibit("A", score(SLOW), facts=FACTS), exhibit("B", score(FAST), facts=missing))
    assert row.differs == ("ecc",)


def test_library_and_code_are_declared_too_and_a_cpu_has_a_governor() -> None:
    one = score(SLOW, backend="host", provider="numpy 2.1", conditions={"load": 0.0})
    other = replace(one, provider="numpy 2.3", run_values=tuple(FAST))
    facts = {"system": {"frequency governor": "performance"}}
    a, b = exhibit("A", one, facts=facts, code="aa"), exhibit("B", other, code="bb")
    assert row_of(a, b).differs == ("frequency governor", "library", "benchsuite")
    assert row_of(a, a).differs == ()


def test_only_conditions_that_differ_are_listed_and_unknown_ones_said_so() -> None:
    a, b = exhibit("A", facts=FACTS), exhibit("B", facts={"gpu": {"driver": "570", "ecc": "off"}})
    found = {row.name: row.values for row in comparability.differences([a, b])}
    assert found["gpu: ecc"] == ("on", "off")
    assert found["gpu: mig"] == ("off", "not known")
    assert not {"gpu: driver", "suite", "origin"} & found.keys()


# -- who gets a verdict -----------------------------------------------------------------------


@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.PUBLISHED])
@pytest.mark.parametrize("side", [0, 1])
def test_what_we_did_not_measure_has_a_ratio_and_never_a_verdict(origin: Origin, side: int) -> None:
    sides = [exhibit("A", score(SLOW)), exhibit("B", score(FAST))]
    sides[side] = replace(sides[side], publication=replace(sides[side].publication, origin=origin))
    result = compare.against(sides[0], sides[1:], QUICK)
    row = result.rows[0]
    assert row.verdict is Verdict.INCOMPARABLE
    assert row.ratio == pytest.approx(1.1, rel=0.01)
    assert (row.low, result.family) == (None, 0)
    assert origin.value in row.reason


def test_few_runs_have_a_ratio_without_an_interval() -> None:
    row = verdict_of([2.0, 2.0], [1.0, 1.0, 1.0], metric=Metric.LATENCY)
    assert (row.verdict, row.low) == (Verdict.UNDECIDED, None)
    assert row.ratio == pytest.approx(2.0)
    assert "fewer than 3 runs" in row.reason


def test_all_pairs_of_all_campaigns_are_one_family() -> None:
    """A difference that is shown between two is not shown any more among fifty pairs that show nothing."""
    base, near = runs(1.0, 0.004, 1), runs(1.02, 0.004, 2)
    a, b = exhibit("A", score(base)), exhibit("B", score(near))
    twins = [exhibit(f"T{at}", score(runs(1.0, 0.02, at + 10))) for at in range(50)]
    assert row_of(a, b).verdict is Verdict.FASTER
    crowd = compare.against(a, [b, *twins], QUICK)
    assert crowd.family == 51
    assert crowd.rows[0].verdict is Verdict.UNDECIDED
    loose = compare.against(a, [b, *twins], Rule(correction=Correction.BENJAMINI_HOCHBERG, detailed=False))
    assert loose.correction is Correction.BENJAMINI_HOCHBERG


def test_the_margin_is_what_was_asked_for() -> None:
    a, b = exhibit("A", score(runs(1.0, 1e-4, 1))), exhibit("B", score(runs(1.03, 1e-4, 2)))
    assert row_of(a, b).verdict is Verdict.FASTER
    assert row_of(a, b, Rule(margin=0.05)).verdict is Verdict.SAME


def test_runs_needed_are_told_where_asked_and_count_the_whole_family() -> None:
    a = exhibit("A", score(runs(1.0, 0.02, 1)))
    others = [exhibit(f"B{at}", score(runs(1.04, 0.02, 20 + at))) for at in range(6)]
    detailed = compare.against(a, others)
    open_ = [row for row in detailed.rows if row.verdict is Verdict.UNDECIDED]
    assert open_
    more = 0
    for row in open_:
        assert row.needed is not None
        b = next(one for one in others if one.label == row.label)
        alone = compare.against(a, [b]).rows[0].needed
        assert alone is None or alone <= row.needed
        more += alone is not None and alone < row.needed
    assert more
    assert all(row.needed is None for row in compare.against(a, others, QUICK).rows)


# -- the outcome ------------------------------------------------------------------------------


def comparison_of(*verdicts: tuple[Verdict, bool]) -> Comparison:
    rows = tuple(Row(GEMM, "ours", verdict, 1.0, 1.0, clean=clean) for verdict, clean in verdicts)
    return Comparison(rows, sum(verdict is not Verdict.INCOMPARABLE for verdict, _ in verdicts))


@pytest.mark.parametrize(
    ("fail_on", "verdicts", "code"),
    [
        ("", [(Verdict.SLOWER, True)], Exit.DONE),
        ("slower", [(Verdict.SLOWER, True), (Verdict.FASTER, True)], Exit.REJECTED),
        ("slower", [(Verdict.SLOWER, False)], Exit.INCONCLUSIVE),
        ("slower", [(Verdict.SLOWER, False), (Verdict.SLOWER, True)], Exit.REJECTED),
        ("slower", [(Verdict.FASTER, True)], Exit.DONE),
        ("faster", [(Verdict.FASTER, True)], Exit.REJECTED),
        ("different", [(Verdict.FASTER, True)], Exit.REJECTED),
        ("different", [(Verdict.SAME, True), (Verdict.UNDECIDED, True)], Exit.DONE),
        ("slower", [(Verdict.INCOMPARABLE, True)], Exit.INCONCLUSIVE),
        ("", [(Verdict.INCOMPARABLE, True)], Exit.INCONCLUSIVE),
    ],
)
def test_the_outcome_is_the_exit_code(fail_on: str, verdicts: list[tuple[Verdict, bool]], code: Exit) -> None:
    assert outcome.outcome(comparison_of(*verdicts), fail_on).code is code


# -- laws -------------------------------------------------------------------------------------


@given(values, values, st.sampled_from([Metric.FLOPS, Metric.LATENCY]))
@settings(max_examples=60, deadline=None)
def test_swapping_the_sides_turns_ratio_and_verdict_over(a: list[float], b: list[float], metric: Metric) -> None:
    one, other = verdict_of(a, b, metric=metric), verdict_of(b, a, metric=metric)
    assert one.ratio is not None
    assert other.ratio is not None
    assert one.ratio * other.ratio == pytest.approx(1.0)
    assert one.low is not None
    assert other.high is not None
    assert one.low * other.high == pytest.approx(1.0)
    if not in_doubt(a, b):
        assert MIRRORED.get(one.verdict, one.verdict) is other.verdict


def in_doubt(a: list[float], b: list[float]) -> bool:
    """Whether an end lies between 1 % more than A and 1 % less than B, which are not quite the same."""
    found = one_pair.welch(a, b)
    assert found is not None
    ends = (abs(math.log(end)) for end in (found.low, found.high, found.same_low, found.same_high))
    return any(math.log1p(compare.MARGIN) - 1e-9 < end < -math.log1p(-compare.MARGIN) + 1e-9 for end in ends)


@given(values, values, st.floats(1e-12, 1e15))
@settings(max_examples=40, deadline=None)
def test_units_scale_out(a: list[float], b: list[float], unit: float) -> None:
    one, other = verdict_of(a, b), verdict_of([x * unit for x in a], [x * unit for x in b])
    assert one.ratio == pytest.approx(other.ratio)
    assert one.low == pytest.approx(other.low, rel=1e-6)
    assert one.high == pytest.approx(other.high, rel=1e-6)


@given(values, values, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_runs_and_of_tasks_is_irrelevant(a: list[float], b: list[float], random: object) -> None:
    shuffled = [list(a), list(b)]
    for side in shuffled:
        random.shuffle(side)  # type: ignore[attr-defined]
    one, other = verdict_of(a, b), verdict_of(*shuffled)
    assert one.ratio == pytest.approx(other.ratio)
    assert one.low == pytest.approx(other.low, rel=1e-6)


ORDER = {Verdict.SLOWER: 0, Verdict.UNDECIDED: 1, Verdict.SAME: 1, Verdict.FASTER: 2}


@given(values, values, st.floats(1.0, 1.5))
@settings(max_examples=60, deadline=None)
def test_a_uniformly_faster_machine_never_moves_towards_slower(a: list[float], b: list[float], by: float) -> None:
    before, after = verdict_of(a, b), verdict_of(a, [x * by for x in b])
    assert ORDER[after.verdict] >= ORDER[before.verdict]


@given(values)
@settings(max_examples=30, deadline=None)
def test_a_machine_is_never_different_from_itself(a: list[float]) -> None:
    row = verdict_of(a, a)
    assert row.ratio == 1.0
    assert row.verdict in {Verdict.SAME, Verdict.UNDECIDED}


def test_two_machines_that_never_vary_are_told_apart_exactly() -> None:
    assert verdict_of([1.0] * 3, [1.0] * 5).verdict is Verdict.SAME
    assert verdict_of([1.0] * 3, [1.5] * 5).verdict is Verdict.FASTER


# -- many pairs at once -----------------------------------------------------------------------


@given(st.lists(st.tuples(values, values), min_size=1, max_size=6), st.floats(0.0, 0.05))
@settings(max_examples=60, deadline=None)
def test_many_pairs_at_once_say_what_one_pair_says(pairs: list[tuple[list[float], list[float]]], margin: float) -> None:
    a, b = (pairwise.Sides.of([pair[side] for pair in pairs]) for side in (0, 1))
    made = pairwise.Pairs.of(a, b)
    beyond, within, quick = made.beyond(margin), made.within(margin), made.p(most=0.05)
    for at, (found, (one, other)) in enumerate(zip(made.ratios(), pairs, strict=True)):
        alone = one_pair.welch(one, other)
        assert alone is not None
        if len(set(one)) == 1 or len(set(other)) == 1:
            continue  # what numpy's rounding leaves of a variance that is zero
        assert (found.ratio, found.low, found.high) == pytest.approx((alone.ratio, alone.low, alone.high), rel=1e-6)
        assert (found.same_low, found.same_high) == pytest.approx((alone.same_low, alone.same_high), rel=1e-6)
        assert found.p == pytest.approx(alone.p, rel=1e-6, abs=1e-12)
        assert quick[at] == pytest.approx(alone.p if alone.p <= 0.05 else quick[at], rel=1e-6, abs=1e-12)
        assert (quick[at] > 0.05) == (alone.p > 0.05)
        assert beyond[at] == (alone.low > 1.0 + margin or alone.high < 1.0 - margin)
        assert within[at] == (alone.same_low >= 1.0 - margin and alone.same_high <= 1.0 + margin)


@given(st.lists(st.floats(0.0, 1.0), max_size=40))
@settings(max_examples=100, deadline=None)
def test_holm_of_an_array_is_holm(p: list[float]) -> None:
    small = [one * one * 0.2 for one in p]
    assert pairwise.holm(np.array(small)).tolist() == one_pair.holm(small)


@pytest.mark.parametrize("rule", [QUICK, Rule()])
def test_an_interval_without_an_end_raises_nothing(rule: Rule) -> None:
    a, b = ([10.0**-power, 1.0, 10.0**power] for power in (200, 150))
    row = row_of(exhibit("A", score(a)), exhibit("B", score(b)), rule)
    assert row.verdict is Verdict.UNDECIDED


def test_scores_are_compared_without_exhibits_too() -> None:
    result = compare.compare([score(SLOW)], [score(FAST)])
    assert [row.verdict for row in result.rows] == [Verdict.FASTER]
    assert result.rows[0].label == ""


def test_a_thousand_campaigns_are_compared_at_once() -> None:
    made: list[Score] = [score(runs(1.0 + at / 100, 0.001, at)) for at in range(1000)]
    result = compare.against(exhibit("A", made[0]), [exhibit(f"B{at}", one) for at, one in enumerate(made[1:])], QUICK)
    assert (len(result.rows), result.family) == (999, 999)
    assert result.rows[-1].verdict is Verdict.FASTER


@given(st.floats(1e-9, 1e15), st.integers(2, 9), st.integers(2, 9))
@settings(max_examples=60, deadline=None)
def test_runs_that_are_all_equal_have_exactly_one_mean_however_many_there_are(x: float, few: int, many: int) -> None:
    sides = pairwise.Sides.of([[x] * few, [x] * many])
    assert sides.mean[0] == sides.mean[1]
    assert sides.variance.tolist() == [0.0, 0.0]
