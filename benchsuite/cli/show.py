"""Commands that show what was measured: show, report, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import All, Json, Out, RunName, app


@app.command()
def show(
    name: RunName = "latest",
    out: Out = Path("runs"),
    all_implementations: All = False,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every task as CSV.")] = False,
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="A run or publication of another such machine, to set the numbers against."),
    ] = None,
    catalog: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Your own machines and figures (docs/catalog.md).")
    ] = None,
) -> None:
    """Show a run's results again, computed from its records, and say how they stand among others."""
    from benchsuite.commands import show as showing

    form = "csv" if csv else "json" if json else "text"
    references, files = tuple(reference or ()), tuple(catalog or ())
    code = showing.show(
        name, out, form=form, all_implementations=all_implementations, references=references, catalog=files
    )
    raise typer.Exit(code)


@app.command()
def report(
    name: RunName = "latest",
    out: Out = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write; default report.html in the run.")
    ] = None,
    json: Json = False,
) -> None:
    """Render a run's HTML report: one file that opens offline."""
    from benchsuite.commands import show as showing

    showing.report(name, out, to, as_json=json)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="The run compared with.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The run judged.")],
    out: Out = Path("runs"),
    fail_on: Annotated[
        str, typer.Option(metavar="VERDICT", help="Exit 1 if any case is so: slower, faster or different.")
    ] = "",
    explore: Annotated[
        bool, typer.Option("--explore", help="Find more: 5 % of what is found may be false, not 5 % of comparisons.")
    ] = False,
    json: Json = False,
) -> None:
    """Compare two runs case by case: faster, slower, same, undecided."""
    from benchsuite.commands import show as showing

    raise typer.Exit(showing.compare(a, b, out, fail_on=fail_on, explore=explore, as_json=json))
