"""How verdicts, deviations, error rates and blind spots are put into words: the same on paper, page and terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.accept import rule
from benchsuite.accept import words as accept_words
from benchsuite.accept.gates import GATES
from benchsuite.accept.probes import PROBES
from benchsuite.model import (
    Case,
    Contract,
    Grounds,
    Kind,
    Requirement,
    RunValue,
    Scalar,
    State,
    Verdict,
    Weight,
    Word,
)
from benchsuite.render.words import CAVEATS, clean, counted, family, parameters, sentence


@dataclass(frozen=True, slots=True)
class Said:
    """Glyph, word, tone and the beginning of the sentence that a verdict becomes."""

    glyph: str
    word: str
    tone: str
    begins: str


WORDS = {
    Word.ACCEPT: Said("✓", "accepted", "good", "Accepted"),
    Word.MARGINAL: Said("~", "marginal", "caution", "Not accepted, marginal"),
    Word.INCONCLUSIVE: Said("?", "cannot tell", "unknown", "Not accepted, cannot tell"),
    Word.INVALID: Said("!", "not valid", "caution", "Not accepted, not a valid measurement"),
    Word.REJECT: Said("✖", "rejected", "bad", "Rejected"),
}
"""Only the first accepts; each other one says so."""

ORDER = (Word.REJECT, Word.INVALID, Word.INCONCLUSIVE, Word.MARGINAL, Word.ACCEPT)
"""The gravest first."""

STATES = {
    State.FAILED: ("✖", "failed", "bad"),
    State.UNKNOWN: ("?", "unknown", "caution"),
    State.PASSED: ("✓", "passed", "good"),
    State.ABSENT: (units.DASH, "not here", "unknown"),
}
"""Glyph, word and tone of a check, what needs attention first."""

WEIGHTS = {
    Weight.REJECT: "failing rejects; unknown is not valid",
    Weight.INVALID: "failing or unknown is not valid",
    Weight.NOTE: "only told",
}

GROUNDS = {
    Grounds.CATALOG: "published figures",
    Grounds.FLEET: "nodes known good",
    Grounds.NEGOTIATED: "agreed by the parties",
    Grounds.OWN: "an earlier run of this machine",
}
"""Where a number of a contract comes from."""

OF_CACHE = re.compile(r"(\d+(?:\.\d+)?)xLLC")
"""A size of a suite that follows from the machine's last-level cache."""

SIGNATURE = (
    "A signature says who vouches for this, not that it is true: whoever controls the machine as root can change "
    "its clock, its driver, or the program."
)


def bare(reason: str, name: str) -> str:
    """A reason without the name of the device, which stands above it, as a sentence."""
    told = clean(reason.removeprefix(f"{name}: "))
    return sentence(told) if told else ""


def signed(log: float | None, places: int = 1) -> str:
    """A log deviation as percent of what was agreed: ``−6.1 %`` is 6.1 % less.

    >>> signed(-0.0629).replace(units.NO_BREAK_SPACE, " ")
    '−6.1 %'
    """
    if log is None or not math.isfinite(log):
        return units.DASH
    percent = round(math.expm1(log) * 100, places)
    sign = units.MINUS if percent < 0 else "+" if percent > 0 else ""
    return f"{sign}{abs(percent):.{places}f}{units.NO_BREAK_SPACE}%"


def chance(probability: float) -> str:
    """A probability as percent with two digits: ``0.13 %``."""
    return f"{probability * 100:.2g}{units.NO_BREAK_SPACE}%"


def margin(part: float) -> str:
    """A margin of a contract: ``5 %``."""
    return f"{part * 100:.4g}{units.NO_BREAK_SPACE}%"


def deviation(requirement: Requirement, value: float | None) -> float | None:
    """The log deviation of one run, positive is better; nothing where there is no positive number."""
    if value is None or not math.isfinite(value) or value <= 0.0:
        return None
    return rule.deviation(requirement, value)


def limits(requirement: Requirement) -> str:
    """``good from −2 %, bad to −5 %``."""
    return f"good from {units.MINUS}{margin(requirement.good)}, bad to {units.MINUS}{margin(requirement.bad)}"


def task(requirement: Requirement) -> str:
    """What is measured: ``Memory bandwidth, read 16 × the last-level cache [wide]``."""
    nothing = units.size(0)  # stands for a size that is only known where it is measured
    times = [found[1] for value in requirement.axes.values() if (found := OF_CACHE.fullmatch(str(value)))]
    sized: dict[str, Scalar] = {
        name: 0 if OF_CACHE.fullmatch(str(value)) else value for name, value in requirement.axes.items()
    }
    told = parameters(Case(requirement.benchmark, tuple(sized.items())))
    for count in times:
        told = told.replace(nothing, f"{count} × the last-level cache", 1)
    return f"{family(requirement.benchmark)}{f', {told}' if told else ''} [{clean(requirement.implementation)}]"


def amounts(requirement: Requirement, runs: Sequence[RunValue], aside: Sequence[bool]) -> str:
    """Every run's value in the order measured, those set aside in parentheses: ``3.312, (2.914), 3.305 TB/s``."""
    scale, letter = units.prefix(requirement.reference)
    told = []
    for run, without in zip(runs, aside, strict=True):
        known = deviation(requirement, run.value) is not None and run.value is not None
        text = units.significant(run.value / scale, 4) if known and run.value is not None else run.status.value
        told.append(f"({text})" if without else text)
    return f"{', '.join(told)}{units.NO_BREAK_SPACE}{units.unit(requirement.metric, letter)}" if told else ""


def notes(runs: Sequence[RunValue]) -> tuple[str, ...]:
    """What the notes of these runs mean, and in how many runs each stands."""
    codes = dict.fromkeys(code for run in runs for code in run.codes)
    told = []
    for code in codes:
        times = sum(code in run.codes for run in runs)
        told.append(f"in {times} of {counted(len(runs), 'run')}: {CAVEATS.get(code, ('', clean(code)))[1]}")
    reasons = dict.fromkeys(run.reason for run in runs if run.reason)
    return (*told, *map(clean, reasons))


def when(started: str) -> str:
    """``2026-11-30 12:00 UTC`` of a time in ISO 8601."""
    date, t, time = started.partition("T")
    return f"{date} {time[:5]} UTC" if t and time.endswith(("+00:00", "Z")) else clean(started)


def claimed(contract: Contract) -> str:
    """The machine that was promised, in a phrase."""
    claim = contract.claim
    each = counted(claim.devices, "GPU") if claim.kind is Kind.GPU else "the processor"
    where = f" on each of {counted(claim.nodes, 'node')}" if claim.nodes > 1 else ""
    by = f", offered by {claim.provider}" if claim.provider else ""
    return clean(f"{claim.model}: {each}{where}{by}")


def rates(contract: Contract, parts: Sequence[Verdict]) -> tuple[str, ...]:
    """The error rates as they held, for somebody who has never heard of alpha."""
    terms = contract.rule
    alphas, betas = [part.alpha for part in parts if part.alpha > 0], [part.beta for part in parts if part.beta > 0]
    ends = {(margin(one.good), margin(one.bad)) for one in contract.requirements}
    good, bad = ends.pop() if len(ends) == 1 else ("its first limit", "its second limit")
    told = [f"Good is what lacks at most {good} of every requirement, bad what lacks {bad} or more of any."]
    if alphas and betas:
        told.append(
            f"In one test a good device is rejected with a probability of at most {chance(max(alphas))}, and a bad one "
            f"accepted with at most {chance(max(betas))}."
        )
    every = f"any good one of all {contract.claim.units}" if contract.claim.units > 1 else "a good one"
    told.append(
        f"Over all tests that were agreed on: {every} is rejected with at most {chance(terms.alpha)}, a bad one "
        f"accepted with at most {chance(terms.beta)}."
    )
    again = f"{counted(terms.retests, 're-test')} may be asked for" if terms.retests else "no re-test may be asked for"
    told.append(
        f"These bounds include every look at the data (after {', '.join(map(str, terms.looks))} runs); {again}."
    )
    told.append(
        "They hold for independent runs whose means are normal, whatever their spread; docs/acceptance-rates.md shows "
        "what simulation found for other noise."
    )
    return tuple(told)


def unseen(contract: Contract, parts: Sequence[Verdict], *, signer: str, nonce: str) -> tuple[str, ...]:
    """What this verdict says nothing about, in sentences."""
    return tuple(_unseen(contract, parts, signer, nonce))


def _unseen(contract: Contract, parts: Sequence[Verdict], signer: str, nonce: str) -> Iterator[str]:
    yield "The speed of whatever is not listed as a requirement, and any day but this one."
    if not contract.identity:
        yield "Whether the machine is what its name says: no identity probe was agreed."
    if not contract.gates:
        yield "Health that only the driver knows, beyond what is always looked at: no check was agreed."
    if contract.heat.minutes <= 0:
        yield "Faults that need heat or time to show: no burn-in was agreed."
    if contract.claim.nodes > 1 and not contract.between.scan:
        yield "Links between nodes: they were not tested."
    blind = dict.fromkeys(
        title_of(one.check) for part in parts for one in part.observations if one.state is State.UNKNOWN
    )
    if blind:
        yield f"Not known of every device: {', '.join(blind)}."
    if not nonce:
        yield "When it was measured: no nonce was given, so an older measurement could be shown again."
    yield SIGNATURE if signer else f"Who vouches for it: it is not signed. {SIGNATURE}"


def title_of(check: str) -> str:
    """A check in words."""
    known = GATES.get(check)
    return known.title if known else clean(check.replace("-", " "))


def probe_of(probe: str) -> str:
    """An identity probe in words."""
    known = PROBES.get(probe)
    return known.title if known else clean(probe.replace("-", " "))


def amount(probe: str, value: float | None) -> str:
    """What an identity probe found, in its unit."""
    if value is None or not math.isfinite(value):
        return units.DASH
    known = PROBES.get(probe)
    return accept_words.amount(value, known.unit if known else "")


LOADS = {"gemm": "flop/s", "power": "flop/s", "memory": "B/s"}
"""The unit of the speed of a burn-in's phase."""


def speed(phase: str, value: float | None) -> str:
    """A phase's speed in its unit."""
    if value is None or not math.isfinite(value) or value <= 0.0:
        return units.DASH
    return units.quantity(value, LOADS.get(phase, "1/s"))


def change(first: float | None, last: float | None) -> str:
    """From the first to the last speed, in percent."""
    if first is None or last is None or not (first > 0.0 and last > 0.0):
        return units.DASH
    return signed(math.log(last / first))
