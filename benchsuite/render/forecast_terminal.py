"""Text for a terminal: what a model will take on a machine, the answer first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from benchsuite import units
from benchsuite.errors import RefusedError
from benchsuite.model import Footing, Forecast, Phase
from benchsuite.render import forecast_words as words
from benchsuite.render.forecast_table import Outcome, best
from benchsuite.render.terminal import columned
from benchsuite.render.words import clean

BAR, MOST, WORDS = 16, 40, 62
"""Characters of a whole phase at least and at most, and of the words beside it."""
COLUMNS = {
    words.FIRST: "first",
    words.FURTHER: "further",
    words.READ: "1M in",
    words.WRITTEN: "1M out",
    words.ENERGY: "energy",
}
"""Numbers of the table of several, and their titles there."""
NARROW, WIDE = (words.FIRST, words.FURTHER, words.WRITTEN), 110
"""Those of a terminal with fewer columns than ``WIDE``."""


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
    _listed("Cautions", [text for _, text in words.cautions(forecast)], "!", console)


def side_by_side(outcomes: Sequence[Outcome], console: Console) -> None:
    """Several machines or precisions, a line for each; below, what was refused and why, and what holds for all."""
    made = [(one.title, one.made) for one in outcomes if isinstance(one.made, Forecast)]
    console.print(Text(f"{clean(made[0][1].model)}: {len(outcomes)} ways", style="bold"))
    _say(console, *best(outcomes))
    shown = tuple(COLUMNS) if console.width >= WIDE else NARROW
    grid = columned("", *((title, "right") for title in ("tokens/s", "interval", *map(COLUMNS.__getitem__, shown))))
    for one in outcomes:
        grid.add_row(f"  {clean(one.title)}", *_cells(one, shown))
    console.print(grid)
    for one in outcomes:
        if isinstance(one.made, RefusedError):
            _say(console, f"✖ {one.title}: {one.made}")
    _say(console, *_grouped([(title, [words.interval(one)]) for title, one in made]))
    _say(console, *_grouped([(title, [text for _, text in words.cautions(one)]) for title, one in made], "  ! "))
    shared = [text for text in words.assumptions(made[0][1]) if all(text in words.assumptions(one) for _, one in made)]
    _listed("Assumptions of all; --json and --html have those of each", shared, "-", console)


def _grouped(told: Sequence[tuple[str, Sequence[str]]], mark: str = "") -> Iterator[str]:
    """Each sentence once, with the titles it is told of where these are not all."""
    whose: dict[str, list[str]] = {}
    for title, sentences in told:
        for text in sentences:
            whose.setdefault(text, []).append(title)
    for text, titles in whose.items():
        named = "" if len(titles) == len(told) else f"{', '.join(titles)}: "
        yield f"{mark}{named}{text}"


def _cells(one: Outcome, shown: Sequence[str]) -> list[str]:
    if not isinstance(one.made, Forecast):
        return ["✖ refused", *[units.DASH] * (len(shown) + 1)]
    found = {each.label: each for each in words.numbers(one.made)}
    rate = found[words.THROUGHPUT]
    return [rate.value.partition(units.NO_BREAK_SPACE)[0], rate.ends, *(found[label].value for label in shown)]


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
