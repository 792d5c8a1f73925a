"""A whole certificate as frozen values: the answer, the grid of devices, what to do, what was not seen, who says so."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchsuite import units
from benchsuite.model import Contract, Decided, FleetVerdict, Level, Word
from benchsuite.render import certificate_document, certificate_strip
from benchsuite.render import certificate_words as words
from benchsuite.render.certificate_parts import About, PartView, parts
from benchsuite.render.certificate_words import ORDER, WORDS
from benchsuite.render.scan_view import DECISIONS
from benchsuite.render.words import clean, counted, sentence

__all__ = ["About", "CertificateView", "PartView", "build", "of_one"]

BLOCK = 16
"""Nodes that stand below each other in the grid before the next column begins."""
NAMED = 8
"""So many of what is missing are named in a sentence; each is in the list of what to do."""
DETAILED = 24
"""Devices not accepted that a fleet's page shows in full; each has a certificate of its own."""
BETWEEN = "Between nodes"
"""Whom what the scan found is about, where it says what to do."""
LEVELS = {
    Level.SELF_REPORTED: "nobody vouches for it",
    Level.SIGNED: "whoever offers the machine vouches for it",
    Level.INDEPENDENT: "an independent operator vouches for it",
    Level.CHALLENGED: "the signer vouches for it, and was given the nonce before",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One device in the grid. anchor: the id of its section on this page, empty when it has none."""

    glyph: str
    code: str
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Block:
    """A few nodes of the grid: the heads of the columns, and of each node its name and its cells."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, slots=True)
class Task:
    """What somebody has to do: where, what was found, and what would mend it."""

    glyph: str
    tone: str
    who: str
    anchor: str
    why: str
    what: str


@dataclass(frozen=True, slots=True)
class FindingRow:
    """What the scan between the nodes found."""

    glyph: str
    word: str
    tone: str
    sentence: str
    evidence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Spread:
    """All devices at one requirement: the drawing, and the lowest and highest mean."""

    name: str
    task: str
    limits: str
    drawing: str
    words: str


@dataclass(frozen=True, slots=True)
class CertificateView:
    """Everything that page, Markdown and terminal print. one: the certificate of a single device."""

    about: About
    one: bool
    when: str
    code: str
    exit: int
    glyph: str
    tone: str
    headline: str
    reason: str
    sentences: tuple[str, ...]
    counts: tuple[tuple[int, str, str], ...]
    tasks: tuple[Task, ...]
    grid: tuple[Block, ...]
    parts: tuple[PartView, ...]
    detailed: tuple[PartView, ...]
    missing: tuple[str, ...]
    findings: tuple[FindingRow, ...]
    spreads: tuple[Spread, ...]
    rates: tuple[str, ...]
    unseen: tuple[str, ...]
    notes: tuple[str, ...]
    agreed: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, str, bool], ...]
    contract_name: str
    contract_lines: tuple[str, ...]
    copy: str
    data: Mapping[str, Any]


def build(fleet: FleetVerdict, contract: Contract, about: About) -> CertificateView:
    """The certificate of everything that the contract claims."""
    shown = parts(fleet, contract, about)
    alone = len(shown) == 1 and not fleet.missing and not fleet.findings
    one = alone and fleet.parts[0].word is fleet.word  # what is said of all may be graver
    return _view(fleet, contract, about, shown, one=one)


def of_one(whole: CertificateView, fleet: FleetVerdict, contract: Contract, number: int) -> CertificateView:
    """The certificate of one device of them, the ``number``th; ``whole``: the view of all."""
    verdict = fleet.parts[number]
    alone = replace(
        fleet, word=verdict.word, reason=verdict.reason, parts=(verdict,), findings=(), missing=(), notes=()
    )
    made = _view(alone, contract, whole.about, (whole.parts[number],), one=True)
    others = f"One of {len(whole.parts)} that were judged together. All of them: {whole.headline}"
    return replace(made, sentences=(*made.sentences, others))


def _view(
    fleet: FleetVerdict, contract: Contract, about: About, shown: tuple[PartView, ...], *, one: bool
) -> CertificateView:
    said = WORDS[fleet.word]
    bad = sorted((part for part in shown if part.code != Word.ACCEPT), key=lambda part: ORDER.index(Word(part.code)))
    detailed = shown if one else tuple(bad[:DETAILED])
    headline = shown[0].headline if one and shown else _headline(fleet)
    reason = shown[0].reason if one and shown else words.bare(fleet.reason, "")
    sentences = tuple(_sentences(fleet, shown, one=one))
    tasks = tuple(_tasks(fleet, shown, {part.slug for part in detailed}, one=one))
    return CertificateView(
        about=about,
        one=one,
        when=words.when(about.started),
        code=fleet.word.value,
        exit=certificate_document.EXITS[fleet.word],
        glyph=said.glyph,
        tone=said.tone,
        headline=headline,
        reason=reason,
        sentences=sentences,
        counts=tuple(_counts(fleet, contract)),
        tasks=tasks,
        grid=() if one else _grid(shown, {part.slug for part in detailed}),
        parts=shown,
        detailed=detailed,
        missing=tuple(map(clean, fleet.missing)),
        findings=tuple(_findings(fleet)),
        spreads=() if one else tuple(_spreads(fleet, contract)),
        rates=words.rates(contract, fleet.parts),
        unseen=words.unseen(contract, fleet.parts, signer=about.signer, nonce=about.nonce),
        notes=_notes(fleet, shown),
        agreed=tuple(_agreed(contract)),
        provenance=tuple(_provenance(fleet, contract, about, shown, one=one)),
        contract_name=clean(contract.title or contract.name),
        contract_lines=tuple(map(clean, contract.source.splitlines())),
        copy=_copy(f"{said.glyph} {headline} {reason}", sentences, tasks, fleet, about),
        data=certificate_document.document(fleet, contract, about, whole=one),
    )


def _notes(fleet: FleetVerdict, shown: Sequence[PartView]) -> tuple[str, ...]:
    own = (note for part in shown for note in part.notes)
    return tuple(dict.fromkeys((*own, *(sentence(clean(note)) for note in fleet.notes))))


def _headline(fleet: FleetVerdict) -> str:
    """How many of how many; when every device is well and the whole is not, the word alone."""
    said, total = WORDS[fleet.word], len(fleet.parts)
    ill = sum(part.word is not Word.ACCEPT for part in fleet.parts)
    things = "host" if any(part.subject.device is None for part in fleet.parts) else "GPU"
    if fleet.word is Word.ACCEPT:
        return f"{said.begins}: all {counted(total, things)}."
    are = "is" if ill == 1 else "are"
    return f"{said.begins}: {ill} of {counted(total, things)} {are} not accepted." if ill else f"{said.begins}."


def _sentences(fleet: FleetVerdict, shown: Sequence[PartView], *, one: bool) -> list[str]:
    told: list[str] = []
    if one and shown:
        told += [*shown[0].reasons, *shown[0].attempts]
    if fleet.missing:
        lost = ", ".join(map(clean, fleet.missing[:NAMED]))
        more = f" and {len(fleet.missing) - NAMED} more" if len(fleet.missing) > NAMED else ""
        told.append(f"Claimed, and not judged, so not called good: {lost}{more}.")
    return told


def _counts(fleet: FleetVerdict, contract: Contract) -> list[tuple[int, str, str]]:
    """Devices by word; of a missing node all that it should have."""
    told = [
        (count, WORDS[word].glyph, WORDS[word].word)
        for word in reversed(ORDER)
        if (count := sum(part.word is word for part in fleet.parts))
    ]
    lost = max(len(fleet.missing), contract.claim.units - len(fleet.parts))
    return told + ([(lost, units.DASH, "missing")] if fleet.missing else [])


def _tasks(fleet: FleetVerdict, shown: Sequence[PartView], anchors: set[str], *, one: bool) -> list[Task]:
    """What is to be replaced, mended, brought or measured again, the gravest first."""
    told: list[tuple[int, Task]] = []
    for part in shown:
        word = Word(part.code)
        if word is Word.ACCEPT:
            continue
        anchor = part.slug if part.slug in anchors and not one else ""
        task = Task(part.glyph, part.tone, part.name, anchor, part.reason, part.replace)
        told.append((ORDER.index(word), task))
    told += [
        (0, Task(found.glyph, found.tone, BETWEEN, "", found.sentence, found.remedy))
        for found in _findings(fleet)
        if found.tone == "bad"
    ]
    for name in map(clean, fleet.missing):
        lost = Task(units.DASH, "caution", name, "", "Claimed, and not judged.", "Have it tested, or agree on fewer.")
        told.append((1, lost))
    return [task for _, task in sorted(told, key=lambda pair: pair[0])]


def _grid(shown: Sequence[PartView], anchors: set[str]) -> tuple[Block, ...]:
    devices = sorted({part.device for part in shown if part.device is not None})
    by = {(part.node, part.device): part for part in shown}
    nodes = list(dict.fromkeys(part.node for part in shown))
    heads = tuple(map(str, devices)) or ("host",)
    columns: tuple[int | None, ...] = tuple(devices) or (None,)
    rows = [(node, tuple(_cell(by.get((node, column)), node, column, anchors) for column in columns)) for node in nodes]
    return tuple(Block(heads, tuple(rows[at : at + BLOCK])) for at in range(0, len(rows), BLOCK))


def _cell(part: PartView | None, node: str, device: int | None, anchors: set[str]) -> Cell:
    if part is None:
        name = node if device is None else f"{node}, GPU {device}"
        return Cell(units.DASH, "missing", f"{name}: not judged", "")
    return Cell(part.glyph, part.code, f"{part.name}: {part.word}", part.slug if part.slug in anchors else "")


def _findings(fleet: FleetVerdict) -> list[FindingRow]:
    rows = []
    for one in fleet.findings:
        glyph, word, tone = DECISIONS[one.decision]
        again, of = one.confirmed
        found = [f"{one.exceeded} of {counted(one.rounds, 'round')}"] if one.rounds else []
        found.append(f"confirmed in {again} of {of}" if of else "not confirmed")
        remedy = sentence(clean(one.remedy)) if one.remedy else ""
        rows.append(FindingRow(glyph, word, tone, sentence(clean(one.sentence)), ", ".join(found), remedy))
    return rows


def _spreads(fleet: FleetVerdict, contract: Contract) -> list[Spread]:
    rows = []
    for wanted in contract.requirements:
        found: list[tuple[str, Decided]] = [
            (part.subject.name, one) for part in fleet.parts for one in part.decided if one.requirement == wanted.name
        ]
        means = {name: one.mean for name, one in found if one.mean is not None}
        if not means:
            continue
        worst = min(means, key=lambda name: means[name])
        told = f"lowest {words.signed(means[worst])} ({clean(worst)}), highest {words.signed(max(means.values()))}"
        without = len(fleet.parts) - len(means)
        told += f"; {without} without a mean" if without else ""
        limits = f"{units.quantity(wanted.reference, wanted.metric)} agreed"
        drawing = certificate_strip.devices(wanted, found)
        rows.append(Spread(clean(wanted.name), words.task(wanted), limits, drawing, told))
    return rows


def _agreed(contract: Contract) -> list[tuple[str, str]]:
    heat, between = contract.heat, contract.between
    burn = f"{units.seconds(60 * heat.minutes)}, at most {words.margin(heat.drift)} slower at its end"
    told = [
        ("Contract", clean(contract.title or contract.name)),
        ("Claimed", words.claimed(contract)),
        ("Requirements", f"{len(contract.requirements)}, every one of them"),
        ("Burn-in", burn if heat.minutes > 0 else "none"),
    ]
    if contract.claim.nodes > 1:
        told.append(("Between nodes", f"{between.rounds} rounds" if between.scan else "not tested"))
    return told


def _provenance(
    fleet: FleetVerdict, contract: Contract, about: About, shown: Sequence[PartView], *, one: bool
) -> list[tuple[str, str, bool]]:
    """Name, text, and whether the text is code."""
    kernels = f"{counted(len(about.kernels), 'source')}, together {_joint(about.kernels)}" if about.kernels else ""
    told = [
        ("Contract, SHA-256", fleet.digest or contract.digest, True),
        ("Program, SHA-256", about.code, True),
        ("Kernels, SHA-256", kernels, True),
        ("Nonce of the challenge", about.nonce or "none was given", bool(about.nonce)),
        ("Seed", str(about.seed) if about.seed is not None else "", True),
        ("Machine", shown[0].identity if one and shown else "", True),
        ("Signed by", about.signer or "nobody", bool(about.signer)),
        ("Level", f"{about.level.value}: {LEVELS[about.level]}, if the signature is good", False),
        ("Measured", " to ".join(filter(None, map(words.when, (about.started, about.ended)))), False),
        ("Command", about.command, True),
    ]
    return [(name, clean(text), code) for name, text, code in told if text]


def _joint(digests: Mapping[str, str]) -> str:
    """One SHA-256 over the names and digests of several files, as ``sha256sum`` lists them."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _copy(answer: str, told: Sequence[str], tasks: Sequence[Task], fleet: FleetVerdict, about: About) -> str:
    """The answer as plain text, for a message."""
    lines = [answer, *told, *(f"{task.glyph} {task.who}: {task.what}" for task in tasks if task.what)]
    lines.append(f"contract {fleet.contract}, SHA-256 {fleet.digest}; benchsuite {about.version}, {about.id}")
    return "\n".join(map(clean, lines)).replace(units.NO_BREAK_SPACE, " ")
