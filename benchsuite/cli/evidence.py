"""Commands about who vouches for what: keys, sign, verify, lint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, app

File = Annotated[
    Path,
    typer.Argument(metavar="FILE|BUNDLE", help="A publication's JSON file; an acceptance: its folder, id or latest."),
]
keys = typer.Typer(name="keys", help="Make the keys that sign publications.", no_args_is_help=True)
app.add_typer(keys)


@keys.callback()
def _group() -> None:
    """Make the keys that sign publications."""


@keys.command("new")
def new(
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to put them; default ~/.config/benchsuite.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a private and a public key (Ed25519); an older one is never replaced."""
    from benchsuite.commands import evidence

    evidence.new_keys(to, as_json=json)


@app.command()
def sign(
    name: Annotated[str, typer.Argument(metavar="RUN|FILE|BUNDLE", help="A run, a publication, or an acceptance.")],
    key: Annotated[
        Path | None, typer.Option(metavar="KEY", help="The private key; default the one in ~/.config/benchsuite.")
    ] = None,
    role: Annotated[
        str, typer.Option("--as", metavar="ROLE", help="provider: you offer the machine; operator: you only measured.")
    ] = "provider",
    nonce: Annotated[str, typer.Option(metavar="TEXT", help="What the verifier gave you for this measurement.")] = "",
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Of a run: where to write what is signed.")] = Path(
        "signed"
    ),
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Sign a run's public record: the signature says who vouches for it, not that it is true."""
    from benchsuite.commands import evidence

    evidence.sign(evidence.file_of(name, out, to), key, role, nonce, as_json=json)


@app.command()
def verify(
    file: File,
    trust: Annotated[
        list[Path] | None, typer.Option(metavar="PUBKEY", help="A public key you trust, or a folder of them.")
    ] = None,
    nonce: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="A nonce that you gave.")] = None,
    contract: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of an acceptance: the contract that it must be about.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where acceptances are.")] = Path("acceptances"),
    json: Json = False,
) -> None:
    """Verify a publication or an acceptance: exit 0 verified, 1 false or changed, 3 unsigned or by an unknown key."""
    from benchsuite.commands import evidence

    raise typer.Exit(evidence.verify(evidence.judged(file, out), trust or (), nonce or (), contract, as_json=json))


@app.command()
def lint(
    names: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Runs, publications or folders that are to be shown together.")
    ],
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Check what is to be published against twelve rules of honest reporting and our own; exit 1 when one is broken."""
    from benchsuite.commands import evidence

    raise typer.Exit(evidence.lint(names, out, as_json=json))
