"""A scan on a terminal: the sentence first, then what it rests on, then what could not be seen."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from benchsuite.render.scan_view import ScanView
from benchsuite.render.words import clean

COLOURS = {"good": "green", "caution": "yellow", "bad": "red", "unknown": "dim"}
MOST = 12
"""Findings that are printed; the page has them all."""


def show(view: ScanView, console: Console) -> None:
    """Print the verdict and everything that belongs to it."""
    headline = Text(f"{view.glyph} {view.headline}", style=f"bold {COLOURS[view.tone]}")
    console.print(headline, soft_wrap=True)
    for text in (*view.about.problems, *view.sentences):
        console.print(Text(clean(text)), soft_wrap=True)
    if view.findings:
        console.print()
    for row in view.findings[:MOST]:
        console.print(Text(f"{row.glyph} {row.word}: {row.sentence}", style=COLOURS[row.tone]), soft_wrap=True)
        evidence = f"{row.culprit}; {row.slowdown}; {row.evidence}"
        for text in filter(None, (evidence, row.remedy)):
            console.print(Text(f"  {text}"), soft_wrap=True)
    if len(view.findings) > MOST:
        console.print(f"{len(view.findings) - MOST} more findings: see the page or --json.", markup=False)
    for kernel in (one for one in view.kernels if one.outliers):
        console.print(Text(f"{kernel.name}: {'; '.join(kernel.outliers)}"), soft_wrap=True)
    for words in view.pause_words[:MOST]:
        console.print(Text(clean(words)), soft_wrap=True)
    if view.blind:
        console.print(Text("\nNot seen:"), soft_wrap=True)
    for text in view.blind:
        console.print(Text(f"  {text}"), soft_wrap=True)
    console.print(Text("\n" + "; ".join(f"{name.lower()} {told}" for name, told in view.measured)), soft_wrap=True)
