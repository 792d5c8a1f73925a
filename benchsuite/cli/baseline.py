"""The command that learns references: baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, app


@app.command()
def baseline(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN…", help="Runs or publications of machines known good, or folders of them."),
    ] = None,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where to write it.")] = Path("baseline.json"),
    name: Annotated[str, typer.Option(help="Its name; default that of the file.")] = "",
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="MACHINE", help="Leave out a machine or run after a review (repeatable)."),
    ] = None,
    show: Annotated[Path | None, typer.Option("--show", metavar="FILE", help="Show a baseline, and end.")] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Learn from machines known good what the next one must do: median and tolerance limit of each task.

    A fleet with a machine that stands apart, was disturbed or is another model is refused. Exit codes: 0 written,
    2 refused.
    """
    from benchsuite.commands import baseline as commands
    from benchsuite.errors import UsageError

    if show is not None:
        commands.show(show, as_json=json)
        return
    if not runs:
        raise UsageError("There are no runs to learn from.", "Name ten machines' runs at least, or their folder.")
    commands.learn(runs, out, name, without or [], to, as_json=json)
