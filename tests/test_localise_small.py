"""Fewer than 16 nodes: hypotheses against a reference, with refusal; and what a reference is learnt from."""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest

from benchsuite.errors import DataError
from benchsuite.localise import reference, small, verdict
from benchsuite.localise.settings import Settings
from benchsuite.model import Culprit, Decision, Diagnosis, Finding, Reference, Scan
from tests.localise_scans import LEVEL, NBYTES, World, scanned, slow, units

TEN, THIRTY = -log(0.9), -log(0.7)
KNOWN = Settings(reference=Reference(NBYTES, LEVEL, 0.005, 0.005, 0.02, nodes=64, dated="2026-01-01"))


def accused(found: Diagnosis) -> list[Finding]:
    return [one for one in found.findings if one.decision is Decision.ACCUSED]


def scan(n: int, world: World, rounds: int = 48, seed: int = 1) -> Diagnosis:
    return scanned(units(n), world, rounds, KNOWN, seed, full=True, links=3)[1]


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 15])
def test_few_healthy_nodes_raise_nothing(n: int) -> None:
    found = scan(n, World(sd=0.02))
    assert found.findings == ()
    assert found.conclusive is (n > 2)


@pytest.mark.parametrize("n", [3, 4, 5, 8, 15])
@pytest.mark.parametrize("by", [TEN, THIRTY])
def test_one_slow_node_is_named(n: int, by: float) -> None:
    (one,) = scan(n, slow(1, by=by)).findings
    assert (one.culprit, one.decision, one.ranks) == (Culprit.NODE, Decision.ACCUSED, (1,))
    assert one.slowdown == pytest.approx(by, abs=0.02)
    assert one.confirmed[0] == one.confirmed[1] > 0


def test_a_direction_is_named_among_few() -> None:
    (one,) = scan(6, World(receives={1: 0.3})).findings
    assert (one.culprit, one.decision, one.ranks) == (Culprit.RECEIVES, Decision.ACCUSED, (1,))


@pytest.mark.parametrize("n", [3, 4, 6])
def test_one_slow_link_is_named_as_a_path(n: int) -> None:
    found = scan(n, World(links={(0, 1): THIRTY, (1, 0): THIRTY}))
    (one,) = found.findings
    assert (one.culprit, one.decision, set(one.ranks)) == (Culprit.PATH, Decision.ACCUSED, {0, 1})


def test_the_only_node_of_a_leaf_is_not_slow_because_all_its_pairs_cross() -> None:
    far = {(a, b): 0.05 for a in range(5) for b in range(5) if 4 in {a, b}}
    assert scanned(units(5, leaf=4), World(links=far), 56, KNOWN, full=True)[1].findings == ()
    found = scanned(units(5, leaf=4), replace(slow(1, by=THIRTY), links=far), 56, KNOWN, full=True)[1]
    assert [one.ranks for one in accused(found)] == [(1,)]


def test_two_slow_nodes_of_eight_are_named_with_a_reference() -> None:
    found = scan(8, slow(1, 5, by=TEN))
    assert {one.ranks for one in accused(found)} == {(1,), (5,)}


def test_two_slow_nodes_of_four_cannot_be_confirmed() -> None:
    """Two good ones are too few partners for two suspects."""
    found = scan(4, slow(1, 2, by=TEN))
    assert not accused(found)
    assert {rank for one in found.findings for rank in one.ranks} == {1, 2}


def test_two_nodes_are_a_set_whatever_is_slow() -> None:
    (one,) = scan(2, slow(1, by=THIRTY)).findings
    assert one.decision is Decision.CANNOT_TELL
    assert set(one.ranks) == {0, 1}
    assert "the path between node0 and node1" in one.sentence
    assert "a third node" in one.remedy


@pytest.mark.parametrize("n", [3, 8])
def test_all_slow_together_is_the_fleet_and_nobody_in_it(n: int) -> None:
    (one,) = scan(n, World(level=LEVEL + TEN)).findings
    assert (one.culprit, one.decision) == (Culprit.FLEET, Decision.ACCUSED)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_without_a_reference_four_nodes_or_fewer_accuse_nobody(n: int) -> None:
    _, found = scanned(units(n), slow(1, by=1.0), 48, full=True, links=3)
    assert not accused(found)
    assert not found.conclusive
    assert any("nobody is accused without a reference" in text for text in found.blind)
    if n > 2:
        (one,) = found.findings
        assert one.decision is Decision.CANNOT_TELL
        assert 1 in one.ranks
        assert scanned(units(n), World(), 48, full=True)[1].findings == ()


@pytest.mark.parametrize("n", [5, 8, 15])
def test_from_five_nodes_ranks_judge_and_a_single_fault_is_assumed_and_said(n: int) -> None:
    _, found = scanned(units(n), slow(1, by=THIRTY), 24)
    assert [one.ranks for one in accused(found)] == [(1,)]
    assert any("a single fault is assumed" in text for text in found.blind)


def test_a_close_second_is_a_set() -> None:
    """One cycle of three nodes and a slowness of a few sd: a node, a link or all might be slow."""
    found = scanned(units(3), slow(1, by=0.06), 3, KNOWN, full=True)[1]
    assert not accused(found)


def test_the_sd_of_a_pair_is_that_of_the_formula() -> None:
    known = Reference(1, 0.0, 0.003, 0.004, 0.02)
    assert small.sd(known, 4) == pytest.approx((0.003**2 + 0.004**2 + np.pi / 2 * 0.02**2 / 2 / 4) ** 0.5)


def learnt(n: int = 32, seeds: int = 3, **world: float) -> Reference:
    scans = [scanned(units(n), World(kernels=("fma",), **world), 24, seed=seed)[0] for seed in range(seeds)]  # type: ignore[arg-type]
    return reference.learn(scans, "2026-01-01")


def test_a_reference_is_learnt_from_what_good_nodes_do() -> None:
    rng = np.random.default_rng(1)
    own = dict(enumerate((0.01 * rng.standard_normal(32)).tolist()))
    scans = [scanned(units(32), World(own, own, kernels=("fma",), sd=0.01), 24, seed=s)[0] for s in range(3)]
    found = reference.learn(scans, "2026-01-01")
    assert (found.nbytes, found.nodes, found.dated) == (NBYTES, 96, "2026-01-01")
    assert found.pair == pytest.approx(LEVEL, abs=0.01)
    assert 0.002 < found.between < 0.012
    assert found.kernels["fma"][0] == pytest.approx(-3.0, abs=0.01)
    assert found.kernels["fma"][1] < 0.01


def test_links_and_repeats_are_told_apart_where_pairs_met_again() -> None:
    again = reference.learn([scanned(units(8), World(sd=0.02), 70, seed=s)[0] for s in range(3)])
    assert again.repeat == pytest.approx(0.02, rel=0.2)
    assert again.link < 0.006
    once = reference.learn([scanned(units(32), World(sd=0.02), 24, seed=s)[0] for s in range(3)])
    assert once.link == pytest.approx(0.02 / 2**0.5, rel=0.2), "not to be told from repeats: nothing averages it away"


def test_a_learnt_reference_judges_a_small_scan_well() -> None:
    known = Settings(reference=reference.learn([scanned(units(8), World(sd=0.02), 70, seed=s)[0] for s in range(3)]))
    assert scanned(units(4), World(sd=0.02), 48, known, full=True)[1].findings == ()
    found = scanned(units(4), replace(slow(1, by=TEN), sd=0.02), 48, known, full=True)[1]
    assert [one.ranks for one in accused(found)] == [(1,)]


def test_a_reference_survives_its_file(tmp_path: Path) -> None:
    found = learnt()
    reference.write(tmp_path / "reference.json", found)
    assert reference.read(tmp_path / "reference.json") == found
    assert [one.name for one in tmp_path.iterdir()] == ["reference.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"nbytes": 1}',
        '{"nbytes":0,"pair":-5,"between":0.1,"link":0.1,"repeat":0.1}',
        '{"nbytes":1,"pair":-5,"between":-0.1,"link":0.1,"repeat":0.1}',
        '{"nbytes":1,"pair":-5,"between":0.1,"link":99,"repeat":0.1}',
        '{"nbytes":1,"pair":NaN,"between":0.1,"link":0.1,"repeat":0.1}',
        '{"nbytes":1,"pair":-5,"between":0.1,"link":0.1,"repeat":0.1,"kernels":{"a":[1,-1]}}',
    ],
)
def test_what_is_no_reference_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(DataError):
        reference.read(tmp_path / "r.json")


def test_nothing_is_learnt_from_too_few_or_two_kinds() -> None:
    one, _ = scanned(units(8), World(), 7)
    with pytest.raises(DataError, match="different sizes"):
        reference.learn([one, replace(one, nbytes=1)])
    with pytest.raises(DataError):
        reference.learn([])
    with pytest.raises(DataError, match="4 nodes or more"):
        reference.learn([scanned(units(3), World(), 7)[0]])
    with pytest.raises(DataError, match="4 nodes or more"):
        reference.learn([Scan(units(8), 1, NBYTES)])


def test_suspects_of_a_small_scan_are_those_of_the_hypothesis() -> None:
    found, _ = scanned(units(4), slow(2, by=TEN), 48, KNOWN, full=True)
    assert [one.ranks for one in verdict.suspects(found, KNOWN)] == [(2,)]
