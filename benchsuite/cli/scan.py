"""The command that localises: scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, Report, Wait, app
from benchsuite.cli.placing import Hosts, LauncherName, Nodes, PerNode

Rounds = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="Rounds of disjoint pairs; 24 find a node 10 % slower, 48 one of 5 %."),
]
Full = Annotated[bool, typer.Option("--full", help="At least as many rounds as let every node meet every other.")]
Bytes = Annotated[str, typer.Option("--bytes", metavar="SIZE", help="Size of a transfer.")]
Sweeps = Annotated[int, typer.Option(metavar="N", min=1, help="Parts that the rounds are spread over.")]
Apart = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=0.0, help="Time between sweeps; default 300 from 16 nodes on, else none."),
]
ConfirmAfter = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=0.0, help="Time before the second look; default 600 from 16 nodes on."),
]
Topology = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Which switch each node hangs on: Slurm's topology.conf, or 'leaf: nodes'."),
]
ReferenceFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="What nodes known good do; with few nodes nobody is accused without."),
]
Learn = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write such a reference from this scan of nodes known good.")
]
Margin = Annotated[
    float | None,
    typer.Option(
        metavar="PERCENT", min=0.0, max=1000.0, help="Slower by less is never called slow; default by spread."
    ),
]
Backend = Annotated[str, typer.Option(help="Whose local kernels are timed too: cuda, host, fake; auto.")]
Seed = Annotated[int | None, typer.Option(help="Repeat the rounds of an earlier scan.")]
Resume = Annotated[str, typer.Option("--resume", metavar="RUN", help="Go on with a scan that ended early.")]


@app.command()
def scan(
    launcher: LauncherName = "auto",
    hosts: Hosts = "",
    nodes: Nodes = 0,
    per_node: PerNode = 0,
    rounds: Rounds = 24,
    full: Full = False,
    nbytes: Bytes = "16 MiB",
    sweeps: Sweeps = 3,
    apart: Apart = None,
    confirm_after: ConfirmAfter = None,
    topology: Topology = None,
    reference: ReferenceFile = None,
    learn: Learn = None,
    margin: Margin = None,
    backend: Backend = "auto",
    seed: Seed = None,
    out: Out = Path("runs"),
    wait: Wait = 0.0,
    resume: Resume = "",
    json: Json = False,
    report: Report = True,
) -> None:
    """Find the slow node, GPU or link of a fleet: rounds of disjoint pairs, each suspicion confirmed or withdrawn."""
    from math import log1p

    from benchsuite import units
    from benchsuite.commands import scan as command
    from benchsuite.errors import UsageError
    from benchsuite.placing import Placing
    from benchsuite.scan.ledger import Plan, named
    from benchsuite.scan.scan import Request

    if resume:
        raise typer.Exit(command.resume(named(resume, out), wait, learn, as_json=json, with_report=report))
    try:
        size = units.parse_size(nbytes)
    except ValueError as error:
        raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.", "For example --bytes '16 MiB'.") from error
    plan = Plan(rounds, full, size, sweeps, margin=None if margin is None else log1p(margin / 100.0))
    where = Placing(launcher, hosts, nodes, per_node)
    request = Request(where, plan, apart, confirm_after, topology, reference, learn, backend, seed, out, wait)
    raise typer.Exit(command.run(request, as_json=json, with_report=report))
