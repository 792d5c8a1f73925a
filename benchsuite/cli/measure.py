"""Commands that measure: run, resume, selftest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import All, Json, Out, Report, RunName, Wait, app
from benchsuite.cli.placing import Hosts, LauncherName, Nodes, PerNode


@app.command()
def run(
    suite: Annotated[
        str,
        typer.Argument(help="A suite's name or a .toml file; default gpu on a GPU, else quick.", show_default=False),
    ] = "",
    only: Annotated[
        list[str] | None, typer.Option(help="Benchmarks or cases by pattern: gemm, 'memory op=triad', tag:attention.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="About how long the whole run may take.")
    ] = None,
    runs: Annotated[int | None, typer.Option(help="Fresh processes per case; 3 or more allow comparisons.")] = None,
    out: Out = Path("runs"),
    backend: Annotated[
        str,
        typer.Option(
            help="What executes: cuda, host, fake (scripted time, to try things out); auto is a GPU if there is one."
        ),
    ] = "auto",
    device: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Which GPU, as nvidia-smi counts them; default the first.")
    ] = None,
    ranks: Annotated[
        int | None, typer.Option(help="MPI ranks of collectives; default one per core, at least 2.")
    ] = None,
    launcher: LauncherName = "auto",
    hosts: Hosts = "",
    nodes: Nodes = 0,
    per_node: PerNode = 0,
    seed: Annotated[int | None, typer.Option(help="Repeat the data and order of an earlier run.")] = None,
    wait: Wait = 0.0,
    price: Annotated[
        float | None, typer.Option(metavar="USD", help="What an hour costs: of one GPU, or of a machine without one.")
    ] = None,
    provider: Annotated[str, typer.Option(help="Who rents the machine out; default what the firmware says.")] = "",
    instance: Annotated[str, typer.Option(help="The provider's name of the machine type.")] = "",
    region: Annotated[str, typer.Option(help="Where it stands, in the provider's words.")] = "",
    kind: Annotated[str, typer.Option(help="on-demand, spot, reserved …: which of the instance's prices.")] = "",
    metadata: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The cloud's metadata document, to tell provider and instance.")
    ] = None,
    ask_metadata: Annotated[
        bool, typer.Option("--ask-metadata", help="Ask the cloud's metadata address for it; else nothing is asked.")
    ] = False,
    catalog: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Your own machines and prices (docs/catalog.md).")
    ] = None,
    all_implementations: All = False,
    json: Json = False,
    report: Report = True,
) -> None:
    """Measure a suite on this machine, print a table and write a report."""
    from benchsuite.campaign import Request
    from benchsuite.commands import measure
    from benchsuite.placing import Placing
    from benchsuite.rental import Rental

    where = Placing(launcher, hosts, nodes, per_node)
    rental = Rental(provider, instance, region, kind, price, metadata, ask_metadata, tuple(catalog or ()))
    request = Request(suite, tuple(only or ()), budget, runs, out, backend, ranks, seed, device, wait, rental, where)
    raise typer.Exit(measure.run(request, as_json=json, with_report=report, all_implementations=all_implementations))


@app.command()
def resume(
    name: RunName = "latest",
    out: Out = Path("runs"),
    wait: Wait = 0.0,
    all_implementations: All = False,
    json: Json = False,
    report: Report = True,
) -> None:
    """Go on with a run that ended early: what is finished stays, the rest is measured."""
    from benchsuite.commands import measure

    shown = {"as_json": json, "with_report": report, "all_implementations": all_implementations}
    raise typer.Exit(measure.resume(name, out, wait, **shown))


@app.command()
def selftest(
    pairs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Pairs of campaigns of unchanged code; 20 tell something.")
    ] = 4,
    suite: Annotated[str, typer.Option(help="What a pair measures; default one small benchmark.")] = "",
    budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="About how long all pairs together may take.")
    ] = None,
    out: Out = Path("runs/selftest"),
    wait: Wait = 0.0,
    json: Json = False,
) -> None:
    """Measure the suite itself on this machine: clock, overhead, intervals, false alarms, telemetry."""
    from benchsuite.campaign import Request
    from benchsuite.selftest import command

    request = Request(suite, (), budget, None, out, "auto", wait=wait)
    raise typer.Exit(command.run(request, pairs, as_json=json))
