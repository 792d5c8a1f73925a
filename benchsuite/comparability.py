"""The gate before every ratio: which two numbers measure the same thing, and which declared conditions differ.

What must match is part of the measurement (a hard mismatch: no ratio). What must be declared belongs to the machine as
it was found (a soft mismatch: the ratio stands, with a list of what differs).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchsuite.model import Exhibit, Metric, Origin, Publication, Score, Status

UNKNOWN = "not known"

KINDS: Mapping[str, Callable[[Score], str]] = {
    "metric": lambda score: score.metric.value,
    "backend": lambda score: score.backend,
    "cache mode": lambda score: score.cache,
    "synchronisation of the ranks": lambda score: score.sync,
    "clock policy": lambda score: "locked" if any(one.code == "CLOCK_LOCKED" for one in score.caveats) else "free",
}
"""What two scores of one case and implementation must have in common before anything is said of their ratio."""

DECLARED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "cuda": (
        ("gpu", "driver"),
        ("gpu", "power limit"),
        ("gpu", "ecc"),
        ("gpu", "mig"),
    ),
    "host": (
        ("system", "frequency governor"),
        ("system", "kernel"),
        ("memory", "transparent huge pages"),
    ),
}
"""By backend, section and name of the facts that a ratio is given beside, never without. The fake one has none."""


def unlike(a: Score, b: Score) -> str:
    """Why these two numbers do not measure the same thing, or nothing."""
    for score in (a, b):
        if reason := valueless(score):
            return reason
    for name, one, other in zip(KINDS, kind(a), kind(b), strict=True):
        if one != other:
            return f"the {name} differs: {one or 'unknown'} and {other or 'unknown'}"
    return ""


def valueless(score: Score) -> str:
    """Why there is no number to compare, or nothing. What is not above zero is no measurement, and has no logarithm."""
    if score.value is None or score.status is not Status.OK:
        return score.reason or "no value"
    if score.metric is Metric.TEMPERATURE:
        return "a ratio of temperatures says nothing"
    usable = all(0.0 < value < math.inf for value in (score.value, *score.run_values))
    return "" if usable else "its value is not above zero"


def kind(score: Score) -> tuple[str, ...]:
    """What ``unlike`` looks at: scores of equal kind are compared."""
    return tuple(told(score) for told in KINDS.values())


def unmeasured(a: Origin, b: Origin) -> str:
    """Why no verdict is given on two numbers, of which one was not measured by us; or nothing."""
    for origin in (a, b):
        if origin is not Origin.MEASURED:
            return f"{'an' if origin is Origin.IMPORTED else 'a'} {origin.value} figure has no runs of ours"
    return ""


def differing(a: Publication, b: Publication, one: Score, other: Score) -> tuple[str, ...]:
    """Names of the declared conditions in which two comparable scores differ, or that one side does not tell."""
    names = DECLARED.get(one.backend, ())
    found = [name for section, name in names if _fact(a, section, name) != _fact(b, section, name)]
    if one.provider != other.provider:
        found.append("library")
    if a.code != b.code:
        found.append("benchsuite")
    return tuple(found)


def _fact(publication: Publication, section: str, name: str) -> str:
    return publication.machine.facts.get(section, {}).get(name, "")


@dataclass(frozen=True, slots=True)
class Difference:
    """One condition in which exhibits differ: what each of them says, in their order."""

    name: str
    values: tuple[str, ...]


def differences(exhibits: Sequence[Exhibit]) -> tuple[Difference, ...]:
    """Every condition that is not the same for all; one that an exhibit does not tell is ``not known``."""
    told = [_conditions(exhibit.publication) for exhibit in exhibits]
    names = dict.fromkeys(name for each in told for name in each)
    rows = [Difference(name, tuple(each.get(name) or UNKNOWN for each in told)) for name in names]
    return tuple(row for row in rows if len(set(row.values)) > 1)


def _conditions(publication: Publication) -> dict[str, str]:
    """All that a publication says of where, when and by what it was measured."""
    machine, offer = publication.machine, publication.offer
    found = {
        "machine": machine.name,
        "devices": str(machine.devices),
        "origin": publication.origin.value,
        "measured on": publication.started[:10],
        "suite": publication.suite,
        "runs": str(publication.runs or ""),
        "backend": publication.backend,
        "tool": f"{publication.tool} {publication.version}".strip(),
        "code": publication.code[:12],
    }
    if offer is not None:
        found |= {"provider": offer.provider, "instance": offer.instance, "region": offer.region}
    facts = {f"{section}: {name}": value for section, values in machine.facts.items() for name, value in values.items()}
    return {name: value for name, value in (found | facts).items() if value}
