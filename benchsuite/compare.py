"""Campaigns against one of them -> a verdict per identical case: faster, slower, same, undecided or incomparable.

Decided on run-level medians by Welch's t on the log scale, corrected over all pairs shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from benchsuite.comparability import Difference, differences, differing, unlike, unmeasured
from benchsuite.errors import Exit, UsageError
from benchsuite.model import Case, Exhibit, Metric, Score, Spread, Status
from benchsuite.reportable import compromised
from benchsuite.statistics import pairwise, runs
from benchsuite.statistics.runs import Verdict

MARGIN = 0.01
WATCHED = {"slower": {Verdict.SLOWER}, "faster": {Verdict.FASTER}, "different": {Verdict.SLOWER, Verdict.FASTER}}
"""What a comparison can fail on, and the verdicts that are meant."""


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
    """One task of the baseline and of another campaign. ``bar``: why the two get no verdict though a ratio."""

    a: Score
    b: Score
    label: str = ""
    bar: str = ""
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison means for whoever waits for its exit code: the verdicts that ``fail_on`` watches for.

    met: how many there are; clean: how many of them nothing compromised, which alone fail; code: the exit code.
    """

    fail_on: str
    met: int
    clean: int
    code: Exit


def outcome(comparison: Comparison, fail_on: str = "") -> Outcome:
    """1 if ``fail_on`` was met by a clean verdict, 0 if not.

    3 if nothing could be decided, or if it was met by verdicts only that something compromised. Raises ``UsageError``.
    """
    if fail_on and fail_on not in WATCHED:
        raise UsageError(f"--fail-on {fail_on} is unknown.", f"Choose one of {', '.join(WATCHED)}.")
    if fail_on and comparison.correction is Correction.BENJAMINI_HOCHBERG:
        raise UsageError(
            "--explore finds more, false ones too: no reason to fail.", "Leave --explore or --fail-on out."
        )
    met = watched(comparison, fail_on)
    clean = sum(row.clean for row in met)
    code = Exit.REJECTED if clean else Exit.INCONCLUSIVE if met or not comparison.family else Exit.DONE
    return Outcome(fail_on, len(met), clean, code)


def watched(comparison: Comparison, fail_on: str) -> list[Row]:
    """The rows with a verdict that ``fail_on`` watches for."""
    return [row for row in comparison.rows if row.verdict in WATCHED.get(fail_on, ())]


def compare(
    a: Sequence[Score], b: Sequence[Score], margin: float = MARGIN, correction: Correction = Correction.HOLM
) -> Comparison:
    """Compare the tasks that both campaigns ran, matched by case and implementation."""
    others = _by_task(b)
    matches = [Match(one, others[task(one)]) for one in a if task(one) in others]
    return _decided(matches, Rule(margin, correction))


def against(baseline: Exhibit, others: Sequence[Exhibit], rule: Rule | None = None) -> Comparison:
    """Compare each of the others with the baseline: the rows case by case, each in the order of the others.

    All pairs of all campaigns are one family of tests. What we did not measure has a ratio, but never a verdict.
    """
    ours = baseline.publication
    theirs = [(exhibit, _by_task(exhibit.publication.results)) for exhibit in others]
    matches = [
        Match(
            one,
            found[task(one)],
            exhibit.label,
            unmeasured(ours.origin, exhibit.publication.origin),
            differing(ours, exhibit.publication, one, found[task(one)]),
        )
        for one in ours.results
        for exhibit, found in theirs
        if task(one) in found
    ]
    return replace(
        _decided(matches, rule or Rule()),
        baseline=baseline.label,
        others=tuple(exhibit.label for exhibit in others),
        conditions=differences([baseline, *others]),
        unmatched=tuple(_unmatched(ours.results, exhibit) for exhibit in others),
    )


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


def task(score: Score) -> tuple[str, str]:
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


def _by_task(scores: Sequence[Score]) -> dict[tuple[str, str], Score]:
    return {task(score): score for score in scores}


def _unmatched(ours: Sequence[Score], exhibit: Exhibit) -> Unmatched:
    """Tasks with a number on one side that were not even tried on the other."""
    mine, theirs = (
        {task(score) for score in scores if score.status is not Status.SKIPPED}
        for scores in (ours, exhibit.publication.results)
    )
    return Unmatched(exhibit.label, len(mine - theirs), len(theirs - mine))


def _decided(matches: Sequence[Match], rule: Rule) -> Comparison:
    """A row of each match that was tried on both sides, all tests corrected together."""
    tried = [one for one in matches if Status.SKIPPED not in {one.a.status, one.b.status}]
    ratios = _ratios(tried)
    tested = [ratio.p for ratio in ratios if ratio is not None]
    shown = iter(CORRECTIONS[rule.correction](tested))
    decision = Decision(rule, len(tested))
    rows = [decision.row(one, ratio, next(shown) if ratio else False) for one, ratio in zip(tried, ratios, strict=True)]
    return Comparison(tuple(rows), len(tested), rule.margin, rule.correction)


def _ratios(matches: Sequence[Match]) -> list[runs.Ratio | None]:
    """Of each match what Welch's t says; ``None`` where it may not be asked, or there are too few runs."""
    asked = [
        not one.bar and not unlike(one.a, one.b) and min(len(one.a.run_values), len(one.b.run_values)) >= runs.MIN_RUNS
        for one in matches
    ]
    told = iter(_welch([one for one, ask in zip(matches, asked, strict=True) if ask]))
    return [next(told) if ask else None for ask in asked]


def _welch(matches: Sequence[Match]) -> Iterator[runs.Ratio]:
    a = pairwise.Sides.of([better_up(match.a) for match in matches])
    b = pairwise.Sides.of([better_up(match.b) for match in matches])
    yield from pairwise.Pairs.of(a, b).ratios()


def better_up(score: Score) -> list[float]:
    """The run values, turned over where less is better."""
    return [value if score.metric.higher_is_better else 1.0 / value for value in score.run_values]


@dataclass(frozen=True, slots=True)
class Decision:
    """What makes a row of two scores: the rule, and how many tests there are."""

    rule: Rule
    family: int

    def row(self, match: Match, ratio: runs.Ratio | None, shown: bool) -> Row:
        """The verdict on two scores whose ratio, if there is one, is ``shown`` to differ from 1."""
        a, b = match.a, match.b
        row = Row(a.case, a.implementation, Verdict.INCOMPARABLE, a.value, b.value, label=match.label, metric=a.metric)
        if reason := unlike(a, b):
            return replace(row, reason=reason)
        row = replace(row, ratio=_of_values(a, b), differs=match.differs)
        if ratio is None and match.bar:
            return replace(row, reason=match.bar)
        if ratio is None:
            return replace(row, verdict=Verdict.UNDECIDED, reason=f"fewer than {runs.MIN_RUNS} runs on a side")
        return self._with_verdict(row, match, ratio, runs.verdict(ratio, shown, self.rule.margin))

    def _with_verdict(self, row: Row, match: Match, ratio: runs.Ratio, verdict: Verdict) -> Row:
        a, b, detailed = match.a, match.b, self.rule.detailed
        needed = self._needed(a, b) if detailed and verdict is Verdict.UNDECIDED else None
        hopeless = detailed and verdict is Verdict.UNDECIDED and needed is None
        unclean = tuple(dict.fromkeys((*compromised(a), *compromised(b))))
        return replace(
            row,
            verdict=verdict,
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
