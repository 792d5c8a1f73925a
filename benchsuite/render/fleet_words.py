"""What is said of one node of a fleet, in sentences."""

from __future__ import annotations

from benchsuite import units
from benchsuite.fleet.peers import Cell, Standing, Task, Verdict
from benchsuite.render import shades, task_map
from benchsuite.render.words import clean, counted, sentence

WORDS = 3
"""Sentences of one node."""


def told(one: Verdict) -> tuple[list[str], int]:
    """Sentences about a node, and how many further ones there would be."""
    node = clean(one.node)
    if one.reason:
        lead = [
            f"{node} {'is missing' if one.standing is Standing.MISSING else 'failed'}: {sentence(clean(one.reason))}"
        ]
    else:
        lead = []
    some = [told_of(node, task, cell) for task, cell in one.cells[: WORDS - len(lead)]]
    return [*lead, *some], max(0, len(one.cells) - len(some))


def told_of(node: str, task: Task, cell: Cell) -> str:
    """``node3: memory bandwidth, triad [numpy] at 71 % of its peers in 5 of 5 runs.``"""
    name = task_map.task_name(task)
    if cell.standing is not Standing.SLOW:
        return sentence(": ".join(filter(None, (node, name, cell.standing.value, clean(cell.reason)))))
    rate = units.percent(shades.rate(cell.slowdown or 0.0))
    limit = f" (at most {units.percent(shades.rate(cell.lower))})" if cell.lower is not None else ""
    return f"{node}: {name} at {rate} of its peers{limit} in {cell.exceeded} of {counted(cell.runs, 'run')}."


def duration(seconds: float) -> str:
    """``4 min 10 s``, and from two hours on ``44 h 52 min``."""
    if seconds < 7200:
        return units.seconds(seconds)
    hours, rest = divmod(round(seconds / 60), 60)
    return units.NO_BREAK_SPACE.join((str(hours), "h", str(rest), "min"))
