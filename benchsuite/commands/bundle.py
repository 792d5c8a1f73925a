"""``verify`` and ``sign`` of an acceptance: whether all of a folder is as it was sealed, follows, and who vouches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from benchsuite import identity, provenance, reading
from benchsuite.accept import bundle, deriving, layout, retracing
from benchsuite.accept.deriving import Judged
from benchsuite.accept.layout import Made
from benchsuite.commands import accept
from benchsuite.commands.accept import Signer
from benchsuite.errors import BenchsuiteError, DataError, Exit
from benchsuite.keys import Trust
from benchsuite.model import Evidence, FleetVerdict, Level
from benchsuite.protocol import encode
from benchsuite.provenance import SUFFIX
from benchsuite.reading import printable
from benchsuite.store import digest

T = TypeVar("T")
LIMITS = reading.Limits(line=256 << 20, values=8_000_000)
CONTRADICTIONS = (ValueError, LookupError, ArithmeticError, TypeError, RecursionError, OSError)
PRECISION = 1e-9
"""Part by which a number may differ that another version of a library computed."""


class State(StrEnum):
    """What became of a verification. Only ``VERIFIED`` passes."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"
    UNTRUSTED = "untrusted"
    UNKNOWN = "cannot tell"
    BAD = "bad"


CODES = {State.VERIFIED: Exit.DONE, State.BAD: Exit.REJECTED}
"""Exit codes; of every other state ``INCONCLUSIVE``."""
FOLLOWS = "Every file is as it was sealed, and the verdict follows from the raw results."
MEANS = {
    State.VERIFIED: f"{FOLLOWS} A signature says who vouches for the results, not that they are true.",
    State.UNSIGNED: (
        f"{FOLLOWS} But nobody signed it: whoever had the folder may have changed results and sealed it again."
    ),
    State.UNTRUSTED: (
        f"{FOLLOWS} But the key that signed it is not trusted here, and anybody can make a key: "
        "give the public key with --trust if you know whose it is."
    ),
    State.UNKNOWN: (
        "Every file is as it was sealed, but this benchsuite is not the one that made it, and does not derive the "
        "same from it. Verify it with that one."
    ),
    State.BAD: "It must not be relied on.",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a verification found. verdict: as it was derived again; ``None`` where it could not be."""

    state: State
    level: Level = Level.SELF_REPORTED
    signer: str = ""
    verdict: FleetVerdict | None = None
    problems: tuple[str, ...] = ()


def verify(path: Path, trust: Trust, nonces: Sequence[str], contract: Path | None, *, as_json: bool) -> int:
    """Say whether an acceptance can be relied on. Returns the exit code, which is not that of its verdict."""
    found = check(path, trust, nonces, contract)
    if as_json:
        told = {
            "state": found.state,
            "level": found.level,
            "signer": found.signer,
            "verdict": found.verdict.word if found.verdict else None,
            "reason": found.verdict.reason if found.verdict else "",
            "contract": found.verdict.digest if found.verdict else "",
            "problems": found.problems,
        }
        print(msgspec.json.encode(told).decode())
    else:
        who = f" by {found.signer} ({found.level.value})" if found.signer else ""
        print(printable(f"{found.state.value}{who}: {MEANS[found.state]}"))
        for problem in found.problems:
            print(printable(problem))
        if found.verdict and found.state is not State.BAD:
            print(printable(f"Its verdict is {found.verdict.word.value}: {found.verdict.reason}"))
    return int(CODES.get(found.state, Exit.INCONCLUSIVE))


def sign(path: Path, who: Signer) -> Path:
    """Sign a bundle whose verdict follows, with papers that name the signer; the file of the signature.

    Raises ``DataError`` for a bundle that must not be relied on.
    """
    found = check(path, Trust())
    if found.state in {State.BAD, State.UNKNOWN}:
        raise DataError(f"{path.name} is not signed: {found.problems[0]}", "Sign it where it was made.")
    judged = deriving.judged(path)
    if judged.made.code == identity.code():
        accept.close(path, judged, who)
        return path / (layout.MANIFEST + SUFFIX)
    return bundle.sign(path, who.key, who.role)


def check(path: Path, trust: Trust, nonces: Sequence[str] = (), contract: Path | None = None) -> Found:
    """What of a bundle can be relied on. contract: the file of the contract that it must be about."""
    try:
        made = layout.read(path)
        if false := [*_others(made, nonces, contract), *bundle.unsealed(path, made)]:
            return Found(State.BAD, problems=tuple(false))
        judged = deriving.judged(path)
        strange = list(_strange(path, judged))
    except BenchsuiteError as error:
        return Found(State.BAD, problems=(str(error),))
    except CONTRADICTIONS as error:  # files that were edited and sealed again may hold anything
        return Found(State.BAD, problems=(f"Its files contradict each other ({type(error).__name__}).",))
    who = bundle.signed(path, trust)
    if who.state is provenance.State.BAD or (strange and made.code == identity.code()):
        return Found(State.BAD, verdict=judged.verdict, problems=(*filter(None, [who.problem]), *strange))
    state = State.UNKNOWN if strange else State(who.state.value)
    told = (*strange, *filter(None, [who.problem]))
    return Found(state, who.level, who.signer, judged.verdict, told)


def _others(made: Made, nonces: Sequence[str], contract: Path | None) -> Iterator[str]:
    """Whether it is about another contract, or another challenge, than whoever verifies means."""
    if contract is not None and digest(reading.content(contract)) != made.contract:
        yield f"It is about another contract: SHA-256 {made.contract}, not that of {contract.name}."
    if nonces and not (made.challenged and made.nonce in nonces):
        yield "It was not made with the nonce that you gave: the results may be from another day or machine."


def _strange(path: Path, found: Judged) -> Iterator[str]:
    """What does not follow from the raw results as the contract, the rule and this program have it."""
    yield from retracing.problems(path, found)
    evidences = _stored(path / layout.EVIDENCE, found.evidences, tuple[Evidence, ...])
    verdict = _stored(path / layout.VERDICT, found.verdict, FleetVerdict)
    if evidences is None:
        yield f"{layout.EVIDENCE} does not follow from the raw results."
    if verdict is None:
        yield f"{layout.VERDICT} does not follow from the evidence: it must be {found.verdict.word.value}."
    if evidences is None or verdict is None:
        return
    papers = accept.papers(path, replace(found, evidences=evidences, verdict=verdict))
    there = {name for name in (*layout.DERIVED, *_pages(path)) if (path / name).is_file()}
    for name in sorted((there - {layout.EVIDENCE, layout.VERDICT}) | papers.keys()):
        if name not in papers:
            yield f"{printable(name)} is no paper of this acceptance."
        elif name not in there or reading.content(path / name) != papers[name].encode():
            yield f"{name} does not say what was found."


def _pages(path: Path) -> list[str]:
    return [f"{layout.PAPERS}/{one.name}" for one in (path / layout.PAPERS).glob("*")]


def _stored(path: Path, derived: T, kind: Any) -> T | None:
    """What a derived file holds; ``None`` when it is not what is derived now."""
    try:
        data = reading.content(path, LIMITS)
        held: T = reading.value(data, kind, LIMITS)
    except DataError:
        return None
    return held if same(msgspec.json.decode(data), msgspec.json.decode(encode(derived))) else None


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, numbers but for rounding."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
        case (bool(), _) | (_, bool()):
            return one is other
        case ((int() | float()), (int() | float())):
            return math.isclose(one, other, rel_tol=PRECISION, abs_tol=PRECISION)
        case _:
            return bool(one == other)
