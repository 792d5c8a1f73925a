"""The command that forecasts what serving a model will take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, app
from benchsuite.errors import UsageError

Machine = Annotated[
    str,
    typer.Option(metavar="MACHINE", help="A run, or a key of 'catalog hardware' with :N devices; several by comma."),
]
Price = Annotated[
    str, typer.Option(metavar="PRICE", help="US dollars of one device for an hour; by comma: of each machine.")
]


@app.command()
def predict(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A shape of 'benchsuite catalog models', or a config.json.")
    ] = "",
    machine: Machine = "",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="bf16, fp8, w4a16 …; several by comma; none: as the model was released.")
    ] = "",
    isl: Annotated[int, typer.Option(min=1, help="Tokens that each request reads.")] = 2048,
    osl: Annotated[int, typer.Option(min=1, help="Tokens that each request writes.")] = 512,
    batch: Annotated[int, typer.Option(min=0, help="Sequences at once in one copy; 0: as many as fit.")] = 0,
    tensor: Annotated[int, typer.Option(min=0, help="Devices that share each layer; 0: the best of 1, 2, 4, 8.")] = 0,
    pipeline: Annotated[int, typer.Option(min=1, help="Stages of layers.")] = 1,
    expert: Annotated[int, typer.Option(min=1, help="Devices over which experts are spread.")] = 1,
    usd_per_hour: Price = "",
    provider: Annotated[str, typer.Option(metavar="NAME", help="Take its on-demand price from the catalogue.")] = "",
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A Hugging Face config.json instead of MODEL.")
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="fitted: serving engines as published; bare: kernels one by one.")
    ] = "fitted",
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that opens offline.")] = None,
    score: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead: score forecasts against a table of results (CSV).")
    ] = None,
    check: Annotated[
        str, typer.Option(metavar="RUN", help="Instead: compare a run's transformer steps with their forecast.")
    ] = "",
    catalog: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Your own machines, prices and models (docs/catalog.md).")
    ] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Forecast what a model will cost on a machine: tokens/s, latency, dollars, joules, with intervals."""
    from benchsuite.commands import predict as commands

    files, given = tuple(catalog or ()), (model or config, score, check)
    if sum(map(bool, given)) != 1:
        raise UsageError(
            "Name one thing: a model, a table with --score, or a run with --check.",
            "For example: benchsuite predict llama-3.1-8b --machine h100_sxm_80",
        )
    if html and not given[0]:
        raise UsageError("--html draws forecasts, no scores and no checks.", "Leave it out, or take --json.")
    if score:
        commands.score(score, files, as_json=json)
    elif check:
        commands.check(check, out, as_json=json)
    else:
        asked = commands.Asked(
            model, config, machine, precision, isl, osl, batch, tensor, pipeline, expert, usd_per_hour, provider,
            engine, files, out,
        )  # fmt: skip
        commands.predict(asked, html, as_json=json)
