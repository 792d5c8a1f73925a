"""``keys``, ``sign``, ``verify`` and ``lint``: who vouches for a publication, and whether it is fit to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchsuite import keys, provenance, publication, results, samples
from benchsuite.accept import layout
from benchsuite.commands import bundle
from benchsuite.commands.accept import Signer
from benchsuite.errors import DataError, Exit, UsageError
from benchsuite.keys import Role
from benchsuite.model import Level
from benchsuite.provenance import Checked, State
from benchsuite.reading import printable

CODES = {
    State.VERIFIED: Exit.DONE,
    State.BAD: Exit.REJECTED,
    State.UNTRUSTED: Exit.INCONCLUSIVE,
    State.UNSIGNED: Exit.INCONCLUSIVE,
}
MEANS = {
    Level.SELF_REPORTED: "nobody vouches for it",
    Level.SIGNED: "its provider vouches for it",
    Level.INDEPENDENT: "an independent operator vouches for it",
    Level.CHALLENGED: "the signer vouches for it, and was given the nonce before signing",
}


def new_keys(to: Path | None, *, as_json: bool) -> None:
    """Make a pair of keys, and say where they are."""
    private, public, fingerprint = keys.new(to or keys.home())
    if as_json:
        _print({"private": str(private), "public": str(public), "fingerprint": fingerprint})
        return
    print(f"Private key: {private} (keep it to yourself)")
    print(f"Public key:  {public} (give it to whoever verifies)")
    print(f"Fingerprint: {fingerprint}")


def file_of(name: str, out: Path, to: Path) -> Path:
    """The publication's file, or the acceptance, called ``name``; a run's is written into ``to``, samples beside it."""
    if Path(name).is_file() or layout.is_bundle(Path(name)):
        return Path(name)
    loaded = results.load(name, out)
    if loaded.damaged:
        raise DataError(loaded.problems[0], f"{loaded.path.name} can be shown, but not signed: measure again.")
    told = results.public(loaded)
    path = to / f"{told.id}.json"
    try:
        to.mkdir(parents=True, exist_ok=True)
        path.write_bytes(publication.encode(told))
        (to / f"{told.id}{publication.SAMPLES}").write_bytes(publication.encode_samples(loaded.records))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", "Choose another folder with --to.") from error
    return path


def sign(file: Path, key: Path | None, role: str, nonce: str, *, as_json: bool) -> None:
    """Write the signature beside the file, or into the acceptance's folder."""
    if role not in set(Role):
        raise UsageError(f"--as {printable(role)} is unknown.", f"Choose one of {', '.join(Role)}.")
    own = key or keys.home() / keys.PRIVATE
    if not own.exists():
        raise UsageError(f"There is no private key {own}.", "Make one with 'benchsuite keys new', or give --key.")
    secret = keys.private(own)
    if layout.is_bundle(file):
        if nonce:
            raise UsageError("An acceptance has its own nonce.", "Leave --nonce out.")
        target = bundle.sign(file, Signer(secret, Role(role)))
    else:
        target = _signed(file, secret, Role(role), nonce)
    if as_json:
        _print({"signature": str(target), "fingerprint": keys.fingerprint(secret.public_key())})
    else:
        print(f"Signature: {target}")


def _signed(file: Path, secret: Ed25519PrivateKey, role: Role, nonce: str) -> Path:
    envelope = provenance.sign(file, secret, role, keys.nonce(nonce) if nonce else "")
    target = file.with_name(file.name + provenance.SUFFIX)
    try:
        keys.write(target, envelope, 0o644)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}.", "Copy the file elsewhere.") from error
    return target


def judged(file: Path, out: Path) -> Path:
    """What is to be verified: a path, or an acceptance in ``out`` by its id or ``latest``. Raises ``UsageError``."""
    if file.exists() or len(file.parts) != 1 or file.suffix:
        return file
    return layout.find(file.name, out)


def verify(
    file: Path, trusted: Sequence[Path], nonces: Sequence[str], contract: Path | None = None, *, as_json: bool
) -> int:
    """Say who vouches for the file, and whether the samples beside it are those it speaks of; of an acceptance's
    folder, whether its verdict follows, from this contract. Returns the exit code."""
    trust = keys.trust(trusted, nonces)
    if layout.is_bundle(file) or (file / layout.MANIFEST).is_file():
        return bundle.verify(file, trust, nonces, contract, as_json=as_json)
    if not file.exists():
        raise UsageError(f"There is no {file}.", "Name a publication's JSON file, or an acceptance's folder.")
    if contract is not None:
        raise UsageError("--contract is for an acceptance.", "Name its folder.")
    if file.is_dir():
        raise UsageError(f"{file} is a folder.", "Name a publication's JSON file; 'benchsuite sign RUN' writes one.")
    checked = provenance.check(file, trust)
    problems = [checked.problem] if checked.problem else []
    if checked.state is not State.BAD:
        found = publication.vetted(file)
        beside = file.with_name(f"{found.publication.id}{publication.SAMPLES}")
        wrong = samples.problems(found.publication, beside) if beside.exists() else []
        problems += [*found.problems, *wrong]
        if wrong or (found.problems and checked.state is State.VERIFIED):
            checked = Checked(State.BAD)
    if as_json:
        document = {"state": checked.state, "level": checked.level, "signer": checked.signer, "problems": problems}
        _print(document)
    else:
        who = f" ({checked.signer})" if checked.signer else ""
        print(f"{checked.state.value}: {checked.level.value}{who}: {MEANS[checked.level]}.")
        for problem in problems:
            print(printable(problem))
        if checked.state is State.UNTRUSTED:
            print("If you trust its owner, give the public key with --trust.")
    return int(CODES[checked.state])


def lint(names: Sequence[str], out: Path, *, as_json: bool) -> int:
    """Print what the rules find in these exhibits; 1 when anything forbids to publish them so."""
    from benchsuite import exhibits
    from benchsuite import lint as rules

    found = rules.lint(exhibits.gather(names, out))
    blocks = [one for one in found if one.severity is rules.Severity.BLOCKS]
    if as_json:
        _print(found)
    else:
        for one in found:
            print(printable(f"{one.severity.value}: {one.title}: {one.subject}: {one.text}"))
        print(f"{len(blocks)} to mend before publishing, {len(found) - len(blocks)} to know.")
    return int(Exit.REJECTED if blocks else Exit.DONE)


def _print(document: object) -> None:
    print(msgspec.json.encode(document).decode())
