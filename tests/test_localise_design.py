"""Rounds of disjoint pairs: the circle method, the second look, and single pairs again."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.localise import cost, design
from benchsuite.model import Culprit, Decision, Finding, Round, Scan, Stage
from tests.localise_scans import NBYTES, World, measured, slow, units


def disjoint(rounds: tuple[Round, ...]) -> None:
    for one in rounds:
        ranks = [rank for pair in one.pairs for rank in pair]
        assert len(ranks) == len(set(ranks))


@given(st.integers(2, 40))
@settings(max_examples=60, deadline=None)
def test_in_a_full_circle_every_pair_meets_once(n: int) -> None:
    pairs = design.circle(n)
    assert pairs.shape == (n - 1 + n % 2, n // 2, 2)
    met = Counter(tuple(sorted(pair)) for turn in pairs.tolist() for pair in turn)
    assert set(met) == set(combinations(range(n), 2))
    assert set(met.values()) == {1}
    for turn in pairs.tolist():
        assert len({seat for pair in turn for seat in pair}) == 2 * (n // 2)


@given(st.integers(2, 33), st.integers(1, 70), st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_partners_repeat_only_when_all_were_met(n: int, rounds: int, seed: int) -> None:
    found = design.screen(units(n), rounds, seed)
    assert [one.number for one in found] == list(range(rounds))
    disjoint(found)
    cycle = n - 1 + n % 2
    for begin in range(0, rounds, cycle):
        pairs = [frozenset(pair) for one in found[begin : begin + cycle] for pair in one.pairs]
        assert len(pairs) == len(set(pairs))
    assert found == design.screen(units(n), rounds, seed)


def test_another_seed_gives_other_rounds() -> None:
    assert design.screen(units(16), 5, 1) != design.screen(units(16), 5, 2)


def test_either_end_of_a_pair_sends_first_about_as_often() -> None:
    first = [pair[0] < pair[1] for one in design.screen(units(64), 60, 3) for pair in one.pairs]
    assert 0.4 < np.mean(first) < 0.6


def test_partners_are_spread_over_the_leaves() -> None:
    """Consecutive blocks would pair whole leaves with whole leaves."""
    for one in design.screen(units(64), 20, 5):
        leaves = Counter(frozenset((a // 16, b // 16)) for a, b in one.pairs)
        assert len(leaves) > 6


def test_units_of_nodes_meet_rail_by_rail() -> None:
    who = units(6, per_node=4)
    for one in design.screen(who, 5, 1):
        assert all(a % 4 == b % 4 and a // 4 != b // 4 for a, b in one.pairs)
        assert len(one.pairs) == 3 * 4
    disjoint(design.screen(who, 5, 1))


def test_on_one_node_its_units_meet_each_other() -> None:
    found = design.screen(units(1, per_node=8), 7, 1)
    assert {frozenset(pair) for one in found for pair in one.pairs} == {
        frozenset(pair) for pair in combinations(range(8), 2)
    }


def test_nodes_of_unlike_size_meet_as_far_as_both_reach() -> None:
    who = (*units(1, per_node=3), *(replace_node(one, 3) for one in units(1, per_node=2)))
    assert design.screen(who, 1, 1)[0].pairs in {((0, 3), (1, 4)), ((3, 0), (4, 1))}


def replace_node(unit, by):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(unit, rank=unit.rank + by, node="other")


@pytest.mark.parametrize(("n", "asked", "given"), [(8, 1, 7), (8, 14, 14), (8, 15, 21), (7, 8, 14), (64, 24, 63)])
def test_a_full_tournament_is_a_whole_number_of_circles(n: int, asked: int, given: int) -> None:
    assert len(design.screen(units(n), asked, 1, full=True)) == given


@pytest.mark.parametrize("n", [0, 1])
def test_who_is_alone_meets_nobody(n: int) -> None:
    assert all(not one.pairs for one in design.screen(units(n), 3, 1))
    assert design.screen(units(n), 3, 1, full=True) == design.screen(units(n), 3, 1)


def suspicion(*ranks: int, culprit: Culprit = Culprit.NODE) -> Finding:
    return Finding(culprit, Decision.CANNOT_TELL, ranks, "")


def test_suspects_meet_another_good_partner_in_every_round_and_never_each_other() -> None:
    scan = Scan(units(20), 1, NBYTES)
    rounds = design.confirmation(scan, [suspicion(3), suspicion(7)], 12, 5)
    assert len(rounds) == 12
    assert {one.stage for one in rounds} == {Stage.CONFIRM}
    disjoint(rounds)
    for suspect in (3, 7):
        partners = [next(set(pair) - {suspect} for pair in one.pairs if suspect in pair) for one in rounds]
        assert len({frozenset(one) for one in partners}) == 12
        assert not {frozenset({3}), frozenset({7})} & {frozenset(one) for one in partners}
    assert all(len(one.pairs) == 10 for one in rounds), "the others are paired as controls"


@pytest.mark.parametrize(("good", "enough"), [(3, False), (4, True)])
def test_without_two_good_nodes_for_each_suspect_there_is_no_second_look(good: int, enough: bool) -> None:
    rounds = design.confirmation(Scan(units(good + 2), 1, NBYTES), [suspicion(0), suspicion(1)], 12, 1)
    assert bool(rounds) is enough


def test_nobody_suspected_means_no_second_look() -> None:
    scan = Scan(units(8), 1, NBYTES)
    assert design.confirmation(scan, [], 12, 1) == ()
    assert design.confirmation(scan, [suspicion(1, culprit=Culprit.STALLED)], 12, 1) == ()


def test_the_slowest_pair_is_measured_again_with_concurrent_controls() -> None:
    who = units(16)
    world = World(links={(2, 9): 0.5, (9, 2): 0.5})
    scan = measured(Scan(who, 1, NBYTES), design.screen(who, 15, 1), world, np.random.default_rng(1))
    rounds = design.links(scan, 3, 12, 2)
    disjoint(rounds)
    assert {one.stage for one in rounds} == {Stage.LINKS}
    own = [pair for one in rounds for pair in one.pairs if set(pair) == {2, 9}]
    assert len(own) == 12
    assert len(set(own)) == 2, "either direction goes first"
    assert all(len(one.pairs) > 1 for one in rounds)


def test_a_slow_node_does_not_make_its_pairs_the_worst_links() -> None:
    who = units(16)
    world = slow(5, by=0.4)
    world = World(world.sends, world.receives, links={(2, 9): 0.3, (9, 2): 0.3})
    scan = measured(Scan(who, 1, NBYTES), design.screen(who, 15, 1), world, np.random.default_rng(1))
    again = Counter(frozenset(pair) for one in design.links(scan, 1, 12, 2) for pair in one.pairs)
    assert again.most_common(1) == [(frozenset({2, 9}), 12)]


def test_pairs_with_wrong_bytes_are_measured_again_first() -> None:
    who = units(8)
    world = World(links={(2, 5): 0.3}, wrong=lambda one, sender, receiver: 4 * ((sender, receiver) == (1, 6)))
    scan = measured(Scan(who, 1, NBYTES), design.screen(who, 7, 1), world, np.random.default_rng(1))
    assert any({1, 6} == set(pair) for one in design.links(scan, 1, 2, 2) for pair in one.pairs)


def test_the_predicted_time_is_that_of_the_formula() -> None:
    assert cost.seconds(64, 24, 64 << 20, 50e9) == pytest.approx(
        24 * (0.1 + 25 * 2 * (64 * 2**20 / 50e9 + 20e-6) + 120e-6)
    )
    assert cost.seconds(64, 24, 64 << 20, 50e9) == pytest.approx(4.0, abs=0.1)
    assert cost.seconds(1, 24, 64 << 20, 50e9) == 0
