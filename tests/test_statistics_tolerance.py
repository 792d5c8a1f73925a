"""Tolerance limits: the factors of the tables, their confidence by independent simulation, and what ill machines do."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from benchsuite.statistics import tolerance


@pytest.mark.parametrize(
    ("n", "content", "factor"),
    [  # Hahn & Meeker, one-sided, confidence 95 %
        (10, 0.99, 3.981),
        (20, 0.99, 3.295),
        (59, 0.99, 2.812),
        (100, 0.99, 2.684),
        (299, 0.99, 2.522),
        (10, 0.95, 2.911),
        (100, 0.95, 1.927),
    ],
)
def test_the_factor_of_mean_and_deviation_is_the_tables(n: int, content: float, factor: float) -> None:
    assert tolerance.normal_factor(n, content) == pytest.approx(factor, abs=1e-3)


@pytest.mark.parametrize("n", [10, 11, 20, 64])
def test_the_limit_has_the_confidence_that_it_claims(n: int) -> None:
    """With seeds of its own: in 95 % of samples, 99 % of the population lie above the limit."""
    rng = np.random.default_rng(7)
    samples = rng.standard_normal((8_000, n))
    centre = np.median(samples, axis=1)
    spread = tolerance.CONSISTENT * np.median(np.abs(samples - centre[:, None]), axis=1)
    held = np.mean(centre - tolerance.robust_factor(n) * spread <= norm.ppf(0.01))
    assert held == pytest.approx(0.95, abs=0.012)  # four standard errors of both simulations
    tables = np.mean(centre - tolerance.normal_factor(n) * spread <= norm.ppf(0.01))
    assert tables < held - 0.02  # the factor of mean and deviation promises too much for median and MAD


def test_the_factors_fall_with_the_number_of_machines() -> None:
    factors = [tolerance.robust_factor(n) for n in (10, 16, 32, 64, 128, 512)]
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] > -norm.ppf(0.01)
    assert all(tolerance.robust_factor(n) > tolerance.normal_factor(n) for n in (10, 32, 128))


def test_ill_machines_hardly_move_the_limit() -> None:
    rng = np.random.default_rng(3)
    logs = 0.01 * rng.standard_normal(60)
    ill = logs.copy()
    ill[:3] -= 0.08
    clean, moved = tolerance.lower(logs.tolist()), tolerance.lower(ill.tolist())
    assert moved.limit == pytest.approx(clean.limit, abs=0.5 * 0.01)
    classical = ill.mean() - tolerance.normal_factor(60) * ill.std(ddof=1)
    assert classical < clean.limit - 2 * 0.01
    assert set(tolerance.outliers(ill.tolist())) == {0, 1, 2}


@pytest.mark.parametrize("n", [10, 32, 64])
def test_a_healthy_fleet_is_suspected_once_in_a_hundred(n: int) -> None:
    rng = np.random.default_rng(11)
    suspected = np.mean([bool(tolerance.outliers(rng.standard_normal(n).tolist())) for _ in range(1_500)])
    assert suspected == pytest.approx(0.01, abs=0.011)


def test_equal_machines_have_the_smallest_spread() -> None:
    found = tolerance.lower([0.5] * 12)
    assert found.spread == tolerance.FLOOR
    assert tolerance.outliers([0.5] * 12) == ()
    assert tolerance.outliers([0.5] * 12 + [0.5 - 0.05]) == (12,)


@pytest.mark.parametrize("logs", [[0.0] * 9, [], [*[0.0] * 11, math.nan], [*[0.0] * 11, -math.inf]])
def test_too_few_or_no_numbers_give_no_limit(logs: list[float]) -> None:
    with pytest.raises(ValueError, match="needs 10 finite values"):
        tolerance.lower(logs)


@given(
    st.lists(st.floats(-0.05, 0.05), min_size=10, max_size=40),
    st.floats(-5.0, 5.0),
    st.randoms(use_true_random=False),
)
@settings(max_examples=50)
def test_unit_and_order_do_not_matter(logs: list[float], shift: float, order: object) -> None:
    found = tolerance.lower(logs)
    shuffled = [one + shift for one in logs]
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    moved = tolerance.lower(shuffled)
    assert moved.limit == pytest.approx(found.limit + shift, abs=1e-9)
    assert moved.limit < moved.centre


def test_the_page_has_the_factors() -> None:
    page = (Path(__file__).parent.parent / "docs" / "contracts.md").read_text()
    rows = {row.split("|")[1].strip(): row.split("|")[2:-1] for row in page.splitlines() if row.startswith("| ")}
    machines = [int(one) for one in rows["machines"]]
    assert len(machines) >= 6
    for name, factor in (
        ("*k*, median and MAD", tolerance.robust_factor),
        ("*k*, mean and deviation", tolerance.normal_factor),
    ):
        assert [float(one) for one in rows[name]] == [pytest.approx(factor(n), abs=0.006) for n in machines]
