"""The verdict on everything that a contract claims: all devices of all nodes, and what lies between them. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchsuite.accept import words
from benchsuite.accept.judge import GRAVITY, Said, gravest, judge
from benchsuite.model import (
    Contract,
    Culprit,
    Decision,
    Diagnosis,
    Evidence,
    Finding,
    FleetVerdict,
    Kind,
    Subject,
    Verdict,
    Word,
)

THINGS = {Kind.GPU: "GPU", Kind.HOST: "host"}
PAST = {
    Word.ACCEPT: "accepted",
    Word.MARGINAL: "marginal",
    Word.INCONCLUSIVE: "inconclusive",
    Word.INVALID: "invalid",
    Word.REJECT: "rejected",
}
NAMED = 8
"""So many devices are named in the one sentence about all; each has its own."""


def judge_all(
    contract: Contract,
    evidences: Iterable[Evidence],
    scan: Diagnosis | None = None,
    missing: Sequence[str] = (),
    before: Sequence[Diagnosis] = (),
) -> FleetVerdict:
    """What is said of the whole claim; only if every device of every node accepts, it does.

    evidences: of all tests of all subjects. Of a subject that was tested again the last test counts, unless an earlier
    one found what no test can undo. scan: what the scan between nodes says; ``None``: there was none. missing: nodes or
    devices that were claimed and could not be tested. before: what earlier scans of this acceptance said, which the
    last one replaces: told, and not counted.
    """
    tests: dict[tuple[str, int], list[Evidence]] = defaultdict(list)
    for one in evidences:
        tests[one.subject.node, -1 if one.subject.device is None else one.subject.device].append(one)
    ended = [_last(contract, sorted(tests[key], key=lambda one: one.attempt)) for key in sorted(tests, key=_natural)]
    parts = tuple(last for last, _ in ended)
    said: list[Said] = [(one.word, one.reason) for one in parts if one.word is not Word.ACCEPT]
    said += [*_claimed(contract, len(parts), missing), *_between(contract, scan)]
    said.sort(key=lambda one: GRAVITY.index(one[0]))
    word = gravest(one for one, _ in said)
    return FleetVerdict(
        contract=contract.name,
        digest=contract.digest,
        word=word,
        reason=_reason(contract, parts, said, scan.findings if scan else ()),
        parts=parts,
        findings=scan.findings if scan else (),
        missing=tuple(missing),
        notes=(*_history(ended), *_replaced(before, scan), *_noted(scan)),
        earlier=tuple(one for _, before in ended for one in before),
    )


def retestable(contract: Contract, verdict: FleetVerdict) -> tuple[Subject, ...]:
    """Who may be tested again: who is not accepted and has a test left.

    Of a device that was rejected by a fact, another test undoes that only if it was exchanged meanwhile.
    """
    return tuple(
        one.subject for one in verdict.parts if one.word is not Word.ACCEPT and one.attempt <= contract.rule.retests
    )


def _natural(key: tuple[str, int]) -> tuple[list[int | str], int]:
    """``node2`` before ``node10``."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", key[0])], key[1]


def _last(contract: Contract, tests: Sequence[Evidence]) -> tuple[Verdict, tuple[Verdict, ...]]:
    """The verdict that counts among those of one subject's tests, and the earlier ones.

    What was found of a device that was exchanged since does not count against the one that took its place.
    """
    verdicts = [judge(contract, one) for one in tests]
    last, before = verdicts[-1], tuple(verdicts[:-1])
    exchanged = [
        verdict for verdict, one in zip(before, tests, strict=False) if replaced(one, last.subject, tests[-1].machines)
    ]
    if exchanged:
        note = f"It was exchanged after test {exchanged[-1].attempt}: test {last.attempt} is of another device."
        last = replace(last, notes=(*last.notes, note))
    against: list[Said] = []
    if [one.attempt for one in tests] != list(range(1, len(tests) + 1)):
        numbers = ", ".join(str(one.attempt) for one in tests)
        against.append((Word.INVALID, f"Its tests are numbered {numbers}: one is missing, or is there more than once."))
    hard = next((one for one in before if one.hard and one not in exchanged), None)
    if hard is not None:
        text = f"Test {hard.attempt} found what no other test can undo: {hard.reasons[0]}"
        against.append((Word.REJECT, text))
    return _amended(last, against, hard is not None), before


def replaced(before: Evidence, now: Subject, machines: Sequence[str]) -> bool:
    """Whether it is known to be another device than before: another pseudonym, given by the same host.

    A host that lost the key to its pseudonyms is another one by name, with all its devices; so nothing excuses a host.
    """
    told = before.subject.identity and now.identity and before.subject.identity != now.identity
    return bool(told) and bool({*before.machines} & {*machines})


def _amended(last: Verdict, against: Sequence[Said], hard: bool) -> Verdict:
    """The verdict with what is known only from all tests together."""
    if not against:
        return last
    word = gravest([last.word, *(one for one, _ in against)])
    texts = [text for _, text in sorted(against, key=lambda one: GRAVITY.index(one[0]))]
    decides = last.reason if word is last.word else f"{last.subject.name}: {texts[0]}"
    return replace(
        last,
        word=word,
        reason=decides,
        reasons=(*texts, *last.reasons) if word is not last.word else (*last.reasons, *texts),
        replace=last.subject.part if word is Word.REJECT else "",
        hard=last.hard or hard,
    )


def _claimed(contract: Contract, judged: int, missing: Sequence[str]) -> list[Said]:
    """What is wrong with how many there are."""
    units, thing = contract.claim.units, THINGS[contract.claim.kind]
    found = [(Word.INVALID, f"{name}: it is claimed, and could not be tested.") for name in missing]
    if judged < units:
        few = f"Of {words.counted(units, thing)} that are claimed {judged} {'was' if judged == 1 else 'were'} tested."
        found.append((Word.INVALID, f"{few} Test all of them, or write a contract about those."))
    if judged > units:
        many = f"{words.counted(judged, thing)} were tested, and the contract is about {units}"
        found.append((Word.INVALID, f"{many}: its alpha was divided among too few. Write one about all of them."))
    return found


def _between(contract: Contract, scan: Diagnosis | None) -> list[Said]:
    """What the scan says against the claim."""
    if scan is None:
        asked = contract.between.scan and contract.claim.nodes > 1
        return [(Word.INVALID, "The nodes were not scanned for slow nodes and links, as was agreed.")] if asked else []
    found = [_found(one) for one in scan.findings if _counts(one)]
    if not scan.conclusive:
        why = " ".join(scan.blind)
        found.append((Word.INCONCLUSIVE, f"That the scan found nothing else means nothing. {why}".strip()))
    return found


def _found(one: Finding) -> Said:
    """What follows from a finding. A rank that did not run for a moment may have been stopped from outside."""
    sentence = f"{one.sentence}. {one.remedy}".strip()
    if one.decision is Decision.CANNOT_TELL:
        return Word.INCONCLUSIVE, sentence
    return (Word.INVALID if one.culprit is Culprit.STALLED else Word.REJECT), sentence


def _reason(contract: Contract, parts: Sequence[Verdict], said: Sequence[Said], findings: Sequence[Finding]) -> str:
    """How many are what, who is not accepted, the gravest sentence, and whom else the scan accuses; of one alone its
    own."""
    if contract.claim.units == len(parts) == 1:
        return said[0][1] if said else parts[0].reason
    thing = THINGS[contract.claim.kind]
    counts = Counter(one.word for one in parts)
    told = ", ".join(f"{counts[word]} {PAST[word]}" for word in GRAVITY if counts[word])
    of = f"{words.counted(len(parts), thing)}: {told or 'none was tested'}"
    ill = sorted((one for one in parts if one.word is not Word.ACCEPT), key=lambda one: GRAVITY.index(one.word))
    more = f" and {len(ill) - NAMED} more" if len(ill) > NAMED else ""
    named = len(ill) > 0 and (len(ill) < len(parts) or len(counts) > 1)
    names = f" ({'; '.join(f'{one.subject.name} {PAST[one.word]}' for one in ill[:NAMED])}{more})" if named else ""
    gravest_ = f" {said[0][1]}" if said else ""
    accused = [one.sentence for one in findings if one.decision is Decision.ACCUSED and one.sentence not in gravest_]
    scanned = f" The scan accuses: {'; '.join(accused[:NAMED])}." if accused else ""
    return f"{of}{names}.{gravest_}{scanned}"


def _history(ended: Iterable[tuple[Verdict, tuple[Verdict, ...]]]) -> list[str]:
    """What earlier tests said of those that were tested again."""
    return [
        f"{last.subject.name}: {PAST[last.word]} after test {last.attempt}; "
        + ", ".join(f"test {one.attempt} said {PAST[one.word]}" for one in before)
        + "."
        for last, before in ended
        if before
    ]


def _replaced(before: Sequence[Diagnosis], scan: Diagnosis | None) -> list[str]:
    """Whom an earlier scan accused and the last one does not: who reads the verdict shall know that there was more."""
    now = {one.sentence for one in scan.findings} if scan else set()
    accused = dict.fromkeys(one.sentence for earlier in before for one in earlier.findings if _counts(one))
    return [f"An earlier scan said, and the last one did not: {one}." for one in accused if one not in now]


def _counts(one: Finding) -> bool:
    return one.decision is not Decision.NOT_REPRODUCED


def _noted(scan: Diagnosis | None) -> list[str]:
    """What the scan saw once and not again, could not have seen, and how often it is wrong."""
    if scan is None:
        return []
    once = [f"{one.sentence}. {one.remedy}".strip() for one in scan.findings if not _counts(one)]
    rate = (
        f"The scan accuses somebody healthy with a probability of {scan.alpha:g} at most, beside the contract's alpha."
    )
    return [*once, *scan.blind, rate]
