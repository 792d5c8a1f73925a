"""The page's answer to "is this normal?" and "what does a dollar buy?": rows and drawings made of an appraisal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.appraisal import Appraisal, Appraised
from benchsuite.bands import ENOUGH, SOURCES, Band
from benchsuite.model import Score
from benchsuite.references import Kind, Value
from benchsuite.render import normality
from benchsuite.render.site import population, strips
from benchsuite.render.words import clean, family, parameters, value
from benchsuite.verdicts import Code, lies

TONES = {
    Code.NORMAL: "good",
    Code.SLOW: "bad",
    Code.FAST: "caution",
    Code.UNCLEAR: "caution",
    Code.NO_REF: "unknown",
    Code.INVALID: "caution",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A number beside what is on record. ``strip``: the drawing; ``said``: the verdict in words, a sentence."""

    family: str
    case: str
    value: str
    strip: str
    recorded: str
    glyph: str
    word: str
    tone: str
    datasheet: str
    said: str
    voices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Voice:
    """Who published or measured the reference: its number in the table, when and how, and where it can be read."""

    number: int
    said: str
    link: str


@dataclass(frozen=True, slots=True)
class Bought:
    """What one kind of work gives for its money and its energy; empty where it is not known."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Both answers of a campaign. ``nothing``: the sentence for hardware of which nothing is on record."""

    model: str
    rows: tuple[Row, ...]
    voices: tuple[Voice, ...]
    notes: tuple[str, ...]
    nothing: str
    price: str
    columns: tuple[tuple[str, str], ...]
    bought: tuple[Bought, ...]
    counts: tuple[tuple[Code, int], ...]


def answer(appraisal: Appraisal) -> Answer:
    """The two sections. Each number is set against one group: other machines where there are any, else figures."""
    shown = [row for row in appraisal.referred if row.score.best and row.standing.band is not None]
    bands = [band for row in shown if (band := row.standing.band) is not None]
    names = list(dict.fromkeys(normality.voice(one) for band in bands for one in band.values))
    columns = [name for name, told in normality.WORTH.items() if any(told(row) for row in appraisal.headlines)]
    offer = appraisal.offer
    return Answer(
        model=clean(appraisal.known.hardware.name),
        rows=tuple(_row(row, names) for row in shown),
        voices=tuple(_voice(number, name, bands) for number, name in enumerate(names, 1)),
        notes=tuple(_notes(shown)),
        nothing="" if shown else normality.nothing(appraisal).removeprefix("Is this normal? "),
        price=normality.price(offer) if offer is not None and offer.usd_per_hour is not None else "",
        columns=tuple((name, normality.MEANINGS.get(name, "")) for name in columns),
        bought=tuple(_bought(row, columns) for row in appraisal.headlines) if columns else (),
        counts=tuple((code, sum(row.standing.code is code for row in shown)) for code in Code),
    )


def _row(row: Appraised, names: Sequence[str]) -> Row:
    score, standing, band = row.score, row.standing, row.standing.band
    if band is None:
        raise ValueError("a row without a reference is not shown")
    told = standing.code if band is standing.measured or standing.code is Code.INVALID else Code.NO_REF
    glyph, _ = normality.GLYPHS[told]
    return Row(
        family=family(score.case.benchmark),
        case=parameters(score.case),
        value=value(score),
        strip=_strip(score, band, standing.of_datasheet),
        recorded=strips.ranged(band.low, band.high, score.metric),
        glyph=glyph,
        word=lies(score.metric, band),
        tone=TONES[told],
        datasheet=units.percent(standing.of_datasheet) if standing.of_datasheet is not None else "",
        said=standing.sentence,
        voices=tuple(sorted({names.index(normality.voice(one)) + 1 for one in band.values})),
    )


def _strip(score: Score, band: Band, of_datasheet: float | None) -> str:
    """The number with its interval on the line of the recorded values, the datasheet's beside it."""
    number = score.value or 0.0
    own = (number, score.low or number, score.high or number)
    sheet = number / of_datasheet if of_datasheet else None
    marks = [strips.Reference(sheet, "sheet", "datasheet")] if sheet else []
    spread = None
    if band.kind is Kind.PUBLISHED:
        marks += [strips.Reference(one.value, "published", "published") for one in band.values]
    else:
        spread = population.distribution(one.value for one in band.values)
    ends = strips.span([spread] if spread else [], [*own, *(mark.value for mark in marks)])
    return strips.strip(spread, score.metric, ends, own, marks)


def _voice(number: int, name: str, bands: Sequence[Band]) -> Voice:
    values = [one for band in bands for one in band.values if normality.voice(one) == name]
    return Voice(number, normality.source(name, values), _link(values))


def _link(values: Sequence[Value]) -> str:
    """The page of the source, where all values come from one that has an address."""
    found = {one.source for one in values if one.source.startswith("https://") and " " not in one.source}
    return found.pop() if len(found) == 1 else ""


def _notes(shown: Sequence[Appraised]) -> Iterator[str]:
    for phrase in dict.fromkeys(phrase for row in shown for phrase in row.standing.conditions):
        yield f"Measured {phrase}."
    if any(row.standing.code is Code.NO_REF for row in shown):
        yield f"No verdict of normal or slow: that takes {ENOUGH} machines of {SOURCES} sources, measured alike."
    if any(row.standing.band is row.standing.published for row in shown):
        yield "Published figures come from other tools, shapes and software; they are hollow in the drawings."


def _bought(row: Appraised, columns: Sequence[str]) -> Bought:
    name = f"{family(row.score.case.benchmark)}, {parameters(row.score.case)}"
    return Bought(name, tuple(normality.WORTH[column](row) for column in columns))
