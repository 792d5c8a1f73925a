"""Two campaigns -> one verdict per identical case: faster, slower, same, undecided or incomparable.

Decided on run-level medians by Welch's t on the log scale, corrected over all pairs shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchsuite.model import Case, Score, Spread, Status
from benchsuite.reportable import compromised
from benchsuite.statistics import runs
from benchsuite.statistics.runs import Verdict

MARGIN = 0.01


class Correction(StrEnum):
    """What is kept at 5 % over all tests of a comparison.

    HOLM: the chance of even one false difference: for what is published. BENJAMINI_HOCHBERG: the share of false ones
    among the differences found: for looking around, it finds more.
    """

    HOLM = "Holm"
    BENJAMINI_HOCHBERG = "Benjamini-Hochberg"


CORRECTIONS: dict[Correction, Callable[[Sequence[float]], list[bool]]] = {
    Correction.HOLM: runs.holm,
    Correction.BENJAMINI_HOCHBERG: runs.benjamini_hochberg,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One case of two campaigns. ``ratio`` is B over A, above 1 when B is better.

    low, high: its 95 % interval. needed: runs a side that decide with 80 % probability, if A and B are as they seem.
    clean: whether nothing compromised either side; unclean: what did, each a phrase. medians: the ratio of the medians
    over runs with its bootstrap interval, for display, from ten runs a side. spread_a, spread_b: where noise arises.
    """

    case: Case
    implementation: str
    verdict: Verdict
    a: float | None
    b: float | None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    needed: int | None = None
    reason: str = ""
    clean: bool = True
    unclean: tuple[str, ...] = ()
    medians: runs.Estimate | None = None
    spread_a: Spread | None = None
    spread_b: Spread | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every row, and how many tests share the error rate of 5 %."""

    rows: tuple[Row, ...]
    family: int
    margin: float = MARGIN
    correction: Correction = Correction.HOLM


def compare(
    a: Sequence[Score], b: Sequence[Score], margin: float = MARGIN, correction: Correction = Correction.HOLM
) -> Comparison:
    """Compare the tasks that both campaigns ran, matched by case and implementation."""
    others = {(score.case.key, score.implementation): score for score in b}
    both = [(one, others.get((one.case.key, one.implementation))) for one in a]
    pairs = [(one, other) for one, other in both if other and Status.SKIPPED not in {one.status, other.status}]
    measured = [(one, other, _ratio(one, other)) for one, other in pairs]
    tested = [ratio.p for _, _, ratio in measured if ratio is not None]
    shown = iter(CORRECTIONS[correction](tested))
    decided = Decision(margin, len(tested))
    rows = [decided.row(one, other, ratio, next(shown) if ratio else False) for one, other, ratio in measured]
    return Comparison(tuple(rows), len(tested), margin, correction)


def _unlike(a: Score, b: Score) -> str:
    """Why these two numbers do not measure the same thing, or nothing."""
    if a.value is None or b.value is None:
        return a.reason or b.reason or "no value"
    told = {"backend": "backend", "cache": "cache mode", "sync": "synchronisation of the ranks"}
    for name, words in told.items():
        one, other = getattr(a, name), getattr(b, name)
        if one != other:
            return f"the {words} differs: {one or 'unknown'} and {other or 'unknown'}"
    return ""


def _ratio(a: Score, b: Score) -> runs.Ratio | None:
    return None if _unlike(a, b) else runs.welch(_better_up(a), _better_up(b))


def _better_up(score: Score) -> list[float]:
    return [value if score.metric.higher_is_better else 1.0 / value for value in score.run_values]


@dataclass(frozen=True, slots=True)
class Decision:
    """What makes a row of two scores: the margin, and how many tests there are."""

    margin: float
    family: int

    def row(self, a: Score, b: Score, ratio: runs.Ratio | None, shown: bool) -> Row:
        """The verdict on two scores whose ratio, if there is one, is ``shown`` to differ from 1."""
        if reason := _unlike(a, b):
            return Row(a.case, a.implementation, Verdict.INCOMPARABLE, a.value, b.value, reason=reason)
        if ratio is None:
            reason = f"fewer than {runs.MIN_RUNS} runs on a side"
            return Row(a.case, a.implementation, Verdict.UNDECIDED, a.value, b.value, reason=reason)
        verdict = runs.verdict(ratio, shown, self.margin)
        needed = self._needed(a, b) if verdict is Verdict.UNDECIDED else None
        beyond = "" if needed or verdict is not Verdict.UNDECIDED else f"more than {runs.MOST_RUNS} runs would decide"
        unclean = tuple(dict.fromkeys((*compromised(a), *compromised(b))))
        return Row(
            case=a.case,
            implementation=a.implementation,
            verdict=verdict,
            a=a.value,
            b=b.value,
            ratio=ratio.ratio,
            low=ratio.low,
            high=ratio.high,
            needed=needed,
            reason=beyond,
            clean=not unclean,
            unclean=unclean,
            medians=runs.ratio_of_medians(_better_up(a), _better_up(b)),
            spread_a=a.spread,
            spread_b=b.spread,
        )

    def _needed(self, a: Score, b: Score) -> int | None:
        """How many runs a side would decide; ``None`` when no sensible number does."""
        truth = runs.Truth.estimated(_better_up(a), _better_up(b))
        return runs.runs_needed(truth, self.margin, max(self.family, 1)) if truth else None
