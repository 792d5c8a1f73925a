"""Wrong bytes, failures and pauses: named by what they have in common, never by statistics."""

from __future__ import annotations

from dataclasses import replace
from math import log

import pytest

from benchsuite.localise import verdict
from benchsuite.localise.settings import Settings
from benchsuite.model import Culprit, Decision, Finding, Local, Pause, Stage, Transfer
from tests.localise_scans import World, scanned, slow, units

THIRTY = -log(0.7)


def only(found: tuple[Finding, ...]) -> Finding:
    (one,) = found
    return one


def test_a_sender_of_wrong_bytes_is_named_by_its_partners() -> None:
    world = World(wrong=lambda one, sender, receiver: 4 * (sender == 5))
    one = only(scanned(units(8), world)[1].findings)
    assert (one.culprit, one.decision, one.ranks) == (Culprit.CORRUPTS, Decision.ACCUSED, (5,))
    assert one.sentence == "node5: bytes that arrived wrong as the sender with 7 different partners"


def test_a_receiver_of_wrong_bytes_is_named() -> None:
    world = World(wrong=lambda one, sender, receiver: 4 * (receiver == 5))
    assert "as the receiver" in only(scanned(units(8), world)[1].findings).sentence


def test_one_gpu_that_flips_bits_is_named_and_not_its_node() -> None:
    world = World(wrong=lambda one, sender, receiver: 4 * (sender == 13))
    one = only(scanned(units(6, per_node=4), world)[1].findings)
    assert one.ranks == (13,)
    assert one.sentence.startswith("node3, GPU 1:")


def test_a_node_whose_gpus_all_deliver_wrong_bytes_is_named_as_a_whole() -> None:
    world = World(wrong=lambda one, sender, receiver: 4 * (sender // 4 == 3))
    assert only(scanned(units(6, per_node=4), world)[1].findings).ranks == (12, 13, 14, 15)


def test_wrong_bytes_between_one_pair_only_are_its_path() -> None:
    world = World(wrong=lambda one, sender, receiver: 4 * ((sender, receiver) == (2, 5)))
    one = only(scanned(units(8), world, links=3)[1].findings)
    assert (one.culprit, one.decision, one.ranks) == (Culprit.CORRUPTS, Decision.ACCUSED, (2, 5))
    assert one.sentence.startswith("the path between node2 and node5")


def test_wrong_bytes_seen_once_are_one_of_three() -> None:
    world = World(wrong=lambda one, sender, receiver: (one.stage, one.number, sender) == (Stage.SCREEN, 3, 5))
    scan, found = scanned(units(8), world)
    one = only(found.findings)
    assert one.decision is Decision.CANNOT_TELL
    assert 5 in one.ranks
    assert len(one.ranks) == 2
    assert one.sentence.startswith("one of ")
    assert one.remedy
    assert {sent.stage for sent in scan.transfers} == {Stage.SCREEN, Stage.CONFIRM}, "a second look was asked for"


def test_two_nodes_that_deliver_wrong_bytes_are_both_named() -> None:
    world = World(wrong=lambda one, sender, receiver: 4 * (sender in {1, 6}))
    found = scanned(units(8), world)[1].findings
    assert {one.ranks for one in found} == {(1,), (6,)}


@pytest.mark.parametrize("n", [2, 3])
def test_wrong_bytes_everywhere_name_nobody(n: int) -> None:
    found = scanned(units(n), World(wrong=lambda one, sender, receiver: 1))[1].findings
    assert found
    assert all(one.decision is Decision.CANNOT_TELL for one in found)


def test_a_wrong_transfer_has_no_time() -> None:
    """How quickly something wrong arrived says nothing."""
    world = World(wrong=lambda one, sender, receiver: 4 * (sender == 5), sends={5: 1.0})
    assert {one.culprit for one in scanned(units(16), world)[1].findings} <= {Culprit.CORRUPTS, Culprit.NODE}
    assert {one.ranks for one in scanned(units(16), world)[1].findings} == {(5,)}


def test_a_kernel_with_a_wrong_result_names_its_unit() -> None:
    scan, _ = scanned(units(4, per_node=2), World(kernels=("fma",)))
    bad = tuple(replace(one, wrong=3 * (one.rank == 5 and one.round % 8 == 0)) for one in scan.locals)
    one = only(verdict.diagnose(replace(scan, locals=bad), Settings()).findings)
    assert (one.culprit, one.decision, one.ranks) == (Culprit.CORRUPTS, Decision.ACCUSED, (5,))
    assert one.sentence == "node2, GPU 1: computes wrong results, in 3 of 24 rounds"


def test_a_kernel_that_gives_no_result_names_its_unit() -> None:
    scan, _ = scanned(units(8), World(kernels=("fma",)))
    unrun = (*scan.locals, Local(Stage.SCREEN, 3, 5, "", None, 0, "out of memory"))
    one = only(verdict.diagnose(replace(scan, locals=unrun), Settings()).findings)
    assert (one.culprit, one.decision, one.ranks) == (Culprit.FAILED, Decision.ACCUSED, (5,))
    assert "out of memory" in one.sentence


def test_a_node_with_which_nobody_can_talk_is_named() -> None:
    world = World(dead=lambda one, sender, receiver: 3 in {sender, receiver})
    one = only(scanned(units(8), world)[1].findings)
    assert (one.culprit, one.decision, one.ranks) == (Culprit.FAILED, Decision.ACCUSED, (3,))
    assert "(deadline)" in one.sentence


def test_a_link_that_fails_is_a_path() -> None:
    world = World(dead=lambda one, sender, receiver: {sender, receiver} == {1, 4})
    one = only(scanned(units(8), world)[1].findings)
    assert (one.culprit, one.decision, set(one.ranks)) == (Culprit.FAILED, Decision.ACCUSED, {1, 4})


def test_a_round_that_failed_as_a_whole_names_nobody() -> None:
    world = World(dead=lambda one, sender, receiver: one.number == 3)
    one = only(scanned(units(8), world)[1].findings)
    assert (one.culprit, one.decision) == (Culprit.FAILED, Decision.CANNOT_TELL)


def test_a_rank_that_stood_still_is_named_with_when_and_how_long() -> None:
    one = only(scanned(units(4, per_node=2), World(), pauses=(Pause(5, 12.13, 3.04), Pause(1, 2.0, 0.4)))[1].findings)
    assert (one.culprit, one.decision, one.ranks) == (Culprit.STALLED, Decision.ACCUSED, (5,))
    assert one.sentence == "node2, GPU 1: did not run for 3.0 s, 12.1 s after its start"


def test_a_node_that_stood_still_is_one_finding() -> None:
    pauses = tuple(Pause(rank, 5.0, 2.0) for rank in range(4, 8))
    one = only(scanned(units(4, per_node=4), World(), pauses=pauses)[1].findings)
    assert one.ranks == (4, 5, 6, 7)
    assert one.sentence.startswith("node1: did not run")


def test_when_most_ranks_stood_still_none_is_to_blame() -> None:
    pauses = tuple(Pause(rank, 5.0, 2.0) for rank in range(6))
    one = only(scanned(units(8), World(), pauses=pauses)[1].findings)
    assert (one.culprit, one.decision) == (Culprit.STALLED, Decision.CANNOT_TELL)


def test_rounds_that_a_pause_explains_do_not_make_a_slow_node() -> None:
    """Eight rounds among eight nodes: every one counts, and two were late because the rank was stopped."""
    scan, _ = scanned(units(8), slow(3, by=0.06), 8, confirm=0)
    late = tuple(
        replace(one, seconds=(one.seconds or 0.0) + 3.0 * (3 in {one.sender, one.receiver} and one.round in {2, 5}))
        for one in scan.transfers
    )
    pauses = (Pause(3, 1.0, 3.0),)
    told = verdict.diagnose(replace(scan, transfers=late, pauses=pauses), Settings())
    blamed = verdict.diagnose(replace(scan, transfers=late), Settings())
    rounds = {one.culprit: one.rounds for one in told.findings}
    assert rounds.get(Culprit.NODE, 6) == 6
    assert Culprit.STALLED in rounds
    assert {one.rounds for one in blamed.findings} == {8}


def test_a_node_that_is_slow_all_the_time_is_accused_though_it_paused_once() -> None:
    found = scanned(units(16), slow(3, by=THIRTY), pauses=(Pause(3, 1.0, 3.0),))[1].findings
    assert {(one.culprit, one.decision) for one in found} == {
        (Culprit.STALLED, Decision.ACCUSED),
        (Culprit.NODE, Decision.ACCUSED),
    }


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_times_that_are_none_are_never_good(seconds: float) -> None:
    scan, _ = scanned(units(8), World(), confirm=0)
    odd = tuple(replace(one, seconds=seconds) if one.sender == 2 else one for one in scan.transfers)
    found = verdict.diagnose(replace(scan, transfers=odd), Settings())
    assert not [one for one in found.findings if one.decision is Decision.ACCUSED]
    assert any("node2" in text for text in found.blind)


def test_what_no_unit_did_is_ignored() -> None:
    scan, _ = scanned(units(8), World(kernels=("fma",)))
    strange = replace(
        scan,
        transfers=(*scan.transfers, Transfer(Stage.SCREEN, 0, 77, 3, None), Transfer(Stage.SCREEN, 0, 3, 77, 1.0, 4)),
        locals=(*scan.locals, Local(Stage.SCREEN, 0, 77, "fma", None)),
        pauses=(Pause(77, 1.0, 9.0),),
    )
    assert verdict.diagnose(strange, Settings()).findings == ()
