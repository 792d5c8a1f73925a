"""Campaigns against one of them -> a verdict per identical case: faster, slower, same, undecided or incomparable.

Decided on run-level medians by Welch's t on the log scale, corrected over all pairs shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from benchsuite.comparability import Difference, differences, differing, unlike, unmeasured
from benchsuite.errors import UsageError
from benchsuite.model import Case, Exhibit, Metric, Score, Spread, Status
from benchsuite.reportable import compromised
from benchsuite.statistics import pairwise, runs
from benchsuite.statistics.runs import Verdict

Task = tuple[str, str]
"""A case's key and an implementation: what is the same task in every campaign."""
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

    low, high: its 95 % interval; without one there are too few runs, or none of ours, and there is no verdict.
    needed: runs a side that decide with 80 % probability, if A and B are as they seem.
    clean: whether nothing compromised either side; unclean: what did, each a phrase. medians: the ratio of the medians
    over runs with its bootstrap interval, for display, from ten runs a side. spread_a, spread_b: where noise arises.
    label: which campaign B is, where there are several; differs: declared conditions in which the two sides differ.
    metric: of ``a`` and ``b``, which are in its unit.
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
    label: str = ""
    differs: tuple[str, ...] = ()
    metric: Metric | None = None


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Tasks that a campaign and the baseline do not share: only the baseline has them, or only the other."""

    label: str
    lacking: int
    extra: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every row, and how many tests share the error rate of 5 %.

    baseline, others: the labels of what is compared; conditions: in what these differ, the baseline first; unmatched:
    what was left out since one side does not have it.
    """

    rows: tuple[Row, ...]
    family: int
    margin: float = MARGIN
    correction: Correction = Correction.HOLM
    baseline: str = ""
    others: tuple[str, ...] = ()
    conditions: tuple[Difference, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """How a comparison is decided: differences within the margin are not called.

    detailed: whether each pair is told the runs it would need and the ratio of its medians, which takes milliseconds.
    """

    margin: float = MARGIN
    correction: Correction = Correction.HOLM
    detailed: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """One task of the baseline and of another campaign. ``unlike``: why the two have no ratio; ``bar``: why they get no
    verdict though a ratio."""

    a: Score
    b: Score
    unlike: str
    label: str = ""
    bar: str = ""
    differs: tuple[str, ...] = ()

    @property
    def tried(self) -> bool:
        """Whether both sides set out to measure it."""
        return self.a.status is not Status.SKIPPED and self.b.status is not Status.SKIPPED

    @property
    def tested(self) -> bool:
        """Whether the two are like each other, measured here, and have runs enough for a test."""
        return not self.unlike and not self.bar and min(len(self.a.run_values), len(self.b.run_values)) >= runs.MIN_RUNS


def compare(
    a: Sequence[Score], b: Sequence[Score], margin: float = MARGIN, correction: Correction = Correction.HOLM
) -> Comparison:
    """Compare the tasks that both campaigns ran, matched by case and implementation."""
    others = _by_task(b)
    pairs = [(one, others[task(one)]) for one in a if task(one) in others]
    matches = [Match(one, other, unlike(one, other)) for one, other in pairs]
    return _decided(matches, Rule(margin, correction))


def against(baseline: Exhibit, others: Sequence[Exhibit], rule: Rule | None = None) -> Comparison:
    """Compare each of the others with the baseline: the rows case by case, each in the order of the others.

    All pairs of all campaigns are one family of tests. What we did not measure has a ratio, but never a verdict.
    """
    mine = _by_task(baseline.publication.results)
    theirs = [_by_task(exhibit.publication.results) for exhibit in others]
    matches = [
        _match(baseline, exhibit, one, found[key])
        for key, one in mine.items()
        for exhibit, found in zip(others, theirs, strict=True)
        if key in found
    ]
    return replace(
        _decided(matches, rule or Rule()),
        baseline=baseline.label,
        others=tuple(exhibit.label for exhibit in others),
        conditions=differences([baseline, *others]),
        unmatched=tuple(_unmatched(exhibit.label, mine, found) for exhibit, found in zip(others, theirs, strict=True)),
    )


def _match(a: Exhibit, b: Exhibit, one: Score, other: Score) -> Match:
    ours, theirs = a.publication, b.publication
    differs = differing(ours, theirs, one, other)
    return Match(one, other, unlike(one, other), b.label, unmeasured(ours.origin, theirs.origin), differs)


def chosen(exhibit: Exhibit, patterns: Sequence[str]) -> Exhibit:
    """The exhibit with only the tasks that one of the patterns fits (all, without patterns).

    A pattern is that of ``benchsuite run --only``: words, each of which fits a benchmark or a ``parameter=value``.
    """
    results = tuple(score for score in exhibit.publication.results if not patterns or fits(score, patterns))
    return replace(exhibit, publication=replace(exhibit.publication, results=results))


def fits(score: Score, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns fits the task: each of its words a word of the task's key, or the implementation."""
    words = [*score.case.key.split(), score.implementation]
    return any(all(any(fnmatchcase(word, part) for word in words) for part in one.split()) for one in patterns)


def task(score: Score) -> Task:
    """The task that a score is of, the same in every campaign."""
    return score.case.key, score.implementation


def divided(exhibits: Sequence[Exhibit], baseline: str = "") -> tuple[Exhibit, list[Exhibit]]:
    """The baseline (the first, unless it is named) and the others in their order.

    A name is a label, the beginning of a campaign's id, or a part of a label. Raises ``UsageError``.
    """
    if len(exhibits) < 2:
        raise UsageError("There is only one campaign to compare.", "Name two or more.")
    ways: tuple[Callable[[Exhibit], bool], ...] = (
        lambda one: one.label == baseline,
        lambda one: one.publication.id.startswith(baseline),
        lambda one: baseline.casefold() in one.label.casefold(),
    )
    matching = next(filter(None, ([one for one in exhibits if way(one)] for way in ways)), [])
    if baseline and len(matching) != 1:
        what = f"{len(matching)} campaigns are called" if matching else "No campaign is called"
        raise UsageError(f"{what} {baseline!r}.", f"There are: {', '.join(one.label for one in exhibits[:20])}.")
    first = matching[0] if baseline else exhibits[0]
    return first, [one for one in exhibits if one is not first]


def _by_task(scores: Sequence[Score]) -> dict[Task, Score]:
    return {task(score): score for score in scores}


def _unmatched(label: str, mine: Mapping[Task, Score], theirs: Mapping[Task, Score]) -> Unmatched:
    """Tasks that one side tried to measure and the other did not."""
    ours, others = (
        {key for key, score in side.items() if score.status is not Status.SKIPPED} for side in (mine, theirs)
    )
    return Unmatched(label, len(ours - others), len(others - ours))


def _decided(matches: Sequence[Match], rule: Rule) -> Comparison:
    """A row of each match that was tried on both sides, all tests corrected together."""
    tried = [one for one in matches if one.tried]
    ratios = _welch([one for one in tried if one.tested])
    shown = CORRECTIONS[rule.correction]([ratio.p for ratio in ratios])
    decision, found = Decision(rule, len(ratios)), zip(ratios, shown, strict=True)
    rows = [decision.row(one, *next(found)) if one.tested else untested(one) for one in tried]
    return Comparison(tuple(rows), len(ratios), rule.margin, rule.correction)


def _welch(matches: Sequence[Match]) -> list[runs.Ratio]:
    a = pairwise.Sides.of([better_up(match.a) for match in matches])
    b = pairwise.Sides.of([better_up(match.b) for match in matches])
    return pairwise.Pairs.of(a, b).ratios()


def better_up(score: Score) -> list[float]:
    """The run values, turned over where less is better."""
    return [value if score.metric.higher_is_better else 1.0 / value for value in score.run_values]


def untested(match: Match) -> Row:
    """Two scores that no test decides on, and why: with the ratio of their values if they are alike."""
    a, b = match.a, match.b
    reason = match.unlike or match.bar
    return Row(
        case=a.case,
        implementation=a.implementation,
        verdict=Verdict.INCOMPARABLE if reason else Verdict.UNDECIDED,
        a=a.value,
        b=b.value,
        ratio=None if match.unlike else _of_values(a, b),
        reason=reason or f"fewer than {runs.MIN_RUNS} runs on a side",
        label=match.label,
        differs=() if match.unlike else match.differs,
        metric=a.metric,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What makes a row of two scores: the rule, and how many tests there are."""

    rule: Rule
    family: int

    def row(self, match: Match, ratio: runs.Ratio, shown: bool) -> Row:
        """The verdict on two scores whose ratio is ``shown`` to differ from 1, or not."""
        a, b, detailed = match.a, match.b, self.rule.detailed
        verdict = runs.verdict(ratio, shown, self.rule.margin)
        needed = self._needed(a, b) if detailed and verdict is Verdict.UNDECIDED else None
        hopeless = detailed and verdict is Verdict.UNDECIDED and needed is None
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
            reason=f"more than {runs.MOST_RUNS} runs would decide" if hopeless else "",
            clean=not unclean,
            unclean=unclean,
            medians=runs.ratio_of_medians(better_up(a), better_up(b)) if detailed else None,
            spread_a=a.spread,
            spread_b=b.spread,
            label=match.label,
            differs=match.differs,
            metric=a.metric,
        )

    def _needed(self, a: Score, b: Score) -> int | None:
        """How many runs a side would decide; ``None`` when no sensible number does."""
        truth = runs.Truth.estimated(better_up(a), better_up(b))
        return runs.runs_needed(truth, self.rule.margin, max(self.family, 1)) if truth else None


def _of_values(a: Score, b: Score) -> float | None:
    """B over A, better-is-up; for a number without an interval."""
    if a.value is None or b.value is None:
        return None
    return b.value / a.value if a.metric.higher_is_better else a.value / b.value
