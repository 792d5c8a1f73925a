"""The single-node runs of many nodes set against each other: which node is slow at which task, by ranks only.

A unit is a node, a round is a run: run r of a task on every node, made at the same time in the same order. The rule is
that of ``localise.rankrule``: a node exceeds in a run if its time, less a material margin, is among the k slowest of
the *other* nodes; it is slow if that happens in at least w of its runs. The bound on a false accusation is divided
among the tasks, so it holds for the whole table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

import numpy as np

from benchsuite.localise import rankrule
from benchsuite.localise.table import Floats
from benchsuite.model import Case, Record, Status

ALPHA = 0.01
"""The chance that any node of a healthy fleet is called slow at any task."""
MARGIN = 0.05
"""The slowdown (a part of the peers' rate) below which nothing is called slow: healthy machines differ, too."""
SHARE = 0.75
"""The least part of the runs in which a slow node must exceed."""
FEWEST = 3
"""Nodes below which nobody is called slow: of two, one may as well be fast."""
TRIED = 64
"""The most runs that are named as what it would take."""


class Standing(StrEnum):
    """What is said of a node at a task. Only ``LIKE`` is good, and nothing that is missing ever becomes it."""

    LIKE = "like its peers"
    SLOW = "slow"
    UNDECIDED = "cannot tell"
    WRONG = "wrong result"
    FAILED = "failed"
    SKIPPED = "skipped"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Cell:
    """A node at a task. slowdown: median over its runs of the log time ratio to the peers' median of the same run.

    lower: the lower limit of a slow node's slowdown; exceeded, runs: W of R.
    """

    standing: Standing
    slowdown: float | None = None
    lower: float | None = None
    exceeded: int = 0
    runs: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A case with its implementation, and its cells by node.

    seconds: median over nodes and runs, per iteration; decidable: whether so few nodes and runs allow a verdict;
    needed: the runs that would, ``None`` where none would.
    """

    case: Case
    implementation: str
    cells: Mapping[str, Cell]
    seconds: float | None
    decidable: bool
    needed: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """All nodes at all tasks. alpha: for the whole table; margin: log."""

    nodes: tuple[str, ...]
    tasks: tuple[Task, ...]
    alpha: float
    margin: float


def table(records: Mapping[str, Sequence[Record]], runs: int, alpha: float = ALPHA, margin: float = MARGIN) -> Table:
    """Judge the records of each node (none: a node from which nothing came) of a suite with so many runs.

    margin: a part of the peers' rate, 0.05 for "not slow above 95 %".
    """
    by: dict[tuple[Case, str], dict[str, dict[int, Record]]] = {}
    for node, own in records.items():
        for record in own:
            key = record.case, record.implementation
            by.setdefault(key, {}).setdefault(node, {})[record.run] = record
    log_margin = -math.log1p(-margin)
    nodes = tuple(records)
    tasks = tuple(_task(*key, nodes, own, runs, alpha / len(by), log_margin) for key, own in by.items())
    return Table(nodes, tasks, alpha, log_margin)


def _task(
    case: Case,
    implementation: str,
    nodes: Sequence[str],
    own: Mapping[str, Mapping[int, Record]],
    runs: int,
    alpha: float,
    margin: float,
) -> Task:
    times = np.full((runs, len(nodes)), np.nan)
    for column, node in enumerate(nodes):
        for run, record in own.get(node, {}).items():
            seconds = _seconds(record)
            if run < runs and seconds is not None:
                times[run, column] = math.log(seconds)
    measured = int((~np.isnan(times)).any(axis=0).sum())
    rule = _rule(measured, runs, alpha)
    above = rankrule.excess(times[:, :, None], rule.part)[:, :, 0]
    judged = rankrule.judge(above, rule, margin)
    slowdowns = _relative(times)
    cells = {}
    for column, node in enumerate(nodes):
        bad = _bad(own.get(node, {}), runs)
        told = slowdowns[column]
        slow = bool(judged.slow[column])
        standing = Standing.SLOW if slow else Standing.LIKE if rule.possible else Standing.UNDECIDED
        cells[node] = Cell(
            bad[0] if bad else standing,
            told,
            float(judged.lower[column]) if slow and not bad else None,
            int(judged.exceeded[column]) if rule.possible else 0,
            int(judged.rounds[column]),
            bad[1] if bad else "",
        )
    known = times[~np.isnan(times)]
    enough = runs if rule.possible else needed(measured, alpha)
    middle = float(np.exp(np.median(known))) if known.size else None
    return Task(case, implementation, cells, middle, rule.possible, enough)


def needed(nodes: int, alpha: float) -> int | None:
    """The fewest runs with which so many nodes can be told apart, if any number of them would do."""
    return next((runs for runs in range(1, TRIED + 1) if _rule(nodes, runs, alpha).possible), None)


def _rule(nodes: int, runs: int, alpha: float) -> rankrule.Rule:
    """The rule for so many nodes and runs; an impossible one where they are too few."""
    if nodes < FEWEST:
        return rankrule.Rule(nodes, runs, alpha, nodes, runs + 1, 0)
    return rankrule.rule(nodes, runs, alpha, nodes, SHARE)


def _seconds(record: Record) -> float | None:
    if record.status is not Status.OK or record.summary is None:
        return None
    seconds = record.summary.median
    return seconds if seconds > 0.0 and math.isfinite(seconds) else None


def _relative(times: Floats) -> list[float | None]:
    """Each node's median log ratio to the other nodes of the same run, for the eye: nothing is decided by it."""
    ratios: list[list[float]] = [[] for _ in range(times.shape[1])]
    for row in times:
        for column, value in enumerate(row):
            others = np.delete(row, column)
            others = others[~np.isnan(others)]
            if not math.isnan(value) and others.size:
                ratios[column].append(float(value - np.median(others)))
    return [median(own) if own else None for own in ratios]


def _bad(own: Mapping[int, Record], runs: int) -> tuple[Standing, str] | None:
    """What keeps a node from being judged at a task at all: the worst of its runs, and why."""
    for status, standing in (
        (Status.REJECTED, Standing.WRONG),
        (Status.FAILED, Standing.FAILED),
        (Status.SKIPPED, Standing.SKIPPED),
    ):
        for record in own.values():
            if record.status is status:
                return standing, record.reason
    if len(own) < runs:
        return Standing.MISSING, f"{len(own)} of {runs} runs are there"
    if any(_seconds(record) is None for record in own.values()):
        return Standing.FAILED, "there is no time"
    return None


ORDER = (
    Standing.MISSING,
    Standing.WRONG,
    Standing.FAILED,
    Standing.SLOW,
    Standing.SKIPPED,
    Standing.UNDECIDED,
    Standing.LIKE,
)
"""The gravest first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A node over all tasks: the gravest standing that it has anywhere.

    reason: why nothing else is said of it, where its whole run failed or is missing. cells: what is not like its
    peers, with its task, the slowest first. counts: of its tasks, by standing.
    """

    node: str
    standing: Standing
    reason: str
    cells: tuple[tuple[Task, Cell], ...]
    counts: Mapping[Standing, int]


def verdicts(found: Table, broken: Mapping[str, str]) -> tuple[Verdict, ...]:
    """What is said of each node, the gravest first. broken: nodes whose whole run failed or is missing, and why."""
    made = [_verdict(node, found, broken.get(node, "")) for node in dict.fromkeys((*found.nodes, *broken))]
    return tuple(sorted(made, key=lambda one: (ORDER.index(one.standing), natural(one.node))))


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts ``node9`` before ``node10``."""
    return [
        (int(part), "") if part.isdigit() and part.isascii() else (-1, part) for part in re.split(r"([0-9]+)", name)
    ]


def _verdict(node: str, found: Table, broken: str) -> Verdict:
    cells = [(task, task.cells[node]) for task in found.tasks if node in task.cells]
    counts = {standing: sum(cell.standing is standing for _, cell in cells) for standing in ORDER}
    bad = [pair for pair in cells if pair[1].standing not in {Standing.LIKE, Standing.UNDECIDED}]
    bad.sort(key=lambda pair: (ORDER.index(pair[1].standing), -(pair[1].slowdown or 0.0)))
    nothing = all(cell.standing is Standing.MISSING and not cell.runs for _, cell in cells)
    if nothing:
        return Verdict(node, Standing.MISSING, broken or "nothing came from it", (), counts)
    worst = next(one for one in ORDER if counts[one])
    if worst is Standing.MISSING or (broken and ORDER.index(worst) > ORDER.index(Standing.FAILED)):
        worst = Standing.FAILED  # something is there, so the node is, too
    return Verdict(node, worst, broken, tuple(bad), counts)
