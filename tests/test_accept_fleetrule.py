"""The verdict on a whole claim: many devices, several tests of one, what is missing, and the scan between nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchsuite.accept import fleetrule
from benchsuite.model import Culprit, Decision, Diagnosis, Evidence, FleetVerdict, Kind, State, Word
from tests.acceptance_data import around, contract, diagnosis, every_word, evidence, finding, verdicts, warm

FOUR = contract(devices=2, nodes=2)
HEALTHY = tuple(evidence(FOUR, f"node{node}", gpu) for node in (1, 2) for gpu in (0, 1))
BAD = {"memory-read": around(-0.1)}
UNCLEAR = {"memory-read": around(-0.0356, 20, 0.06, seed=1)}


def judged(*changed: Evidence, scan: Diagnosis | None = None, missing: tuple[str, ...] = ()) -> FleetVerdict:
    """The four devices with these instead of their own, scanned and fine unless told."""
    seats = {(one.subject.node, one.subject.device) for one in changed}
    rest = [one for one in HEALTHY if (one.subject.node, one.subject.device) not in seats]
    return fleetrule.judge_all(FOUR, [*rest, *changed], scan or diagnosis(), missing)


def test_all_accepted() -> None:
    said = judged()
    assert said.word is Word.ACCEPT
    assert said.reason == "4 GPUs: 4 accepted."
    assert [one.subject.name for one in said.parts] == ["node1, GPU 0", "node1, GPU 1", "node2, GPU 0", "node2, GPU 1"]
    assert (said.contract, said.digest, said.missing, said.earlier) == (FOUR.name, FOUR.digest, (), ())


def test_the_gravest_word_counts_and_the_device_is_named() -> None:
    said = judged(evidence(FOUR, "node2", 1, ys=BAD), evidence(FOUR, "node1", 0, states={"power-limit": State.UNKNOWN}))
    assert said.word is Word.REJECT
    assert said.reason.startswith(
        "4 GPUs: 1 rejected, 1 invalid, 2 accepted (node2, GPU 1 rejected; node1, GPU 0 invalid)."
    )
    assert "node2, GPU 1: memory-read: " in said.reason
    assert [one.replace for one in said.parts] == ["", "", "", "GPU 1"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ys": UNCLEAR}, Word.INCONCLUSIVE),
        ({"ys": {"memory-read": around(-0.0356, 4, 0.0005)}}, Word.MARGINAL),
        ({"states": {"xid": State.UNKNOWN}}, Word.INVALID),
        ({"states": {"xid": State.FAILED}}, Word.REJECT),
    ],
)
def test_one_device_keeps_the_claim_from_being_accepted(changes: dict[str, dict[str, object]], word: Word) -> None:
    assert judged(evidence(FOUR, "node1", 1, **changes)).word is word  # type: ignore[arg-type]


def test_nodes_are_in_the_order_of_their_numbers() -> None:
    agreed = contract(nodes=3)
    said = fleetrule.judge_all(agreed, [evidence(agreed, name) for name in ("node10", "node9", "node100")], diagnosis())
    assert [one.subject.node for one in said.parts] == ["node9", "node10", "node100"]


def test_what_was_claimed_and_not_tested_is_never_accepted() -> None:
    few = fleetrule.judge_all(FOUR, HEALTHY[:3], diagnosis())
    assert few.word is Word.INVALID
    assert "Of 4 GPUs that are claimed 3 were tested." in few.reason
    named = fleetrule.judge_all(FOUR, HEALTHY[:3], diagnosis(), ["node2, GPU 1"])
    assert (named.word, named.missing) == (Word.INVALID, ("node2, GPU 1",))
    assert judged(missing=("node3",)).word is Word.INVALID
    assert fleetrule.judge_all(FOUR, [], diagnosis()).word is Word.INVALID
    assert fleetrule.judge_all(FOUR, [], diagnosis()).reason.startswith("0 GPUs: none was tested.")


def test_more_than_was_claimed_is_not_accepted_either() -> None:
    said = fleetrule.judge_all(FOUR, [*HEALTHY, evidence(FOUR, "node3", 0)], diagnosis())
    assert said.word is Word.INVALID
    assert "its alpha was divided among too few" in said.reason


def test_a_rejection_outweighs_what_is_missing() -> None:
    bad = evidence(FOUR, "node1", 0, ys=BAD)
    assert fleetrule.judge_all(FOUR, [bad], diagnosis(), ["node2"]).word is Word.REJECT


def test_several_nodes_must_be_scanned_where_that_was_agreed() -> None:
    said = fleetrule.judge_all(FOUR, HEALTHY)
    assert said.word is Word.INVALID
    assert "not scanned" in said.reason
    assert fleetrule.judge_all(contract(devices=2, nodes=2, scan=False), HEALTHY).word is Word.ACCEPT
    agreed = contract(devices=2)
    assert fleetrule.judge_all(agreed, [evidence(agreed, device=gpu) for gpu in (0, 1)]).word is Word.ACCEPT


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (finding(), Word.REJECT),
        (finding(culprit=Culprit.STALLED), Word.INVALID),
        (finding(Decision.CANNOT_TELL), Word.INCONCLUSIVE),
        (finding(Decision.NOT_REPRODUCED), Word.ACCEPT),
    ],
)
def test_what_the_scan_found_counts(one: object, word: Word) -> None:
    said = judged(scan=diagnosis(one))  # type: ignore[arg-type]
    assert said.word is word
    assert said.findings == (one,)
    where = said.reason if word is not Word.ACCEPT else " ".join(said.notes)
    assert "node3, GPU 5: receives at 61 % of its peers" in where
    assert "swap its cable" in where


def test_whom_the_scan_accuses_stands_beside_the_worst_device() -> None:
    said = judged(evidence(FOUR, "node1", 0, ys=BAD), scan=diagnosis(finding(), finding(Decision.CANNOT_TELL)))
    assert said.reason.count("The scan accuses: node3, GPU 5: receives at 61 % of its peers, accused.") == 1
    alone = judged(scan=diagnosis(finding()))
    assert alone.reason.count("node3, GPU 5") == 1


def test_a_scan_that_could_have_found_nothing_is_no_reason_to_accept() -> None:
    said = judged(scan=diagnosis(conclusive=False))
    assert said.word is Word.INCONCLUSIVE
    assert "never met" in said.reason


def test_what_the_scan_could_not_see_and_its_own_rate_are_told() -> None:
    notes = " ".join(judged().notes)
    assert "never met" in notes
    assert "0.01" in notes


def test_the_last_test_counts_and_the_earlier_one_is_kept() -> None:
    first, second = evidence(FOUR, "node1", 0, ys=UNCLEAR), evidence(FOUR, "node1", 0, attempt=2)
    for order in ((first, second), (second, first)):
        said = judged(*order)
        assert said.word is Word.ACCEPT
        assert said.parts[0].attempt == 2
        assert [(one.attempt, one.word) for one in said.earlier] == [(1, Word.INCONCLUSIVE)]
        assert said.notes[0] == "node1, GPU 0: accepted after test 2; test 1 said inconclusive."
    assert judged(evidence(FOUR, "node1", 0), evidence(FOUR, "node1", 0, attempt=2, ys=BAD)).word is Word.REJECT


def test_rejected_by_statistics_may_be_tested_again() -> None:
    said = judged(evidence(FOUR, "node1", 0, ys=BAD), evidence(FOUR, "node1", 0, attempt=2))
    assert said.word is Word.ACCEPT
    assert said.earlier[0].word is Word.REJECT


@pytest.mark.parametrize(
    "changes",
    [{"states": {"xid": State.FAILED}}, {"probes": {"processors": 66.0}}, {"burned": warm(30, wrong=1)}],
)
def test_no_other_test_undoes_a_fact(changes: dict[str, object]) -> None:
    said = judged(evidence(FOUR, "node1", 0, **changes), evidence(FOUR, "node1", 0, attempt=2))  # type: ignore[arg-type]
    part = said.parts[0]
    assert (said.word, part.word, part.hard, part.replace) == (Word.REJECT, Word.REJECT, True, "GPU 0")
    assert part.reason.startswith("node1, GPU 0: Test 1 found what no other test can undo: ")


def test_every_test_must_be_in_the_evidence_once() -> None:
    second = evidence(FOUR, "node1", 0, attempt=2)
    assert judged(second).word is Word.INVALID
    assert "numbered 2" in judged(second).reason
    first = evidence(FOUR, "node1", 0)
    assert judged(first, first).word is Word.INVALID
    bad = evidence(FOUR, "node1", 0, ys=BAD)
    assert judged(bad, first).word is Word.INVALID
    assert judged(first, bad).word is Word.REJECT
    third = evidence(FOUR, "node1", 0, attempt=3)
    assert judged(evidence(FOUR, "node1", 0, ys=UNCLEAR), second, third).word is Word.INVALID


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ("aaaa", "bbbb", Word.ACCEPT),
        ("aaaa", "aaaa", Word.REJECT),
        ("", "bbbb", Word.REJECT),
        ("aaaa", "", Word.REJECT),
    ],
)
def test_a_fact_is_about_the_device_and_not_about_what_took_its_place(first: str, second: str, word: Word) -> None:
    ill = evidence(FOUR, "node1", 0, states={"xid": State.FAILED}, identity=first)
    said = judged(ill, evidence(FOUR, "node1", 0, attempt=2, identity=second))
    assert said.word is word
    assert ("It was exchanged after test 1" in " ".join(said.parts[0].notes)) == (word is Word.ACCEPT)


def test_another_name_by_another_host_excuses_nothing() -> None:
    """A container that lost the key to its pseudonyms calls every card by another name."""
    ill = evidence(FOUR, "node1", 0, states={"xid": State.FAILED}, identity="aaaa")
    again = evidence(FOUR, "node1", 0, attempt=2, identity="bbbb", machines=("elsewhere",))
    assert judged(ill, again).word is Word.REJECT


def test_what_took_its_place_must_be_good_itself() -> None:
    first = evidence(FOUR, "node1", 0, ys=UNCLEAR, identity="aaaa")
    other = evidence(FOUR, "node1", 0, attempt=2, ys=BAD, identity="bbbb")
    assert judged(first, other).word is Word.REJECT


def test_who_may_be_tested_again() -> None:
    agreed = contract(devices=8)
    said = fleetrule.judge_all(agreed, every_word(agreed))
    words = [one.word for one in said.parts]
    assert words == [
        Word.ACCEPT,
        Word.REJECT,
        Word.REJECT,
        Word.MARGINAL,
        Word.INCONCLUSIVE,
        Word.INVALID,
        Word.REJECT,
        Word.ACCEPT,
    ]
    assert [one.device for one in fleetrule.retestable(agreed, said)] == [1, 2, 3, 4, 5, 6]
    strict = replace(agreed, rule=replace(agreed.rule, retests=0))
    assert fleetrule.retestable(strict, fleetrule.judge_all(strict, every_word(strict)[:7])) == ()


def test_hosts_are_called_hosts() -> None:
    agreed = contract(Kind.HOST, nodes=2, scan=False)
    said = fleetrule.judge_all(agreed, [evidence(agreed, "a"), evidence(agreed, "b", ys={"latency": around(-0.1)})])
    assert said.reason.startswith("2 hosts: 1 rejected, 1 accepted (b rejected). b: latency: ")
    assert said.parts[1].replace == "the host"


def test_many_that_fail_are_counted_and_some_named() -> None:
    agreed = contract(nodes=13, scan=False)
    ill = [evidence(agreed, f"n{i}", states={"xid": State.FAILED}) for i in range(12)]
    said = fleetrule.judge_all(agreed, [*ill, evidence(agreed, "n12")])
    assert "13 GPUs: 12 rejected, 1 accepted (n0, GPU 0 rejected; " in said.reason
    assert "and 4 more)" in said.reason


def test_who_is_meant_by_all_or_by_one_is_not_said_twice() -> None:
    three, one = contract(nodes=3, scan=False), contract(nodes=1, scan=False)
    every = [evidence(three, f"n{i}", states={"xid": State.FAILED}) for i in range(3)]
    assert fleetrule.judge_all(three, every).reason == "3 GPUs: 3 rejected. n0, GPU 0: xid: failed."
    alone = fleetrule.judge_all(one, [evidence(one, "n0", states={"xid": State.FAILED})])
    assert alone.reason == "n0, GPU 0: xid: failed."
    assert fleetrule.judge_all(one, [evidence(one, "n0")]).reason.startswith("n0, GPU 0: It passed ")


def test_the_example_for_pages_has_every_word() -> None:
    said = verdicts()
    assert {one.word for one in said.parts} == set(Word)
    assert said.word is Word.REJECT
    assert said.findings
    assert said.earlier


def test_an_accusation_that_a_later_scan_replaces_is_told() -> None:
    accused, doubted = finding(), finding(Decision.NOT_REPRODUCED)
    said = fleetrule.judge_all(FOUR, HEALTHY, diagnosis(), before=[diagnosis(accused, doubted)] * 2)
    assert said.word is Word.ACCEPT
    assert [note for note in said.notes if note.startswith("An earlier scan")] == [
        f"An earlier scan said, and the last one did not: {accused.sentence}."
    ]
    again = fleetrule.judge_all(FOUR, HEALTHY, diagnosis(accused), before=[diagnosis(accused)])
    assert not [note for note in again.notes if note.startswith("An earlier scan")]
