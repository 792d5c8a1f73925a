"""The page as it opens, as frozen values: what stands there before, and without, any script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchsuite import compare, units
from benchsuite.comparability import Difference
from benchsuite.model import Origin, Score, Status
from benchsuite.ranking import Board
from benchsuite.render import versus
from benchsuite.render.explorer import board as boards
from benchsuite.render.explorer import data as tables
from benchsuite.render.explorer import scores
from benchsuite.render.explorer.data import CaseInfo, Dataset
from benchsuite.render.explorer.figures import shown, span, times
from benchsuite.render.words import STATUSES, clean, counted, family, sentence, tally
from benchsuite.reportable import compromised
from benchsuite.statistics.runs import Verdict

MOST_CHOSEN = 8
"""Machines that are compared in full."""
FIRST_CHOSEN = 4
"""Of more machines than that, how many are compared when the page opens."""
METHOD = (
    "Above 1 is better. {} under one family-wise error rate of 5\u00a0% (Holm); "
    "differences within ±1\u00a0% are not called."
)
TONES = {Verdict.FASTER: "good", Verdict.SLOWER: "bad"}


@dataclass(frozen=True, slots=True)
class Entrant:
    """A machine that is compared."""

    place: int
    label: str
    about: str


@dataclass(frozen=True, slots=True)
class CellView:
    """A number of the table: what is said first, and beside it; ``value`` where that is a ratio."""

    main: str
    more: str = ""
    tone: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class RowView:
    """One task over the machines that are compared."""

    words: str
    implementation: str
    unit: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one benchmark."""

    name: str
    rows: tuple[RowView, ...]


@dataclass(frozen=True, slots=True)
class View:
    """Everything the template prints."""

    headline: str
    sentences: tuple[str, ...]
    counts: tuple[str, ...]
    entrants: tuple[Entrant, ...]
    groups: tuple[Group, ...]
    method: str
    notes: tuple[str, ...]
    conditions: tuple[Difference, ...]
    board: boards.BoardView | None
    simulated: bool


def build(data: Dataset) -> View:
    """What the page opens with: the first machine against the others, or of many the head of the board."""
    case = boards.first_case(data)
    board = boards.board(data, case) if case is not None else None
    chosen = first_chosen(data, board)
    exhibits = [data.exhibits[place] for place in chosen]
    comparison = compare.against(exhibits[0], exhibits[1:], compare.Rule(detailed=False)) if exhibits[1:] else None
    sentences = _sentences(comparison) if comparison else []
    many = len(compared(data)) > MOST_CHOSEN
    if many and board and case is not None:
        sentences.insert(0, boards.leader(data.cases[case], board))
    return View(
        headline=sentences[0] if sentences else "There is one machine here, and nothing to compare it with.",
        sentences=tuple(sentences[1:]),
        counts=_counts(data),
        entrants=tuple(_entrant(data, place) for place in chosen),
        groups=tuple(_groups(data, chosen, comparison)),
        method=METHOD.format(counted(comparison.family, "test")) if comparison else "",
        notes=tuple(_notes(comparison)) if comparison else (),
        conditions=comparison.conditions if comparison else (),
        board=boards.shown_board(data, case, board) if board and case is not None else None,
        simulated=any(exhibit.publication.backend == "fake" for exhibit in data.exhibits),
    )


def first_chosen(data: Dataset, board: Board | None) -> list[int]:
    """All, of few; of many the best of each model on the board, and without a board the first."""
    found = compared(data)
    if len(found) <= MOST_CHOSEN:
        return found
    place = {exhibit.label: at for at, exhibit in enumerate(data.exhibits)}
    best: dict[str, int] = {}
    for one in board.ranked if board else ():
        best.setdefault(data.exhibits[place[one.label]].publication.machine.name, place[one.label])
    return list(best.values())[:FIRST_CHOSEN] or found[:FIRST_CHOSEN]


def compared(data: Dataset) -> list[int]:
    """The machines that can be chosen: published figures only stand beside them."""
    return [at for at, one in enumerate(data.exhibits) if one.publication.origin is not Origin.PUBLISHED]


def _sentences(comparison: compare.Comparison) -> list[str]:
    """One for each of the others, the one that is faster in most cases first."""
    rows: dict[str, list[compare.Row]] = {label: [] for label in comparison.others}
    for row in comparison.rows:
        rows[row.label].append(row)
    wins = {label: -sum(row.verdict is Verdict.FASTER for row in found) for label, found in rows.items()}
    base = clean(comparison.baseline)
    return [versus.headline(rows[label], base, clean(label)) for label in sorted(rows, key=wins.__getitem__)]


def _notes(comparison: compare.Comparison) -> Iterator[str]:
    """What the marks beside ratios mean here, and why pairs could not be compared."""
    for reason, count in tally(reason for row in comparison.rows for reason in row.unclean).items():
        yield f"{versus.UNCLEAN} {counted(count, 'pair')} not clean: {reason}."
    for label in comparison.others:
        differs = dict.fromkeys(one for row in comparison.rows if row.label == label for one in row.differs)
        if differs:
            yield f"{versus.DIFFERS} {clean(label)} differs in: {clean(', '.join(differs))}."
    barred = (row.reason for row in comparison.rows if row.verdict is Verdict.INCOMPARABLE)
    for reason, count in tally(barred).items():
        yield f"{versus.VERDICTS[Verdict.INCOMPARABLE][0]} {counted(count, 'pair')}: {sentence(clean(reason))}"


def _counts(data: Dataset) -> tuple[str, ...]:
    origins = [exhibit.publication.origin for exhibit in data.exhibits]
    told = [f"{counted(origins.count(origin), 'machine')} {origin.value}" for origin in Origin if origin in origins]
    told = [text.replace("machines published", "published sources").replace("machine published", "published source")
            for text in told]  # fmt: skip
    dates = sorted(filter(None, (data.exhibits[at].publication.started[:10] for at in compared(data))))
    told.append(counted(len(data.cases), "case"))
    if dates:
        told.append(dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}")
    return tuple(told)


def _entrant(data: Dataset, place: int) -> Entrant:
    exhibit = data.exhibits[place]
    return Entrant(place, clean(exhibit.label), boards.about(exhibit))


def _groups(data: Dataset, chosen: Sequence[int], comparison: compare.Comparison | None) -> Iterator[Group]:
    """The tasks in which one of the implementations is a chosen machine's best, benchmark by benchmark."""
    pairs = versus.lines(comparison) if comparison else {}
    rows = [
        (case.benchmark, _row(data, chosen, case, implementation, cells, pairs.get((key, implementation), {})))
        for case, key, implementation, cells in _tasks(data, chosen)
    ]
    for name, group in groupby(rows, key=lambda row: row[0]):
        yield Group(family(name), tuple(row for _, row in group))


Task = tuple[CaseInfo, str, str, Mapping[int, Score]]


def _tasks(data: Dataset, chosen: Sequence[int]) -> Iterator[Task]:
    for case, column in zip(data.cases, data.cells, strict=True):
        found: dict[str, dict[int, Score]] = {}
        best: dict[int, Score] = {}
        for place in chosen:
            for score in tables.of(column, place):
                found.setdefault(score.implementation, {})[place] = score
                best[place] = _best(best.get(place), score)
        for implementation, cells in found.items():
            if any(best[place] is score for place, score in cells.items()):
                yield case, next(iter(cells.values())).case.key, implementation, cells


def _best(rival: Score | None, score: Score) -> Score:
    """The better of two numbers; one at all is better than none, and the first of equals stays."""
    old, new = scores.value(rival) if rival else None, scores.value(score)
    if rival is None or (new is not None and old is None):
        return score
    if new is None or old is None:
        return rival
    return score if (new > old if score.metric.higher_is_better else new < old) else rival


def _row(
    data: Dataset, chosen: Sequence[int], case: CaseInfo, implementation: str, cells: Mapping[int, Score],
    pairs: Mapping[str, compare.Row],
) -> RowView:  # fmt: skip
    made = tuple(_cell(cells.get(place), pairs.get(data.exhibits[place].label), case) for place in chosen)
    return RowView(case.words, clean(implementation), case.unit, made)


def _cell(score: Score | None, pair: compare.Row | None, case: CaseInfo) -> CellView:
    if score is None:
        return CellView(units.DASH, "not measured", "unknown")
    value = scores.value(score)
    if value is None:
        glyph, word, tone = STATUSES[score.status if score.status is not Status.OK else Status.FAILED]
        return CellView(glyph, word, tone)
    amount = shown(value, *scores.interval(score, value), case.scale)
    if pair is None or pair.ratio is None:
        amount += versus.UNCLEAN if compromised(score) else ""
        return CellView(amount, " ".join(versus.VERDICTS[pair.verdict]) if pair else "")
    glyph, word = versus.VERDICTS[pair.verdict]
    ratio = times(pair.ratio, pair.low, pair.high)
    ends = f" ({span(pair.low, pair.high)})" if pair.low is not None and pair.high is not None else ""
    marks = (versus.DIFFERS if pair.differs else "") + (versus.UNCLEAN if not pair.clean else "")
    return CellView(f"{glyph} {ratio}{marks}", f"{word}{ends}", TONES.get(pair.verdict, "unknown"), amount)
