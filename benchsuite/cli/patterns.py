"""The command that tells what a step of training sends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, app


@app.command()
def patterns(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A shape of 'benchsuite catalog models'.")
    ] = "llama-3.1-8b",
    ranks: Annotated[int, typer.Option(min=2, help="Ranks that share the model in each way.")] = 8,
    tokens: Annotated[
        int, typer.Option(min=1, help="Tokens of a step: of a rank; of tensor and pipeline parallelism of all ranks.")
    ] = 8192,
    dtype: Annotated[str, typer.Option(help="Element type of weights, gradients and activations.")] = "bf16",
    bucket: Annotated[str, typer.Option(metavar="SIZE", help="What closes a bucket of gradients.")] = "25 MiB",
    micro_batches: Annotated[int, typer.Option(min=1, help="Parts of the tokens in a pipeline.")] = 8,
    catalog: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Your own models (docs/catalog.md).")
    ] = None,
    json: Json = False,
) -> None:
    """Say what a step of training sends with each parallelism: messages, sizes, formulas, sources."""
    from benchsuite.commands import patterns as commands

    asked = commands.Asked(model, ranks, tokens, dtype, bucket, micro_batches, tuple(catalog or ()))
    commands.patterns(asked, as_json=json)
