"""A fleet on a terminal: the sentence first, then every node that stands out, the phases, and what the pairs say."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from benchsuite.render import scan
from benchsuite.render.fleet_view import FleetView

COLOURS = scan.COLOURS
MOST = 16
"""Nodes that are named; the page has them all."""


def show(view: FleetView, console: Console) -> None:
    """Print the verdict and everything that belongs to it."""
    console.print(Text(f"{view.glyph} {view.headline}", style=f"bold {COLOURS[view.tone]}"), soft_wrap=True)
    counts = ", ".join(f"{count} {word}" for count, word in view.counts)
    for text in (*view.problems, *([f"Nodes: {counts}."] if counts else []), *view.sentences):
        console.print(Text(text), soft_wrap=True)
    bad = [row for row in view.nodes if row.tone in {"bad", "caution"}]
    for row in bad[:MOST]:
        for text in row.sentences:
            console.print(Text(f"{row.glyph} {text}", style=COLOURS[row.tone]), soft_wrap=True)
        if row.more:
            console.print(Text(f"  {row.name}: {row.more} more tasks: see the page or --json."), soft_wrap=True)
    if len(bad) > MOST:
        console.print(Text(f"{len(bad) - MOST} more nodes: see the page or --json."), soft_wrap=True)
    for phase in view.phases:
        told = f"{phase.glyph} {phase.name}: {phase.word}, {phase.took} (forecast {phase.forecast})"
        console.print(Text(f"{told}{f'. {phase.reason}' if phase.reason else ''}"), soft_wrap=True)
    if view.scan is not None:
        console.print(Text("\nIn pairs:"), soft_wrap=True)
        scan.show(view.scan, console)
    if view.curves:
        console.print(Text("\nAll together:"), soft_wrap=True)
    for curve in view.curves:
        console.print(Text(f"  {curve.name}, {curve.note}"), soft_wrap=True)
