"""Comparisons, leader boards and matrices for a terminal or a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rich.console import Console
from rich.text import Text

from benchsuite import units
from benchsuite.aggregate import Aggregate
from benchsuite.compare import Comparison
from benchsuite.model import Exhibit, Metric
from benchsuite.ranking import Board, Matrix, Place
from benchsuite.render import versus
from benchsuite.render.terminal import columned
from benchsuite.render.words import clean
from benchsuite.statistics.runs import Estimate, Verdict

STYLES = {
    Verdict.FASTER: "cyan",
    Verdict.SLOWER: "yellow",
    Verdict.SAME: "",
    Verdict.UNDECIDED: "dim",
    Verdict.INCOMPARABLE: "dim",
}
COLUMNS = 4
"""Campaigns up to which each has a column of its own."""
STRIP = 32
"""Characters of a strip."""
BARS = " ▁▂▃▄▅▆▇█"
MATRIX = 26
"""Campaigns up to which a matrix is printed: as many as there are letters."""


def comparison(
    result: Comparison, exhibits: Sequence[Exhibit], means: Sequence[tuple[str, Aggregate]], console: Console
) -> None:
    """The baseline, which comes first among the exhibits, and the others: the answer, the table, the conditions.

    means: the composite of each of the others, if that was asked for.
    """
    letters = versus.lettered([one.label for one in exhibits])
    for line in versus.legend(exhibits):
        _say(console, line)
    if len(exhibits) <= COLUMNS:
        for label in result.others:
            rows = [row for row in result.rows if row.label == label]
            _say(console, versus.headline(rows, letters[result.baseline], letters[label]))
    if len(exhibits) == 2:
        _two(result, console)
    elif len(exhibits) <= COLUMNS:
        _side_by_side(result, letters, console)
    else:
        _strips(result, letters, console)
    for label, mean in means:
        _say(console, versus.mean(mean, letters.get(label, label), letters[result.baseline]))
    _conditions(result, letters, console)
    counts = {verdict: sum(row.verdict is verdict for row in result.rows) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    _say(console, f"{told}. {versus.method(result)}")
    for line in (*versus.reasons(result), *versus.notes(result, letters)):
        _say(console, line)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def _two(result: Comparison, console: Console) -> None:
    """A line for each case, with the verdict in words."""
    grid = columned("case", "by", ("B / A", "right"), ("interval", "right"), "verdict", "")
    for row in result.rows:
        noted = "not clean" if not row.clean and row.verdict in versus.DECIDED else ""
        told = f"about {row.needed} runs a side would decide" if row.needed else row.reason or _medians(row.medians)
        grid.add_row(
            Text(versus.name(row.case)),
            Text(clean(row.implementation)),
            versus.ratio(row) + (versus.DIFFERS if row.differs else ""),
            versus.interval(row),
            Text(" ".join(versus.VERDICTS[row.verdict]), style=STYLES[row.verdict]),
            Text(clean("; ".join(filter(None, (noted, told))))),
        )
    console.print(grid)


def _medians(found: Estimate | None) -> str:
    return f"medians ×{found.value:.3f} ({found.low:.3f}{units.DASH}{found.high:.3f})" if found else ""


def _side_by_side(result: Comparison, letters: dict[str, str], console: Console) -> None:
    """A line for each case and implementation: the baseline's value, and a column for each of the others."""
    heads = [(letters[label], "left") for label in result.others]
    grid = columned("case", "by", (f"{letters[result.baseline]} (=1)", "right"), *heads)
    for cells in versus.lines(result).values():
        row = next(iter(cells.values()))
        found = [cells.get(label) for label in result.others]
        grid.add_row(
            Text(versus.name(row.case)),
            Text(clean(row.implementation)),
            _value(row.a, row.metric),
            *(Text(versus.cell(one), style=STYLES[one.verdict] if one else "dim") for one in found),
        )
    console.print(grid)


def _value(value: float | None, metric: Metric | None) -> str:
    return units.DASH if value is None or metric is None else units.quantity(value, metric)


def _strips(result: Comparison, letters: dict[str, str], console: Console) -> None:
    """Two lines for each case: how many can be compared, and where each stands from the lowest to the highest."""
    for cells in versus.lines(result).values():
        row = next(iter(cells.values()))
        told = [(result.baseline, row.a), *((label, one.b) for label, one in cells.items() if one.ratio is not None)]
        known = [(letters.get(label, "·"), value) for label, value in told if value is not None]
        values = [value for _, value in known]
        if not values:
            continue
        low, middle, high = (_value(end, row.metric) for end in (min(values), median(values), max(values)))
        _say(console, f"{versus.name(row.case)} [{clean(row.implementation)}], n = {len(values)}, median {middle}")
        count = {verdict: sum(one.verdict is verdict for one in cells.values()) for verdict in Verdict}
        verdicts = " ".join(f"{versus.VERDICTS[one][0]}{number}" for one, number in count.items() if number)
        _say(console, f"  {low} {_strip(known)} {high}  {verdicts} against {letters[result.baseline]}")
    many = len(result.others) >= MATRIX
    marks = "a bar's height is how many stand there" if many else f"{versus.SHARED} is where several stand"
    _say(console, f"From the lowest to the highest value; {marks}.")


def _strip(known: Sequence[tuple[str, float]]) -> str:
    """Each letter where its value stands; of more than there are letters, how many stand where."""
    low, high = min(value for _, value in known), max(value for _, value in known)
    places: list[list[str]] = [[] for _ in range(STRIP)]
    for letter, value in known:
        places[round((value - low) / (high - low) * (STRIP - 1)) if high > low else 0].append(letter)
    if len(known) > MATRIX:
        most = max(map(len, places))
        cells = [BARS[-(-len(there) * (len(BARS) - 1) // most)] for there in places]
    else:
        cells = [" " if not there else there[0] if len(there) == 1 else versus.SHARED for there in places]
    return f"│{''.join(cells)}│"


def _conditions(result: Comparison, letters: dict[str, str], console: Console) -> None:
    """The conditions that differ: what each says, or, of many campaigns, how many different things they say."""
    if not result.conditions:
        return
    if len(result.others) < COLUMNS:
        grid = columned("conditions that differ", *letters.values())
        for row in result.conditions:
            grid.add_row(Text(clean(row.name)), *(Text(clean(value)) for value in row.values))
        console.print(grid)
    else:
        told = (f"{row.name} ({len(set(row.values))})" for row in result.conditions)
        _say(console, f"Conditions that differ, and how many different ones there are: {clean(', '.join(told))}.")


def board(found: Board, console: Console) -> None:
    """A leader board: rank, campaign, number; then what has no rank, and why."""
    _say(console, versus.name(found.case))
    grid = columned(("rank", "right"), "", ("value", "right"), "by", ("runs", "right"), "")
    for place in (*found.ranked, *found.unranked, *found.missing):
        grid.add_row(*_placed(place, found))
    console.print(grid)
    _say(console, versus.ordering(found))


def _placed(place: Place, found: Board) -> tuple[str | Text, ...]:
    return (
        versus.rank(place),
        Text(clean(place.label)),
        versus.amount(place, found),
        Text(clean(place.implementation)),
        str(place.runs or ""),
        Text(clean(place.reason), style="dim"),
    )


def matrix(found: Matrix, console: Console) -> None:
    """The verdict on every pair: how the row compares with the column."""
    ranked = found.board.ranked
    board(found.board, console)
    if len(ranked) > MATRIX:
        _say(console, f"{len(ranked)} campaigns are too many for a matrix in text: --json has all of it.")
        return
    letters = versus.LETTERS[: len(ranked)]
    grid = columned("", "", *letters)
    for letter, place, row in zip(letters, ranked, found.verdicts, strict=True):
        cells = [Text(versus.VERDICTS[one][0], style=STYLES[one]) if one else Text("·", style="dim") for one in row]
        grid.add_row(letter, Text(clean(place.label)), *cells)
    console.print(grid)
    told = ", ".join(" ".join(words) for verdict, words in versus.VERDICTS.items() if verdict in _PAIRED)
    _say(console, f"Each row against each column: {told}.")


_PAIRED = {Verdict.FASTER, Verdict.SLOWER, Verdict.SAME, Verdict.UNDECIDED}
