"""The command that says which offer to take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, app


@app.command()
def advise(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A shape of 'benchsuite catalog models', or a config.json.")
    ],
    rate: Annotated[float, typer.Option(metavar="REQ/S", help="Requests per second that are to be served.")],
    isl: Annotated[int, typer.Option(min=1, help="Tokens that each request reads.")] = 2048,
    osl: Annotated[int, typer.Option(min=1, help="Tokens that each request writes.")] = 512,
    slo: Annotated[
        str, typer.Option(metavar="LIMITS", help="Time to the first token and of each further one: ttft=2s,tpot=50ms.")
    ] = "ttft=2s,tpot=50ms",
    percentile: Annotated[
        float, typer.Option(min=50.0, max=99.9, help="Share of the requests that keep the limits, in %.")
    ] = 99.0,
    precision: Annotated[str, typer.Option(metavar="NAMES", help="Precisions that may be used, by comma.")] = (
        "bf16,fp8,w4a16"
    ),
    tensor: Annotated[str, typer.Option(metavar="COUNTS", help="Devices that may share a copy, by comma.")] = "1,2,4,8",
    batch: Annotated[int, typer.Option(min=0, help="Sequences at once in a copy at most; 0: as the limits allow.")] = 0,
    offers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your own offers: a CSV with the columns of prices.csv.")
    ] = None,
    market: Annotated[
        str, typer.Option(metavar="KIND", help="on-demand, spot, marketplace, reserved or unclear: never mixed.")
    ] = "on-demand",
    max_age: Annotated[int, typer.Option(metavar="MONTHS", min=0, help="Older prices are left out.")] = 18,
    measured: Annotated[
        list[str] | None, typer.Option(metavar="RUN", help="A run whose measurements replace its card's catalogue.")
    ] = None,
    own: Annotated[
        str,
        typer.Option(metavar="INPUTS", help="Compare with owning: price=30000,usd_per_kwh=0.12,years=5 …"),
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the arrivals that are simulated.")] = 0,
    every: Annotated[bool, typer.Option("--all", help="Show every offer, not only each device's cheapest.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that opens offline.")] = None,
    catalog: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Your own machines, prices and models (docs/catalog.md).")
    ] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Say which offer serves a model at a wanted rate and latency for the least dollars, and whether to own or rent."""
    from benchsuite.commands import advise as commands

    asked = commands.Asked(
        model=model, rate=rate, isl=isl, osl=osl, slo=slo, percentile=percentile, precision=precision, tensor=tensor,
        batch=batch, offers=offers, market=market, max_age=max_age, measured=tuple(measured or ()), own=own, seed=seed,
        catalog=tuple(catalog or ()), out=out,
    )  # fmt: skip
    commands.advise(asked, html, every=every, as_json=json)
