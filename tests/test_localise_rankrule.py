"""The w-of-R rule: its closed form against brute force, its table, and its limits."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from benchsuite.localise import rankrule

TABLE = {
    8: (1, 1, 1, 2, 2),
    16: (1, 3, 3, 4, 5),
    32: (3, 5, 5, 8, 10),
    64: (6, 10, 11, 17, 19),
    128: (11, 20, 21, 32, 38),
    512: (40, 72, 77, 122, 147),
    1024: (73, 135, 147, 237, 288),
    4096: (251, 474, 542, 887, 1102),
}
"""k for n nodes at alpha .004, derived apart from this code (and recomputed by it, never looked up)."""


@pytest.mark.parametrize("n", TABLE)
def test_k_is_that_of_the_closed_form(n: int) -> None:
    columns = ((12, 9), (12, 11), (24, 18), (24, 22), (40, 36))
    assert tuple(rankrule.largest(rounds, w, 0.004, n, n // 2) for rounds, w in columns) == TABLE[n]


@given(st.integers(2, 60), st.data(), st.floats(1e-4, 0.05), st.integers(2, 500))
@settings(max_examples=100, deadline=None)
def test_k_keeps_alpha_and_one_more_would_not(rounds: int, data: st.DataObject, alpha: float, n: int) -> None:
    w = data.draw(st.integers(1, rounds))
    values = data.draw(st.integers(2, 300))
    k = rankrule.largest(rounds, w, alpha, n, values)
    assert n * binom.sf(w - 1, rounds, k / values) <= alpha * (1 + 1e-6)
    if k + 1 < values:
        assert n * binom.sf(w - 1, rounds, (k + 1) / values) > alpha * (1 - 1e-6)


@pytest.mark.parametrize(("n", "rounds"), [(8, 6), (16, 4), (32, 4), (4, 10)])
def test_minimum_rounds(n: int, rounds: int) -> None:
    assert rankrule.minimum_rounds(n, 0.004, n // 2) == rounds
    assert not rankrule.rule(n, rounds - 1, 0.004, n // 2, 1.0).possible
    assert rankrule.rule(n, rounds, 0.004, n // 2, 1.0).possible


@pytest.mark.parametrize("n", [2, 3])
def test_a_single_pair_a_round_can_never_accuse(n: int) -> None:
    assert rankrule.minimum_rounds(n, 0.004, 1) is None
    assert not rankrule.rule(n, 10_000, 0.004, 1, 0.9).possible


def brute(values: list[list[float]], k: int) -> list[list[float]]:
    """The excess over the k-th largest of the other groups, the long way."""
    found = []
    for at, group in enumerate(values):
        others = sorted(
            (v for other, row in enumerate(values) if other != at for v in row if np.isfinite(v)), reverse=True
        )
        found.append([v - (others[k - 1] if 1 <= k <= len(others) else float("inf")) for v in group])
    return found


@given(st.integers(1, 6), st.integers(1, 3), st.floats(0.05, 0.95), st.integers(0, 1 << 32))
@settings(max_examples=150, deadline=None)
def test_excess_leaves_the_own_group_out(groups: int, m: int, part: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.round(rng.standard_normal((1, groups, m)), 1)
    values[rng.random(values.shape) < 0.15] = np.nan
    found = rankrule.excess(values, part)
    for at in range(groups):
        pool = int(np.isfinite(np.delete(values[0], at, axis=0)).sum())
        k = min(int(np.floor(part * (pool + 1) + 1e-9)), pool)
        expected = brute(values[0].tolist(), k)[at]
        np.testing.assert_allclose(found[0, at], expected)


def test_the_slowest_pair_is_not_compared_with_itself() -> None:
    """Were it in the pool, its own value would be the threshold, and no margin could be passed."""
    values = np.array([[[0.5], [0.0], [0.0], [0.0]]])
    assert rankrule.excess(values, 0.25)[0, 0, 0] == pytest.approx(0.5)


def test_against_counts_the_pool_only() -> None:
    pool = np.array([[0.1, 0.3, 0.2, np.nan]])
    assert rankrule.against(np.array([[0.5]]), pool, 0.25)[0, 0] == pytest.approx(0.2)
    assert rankrule.against(np.array([[0.5]]), pool, 0.5)[0, 0] == pytest.approx(0.3)
    assert rankrule.against(np.array([[0.5]]), pool, 0.2)[0, 0] == -np.inf, "so few values cannot be so rare a rank"
    assert rankrule.against(np.array([[0.5]]), np.empty((1, 0)), 0.9)[0, 0] == -np.inf


def test_the_lower_limit_is_the_largest_margin_that_would_still_accuse() -> None:
    rng = np.random.default_rng(1)
    above = rng.standard_normal((24, 50))
    one = rankrule.rule(50, 24, 0.004, 25, 0.75)
    judged = rankrule.judge(above, one, 0.0)
    for seat in range(50):
        limit = judged.lower[seat]
        assert rankrule.judge(above, one, limit - 1e-9).exceeded[seat] >= one.w
        assert rankrule.judge(above, one, limit + 1e-9).exceeded[seat] < one.w


def test_missing_rounds_change_what_is_needed_and_never_count() -> None:
    above = np.full((24, 3), 1.0)
    above[18:, 1] = np.nan
    above[2:, 2] = np.nan
    one = rankrule.rule(64, 24, 0.004, 32, 0.9)
    judged = rankrule.judge(above, one, 0.0)
    assert judged.slow.tolist() == [True, True, False]
    assert judged.rounds.tolist() == [24, 18, 2]
    needed = int(one.needed(np.array([18]))[0])
    assert 64 * binom.sf(needed - 1, 18, one.part) <= 0.004 < 64 * binom.sf(needed - 2, 18, one.part)


def test_the_null_keeps_alpha_without_any_margin() -> None:
    """Exchangeable values of the heaviest tails: fleets with anybody called slow are hardly more than alpha."""
    rng = np.random.default_rng(7)
    one = rankrule.rule(16, 12, 0.2, 8, 0.75)
    hits = 0
    for _ in range(400):
        above = rankrule.excess(rng.standard_cauchy((12, 8, 1)), one.part)[:, :, 0]
        seats = rng.permuted(np.repeat(above, 2, axis=1), axis=1)  # both ends of a pair; new partners each round
        hits += bool(rankrule.judge(seats, one, 0.0).slow.any())
    assert binom.sf(hits - 1, 400, 0.2) > 1e-4
    assert hits > 0, "a bound that is never reached would test nothing"


def test_the_chosen_rule_follows_the_noise_and_keeps_alpha() -> None:
    rng = np.random.default_rng(3)
    clean = np.sort(0.01 * rng.standard_normal(20_000))
    hit = np.sort(0.01 * rng.standard_normal(20_000) + 0.05 * (rng.random(20_000) < 0.36))
    for pool in (clean, hit):
        one = rankrule.chosen(512, 24, 0.004, 256, pool, 0.02, 0.051)
        assert 512 * binom.sf(one.w - 1, 24, one.part) <= 0.004
    collided = rankrule.chosen(512, 24, 0.004, 256, hit, 0.02, 0.051)
    assert collided.part > 0.36, "k/P must be above the part of the values that collisions lift"
    fixed = rankrule.rule(512, 24, 0.004, 256, 0.75)
    assert rankrule.power(collided, hit, 0.02, 0.051) > rankrule.power(fixed, hit, 0.02, 0.051) + 0.2


def test_the_smallest_slowdown_is_where_power_is_reached() -> None:
    pool = np.sort(0.01 * np.random.default_rng(3).standard_normal(20_000))
    one = rankrule.rule(64, 24, 0.004, 32, 0.75)
    found = rankrule.smallest(one, pool, 0.02)
    assert found is not None
    assert rankrule.power(one, pool, 0.02, found) >= 0.95 > rankrule.power(one, pool, 0.02, found - 0.002)
    assert rankrule.smallest(rankrule.rule(3, 9, 0.004, 1, 0.9), pool, 0.02) is None


def test_percent_is_of_speed() -> None:
    assert rankrule.percent(log(2)) == 50
