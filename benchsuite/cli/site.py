"""Commands that publish: the static site, and one chart for a slide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, RunName, app


@app.command()
def publish(
    names: Annotated[
        list[str],
        typer.Argument(metavar="DIR...", help="Runs, publications (.json), or folders that hold such."),
    ],
    to: Annotated[Path, typer.Option("--out", metavar="SITE", help="The site's folder: new, or made by publish.")],
    runs: Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where runs named by id lie.")] = Path("runs"),
    title: Annotated[str, typer.Option(metavar="TEXT", help="What the site is called.")] = "Benchsuite results",
    catalog: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Your own hardware, prices, figures (TOML).")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published/--no-published", help="Show figures published elsewhere beside ours.")
    ] = True,
    trust: Annotated[
        list[Path] | None, typer.Option(metavar="PUBKEY", help="A public key you trust, or a folder of them.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would leave; write nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 and write nothing if lint blocks.")] = False,
    json: Json = False,
) -> None:
    """Write a static site of runs and publications: it opens from disk and from any web server."""
    from benchsuite.commands import site

    asked = site.Asked(tuple(names), runs, tuple(trust or ()), tuple(catalog or ()), title, published)
    if dry_run:
        site.dry_run(asked, to, as_json=json)
    else:
        raise typer.Exit(site.publish(asked, to, strict=strict, as_json=json))


@app.command()
def chart(
    name: RunName,
    to: Annotated[Path, typer.Option(metavar="FILE", help="Where to write: .svg or .png.")],
    kind: Annotated[str, typer.Option(metavar="KIND", help="sizes, roofline or bars.")] = "bars",
    case: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Only such cases: 'gemm *bf16'.")] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="Above the chart; default what it shows.")] = "",
    out: Out = Path("runs"),
) -> None:
    """Draw one chart of a run for a slide, with the run's id and date on it."""
    from benchsuite.commands import site

    site.chart(name, out, to, kind=kind, patterns=tuple(case or ()), title=title)
