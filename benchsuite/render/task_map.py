"""Nodes by tasks: each cell the rate of one node at one task relative to its peers, whoever stands out outlined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchsuite.fleet.peers import Cell, Standing, Table, Task
from benchsuite.model import Case
from benchsuite.render import shades
from benchsuite.render.drawing import Element, element, markup, titled
from benchsuite.render.heatmap import LETTER, hatch, label
from benchsuite.render.words import clean, counted, family, parameters

WIDE, TALL = 900, 640
"""Pixels that columns, and rows, share."""
MOST_WIDE, MOST_TALL = 28, 22
LEAST = 3
LINE = 14
TOLD = 1500
"""Cells up to which each has words of its own; of a larger map only what stands out."""
LETTERS = 34
"""Of a task's label."""
UNMEASURED = {Standing.MISSING, Standing.SKIPPED}
CROSSED = {Standing.WRONG, Standing.FAILED}
PATTERN = "hatch-tasks"


def name(case: Case, implementation: str) -> str:
    """``memory bandwidth, triad 256 MiB [numpy]``."""
    told = parameters(case)
    return f"{family(case.benchmark)}{f', {told}' if told else ''} [{clean(implementation)}]"


def task_name(task: Task) -> str:
    """A task in words."""
    return name(task.case, task.implementation)


def cell_words(node: str, task: Task, cell: Cell) -> str:
    """``node3, memory bandwidth, triad [numpy]: at 71 % of its peers in 5 of 5 runs: slow``."""
    told = shades.words(cell.slowdown)
    if cell.runs and cell.exceeded:
        told += f", beyond the margin in {cell.exceeded} of {counted(cell.runs, 'run')}"
    reason = f" ({clean(cell.reason)})" if cell.reason else ""
    return f"{node}, {task_name(task)}: {told}: {cell.standing.value}{reason}"


def task_map(table: Table, order: Sequence[str], standings: Mapping[str, Standing]) -> str:
    """The drawing: rows in this order of nodes, columns by benchmark. standings: of each node over all its tasks."""
    tasks = sorted(table.tasks, key=lambda task: task.case.benchmark)
    wide = max(LEAST, min(MOST_WIDE, WIDE // max(1, len(tasks))))
    tall = max(LEAST, min(MOST_TALL, TALL // max(1, len(order))))
    named = wide >= LINE
    texts = [_short(task_name(task)) for task in tasks] if named else [family(task.case.benchmark) for task in tasks]
    left = max((len(label(node)) for node in order), default=0) * LETTER + 12
    top = max(map(len, texts), default=0) * LETTER + 12
    width, height = wide * len(tasks), tall * len(order)
    grid = element("g", transform=f"translate({left:.0f} {top:.0f})")
    grid.append(element("rect", width=width, height=height, fill=f"url(#{PATTERN})"))
    grid.extend(_cells(tasks, order, wide, tall))
    grid.extend(_columns(tasks, texts, wide, height, named=named))
    grid.extend(_rows(order, standings, tall))
    slow = sum(cell.standing is Standing.SLOW for task in tasks for cell in task.cells.values())
    words = (
        f"Heat map of {counted(len(order), 'node')} by {counted(len(tasks), 'task')}: each node's rate relative to its "
        f"peers; {slow} slow."
    )
    whole = (left + width + 8, top + height + 4)
    return markup(
        element("svg", hatch(PATTERN), grid, kind="heat", viewBox=f"0 0 {whole[0]:.0f} {whole[1]:.0f}", width=whole[0],
                height=whole[1], role="img", aria_label=words)
    )  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


def _cells(tasks: Sequence[Task], order: Sequence[str], wide: int, tall: int) -> list[Element]:
    gap = 1 if min(wide, tall) >= 8 else 0
    every = len(tasks) * len(order) <= TOLD
    plain: dict[str, list[str]] = {}
    told: list[Element] = []
    marks: list[Element] = []
    for column, task in enumerate(tasks):
        for row, node in enumerate(order):
            cell = task.cells.get(node) or Cell(Standing.MISSING)
            x, y, w, h = column * wide, row * tall, wide - gap, tall - gap
            kind = _kind(cell)
            stands_out = cell.standing not in {Standing.LIKE, Standing.UNDECIDED}
            if every or stands_out:
                box: dict[str, Any] = {"x": x, "y": y, "width": w, "height": h, "kind": kind}
                told.append(titled(element("rect", **box), cell_words(node, task, cell)))
            else:
                plain.setdefault(kind, []).append(f"M{x} {y}h{w}v{h}h-{w}z")
            if cell.standing in CROSSED:
                marks.append(element("path", d=f"M{x} {y}l{w} {h}m0-{h}l-{w} {h}", kind="cross"))
            elif cell.standing is Standing.SLOW:
                marks.append(element("path", d=f"M{x} {y}h{w}v{h}h-{w}z", kind="accused"))
    return [*(element("path", d="".join(boxes), kind=kind) for kind, boxes in sorted(plain.items())), *told, *marks]


def _kind(cell: Cell) -> str:
    if cell.standing in UNMEASURED or (cell.slowdown is None and cell.standing not in CROSSED):
        return "none"  # what lies below shows: the hatching
    return f"s{shades.shade(cell.slowdown)}" if cell.slowdown is not None else "s0"


def _columns(tasks: Sequence[Task], texts: Sequence[str], wide: int, height: int, *, named: bool) -> list[Element]:
    """The label of each task, or of each benchmark where tasks are too narrow; a line where one benchmark ends."""
    made = []
    free = 0
    for column, task in enumerate(tasks):
        first = not column or tasks[column - 1].case.benchmark != task.case.benchmark
        if first and column:
            made.append(element("path", d=f"M{column * wide} 0v{height}", kind="border"))
        x = column * wide + min(wide, LINE) / 2 + 4
        if (named or first) and x >= free:
            turned = f"translate({x:.1f} -8)rotate(-90)"
            made.append(element("text", text=texts[column], transform=turned, kind="name"))
            free = int(x) + LINE
    return made


def _rows(order: Sequence[str], standings: Mapping[str, Standing], tall: int) -> list[Element]:
    made = []
    apart = -(-LINE // tall)
    placed: list[int] = []
    bad = [row for row, node in enumerate(order) if standings.get(node, Standing.MISSING) is not Standing.LIKE]
    for row in [*bad, *range(0, len(order), apart)]:
        if all(abs(row - other) >= apart for other in placed):
            placed.append(row)
    for row in sorted(placed):
        standing = standings.get(order[row], Standing.MISSING)
        good = standing in {Standing.LIKE, Standing.UNDECIDED}
        kind = "name" if good else "suspect" if standing is Standing.SKIPPED else "guilty"
        y = (row + 0.5) * tall + 4
        made.append(element("text", text=label(order[row]), x=-8, y=y, text_anchor="end", kind=kind))
    return made
