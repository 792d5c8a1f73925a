"""What is said of a fleet, as frozen values: the same on a terminal, on the page and in JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite import bandwidths, units
from benchsuite.fleet import outcomes, peers
from benchsuite.fleet.fleet import Phase
from benchsuite.fleet.outcomes import Fleet
from benchsuite.fleet.peers import Standing, Table, Task, Verdict
from benchsuite.model import Score, Status
from benchsuite.render import fleet_document, fleet_drawings, fleet_words, shades, task_map
from benchsuite.render.fleet_drawings import Curve
from benchsuite.render.scan_view import ScanView
from benchsuite.render.words import STATUSES, clean, counted, family, parameters, sentence, value

STANDINGS = {
    Standing.LIKE: ("✓", "like its peers", "good"),
    Standing.SLOW: ("✖", "slow", "bad"),
    Standing.WRONG: ("✖", "wrong result", "bad"),
    Standing.FAILED: ("✖", "failed", "bad"),
    Standing.MISSING: ("✖", "missing", "bad"),
    Standing.SKIPPED: (units.DASH, "not all measured", "caution"),
    Standing.UNDECIDED: ("?", "cannot tell", "unknown"),
}
"""Glyph, word and tone of what is said of a node."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node: what is said of it, why, and how long its run took."""

    name: str
    glyph: str
    word: str
    tone: str
    sentences: tuple[str, ...]
    more: int
    took: str


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task over all nodes: the middle time, and the slowest node."""

    name: str
    time: str
    slowest: str
    verdict: str


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """A phase: the time it took beside the forecast, and how it ended."""

    name: str
    glyph: str
    tone: str
    word: str
    took: str
    forecast: str
    reason: str


@dataclass(frozen=True, slots=True)
class TogetherRow:
    """One result of all nodes together."""

    name: str
    value: str
    algbw: str
    word: str
    tone: str
    reason: str


@dataclass(frozen=True, slots=True)
class FleetView:
    """Everything that page and terminal print."""

    id: str
    started: str
    when: str
    version: str
    command: str
    simulated: bool
    code: str
    glyph: str
    tone: str
    headline: str
    sentences: tuple[str, ...]
    problems: tuple[str, ...]
    counts: tuple[tuple[int, str], ...]
    nodes: tuple[NodeRow, ...]
    map: str
    legend: tuple[tuple[int, str], ...]
    tasks: tuple[TaskRow, ...]
    rule: tuple[str, ...]
    phases: tuple[PhaseRow, ...]
    timeline: str
    scan: ScanView | None
    curves: tuple[Curve, ...]
    together: tuple[TogetherRow, ...]
    definition: str
    copy: str
    data: Mapping[str, Any]


def build(found: Fleet, scan: ScanView | None) -> FleetView:
    """The view of a fleet's run; scan: that of its scan, if there was one."""
    made = found.made
    glyph, tone, headline = _headline(found, scan)
    nodes = tuple(_node(one, found) for one in found.verdicts)
    told = tuple(_sentences(found))
    scores = [score for score in found.together.scores if score.status is not Status.SKIPPED] if found.together else []
    standings = {one.node: one.standing for one in found.verdicts}
    phases = tuple(_phase(found, phase) for phase in made.phases)
    shown = found.table.tasks and found.table.nodes
    return FleetView(
        id=made.id,
        started=made.started,
        when=_when(made.started),
        version=made.version,
        command=made.command,
        simulated=made.backend == "fake",
        code=outcomes.exit_code(found).name.lower(),
        glyph=glyph,
        tone=tone,
        headline=headline,
        sentences=told,
        problems=tuple(map(clean, found.problems)),
        counts=tuple(_counts(found)),
        nodes=nodes,
        map=task_map.task_map(found.table, [one.node for one in found.verdicts], standings) if shown else "",
        legend=tuple(shades.legend()),
        tasks=tuple(_task(task) for task in found.table.tasks),
        rule=tuple(_rule(found.table, made.runs)),
        phases=phases,
        timeline=fleet_drawings.timeline(found.spells, found.nodes),
        scan=scan,
        curves=fleet_drawings.curves(scores),
        together=tuple(_together(score) for score in scores),
        definition=sentence(bandwidths.definition(scores)) if bandwidths.definition(scores) else "",
        copy=_copy(found, glyph, headline, told, nodes, scan),
        data=fleet_document.document(found, headline, scan),
    )


def _when(started: str) -> str:
    date, t, time = started.partition("T")
    return f"{date} {time[:5]} UTC" if t and time.endswith(("+00:00", "Z")) else clean(started)


def _headline(found: Fleet, scan: ScanView | None) -> tuple[str, str, str]:
    """Glyph, tone and the sentence above everything: the gravest of nodes, pairs and phases."""
    guilty = [one for one in found.verdicts if one.standing in outcomes.GUILTY]
    gone = [one for one in found.verdicts if one.standing in outcomes.UNMEASURED]
    grave = [_first(one) for one in (*guilty, *gone)]
    accused = scan.headline if scan is not None and scan.code == "accused" else ""
    grave[len(guilty) : len(guilty)] = [accused] if accused else []
    wrong = [score for score in found.together.scores if score.status is Status.REJECTED] if found.together else []
    grave += [f"All together: {task_map.name(one.case, one.implementation)} gave a wrong result." for one in wrong[:1]]
    if grave:
        return "✖", "bad", grave[0] + (f" And {len(grave) - 1} more." if len(grave) > 1 else "")
    unfinished = [phase for phase in found.made.phases if (spell := found.spell(phase)) is None or not spell.complete]
    if unfinished or found.problems:
        what = f"{unfinished[0].value} is not complete" if unfinished else "not all could be read"
        return "!", "caution", f"Nobody is accused, but {what}."
    several = len(found.verdicts) > 1
    if any(one.standing in outcomes.OPEN for one in found.verdicts) or not several:
        return "?", "unknown", "Nobody is accused, but these nodes cannot be told apart."
    if scan is not None and scan.code != "nothing found":
        return scan.glyph, scan.tone, f"All nodes do alone as their peers do. In pairs: {scan.headline}"
    pairs = ", and none was found to be slower in pairs" if scan is not None else ""
    return "✓", "good", f"All {counted(len(found.verdicts), 'node')} do as their peers do{pairs}."


def _first(one: Verdict) -> str:
    return fleet_words.told(one)[0][0]


def _node(one: Verdict, found: Fleet) -> NodeRow:
    glyph, word, tone = STANDINGS[one.standing]
    sentences, more = fleet_words.told(one)
    if one.standing is Standing.UNDECIDED:
        sentences = [
            f"With {counted(len(found.table.nodes), 'node')} and {counted(found.made.runs, 'run')} nobody can tell."
        ]
    node = found.nodes.get(one.node)
    took = units.seconds(node.ended - node.began) if node else units.DASH
    return NodeRow(clean(one.node), glyph, word, tone, tuple(sentences), more, took)


def _counts(found: Fleet) -> list[tuple[int, str]]:
    return [
        (count, STANDINGS[standing][1])
        for standing in peers.ORDER
        if (count := sum(one.standing is standing for one in found.verdicts))
    ]


def _sentences(found: Fleet) -> list[str]:
    """What page and terminal say below the headline: how long it took, and what it would have."""
    told = []
    took = sum(one.ended - one.began for one in found.spells)
    own = sorted(one.ended - one.began for one in found.nodes.values() if one)
    if own and len(own) > 1:
        middle, every = own[len(own) // 2], sum(own)
        told.append(
            f"All phases took {fleet_words.duration(took)}. One node takes {units.seconds(middle)} for its suite; one "
            f"node after another would have taken {fleet_words.duration(every)}."
        )
    elif found.spells:
        told.append(f"All phases took {units.seconds(took)}.")
    if found.made.backend == "cuda" and Phase.NODES in found.made.phases:
        told.append("Alone, each node measured its first GPU; the others run the local kernels of the scan only.")
    open_tasks = [task for task in found.table.tasks if not task.decidable]
    if open_tasks:
        needed = {task.needed for task in open_tasks}
        most = max((one for one in needed if one is not None), default=None)
        what = (
            f"{most} runs would" if most is not None and None not in needed else "no number of runs would, with so few"
        )
        told.append(
            f"{counted(len(open_tasks), 'task')} of {len(found.table.tasks)} cannot tell the nodes apart in "
            f"{counted(found.made.runs, 'run')}: {what}."
        )
    return told


def _task(task: Task) -> TaskRow:
    told = [(cell.slowdown, node) for node, cell in task.cells.items() if cell.slowdown is not None]
    worst = max(told, default=None)
    slow = sum(cell.standing is Standing.SLOW for cell in task.cells.values())
    bad = sum(cell.standing not in {Standing.SLOW, Standing.LIKE, Standing.UNDECIDED} for cell in task.cells.values())
    parts = [f"{slow} slow"] if slow else []
    parts += [f"{bad} without a good result"] if bad else []
    parts += [] if task.decidable else ["cannot tell"]
    return TaskRow(
        task_map.task_name(task),
        units.quantity(task.seconds, "s") if task.seconds is not None else units.DASH,
        f"{clean(worst[1])} at {units.percent(shades.rate(worst[0]))}" if worst else units.DASH,
        ", ".join(parts) or "none slow",
    )


def _rule(table: Table, runs: int) -> list[str]:
    """How nodes are judged, in sentences."""
    margin, tasks = units.percent(math.exp(-table.margin)), counted(len(table.tasks), "task")
    chance = f"{table.alpha * 100:g}"
    texts = (
        """Run r of a task is made on every node at the same time, in the same order and with the same data. A node
        exceeds in a run if its time, less the margin, is among the slowest few of the other nodes; it is slow if that
        happens in more of its runs than chance allows. Only places are counted.""",
        f"Nothing is called slow above {margin} of its peers.",
        f"""Of a hundred such tables of a healthy fleet at most {chance} may call any node slow at any task; that chance
        is shared among {tasks}.""",
        f"""{counted(runs, "run")} within an hour tell slow now, not broken: measure again on another day before you
        send a node back. What all nodes share cannot be seen here: 'benchsuite show' sets a node's numbers against
        others of its kind.""",
    )
    return [" ".join(text.split()) for text in texts]


def _phase(found: Fleet, phase: Phase) -> PhaseRow:
    spell = found.spell(phase)
    expected = found.made.predicted.get(phase.value)
    forecast = units.guessed(expected) if expected is not None else units.DASH
    if spell is None:
        return PhaseRow(phase.value, units.DASH, "caution", "not done", units.DASH, forecast, "")
    took = units.seconds(sum(one.ended - one.began for one in found.spells if one.phase is phase))
    good = spell.complete
    glyph, tone, word = ("✓", "good", "complete") if good else ("✖", "bad", "not complete")
    return PhaseRow(phase.value, glyph, tone, word, took, forecast, clean(spell.reason))


def _together(score: Score) -> TogetherRow:
    _, word, tone = STATUSES[score.status]
    found = bandwidths.algbw(score)
    alg = units.quantity(found.value, "B/s") if found else units.DASH
    name = f"{family(score.case.benchmark)}, {parameters(score.case)} [{clean(score.implementation)}]"
    return TogetherRow(name, value(score), alg, word, tone, clean(score.reason))


def _copy(
    found: Fleet, glyph: str, headline: str, told: Sequence[str], nodes: Sequence[NodeRow], scan: ScanView | None
) -> str:
    lines = [f"{glyph} {headline}", *told]
    lines += [text for row in nodes if row.tone != "good" for text in row.sentences]
    lines += [f"In pairs: {scan.headline}"] if scan is not None else []
    lines.append(f"benchsuite {found.made.version}, fleet {found.made.id}, {found.made.command}")
    return "\n".join(map(clean, lines)).replace(units.NO_BREAK_SPACE, " ")
