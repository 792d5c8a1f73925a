"""How comparisons are put into words: the same in a terminal, in Markdown and on a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase

from benchsuite import units
from benchsuite.aggregate import Aggregate
from benchsuite.compare import Comparison, Correction, Row
from benchsuite.model import Case, Exhibit, Level, Origin
from benchsuite.ranking import Board, By, Place
from benchsuite.render.words import WILD, clean, counted, family, parameters, sentence, tally
from benchsuite.statistics.runs import Verdict

VERDICTS = {
    Verdict.FASTER: ("▲", "faster"),
    Verdict.SLOWER: ("▼", "slower"),
    Verdict.SAME: ("≈", "same"),
    Verdict.UNDECIDED: ("?", "undecided"),
    Verdict.INCOMPARABLE: ("≠", "incomparable"),
}
"""Glyph and word of each verdict."""
DECIDED = {Verdict.FASTER, Verdict.SLOWER, Verdict.SAME}
DIFFERS, UNCLEAN = "†", "!"
"""What stands behind a ratio whose sides differ in a declared condition, or of which one was compromised."""
SHARED = "+"
"""Where several stand on a strip."""
LETTERS = ascii_uppercase

ERRORS = {
    Correction.HOLM: "{} under one family-wise error rate of 5 % (Holm)",
    Correction.BENJAMINI_HOCHBERG: "Of the differences among {}, 5 % may be false (Benjamini-Hochberg)",
}


def lettered(labels: Sequence[str]) -> dict[str, str]:
    """A letter for each label, as far as there are letters."""
    return dict(zip(labels, LETTERS, strict=False))


def legend(exhibits: Sequence[Exhibit]) -> list[str]:
    """A line for each: its letter, its label, its campaign and when it was measured, and what is not plain about it."""
    return [
        f"{letter}  {clean(one.label)}  {', '.join(_about(one))}"
        for letter, one in zip(LETTERS, exhibits, strict=False)
    ]


def _about(exhibit: Exhibit) -> Iterator[str]:
    made = exhibit.publication
    yield clean(made.id)
    yield clean(made.started[:10]) or "date not known"
    if made.origin is not Origin.MEASURED:
        yield made.origin.value
    if exhibit.level is not Level.SELF_REPORTED:
        yield f"{exhibit.level.value} by {clean(exhibit.signer)}"
    if exhibit.problems:
        yield counted(len(exhibit.problems), "problem")


def name(case: Case) -> str:
    """A case for a line of a table."""
    return f"{family(case.benchmark)} {parameters(case)}"


def ratio(row: Row) -> str:
    """``×1.432``, or nothing."""
    return f"×{row.ratio:.3f}" if row.ratio is not None else ""


def interval(row: Row) -> str:
    """``1.421–1.440``, or nothing; ends that say only that the runs disagree are not printed."""
    if row.ratio is None or row.low is None or row.high is None:
        return ""
    if row.low * WILD < row.ratio or row.high > row.ratio * WILD:
        return f"beyond{units.NO_BREAK_SPACE}×{WILD}"
    return f"{row.low:.3f}{units.DASH}{row.high:.3f}"


def cell(row: Row | None) -> str:
    """A row of one column among several: glyph, ratio, interval, marks."""
    if row is None:
        return units.DASH
    marks = (DIFFERS if row.differs else "") + (UNCLEAN if not row.clean and row.verdict in DECIDED else "")
    ends = f"({interval(row)})" if interval(row) else ""
    return " ".join(filter(None, (VERDICTS[row.verdict][0], ratio(row), ends, marks)))


def lines(comparison: Comparison) -> dict[tuple[str, str], dict[str, Row]]:
    """The rows by case and implementation, then by the label of the other."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in comparison.rows:
        found.setdefault((row.case.key, row.implementation), {})[row.label] = row
    return found


def headline(rows: Sequence[Row], one: str, other: str) -> str:
    """In how many cases ``other`` is faster than ``one``, slower, the same, with the ratios."""
    cases = counted(len(rows), "case")
    faster, slower = (_spread([row for row in rows if row.verdict is verdict]) for verdict in _CALLED)
    count = {verdict: sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    parts = [
        f"faster in {count[Verdict.FASTER]}{faster}" if count[Verdict.FASTER] else "",
        f"slower in {count[Verdict.SLOWER]}{slower}" if count[Verdict.SLOWER] else "",
        f"the same in {count[Verdict.SAME]}" if count[Verdict.SAME] else "",
        f"no difference shown in {count[Verdict.UNDECIDED]}" if count[Verdict.UNDECIDED] else "",
        f"not comparable in {count[Verdict.INCOMPARABLE]}" if count[Verdict.INCOMPARABLE] else "",
    ]
    return f"{other} against {one}, {cases}: {', '.join(filter(None, parts)) or 'nothing to compare'}."


_CALLED = (Verdict.FASTER, Verdict.SLOWER)


def _spread(rows: Sequence[Row]) -> str:
    found = sorted(row.ratio for row in rows if row.ratio is not None)
    ends = dict.fromkeys(f"×{end:.2f}" for end in (found[0], found[-1])) if found else ()
    return f" ({' to '.join(ends)})" if ends else ""


def margin(fraction: float) -> str:
    """``±1 %``."""
    return f"±{fraction * 100:g}{units.NO_BREAK_SPACE}%"


def method(comparison: Comparison) -> str:
    """How many tests share the error rate, and what is not called."""
    errors = ERRORS[comparison.correction].format(counted(comparison.family, "test"))
    return f"Above 1 is better. {errors}; differences within {margin(comparison.margin)} are not called."


def notes(comparison: Comparison, letters: Mapping[str, str]) -> list[str]:
    """What a reader must know beside the ratios: what is not clean, what differs, what was not compared and why."""
    unclean = tally(reason for row in comparison.rows for reason in row.unclean)
    found = [f"{counted(count, 'pair')} not clean: {clean(reason)}." for reason, count in unclean.items()]
    return found + _of_each(comparison, letters)


def _of_each(comparison: Comparison, letters: Mapping[str, str]) -> list[str]:
    """In what each of the others differs from the baseline, and what it lacks, those alike together."""
    told: dict[str, dict[str, None]] = {label: {} for label in comparison.others}
    for row in comparison.rows:
        told.get(row.label, {}).update(dict.fromkeys(row.differs))
    differing: dict[str, list[str]] = {}
    for label, names in told.items():
        differing.setdefault(", ".join(names), []).append(letters.get(label, clean(label)))
    unmatched: dict[tuple[int, int], list[str]] = {}
    for one in comparison.unmatched:
        unmatched.setdefault((one.lacking, one.extra), []).append(letters.get(one.label, clean(one.label)))
    found = [
        f"{DIFFERS} {_several(who)}: unlike the baseline in {clean(what)}." for what, who in differing.items() if what
    ]
    for (lacking, extra), who in unmatched.items():
        parts = [f"{lacking} lacking here" if lacking else "", f"{extra} lacking in the baseline" if extra else ""]
        if any(parts):
            found.append(f"Tasks left out, {_several(who)}: {', '.join(filter(None, parts))}.")
    return found


NAMED = 8


def _several(names: Sequence[str]) -> str:
    """All names, or of many the first and how many more."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def reasons(comparison: Comparison) -> list[str]:
    """Why pairs could not be compared, each reason with how many."""
    told = tally(row.reason for row in comparison.rows if row.verdict is Verdict.INCOMPARABLE)
    return [f"≠ {counted(count, 'pair')}: {sentence(clean(reason))}" for reason, count in told.items()]


def not_clean(rows: Sequence[Row]) -> str:
    """Why these verdicts decide nothing, and what to do."""
    told = "; ".join(tally(reason for row in rows for reason in row.unclean))
    what = f"{counted(len(rows), 'difference')} found, but not clean: {clean(told)}."
    return f"{what} Measure again on a machine that does nothing else."


def mean(found: Aggregate, other: str, one: str) -> str:
    """A composite with its interval, or a dash, and how much of it there is and why."""
    what = f"{clean(other)} against {one}, geometric mean over {counted(len(found.parts), 'case')}"
    if found.value is None:
        return f"{what}: {units.DASH}, {sentence(clean(found.reason))}"
    ends = f" ({found.low:.3f}{units.DASH}{found.high:.3f})" if found.low and found.high else ""
    return f"{what}: ×{found.value:.3f}{ends}."


def rank(place: Place) -> str:
    """``3``, ``2–4``, or a dash."""
    if place.first is None:
        return units.DASH
    return str(place.first) if place.first == place.last else f"{place.first}{units.DASH}{place.last}"


def amount(place: Place, board: Board) -> str:
    """A place's number with its interval, in one unit for the whole board (that of its best), or a dash."""
    every = (one.value for one in (*board.ranked, *board.unranked) if one.value is not None)
    best = next(every, None)
    if place.value is None or best is None:
        return units.DASH
    scale, letter = units.prefix(best)
    unit = f"{letter}{board.unit if board.question.by is not By.VALUE else units.unit(board.metric)}"
    value, low, high = (end / scale if end is not None else None for end in (place.value, place.low, place.high))
    return f"{_ranged(value or 0.0, low, high)}{units.NO_BREAK_SPACE}{unit}"


def _ranged(value: float, low: float | None, high: float | None) -> str:
    """A number with its interval: with its half-width, by its ends where it is wide, or not at all."""
    if low is None or high is None or low * WILD < value or high > value * WILD:
        return units.significant(value)
    half = (high - low) / 2.0
    if half <= units.NARROW * value:
        return units.significant(value)
    if half > units.WIDE * value:
        return f"{units.significant(value)} ({units.significant(low)}{units.DASH}{units.significant(high)})"
    places = units.decimals(half)
    return units.NO_BREAK_SPACE.join((f"{value:.{places}f}", "±", f"{half:.{places}f}"))


def ordering(board: Board) -> str:
    """What the board is ordered by, and how its ranks came to be."""
    what = {By.VALUE: "", By.WATT: " per watt", By.DOLLAR: " per dollar"}[board.question.by]
    which = clean(board.question.implementation) or "the best implementation of each"
    direction = "more" if board.metric.higher_is_better or board.question.by is not By.VALUE else "less"
    if not board.tests:
        return f"By {which}{what}; {direction} is better. There are no two that could be tested against each other."
    pairs, unlike = counted(board.tests, "pair"), clean(", ".join(board.differs))
    return (
        f"By {which}{what}; {direction} is better. A rank is the range left by {pairs} under one family-wise error "
        f"rate of 5 % (Holm); differences within {margin(board.question.margin)} are not called. Equal ranges are ties."
        + (f" {DIFFERS} Not the same for all: {unlike}." if unlike else "")
    )
