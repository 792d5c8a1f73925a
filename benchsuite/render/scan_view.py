"""What is said of a scan, as frozen values: the same on a terminal, on a page and in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchsuite import units
from benchsuite.model import Decision, Diagnosis, Finding, Scan
from benchsuite.render import heatmap, relative, shades, unit_strips
from benchsuite.render.relative import Cell, Square
from benchsuite.render.scan_document import About, document, headline_of, judgement, kind_of, without_time, wrong_data
from benchsuite.render.words import clean, counted, sentence

__all__ = ["About", "ScanView", "build", "document"]

DECISIONS = {
    Decision.ACCUSED: ("✖", "accused", "bad"),
    Decision.CANNOT_TELL: ("?", "cannot tell", "caution"),
    Decision.NOT_REPRODUCED: ("~", "not reproduced", "unknown"),
}
"""Glyph, word and tone of a decision."""


@dataclass(frozen=True, slots=True)
class Row:
    """A finding in words. evidence: how often, in the screen and in the confirmation."""

    glyph: str
    word: str
    tone: str
    culprit: str
    who: str
    sentence: str
    evidence: str
    slowdown: str
    remedy: str


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A row of the square as a table says it."""

    name: str
    leaf: str
    sends: str
    receives: str
    worst: str
    partners: str
    trouble: str
    tone: str
    slowest: float


@dataclass(frozen=True, slots=True)
class ScanView:
    """Everything that page and terminal print. code: the verdict for a program."""

    about: About
    code: str
    glyph: str
    tone: str
    headline: str
    sentences: tuple[str, ...]
    findings: tuple[Row, ...]
    blind: tuple[str, ...]
    method: tuple[tuple[str, str], ...]
    measured: tuple[tuple[str, str], ...]
    map: str
    map_note: str
    legend: tuple[tuple[int, str], ...]
    kind: str
    rows: tuple[NodeRow, ...]
    slowest: tuple[str, ...]
    strips: tuple[unit_strips.Strip, ...]
    kernels: tuple[unit_strips.Kernel, ...]
    pauses: str
    pause_words: tuple[str, ...]
    groups: tuple[unit_strips.LeftOut, ...]
    copy: str
    data: Mapping[str, Any]


def build(scan: Scan, diagnosis: Diagnosis, about: About) -> ScanView:
    """The view of a scan and of what was found in it."""
    square = relative.square(scan, diagnosis)
    code, glyph, tone, headline = judgement(scan, diagnosis)
    rows = tuple(_row(scan, finding) for finding in diagnosis.findings)
    told = _sentences(scan, diagnosis)
    pauses, pause_words = unit_strips.of_pauses(scan)
    blind = tuple(sentence(clean(text)) for text in diagnosis.blind)
    return ScanView(
        about=about,
        code=code,
        glyph=glyph,
        tone=tone,
        headline=headline,
        sentences=told,
        findings=rows,
        blind=blind,
        method=_method(diagnosis),
        measured=_measured(scan, diagnosis),
        map=heatmap.heatmap(square, diagnosis) if scan.transfers else "",
        map_note=_map_note(square),
        legend=tuple(shades.legend()),
        kind=square.kind,
        rows=tuple(_node_rows(square)),
        slowest=tuple(_slowest(square)),
        strips=unit_strips.of_rounds(scan, diagnosis),
        kernels=unit_strips.of_kernels(scan, diagnosis),
        pauses=pauses,
        pause_words=pause_words,
        groups=unit_strips.of_groups(scan, diagnosis),
        copy=_copy(about, glyph, headline, told, rows, blind),
        data=document(scan, diagnosis, about),
    )


def _sentences(scan: Scan, diagnosis: Diagnosis) -> tuple[str, ...]:
    told = []
    if diagnosis.smallest is not None:
        least = units.percent(shades.rate(diagnosis.smallest))
        told.append(f"A {kind_of(scan)} at {least} of its peers or less would have been found with 95 %.")
    else:
        told.append("How small a slowdown this scan would have found is not known.")
    pairs = units.percent(diagnosis.coverage)
    told.append(f"{pairs} of all pairs met; a slow path between two others was not looked at.") if (
        diagnosis.coverage < 1.0
    ) else told.append("Every pair met.")
    if failed := without_time(scan):
        told.append(f"{counted(failed, 'measurement')} ended without a time: that is never good.")
    if wrong := wrong_data(scan):
        told.append(f"{counted(wrong, 'measurement')} gave wrong data.")
    return tuple(told)


def _row(scan: Scan, finding: Finding) -> Row:
    glyph, word, tone = DECISIONS[finding.decision]
    of = {unit.rank: unit for unit in scan.units}
    names = list(dict.fromkeys(clean(of[rank].name) for rank in finding.ranks if rank in of))
    who = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return Row(
        glyph,
        word,
        tone,
        finding.culprit.value,
        who,
        headline_of(finding),
        _evidence(finding),
        _slowdown(finding),
        sentence(clean(finding.remedy)) if finding.remedy else "",
    )


def _evidence(finding: Finding) -> str:
    parts = [f"{finding.exceeded} of {counted(finding.rounds, 'round')}"] if finding.rounds else []
    again, of = finding.confirmed
    parts.append(f"confirmed in {again} of {of}" if of else "not confirmed")
    return ", ".join(parts)


def _slowdown(finding: Finding) -> str:
    if finding.slowdown is None:
        return units.DASH
    told = f"{units.percent(shades.rate(finding.slowdown))} of its peers"
    limit = f" (at most {units.percent(shades.rate(finding.lower))})" if finding.lower is not None else ""
    return told + limit


def _method(diagnosis: Diagnosis) -> tuple[tuple[str, str], ...]:
    """How it was judged, with what certainty."""
    margin = units.percent(shades.rate(diagnosis.margin))
    told = {
        "Rule": """In every round each unit meets one other, all at the same time. A unit exceeds in a round if its
        time, less the margin, is among the slowest few of that round; it is a suspect if that happens in more rounds
        than chance allows. Only places are counted, so noise of any shape is allowed for.""",
        "Margin": f"Nothing is called slow above {margin} of its peers: healthy nodes differ, too.",
        "Twice": """Whoever is suspected is measured again with partners that are known good. Only who is slow again is
        accused.""",
        "Error": f"Of a hundred such scans of a healthy fleet at most {diagnosis.alpha * 100:g} may accuse anybody.",
        "Picture": """The map, the strips and the tables show medians relative to the same round, for the eye; nothing
        is decided by them.""",
    }
    return tuple((name, " ".join(words.split())) for name, words in told.items())


def _measured(scan: Scan, diagnosis: Diagnosis) -> tuple[tuple[str, str], ...]:
    nodes = len({unit.node for unit in scan.units})
    leaves = len({unit.leaf for unit in scan.units if unit.leaf})
    stages = ", ".join(f"{count} of {stage.value}" for stage, count in unit_strips.stages(scan).items())
    told = [
        ("Units", f"{counted(len(scan.units), 'rank')} on {counted(nodes, 'node')}"),
        ("Topology", counted(leaves, "leaf", "leaves") if leaves else "not told: one switch is assumed"),
        ("Rounds", stages or "none"),
        ("Transfers", f"{len(scan.transfers)} of {units.size(scan.nbytes)}"),
        ("Pairs that met", units.percent(diagnosis.coverage)),
        ("Transport", clean(scan.transport) or "not told"),
        ("Took", units.seconds(scan.seconds)),
        ("Seed", str(scan.seed)),
    ]
    return tuple(told)


def _map_note(square: Square) -> str:
    merged = f" Each cell is {square.merged}." if square.merged else ""
    several = square.kind not in {"node", "rank"}
    whole = f" A {square.kind} is outlined when anything in it is." if several else ""
    return (
        f"Rows send, columns receive; a {square.kind} is a row and a column.{merged} Hatched: not measured. "
        f"Crossed: without a time, or data arrived changed. Solid outline: accused; dashed: undecided.{whole}"
    )


def _node_rows(square: Square) -> list[NodeRow]:
    out: dict[int, list[tuple[int, Cell]]] = {row: [] for row in range(len(square.places))}
    into: dict[int, list[tuple[int, Cell]]] = {row: [] for row in range(len(square.places))}
    for (a, b), cell in square.cells.items():
        out[a].append((b, cell))
        into[b].append((a, cell))
    return [_node_row(square, row, out[row], into[row]) for row in range(len(square.places))]


def _node_row(square: Square, row: int, out: Sequence[tuple[int, Cell]], into: Sequence[tuple[int, Cell]]) -> NodeRow:
    place = square.places[row]
    told = [(cell.slowdown, other) for other, cell in (*out, *into) if cell.slowdown is not None]
    worst = max(told, default=None)
    failed = sum(cell.failed for _, cell in (*out, *into))
    wrong = sum(cell.wrong for _, cell in out)
    partners = len({other for other, cell in (*out, *into) if cell.measured} - {row})
    trouble = [f"{failed} without a time"] if failed else []
    trouble += [f"sent {counted(wrong, 'wrong byte')}"] if wrong else []
    trouble += ["never measured"] if not told else []
    return NodeRow(
        clean(place.name),
        clean(place.leaf),
        _rate([cell for _, cell in out]),
        _rate([cell for _, cell in into]),
        f"{units.percent(shades.rate(worst[0]))} with {clean(square.places[worst[1]].name)}" if worst else units.DASH,
        str(partners),
        ", ".join(trouble),
        "bad" if trouble else "",
        max((median(y for y, _ in told), 0.0)) if told else float("inf"),
    )


def _rate(cells: Sequence[Cell]) -> str:
    told = [cell.slowdown for cell in cells if cell.slowdown is not None]
    return units.percent(shades.rate(median(told))) if told else units.DASH


WORST = 20


def _slowest(square: Square) -> list[str]:
    """The slowest directions in words, what failed first."""
    order = sorted(
        (at for at, one in square.cells.items() if one.bad or (one.slowdown or 0.0) > 0.0),
        key=lambda at: (not square.cells[at].bad, -(square.cells[at].slowdown or 0.0)),
    )
    return [clean(heatmap.cell_words(square, at)) for at in order[:WORST]]


def _copy(
    about: About, glyph: str, headline: str, told: Sequence[str], rows: Sequence[Row], blind: Sequence[str]
) -> str:
    lines = [f"{glyph} {headline}", *told]
    lines += [f"{row.glyph} {row.word}: {row.sentence} {row.evidence}; {row.slowdown}. {row.remedy}" for row in rows]
    lines += [f"Not seen: {text}" for text in blind]
    lines.append(f"benchsuite {about.version}, scan {about.id}, {about.started}, {about.command}")
    return "\n".join(map(clean, lines)).replace(units.NO_BREAK_SPACE, " ")
