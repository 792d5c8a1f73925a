"""Campaigns of one case -> a leader board: ordered by estimate, each rank a range, ties shown as ties.

All pairs are decided as ``compare`` decides them (Welch's t on the logs of the run values, a practical margin), and
Holm keeps the chance of even one false difference on a board at 5 %. A rank is no better than one more than the number
of campaigns shown to be better, and no worse than that of all less those shown to be worse, so that with the same
chance all ranges hold at once (the ranks of Mogstad, Romano, Shaikh & Wilhelm 2024, from tests of all pairs). What
cannot be decided on has no rank, and says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from benchsuite import aggregate, worth
from benchsuite.comparability import differing, kind, unlike, unmeasured, valueless
from benchsuite.compare import MARGIN, Comparison, Row, better_up, fits, task
from benchsuite.model import Case, Exhibit, Metric, Origin, Publication, Score, Status
from benchsuite.reportable import compromised
from benchsuite.statistics.pairwise import Flags, Indices, Pairs, Sides, every_pair, holm
from benchsuite.statistics.runs import MIN_RUNS, Verdict


class By(StrEnum):
    """What a board is ordered by: the value itself, or what a watt or a dollar gives of it."""

    VALUE = "value"
    WATT = "watt"
    DOLLAR = "dollar"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a board. ``implementation``: only this one; empty: the best that each machine has.

    margin: differences within it are not called.
    """

    implementation: str = ""
    by: By = By.VALUE
    margin: float = MARGIN


@dataclass(frozen=True, slots=True)
class Place:
    """A campaign on a board. ``first`` to ``last``: its rank; ``None`` without one, and ``reason`` says why.

    value, low, high: in the board's unit, with the uncorrected 95 % interval; ``None`` where there is no number.
    """

    label: str
    implementation: str = ""
    origin: Origin = Origin.MEASURED
    runs: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    first: int | None = None
    last: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """The places of one case: those with a rank by estimate, the best first; those with a number but no rank; the rest.

    unit: SI, no prefix. tests: how many pairs share the error rate of 5 %. differs: declared conditions that are not
    the same for all that are ranked (``comparability.differing``).
    """

    case: Case
    metric: Metric
    unit: str
    question: Question
    ranked: tuple[Place, ...]
    unranked: tuple[Place, ...]
    missing: tuple[Place, ...]
    tests: int
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """A board with the verdict on every pair of its ranked places.

    ``verdicts[i][j]``: how i compares with j, ``None`` where that is itself; ``ratios[i][j]``: i over j, above 1 when i
    is better.
    """

    board: Board
    verdicts: tuple[tuple[Verdict | None, ...], ...]
    ratios: tuple[tuple[float, ...], ...]


def boards(exhibits: Sequence[Exhibit], patterns: Sequence[str] = (), question: Question | None = None) -> list[Board]:
    """A board of each case that a pattern fits (``compare.fits``) and that has a number, in order of appearance."""
    return [_board(contest, exhibits) for contest in _contests(exhibits, patterns, question or Question())]


def matrices(
    exhibits: Sequence[Exhibit], patterns: Sequence[str] = (), question: Question | None = None
) -> list[Matrix]:
    """The same with the verdict on every pair."""
    return [
        Matrix(_board(contest, exhibits), *contest.decided.matrix(contest.question.margin))
        for contest in _contests(exhibits, patterns, question or Question())
    ]


def composite(comparison: Comparison, label: str, tasks: Iterable[tuple[str, str]]) -> aggregate.Aggregate:
    """The geometric mean of one campaign's ratios to the baseline over all of ``tasks``, or none and the reason."""
    rows = {(row.case.key, row.implementation): row for row in comparison.rows if row.label == label}
    return aggregate.ratios([_part(name, rows.get(name)) for name in tasks])


def _part(name: tuple[str, str], row: Row | None) -> aggregate.Part:
    key, implementation = name
    told = f"{key} [{implementation}]"
    if row is None or row.low is None:
        return aggregate.Part(told, None, reason=row.reason if row else "not measured")
    return aggregate.Part(told, row.ratio, row.low, row.high, Metric.RATIO.value)


@dataclass(frozen=True, slots=True)
class _Entrant:
    """Who takes part: its place as far as it is known, its score, and its run values, better-is-up, in ``unit``."""

    place: Place
    score: Score
    publication: Publication
    unit: str = ""
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Placing:
    """All pairs of sides that stand in the order of their estimates; ``shown``: the first is shown to be better."""

    count: int
    first: Indices
    second: Indices
    pairs: Pairs
    shown: Flags

    @classmethod
    def of(cls, sides: Sides, margin: float) -> Placing:
        """Of sides in the order of their means, the largest first."""
        count = sides.mean.size
        first, second = every_pair(count)
        pairs = Pairs.of(sides[first], sides[second])
        shown = holm(pairs.p(most=0.05))
        shown[shown] = pairs[shown].beyond(margin)
        return cls(count, first, second, pairs, shown)

    def ranks(self) -> list[tuple[int, int]]:
        """The best and the worst rank that each can have."""
        better = np.bincount(self.second[self.shown], minlength=self.count)
        worse = np.bincount(self.first[self.shown], minlength=self.count)
        return list(zip((1 + better).tolist(), (self.count - worse).tolist(), strict=True))

    def matrix(self, margin: float) -> tuple[tuple[tuple[Verdict | None, ...], ...], tuple[tuple[float, ...], ...]]:
        """Verdict and ratio of each against each."""
        verdicts: list[list[Verdict | None]] = [[None] * self.count for _ in range(self.count)]
        logs = np.zeros((self.count, self.count))
        logs[self.first, self.second], logs[self.second, self.first] = -self.pairs.difference, self.pairs.difference
        same = self.pairs.within(margin)
        for i, j, shown, alike in zip(*(x.tolist() for x in (self.first, self.second, self.shown, same)), strict=True):
            tied = Verdict.SAME if alike else Verdict.UNDECIDED
            verdicts[i][j], verdicts[j][i] = (Verdict.FASTER, Verdict.SLOWER) if shown else (tied, tied)
        return tuple(map(tuple, verdicts)), tuple(map(tuple, np.exp(logs).tolist()))


@dataclass(frozen=True, slots=True)
class _Contest:
    """One case, all that take part in it, and the decision on those that can be ranked, in the order of ``able``."""

    case: Case
    question: Question
    entrants: tuple[_Entrant, ...]
    able: tuple[_Entrant, ...]
    decided: Placing


def _contests(exhibits: Sequence[Exhibit], patterns: Sequence[str], question: Question) -> Iterator[_Contest]:
    """Each case with the best score of every exhibit that has one."""
    cases: dict[str, Case] = {}
    found: dict[str, dict[int, list[Score]]] = {}
    for position, exhibit in enumerate(exhibits):
        for score in exhibit.publication.results:
            key, implementation = task(score)
            if question.implementation in {"", implementation} and (not patterns or fits(score, patterns)):
                cases.setdefault(key, score.case)
                found.setdefault(key, {}).setdefault(position, []).append(score)
    for key, case in cases.items():
        entrants = _of_one_kind([_entrant(exhibits[at], _best(few), question) for at, few in found[key].items()])
        if all(valueless(one.score) for one in entrants):
            continue  # nobody has a number: no board
        able = [one for one in entrants if not one.place.reason]
        sides = Sides.of([one.values for one in able])
        order = sorted(range(len(able)), key=lambda i: (-sides.mean[i], able[i].place.label))
        decided = Placing.of(sides[np.array(order, dtype=np.intp)], question.margin)
        yield _Contest(case, question, tuple(entrants), tuple(able[i] for i in order), decided)


def _board(contest: _Contest, exhibits: Sequence[Exhibit]) -> Board:
    ranked = [
        replace(one.place, first=first, last=last)
        for one, (first, last) in zip(contest.able, contest.decided.ranks(), strict=True)
    ]
    model = next((one for one in contest.entrants if one.unit), contest.entrants[0])
    metric, unit = model.score.metric, model.unit
    sign = -1.0 if metric.higher_is_better else 1.0
    others = [one.place for one in contest.entrants if one.place.reason]
    unranked = sorted((one for one in others if one.value), key=lambda one: (sign * (one.value or 0.0), one.label))
    here = {one.place.label for one in contest.entrants}
    missing = [one for one in others if not one.value]
    missing += [
        Place(exhibit.label, origin=exhibit.publication.origin, reason="not measured")
        for exhibit in exhibits
        if exhibit.label not in here
    ]
    return Board(
        contest.case,
        metric,
        unit,
        contest.question,
        tuple(ranked),
        tuple(unranked),
        tuple(missing),
        contest.decided.shown.size,
        _differing(contest.able),
    )


def _differing(able: Sequence[_Entrant]) -> tuple[str, ...]:
    pairs = ((able[0], one) for one in able[1:])
    told = (differing(a.publication, b.publication, a.score, b.score) for a, b in pairs)
    return tuple(dict.fromkeys(name for names in told for name in names))


def _best(scores: Sequence[Score]) -> Score:
    """The best number among implementations; without one the score that says most of why."""
    good = [score for score in scores if not valueless(score)]
    if not good:
        return min(scores, key=lambda score: score.status is Status.SKIPPED)
    return max(good, key=lambda score: (score.value or 0.0) * (1.0 if score.metric.higher_is_better else -1.0))


def _entrant(exhibit: Exhibit, score: Score, question: Question) -> _Entrant:
    """An exhibit's number as the board asks for it, and why it cannot be ranked, if so."""
    origin = exhibit.publication.origin
    place = Place(exhibit.label, score.implementation, origin, len(score.run_values))
    if reason := valueless(score):
        return _Entrant(replace(place, reason=reason), score, exhibit.publication)
    amount = _amount(exhibit, score, question.by)
    if amount.value is None or score.value is None:
        return _Entrant(replace(place, reason=amount.reason), score, exhibit.publication)
    place = replace(place, value=amount.value, low=amount.low, high=amount.high)
    reason = unmeasured(origin, origin) or "; ".join(compromised(score))
    if not reason and len(score.run_values) < MIN_RUNS:
        reason = f"fewer than {MIN_RUNS} runs"
    values = tuple(value * amount.value / score.value for value in better_up(score))
    return _Entrant(replace(place, reason=reason), score, exhibit.publication, amount.unit, values)


def _amount(exhibit: Exhibit, score: Score, by: By) -> worth.Amount:
    if by is By.VALUE:
        return worth.Amount(score.value, score.low, score.high, score.metric.value)
    bought = worth.of(score, exhibit.publication.offer)
    return bought.per_watt if by is By.WATT else bought.per_dollar


def _of_one_kind(entrants: Sequence[_Entrant]) -> list[_Entrant]:
    """Only numbers of the most frequent kind are ranked (of equally many the first); one of another metric is none."""
    kinds = Counter(kind(one.score) for one in entrants if not one.place.reason)
    usual = kinds.most_common(1)[0][0] if kinds else None
    model = next((one.score for one in entrants if one.unit and usual in {None, kind(one.score)}), None)
    return [one if model is None else _held_to(model, one) for one in entrants]


def _held_to(model: Score, one: _Entrant) -> _Entrant:
    if one.unit and one.score.metric is not model.metric:
        place = replace(one.place, value=None, low=None, high=None, reason=unlike(model, one.score))
        return replace(one, place=place, unit="")
    reason = one.place.reason or unlike(model, one.score)
    return one if reason == one.place.reason else replace(one, place=replace(one.place, reason=reason))
