"""The command that burns in: burn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, Wait, app

Minutes = Annotated[float, typer.Option(metavar="M", min=0.001, max=100_000.0, help="How long each is under load.")]
Backend = Annotated[str, typer.Option(help="What is burnt in: cuda, host, fake; auto is every GPU, or the processor.")]
Device = Annotated[
    list[int] | None,
    typer.Option(metavar="N", min=0, help="Only this GPU, as nvidia-smi counts them (repeatable); default all."),
]
Phases = Annotated[str, typer.Option("--phases", metavar="NAMES", help="What heats, by turns: gemm, power, memory.")]
Seed = Annotated[int | None, typer.Option(help="Repeat the data of an earlier burn-in.")]


@app.command()
def burn(
    minutes: Minutes = 30.0,
    backend: Backend = "auto",
    device: Device = None,
    phases: Phases = "gemm,power,memory",
    seed: Seed = None,
    out: Out = Path("runs"),
    wait: Wait = 0.0,
    json: Json = False,
) -> None:
    """Heat all GPUs at once, or the processor, and compare results bit by bit: exit 0 if all ran and none was wrong."""
    from benchsuite.commands import burn as command

    asked = command.Asked(60.0 * minutes, backend, tuple(device or ()), phases, seed, out, wait)
    raise typer.Exit(command.run(asked, as_json=json))
