"""Several numbers as one: the laws of the three means, and what withholds them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.aggregate import NOISY, Aggregate, Mean, Part, costs, of_scores, rates, ratios
from benchsuite.model import Case, Metric, Score, Status, Work

few = settings(max_examples=80, deadline=None)
MEANS = (rates, ratios, costs)
numbers = st.floats(1e-6, 1e15)


@st.composite
def parts(draw: st.DrawFn, *, weighed: bool = True) -> list[Part]:
    made = []
    for number in range(draw(st.integers(1, 6))):
        value, width = draw(numbers), draw(st.floats(0.0, NOISY * 0.9))
        weight = draw(st.floats(1e-3, 1e12)) if weighed else 1.0
        low, high = value * math.exp(-width), value * math.exp(width)
        made.append(Part(f"part {number}", value, low, high, "B/s", weight))
    return made


def numbers_of(found: Aggregate) -> tuple[float, float, float]:
    assert found.value is not None, found.reason
    assert found.low is not None
    assert found.high is not None
    return found.low, found.value, found.high


@few
@given(parts(), st.data())
def test_the_order_of_the_parts_does_not_matter(some: list[Part], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(some))
    for mean in MEANS:
        assert numbers_of(mean(shuffled)) == pytest.approx(numbers_of(mean(some)), rel=1e-9)


@few
@given(parts(), st.sampled_from([1e-12, 1e-3, 8.0, 1e9]))
def test_the_unit_does_not_matter(some: list[Part], scale: float) -> None:
    scaled = [
        replace(one, value=(one.value or 0) * scale, low=(one.low or 0) * scale, high=(one.high or 0) * scale)
        for one in some
    ]
    for mean in MEANS:
        assert numbers_of(mean(scaled)) == pytest.approx([end * scale for end in numbers_of(mean(some))], rel=1e-9)


@few
@given(parts())
def test_it_lies_between_the_least_and_the_largest_part_and_inside_its_interval(some: list[Part]) -> None:
    values = [one.value or 0.0 for one in some]
    for mean in MEANS:
        low, value, high = numbers_of(mean(some))
        assert min(values) * (1 - 1e-9) <= value <= max(values) * (1 + 1e-9)
        assert low <= value <= high


@few
@given(parts(), st.floats(1.001, 1e3), st.data())
def test_a_larger_part_makes_a_larger_whole(some: list[Part], factor: float, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(some) - 1))
    value = (some[number].value or 0.0) * factor
    grown = [*some]
    grown[number] = replace(some[number], value=value, low=value, high=value)
    for mean in MEANS:
        assert numbers_of(mean(grown))[1] >= numbers_of(mean(some))[1] * (1 - 1e-12)


@few
@given(parts(weighed=False))
def test_harmonic_is_at_most_geometric_is_at_most_arithmetic(some: list[Part]) -> None:
    harmonic, geometric, arithmetic = (numbers_of(mean(some))[1] for mean in MEANS)
    assert harmonic <= geometric * (1 + 1e-9)
    assert geometric <= arithmetic * (1 + 1e-9)


@few
@given(parts())
def test_the_interval_is_no_wider_than_if_all_parts_erred_together(some: list[Part]) -> None:
    for mean in MEANS:
        low, _, high = numbers_of(mean(some))
        worst = numbers_of(mean([replace(one, value=one.low, high=one.low) for one in some]))[1]
        best = numbers_of(mean([replace(one, value=one.high, low=one.high) for one in some]))[1]
        assert worst * (1 - 2e-3) <= low  # to first order
        assert high <= best * (1 + 2e-3)


def test_rates_are_all_work_over_all_time() -> None:
    slow, fast = Part("slow", 1.0, unit="B/s", weight=100.0), Part("fast", 100.0, unit="B/s", weight=100.0)
    assert rates([slow, fast]).value == pytest.approx(200.0 / 101.0)
    assert rates([slow, replace(fast, weight=1e-9)]).value == pytest.approx(1.0)


def test_costs_count_as_often_as_they_are_paid() -> None:
    assert costs([Part("often", 1.0, weight=3.0), Part("rare", 5.0)]).value == pytest.approx(2.0)


def test_ratios_do_not_care_which_of_two_is_the_base() -> None:
    found = ratios([Part("a", 2.0), Part("b", 0.5)])
    assert found.value == pytest.approx(1.0)
    assert found.mean is Mean.GEOMETRIC
    assert ratios([Part("a", 2.0, weight=9.0), Part("b", 0.5)]).value == pytest.approx(1.0)


def test_independent_parts_make_a_narrower_whole() -> None:
    """Two equal parts of 4 %: 4 % / sqrt(2)."""
    part = Part("one", 1.0, math.exp(-0.04), math.exp(0.04))
    low, value, high = numbers_of(ratios([part, replace(part, name="other")]))
    assert math.log(high / value) == pytest.approx(0.04 / math.sqrt(2))
    assert math.log(value / low) == pytest.approx(0.04 / math.sqrt(2))


GOOD = Part("good", 1.0, 0.99, 1.01, "B/s")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Part("b", None, unit="B/s", reason="The result was wrong."), "b: The result was wrong"),
        (Part("b", None, unit="B/s"), "b: no value"),
        (Part("b", 0.0, unit="B/s"), "b: not positive"),
        (Part("b", -1.0, unit="B/s"), "b: not positive"),
        (Part("b", math.nan, unit="B/s"), "b: not positive"),
        (Part("b", math.inf, unit="B/s"), "b: not positive"),
        (Part("b", 1.0, 0.0, 1.1, "B/s"), "b: not positive"),
        (Part("b", 1.0, unit="B/s", weight=0.0), "b: not positive"),
        (Part("b", 1.0, unit="flop/s"), "b: in flop/s, not B/s"),
        (Part("b", 1.0, 0.8, 1.2, "B/s"), "b: uncertain by 25%, more than 5%"),
    ],
)
def test_one_bad_part_withholds_the_whole_with_the_reason(bad: Part, reason: str) -> None:
    for mean in MEANS:
        found = mean([GOOD, GOOD, bad])
        assert (found.value, found.low, found.high) == (None, None, None)
        assert found.counted == "2 of 3"
        assert found.reason == f"2 of 3; {reason}"
        assert len(found.parts) == 3


def test_nothing_has_no_mean() -> None:
    assert rates([]).value is None
    assert rates([]).reason


def test_without_an_interval_of_every_part_there_is_none() -> None:
    found = ratios([GOOD, replace(GOOD, low=None, high=None)])
    assert found.value == pytest.approx(1.0)
    assert found.low is None
    assert found.high is None


def score(metric: Metric, value: float | None, **work: float) -> Score:
    return Score(Case.of("x"), "good", "", metric, Status.OK, Work(**work), value=value)


def test_scores_are_averaged_by_what_they_are() -> None:
    flops = [score(Metric.FLOPS, 10.0, flops=100.0), score(Metric.FLOPS, 1.0, flops=10.0)]
    assert of_scores(flops).value == pytest.approx(110.0 / 20.0)
    latencies = [score(Metric.LATENCY, 1.0, steps=1.0), score(Metric.LATENCY, 3.0, steps=9.0)]
    assert of_scores(latencies).value == pytest.approx(2.0)
    imported = [score(Metric.ALGBW, 1.0), score(Metric.ALGBW, 3.0)]
    assert of_scores(imported).value == pytest.approx(1.5)


def test_scores_of_two_metrics_or_of_one_that_has_no_mean_are_refused() -> None:
    mixed = of_scores([score(Metric.FLOPS, 1.0, flops=1.0), score(Metric.BANDWIDTH, 1.0, read=1.0)])
    assert mixed.value is None
    assert "in B/s, not flop/s" in mixed.reason
    assert of_scores([score(Metric.TEMPERATURE, 40.0)]).value is None
    assert of_scores([score(Metric.FLOPS, None, flops=1.0)]).counted == "0 of 1"
