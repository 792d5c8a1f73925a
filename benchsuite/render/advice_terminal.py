"""Text for a terminal: which offer to take."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from benchsuite.render.advice_view import OwnView, Row, View
from benchsuite.render.words import clean, counted

MOST = 15
"""Plans that are shown unless all are asked for."""


def show(view: View, console: Console, *, every: bool = False) -> None:
    """The answer first, then the plans, what was left out, and what the numbers rest on."""
    console.print(Text(clean(view.headline), style="bold"), soft_wrap=True)
    _lines(console, (view.asked, *view.sentences))
    rows = view.every if every else view.rows[:MOST]
    if rows:
        for row in rows:
            console.print(_plan(row), soft_wrap=True)
        more = len(view.every) - len(rows)
        if more:
            _lines(console, (f"{counted(more, 'more plan')}: --all, --json or --html shows them.",))
    if view.left:
        _left(view, console, every=every)
    if view.own:
        _own(view.own, console)
    _lines(console, view.method, style="dim")


def _plan(row: Row) -> Text:
    """A plan in two lines: the dollars, then what they buy."""
    head = f"{row.number:>3}  {row.month} a month, {row.mtok}/Mtok out: {row.devices} × {row.device}, {row.precision}"
    told = (
        f"     {row.offer}, price of {row.dated}; month {row.month_ends}; a copy: {row.copy}; "
        f"token {row.further}, first {row.first} (p50 / p99)"
    )
    made = Text(clean(head), style="bold" if row.number == 1 else "")
    return made.append(f"  {row.mark}\n").append(clean(told), style="dim")


def _left(view: View, console: Console, *, every: bool) -> None:
    console.print(Text("Left out", style="bold"))
    rows = [row for row in view.left if row.offers] if not every else list(view.left)
    for row in rows if every else rows[:MOST]:
        named = ", ".join(filter(None, (row.device, row.precision, row.offers)))
        _lines(console, (f"  {named}: {row.reason}",))
    more = len(view.left) - (len(rows) if every else min(MOST, len(rows)))
    if more:
        _lines(console, (f"  {counted(more, 'more reason')}: --all, --json or --html shows them.",))


def _own(own: OwnView, console: Console) -> None:
    console.print(Text("\nOwn or rent", style="bold"))
    _lines(console, (own.headline, *own.lines))
    for name, value, source in own.inputs:
        _lines(console, (f"  {name} = {value}: {source}",), style="dim")


def _lines(console: Console, lines: Iterable[str], style: str = "") -> None:
    for line in lines:
        console.print(Text(clean(line), style=style), soft_wrap=True)
