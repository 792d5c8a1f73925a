"""Commands that start the others on many hosts: launch slurm, launch kubernetes, launch ssh."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, app

launch_app = typer.Typer(
    help="Start a command on many hosts: as a job of Slurm or Kubernetes, or over ssh.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(launch_app, name="launch")

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="SUITE|run|scan|fleet [-- OPTIONS]", help="What the job does: a suite, or a command with its options."
    ),
]
Count = Annotated[int, typer.Option("--nodes", metavar="N", min=1, help="How many nodes.")]
Gpus = Annotated[int, typer.Option("--gpus", metavar="K", min=0, help="GPUs of each node; also ranks on each.")]
Ranks = Annotated[
    int, typer.Option("--per-node", metavar="K", min=0, help="Ranks on each node; default one a GPU, else one a core.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be started, and start nothing.")]


@launch_app.command()
def slurm(
    words: Words,
    nodes: Count,
    gpus: Gpus = 0,
    per_node: Ranks = 0,
    partition: Annotated[str, typer.Option(help="As sbatch takes it.")] = "",
    account: Annotated[str, typer.Option(help="As sbatch takes it.")] = "",
    time: Annotated[
        str, typer.Option(help="The job's time limit, as sbatch takes it: minutes, h:mm:ss, d-hh:mm.")
    ] = "",
    qos: Annotated[str, typer.Option(help="As sbatch takes it.")] = "",
    constraint: Annotated[str, typer.Option(help="As sbatch takes it.")] = "",
    nodelist: Annotated[str, typer.Option(help="As sbatch takes it.")] = "",
    exclude: Annotated[str, typer.Option(help="As sbatch takes it.")] = "",
    exclusive: Annotated[bool, typer.Option("--exclusive/--shared", help="Whole nodes for this job alone.")] = True,
    name: Annotated[str, typer.Option(help="The job's name.")] = "benchsuite",
    out: Out = Path("runs"),
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the job's end; the exit code is the command's.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Submit a job to Slurm that measures; requeued after a preemption, it goes on where it was."""
    from benchsuite.commands import launch
    from benchsuite.launchers.batch import Batch

    asked = Batch(
        launch.checked(words),
        nodes,
        out.absolute(),
        gpus,
        per_node,
        partition,
        account,
        time,
        qos,
        constraint,
        nodelist,
        exclude,
        exclusive,
        name,
    )
    raise typer.Exit(launch.slurm(asked, wait=wait, dry_run=dry_run, as_json=json))


@launch_app.command()
def kubernetes(
    words: Words,
    nodes: Count,
    image: Annotated[str, typer.Option(metavar="IMAGE@sha256:…", help="Holds benchsuite, its MPI and sshd.")],
    gpus: Gpus = 0,
    per_node: Ranks = 0,
    mpi: Annotated[str, typer.Option(help="The MPI in the image: mpich, openmpi, intel.")] = "mpich",
    name: Annotated[str, typer.Option(help="The job's name.")] = "benchsuite",
    namespace: Annotated[str, typer.Option(help="Default the one kubectl uses.")] = "",
    pvc: Annotated[str, typer.Option(metavar="CLAIM", help="Keeps the results; else they end with the pod.")] = "",
    cpu: Annotated[str, typer.Option(help="Processors of each pod, as Kubernetes writes them.")] = "",
    memory: Annotated[str, typer.Option(help="Memory of each pod, as Kubernetes writes it.")] = "",
    resource: Annotated[str, typer.Option(help="What the cluster calls a GPU.")] = "nvidia.com/gpu",
    node_selector: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=VALUE", help="Only nodes with this label (repeatable).")
    ] = None,
    deadline: Annotated[int, typer.Option(metavar="SECONDS", min=0, help="End the job after this time; 0: never.")] = 0,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the manifest there.")] = None,
    json: Json = False,
) -> None:
    """Print an MPIJob for the MPI Operator of Kubernetes: give it to 'kubectl apply -f -'."""
    from benchsuite.commands import launch
    from benchsuite.launchers.manifest import Pods

    asked = Pods(
        launch.checked(words, here=False),
        nodes,
        image,
        gpus,
        per_node,
        mpi,
        name,
        namespace,
        pvc,
        cpu,
        memory,
        resource,
        tuple(node_selector or ()),
        deadline,
    )
    raise typer.Exit(launch.kubernetes(asked, output, as_json=json))


@launch_app.command()
def ssh(
    words: Words,
    hosts: Annotated[
        str, typer.Option("--hosts", metavar="FILE|LIST", help="A machine file, or names as node[01-16].")
    ],
    per_node: Ranks = 0,
    nodes: Annotated[int, typer.Option("--nodes", metavar="N", min=0, help="The first N of them; default all.")] = 0,
    out: Out = Path("runs"),
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Measure on the hosts of a file, reached by MPI over ssh: the same as the command with --hosts."""
    from benchsuite.commands import launch
    from benchsuite.placing import Placing

    placing = Placing("mpiexec", hosts, nodes, per_node)
    raise typer.Exit(launch.ssh(launch.checked(words), placing, out, dry_run=dry_run, as_json=json))
