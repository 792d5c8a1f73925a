"""The command that measures all nodes of an allocation in one go: fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, Report, app
from benchsuite.cli.placing import Hosts, LauncherName, Nodes, PerNode

Suite = Annotated[
    str,
    typer.Argument(help="What each node runs alone, all at once; gpu on a GPU, else quick.", show_default=False),
]
Together = Annotated[str, typer.Option(metavar="SUITE", help="What all nodes run together.")]
Phases = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only nodes, scan or together (repeatable).")]
Only = Annotated[
    list[str] | None, typer.Option(help="Of each node's suite: benchmarks or cases by pattern, as in run.")
]
Budget = Annotated[float | None, typer.Option(metavar="SECONDS", help="About how long each node's suite may take.")]
Runs = Annotated[
    int | None, typer.Option(min=1, help="Runs of each node's suite; default as many as tell the nodes apart.")
]
Margin = Annotated[
    float, typer.Option(metavar="PERCENT", min=0.0, max=99.0, help="A node slower by less is never called slow.")
]
Rounds = Annotated[int, typer.Option(metavar="N", min=1, help="Rounds of the scan.")]
Full = Annotated[bool, typer.Option("--full", help="Scan every pair.")]
Bytes = Annotated[str, typer.Option("--bytes", metavar="SIZE", help="Size of a transfer of the scan.")]
Apart = Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="Time between sweeps of the scan.")]
ConfirmAfter = Annotated[float, typer.Option(metavar="SECONDS", min=0.0, help="Time before the scan's second look.")]
Topology = Annotated[Path | None, typer.Option(metavar="FILE", help="Which switch each node hangs on, as for scan.")]
Reference = Annotated[Path | None, typer.Option(metavar="FILE", help="What nodes known good do, as for scan.")]
Backend = Annotated[str, typer.Option(help="What executes: cuda, host, fake; auto is a GPU if there is one.")]
Seed = Annotated[int | None, typer.Option(help="Repeat the data and order of an earlier run.")]
Resume = Annotated[str, typer.Option("--resume", metavar="RUN", help="Go on with a run that ended early.")]


@app.command()
def fleet(
    suite: Suite = "",
    together: Together = "collectives",
    phase: Phases = None,
    only: Only = None,
    budget: Budget = None,
    runs: Runs = None,
    margin: Margin = 5.0,
    launcher: LauncherName = "auto",
    hosts: Hosts = "",
    nodes: Nodes = 0,
    per_node: PerNode = 0,
    rounds: Rounds = 24,
    full: Full = False,
    nbytes: Bytes = "16 MiB",
    apart: Apart = 0.0,
    confirm_after: ConfirmAfter = 0.0,
    topology: Topology = None,
    reference: Reference = None,
    backend: Backend = "auto",
    seed: Seed = None,
    out: Out = Path("runs"),
    resume: Resume = "",
    json: Json = False,
    report: Report = True,
) -> None:
    """Measure every node alone at the same time, then in pairs, then all together; say which node stands out."""
    from benchsuite.commands import fleet as command
    from benchsuite.errors import UsageError
    from benchsuite.fleet.fleet import Phase
    from benchsuite.fleet.forecast import Request, ScanOptions
    from benchsuite.placing import Placing

    if resume:
        raise typer.Exit(command.resume(command.named(resume, out), as_json=json, with_report=report))
    if unknown := [name for name in phase or () if name not in set(Phase)]:
        raise UsageError(f"There is no phase {unknown[0]!r}.", f"Choose among {', '.join(Phase)}.")
    phases = tuple(one for one in Phase if not phase or one in phase)
    where = Placing(launcher, hosts, nodes, per_node)
    scan = ScanOptions(rounds, full, nbytes, apart, confirm_after, topology, reference)
    asked = Request(
        suite, together, tuple(only or ()), budget, runs, backend, seed, phases, margin / 100, where, scan, out
    )
    raise typer.Exit(command.run(asked, as_json=json, with_report=report))
