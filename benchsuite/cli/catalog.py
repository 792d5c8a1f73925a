"""Commands that look things up: catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, app, form_of
from benchsuite.errors import UsageError

catalog_app = typer.Typer(
    help="Look up hardware, prices, published figures and model shapes, each with source, date and confidence.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(catalog_app, name="catalog")

Files = Annotated[
    list[Path] | None, typer.Option("--catalog", metavar="FILE", help="Add a catalogue file of your own (repeatable).")
]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="WORD", help="Only rows that hold this word (repeatable).")
]
Csv = Annotated[bool, typer.Option("--csv", help="Print every column as CSV.")]


@catalog_app.callback(invoke_without_command=True)
def overview(context: typer.Context, files: Files = None, json: Json = False) -> None:
    """Say how much the catalogue holds."""
    if context.invoked_subcommand is None:
        from benchsuite.commands import catalog

        catalog.overview(files or (), as_json=json)
    elif files or json:
        command = context.invoked_subcommand
        raise UsageError("--catalog and --json come after the command.", f"Write: benchsuite catalog {command} --json")


def _listing(kind: str, files: list[Path] | None, only: list[str] | None, json: bool, csv: bool) -> None:
    from benchsuite.commands import catalog

    catalog.listing(kind, files or (), only or (), form=form_of(csv=csv, json=json))


@catalog_app.command()
def hardware(files: Files = None, only: Only = None, json: Json = False, csv: Csv = False) -> None:
    """List accelerators: dense peaks, memory, bandwidth, power."""
    _listing("hardware", files, only, json, csv)


@catalog_app.command()
def prices(files: Files = None, only: Only = None, json: Json = False, csv: Csv = False) -> None:
    """List prices by provider and instance, cheapest per device first."""
    _listing("prices", files, only, json, csv)


@catalog_app.command()
def figures(files: Files = None, only: Only = None, json: Json = False, csv: Csv = False) -> None:
    """List what others measured and published."""
    _listing("figures", files, only, json, csv)


@catalog_app.command()
def models(files: Files = None, only: Only = None, json: Json = False, csv: Csv = False) -> None:
    """List shapes of language models."""
    _listing("models", files, only, json, csv)


@catalog_app.command()
def explain(
    hardware: Annotated[
        str, typer.Argument(metavar="HARDWARE", help="A key, a name, or words of one: h200, 'RTX 4090'.")
    ],
    figure: Annotated[
        str, typer.Argument(metavar="FIGURE", help="bf16, fp8, bandwidth, memory, link …; none: all.")
    ] = "",
    files: Files = None,
    json: Json = False,
) -> None:
    """Explain a figure: formula, source, date, confidence, and what others measured of it."""
    from benchsuite.commands import catalog

    catalog.explained(hardware, figure, files or (), as_json=json)


@catalog_app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="Catalogue files of your own.")] = None,
    json: Json = False,
) -> None:
    """Check the catalogue and files of your own: units, ranges, formula, sparse figures, prices, sources."""
    from benchsuite.commands import catalog

    raise typer.Exit(catalog.checked(files or (), as_json=json))
