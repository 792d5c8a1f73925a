"""Text for a terminal: what training a model will take."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from benchsuite.render.training_forecast import View
from benchsuite.render.words import clean

WIDTH = 30


def show(view: View, console: Console) -> None:
    """The answer, where a step's time goes, what a device holds, and what it rests on."""
    console.print(Text(clean(view.headline), style="bold"))
    console.print(Text(view.asked), soft_wrap=True)
    for name, value, ends in view.numbers:
        console.print(Text(f"  {name:<22} {value:>14}  ({ends})"), soft_wrap=True)
    console.print(Text("\nWhere a step's time goes", style="bold"))
    for bar in view.bars:
        before, long = round(bar.start * WIDTH / 100), max(1, round(bar.width * WIDTH / 100))
        drawn = " " * min(before, WIDTH - 1) + ("░" if bar.hidden else "█") * long
        console.print(Text(f"  {bar.seconds:>8} {bar.share:>9}  {drawn[:WIDTH]:<{WIDTH}}  {bar.name}"), soft_wrap=True)
    console.print(Text("\nWhat the fullest device holds", style="bold"))
    for what, size, part in view.memory:
        console.print(Text(f"  {size:>9}  {'█' * round(part * WIDTH / 100):<{WIDTH}}  {what}"), soft_wrap=True)
    for line in view.sentences:
        console.print(Text(clean(line)), soft_wrap=True)
    for code, words in view.cautions:
        console.print(Text(f"! {code}: {words}"), soft_wrap=True)
    for line in view.assumptions:
        console.print(Text(clean(line), style="dim"), soft_wrap=True)
