"""Stragglers: the closed form of the threshold, how often healthy ranks are accused, and who is found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.statistics.ranks import ALPHA, needed, rounds_needed, slots, stragglers

RANKS = (2, 3, 4, 8, 16)


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("rounds", [12, 24])
def test_the_threshold_is_the_smallest_that_keeps_the_rate(ranks: int, rounds: int) -> None:
    """Against the binomial sum written out."""
    chance = slots(ranks) / ranks

    def rate(w: int) -> float:
        terms = (math.comb(rounds, i) * chance**i * (1.0 - chance) ** (rounds - i) for i in range(w, rounds + 1))
        return ranks * sum(terms)

    w = needed(ranks, rounds)
    assert w is not None
    assert rate(w) <= ALPHA
    assert w == rounds // 2 + 1 or rate(w - 1) > ALPHA


def test_too_few_rounds_accuse_nobody() -> None:
    """Of two ranks one is the slower in every one of seven rounds with probability 2 / 2**7 > 0.01."""
    assert rounds_needed(2) == 8
    assert needed(2, 7) is None
    assert needed(2, 8) == 8
    assert stragglers([(1.0, 9.0)] * 7, 0.1) == ()
    assert [one.rank for one in stragglers([(1.0, 9.0)] * 8, 0.1)] == [1]


def test_who_is_slow_in_fewer_than_half_of_the_rounds_is_not_accused() -> None:
    """Chance alone would need fewer of seven ranks, but then the rank's median is no slower than theirs."""
    assert needed(7, 24) == 13


@pytest.mark.parametrize("rounds", [[], [(1.0,)] * 50], ids=["nothing", "one rank"])
def test_nothing_to_compare_accuses_nobody(rounds: list[tuple[float, ...]]) -> None:
    assert stragglers(rounds, 0.1) == ()


@pytest.mark.parametrize("ranks", RANKS)
def test_healthy_ranks_are_accused_no_more_often_than_stated(ranks: int) -> None:
    """No margin, heavy tails, 500 groups: the exact bound alone must hold (Clopper-Pearson 99.9 % lower bound)."""
    from scipy.stats import beta

    rng = np.random.default_rng(ranks)
    alpha, groups = 0.01, 500
    times = np.exp(0.02 * rng.standard_t(3, (groups, 24, ranks)))
    alarms = sum(bool(stragglers(group.tolist(), 0.0, alpha)) for group in times)
    lower = float(beta.ppf(0.001, alarms, groups - alarms + 1)) if alarms else 0.0
    assert lower <= alpha


@pytest.mark.parametrize("ranks", RANKS)
def test_fifty_healthy_worlds_raise_no_alarm_and_fifty_slow_ranks_are_named(ranks: int) -> None:
    """Ranks that differ a little for good, as all do; the margin keeps that from counting."""
    rng = np.random.default_rng(100 + ranks)
    for _ in range(50):
        own = 1.0 + 0.05 * rng.standard_normal(ranks)
        rounds = own * np.exp(0.05 * rng.standard_t(3, (24, ranks)))
        assert stragglers(rounds.tolist(), 0.5) == ()
        slow = int(rng.integers(ranks))
        rounds[:, slow] += 1.5
        assert [one.rank for one in stragglers(rounds.tolist(), 0.5)] == [slow]


def test_without_a_margin_a_lasting_trifle_would_be_accused() -> None:
    """Why the margin is compulsory."""
    rounds = [(1.0, 1.001)] * 24
    assert stragglers(rounds, 0.0) != ()
    assert stragglers(rounds, 0.01) == ()


def test_a_quarter_of_the_ranks_may_be_slow_at_once() -> None:
    row = [1.0] * 8
    row[2], row[5] = 3.0, 4.0
    found = stragglers([row] * 24, 0.5)
    assert [one.rank for one in found] == [5, 2]
    assert (found[0].own, found[0].others, found[0].slower, found[0].rounds) == (4.0, 1.0, 24, 24)
    row[2] = row[5] = row[6] = 4.0  # one too many: what is normal is no longer known
    assert stragglers([row] * 24, 0.5) == ()


def test_a_rank_that_is_slow_now_and_then_is_not_accused() -> None:
    assert stragglers([(1.0, 3.0), (1.0, 1.0)] * 12, 0.5) == ()


@given(st.permutations(range(5)), st.floats(1e-6, 1e3), st.integers(0, 4))
def test_the_verdict_follows_the_rank_and_knows_no_unit(order: list[int], unit: float, slow: int) -> None:
    rng = np.random.default_rng(7)
    rounds = 1.0 + 0.01 * rng.random((24, 5))
    rounds[:, slow] += 1.0
    shuffled = unit * rounds[:, order]
    (found,) = stragglers(shuffled.tolist(), 0.2 * unit)
    assert order[found.rank] == slow
