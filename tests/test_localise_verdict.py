"""Whole scans of planted faults: who is named, how, and who never is."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.localise import design, table, verdict
from benchsuite.localise.confirm import Second, Told
from benchsuite.localise.settings import Settings
from benchsuite.localise.suspicion import Suspicion
from benchsuite.model import Culprit, Decision, Diagnosis, Finding, Group, Pause, Reference, Round, Scan, Stage
from tests.localise_scans import LEVEL, World, measured, scanned, slow, units

TEN, THIRTY = -log(0.9), -log(0.7)
EMPTY = Diagnosis((), 0.01, 0.02, None, 0.0, False)


def accused(found: Diagnosis) -> list[Finding]:
    return [one for one in found.findings if one.decision is Decision.ACCUSED]


def only(found: Diagnosis) -> Finding:
    (one,) = found.findings
    return one


@pytest.mark.parametrize("n", [8, 16, 64])
def test_a_healthy_fleet_accuses_nobody_and_says_what_it_could_have_seen(n: int) -> None:
    _, found = scanned(units(n, leaf=4), World(), links=4)
    assert found.findings == ()
    assert found.conclusive
    assert found.smallest is not None
    assert 0.02 < found.smallest < 0.06
    assert found.margin == pytest.approx(0.02)
    assert found.alpha == 0.01


@pytest.mark.parametrize("n", [8, 16, 64])
@pytest.mark.parametrize("by", [TEN, THIRTY])
def test_a_slow_node_is_named_and_confirmed(n: int, by: float) -> None:
    _, found = scanned(units(n, leaf=4), slow(3, by=by), links=2)
    one = only(found)
    assert (one.culprit, one.decision, one.ranks) == (Culprit.NODE, Decision.ACCUSED, (3,))
    speed = round(100 * np.exp(-by))
    assert one.sentence in {f"node3: exchanges at {speed + d} % of its peers, confirmed twice" for d in (-1, 0, 1)}
    assert one.slowdown == pytest.approx(by, abs=0.02)
    assert one.lower is not None
    assert 0.02 < one.lower < by + 0.01
    assert one.exceeded >= 20
    assert one.rounds == 24
    assert one.confirmed[0] >= 10
    assert one.confirmed[1] == 12
    assert one.remedy


def test_a_direction_is_named() -> None:
    for world, culprit, verb in (
        (World(sends={3: 0.3}), Culprit.SENDS, "sends"),
        (World(receives={3: 0.5}), Culprit.RECEIVES, "receives"),
    ):
        one = only(scanned(units(32), world)[1])
        assert (one.culprit, one.decision, one.ranks) == (culprit, Decision.ACCUSED, (3,))
        assert f"node3: {verb} at" in one.sentence


def test_one_gpu_of_many_is_named_with_its_direction() -> None:
    """The issue's sentence: node 3, GPU 5: receives at 61 % of its peers, confirmed twice."""
    rank = 3 * 8 + 5
    _, found = scanned(units(16, per_node=8), World(receives={rank: -log(0.61)}))
    one = only(found)
    assert (one.culprit, one.decision, one.ranks) == (Culprit.RECEIVES, Decision.ACCUSED, (rank,))
    assert one.sentence == "node3, GPU 5: receives at 61 % of its peers, confirmed twice"


def test_one_gpu_slow_both_ways_is_a_device_and_its_node_is_not_slow() -> None:
    one = only(scanned(units(16, per_node=4), slow(14, by=0.3))[1])
    assert (one.culprit, one.decision, one.ranks) == (Culprit.DEVICE, Decision.ACCUSED, (14,))


@pytest.mark.parametrize("per_node", [2, 8])
def test_a_node_slow_with_all_its_gpus_is_one_finding(per_node: int) -> None:
    ranks = tuple(range(5 * per_node, 6 * per_node))
    one = only(scanned(units(16, per_node=per_node), slow(*ranks, by=0.3))[1])
    assert (one.culprit, one.decision, one.ranks) == (Culprit.NODE, Decision.ACCUSED, ranks)
    assert one.sentence.startswith("node5: exchanges")


def test_a_slow_node_and_a_slower_gpu_of_another_are_both_named() -> None:
    world = slow(*range(8, 16), by=0.2)
    world = replace(world, sends={**world.sends, 45: 0.5}, receives={**world.receives, 45: 0.5})
    found = accused(scanned(units(24, per_node=8), world)[1])
    assert {(one.culprit, one.ranks) for one in found} == {
        (Culprit.NODE, tuple(range(8, 16))),
        (Culprit.DEVICE, (45,)),
    }


def test_on_one_node_a_gpu_is_named_as_a_device() -> None:
    one = only(scanned(units(1, per_node=8, device=True), slow(5, by=0.3))[1])
    assert (one.culprit, one.decision, one.ranks) == (Culprit.DEVICE, Decision.ACCUSED, (5,))
    assert one.sentence.startswith("node0, GPU 5: exchanges at")


def test_two_slow_nodes_among_many_are_both_named() -> None:
    found = accused(scanned(units(64), slow(3, 40, by=THIRTY))[1])
    assert {one.ranks for one in found} == {(3,), (40,)}


def test_two_slow_nodes_among_few_are_a_set_not_an_accusation() -> None:
    _, found = scanned(units(10), slow(3, 7, by=THIRTY))
    assert not accused(found)
    assert all("single fault" in one.sentence for one in found.findings)
    assert {rank for one in found.findings for rank in one.ranks} <= {3, 7}


def test_a_slow_leaf_accuses_no_host() -> None:
    """Its uplink: slow across leaves, fine inside."""
    who = units(64, leaf=8)
    leaf = set(range(8, 16))
    links = {(a, b): 0.2 for a in range(64) for b in range(64) if (a in leaf) != (b in leaf)}
    one = only(scanned(who, World(links=links))[1])
    assert (one.culprit, one.decision, set(one.ranks)) == (Culprit.UPLINK, Decision.ACCUSED, leaf)
    assert "all nodes of leaf1" in one.sentence
    inside = links | {(a, b): 0.2 for a in leaf for b in leaf}
    one = only(scanned(who, World(links=inside))[1])
    assert (one.culprit, one.decision, set(one.ranks)) == (Culprit.LEAF, Decision.ACCUSED, leaf)


def test_a_slow_leaf_and_a_slower_node_are_told_apart() -> None:
    leaf = set(range(8, 16))
    links = {(a, b): 0.1 for a in range(128) for b in range(128) if (a in leaf) != (b in leaf)}
    world = replace(slow(100, by=THIRTY), links=links)
    found = accused(scanned(units(128, leaf=8), world)[1])
    assert {(one.culprit, frozenset(one.ranks)) for one in found} == {
        (Culprit.UPLINK, frozenset(leaf)),
        (Culprit.NODE, frozenset({100})),
    }


def test_without_topology_a_slow_leaf_is_not_blamed_on_hosts_for_sure_and_it_is_said() -> None:
    _, found = scanned(units(16), World())
    assert any("leaf switches are not known" in text for text in found.blind)


def test_a_defect_that_went_away_is_not_reproduced() -> None:
    world = replace(slow(3, by=THIRTY), stages=frozenset({Stage.SCREEN}))
    one = only(scanned(units(32), world)[1])
    assert one.decision is Decision.NOT_REPRODUCED
    assert "not when it was measured again" in one.sentence
    assert one.confirmed[1] == 12


def test_without_a_second_look_nobody_is_accused() -> None:
    one = only(scanned(units(32), slow(3, by=THIRTY), confirm=0)[1])
    assert one.decision is Decision.CANNOT_TELL
    assert "not measured a second time" in one.sentence
    assert one.remedy


def test_the_second_look_uses_none_of_the_first_rounds() -> None:
    """A second look in which the suspect was hardly measured cannot lean on the first."""
    scan, _ = scanned(units(32), slow(3, by=THIRTY))
    few = tuple(one for one in scan.transfers if one.stage is not Stage.CONFIRM or one.round < 1)
    one = only(verdict.diagnose(replace(scan, transfers=few), Settings()))
    assert one.decision is Decision.CANNOT_TELL


@pytest.mark.parametrize("share", [0.27, 0.3, 0.5, 0.7])
def test_when_a_large_part_of_the_fleet_is_slow_nobody_is_accused(share: float) -> None:
    ranks = range(int(share * 64))
    _, found = scanned(units(64), slow(*ranks, by=THIRTY))
    assert not accused(found)
    assert not found.conclusive
    assert [one.decision for one in found.findings] == [Decision.CANNOT_TELL]


@pytest.mark.parametrize("n", [8, 12])
def test_half_of_few_nodes_slow_is_told(n: int) -> None:
    _, found = scanned(units(n), slow(*range(n // 2), by=THIRTY), 40)
    assert not accused(found)
    assert found.findings
    assert not found.conclusive


def test_pairs_of_two_kinds_without_topology_cannot_be_judged() -> None:
    who = units(64, leaf=16)
    links = {(a, b): 0.5 for a in range(64) for b in range(64) if a // 16 != b // 16}
    bare = tuple(replace(one, leaf="") for one in who)
    _, found = scanned(bare, World(links=links))
    assert not accused(found)
    assert only(found).decision is Decision.CANNOT_TELL
    assert scanned(who, World(links=links))[1].findings == ()


def test_natural_spread_between_nodes_is_no_fault() -> None:
    """sd 1.5 % between healthy nodes: a fixed margin of 2 % would accuse some of them, again and again."""
    rng = np.random.default_rng(4)
    own = dict(enumerate((0.015 * rng.standard_normal(128)).tolist()))
    world = World(own, own, sd=0.005)
    _, found = scanned(units(128), world)
    assert found.findings == ()
    assert found.margin > 0.03
    _, fixed = scanned(units(128), world, settings=Settings(margin=0.02, between=0.0))
    assert accused(fixed)


def test_a_margin_below_three_spreads_is_refused() -> None:
    rng = np.random.default_rng(4)
    own = dict(enumerate((0.015 * rng.standard_normal(128)).tolist()))
    _, found = scanned(units(128), World(own, own, sd=0.005), settings=Settings(margin=0.02))
    assert found.findings
    assert not accused(found)
    assert not found.conclusive


def test_slowness_that_comes_and_goes_is_not_accused() -> None:
    who = units(32)
    rounds = design.screen(who, 24, 1)
    rng = np.random.default_rng(1)
    scan = Scan(who, 1, 1 << 20)
    for one in rounds:
        scan = measured(scan, [one], slow(3, by=0.1 if one.number < 12 else 0.5), rng)
    found = verdict.suspects(scan, Settings())
    assert found == ()
    assert "comes and goes" in only(verdict.diagnose(scan, Settings())).sentence


def test_a_single_bad_path_is_named_and_its_ends_are_not() -> None:
    world = World(links={(2, 9): THIRTY, (9, 2): THIRTY})
    one = only(scanned(units(16), world, full=True, links=3)[1])
    assert (one.culprit, one.decision, set(one.ranks)) == (Culprit.PATH, Decision.ACCUSED, {2, 9})
    assert "between node2 and node9" in one.sentence
    assert one.confirmed[1] == 12


def test_a_path_that_is_slow_one_way_is_named_with_its_direction() -> None:
    world = World(links={(6, 1): 2.3})
    for n in (5, 8, 16):
        who = units(n) if n > 6 else units(7)
        one = only(scanned(who, world, full=True, links=4)[1])
        assert (one.culprit, one.decision, one.ranks) == (Culprit.PATH, Decision.ACCUSED, (6, 1))
        assert "from node6 to node1: transfers at 10 % of other pairs" in one.sentence


def test_the_worst_pairs_of_a_healthy_fleet_are_not_paths() -> None:
    for seed in range(5):
        assert scanned(units(16), World(), seed=seed, links=8)[1].findings == ()


def test_a_node_that_met_too_few_others_is_not_accused() -> None:
    """Slow in every one of 24 rounds, but only ever with the same two."""
    who = units(16)
    rounds = []
    for number in range(24):
        other = 4 + number % 2
        rest = [rank for rank in np.random.default_rng(number).permutation(16).tolist() if rank not in {3, other}]
        pairs = tuple(zip(rest[::2], rest[1::2], strict=True))
        rounds.append(Round(Stage.SCREEN, number, ((3, other), *pairs)))
    scan = measured(Scan(who, 1, 1 << 20), rounds, slow(3, by=THIRTY), np.random.default_rng(1))
    assert verdict.suspects(scan, Settings()) == ()
    found = [one for one in verdict.diagnose(scan, Settings()).findings if one.ranks == (3,)]
    assert "fewer than 3 other nodes" in only(replace(EMPTY, findings=tuple(found))).sentence


@given(st.integers(0, 1 << 30), st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_names_ranks_and_the_order_of_rounds_change_no_verdict(seed: int, random) -> None:  # type: ignore[no-untyped-def]
    scan, found = scanned(units(16), slow(3, by=TEN), seed=seed % 1000)
    new = list(range(16))
    random.shuffle(new)
    transfers = [replace(one, sender=new[one.sender], receiver=new[one.receiver]) for one in scan.transfers]
    random.shuffle(transfers)
    rounds = [replace(one, pairs=tuple((new[a], new[b]) for a, b in one.pairs)) for one in scan.rounds]
    random.shuffle(rounds)
    who = tuple(replace(one, rank=new[one.rank]) for one in scan.units)
    other = verdict.diagnose(replace(scan, units=who, rounds=tuple(rounds), transfers=tuple(transfers)), Settings())
    assert [(one.culprit, one.decision, one.sentence) for one in other.findings] == [
        (one.culprit, one.decision, one.sentence) for one in found.findings
    ]
    assert [one.ranks for one in other.findings] == [tuple(new[r] for r in one.ranks) for one in found.findings]


@given(st.floats(0.01, 100.0), st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_the_unit_of_time_changes_no_verdict(scale: float, seed: int) -> None:
    scan, found = scanned(units(16), slow(3, by=TEN), seed=seed)
    scaled = tuple(replace(one, seconds=(one.seconds or 0.0) * scale) for one in scan.transfers)
    other = verdict.diagnose(replace(scan, transfers=scaled), Settings())
    assert [one.sentence for one in other.findings] == [one.sentence for one in found.findings]


@given(st.integers(0, 1000))
@settings(max_examples=8, deadline=None)
def test_a_slower_node_exceeds_in_no_fewer_rounds(seed: int) -> None:
    counts, limits = [], []
    for by in (0.03, 0.05, 0.1, 0.3):
        _, found = scanned(units(32), slow(3, by=by), seed=seed, confirm=0, settings=Settings(share=0.5))
        own = [one for one in found.findings if one.ranks == (3,)]
        counts.append(own[0].exceeded if own else 0)
        limits.append((own[0].lower or 0.0) if own else 0.0)
    assert counts == sorted(counts)
    assert limits == sorted(limits)


def test_a_kernel_that_one_gpu_computes_slowly_names_it() -> None:
    rank = 3 * 8 + 5
    world = World(computes={rank: -log(0.61)}, kernels=("fma", "memory"))
    one = only(scanned(units(4, per_node=8), world)[1])
    assert (one.culprit, one.decision, one.ranks) == (Culprit.COMPUTES, Decision.ACCUSED, (rank,))
    assert one.sentence == "node3, GPU 5: computes at 61 % of its peers, confirmed twice"
    assert one.confirmed[0] == 12


@pytest.mark.parametrize(("n", "named"), [(2, False), (3, True), (4, True), (6, True), (32, True)])
def test_computing_names_a_rank_from_three_on(n: int, named: bool) -> None:
    _, found = scanned(units(n), World(computes={1: 1.1}, kernels=("fma",)))
    assert [one.ranks for one in accused(found)] == ([(1,)] if named else [])
    if not named:
        assert only(found).decision is Decision.CANNOT_TELL


def test_a_node_whose_gpus_all_compute_slowly_is_one_finding() -> None:
    world = World(computes=dict.fromkeys(range(8, 12), 0.4), kernels=("fma",))
    one = only(scanned(units(8, per_node=4), world)[1])
    assert (one.culprit, one.decision, one.ranks) == (Culprit.COMPUTES, Decision.ACCUSED, (8, 9, 10, 11))
    assert one.sentence.startswith("node2, all units: computes at")


def test_few_units_that_differ_by_nature_are_not_accused_of_computing() -> None:
    world = World(computes={0: 0.0, 1: 0.02, 2: 0.05, 3: 0.07}, kernels=("fma",), sd=0.003)
    assert scanned(units(4), world)[1].findings == ()


def test_an_all_reduce_without_a_node_supports_and_never_accuses() -> None:
    scan, _ = scanned(units(16), slow(3, by=THIRTY))
    groups = tuple(Group(Stage.SCREEN, 0, f"node{node}", 0.7 if node == 3 else 1.0) for node in range(16))
    one = only(verdict.diagnose(replace(scan, groups=groups), Settings()))
    assert one.decision is Decision.ACCUSED
    assert "An all-reduce without node3 took 70 % of the time" in one.remedy
    healthy, _ = scanned(units(16), World())
    alone = verdict.diagnose(replace(healthy, groups=groups), Settings())
    assert alone.findings == ()
    assert any("An all-reduce without node3" in text for text in alone.blind)


def reference(level: float = LEVEL, nbytes: int = 64 << 20) -> Reference:
    return Reference(nbytes, level, 0.005, 0.005, 0.01, {"fma": (-3.0, 0.005)}, 64, "2026-01-01")


def test_a_fleet_that_is_slow_together_is_seen_against_the_reference_only() -> None:
    world = World(level=LEVEL + THIRTY, kernels=("fma",))
    assert scanned(units(32), world)[1].findings == ()
    one = only(scanned(units(32), world, settings=Settings(reference=reference()))[1])
    assert (one.culprit, one.decision) == (Culprit.FLEET, Decision.ACCUSED)
    assert one.sentence.startswith("all nodes: exchange at 70 % of the reference (64 nodes, 2026-01-01)")
    assert scanned(units(32), World(kernels=("fma",)), settings=Settings(reference=reference()))[1].findings == ()


def test_a_reference_of_another_size_is_not_used_and_it_is_said() -> None:
    world = World(level=LEVEL + THIRTY)
    _, found = scanned(units(32), world, settings=Settings(reference=reference(nbytes=4096)))
    assert found.findings == ()
    assert any("another size" in text for text in found.blind)


def test_the_gravest_comes_first() -> None:
    world = replace(slow(3, by=TEN), wrong=lambda one, sender, receiver: 4 * (sender == 9))
    _, found = scanned(units(32), world, pauses=(Pause(7, 1.0, 3.0),))
    assert [one.culprit for one in found.findings] == [Culprit.CORRUPTS, Culprit.STALLED, Culprit.NODE]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5])
def test_tiny_and_empty_fleets_accuse_nobody_and_never_fail(n: int) -> None:
    _, found = scanned(units(n), slow(0, by=1.0), links=2)
    assert not accused(found) or n == 5
    assert found.conclusive is (n == 5)
    assert verdict.diagnose(Scan(units(n), 1, 1), Settings()).findings == ()


def test_nothing_measured_is_not_conclusive() -> None:
    who = units(32)
    found = verdict.diagnose(Scan(who, 1, 1, rounds=design.screen(who, 24, 1)), Settings())
    assert found.findings == ()
    assert not found.conclusive
    assert found.coverage == 0


def test_equal_times_everywhere_accuse_nobody() -> None:
    assert scanned(units(32), World(sd=0.0))[1].findings == ()


def test_a_fleet_of_thousands_is_judged_in_seconds() -> None:
    import time

    who = units(2048, leaf=32)
    scan = measured(Scan(who, 1, 1 << 20), design.screen(who, 8, 1), slow(77, by=TEN), np.random.default_rng(1))
    began = time.process_time()
    found = verdict.diagnose(scan, Settings())
    assert time.process_time() - began < 10, "vectorised: a loop over seats would take minutes"
    assert [one.ranks for one in found.findings] == [(77,)]


def test_rounds_may_lack_transfers_and_units() -> None:
    scan, _ = scanned(units(16), slow(3, by=THIRTY))
    odd = replace(
        scan,
        units=scan.units[:-1],
        rounds=(*scan.rounds, Round(Stage.SCREEN, 99, ((0, 77),))),
    )
    assert [one.ranks for one in accused(verdict.diagnose(odd, Settings()))] == [(3,)]


@pytest.mark.parametrize(
    ("slowdown", "decision"), [(-0.01, Decision.CANNOT_TELL), (0.0, Decision.CANNOT_TELL), (0.2, Decision.ACCUSED)]
)
def test_nobody_is_accused_whose_median_is_not_slow(slowdown: float, decision: Decision) -> None:
    """Slow in enough rounds of both looks, as a throttled rank is in bursts, and as fast as its peers in most."""
    suspicion = Suspicion(Culprit.SENDS, (3,), 3, slowdown=slowdown, exceeded=9, rounds=12)
    told = Told(exceeded=9, rounds=12, slow=True, able=True)
    scan, _ = scanned(units(8), World())
    found = verdict._finding(Second(suspicion, told), table.build(scan, Stage.SCREEN).seats)
    assert found.decision is decision
    assert found.ranks == (3,)


def test_a_path_of_a_unit_that_computes_slowly_is_not_accused_as_well() -> None:
    slow = Finding(Culprit.COMPUTES, Decision.ACCUSED, (1,), "node1: computes at 12 % of its peers, confirmed twice")
    path = Finding(Culprit.PATH, Decision.ACCUSED, (0, 1), "between node0 and node1: slow, confirmed twice")
    other = Finding(Culprit.PATH, Decision.ACCUSED, (2, 3), "between node2 and node3: slow, confirmed twice")
    found = verdict._not_by_computing([slow, path, other])
    assert [one.decision for one in found] == [Decision.ACCUSED, Decision.CANNOT_TELL, Decision.ACCUSED]
    assert "confirmed twice" not in found[1].sentence
    assert "computes slowly" in found[1].sentence


def test_a_unit_that_computes_slowly_is_not_accused_of_its_transfers_as_well() -> None:
    world = World(sends={3: 0.5}, computes={3: 2.0}, kernels=("fma",))
    _, found = scanned(units(16), world)
    assert [(one.culprit, one.ranks) for one in accused(found)] == [(Culprit.COMPUTES, (3,))]
    assert [one.culprit for one in found.findings if one.decision is Decision.CANNOT_TELL] == [Culprit.SENDS]
    alone = scanned(units(16), replace(world, computes={}))[1]
    assert [one.culprit for one in accused(alone)] == [Culprit.SENDS]


def test_an_accusation_needs_half_of_the_margin_in_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    needed, real = [], verdict._finding

    def noted(second: Second, *rest: Any) -> Finding:
        needed.extend(rest[1:])
        return real(second, *rest)

    monkeypatch.setattr(verdict, "_finding", noted)
    scanned(units(16), slow(3, by=1.5), settings=Settings(margin=0.6))
    assert needed == [0.3]
