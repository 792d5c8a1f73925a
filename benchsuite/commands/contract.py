"""``contract``: written, shown, checked, listed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from benchsuite import results, units
from benchsuite.accept import baseline as baselines
from benchsuite.accept import contract as contracts
from benchsuite.accept import contract_text, gates, proposal, stages
from benchsuite.errors import DataError, UsageError
from benchsuite.model import Contract, Grounds
from benchsuite.reading import printable
from benchsuite.render import contract as render

HOST = "host"
"""``--from host``: this machine as its newest run found it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a new contract is made from: a shipped one's name, a baseline's file, or a run; ``out`` has the runs."""

    source: str
    baseline: Path | None
    run: str
    only: tuple[str, ...]
    out: Path


def new(asked: Asked, terms: proposal.Terms, to: Path | None, *, as_json: bool) -> None:
    """Write a contract into ``to``, or print it.

    Raises ``UsageError`` when the terms make no sense, or something lies at ``to`` already.
    """
    made = proposal.agreed(_made(asked), terms)
    text = contract_text.text(made)
    found = contracts.loads(text.encode(), "the new contract")
    if to is not None:
        _write(to, text)
    if as_json:
        print(msgspec.json.encode({**document(found), "path": str(to) if to else ""}).decode())
    elif to is None:
        print(text, end="")
    else:
        print(printable(f"{to}: {found.title}. SHA-256 {found.digest}"))
        print(printable(f"Read it, change what was agreed otherwise, and check it: benchsuite contract check {to}"))


def _made(asked: Asked) -> Contract:
    run = asked.run or ("latest" if asked.source == HOST else "")
    named = asked.source if asked.source != HOST else ""
    ways = [way for way in (named, asked.baseline, run) if way]
    if len(ways) != 1:
        problem = "A contract is made from one thing" if ways else "There is nothing to make a contract from"
        raise UsageError(f"{problem}.", "Give one of --from NAME, --baseline FILE, --from-run RUN.")
    if asked.baseline:
        return proposal.from_baseline(*baselines.read(asked.baseline), asked.only)
    if run:
        return proposal.from_run(_ran(run, asked), asked.only)
    return _chosen(contracts.find(named), asked.only)


def _ran(name: str, asked: Asked) -> proposal.Ran:
    try:
        loaded = results.load(name, asked.out)
    except UsageError as error:
        if asked.source == HOST:
            message = "Nobody publishes what this host does, so it must be measured first."
            raise UsageError(message, "Run: benchsuite run --backend host --runs 5") from error
        raise
    if loaded.damaged:
        raise DataError(loaded.problems[0], "Measure again: a contract needs numbers that nobody doubts.")
    made = loaded.campaign
    if asked.source == HOST and made.backend != HOST:
        raise UsageError(f"The run {made.id} is not of the host.", "Name one: --from-run RUN.")
    scores = results.scores_of(loaded)
    return proposal.Ran(made.id, made.started, made.backend, made.facts, scores)


def _chosen(contract: Contract, only: Sequence[str]) -> Contract:
    """The contract with the requirements whose names hold one of these words."""
    kept = tuple(one for one in contract.requirements if not only or any(word in one.name for word in only))
    if not kept:
        names = ", ".join(one.name for one in contract.requirements)
        raise UsageError("No requirement matches --only.", f"There are {names}.")
    return replace(contract, requirements=kept)


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already.", "Choose another name: no contract is overwritten.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", "Choose another place.") from error


def show(name: str, *, as_json: bool) -> None:
    """Print all that a contract asks for."""
    found = contracts.find(name)
    if as_json:
        print(msgspec.json.encode({**document(found), "remarks": [*remarks(found)]}).decode())
    else:
        render.shown(found, remarks(found), Console(highlight=False))


def check(names: Sequence[str], *, as_json: bool) -> None:
    """Say of each contract that it can be used, and what a reader should know. Raises ``UsageError`` for the first that
    cannot."""
    found = [contracts.find(name) for name in names]
    if as_json:
        told = [{"name": one.name, "digest": one.digest, "remarks": [*remarks(one)]} for one in found]
        print(msgspec.json.encode(told).decode())
        return
    for name, one in zip(names, found, strict=True):
        print(printable(f"{name}: nothing is wrong with it. SHA-256 {one.digest}"))
        for remark in remarks(one):
            print(printable(f"  {remark}"))


def listing(*, as_json: bool) -> None:
    """Print the shipped contracts."""
    found = [contracts.read(path) for path in contracts.shipped().values()]
    if as_json:
        told = [{"name": one.name, "title": one.title, "model": one.claim.model, "digest": one.digest} for one in found]
        print(msgspec.json.encode(told).decode())
    else:
        render.listing(found, Console(highlight=False))


def document(contract: Contract) -> dict[str, Any]:
    """The contract as JSON has it."""
    made: dict[str, Any] = msgspec.to_builtins(contract)
    return made


def remarks(contract: Contract) -> Iterator[str]:
    """What a reader should know of a contract that can be read, each a sentence."""
    least, most = map(units.guessed, stages.forecast(contract))
    together = "; all nodes work at once" if contract.claim.nodes > 1 else ""
    yield f"A test takes about {least} if all is clear at the first look, {most} at the last{together}."
    if contract.claim.units > 1:
        yield f"alpha {contract.rule.alpha:g} is divided among {contract.claim.units} devices."
    if any(one.grounds is Grounds.CATALOG for one in contract.requirements):
        yield (
            "References from the catalogue are single published figures, so their margins are wide; a baseline of "
            "machines known good makes them narrow."
        )
    asked = {gate.check for gate in contract.gates}
    left = [name for name, check in gates.GATES.items() if contract.claim.kind in check.kinds and name not in asked]
    if unasked := [name for name in left if not gates.GATES[name].always]:
        yield f"Not looked at: {', '.join(unasked)}."
    if not contract.identity:
        yield "No identity probe is asked for: a renamed card is only found by the gates."
    if contract.heat.minutes == 0:
        yield "There is no burn-in."
    if not contract.challenge:
        yield "No nonce is asked for: nothing shows that the results were made for this acceptance."
