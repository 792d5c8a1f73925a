"""The options of every command that starts ranks on hosts: run, scan, fleet."""

from __future__ import annotations

from typing import Annotated

import typer

LauncherName = Annotated[
    str,
    typer.Option(
        "--launcher",
        metavar="NAME",
        help="What starts the ranks: mpiexec, slurm (srun), local; auto is Slurm's in an allocation, else mpiexec.",
    ),
]
Hosts = Annotated[
    str,
    typer.Option(
        "--hosts",
        metavar="FILE|LIST",
        help="Where ranks run: a machine file, or names as node[01-16]; default what the scheduler gave, else here.",
    ),
]
Nodes = Annotated[
    int, typer.Option("--nodes", metavar="N", min=0, help="Use the first N of the hosts; default all of them.")
]
PerNode = Annotated[
    int, typer.Option("--per-node", metavar="K", min=0, help="Ranks on each host; default as many as fit.")
]
