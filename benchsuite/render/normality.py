"""The terminal's answer to "is this normal?" and "what do I get for a dollar?": a line a figure, the sources below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsuite import units
from benchsuite.appraisal import Appraisal, Appraised
from benchsuite.bands import ENOUGH, SOURCES, TAIL, TOLERANCE, Band
from benchsuite.model import Offer, Score
from benchsuite.normal import CLOCK
from benchsuite.references import Kind, Value
from benchsuite.render.terminal import columned
from benchsuite.render.words import clean, counted, marks, parameters, tally
from benchsuite.units import DASH, NO_BREAK_SPACE
from benchsuite.verdicts import Code, lies
from benchsuite.worth import Amount

MOST = 16
"""Lines of a section; what is beyond them is counted."""
GLYPHS = {
    Code.NORMAL: ("=", ""),
    Code.SLOW: ("▼", "yellow"),
    Code.FAST: ("▲", "cyan"),
    Code.UNCLEAR: ("?", "dim"),
    Code.NO_REF: (DASH, ""),
    Code.INVALID: ("✖", "dim"),
}
"""A sign of each verdict; the words beside it and the sentence below do without it."""
ORDER = (Code.SLOW, Code.UNCLEAR, Code.FAST, Code.INVALID, Code.NO_REF, Code.NORMAL)
"""What is shown first where there is more than fits."""


def section(appraisal: Appraisal, console: Console) -> None:
    """Both answers. Where nothing is on record, one sentence says so, and how to change that."""
    lines = [line for row in appraisal.referred if row.score.best for line in _lines(row)]
    if lines:
        _normality(lines, appraisal, console)
    else:
        _say(console, nothing(appraisal))
    _worth(appraisal, console)


def nothing(appraisal: Appraisal) -> str:
    """The sentence for hardware of which nothing is on record."""
    name = clean(appraisal.known.hardware.name) or "this machine"
    return (
        f"Is this normal? Nothing on record compares with these numbers on {name}.{_unused(appraisal)} "
        "Give records of such machines with 'benchsuite show --reference PATH', or figures with --catalog."
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A number and one group of values that it is set against."""

    row: Appraised
    band: Band


def _lines(row: Appraised) -> list[Line]:
    return [Line(row, band) for band in (row.standing.measured, row.standing.published) if band is not None]


def _normality(lines: Sequence[Line], appraisal: Appraisal, console: Console) -> None:
    """The table, the sentences of whatever is not normal, the sources."""
    first = sorted(range(len(lines)), key=lambda number: ORDER.index(lines[number].row.standing.code))[:MOST]
    shown = [lines[number] for number in sorted(first)]
    voices = list(dict.fromkeys(voice(value) for line in shown for value in line.band.values))
    console.print(Text(f"\nIs this normal for {clean(appraisal.known.hardware.name)}?", style="bold"), soft_wrap=True)
    grid = columned("", ("here", "right"), ("on record", "right"), "where", "from")
    _only_the_first_wraps(grid)
    for line in shown:
        grid.add_row(*_cells(line, voices))
    console.print(grid)
    for text in _notes(lines, shown, appraisal):
        _say(console, text)
    told = columned("", "")
    for number, who in enumerate(voices, 1):
        values = [value for line in shown for value in line.band.values if voice(value) == who]
        told.add_row(Text(str(number)), Text(source(who, values)))
    told.show_header = False
    console.print(told)


def _cells(line: Line, voices: Sequence[str]) -> tuple[Text, ...]:
    """What was measured, the number with its share of the datasheet, what is on record, where it lies, the sources."""
    score, standing, band = line.row.score, line.row.standing, line.band
    code = standing.code if band is standing.measured or standing.code is Code.INVALID else Code.NO_REF
    glyph, style = GLYPHS[code]
    share = f" ({units.percent(standing.of_datasheet)})" if standing.of_datasheet is not None else ""
    numbers = sorted({voices.index(voice(one)) + 1 for one in band.values})
    here = units.quantity(score.value or 0.0, score.metric)
    return (
        Text(label(score)),
        Text(f"{here}{share}".replace(" ", NO_BREAK_SPACE)),
        Text(_within(score.value or 0.0, band)),
        Text(f"{glyph} {lies(score.metric, band)}", style=style),
        Text(spans(numbers)),
    )


def spans(numbers: Sequence[int]) -> str:
    """Numbers in order, neighbours joined: ``1–3 5``."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return " ".join(f"{row[0]}{DASH}{row[-1]}" if len(row) > 2 else " ".join(map(str, row)) for row in found)


def label(score: Score) -> str:
    """A case in few words: ``gemm bf16 8192³``."""
    return f"{clean(score.case.benchmark)} {parameters(score.case).removesuffix(AS_STORED)}"


AS_STORED = ", weights as stored"
"""How every product of a model is laid out: nothing to tell in a short line."""


def _within(here: float, band: Band) -> str:
    """The band in the unit that the number beside it has: ``4.10–4.40``."""
    scale, _ = units.prefix(here)
    low, high = (units.significant(end / scale) for end in (band.low, band.high))
    return low if low == high else f"{low}{DASH}{high}"


def _notes(lines: Sequence[Line], shown: Sequence[Line], appraisal: Appraisal) -> Iterator[str]:
    """What the table has no room for: conditions, verdicts in words, what there is no verdict on, what was left out."""
    every, rows = ([line.row for line in some if line.band is line.row.standing.band] for some in (lines, shown))
    if held := _conditions(rows):
        yield f"Measured {held}."
    for row in rows:
        if row.standing.code in {Code.SLOW, Code.UNCLEAR, Code.FAST}:
            glyph, _ = GLYPHS[row.standing.code]
            yield f"{glyph} {label(row.score)}: {clean(row.standing.sentence)}"
    unsound = [row.standing.sentence for row in rows if row.standing.code is Code.INVALID]
    for text, count in tally(unsound).items():
        yield f"{GLYPHS[Code.INVALID][0]} {count} of {len(rows)}: {clean(text)}"
    judged = [row for row in every if row.standing.code in {Code.SLOW, Code.UNCLEAR, Code.FAST, Code.NORMAL}]
    if len(judged) > 1 and any(row.standing.code is Code.SLOW for row in judged):
        chance = f"about {TAIL * len(judged):.1f} of {len(judged)} numbers of a healthy machine are there by chance"
        yield f"Slow is below the {TAIL * 100:.0f}th percentile, and {chance}."
    if any(row.standing.code is Code.NO_REF for row in rows):
        yield f"{DASH} No verdict: that takes {ENOUGH} machines of {SOURCES} sources, measured alike."
    if any(line.band.kind is Kind.PUBLISHED for line in shown):
        called = f"{TOLERANCE * 100:.0f} % beyond their ends is not called"
        yield f"Published figures come from other tools and shapes; {called}."
    if more := len(lines) - len(shown):
        yield f"{counted(more, 'further line')} with --json."
    if unused := _unused(appraisal):
        yield unused.strip()


def _conditions(rows: Sequence[Appraised]) -> str:
    """The unusual conditions of all rows; clocks, which differ from row to row, from the lowest to the highest."""
    told = tally(phrase for row in rows for phrase in row.standing.conditions)
    clocks = [phrase for phrase in told if phrase.startswith(CLOCK)]
    parts = [
        f"{phrase}{'' if count == len(rows) else f' ({count} of {len(rows)})'}"
        for phrase, count in told.items()
        if phrase not in clocks[1:]
    ]
    if len(clocks) > 1:
        held = sorted(row.score.conditions["sm_clock"] for row in rows if set(clocks) & set(row.standing.conditions))
        span = f"at clocks of {held[0] * 1e-6:.0f}{DASH}{held[-1] * 1e-6:.0f}{NO_BREAK_SPACE}MHz"
        parts = [span if part.startswith(CLOCK) else part for part in parts]
    return ", ".join(parts)


def _unused(appraisal: Appraisal) -> str:
    left = "; ".join(f"{count} {clean(reason)}" for reason, count in appraisal.known.left_out.items())
    return f" Not used as reference: {left}." if left else ""


def voice(one: Value) -> str:
    """Whose value it is; published and measured ones of one name stay apart."""
    who = clean(one.voice) or "not named"
    return who if one.kind is Kind.PUBLISHED else f"records, {who}"


def source(who: str, values: Sequence[Value]) -> str:
    """Who, when and how: ``owner/name, 2024-06-21: its tool``."""
    dates = sorted({value.as_of for value in values if value.as_of})
    when = "" if not dates else f", {dates[0]}" if len(dates) == 1 else f", {dates[0]} to {dates[-1]}"
    tools = list(dict.fromkeys(clean(value.tool) for value in values if value.tool))
    told = f": {'; '.join(tools[:TOOLS])}{' …' if len(tools) > TOOLS else ''}" if tools else ""
    remembered = " (from memory)" if any(value.remembered for value in values) else ""
    return f"{who}{clean(when)}{told}{remembered}"


def _worth(appraisal: Appraisal, console: Console) -> None:
    """What a dollar and a joule buy: the best of each kind of work."""
    rows = appraisal.headlines
    columns = [(name, told) for name, told in WORTH.items() if any(told(row) for row in rows)]
    if not columns:
        return
    offer = appraisal.offer
    priced = offer is not None and offer.usd_per_hour is not None
    title = f"What a dollar buys at {price(offer)}" if priced and offer else "What a joule buys"
    console.print(Text(f"\n{title}", style="bold"), soft_wrap=True)
    grid = columned("", *((name, "right") for name, _ in columns), "")
    _only_the_first_wraps(grid)
    for row in rows[:MOST]:
        cells = [told(row) for _, told in columns]
        if any(cells):
            noted = Text(marks(row.score), style="dim")
            grid.add_row(Text(label(row.score)), *(Text(cell) for cell in cells), noted)
    console.print(grid)
    for name, _ in columns:
        if name in MEANINGS:
            _say(console, f"{name}: {MEANINGS[name]}")


def price(offer: Offer) -> str:
    """The price with all that makes it one: ``$28 an hour for 8 devices (provider, on-demand, 2026-11-30; source)``."""
    usd = f"${offer.usd_per_hour:.2f}" if offer.usd_per_hour is not None else "no price"
    what = (offer.provider, offer.instance, offer.region, offer.kind, offer.as_of)
    told = "; ".join(filter(None, (", ".join(filter(None, what)), offer.source)))
    return clean(f"{usd} an hour for {counted(offer.devices, 'device')}" + (f" ({told})" if told else ""))


def amount(one: Amount) -> str:
    """An amount with its interval: ``1.049 ± 0.005 EFLOP/$``; nothing where there is none."""
    if one.value is None:
        return ""
    if one.unit == "$/h":
        return f"${one.value:.2f}"
    scale, letter = units.prefix(one.value)
    half = (one.high - one.low) / 2 if one.low is not None and one.high is not None else 0.0
    if not half > units.NARROW * one.value or half > units.WIDE * one.value:
        return f"{units.significant(one.value / scale)}{NO_BREAK_SPACE}{letter}{one.unit}"
    places = units.decimals(half, scale)
    parts = (f"{one.value / scale:.{places}f}", "±", f"{half / scale:.{places}f}", f"{letter}{one.unit}")
    return NO_BREAK_SPACE.join(parts)


def _usual(row: Appraised) -> str:
    """What a dollar would buy on the middle of what is on record, at the same price."""
    bought, middle, here = row.worth.per_dollar, row.worth.middle, row.score.value
    if bought.value is None or middle is None or not here:
        return ""
    return amount(Amount(bought.value * middle / here, unit=bought.unit))


WORTH: Mapping[str, Callable[[Appraised], str]] = {
    "per $": lambda row: amount(row.worth.per_dollar),
    "usual": _usual,
    "per J": lambda row: amount(row.worth.per_joule),
    "effective": lambda row: amount(row.worth.effective),
    "break-even": lambda row: amount(row.worth.break_even),
}
"""Columns, each shown where some row fills it."""
MEANINGS = {
    "usual": "the middle of what is on record, at the same price.",
    "effective": "the price an hour, divided by the part of that middle that was reached.",
    "break-even": "the price an hour at which a dollar buys the usual.",
}
TOOLS = 3
"""Tools of one source that are named."""


def _only_the_first_wraps(grid: Table) -> None:
    """Numbers are never cut: a narrow terminal takes its room from the names."""
    for column in grid.columns[1:]:
        column.no_wrap = True


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
