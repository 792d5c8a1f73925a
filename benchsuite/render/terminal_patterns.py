"""Text for a terminal: what a step of training sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from benchsuite import units
from benchsuite.render.terminal import columned
from benchsuite.render.words import clean, family


def table(document: Mapping[str, Any], console: Console) -> None:
    """Every parallelism with its messages, their formulas, its caveat and its sources."""
    told = f"{document['model']}: {document['parameters']:,} parameters, {document['ranks']} ranks"
    console.print(Text(f"{clean(told)}, {document['tokens']:,} tokens a step, {document['dtype']}", style="bold"))
    for one in document["patterns"]:
        console.print(Text(f"\n{one['name'][0].upper()}{one['name'][1:]}", style="bold"), end="")
        if one["refused"]:
            console.print(Text(f": {units.DASH} {clean(one['refused'])}.", style="dim"))
            continue
        console.print(
            f": {units.size(one['bytes'])} a step, of which each rank sends {units.size(one['wire'])} at least"
        )
        _messages(one, console)
        console.print(Text(f"  {one['caveat']}"), soft_wrap=True)
        for source in dict.fromkeys(message["source"] for message in one["messages"]):
            console.print(Text(f"  {source}.", style="dim"), soft_wrap=True)


def _messages(one: Mapping[str, Any], console: Console) -> None:
    grid = columned("  message", ("size", "right"), ("times", "right"), ("in a step", "right"), "formula")
    for message in one["messages"]:
        grid.add_row(
            f"  {family(message['benchmark'])}: {message['what']}",
            units.size(message["bytes"]),
            f"{message['count']:,}",
            units.size(message["total"]),
            Text(message["formula"], style="dim"),
        )
    console.print(grid)
