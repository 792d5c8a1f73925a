"""Leader boards: order by estimate, ranks as ranges, ties as ties, and nobody on them who cannot be decided on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from benchsuite import compare, ranking
from benchsuite.model import Case, Caveat, Exhibit, Metric, Origin, Score, Status
from benchsuite.ranking import Board, By, Place, Question
from benchsuite.statistics.runs import Verdict
from tests.exhibit_data import CHASE, GEMM, MEMORY, OFFER, exhibit, fleet, runs, score

sides = st.lists(st.lists(st.floats(0.9, 1.1), min_size=3, max_size=6), min_size=1, max_size=8)


def board_of(exhibits: list[Exhibit], question: Question | None = None) -> Board:
    found = ranking.boards(exhibits, question=question)
    assert len(found) == 1
    return found[0]


def machines(values: list[list[float]]) -> list[Exhibit]:
    return [exhibit(f"m{at:03}", score(each)) for at, each in enumerate(values)]


def ranges(board: Board) -> dict[str, tuple[int | None, int | None]]:
    return {place.label: (place.first, place.last) for place in board.ranked}


# -- the order and the ranges -----------------------------------------------------------------


def test_machines_far_apart_have_one_rank_each() -> None:
    board = board_of(fleet(5, sd=0.001, step=0.05))
    assert [(place.label, place.first, place.last) for place in board.ranked] == [
        ("m004", 1, 1),
        ("m003", 2, 2),
        ("m002", 3, 3),
        ("m001", 4, 4),
        ("m000", 5, 5),
    ]
    assert board.tests == 10


def test_of_a_latency_the_least_is_first() -> None:
    made = [exhibit(name, score(runs(ns, 0.001, 1), CHASE, Metric.LATENCY)) for name, ns in (("A", 9e-8), ("B", 8e-8))]
    assert ranges(board_of(made)) == {"B": (1, 1), "A": (2, 2)}


def test_machines_that_cannot_be_told_apart_share_a_range() -> None:
    pair = [score(runs(1e12, 0.005, at)) for at in (1, 2)]
    board = board_of([exhibit("A", pair[0]), exhibit("B", pair[1]), exhibit("C", score(runs(2e12, 0.005, 3)))])
    assert ranges(board) == {"C": (1, 1), "A": (2, 3), "B": (2, 3)}


def test_a_difference_within_the_margin_is_a_tie() -> None:
    made = machines([runs(1.0, 1e-5, 1), runs(1.005, 1e-5, 2)])
    assert set(ranges(board_of(made)).values()) == {(1, 2)}
    assert set(ranges(board_of(made, Question(margin=0.001))).values()) == {(1, 1), (2, 2)}


def test_equal_estimates_stand_in_alphabetical_order() -> None:
    board = board_of([exhibit(name, score([1.0, 1.1, 1.2])) for name in ("C", "A", "B")])
    assert [place.label for place in board.ranked] == ["A", "B", "C"]


def test_all_pairs_share_one_error_rate() -> None:
    """Two that a comparison tells apart are tied on a board of fifty others that look alike."""
    pair = [exhibit("A", score(runs(1.0, 0.004, 1))), exhibit("B", score(runs(1.02, 0.004, 2)))]
    crowd = [exhibit(f"T{at:02}", score(runs(1.0, 0.02, at + 10))) for at in range(50)]

    def b_against_a(exhibits: list[Exhibit]) -> Verdict | None:
        matrix = ranking.matrices(exhibits)[0]
        at = {place.label: position for position, place in enumerate(matrix.board.ranked)}
        return matrix.verdicts[at["B"]][at["A"]]

    assert b_against_a(pair) is Verdict.FASTER
    assert b_against_a([*pair, *crowd]) is Verdict.UNDECIDED


@given(sides)
@settings(max_examples=60, deadline=None)
def test_a_range_contains_the_position_by_estimate(values: list[list[float]]) -> None:
    board = board_of(machines(values))
    for position, place in enumerate(board.ranked, 1):
        assert place.first is not None
        assert place.last is not None
        assert 1 <= place.first <= position <= place.last <= len(values)


@given(sides, st.data())
@settings(max_examples=60, deadline=None)
def test_a_twin_is_tied_with_its_twin_and_changes_no_order(values: list[list[float]], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(values) - 1))
    before = board_of(machines(values))
    after = board_of([*machines(values), exhibit("twin", score(values[at]))])
    assert [place.label for place in after.ranked if place.label != "twin"] == [place.label for place in before.ranked]
    found = ranges(after)
    assert found["twin"] == found[f"m{at:03}"]
    assert found["twin"][0] != found["twin"][1]


@given(sides, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_in_which_machines_are_named_is_irrelevant(values: list[list[float]], random: object) -> None:
    made = machines(values)
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert board_of(made) == board_of(shuffled)


@given(sides, st.floats(1e-9, 1e15))
@settings(max_examples=30, deadline=None)
def test_the_unit_is_irrelevant(values: list[list[float]], unit: float) -> None:
    scaled = [[value * unit for value in each] for each in values]
    asked = Question(margin=0.0123456789)  # no pair of simple numbers lies just there
    assert ranges(board_of(machines(values), asked)) == ranges(board_of(machines(scaled), asked))


@given(sides, st.data())
@settings(max_examples=40, deadline=None)
def test_a_uniformly_faster_machine_never_falls(values: list[list[float]], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(values) - 1))
    by = data.draw(st.floats(1.0, 1.3))
    faster = [[value * by for value in each] if place == at else each for place, each in enumerate(values)]

    def position(exhibits: list[Exhibit]) -> int:
        return [place.label for place in board_of(exhibits).ranked].index(f"m{at:03}")

    assert position(machines(faster)) <= position(machines(values))


def test_a_board_of_two_says_what_a_comparison_says() -> None:
    for seed in range(40):
        pair = machines([runs(1.0, 0.01, seed), runs(1.015, 0.01, seed + 1000)])
        row = compare.against(pair[0], pair[1:], compare.Rule(detailed=False)).rows[0]
        matrix = ranking.matrices(pair)[0]
        at = [place.label for place in matrix.board.ranked].index("m001")
        assert matrix.verdicts[at][1 - at] is row.verdict
        assert matrix.ratios[at][1 - at] == pytest.approx(row.ratio)


def test_declared_conditions_that_are_not_the_same_for_all_are_named() -> None:
    one, other = ({"gpu": {"driver": "570", "power limit": limit}} for limit in ("700 W", "500 W"))
    made = [
        exhibit(name, score(runs(1.0, 0.01, 1)), facts=facts) for name, facts in (("A", one), ("B", one), ("C", other))
    ]
    assert board_of(made[:2]).differs == ()
    assert board_of(made).differs == ("power limit",)


# -- who has no rank --------------------------------------------------------------------------


def without(board: Board, label: str) -> Place:
    assert label not in ranges(board)
    return next(place for place in (*board.unranked, *board.missing) if place.label == label)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"run_values": (9e12, 9e12)}, "fewer than 3 runs"),
        ({"caveats": (Caveat("CONTENDED", ""),)}, "CONTENDED"),
        ({"cache": "hot"}, "cache mode"),
        ({"caveats": (Caveat("CLOCK_LOCKED", ""),)}, "clock policy"),
        ({"metric": Metric.BANDWIDTH}, "metric"),
        ({"value": None, "status": Status.REJECTED, "reason": "The result was wrong."}, "wrong"),
        ({"value": None, "status": Status.SKIPPED, "reason": "It cannot run."}, "cannot run"),
        ({"value": float("inf")}, "above zero"),
    ],
)
def test_what_cannot_be_decided_on_has_no_rank_and_says_why(changed: dict[str, object], word: str) -> None:
    odd = replace(score(runs(9e12, 0.001, 9)), **changed)  # type: ignore[arg-type]
    board = board_of([exhibit("odd", odd), *fleet(2, sd=0.001, step=0.05)])
    place = without(board, "odd")
    assert word in place.reason
    assert (place.first, place.last) == (None, None)
    assert ranges(board) == {"m001": (1, 1), "m000": (2, 2)}
    assert board.tests == 1


@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.PUBLISHED])
def test_what_we_did_not_measure_has_no_rank(origin: Origin) -> None:
    board = board_of([*fleet(2), exhibit("paper", score(runs(9e12, 0.001, 9)), origin=origin)])
    assert origin.value in without(board, "paper").reason


def test_whoever_has_not_measured_the_case_is_listed_as_missing() -> None:
    found = ranking.boards([exhibit("A", score(runs(1.0, 0.001, 1))), exhibit("B", score([1.0] * 3, MEMORY))], ["gemm"])
    assert [(place.label, place.reason) for place in found[0].missing] == [("B", "not measured")]


def test_of_numbers_of_different_kinds_the_most_frequent_are_ranked() -> None:
    hot = [exhibit(f"hot{at}", score(runs(3e12, 0.001, at), cache="hot")) for at in range(3)]
    board = board_of([*fleet(2), *hot])
    assert set(ranges(board)) == {"hot0", "hot1", "hot2"}
    assert [place.label for place in board.unranked] == ["m001", "m000"]
    assert all("cache mode" in place.reason for place in board.unranked)


def test_the_unranked_stand_by_value_and_a_case_without_numbers_has_no_board() -> None:
    few = [exhibit(name, score([value] * 2)) for name, value in (("A", 1.0), ("B", 3.0), ("C", 2.0))]
    assert [place.label for place in board_of(few).unranked] == ["B", "C", "A"]
    gone = replace(score([1.0] * 3), status=Status.SKIPPED, value=None)
    assert ranking.boards([exhibit("A", gone)]) == []


# -- what is asked ----------------------------------------------------------------------------


def test_each_takes_part_with_its_best_implementation_or_with_the_one_asked_for() -> None:
    slow, fast = (score(runs(speed, 0.001, 1), implementation=name) for speed, name in ((1.0, "slow"), (2.0, "fast")))
    made = [exhibit("A", slow, fast), exhibit("B", slow)]
    assert [(place.label, place.implementation) for place in board_of(made).ranked] == [("A", "fast"), ("B", "slow")]
    asked = board_of(made, Question("slow"))
    assert {place.implementation for place in asked.ranked} == {"slow"}
    assert set(ranges(asked).values()) == {(1, 2)}


def test_the_best_of_a_latency_is_the_least() -> None:
    one, other = (
        score(runs(ns, 0.001, 1), CHASE, Metric.LATENCY, name) for ns, name in ((9e-8, "slow"), (8e-8, "fast"))
    )
    assert board_of([exhibit("A", one, other)]).ranked[0].implementation == "fast"


def test_what_a_dollar_buys_orders_otherwise() -> None:
    cheap = exhibit("cheap", score(runs(1e12, 0.001, 1)), offer=replace(OFFER, usd_per_hour=1.0))
    dear = exhibit("dear", score(runs(1.5e12, 0.001, 2)), offer=replace(OFFER, usd_per_hour=2.0))
    free = exhibit("unpriced", score(runs(9e12, 0.001, 3)))
    made = [cheap, dear, free]
    assert list(ranges(board_of(made))) == ["unpriced", "dear", "cheap"]
    board = board_of(made, Question(by=By.DOLLAR))
    assert list(ranges(board)) == ["cheap", "dear"]
    assert board.ranked[0].value == pytest.approx(3.6e15, rel=0.01)
    assert "price" in without(board, "unpriced").reason


def test_what_a_watt_gives_orders_otherwise() -> None:
    frugal = exhibit("frugal", score(runs(1e12, 0.001, 1), conditions={"power": 100.0}))
    hungry = exhibit("hungry", score(runs(1.5e12, 0.001, 2), conditions={"power": 500.0}))
    assert list(ranges(board_of([hungry, frugal], Question(by=By.WATT)))) == ["frugal", "hungry"]


def test_patterns_choose_the_cases() -> None:
    made = [exhibit("A", score(runs(1.0, 0.01, 1)), score(runs(1.0, 0.01, 2), MEMORY))]
    assert [board.case for board in ranking.boards(made)] == [GEMM, MEMORY]
    assert [board.case for board in ranking.boards(made, ["memory"])] == [MEMORY]


# -- the matrix -------------------------------------------------------------------------------


def test_the_matrix_is_mirrored_and_shows_ties() -> None:
    pair = [exhibit(name, score(runs(1e12, 1e-5, at))) for at, name in enumerate("AB")]
    far = exhibit("C", score(runs(2e12, 0.001, 5)))
    noisy = exhibit("D", score(runs(1e12, 0.2, 6)))
    matrix = ranking.matrices([*pair, far, noisy])[0]
    labels = [place.label for place in matrix.board.ranked]
    found = {(row, column): matrix.verdicts[i][j] for i, row in enumerate(labels) for j, column in enumerate(labels)}
    assert found["A", "B"] is found["B", "A"] is Verdict.SAME
    assert found["C", "A"] is Verdict.FASTER
    assert found["A", "C"] is Verdict.SLOWER
    assert found["D", "A"] is Verdict.UNDECIDED
    assert {found[one, one] for one in labels} == {None}
    at = labels.index("C"), labels.index("A")
    assert matrix.ratios[at[0]][at[1]] == pytest.approx(2.0, rel=0.01)
    assert matrix.ratios[at[1]][at[0]] == pytest.approx(0.5, rel=0.01)


# -- the composite ----------------------------------------------------------------------------

TASKS = [(case.key, "ours") for case in (GEMM, CHASE, MEMORY)]


def whole(name: str, *speeds: float | None) -> Exhibit:
    def one(case: Case, metric: Metric, speed: float) -> Score:
        return score(runs(1.0 / speed if metric is Metric.LATENCY else speed, 1e-4, 1), case, metric)

    cases = ((GEMM, Metric.FLOPS), (CHASE, Metric.LATENCY), (MEMORY, Metric.BANDWIDTH))
    return exhibit(name, *(one(*kind, speed) for kind, speed in zip(cases, speeds, strict=True) if speed))


def test_the_composite_is_the_geometric_mean_of_all_ratios() -> None:
    result = compare.against(whole("A", 1.0, 1.0, 1.0), [whole("B", 2.0, 4.0, 1.0)])
    found = ranking.composite(result, "B", TASKS)
    assert found.value == pytest.approx(2.0, rel=1e-3)
    assert found.counted == "3 of 3"


@pytest.mark.parametrize(
    "other",
    [whole("B", 2.0, 4.0, None), exhibit("B", *whole("B", 2.0, 4.0, 1.0).publication.results, origin=Origin.IMPORTED)],
)
def test_the_composite_is_withheld_when_a_part_is_missing(other: Exhibit) -> None:
    found = ranking.composite(compare.against(whole("A", 1.0, 1.0, 1.0), [other]), "B", TASKS)
    assert found.value is None
    assert found.good < 3


# -- false alarms -----------------------------------------------------------------------------


def alarms(boards: int, count: int, runs_each: int, seed: int) -> int:
    """Boards of equal machines, of different noise, on which any two are told apart."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(boards):
        noise = rng.uniform(0.005, 0.03, (count, 1))
        values = np.exp(noise * rng.standard_normal((count, runs_each)))
        found += any(place.last - place.first < count - 1 for place in _places(values, margin=0.0))
    return found


def _places(values: np.ndarray, margin: float) -> list[Place]:
    board = board_of(machines(values.tolist()), Question(margin=margin))
    return [place for place in board.ranked if place.first is not None and place.last is not None]


@pytest.mark.parametrize(("count", "runs_each"), [(2, 3), (6, 5)])
def test_equal_machines_are_told_apart_on_at_most_one_board_in_twenty(count: int, runs_each: int) -> None:
    """A/A without a margin: fails when so many alarms have a chance below 1 in 10 000 at the nominal rate."""
    boards = 300
    found = alarms(boards, count, runs_each, seed=7 * count)
    assert binom.sf(found - 1, boards, 0.05) > 1e-4


def test_the_simulation_would_see_pairs_that_are_not_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "holm", lambda p: p <= 0.05)
    found = alarms(60, 6, 5, seed=1)
    assert binom.sf(found - 1, 60, 0.05) < 1e-4


def test_true_ranks_are_in_the_ranges_of_all_machines_at_once() -> None:
    """Machines whose true speeds differ: on at most one board in twenty is a true rank outside its range."""
    rng = np.random.default_rng(3)
    speeds = np.exp(np.array([0.0, 0.0, 0.01, 0.02, 0.04, 0.08, 0.16]))[::-1]
    best = np.array([1 + (speeds > one).sum() for one in speeds])
    worst = np.array([(speeds >= one).sum() for one in speeds])
    boards, missed = 300, 0
    for _ in range(boards):
        values = speeds[:, None] * np.exp(0.01 * rng.standard_normal((speeds.size, 5)))
        for place in _places(values, margin=0.0):
            at = int(place.label[1:])
            if place.first is None or place.last is None or place.first > worst[at] or place.last < best[at]:
                missed += 1
                break
    assert binom.sf(missed - 1, boards, 0.05) > 1e-4


def test_a_board_of_a_thousand_machines_is_one_family() -> None:
    board = board_of(fleet(1000, sd=0.003, step=0.0005))
    assert board.tests == 499_500
    assert board.ranked[0].first == 1
    assert board.ranked[-1].last == 1000
