"""The command that localises: scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, Report, Wait, app
from benchsuite.cli.placing import Hosts, LauncherName, Nodes, PerNode


@app.command()
def scan(
    launcher: LauncherName = "auto",
    hosts: Hosts = "",
    nodes: Nodes = 0,
    per_node: PerNode = 0,
    rounds: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Rounds of disjoint pairs; 24 find a node 10 % slower, 48 one of 5 %."),
    ] = 24,
    full: Annotated[
        bool, typer.Option("--full", help="At least as many rounds as let every node meet every other.")
    ] = False,
    nbytes: Annotated[str, typer.Option("--bytes", metavar="SIZE", help="Size of a transfer.")] = "16 MiB",
    sweeps: Annotated[int, typer.Option(metavar="N", min=1, help="Parts that the rounds are spread over.")] = 3,
    apart: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.0, help="Time between sweeps; default 300 from 16 nodes on, else none."),
    ] = None,
    confirm_after: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0.0, help="Time before the second look; default 600 from 16 nodes on, else none."
        ),
    ] = None,
    topology: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Which switch each node hangs on: Slurm's topology.conf, or leaf: nodes."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What nodes known good do; fewer than 16 are not judged without."),
    ] = None,
    learn: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write such a reference from this scan of nodes known good.")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT", min=0.0, max=1000.0, help="Slower by less is never called slow; default by the spread."
        ),
    ] = None,
    backend: Annotated[str, typer.Option(help="Whose local kernels are timed too: cuda, host, fake; auto.")] = "auto",
    seed: Annotated[int | None, typer.Option(help="Repeat the rounds of an earlier scan.")] = None,
    out: Out = Path("runs"),
    wait: Wait = 0.0,
    resume: Annotated[str, typer.Option("--resume", metavar="RUN", help="Go on with a scan that ended early.")] = "",
    json: Json = False,
    report: Report = True,
) -> None:
    """Find the slow node, GPU or link of a fleet: rounds of disjoint pairs, each suspicion confirmed or withdrawn."""
    from math import log1p

    from benchsuite import units
    from benchsuite.commands import scan as command
    from benchsuite.errors import UsageError
    from benchsuite.placing import Placing
    from benchsuite.scan import Request
    from benchsuite.scanstore import Plan, named

    if resume:
        raise typer.Exit(command.resume(named(resume, out), wait, as_json=json, with_report=report))
    try:
        size = units.parse_size(nbytes)
    except ValueError as error:
        raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.", "For example --bytes '16 MiB'.") from error
    plan = Plan(rounds, full, size, sweeps, margin=None if margin is None else log1p(margin / 100.0))
    request = Request(
        Placing(launcher, hosts, nodes, per_node),
        plan,
        apart,
        confirm_after,
        topology,
        reference,
        learn,
        backend,
        seed,
        out,
        wait,
    )
    raise typer.Exit(command.run(request, as_json=json, with_report=report))
