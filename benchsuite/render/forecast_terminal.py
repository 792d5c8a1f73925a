"""Text for a terminal: what a model will take on a machine, the answer first."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchsuite import units
from benchsuite.errors import RefusedError
from benchsuite.model import Footing, Forecast, Phase
from benchsuite.render import forecast_words as words
from benchsuite.render.forecast_table import Outcome, best
from benchsuite.render.terminal import columned
from benchsuite.render.words import clean

T = TypeVar("T", bound=Hashable)
BAR, MOST, WORDS = 16, 40, 62
"""Characters of a whole phase at least and at most, and of the words beside it."""
RATES = {words.FIRST: "first", words.FURTHER: "further", words.ENERGY: "energy"}
DOLLARS = {words.READ: "1M in", words.WRITTEN: "1M out", words.PAID: "all"}
"""Numbers of the two tables of several, and their titles there."""
MEANING = (
    "an hour: of one device; 1M in, 1M out: a million tokens, for the time of reading or writing them;",
    "all: both times for a million written, as most comparisons do, with its interval.",
)
WIDE = 90
"""Columns of a terminal from which on energy is shown beside the rates."""


def answer(forecast: Forecast, console: Console) -> None:
    """One forecast: numbers, what binds each phase, what memory holds, assumptions and cautions."""
    console.print(Text(words.subject(forecast), style="bold"))
    grid = columned("", ("", "right"), ("", "right"), "")
    grid.show_header = False
    for one in words.numbers(forecast):
        grid.add_row(f"  {one.label}", Text(one.value, style="bold"), one.ends, Text(one.detail, style="dim"))
    console.print(grid)
    _say(console, words.interval(forecast), words.layout(forecast), words.room(forecast))
    console.print(Text("\nWhere the time goes", style="bold"))
    for title, phase in words.phases(forecast):
        _phase(title, phase, console)
    _say(console, legend(forecast))
    _listed("Assumptions", words.assumptions(forecast), "-", console)
    _listed("Cautions", [f"{code}: {text}" for code, text in words.cautions(forecast)], "!", console)


def side_by_side(outcomes: Sequence[Outcome], console: Console) -> None:
    """Several machines or precisions, a line for each; below, what was refused and why, and what holds for all."""
    made = [(one.title, one.made) for one in outcomes if isinstance(one.made, Forecast)]
    console.print(Text(f"{clean(made[0][1].model)}: {len(outcomes)} ways", style="bold"))
    _say(console, *best(outcomes))
    console.print(_rates(outcomes, [label for label in RATES if label != words.ENERGY or console.width >= WIDE]))
    _say(console, "tokens/s: written by one device; devices: of one copy of the model.")
    if any(one.usd_out for _, one in made):
        console.print(Text("\nDollars", style="bold"))
        console.print(_dollars(made))
        _say(console, *MEANING)
    for one in outcomes:
        if isinstance(one.made, RefusedError):
            _say(console, f"✖ {one.title}: {one.made}")
    for claim, titles in _grouped([(title, [words.interval(one)]) for title, one in made]):
        _say(console, f"{titles}: {claim}" if titles else claim)
    for (code, text), titles in _grouped([(title, words.cautions(one)) for title, one in made]):
        _say(console, f"  ! {code} ({titles}): {text}" if titles else f"  ! {code}: {text}")
    shared = [text for text in words.assumptions(made[0][1]) if all(text in words.assumptions(one) for _, one in made)]
    _listed("Assumptions of all; --json and --html have those of each", shared, "-", console)


def _grouped(told: Sequence[tuple[str, Sequence[T]]]) -> Iterator[tuple[T, str]]:
    """Each of what is told once, and the titles it is told of; none where these are all."""
    whose: dict[T, list[str]] = {}
    for title, given in told:
        for one in given:
            whose.setdefault(one, []).append(title)
    for one, titles in whose.items():
        yield one, "" if len(titles) == len(told) else ", ".join(titles)


def _rates(outcomes: Sequence[Outcome], shown: Sequence[str]) -> Table:
    titles = ("tokens/s", "interval", *(RATES[label] for label in shown), "devices")
    grid = columned("", *((title, "right") for title in titles))
    for one in outcomes:
        cells = ["✖ refused", *[units.DASH] * (len(titles) - 1)]
        if isinstance(one.made, Forecast):
            found = {each.label: each for each in words.numbers(one.made)}
            rate = found[words.THROUGHPUT]
            told = [rate.value.partition(units.NO_BREAK_SPACE)[0], rate.ends, *(found[label].value for label in shown)]
            cells = [*told, f"{one.made.mesh.devices}"]
        grid.add_row(f"  {clean(one.title)}", *cells)
    return grid


def _dollars(made: Sequence[tuple[str, Forecast]]) -> Table:
    """What a device costs, and what a million tokens do. The interval is that of the last number before it."""
    grid = columned("", *((title, "right") for title in ("an hour", *DOLLARS.values(), "interval")))
    for title, one in made:
        found = {each.label: each for each in words.numbers(one)}
        grid.add_row(
            f"  {clean(title)}", words.hour(one), *(found[label].value for label in DOLLARS), found[words.PAID].ends
        )
    return grid


def _phase(title: str, phase: Phase, console: Console) -> None:
    console.print(Text(title))
    whole = max(BAR, min(MOST, console.width - WORDS))
    grid = columned("", "", ("", "right"), ("", "right"), "", "")
    grid.show_header = False
    for bar in words.waterfall(phase):
        begin = round(whole * bar.start)
        length = max(1 if bar.length > 0 else 0, round(whole * (bar.start + bar.length)) - begin)
        begin = min(begin, whole - length)
        drawn = Text(f"{' ' * begin}{('░' if bar.hidden else '█') * length}".ljust(whole), no_wrap=True)
        grid.add_row(f"  {bar.name}", drawn, bar.seconds, bar.share, bar.kind, bar.glyph)
    console.print(grid)


def legend(forecast: Forecast) -> str:
    """What the circles mean, those that occur."""
    terms = (*forecast.prefill.terms, *forecast.decode.terms)
    used = [footing for footing in Footing if any(term.footing is footing for term in terms)]
    told = "  ".join(f"{words.FOOTINGS[footing][0]} {words.FOOTINGS[footing][1]}" for footing in used)
    return f"  {told}" + ("  ░ runs beside a longer one" if any(term.hidden for term in terms) else "")


def _listed(title: str, sentences: Sequence[str], mark: str, console: Console) -> None:
    if sentences:
        console.print(Text(f"\n{title}", style="bold"))
    _say(console, *(f"  {mark} {text}" for text in sentences))


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(clean(line), markup=False, soft_wrap=True)
