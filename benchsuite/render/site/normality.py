"""Is it normal? What ``normal`` says of a campaign's main numbers, beside the other machines of this site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchsuite import normal, references
from benchsuite.model import Origin, Publication, Score
from benchsuite.normal import Code
from benchsuite.references import Hardware, Kind, Reference, Value
from benchsuite.render.site import context
from benchsuite.render.site.collection import Measured, best
from benchsuite.render.site.context import Site
from benchsuite.units import DASH

MAIN = 8
"""Cases of a type that its machines are judged by."""
GLYPHS: Mapping[Code, tuple[str, str, str]] = {
    Code.NORMAL: ("=", "normal", "good"),
    Code.SLOW: ("▼", "slow", "bad"),
    Code.FAST: ("▲", "above usual", "caution"),
    Code.UNCLEAR: ("?", "cannot tell", "caution"),
    Code.NO_REF: (DASH, "no reference", "unknown"),
    Code.INVALID: ("✖", "not judged", "caution"),
}
"""Glyph, word and tone of each verdict."""


@dataclass(frozen=True, slots=True)
class Usual:
    """A type's main cases, and what its machines gave in them."""

    cases: tuple[Measured, ...]
    hardware: Hardware
    reference: Reference


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one number of a campaign."""

    measured: Measured
    score: Score
    code: Code
    glyph: str
    word: str
    tone: str
    sentence: str


def usual(site: Site, name: str) -> Usual:
    """What is usual for a type: made once, used by the page of every machine of it."""
    counts = [(site.cases[slug], spread[name].n) for slug, spread in site.spreads.items() if name in spread]
    chosen = context.headlines(counts, MAIN)
    known = site.hardware(name)
    title = site.type_title(name)
    model = Hardware(known.key, title, known.clock or None, known.watts) if known else Hardware("", title)
    published = references.reference(site.known.figures, (), model).published
    measured: dict[references.Task, tuple[Value, ...]] = {}
    for one in chosen:
        for task, values in _values(site, one, name).items():
            measured[task] = tuple(sorted(values, key=lambda value: (value.value, value.machine)))
    return Usual(tuple(chosen), model, Reference(model, published, measured))


def _values(site: Site, measured: Measured, name: str) -> dict[references.Task, list[Value]]:
    """Every sound number of the type's machines in one case, by what was measured and how."""
    entries = site.collection.entries
    found: dict[references.Task, list[Value]] = {}
    for position in site.chosen[measured.slug]:
        entry, how = entries[measured.entries[position]], site.collection.ways[measured.how[position]]
        if entry.type != name or entry.origin is not Origin.MEASURED or not measured.sound[position]:
            continue
        told = Value(
            measured.values[position],
            Kind.MEASURED,
            entry.voice,
            entry.day,
            entry.tool,
            measured.key,
            how.library,
            entry.machine,
        )
        found.setdefault((measured.key, how.implementation, *how.mode), []).append(told)
    return found


def judged(site: Site, told: Publication, machine: str, known: Usual) -> list[Judged]:
    """The verdicts on the campaign's main numbers, never set against the machine itself."""
    scores = {(score.case.key, score.metric): score for score in best(told.results)}
    own = [(one, scores[one.key, one.metric]) for one in known.cases if (one.key, one.metric) in scores]
    if not own:
        return []
    tasks = [references.task(score) for _, score in own]
    others = {
        task: tuple(value for value in known.reference.measured.get(task, ()) if value.machine != machine)
        for task in tasks
    }
    against = replace(known.reference, measured=others)
    return [_judged(one, score, known.hardware, against) for one, score in own]


def _judged(one: Measured, score: Score, model: Hardware, against: Reference) -> Judged:
    found = normal.standing(score, model, against)
    return Judged(one, score, found.code, *GLYPHS[found.code], found.sentence)


def answer(found: Sequence[Judged], model: str) -> str:
    """The verdict on the whole, first on the page."""
    counts = {code: sum(one.code is code for one in found) for code in Code}
    decided = counts[Code.NORMAL] + counts[Code.SLOW] + counts[Code.FAST]
    if counts[Code.SLOW]:
        return f"Slow for {model} in {counts[Code.SLOW]} of {len(found)} main tests."
    if decided and decided == counts[Code.NORMAL]:
        rest = "" if decided == len(found) else f" Of {len(found) - decided} more nothing can be told."
        return f"Normal for {model} in {decided} of {len(found)} main tests.{rest}"
    if counts[Code.FAST]:
        return (
            f"Above usual for {model} in {counts[Code.FAST]} of {len(found)} main tests: check clocks and power limit."
        )
    return ""
