"""Text for a terminal: a step of training on this fabric, and what of its communication hides."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsuite.model import Score
from benchsuite.render import training as words
from benchsuite.render.terminal import columned
from benchsuite.training import Spent, exposures

BAR = 24
"""Characters of the longest bar."""


def section(found: Sequence[Spent], scores: Sequence[Score], console: Console) -> None:
    """The steps of a run and its overlaps; nothing where there is neither."""
    for overlap in words.overlaps(exposures(scores)):
        console.print(Text(f"\nCommunication behind computation: {overlap.title}", style="bold"))
        console.print(_bars(overlap))
        console.print(overlap.sentence, markup=False, soft_wrap=True)
    steps = words.steps(found)
    if steps:
        console.print(Text("\nA training step on this fabric", style="bold"))
        console.print(words.ALONE, markup=False, soft_wrap=True)
    for step in steps:
        console.print(Text(step.title, style="bold"))
        console.print(_messages(step))
        for line in (step.total, " ".join(step.notes)):
            console.print(line, markup=False, soft_wrap=True)


def _bars(view: words.OverlapView) -> Text:
    lines = Text()
    for number, bar in enumerate(view.bars):
        exposed = round(BAR * bar.exposed / 100)
        solid = max(0, round(BAR * bar.width / 100) - exposed)
        lines.append(f"{'' if number == 0 else chr(10)}  {bar.name:<21} ")
        lines.append("█" * solid).append("░" * exposed, style="yellow")
        lines.append(f"{' ' * (BAR - solid - exposed)} {bar.value}")
    return lines


def _messages(view: words.StepView) -> Table:
    grid = columned("  message", ("size", "right"), ("times", "right"), ("each", "right"), ("in a step", "right"), "by")
    for row in view.rows:
        by = row.by or row.reason
        grid.add_row(f"  {row.benchmark}: {row.what}", row.size, row.count, row.one, row.total, Text(by))
    return grid
