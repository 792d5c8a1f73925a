"""Commands that tell what there is: list, doctor, schema."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsuite.cli.app import Json, app
from benchsuite.errors import UsageError


@app.command("list")
def list_(
    kernels: Annotated[
        bool, typer.Option("--kernels", help="Compile the GPU kernels; list registers, shared memory, instructions.")
    ] = False,
    arch: Annotated[list[str] | None, typer.Option(help="Of kernels: only this architecture, such as sm_90a.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Of kernels: benchmark, implementation, file or entry by pattern.")
    ] = None,
    json: Json = False,
) -> None:
    """List benchmarks, suites, implementations and devices, or the GPU kernels."""
    if kernels:
        from benchsuite import kernel_listing

        raise typer.Exit(kernel_listing.listing(arch or (), only or (), as_json=json))
    if arch or only:
        raise UsageError("--arch and --only choose among kernels.", "Add --kernels.")
    from benchsuite.commands import describe

    describe.listing(as_json=json)


@app.command()
def doctor(json: Json = False) -> None:
    """Say what this machine has, what is missing and how to get it."""
    from benchsuite.commands import describe

    raise typer.Exit(describe.doctor(as_json=json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of a record."""
    from benchsuite.commands import describe

    describe.schema()
