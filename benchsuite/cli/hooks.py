"""The command that tells a scheduler or a monitor what came of an acceptance: hooks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, app

Bundle = Annotated[str, typer.Argument(metavar="BUNDLE", help="An acceptance: its folder, its id, or 'latest'.")]
Slurm = Annotated[bool, typer.Option("--slurm", help="Drain nodes that were not accepted (scontrol).")]
Kubernetes = Annotated[
    bool, typer.Option("--kubernetes", help="Tell each node's condition, taint those not accepted (kubectl).")
]
HealthCheck = Annotated[
    bool, typer.Option("--nhc", help="Lines for nhc.conf (LBNL Node Health Check) that fail on those nodes.")
]
Prometheus = Annotated[
    Path | None, typer.Option(metavar="FILE.prom", help="Metrics for node_exporter's textfile collector.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without, it is only printed.")]
Acceptances = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder that holds the acceptances.")]


@app.command()
def hooks(
    bundle: Bundle,
    slurm: Slurm = False,
    kubernetes: Kubernetes = False,
    nhc: HealthCheck = False,
    prometheus: Prometheus = None,
    apply: Apply = False,
    out: Acceptances = Path("acceptances"),
    json: Json = False,
) -> None:
    """Print what Slurm, Kubernetes or Prometheus should know of an acceptance; --apply tells them."""
    from benchsuite.commands import hooks as command

    asked = [name for name, wanted in (("slurm", slurm), ("kubernetes", kubernetes), ("nhc", nhc)) if wanted]
    raise typer.Exit(command.run(bundle, asked, prometheus, out, apply=apply, as_json=json))
