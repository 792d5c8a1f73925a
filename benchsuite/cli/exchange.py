"""Commands that take results in and out: import, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, RunName, app


@app.command("import")
def import_(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE…", help="What the other tool printed.")] = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help="The format, where the text does not tell it.")
    ] = "",
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to write the publications.")] = Path(
        "imports"
    ),
    machine: Annotated[
        str, typer.Option(metavar="NAME", help="What it was measured on, where the tool does not tell.")
    ] = "",
    formats: Annotated[bool, typer.Option("--formats", help="List the formats and end.")] = False,
    json: Json = False,
) -> None:
    """Read what other tools printed; report, compare and publish take the publications that it writes.

    Exit codes: 0 all was read, 1 a result in it is wrong, 2 a file could not be read.
    """
    from benchsuite.commands import exchange

    if formats:
        exchange.list_formats(as_json=json)
        return
    raise typer.Exit(exchange.import_files(files or [], format_, to, machine=machine, as_json=json))


@app.command()
def export(
    name: RunName = "latest",
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help="pytest-benchmark, csv, json or publication.")
    ] = "pytest-benchmark",
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="PATH", help="Where to write; default: print it."),
    ] = None,
    out: Out = Path("runs"),
) -> None:
    """Write a run, or a publication's file, as other tools read it."""
    from benchsuite.commands import exchange

    exchange.export(name, out, format_, to)
