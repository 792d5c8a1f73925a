"""The verdict on one device: every gate, probe, requirement and the burn-in count, and the sentences can be signed."""

from __future__ import annotations

from dataclasses import fields, replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.accept import gates, judge
from benchsuite.model import (
    Burned,
    Contract,
    Evidence,
    Gate,
    Grounds,
    Kind,
    Learned,
    Observation,
    Probed,
    Rule,
    State,
    Status,
    Verdict,
    Weight,
    Word,
)
from benchsuite.units import NO_BREAK_SPACE
from tests.acceptance_data import (
    GEMM,
    LATENCY,
    MEMORY,
    around,
    contract,
    ended,
    every_word,
    evidence,
    run,
    verdicts,
    warm,
)

BANNED = ("significant", "insignificant", "beats", "crushes", "up to", "best-in-class", "equivalent", "proven")
ONE = contract()
BURN = contract(minutes=30)


def judged(agreed: Contract = ONE, **changes: object) -> Verdict:
    return judge.judge(agreed, evidence(agreed, **changes))  # type: ignore[arg-type]


def plain(text: str) -> str:
    return text.replace(NO_BREAK_SPACE, " ")


@pytest.mark.parametrize("kind", list(Kind))
def test_a_device_in_order_is_accepted(kind: Kind) -> None:
    agreed = contract(kind, minutes=30)
    said = judged(agreed)
    assert said.word is Word.ACCEPT
    assert said.reasons == ()
    assert (said.replace, said.hard) == ("", False)
    assert {one.word for one in said.decided} == {Word.ACCEPT}
    assert len(said.decided) == len(agreed.requirements)
    assert "passed " in said.reason
    assert "30 minutes of burn-in" in said.reason


def test_it_tells_the_levels_that_hold_for_it() -> None:
    said = judged(contract(devices=8, nodes=2))
    assert (said.alpha, said.beta) == pytest.approx((0.01 / 2 / 16, 0.01 / 2))


def test_the_sentence_of_a_rejection_names_everything() -> None:
    said = judged(ys={"memory-read": around(-0.062, 4, 0.004)}, node="node7", device=3)
    assert said.word is Word.REJECT
    assert plain(said.reason).startswith(
        "node7, GPU 3: memory-read: 3.92 TB/s (3.84–4.00) in 4 runs, 6.0 % less than the agreed 4.17 TB/s "
        "(baseline of 59 nodes, 2026-10-01). That it does 4.09 TB/s, as a good one would, is refuted (p = "
    )
    assert said.reason.endswith("Replace GPU 3, or have it mended.")
    assert said.replace == "GPU 3"
    assert not said.hard


def test_of_a_time_more_is_worse() -> None:
    said = judged(ys={"latency": around(-0.105, 4, 0.002)})
    assert said.word is Word.REJECT
    text = plain(said.reason)
    assert "latency: 689 ns (" in text
    assert "11.1 % more than the agreed 620 ns (agreed by both parties, 2026-11-02)" in text
    assert "That it does 633 ns" in text


def test_what_the_sensors_said_in_most_runs_explains_a_rejection() -> None:
    slow = [run(GEMM, y, "POWER_CAP", "POWER_LIMIT_LOWERED") for y in around(-0.1)]
    said = judged(ys={"gemm-bf16": slow})
    assert (
        "In 4 of 4 runs its power limit was set below its default (POWER_LIMIT_LOWERED): restore the limit"
        in said.reason
    )
    assert said.reason.endswith("if that does not help, replace GPU 0.")
    once = [run(GEMM, y, *(["THERMAL"] if i == 0 else [])) for i, y in enumerate(around(-0.1))]
    assert "THERMAL" not in judged(ys={"gemm-bf16": once}).reason


def test_a_wrong_result_rejects_for_good() -> None:
    said = judged(ys={"gemm-bf16": [*around(0.1, 3), ended(Status.REJECTED, "element 17 is wrong.")]})
    assert (said.word, said.hard, said.replace) == (Word.REJECT, True, "GPU 0")
    assert "gemm-bf16: a result was wrong: element 17 is wrong. No speed counts beside that." in said.reason


def test_marginal_says_between_what_and_that_more_runs_do_not_help() -> None:
    said = judged(ys={"memory-read": around(-0.0356, 4, 0.0005)})
    assert said.word is Word.MARGINAL
    assert "between 3.96 TB/s (bad) and 4.09 TB/s (good): more runs would not change that" in plain(said.reason)


def test_inconclusive_says_how_noisy_it_was_and_what_would_settle_it() -> None:
    said = judged(ys={"memory-read": around(-0.045, 20, 0.03, seed=1)})
    assert said.word is Word.INCONCLUSIVE
    text = plain(said.reason)
    assert "the runs differ by 3.0 % (sd)" in text
    assert "About 25 runs with this spread would tell" in text
    assert "in 20 runs" in text
    hopeless = judged(ys={"memory-read": around(-0.0356, 20, 0.5, seed=1)})
    assert "No sensible number of runs would tell" in hopeless.reason


def test_invalid_says_by_what_and_what_to_do() -> None:
    busy = [run(MEMORY, y, "CONTENDED") for y in around(-0.3, 3)]
    said = judged(ys={"memory-read": [*busy, *around(0.0)]})
    assert said.word is Word.INVALID
    assert "3 of 7 runs were disturbed from outside (CONTENDED)" in said.reason
    assert "Other processes were at work meanwhile: see to that first." in said.reason
    assert said.reason.endswith("Then test it again (benchsuite accept --retest).")
    last = judged(attempt=2, ys={"memory-read": [*busy, *around(0.0)]})
    assert last.reason.endswith("Nothing is left of the tests that were agreed on: it is not accepted.")


def test_runs_that_were_set_aside_are_told_beside_the_value() -> None:
    said = judged(ys={"memory-read": [run(MEMORY, -0.3, "HOST_STEAL"), *around(0.0)]})
    assert said.word is Word.ACCEPT
    assert "in 4 runs (1 more set aside: HOST_STEAL)" in said.decided[0].sentence
    assert said.decided[0].aside == 1


def test_an_open_requirement_says_what_it_waits_for() -> None:
    said = judged(ys={"memory-read": around(-0.035, 4, 0.02), "latency": around(0.0, 2)})
    assert said.word is Word.INCONCLUSIVE
    assert [one.word for one in said.decided] == [Word.INCONCLUSIVE, Word.ACCEPT, Word.INCONCLUSIVE]
    assert "Not decided: 2 more runs would complete the next look." in said.decided[0].sentence
    assert "2 runs so far, against the agreed" in said.decided[2].sentence


def test_what_was_not_measured_is_invalid() -> None:
    own = evidence(ONE)
    said = judge.judge(ONE, replace(own, measured=own.measured[:2]))
    assert said.word is Word.INVALID
    assert "latency: it was not measured" in said.reason


def test_where_nothing_was_measured_the_cause_leads() -> None:
    states = {"wrong-result": State.UNKNOWN, "nvml": State.UNKNOWN}
    said = judged(states=states, sentences={"nvml": "NVML cannot be loaded."})
    assert said.reason == "node0, GPU 0: NVML cannot be loaded."
    assert len(said.reasons) == 2


WEIGHTS = [
    (Weight.REJECT, State.FAILED, Word.REJECT),
    (Weight.REJECT, State.UNKNOWN, Word.INVALID),
    (Weight.INVALID, State.FAILED, Word.INVALID),
    (Weight.INVALID, State.UNKNOWN, Word.INVALID),
    (Weight.NOTE, State.FAILED, Word.ACCEPT),
    (Weight.NOTE, State.UNKNOWN, Word.ACCEPT),
    *((weight, state, Word.ACCEPT) for weight in Weight for state in (State.PASSED, State.ABSENT)),
]


@pytest.mark.parametrize(("weight", "state", "word"), WEIGHTS)
def test_gates_weigh_what_was_agreed(weight: Weight, state: State, word: Word) -> None:
    agreed = contract(checks=[Gate("pcie", weight)])
    said = judged(agreed, states={"pcie": state}, sentences={"pcie": "The link has 4 lanes of 16: reseat it."})
    assert said.word is word
    assert said.hard == (word is Word.REJECT)
    told = {Word.ACCEPT: " ".join(said.notes)}.get(word, said.reason)
    assert ("The link has 4 lanes" in told) == (state in {State.FAILED, State.UNKNOWN})


def test_a_gate_that_nobody_made_is_unknown() -> None:
    own = evidence(ONE)
    for one in gates.asked(ONE):
        rest = tuple(seen for seen in own.observations if seen.check != one.check)
        word = judge.judge(ONE, replace(own, observations=rest)).word
        assert word is (Word.ACCEPT if one.weight is Weight.NOTE else Word.INVALID)


def test_of_two_observations_the_worse_counts() -> None:
    own = evidence(ONE)
    twice = (*own.observations, Observation("ecc", State.FAILED, "9 errors."))
    assert judge.judge(ONE, replace(own, observations=twice)).word is Word.REJECT
    assert judge.judge(ONE, replace(own, observations=twice[::-1])).word is Word.REJECT


def test_what_fails_beyond_the_contract_is_told() -> None:
    own = evidence(ONE)
    extra = Observation("something-new", State.FAILED, "It hums.")
    said = judge.judge(ONE, replace(own, observations=(*own.observations, extra)))
    assert (said.word, said.notes) == (Word.ACCEPT, ("It hums.",))


@pytest.mark.parametrize("value", [131.0, 133.0, 0.0, nan, inf])
def test_a_probe_outside_its_region_rejects_for_good(value: float) -> None:
    said = judged(probes={"processors": value})
    assert (said.word, said.hard, said.replace) == (Word.REJECT, True, "GPU 0")
    assert "It is not what it is said to be" in said.reason
    assert "(datasheet)" in said.reason


def test_a_probe_without_a_value_is_invalid() -> None:
    assert judged(probes={"processors": None}).word is Word.INVALID
    said = judge.judge(ONE, replace(evidence(ONE), probes=()))
    assert said.word is Word.INVALID
    assert [one.reason for one, _ in said.probes] == ["it was not measured"] * 2


def test_of_two_probes_the_worse_counts_and_others_are_kept() -> None:
    own = evidence(ONE)
    more = (*own.probes, Probed("processors", 66.0), Probed("l2", 5e7))
    said = judge.judge(ONE, replace(own, probes=more))
    assert said.word is Word.REJECT
    assert said.probes[-1] == (Probed("l2", 5e7), None)


BURNS = [
    (warm(30), Word.ACCEPT),
    (warm(30, wrong=1), Word.REJECT),
    (warm(30, failures=1), Word.REJECT),
    (warm(30, worst=0.051), Word.REJECT),
    (replace(warm(30, worst=0.051), disturbed=0.3), Word.REJECT),
    (replace(warm(30, worst=0.051), disturbed=0.4), Word.INVALID),
    (replace(warm(30, wrong=1), disturbed=1.0), Word.REJECT),
    (replace(warm(30), disturbed=1.0), Word.ACCEPT),
    (warm(30, worst=nan), Word.INVALID),
    (warm(30, worst=None), Word.INVALID),
    (warm(20), Word.INVALID),
    (warm(30, checks=0), Word.INVALID),
    (warm(30, reason="it was interrupted"), Word.INVALID),
    (replace(warm(30), seconds=nan), Word.INVALID),
]


def test_new_errors_under_heat_reject() -> None:
    said = judged(BURN, burned=replace(warm(BURN.heat.minutes), faults=("New uncorrected memory errors: 2.",)))
    assert said.word is Word.REJECT
    assert said.hard
    assert "New uncorrected memory errors: 2" in said.reason


def test_a_speed_that_others_took_says_nothing_about_the_device() -> None:
    said = judged(BURN, burned=replace(warm(30, worst=0.5), disturbed=1.0))
    assert not said.hard
    assert plain(said.reason).startswith("node0, GPU 0: burn-in: 50.0 % of the speed were lost under load; 5.0 % are")
    assert "But in 100 % of its turns others disturbed it: see to that first. Then test it again" in plain(said.reason)


@pytest.mark.parametrize(("burned", "word"), BURNS)
def test_the_burn_in_counts(burned: Burned, word: Word) -> None:
    said = judged(BURN, burned=burned)
    assert said.word is word
    assert (word is Word.ACCEPT) or "burn-in" in said.reason
    assert said.hard == (word is Word.REJECT)


def test_a_burn_in_that_was_agreed_must_be_made() -> None:
    said = judge.judge(BURN, replace(evidence(BURN), burned=None))
    assert said.word is Word.INVALID
    assert "30 minutes of burn-in were agreed, and none was made." in said.reason


def test_wrong_is_wrong_even_where_no_burn_in_was_agreed() -> None:
    assert judged(burned=warm(1, wrong=3)).word is Word.REJECT
    assert judged(burned=warm(1, worst=0.5)).word is Word.ACCEPT


def test_more_tests_than_were_agreed_are_none() -> None:
    assert judged(attempt=2).word is Word.ACCEPT
    said = judged(attempt=3)
    assert said.word is Word.INVALID
    assert "This is test 3, and 2 tests were agreed on." in said.reason
    assert judged(attempt=0).word is Word.INVALID
    assert judged(contract(rule=Rule(retests=0)), attempt=2).word is Word.INVALID


def test_nobody_is_judged_by_what_was_learned_from_it() -> None:
    agreed = replace(ONE, learned=Learned("d" * 64, ("aaaa",)))
    assert judged(agreed, identity="bbbb").word is Word.ACCEPT
    said = judged(agreed, identity="aaaa")
    assert said.word is Word.INVALID
    assert "learned from this very machine" in said.reason
    by_its_runs = replace(evidence(agreed, identity="bbbb"), machines=("cccc", "aaaa"))
    assert judge.judge(agreed, by_its_runs).word is Word.INVALID, "a baseline names machines as runs do"


def test_a_contract_that_requires_nothing_accepts_nobody() -> None:
    agreed = contract(requirements=[])
    assert judged(agreed).word is Word.INVALID


def test_a_claim_that_nobody_checks_is_told() -> None:
    assert "132 multiprocessors are claimed, and no identity probe counts them." in judged(contract(identity=[])).notes
    assert not judged(contract()).notes


def test_compared_with_itself_is_told() -> None:
    own = replace(MEMORY, grounds=Grounds.OWN)
    said = judged(contract(requirements=[own, LATENCY]))
    assert said.word is Word.ACCEPT
    assert said.notes[0].startswith("memory-read: compared with an earlier run of the same machine")


def test_the_gravest_reason_comes_first_and_all_are_told() -> None:
    said = judged(
        ys={"memory-read": around(-0.0356, 4, 0.0005), "latency": around(-0.2)},
        states={"power-limit": State.UNKNOWN, "xid": State.FAILED},
        sentences={"xid": "XID 79.", "power-limit": "The limit cannot be read."},
    )
    assert said.word is Word.REJECT
    assert [text.split(":")[0] for text in said.reasons] == [
        "XID 79.",
        "latency",
        "The limit cannot be read.",
        "memory-read",
    ]
    assert said.reason == "node0, GPU 0: XID 79."


def test_sentences_use_no_words_that_claim_too_much() -> None:
    told = verdicts()
    texts = [told.reason, *told.notes]
    for one in (*told.parts, *told.earlier):
        texts += [one.reason, *one.reasons, *one.notes, *(part.sentence for part in one.decided)]
    assert not [word for word in BANNED if word in " ".join(texts).lower()]
    assert all(text.endswith(".") for text in texts)


PIECES = [field.name for field in fields(Evidence) if field.name not in {"subject", "attempt", "machines"}]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_without_any_piece_of_its_evidence_nobody_is_accepted(data: st.DataObject) -> None:
    agreed = contract(minutes=30, checks=[Gate("xid", Weight.REJECT), Gate("power-limit", Weight.INVALID)])
    own = evidence(agreed)
    assert judge.judge(agreed, own).word is Word.ACCEPT
    told = {gate.check for gate in gates.asked(agreed) if gate.weight is Weight.NOTE}
    name = data.draw(st.sampled_from(PIECES))
    parts: dict[str, Any] = {name: None}
    if name != "burned":
        whole = getattr(own, name)
        gone = data.draw(st.sampled_from([one for one in whole if getattr(one, "check", "") not in told]))
        parts[name] = tuple(one for one in whole if one is not gone)
    less = replace(own, **parts)
    assert judge.judge(agreed, less).word is Word.INVALID


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([one.name for one in ONE.requirements]),
    st.integers(0, 3),
    st.sampled_from([nan, inf, -inf, 0.0, -1.0, None]),
    st.sampled_from(list(Status)),
)
def test_no_single_value_that_is_none_is_accepted(name: str, at: int, value: float | None, status: Status) -> None:
    own = evidence(ONE)
    spoiled = [
        replace(one, runs=(*one.runs[:at], replace(one.runs[at], value=value, status=status), *one.runs[at + 1 :]))
        if one.requirement == name
        else one
        for one in own.measured
    ]
    assert judge.judge(ONE, replace(own, measured=tuple(spoiled))).word in {Word.INVALID, Word.REJECT}


def test_every_word_has_its_example() -> None:
    agreed = contract(devices=8)
    words = {judge.judge(agreed, one).word for one in every_word(agreed)}
    assert words == set(Word)
