"""Text for a terminal or a pipe: results and findings. Control characters never get through."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from benchsuite import bandwidths, units
from benchsuite.doctor import Finding
from benchsuite.model import Metric, Score, Status
from benchsuite.render.words import (
    STATUSES,
    clean,
    counted,
    family,
    mark,
    marks,
    meaning,
    parameters,
    sentence,
    tally,
    value,
    withheld,
)

STYLES = {Status.OK: "", Status.REJECTED: "bold red", Status.FAILED: "red", Status.SKIPPED: "dim"}


def table(scores: Sequence[Score], console: Console, *, all_implementations: bool = False) -> None:
    """The results by benchmark: the best implementation of each case, or all of them."""
    shown = [score for score in scores if all_implementations or score.best or score.status in _TROUBLE]
    room = next(count for width, count in _ROOM if console.width >= width)
    further = [name for name, column in _PAPER.items() if any(column(score) for score in shown)][:room]
    rated = any(bandwidths.algbw(score) for score in shown) and all(score.of_ceiling is None for score in shown)
    beside = "algbw" if rated else "ceiling"
    grid = columned("", ("value", "right"), (beside, "right"), *((name, "right") for name in further), "by", "")
    before = ""
    for score in shown:
        if score.case.benchmark != before:
            before = score.case.benchmark
            grid.add_row(Text(f"{family(before)}{', busbw' if bandwidths.algbw(score) else ''}", style="bold"))
        grid.add_row(*_cells(score, beside, further))
    console.print(grid)


def _share(fraction: float | None) -> str:
    return units.percent(fraction) if fraction is not None else ""


def _beside(score: Score, title: str) -> str:
    """The share of the ceiling; of a collective, which has none, algbw, by its name where ``title`` does not say it."""
    found = bandwidths.algbw(score)
    if found is None:
        return _share(score.of_ceiling)
    told = units.quantity(found.value, Metric.ALGBW)
    return told if title == "algbw" else f"algbw {told}"


def _condition(score: Score, name: str, scale: float, unit: str) -> str:
    told = score.conditions.get(name)
    return f"{told * scale:.0f}{units.NO_BREAK_SPACE}{unit}" if told is not None else ""


_PAPER: Mapping[str, Callable[[Score], str]] = {
    "datasheet": lambda score: _share(score.of_datasheet),
    "at clock": lambda score: _share(score.of_clock),
    "clock": lambda score: _condition(score, "sm_clock", 1e-6, "MHz"),
    "power": lambda score: _condition(score, "power", 1.0, "W"),
}
"""Further columns, each shown where some score fills it: shares of the datasheet's peak and of the peak at the
clock that was held, and what the sensors said while it was measured."""
_ROOM = ((120, 4), (100, 2), (0, 1))
"""Columns of a terminal, and how many of the further ones fit without taking digits from the values."""


_TROUBLE = {Status.REJECTED, Status.FAILED}


def _cells(score: Score, beside: str, further: Sequence[str]) -> tuple[RenderableType, ...]:
    """Case, value or what went wrong, share of the ceiling or algbw, further columns, implementation, notes."""
    good = score.status is Status.OK
    glyph, word, _ = STATUSES[score.status]
    told = Text(value(score), style="bold" if score.best else "", no_wrap=True)
    return (
        Padding(Text(parameters(score.case)), (0, 0, 0, 2)),
        told if good else Text(f"{glyph} {word}", style=STYLES[score.status], no_wrap=True),
        Text(_beside(score, beside) if good else "", no_wrap=True),
        *(Text(_PAPER[name](score), no_wrap=True) for name in further),
        Text(clean(score.implementation)),
        Text(marks(score) if good else "", style="dim"),
    )


def summary_lines(scores: Sequence[Score]) -> list[str]:
    """How many results there are, what went wrong, what was skipped and why, and what the marks mean."""
    good = [score for score in scores if score.status is Status.OK]
    lines = [f"{counted(len(good), 'result')} measured and verified." if good else "No result."]
    for bad in (score for score in scores if score.status in _TROUBLE):
        glyph, word, _ = STATUSES[bad.status]
        subject = f"{family(bad.case.benchmark)}, {parameters(bad.case)} [{clean(bad.implementation)}]"
        lines.append(f"{glyph} {word}: {subject}. {sentence(clean(bad.reason))}")
    skipped = tally(score.reason for score in scores if score.status is Status.SKIPPED)
    lines += [f"{units.DASH} {count} skipped: {sentence(clean(reason))}" for reason, count in skipped.items()]
    told = {(mark(caveat), meaning(caveat)) for score in good for caveat in score.caveats}
    lines += [f"  {letter}  {text}" for letter, text in sorted(told)]
    lines += [f"  {defined} ({bandwidths.SOURCE})."] if (defined := bandwidths.definition(good)) else []
    said, reasons = withheld(scores)
    why = [f"{reason.removesuffix('.')} ({count})." for reason, count in reasons.items()]
    return lines + ([" ".join([said, *why])] if said else [])


def findings(found: Iterable[Finding], console: Console) -> None:
    """What is here and what is missing."""
    grid = columned("", "", "what for", "what to do")
    for one in found:
        glyph = Text("ok", style="cyan") if one.present else Text("missing", style="yellow" if one.needed else "dim")
        grid.add_row(glyph, clean(one.subject), Text(clean(one.detail)), Text(clean(one.remedy)))
    console.print(grid)


def listing(document: Mapping[str, Any], console: Console) -> None:
    """Benchmarks, suites and devices."""
    grid = columned("benchmark", "question", "implementations")
    for item in document["benchmarks"]:
        names = Text(", ").join(
            Text(clean(name), style="" if offered else "dim strike")
            for name, offered in item["implementations"].items()
        )
        axes = f" ({', '.join(item['axes'])})" if item["axes"] else ""
        grid.add_row(Text(clean(item["name"]), style="bold"), Text(clean(f"{item['question']}{axes}")), names)
    console.print(grid)
    suites = columned("suite", "what it answers")
    for item in document["suites"]:
        suites.add_row(Text(clean(item["name"]), style="bold"), Text(clean(item["title"])))
    console.print(suites)
    devices = columned("device", "cores", "capabilities")
    for item in document["devices"]:
        devices.add_row(Text(item["name"], style="bold"), str(item["cores"]), ", ".join(item["capabilities"]))
    console.print(devices)


def columned(*columns: str | tuple[str, str]) -> Table:
    """An empty table with these columns, each a title or a title and how it is justified."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        title, justify = column if isinstance(column, tuple) else (column, "left")
        number = justify == "right"  # never cut: half a number reads as another
        grid.add_column(title, justify=justify, no_wrap=number, overflow="fold")  # type: ignore[arg-type]
    return grid
