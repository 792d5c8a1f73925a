"""The command that measures all nodes of an allocation in one go: fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, Report, app
from benchsuite.cli.placing import Hosts, LauncherName, Nodes, PerNode


@app.command()
def fleet(
    suite: Annotated[
        str,
        typer.Argument(
            help="What each node runs alone, all at the same time; default gpu on a GPU, else quick.",
            show_default=False,
        ),
    ] = "",
    together: Annotated[str, typer.Option(metavar="SUITE", help="What all nodes run together.")] = "collectives",
    phase: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only nodes, scan or together (repeatable).")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Of each node's suite: benchmarks or cases by pattern, as in run.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="About how long each node's suite may take.")
    ] = None,
    runs: Annotated[
        int | None, typer.Option(min=1, help="Runs of each node's suite; default as many as tell the nodes apart.")
    ] = None,
    margin: Annotated[
        float, typer.Option(metavar="PERCENT", min=0.0, max=99.0, help="A node slower by less is never called slow.")
    ] = 5.0,
    launcher: LauncherName = "auto",
    hosts: Hosts = "",
    nodes: Nodes = 0,
    per_node: PerNode = 0,
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="Rounds of the scan.")] = 24,
    full: Annotated[bool, typer.Option("--full", help="Scan every pair.")] = False,
    nbytes: Annotated[str, typer.Option("--bytes", metavar="SIZE", help="Size of a transfer of the scan.")] = "16 MiB",
    apart: Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="Time between sweeps of the scan.")] = 0.0,
    confirm_after: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.0, help="Time before the scan's second look.")
    ] = 0.0,
    topology: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Which switch each node hangs on, as for scan.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What nodes known good do, as for scan.")
    ] = None,
    backend: Annotated[
        str, typer.Option(help="What executes: cuda, host, fake; auto is a GPU if there is one.")
    ] = "auto",
    seed: Annotated[int | None, typer.Option(help="Repeat the data and order of an earlier run.")] = None,
    out: Out = Path("runs"),
    resume: Annotated[str, typer.Option("--resume", metavar="RUN", help="Go on with a run that ended early.")] = "",
    show: Annotated[str, typer.Option("--show", metavar="RUN", help="Only show an earlier run again.")] = "",
    json: Json = False,
    report: Report = True,
) -> None:
    """Measure every node alone at the same time, then in pairs, then all together; say which node stands out."""
    from benchsuite.commands import fleet as command
    from benchsuite.errors import UsageError
    from benchsuite.fleet import Phase
    from benchsuite.fleet_plan import Request, ScanOptions
    from benchsuite.placing import Placing

    if resume and show:
        raise UsageError("--resume and --show are two things.", "Choose one.")
    if resume or show:
        path = command.named(resume or show, out)
        act = command.resume if resume else command.show
        raise typer.Exit(act(path, as_json=json, with_report=report))
    if unknown := [name for name in phase or () if name not in set(Phase)]:
        raise UsageError(f"There is no phase {unknown[0]!r}.", f"Choose among {', '.join(Phase)}.")
    request = Request(
        suite,
        together,
        tuple(only or ()),
        budget,
        runs,
        backend,
        seed,
        tuple(one for one in Phase if not phase or one in phase),
        margin / 100.0,
        Placing(launcher, hosts, nodes, per_node),
        ScanOptions(rounds, full, nbytes, apart, confirm_after, topology, reference),
        out,
    )
    raise typer.Exit(command.run(request, as_json=json, with_report=report))
