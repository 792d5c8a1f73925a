"""What a certificate says of one device, as frozen values; and where a certificate comes from (``About``)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchsuite import units
from benchsuite.accept import gates, probes, rule
from benchsuite.accept import words as accept_words
from benchsuite.model import (
    Burned,
    Contract,
    Decided,
    Evidence,
    FleetVerdict,
    Level,
    Measured,
    Observation,
    Probed,
    Region,
    Requirement,
    State,
    Subject,
    Verdict,
    Weight,
    Word,
)
from benchsuite.render import certificate_strip
from benchsuite.render import certificate_words as words
from benchsuite.render.certificate_words import STATES, WORDS
from benchsuite.render.words import clean, counted, sentence


@dataclass(frozen=True, slots=True)
class About:
    """Where a certificate comes from, and the raw values behind it. Nothing here changes a verdict.

    id, started, ended, version, command: of the acceptance (UTC, ISO 8601). code, kernels: SHA-256 of the program and
    of each kernel's source. nonce: the challenge's, empty without one; seed: of the data. signer: fingerprint or name
    of the key that it is to be signed with, and level what that would be worth; empty when it is not signed.
    evidences: of every attempt, for the single runs. simulated: times come from a script. problems: what could not be
    read.
    """

    id: str
    started: str = ""
    ended: str = ""
    version: str = ""
    command: str = ""
    code: str = ""
    kernels: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    seed: int | None = None
    signer: str = ""
    level: Level = Level.SELF_REPORTED
    evidences: tuple[Evidence, ...] = ()
    simulated: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """A requirement: what was agreed, what was found, and its drawing. amounts: every run's value in words."""

    name: str
    task: str
    agreed: str
    source: str
    limits: str
    glyph: str
    word: str
    tone: str
    sentence: str
    mean: str
    counts: str
    amounts: str
    notes: tuple[str, ...]
    strip: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A check, or the burn-in's or a probe's line: what became of it, and what that means."""

    title: str
    glyph: str
    word: str
    tone: str
    sentence: str
    weight: str = ""


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """An identity probe: what was found, the region it must lie in, and the drawing of both."""

    title: str
    glyph: str
    word: str
    tone: str
    value: str
    region: str
    source: str
    drawing: str


@dataclass(frozen=True, slots=True)
class BurnView:
    """The burn-in: glyph, word, tone; sentences; and of each phase the speed at first, at the end, and the loss."""

    glyph: str
    word: str
    tone: str
    sentences: tuple[str, ...]
    phases: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True, slots=True)
class PartView:
    """One device or host. slug: its anchor and the name of its file; reason: the sentence that decides, reasons: the
    others against it; worst: the lowest mean of its requirements."""

    slug: str
    name: str
    node: str
    device: int | None
    identity: str
    code: str
    glyph: str
    word: str
    tone: str
    headline: str
    reason: str
    replace: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    attempts: tuple[str, ...]
    worst: str
    requirements: tuple[RequirementRow, ...]
    checks: tuple[CheckRow, ...]
    probes: tuple[ProbeRow, ...]
    burn: BurnView | None


def parts(fleet: FleetVerdict, contract: Contract, about: About) -> tuple[PartView, ...]:
    """Every judged device, in the fleet's order."""
    slugs = slugged([part.subject for part in fleet.parts])
    raw = {(one.subject.node, one.subject.device, one.attempt): one for one in about.evidences}
    return tuple(
        part(one, contract, fleet.earlier, raw.get((one.subject.node, one.subject.device, one.attempt)), slug)
        for one, slug in zip(fleet.parts, slugs, strict=True)
    )


def slugged(subjects: Sequence[Subject]) -> list[str]:
    """A name for each that can stand in a path and in an address; no two are equal."""
    made: list[str] = []
    for subject in subjects:
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", subject.node).strip("._-") or "node"
        slug = name if subject.device is None else f"{name}-gpu{subject.device}"
        names = itertools.chain([slug], (f"{slug}-{number}" for number in itertools.count(2)))
        made.append(next(one for one in names if one not in made))
    return made


def part(
    verdict: Verdict, contract: Contract, earlier: Iterable[Verdict], evidence: Evidence | None, slug: str
) -> PartView:
    """The view of one verdict. earlier: of all earlier tests; evidence: what it was made from, for the single runs."""
    said, subject = WORDS[verdict.word], verdict.subject
    decided = {one.requirement: one for one in verdict.decided}
    measured = {one.requirement: one for one in evidence.measured} if evidence else {}
    means = [one.mean for one in verdict.decided if one.mean is not None]
    return PartView(
        slug=slug,
        name=clean(subject.name),
        node=clean(subject.node),
        device=subject.device,
        identity=clean(subject.identity),
        code=verdict.word.value,
        glyph=said.glyph,
        word=said.word,
        tone=said.tone,
        headline=f"{clean(subject.name)}: {said.begins.lower()}.",
        reason=words.bare(verdict.reason, subject.name),
        replace=_replace(verdict),
        reasons=tuple(sentence(clean(one)) for one in verdict.reasons if not verdict.reason.endswith(one)),
        notes=tuple(sentence(clean(one)) for one in verdict.notes),
        attempts=_attempts(verdict, contract, earlier),
        worst=words.signed(min(means)) if means else units.DASH,
        requirements=tuple(
            _requirement(one, decided.get(one.name), measured.get(one.name)) for one in contract.requirements
        ),
        checks=_checks(verdict.observations, contract),
        probes=tuple(_probe(found, region) for found, region in verdict.probes),
        burn=_burn(verdict.burned, contract),
    )


def _replace(verdict: Verdict) -> str:
    """What to do with a device that is rejected, in short."""
    if not verdict.replace:
        return ""
    part = clean(verdict.replace)
    explained = accept_words.LAST in verdict.reason
    return f"Mend what explains it, test again, and only then replace {part}." if explained else f"Replace {part}."


def _attempts(verdict: Verdict, contract: Contract, earlier: Iterable[Verdict]) -> tuple[str, ...]:
    """That this was a re-test, and how earlier attempts ended."""
    same = [one for one in earlier if (one.subject.node, one.subject.device) == _place(verdict.subject)]
    if verdict.attempt <= 1 and not same:
        return ()
    told = [f"Attempt {verdict.attempt} of at most {1 + contract.rule.retests}; the last one counts."]
    told += [
        f"Attempt {one.attempt}: {WORDS[one.word].word}. {words.bare(one.reason, one.subject.name)}" for one in same
    ]
    return tuple(told)


def _place(subject: Subject) -> tuple[str, int | None]:
    return subject.node, subject.device


def _requirement(wanted: Requirement, found: Decided | None, measured: Measured | None) -> RequirementRow:
    runs = measured.runs if measured else ()
    logs = [words.deviation(wanted, run.value) for run in runs]
    aside = [bool(rule.OUTSIDE.intersection(run.codes)) for run in runs]
    said = WORDS[found.word] if found else WORDS[Word.INVALID]
    mean = words.signed(found.mean) if found and found.mean is not None else units.DASH
    if found and found.mean is not None and found.low is not None and found.high is not None:
        mean += f" ({words.signed(found.low)} to {words.signed(found.high)})"
    without = f", {found.aside} set aside" if found and found.aside else ""
    less = "" if wanted.metric.higher_is_better else "; less is better, so the scale is turned round"
    return RequirementRow(
        name=clean(wanted.name),
        task=words.task(wanted),
        agreed=units.quantity(wanted.reference, wanted.metric),
        source=clean(f"{words.GROUNDS[wanted.grounds]}: {wanted.source}"),
        limits=f"{words.limits(wanted)}{less}",
        glyph=said.glyph,
        word=said.word if found else "not judged",
        tone=said.tone,
        sentence=_told(wanted, found),
        mean=mean,
        counts=f"{counted(found.runs, 'run')}{without}" if found else "",
        amounts=words.amounts(wanted, runs, aside),
        notes=words.notes(runs),
        strip=certificate_strip.runs(wanted, logs, aside, found) if runs else "",
    )


def _told(wanted: Requirement, found: Decided | None) -> str:
    """The deciding sentence; the name stands above it already."""
    told = found.sentence.removeprefix(f"{wanted.name}: ") if found else ""
    return sentence(clean(told[:1].upper() + told[1:])) if told else ""


def _checks(observations: Sequence[Observation], contract: Contract) -> tuple[CheckRow, ...]:
    """The gates, what needs attention first; a gate of the contract that nobody observed is told as well."""
    asked = gates.asked(contract)
    weights = {gate.check: gate.weight for gate in asked}
    seen = {one.check for one in observations}
    lost = [Observation(gate.check, State.UNKNOWN, "Nobody looked.") for gate in asked if gate.check not in seen]
    order = list(STATES)
    rows = []
    for one in sorted([*observations, *lost], key=lambda one: order.index(one.state)):
        glyph, word, tone = STATES[one.state]
        weight = weights.get(one.check, Weight.NOTE)
        tone = "unknown" if weight is Weight.NOTE and tone == "bad" else tone
        rows.append(
            CheckRow(words.title_of(one.check), glyph, word, tone, sentence(clean(one.sentence)), words.WEIGHTS[weight])
        )
    return tuple(rows)


def _probe(found: Probed, region: Region | None) -> ProbeRow:
    value = words.amount(found.probe, found.value)
    if region is None:
        glyph, word, tone = units.DASH, "no region agreed", "unknown"
    else:
        glyph, word, tone = ("✓", "inside", "good") if probes.within(found, region) else ("✖", "outside", "bad")
    if found.value is None:
        glyph, word, tone = "?", "unknown", "caution"
    low, high = (words.amount(found.probe, end) for end in (region.low, region.high)) if region else ("", "")
    spread = low if low == high else f"{low} to {high}"
    label = f"{words.probe_of(found.probe)}: found {value}, agreed {spread or 'nothing'}"
    return ProbeRow(
        words.probe_of(found.probe),
        glyph,
        word,
        tone,
        value if found.value is not None else sentence(clean(found.reason or "it found nothing")),
        spread,
        clean(region.source) if region else "",
        certificate_strip.region(region.low, region.high, found.value, label) if region else "",
    )


def _burn(burned: Burned | None, contract: Contract) -> BurnView | None:
    """How it came through the burn-in; ``None`` when none was agreed."""
    heat = contract.heat
    if burned is None:
        missing = ("Agreed, but there is no result of it.",)
        return BurnView("?", "no result", "caution", missing, ()) if heat.minutes > 0 else None
    said = [f"{units.seconds(burned.seconds)} under load of {units.seconds(60 * heat.minutes)} agreed."]
    if burned.wrong:
        said.append(f"{counted(burned.wrong, 'wrong element')} in {counted(burned.checks, 'comparison')}.")
    elif burned.checks:
        rare = f": fewer than {words.chance(3 / burned.checks)} go wrong (95 % confidence)" if burned.checks > 9 else ""
        said.append(f"No wrong result in {counted(burned.checks, 'comparison')}{rare}.")
    else:
        said.append("No result was compared.")
    said += [f"It was lost {counted(burned.failures, 'time')}."] if burned.failures else []
    lost = burned.worst
    if lost is not None:
        slower = (
            f"slower than at first by {words.margin(round(lost, 4))} at most"
            if lost > 0.0
            else "no slower than at first"
        )
        said.append(f"At the end it was {slower}.")
    said += [sentence(clean(one)) for one in (*burned.faults, *burned.notes, burned.reason) if one]
    glyph, word, tone = _burn_word(burned, contract)
    return BurnView(glyph, word, tone, tuple(said), _phases(burned))


def _burn_word(burned: Burned, contract: Contract) -> tuple[str, str, str]:
    """What the judge has against it, in a word."""
    against = accept_words.burned(contract, Evidence(Subject(""), burned=burned))
    if not against:
        return STATES[State.PASSED]
    rejects = any(word is Word.REJECT for word, _ in against)
    return STATES[State.FAILED] if rejects else ("!", "not valid", "caution")


def _phases(burned: Burned) -> tuple[tuple[str, str, str, str], ...]:
    rows = []
    for phase in dict.fromkeys((*burned.first, *burned.sustained)):
        first, last = burned.first.get(phase), burned.sustained.get(phase)
        change = words.change(first, last)
        rows.append((clean(phase), words.speed(phase, first), words.speed(phase, last), change))
    return tuple(rows)
