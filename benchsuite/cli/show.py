"""Commands that show what was measured: show, report, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import All, Json, Out, RunName, app, form_of
from benchsuite.errors import UsageError

Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Trusted = Annotated[
    list[Path] | None, typer.Option("--trust", metavar="PUBKEY", help="A public key you trust, or a folder of them.")
]
Reference = Annotated[
    list[str] | None,
    typer.Option(metavar="RUN", help="A run or publication of another such machine, to set the numbers against."),
]
Catalog = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="Your own machines and figures (docs/catalog.md).")
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")]


@app.command()
def show(
    name: RunName = "latest",
    out: Out = Path("runs"),
    all_implementations: All = False,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
    reference: Reference = None,
    catalog: Catalog = None,
) -> None:
    """Show a run's results again, computed from its records, and say how they stand among others."""
    from benchsuite.commands import show as showing

    form = form_of(json=json, csv=csv, markdown=markdown)
    references, files = tuple(reference or ()), tuple(catalog or ())
    code = showing.show(
        name, out, form=form, all_implementations=all_implementations, references=references, catalog=files
    )
    raise typer.Exit(code)


@app.command()
def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...", help="A run; or several, publications (.json) or folders, to compare."),
    ] = None,
    out: Out = Path("runs"),
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to write; default report.html in the run, comparison.html of several."
        ),
    ] = None,
    trust: Trusted = None,
    json: Json = False,
    reference: Reference = None,
    catalog: Catalog = None,
) -> None:
    """Render the HTML report of a run, or one page that compares several: a file that opens offline."""
    from benchsuite.commands import show as showing

    references, files = tuple(reference or ()), tuple(catalog or ())
    showing.report(names or ["latest"], out, to, trust or (), as_json=json, references=references, catalog=files)


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(metavar="A B...", help="Runs, publications (.json) or folders of them; A is the baseline."),
    ],
    out: Out = Path("runs"),
    baseline: Annotated[
        str, typer.Option(metavar="NAME", help="What the others are compared with: a label or the beginning of an id.")
    ] = "",
    margin: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Differences within it are not called: 0.01 is 1 %.")
    ] = 0.01,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only these tasks: gemm, 'memory op=triad', 'gemm numpy'."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option(metavar="VERDICT", help="Exit 1 if any case is so: slower, faster or different.")
    ] = "",
    explore: Annotated[
        bool, typer.Option("--explore", help="Find more: 5 % of what is found may be false, not 5 % of comparisons.")
    ] = False,
    mean: Annotated[
        bool,
        typer.Option("--mean", help="Also the geometric mean of the ratios of all tasks shown, or why there is none."),
    ] = False,
    board: Annotated[
        str, typer.Option(metavar="CASE", help="A leader board of each case that fits the pattern, instead.")
    ] = "",
    matrix: Annotated[str, typer.Option(metavar="CASE", help="The same with the verdict on every pair.")] = "",
    by: Annotated[
        str, typer.Option(metavar="WHAT", help="Of a board: value, or what a watt or a dollar gives.")
    ] = "value",
    implementation: Annotated[
        str, typer.Option(metavar="NAME", help="Of a board: only this one, not the best of each.")
    ] = "",
    trust: Trusted = None,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Compare campaigns case by case: faster, slower, same, undecided; or rank them on a leader board."""
    from benchsuite.commands import compare as comparing

    form = form_of(json=json, csv=csv, markdown=markdown)
    patterns, trusted = tuple(only or ()), tuple(trust or ())
    asked = comparing.Asked(
        tuple(names), out, trusted, baseline, margin, patterns, form, fail_on, explore=explore, mean=mean
    )
    if not board and not matrix:
        raise typer.Exit(comparing.compare(asked))
    if fail_on or explore or mean or baseline or (board and matrix):
        raise UsageError("A board has no baseline and takes no --fail-on, --explore or --mean.", "Leave them out.")
    shown = comparing.boards if board else comparing.matrices
    raise typer.Exit(shown(asked, board or matrix, implementation, by))
