"""The verdict on one device, from the contract and the evidence alone: ``judge`` (docs/acceptance.md). Pure.

It accepts only if every requirement accepts, every gate passes, every probe lies in its region and the burn-in is
clean (an intersection-union test, so that beta needs no correction). Of several words the gravest counts. What is
missing, not known, zero or not a number never counts as good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchsuite.accept import gates, probes, rule, words
from benchsuite.accept.rule import Standing
from benchsuite.model import (
    Contract,
    Decided,
    Evidence,
    Gate,
    Observation,
    Probed,
    Region,
    State,
    Verdict,
    Weight,
    Word,
)

GRAVITY = (Word.REJECT, Word.INVALID, Word.INCONCLUSIVE, Word.MARGINAL, Word.ACCEPT)
"""The gravest first."""
WORST = (State.FAILED, State.UNKNOWN, State.ABSENT, State.PASSED)
SAYS = {Weight.REJECT: Word.REJECT, Weight.INVALID: Word.INVALID}
"""What a gate says that failed. One that nobody could make is invalid, whatever its weight."""
Said = tuple[Word, str]


def gravest(said: Iterable[Word]) -> Word:
    """The word that counts among several; ``ACCEPT`` of none."""
    return min(said, key=GRAVITY.index, default=Word.ACCEPT)


def judge(contract: Contract, evidence: Evidence) -> Verdict:
    """What is said of the device or host that the evidence is about."""
    standings = tuple(_measured(one) for one in rule.standings(contract, evidence))
    decided = tuple(_decided(contract, evidence, one) for one in standings)
    pairs = _probed(contract, evidence)
    observed = [(gate, _observed(gate, evidence.observations)) for gate in gates.asked(contract)]
    observed.sort(key=_follows)
    facts = [
        *(said for gate, one in observed for said in _gate(gate, one)),
        *_identity(pairs, evidence),
        *words.burned(contract, evidence),
    ]
    against = [one for one in decided if one.word is not Word.ACCEPT]
    said = [*_attempt(contract, evidence), *facts, *((one.word, one.sentence) for one in against)]
    said.sort(key=lambda one: GRAVITY.index(one[0]))
    word = gravest(one for one, _ in said)
    alpha, beta = rule.bounds(contract)
    return Verdict(
        subject=evidence.subject,
        word=word,
        reason=f"{evidence.subject.name}: {said[0][1] if said else _accepted(contract)}",
        reasons=tuple(sentence for _, sentence in said),
        decided=decided,
        observations=evidence.observations,
        probes=pairs,
        burned=evidence.burned,
        attempt=evidence.attempt,
        alpha=alpha,
        beta=beta,
        replace=evidence.subject.part if word is Word.REJECT else "",
        notes=(*words.notes(contract), *_told(observed, evidence)),
        hard=any(one is Word.REJECT for one, _ in facts) or any(_wrong(one) for one in against),
    )


def _measured(one: Standing) -> Standing:
    """A requirement of which there is no run at all is no open one."""
    nothing = one.word is None and not one.sifted.values and not one.sifted.aside
    return replace(one, word=Word.INVALID, why="it was not measured") if nothing else one


def _decided(contract: Contract, evidence: Evidence, one: Standing) -> Decided:
    return Decided(
        requirement=one.requirement.name,
        word=one.word or Word.INCONCLUSIVE,
        sentence=words.decided(contract, evidence, one),
        runs=one.runs,
        aside=len(one.sifted.aside),
        mean=one.mean,
        low=one.low,
        high=one.high,
        p=one.p,
    )


def _wrong(one: Decided) -> bool:
    """Whether a requirement was rejected for a wrong result."""
    return one.word is Word.REJECT and one.p is None


def _attempt(contract: Contract, evidence: Evidence) -> list[Said]:
    """What is wrong with the test as such."""
    found, subject = [], evidence.subject
    if not contract.requirements:
        found.append("The contract requires nothing to be measured.")
    if not 1 <= evidence.attempt <= 1 + contract.rule.retests:
        most = words.counted(1 + contract.rule.retests, "test")
        found.append(f"This is test {evidence.attempt}, and {most} were agreed on. {words.ENDED}")
    if {subject.identity, *evidence.machines} & {*contract.learned.machines}:
        found.append("The contract was learned from this very machine: judge it by a baseline of others.")
    return [(Word.INVALID, one) for one in found]


def _observed(gate: Gate, observations: Iterable[Observation]) -> Observation:
    """The observation of a gate, the worst of several; ``UNKNOWN`` when it was not made."""
    own = [one for one in observations if one.check == gate.check]
    return min(
        own,
        key=lambda one: WORST.index(one.state),
        default=Observation(gate.check, State.UNKNOWN, f"{_title(gate.check)}: it was not looked at."),
    )


def _follows(one: tuple[Gate, Observation]) -> bool:
    """Whether it only follows from others: where nothing was measured, they tell why."""
    return one[0].check == "wrong-result" and one[1].state is State.UNKNOWN


def _title(check: str) -> str:
    return gates.GATES[check].title if check in gates.GATES else check


def _gate(gate: Gate, one: Observation) -> list[Said]:
    if gate.weight is Weight.NOTE or one.state in {State.PASSED, State.ABSENT}:
        return []
    return [(SAYS[gate.weight] if one.state is State.FAILED else Word.INVALID, one.sentence)]


def _told(observed: Iterable[tuple[Gate, Observation]], evidence: Evidence) -> list[str]:
    """What was observed and decides nothing, but should be known: of gates that only tell, and beyond the contract."""
    observed = list(observed)
    named = {gate.check for gate, _ in observed}
    ill = {State.FAILED, State.UNKNOWN}
    only = [one.sentence for gate, one in observed if gate.weight is Weight.NOTE and one.state in ill]
    return only + [
        one.sentence for one in evidence.observations if one.check not in named and one.state is State.FAILED
    ]


def _probed(contract: Contract, evidence: Evidence) -> tuple[tuple[Probed, Region | None], ...]:
    """Every region with what was found, the worst of several; then what was found without a region."""
    pairs: list[tuple[Probed, Region | None]] = []
    for region in contract.identity:
        own = [one for one in evidence.probes if one.probe == region.probe]
        outside = [one for one in own if not probes.within(one, region)]
        pairs.append(((outside or own or [Probed(region.probe, None, "it was not measured")])[0], region))
    known = {region.probe for region in contract.identity}
    return (*pairs, *((one, None) for one in evidence.probes if one.probe not in known))


def _identity(pairs: Iterable[tuple[Probed, Region | None]], evidence: Evidence) -> list[Said]:
    return [
        (Word.INVALID if one.value is None else Word.REJECT, words.probed(one, region, evidence.subject))
        for one, region in pairs
        if region is not None and not probes.within(one, region)
    ]


def _accepted(contract: Contract) -> str:
    """The sentence of an accepted device: what it passed."""
    passed = [words.counted(len(contract.requirements), "requirement")]
    passed += [words.counted(count, one) for count, one in ((len(gates.asked(contract)), "gate"),) if count]
    passed += [words.counted(len(contract.identity), "identity probe")] if contract.identity else []
    passed += [f"{contract.heat.minutes:g} minutes of burn-in"] if contract.heat.minutes > 0.0 else []
    return f"It passed {', '.join(passed)}."
