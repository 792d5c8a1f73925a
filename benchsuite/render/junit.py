"""An acceptance as JUnit XML, for a CI job: a suite for each device, a case for everything that was agreed.

The format has no schema of its own; this keeps to the one that Jenkins checks against (junit-10.xsd). A CI job
shows a skipped case as good, so nothing that was agreed is ever skipped: what rejects is a failure, what could not be
decided or known is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from benchsuite.accept import gates, probes
from benchsuite.accept import words as accept_words
from benchsuite.model import Contract, Decision, Evidence, FleetVerdict, State, Verdict, Weight, Word
from benchsuite.render import certificate_words as words
from benchsuite.render.certificate_parts import About
from benchsuite.render.words import clean

KINDS = {
    Word.REJECT: "failure",
    Word.MARGINAL: "failure",
    Word.INCONCLUSIVE: "error",
    Word.INVALID: "error",
}
"""What each verdict but the good one is in a CI job."""

FINDINGS = {Decision.ACCUSED: "failure", Decision.CANNOT_TELL: "error", Decision.NOT_REPRODUCED: "skipped"}


@dataclass(frozen=True, slots=True)
class Trial:
    """One case. kind: ``failure``, ``error`` or ``skipped`` with its type and sentence; empty when it passed.

    seconds: how long it took where that is known.
    """

    name: str
    kind: str = ""
    type: str = ""
    sentence: str = ""
    seconds: float | None = None


def text(fleet: FleetVerdict, contract: Contract, about: About) -> str:
    """The document, with its declaration."""
    suites = [(part.subject.name, part.subject.node, tuple(_trials(part, contract))) for part in fleet.parts]
    suites.append(("all together", "", tuple(_together(fleet))))
    root = ElementTree.Element("testsuites", {"name": clean(f"benchsuite accept {fleet.contract}")})
    every = [trial for _, _, trials in suites for trial in trials]
    root.attrib |= {name: number for name, number in _counts(every).items() if name != "skipped"}
    for number, (name, host, trials) in enumerate(suites):
        root.append(_suite(number, name, host, trials, fleet, about))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _trials(part: Verdict, contract: Contract) -> Iterator[Trial]:
    """The verdict itself first: whatever else this lists, the suite fails unless the device was accepted."""
    yield _judged("verdict", part.word, part.reason)
    decided = {one.requirement: one for one in part.decided}
    for wanted in contract.requirements:
        found = decided.get(wanted.name)
        said = (found.word, found.sentence) if found else (Word.INVALID, "It was not judged.")
        yield _judged(f"requirement: {wanted.name}", *said)
    for probed, region in part.probes:
        if region is None:  # it was looked at, and nothing was agreed about it
            continue
        name = f"identity: {words.probe_of(probed.probe)}"
        sentence = accept_words.probed(probed, region, part.subject)
        if probes.within(probed, region):
            yield Trial(name)
        elif probed.value is None:
            yield Trial(name, "error", "unknown", sentence)
        else:
            yield Trial(name, "failure", "identity", sentence)
    yield from _checks(part, contract)
    yield from _burn(part, contract)


def _judged(name: str, word: Word, sentence: str, seconds: float | None = None) -> Trial:
    """A case with a verdict of its own."""
    if word is Word.ACCEPT:
        return Trial(name, seconds=seconds)
    return Trial(name, KINDS[word], word.value, sentence, seconds)


def _checks(part: Verdict, contract: Contract) -> Iterator[Trial]:
    seen = {one.check: one for one in part.observations}
    for gate in gates.asked(contract):
        name = f"check: {words.title_of(gate.check)}"
        found = seen.get(gate.check)
        if found is None:
            yield Trial(name, "error", "unknown", "Nobody looked.")
        elif found.state is State.PASSED:
            yield Trial(name)
        elif gate.weight is Weight.NOTE or found.state is State.ABSENT:
            yield Trial(name, "skipped", found.state.value, found.sentence)
        else:
            kind = "failure" if found.state is State.FAILED and gate.weight is Weight.REJECT else "error"
            yield Trial(name, kind, found.state.value, found.sentence)


def _burn(part: Verdict, contract: Contract) -> Iterator[Trial]:
    if part.burned is None and contract.heat.minutes <= 0:
        return
    seconds = part.burned.seconds if part.burned else None
    against = accept_words.burned(contract, Evidence(part.subject, part.attempt, burned=part.burned))
    word, sentence = against[0] if against else (Word.ACCEPT, "")
    yield _judged("burn-in", word, sentence, seconds)


def _together(fleet: FleetVerdict) -> Iterator[Trial]:
    """The verdict of all, what was claimed and is not there, and what the scan between the nodes says."""
    yield _judged("verdict", fleet.word, fleet.reason)
    for name in fleet.missing:
        yield Trial(f"claimed: {name}", "error", "missing", "It was claimed, and not judged.")
    for one in fleet.findings:
        kind = FINDINGS[one.decision]
        yield Trial(f"between nodes: {one.sentence}", kind, one.decision.value, f"{one.sentence} {one.remedy}")


def _suite(
    number: int, name: str, host: str, trials: Sequence[Trial], fleet: FleetVerdict, about: About
) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", {"name": clean(name), "id": str(number), "package": "benchsuite.accept"})
    suite.attrib |= _counts(trials)
    suite.set("hostname", clean(host) or "all")
    if about.started:
        suite.set("timestamp", clean(about.started)[:19])
    told = {"contract": fleet.contract, "contract sha256": fleet.digest, "acceptance": about.id}
    told |= {"benchsuite": about.version, "code sha256": about.code, "nonce": about.nonce}
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in told.items():
        if value:
            ElementTree.SubElement(properties, "property", {"name": key, "value": clean(value)})
    for trial in trials:
        suite.append(_case(trial, name))
    return suite


def _case(trial: Trial, name: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"name": clean(trial.name), "classname": clean(name).replace(".", "_")})
    if trial.seconds is not None:
        case.set("time", f"{trial.seconds:.3f}")
    if trial.kind:
        told = {"message": clean(trial.sentence), "type": trial.type}
        ElementTree.SubElement(case, trial.kind, told).text = clean(trial.sentence)
    return case


def _counts(trials: Sequence[Trial]) -> dict[str, str]:
    kinds = {"tests": len(trials)}
    for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        kinds[name] = sum(trial.kind == kind for trial in trials)
    return {name: str(count) for name, count in kinds.items()}
