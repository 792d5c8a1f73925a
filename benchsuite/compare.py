"""Two campaigns -> one verdict per identical case: faster, slower, same, undecided or incomparable.

Decided on run-level medians by Welch's t on the log scale, Holm-corrected over all pairs shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchsuite.model import Case, Score, Status
from benchsuite.statistics import runs
from benchsuite.statistics.runs import Verdict

MARGIN = 0.01


@dataclass(frozen=True, slots=True)
class Row:
    """One case of two campaigns. ``ratio`` is B over A, above 1 when B is better; ``needed`` runs a side."""

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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every row, and how many tests share the family-wise error rate of 5 %."""

    rows: tuple[Row, ...]
    family: int
    margin: float = MARGIN


def compare(a: Sequence[Score], b: Sequence[Score], margin: float = MARGIN) -> Comparison:
    """Compare the tasks that both campaigns ran, matched by case and implementation."""
    others = {(score.case.key, score.implementation): score for score in b}
    both = [(one, others.get((one.case.key, one.implementation))) for one in a]
    pairs = [(one, other) for one, other in both if other and Status.SKIPPED not in {one.status, other.status}]
    measured = [(one, other, _ratio(one, other)) for one, other in pairs]
    tested = [ratio.p for _, _, ratio in measured if ratio is not None]
    shown = iter(runs.holm(tested))
    rows = [_row(one, other, ratio, next(shown) if ratio else False, margin) for one, other, ratio in measured]
    return Comparison(tuple(rows), len(tested), margin)


def _ratio(a: Score, b: Score) -> runs.Ratio | None:
    if a.value is None or b.value is None:
        return None
    return runs.welch(_better_up(a), _better_up(b))


def _better_up(score: Score) -> list[float]:
    return [value if score.metric.higher_is_better else 1.0 / value for value in score.run_values]


def _row(a: Score, b: Score, ratio: runs.Ratio | None, shown: bool, margin: float) -> Row:
    if a.value is None or b.value is None:
        reason = a.reason or b.reason or "no value"
        return Row(a.case, a.implementation, Verdict.INCOMPARABLE, a.value, b.value, reason=reason)
    if ratio is None:
        reason = f"fewer than {runs.MIN_RUNS} runs on a side"
        return Row(a.case, a.implementation, Verdict.UNDECIDED, a.value, b.value, reason=reason)
    verdict = runs.verdict(ratio, shown, margin)
    needed = runs.runs_needed(_better_up(a), _better_up(b), margin) if verdict is Verdict.UNDECIDED else None
    return Row(a.case, a.implementation, verdict, a.value, b.value, ratio.ratio, ratio.low, ratio.high, needed)
