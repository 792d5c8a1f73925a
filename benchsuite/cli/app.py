"""The command line's frame: the application, and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite import __version__
from benchsuite.errors import UsageError

app = typer.Typer(
    name="benchsuite",
    help="Measure GEMM, attention, memory bandwidth and all-reduce on this machine: verified, with intervals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 wrong result or difference, 2 usage, 3 inconclusive, 4 not measured, 130 stopped.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder that holds the run directories.")]
All = Annotated[bool, typer.Option("--all", help="Show every implementation, not only the best of each case.")]
Wait = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.0, help="How long to wait for another run on the device to end.")
]
Report = Annotated[bool, typer.Option(help="Write report.html into the run directory.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's id or its beginning, a path, or 'latest'.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"benchsuite {__version__}")
        raise typer.Exit


def form_of(**asked: bool) -> str:
    """The one form that was asked for, else ``text``. Raises ``UsageError`` for two."""
    chosen = [name for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(f"--{chosen[0]} and --{chosen[1]} are two forms.", "Choose one.")
    return chosen[0] if chosen else "text"


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Measure GEMM, attention, memory bandwidth and all-reduce on this machine: verified, with intervals."""
