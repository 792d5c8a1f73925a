"""The command that tests a machine against a contract: accept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, app
from benchsuite.cli.placing import Hosts, LauncherName, Nodes, PerNode

Contract = Annotated[
    str, typer.Argument(metavar="CONTRACT", help="A contract's file, or a shipped one's name.", show_default=False)
]
Nonce = Annotated[
    str,
    typer.Option(metavar="TEXT", help="What the other party gave (16 characters or more): data are made from it."),
]
Key = Annotated[Path | None, typer.Option(metavar="KEY", help="Sign the evidence with this private key.")]
Role = Annotated[str, typer.Option("--as", metavar="ROLE", help="As whom to sign: provider, or operator.")]
Topology = Annotated[Path | None, typer.Option(metavar="FILE", help="Which switch each node hangs on, as for scan.")]
Reference = Annotated[Path | None, typer.Option(metavar="FILE", help="What links known good do, as for scan.")]
Retest = Annotated[str, typer.Option("--retest", metavar="BUNDLE", help="Test those again who were not accepted.")]
Resume = Annotated[str, typer.Option("--resume", metavar="BUNDLE", help="Go on with an acceptance that ended early.")]
Folder = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder that holds the acceptances.")]
PartOf = Annotated[str, typer.Option("--part-of", metavar="BUNDLE", help="Do this node's part.", hidden=True)]


@app.command()
def accept(
    contract: Contract = "",
    nonce: Nonce = "",
    launcher: LauncherName = "auto",
    hosts: Hosts = "",
    nodes: Nodes = 0,
    per_node: PerNode = 0,
    topology: Topology = None,
    reference: Reference = None,
    key: Key = None,
    role: Role = "operator",
    retest: Retest = "",
    resume: Resume = "",
    out: Folder = Path("acceptances"),
    part_of: PartOf = "",
    json: Json = False,
) -> None:
    """Test machines against a contract: exit 0 accepted, 1 rejected, 3 neither, 4 nothing measured."""
    from benchsuite.accept.acceptance import Request
    from benchsuite.commands import accept as command
    from benchsuite.errors import UsageError
    from benchsuite.placing import Placing

    if part_of:
        raise typer.Exit(command.part(Path(part_of)))
    if sum(map(bool, (contract, retest, resume))) != 1:
        raise UsageError("Name a contract, or --retest BUNDLE, or --resume BUNDLE.", "See 'benchsuite contract list'.")
    signer = command.signer(key, role)
    if retest or resume:
        raise typer.Exit(command.go_on(retest or resume, out, signer, again=bool(retest), as_json=json))
    where = Placing(launcher, hosts, nodes, per_node)
    raise typer.Exit(command.run(Request(contract, nonce, where, topology, reference, out), signer, as_json=json))
