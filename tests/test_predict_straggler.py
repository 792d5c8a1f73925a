"""What uneven nodes and failures cost: against closed forms, published numbers and counting at random."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.errors import RefusedError, UsageError
from benchsuite.predict.reliability import UNPLANNED, YEAR, Reliability, interval, stretched
from benchsuite.predict.straggler import expected_maximum, slow_node, tax


@pytest.mark.parametrize(
    ("nodes", "closed"),
    [
        (1, 0.0),
        (2, 1 / math.sqrt(math.pi)),
        (3, 1.5 / math.sqrt(math.pi)),
        (4, 3 / math.sqrt(math.pi) * (2 / math.pi) * math.atan(math.sqrt(2))),
        (5, 5 / math.sqrt(math.pi) * ((3 / math.pi) * math.atan(math.sqrt(2)) - 0.5)),
    ],
)
def test_the_expected_maximum_has_its_closed_forms(nodes: int, closed: float) -> None:
    assert expected_maximum(nodes) == pytest.approx(closed, abs=1e-9)


def test_the_expected_maximum_of_many_is_what_tables_say() -> None:
    """Harter, Expected values of normal order statistics, 1961."""
    assert expected_maximum(10) == pytest.approx(1.53875, abs=1e-5)
    assert expected_maximum(100) == pytest.approx(2.50759, abs=1e-5)


def test_the_expected_maximum_is_what_counting_finds() -> None:
    numbers = random.Random(5)
    drawn = [max(numbers.gauss(0, 1) for _ in range(32)) for _ in range(4000)]
    assert expected_maximum(32) == pytest.approx(fmean(drawn), abs=0.03)


@given(nodes=st.integers(1, 5000))
@settings(deadline=None, max_examples=15)
def test_more_nodes_never_wait_less(nodes: int) -> None:
    assert expected_maximum(nodes + 1) > expected_maximum(nodes) - 1e-12


def test_the_tax_is_in_proportion_to_the_spread() -> None:
    assert tax(0.03, 32) == pytest.approx(3 * tax(0.01, 32))
    assert tax(0.0, 1000) == 0.0


def test_a_step_waits_for_one_node_not_for_two() -> None:
    assert slow_node(0.1) == pytest.approx(1 / 0.9 - 1)
    assert slow_node(0.01, 0.03, 32) == tax(0.03, 32)
    assert slow_node(0.2, 0.03, 32) == pytest.approx(0.25)


@pytest.mark.parametrize("call", [lambda: tax(-0.1, 2), lambda: tax(1.0, 2), lambda: expected_maximum(0)])
def test_what_cannot_be_is_no_number(call) -> None:
    with pytest.raises(UsageError):
        call()
    with pytest.raises(UsageError):
        slow_node(1.0)


def test_the_interval_is_youngs_where_checkpoints_are_short() -> None:
    between = 10_800.0
    assert interval(1.0, between) == pytest.approx(math.sqrt(2 * between), rel=0.02)
    assert interval(3 * between, between) == between


def test_llama_3_fails_every_three_hours() -> None:
    """The paper's 419 interruptions in 54 days of 16,384 GPUs: one in about three hours."""
    between = YEAR / (UNPLANNED * 16_384)
    assert between / 3600 == pytest.approx(54 * 24 / 419, rel=0.01)


def test_the_interval_costs_the_least() -> None:
    reliability = Reliability(UNPLANNED, 60.0, 600.0)
    factor, work = stretched(reliability, 4096)
    between = YEAR / (UNPLANNED * 4096)

    def cost(seconds: float) -> float:
        return between * math.exp(600 / between) * math.expm1((seconds + 60) / between) / seconds

    assert factor == pytest.approx(cost(work))
    assert factor <= min(cost(work * 0.8), cost(work * 1.25))


def test_the_factor_is_what_a_simulation_of_failures_takes() -> None:
    between, checkpoint, restart = 20_000.0, 100.0, 500.0
    factor, work = stretched(Reliability(YEAR / between, checkpoint, restart), 1)
    numbers, clock, done = random.Random(3), 0.0, 0.0
    goal = 3000 * work
    while done < goal:
        until = numbers.expovariate(1 / between)
        if until >= work + checkpoint:
            clock, done = clock + work + checkpoint, done + work
            continue
        clock += until
        while (failed := numbers.expovariate(1 / between)) < restart:
            clock += failed
        clock += restart
    assert clock / goal == pytest.approx(factor, rel=0.02)


def test_where_nothing_gets_done_there_is_no_number() -> None:
    with pytest.raises(RefusedError, match="fail every"):
        stretched(Reliability(UNPLANNED, 600.0, 600.0), 10_000_000)
    with pytest.raises(UsageError):
        stretched(Reliability(0.0), 8)
