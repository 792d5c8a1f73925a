"""The leader board of one case as the page opens with it, and which case that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchsuite import ranking, units, worth
from benchsuite.model import Exhibit, Origin, Score
from benchsuite.ranking import Board, Place
from benchsuite.render import versus
from benchsuite.render.explorer import data as tables
from benchsuite.render.explorer.data import CaseInfo, Dataset
from benchsuite.render.explorer.figures import fixed, shown, significant
from benchsuite.render.words import clean, counted

BOARD_ROWS = 20
"""Rows of the leader board before "show more"."""
HEADLINE = ("gemm", "attention", "memory")
"""Benchmarks whose cases the board opens with, the first that there is."""
ORDER = (
    "By {}; {} is better. A rank is the range left by {} under one family-wise error rate of 5\u00a0% (Holm); "
    "differences within ±1\u00a0% are not called. Equal ranges are ties."
)


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A machine on the board."""

    rank: str
    label: str
    about: str
    amount: str
    watts: str
    dollars: str
    price: str
    note: str


@dataclass(frozen=True, slots=True)
class BoardView:
    """The leader board of the case that the page opens with; ``more``: how many rows are left out here."""

    case: int
    title: str
    unit: str
    per_watt: str
    per_dollar: str
    direction: str
    rows: tuple[BoardRow, ...]
    more: int
    note: str


def first_case(data: Dataset) -> int | None:
    """The case the board opens with: of those that most machines have, the heaviest of the first headline benchmark."""
    if not data.cases:
        return None
    most = max(case.count for case in data.cases)
    usual = [n for n, case in enumerate(data.cases) if case.count >= 0.9 * most]
    order = {name: -at for at, name in enumerate(HEADLINE)}

    def weight(n: int) -> tuple[int, bool, float, int]:
        case = data.cases[n]
        return order.get(case.benchmark, -len(order)), case.dtype == "bf16", case.flops, -n

    return max(usual, key=weight)


def board(data: Dataset, number: int) -> Board | None:
    """The board of one case, by value (``ranking``)."""
    tried: dict[int, list[Score]] = {}
    for machine, score in data.cells[number]:
        tried.setdefault(machine, []).append(score)
    part = [
        replace(exhibit, publication=replace(exhibit.publication, results=tuple(tried.get(machine, ()))))
        for machine, exhibit in enumerate(data.exhibits)
        if exhibit.publication.origin is not Origin.PUBLISHED
    ]
    return next(iter(ranking.boards(part)), None)


def leader(case: CaseInfo, made: Board) -> str:
    """Who leads, and who cannot be told from it."""
    if not made.ranked:
        return f"No machine can be ranked in {case.name}."
    head = made.ranked[0]
    told = f"{clean(head.label)} leads {counted(len(made.ranked), 'machine')} in {case.name}"
    amount = f"{shown(head.value, head.low, head.high, case.scale)}{units.NO_BREAK_SPACE}{case.unit}"
    tied = sum(place.first == 1 for place in made.ranked) - 1
    if not tied:
        return f"{told}: {amount}."
    share = "shares" if tied == 1 else "share"
    return f"{told}: {amount}; {counted(tied, 'other')} may {share.removesuffix('s')} its rank."


def about(exhibit: Exhibit) -> str:
    """Whose number it is, in a few words."""
    made = exhibit.publication
    words = [made.origin.value if made.origin is not Origin.MEASURED else "", exhibit.level.value, made.started[:10]]
    return " · ".join(clean(word) for word in words if word)


def shown_board(data: Dataset, number: int, made: Board) -> BoardView:
    """The board's head in words, with what a watt and a dollar give."""
    case = data.cases[number]
    at = {exhibit.label: place for place, exhibit in enumerate(data.exhibits)}
    places = [*made.ranked, *made.unranked]
    found = [_score(data, number, at[place.label], place.implementation) for place in places]
    worths = [
        worth.of(score, data.exhibits[at[place.label]].publication.offer)
        for place, score in zip(places, found, strict=True)
    ]
    watts, watt = _scaled([one.per_watt.value for one in worths])
    dollars, dollar = _scaled([one.per_dollar.value for one in worths])
    prices = (one.usd_per_hour for one in worths)
    rows = tuple(
        _row(place, data.exhibits[at[place.label]], case, each)
        for place, *each in zip(places[:BOARD_ROWS], watts, dollars, prices, strict=False)
    )
    higher = case.metric.higher_is_better
    return BoardView(
        case=number,
        title=case.name,
        unit=case.unit + ("" if higher else ", less is better"),
        per_watt=f"{units.unit(case.metric.value, watt)} per watt",
        per_dollar=f"{dollar}{worth.WORK.get(case.metric, '')} per dollar",
        direction="descending" if higher else "ascending",
        rows=rows,
        more=len(places) - len(rows),
        note=ORDER.format("the best implementation of each", "more" if higher else "less", counted(made.tests, "pair")),
    )


def _score(data: Dataset, number: int, place: int, implementation: str) -> Score:
    return next(score for score in tables.of(data.cells[number], place) if score.implementation == implementation)


def _scaled(amounts: Sequence[float | None]) -> tuple[list[str], str]:
    """Each with three digits under one prefix, that of the middle one, and the prefix."""
    known = sorted(amount for amount in amounts if amount is not None)
    scale, letter = units.prefix(known[len(known) // 2]) if known else (1.0, "")
    return [units.DASH if amount is None else significant(amount / scale) for amount in amounts], letter


def _row(place: Place, exhibit: Exhibit, case: CaseInfo, each: Sequence[Any]) -> BoardRow:
    watts, dollars, usd = each
    return BoardRow(
        rank=versus.rank(place),
        label=clean(place.label),
        about=about(exhibit),
        amount=shown(place.value, place.low, place.high, case.scale),
        watts=watts,
        dollars=dollars,
        price=f"${fixed(usd, 2)}" if usd is not None else units.DASH,
        note=clean(place.reason),
    )
