"""Rates of whole scans of simulated fleets: nobody healthy is accused, and who is slow is named.

A handful of scans of each kind here; ``scripts/localise-rates`` and the tests marked ``long`` make many.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchsuite.localise import confirm, families, rankrule
from benchsuite.localise.settings import Settings
from benchsuite.model import Decision, Reference
from tests.simulation import rates
from tests.simulation.draws import at_least, at_most
from tests.simulation.fleets import (
    HEALTHY,
    NOISES,
    SLOWER_5,
    SLOWER_10,
    SLOWER_30,
    A,
    B,
    Fault,
    Fleet,
    Noise,
    diagnosed,
)
from tests.simulation.rates import tally

SCANS = {8: 40, 64: 40, 512: 8, 4096: 1}
QUICK = [(n, name) for n in SCANS for name in NOISES if n < 4096 or name == "B"]


@pytest.mark.parametrize(("n", "name"), QUICK)
def test_healthy_fleets_are_left_alone(n: int, name: str) -> None:
    found = tally(n, NOISES[name], 24, SCANS[n])
    assert at_least(found.wrong.hits, found.wrong.of) <= 0.01
    assert at_least(found.suspected.hits, found.suspected.of) <= 0.01


@pytest.mark.parametrize(("n", "name"), [(8, "B"), (64, "A"), (64, "C"), (512, "B")])
def test_a_node_slower_by_10_percent_is_named_after_24_rounds(n: int, name: str) -> None:
    found = tally(n, NOISES[name], 24, SCANS[n] // 2, Fault.node(n // 3, by=SLOWER_10))
    assert at_most(found.named.hits, found.named.of) >= 0.95
    assert found.wrong.hits == 0


def test_a_node_slower_by_5_percent_needs_the_rounds_that_are_told() -> None:
    assert tally(64, B, 6, 10, Fault.node(3, by=SLOWER_5)).named.hits < 5
    found = tally(64, B, 32, 20, Fault.node(3, by=SLOWER_5))
    assert at_most(found.named.hits, found.named.of) >= 0.9


def test_a_slow_direction_is_named_as_one() -> None:
    assert tally(64, B, 24, 10, Fault(sends={7: SLOWER_30})).named.hits >= 9
    assert tally(64, B, 24, 10, Fault(receives={7: SLOWER_30})).named.hits >= 9


def test_a_slow_leaf_accuses_no_host() -> None:
    found = tally(512, B, 24, 6, Fault(leaves={1: SLOWER_10}))
    assert found.wrong.hits == 0
    assert found.leaf.hits == found.leaf.of


def test_a_slow_leaf_and_a_slow_node_are_told_apart() -> None:
    found = tally(512, B, 24, 4, Fault({300: SLOWER_30}, {300: SLOWER_30}, {1: SLOWER_10}))
    assert found.wrong.hits == 0
    assert found.leaf.hits == found.named.hits == found.leaf.of


def test_what_went_away_before_the_second_look_is_not_accused() -> None:
    rng = np.random.default_rng(5)
    said = []
    for _ in range(10):
        one = Fleet(64, B, rng, fault=Fault.node(3, by=SLOWER_30))
        said += [one.decision for one in diagnosed(one, 24, Settings(), later=HEALTHY).findings]
    assert said == [Decision.NOT_REPRODUCED] * 10


def test_the_smallest_slowdown_that_is_told_is_found() -> None:
    """What a scan says that it would have seen with 95 %, it suspects about as often."""
    rng = np.random.default_rng(6)
    told = diagnosed(Fleet(64, B, rng), 24, Settings()).smallest
    assert told is not None
    assert 0.03 < told < 0.08
    hits = 0
    for _ in range(40):
        one = Fleet(64, B, rng, fault=Fault.node(9, by=told))
        hits += any(9 in found.ranks for found in diagnosed(one, 24, Settings(), confirm=0).findings)
    assert at_most(hits, 40) >= 0.95


ONE_SWITCH = Noise(0.02, True, 0.0, 0.0, 0.0)
KNOWN = Settings(reference=Reference(64 << 20, 0.002, 0.005, 0.005, 0.02, nodes=64))


@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_few_nodes_are_judged_against_a_reference(n: int) -> None:
    rounds = 8 * (n - 1 + n % 2)
    healthy = tally(n, ONE_SWITCH, rounds, 40, settings=KNOWN)
    assert healthy.wrong.hits == 0
    assert at_least(healthy.suspected.hits, 40) <= 0.01
    slow = tally(n, ONE_SWITCH, rounds, 40, Fault.node(1, by=SLOWER_10), KNOWN)
    assert slow.wrong.hits == 0
    assert slow.suspected.hits >= 39
    assert slow.named.hits == 0 if n == 2 else slow.named.hits >= 38


def test_not_to_do_a_robust_z_accuses_healthy_nodes() -> None:
    assert rates.worse(64, A, 24, 40).at_least > 0.1
    assert rates.worse(512, A, 24, 5).hits >= 4


def suspected(n: int, margin: float, scans: int) -> int:
    """Healthy fleets in whose screen somebody is suspected with this margin."""
    rng, settings = np.random.default_rng(4), Settings(margin=margin, between=0.0)
    return sum(bool(families.screened(Fleet(n, A, rng).screen(24), settings).suspicions) for _ in range(scans))


def test_not_to_do_without_a_margin_natural_spread_is_suspected() -> None:
    assert suspected(64, 0.0, 15) >= 8
    assert suspected(64, 0.02, 15) == 0


def test_not_to_do_a_margin_of_one_spread_suspects_healthy_nodes() -> None:
    assert suspected(512, 0.005, 8) >= 2


def test_not_to_do_without_the_leaf_test_hosts_are_suspected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "_leaves", lambda *_: [])
    found = tally(512, B, 24, 3, Fault(leaves={1: SLOWER_10}))
    assert found.wrong.hits == 3


def test_not_to_do_the_first_rounds_again_are_no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the screen as its own confirmation, what went away is accused all the same."""
    look = confirm.look
    monkeypatch.setattr(
        confirm, "look", lambda screen, table, *rest: look(screen, screen.table if table.logs.size else table, *rest)
    )
    rng = np.random.default_rng(5)
    one = Fleet(64, B, rng, fault=Fault.node(3, by=SLOWER_30))
    assert [found.decision for found in diagnosed(one, 24, Settings(), later=HEALTHY).findings] == [Decision.ACCUSED]


def test_not_to_do_alpha_for_one_node_is_none_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchangeable values without a margin: dividing alpha by the nodes is what keeps it."""
    rng = np.random.default_rng(2)
    pools = [rng.standard_normal((24, 256)) for _ in range(30)]

    def fleets(n: int) -> int:
        one = rankrule.rule(n, 24, 0.01, 256, 0.75)
        above = (rankrule.excess(pool[:, :, None], one.part)[:, :, 0] for pool in pools)
        seats = (rng.permuted(np.repeat(values, 2, axis=1), axis=1) for values in above)
        return sum(bool(rankrule.judge(values, one, 0.0).slow.any()) for values in seats)

    assert at_least(fleets(512), 30) <= 0.01
    assert fleets(1) > 20


@pytest.mark.long
@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize(("n", "scans", "few"), [(8, 1000, 100), (64, 1000, 100), (512, 600, 60), (4096, 300, 20)])
def test_the_rates_that_are_published_hold(n: int, scans: int, few: int, name: str) -> None:
    row = rates.row(n, name, NOISES[name], scans, few)
    assert row.accused.at_most <= 0.01
    assert at_most(row.slower_10.hits, row.slower_10.of) >= 0.95
    assert row.hosts.hits == 0
