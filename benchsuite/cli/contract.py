"""Commands about contracts of acceptance: contract new, show, check, list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, app

contract_app = typer.Typer(
    help="Write, show and check contracts of acceptance: what was promised, what must be reached, how it is decided.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(contract_app, name="contract")

Named = Annotated[str, typer.Argument(metavar="CONTRACT", help="A contract's file, or a shipped one's name.")]


@contract_app.command()
def new(
    source: Annotated[
        str, typer.Option("--from", metavar="NAME", help="A shipped contract, or host: this machine's newest run.")
    ] = "",
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What machines known good do (benchsuite baseline).")
    ] = None,
    run: Annotated[
        str, typer.Option("--from-run", metavar="RUN", help="No worse than this machine in that run of it.")
    ] = "",
    only: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Require only what holds this word (repeatable).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The contract's name: a-z, 0-9 and . _ -")] = None,
    title: Annotated[str | None, typer.Option(help="What it is about, in a line.")] = None,
    provider: Annotated[str | None, typer.Option(help="Who promises the machine.")] = None,
    devices: Annotated[int | None, typer.Option(metavar="N", help="GPUs on each node.")] = None,
    nodes: Annotated[int | None, typer.Option(metavar="N", help="Nodes that were promised.")] = None,
    minutes: Annotated[float | None, typer.Option(metavar="MINUTES", help="Burn-in of each device; 0: none.")] = None,
    good: Annotated[
        float | None, typer.Option(metavar="PART", help="Part of a reference that may be lost: 0.02.")
    ] = None,
    bad: Annotated[
        float | None, typer.Option(metavar="PART", help="Part lost from which on nothing is accepted: 0.05.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(metavar="CHANCE", help="Chance to reject any good device of all.")
    ] = None,
    beta: Annotated[float | None, typer.Option(metavar="CHANCE", help="Chance to accept a bad device.")] = None,
    retests: Annotated[int | None, typer.Option(metavar="N", help="How often a device may be tested again.")] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Measured time of each run of a requirement.")
    ] = None,
    challenge: Annotated[
        bool | None, typer.Option("--challenge/--no-challenge", help="Whether a nonce of the customer's is needed.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Where to write; default: print it.")] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Write a commented contract: from a shipped one, a baseline of machines known good, or an earlier run."""
    from benchsuite.accept.proposal import Terms
    from benchsuite.commands import contract

    asked = contract.Asked(source, baseline, run, tuple(only or ()), out)
    terms = Terms(
        name, title, provider, devices, nodes, minutes, good, bad, alpha, beta, retests, seconds, challenge
    )  # fmt: skip
    contract.new(asked, terms, to, as_json=json)


@contract_app.command()
def show(name: Named, json: Json = False) -> None:
    """Show all that a contract asks for, with the source of every number."""
    from benchsuite.commands import contract

    contract.show(name, as_json=json)


@contract_app.command()
def check(
    names: Annotated[list[str], typer.Argument(metavar="CONTRACT…", help="Contracts' files, or shipped ones' names.")],
    json: Json = False,
) -> None:
    """Check contracts: grammar, bounds, benchmarks, probes, gates.

    Exit codes: 0 all can be used, 2 one cannot.
    """
    from benchsuite.commands import contract

    contract.check(names, as_json=json)


@contract_app.command("list")
def list_(json: Json = False) -> None:
    """List the shipped contracts."""
    from benchsuite.commands import contract

    contract.listing(as_json=json)
