"""Rules for honest reporting, applied to what is about to be shown: a linter over exhibits.

Rules 1 to 12 are those of Hoefler & Belli, "Scientific Benchmarking of Parallel Computing Systems" (SC 2015), as far as
a program can see them; from 13 on they are our own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchsuite.model import Exhibit, Metric, Origin, Score
from benchsuite.reportable import PUBLISHED_RUNS, unreportable

LEAST_RUNS = 3
"""Runs a side below which no verdict is given (``statistics.runs``)."""
TAIL = 0.95
TAIL_SAMPLES = 500
"""Samples from which on a quantile beyond ``TAIL`` may be shown: five of them lie beyond the 99th percentile."""
TOGETHER = frozenset({"barrier", "window"})

TITLES = {
    1: "a speed-up names its base and its absolute values",
    2: "a part of a suite is called a part",
    3: "costs have arithmetic means, rates harmonic ones",
    4: "ratios are not averaged, or geometrically",
    5: "what varies has an interval over runs",
    6: "normality is not taken for granted",
    7: "differences are tested, all of them together",
    8: "centre or tail: it says which",
    9: "whatever changes the result is told",
    10: "a parallel time says how it was taken",
    11: "a number stands beside a bound",
    12: "a picture shows the spread, and joins nothing that has no between",
    13: "what was measured, imported and published is not ranked together",
    14: "what must not be published as clean is not shown as clean",
    15: "simulated data is no result",
    16: "one measurement belongs to one machine",
}


class Severity(StrEnum):
    """``BLOCKS``: it must not be published so. ``NOTE``: whoever reads it must be told."""

    BLOCKS = "blocks"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says of one exhibit, or of all (``subject`` "all of them")."""

    rule: int
    severity: Severity
    subject: str
    text: str

    @property
    def title(self) -> str:
        """The rule in words, with its number."""
        return f"rule {self.rule} ({TITLES[self.rule]})"


class Mean(StrEnum):
    """How several numbers become one."""

    ARITHMETIC = "arithmetic"
    HARMONIC = "harmonic"
    GEOMETRIC = "geometric"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One number made of several. of: what they are (``Metric.RATIO``: one machine against another)."""

    mean: Mean
    of: Metric
    parts: bool = True


@dataclass(frozen=True, slots=True)
class Shown:
    """How the exhibits are to be shown; the defaults are what our own pages do.

    base: the label that ratios are against, empty where none are shown; absolute: the values stand beside them;
    correction: for how many tests are made, empty for none; quantiles: of samples; intervals: pictures have them;
    joined: lines join what has no between (machines, element types); ranked: they stand in one order.
    """

    base: str = ""
    absolute: bool = True
    aggregates: tuple[Aggregate, ...] = ()
    correction: str = "Holm"
    quantiles: tuple[float, ...] = (0.05, 0.5, 0.95)
    intervals: bool = True
    joined: bool = False
    ranked: bool = True


ALL = "all of them"
Found = Iterator[Finding]
BLOCKS, NOTE = Severity.BLOCKS, Severity.NOTE


def lint(exhibits: Sequence[Exhibit], shown: Shown = Shown()) -> list[Finding]:
    """What the rules find, those that block first, then in the order of the rules."""
    found = [one for rule in OF_EACH for exhibit in exhibits for one in rule(exhibit, shown)]
    found += [one for rule in OF_ALL for one in rule(exhibits, shown)]
    return sorted(found, key=lambda one: (one.severity is NOTE, one.rule))


def _numbers(exhibit: Exhibit) -> list[Score]:
    return [score for score in exhibit.publication.results if score.value is not None]


def _measured(exhibit: Exhibit) -> bool:
    return exhibit.publication.origin is Origin.MEASURED


def _graver(exhibit: Exhibit) -> Severity:
    """Our own measurements can do better; of others' it can only be told."""
    return BLOCKS if _measured(exhibit) else NOTE


def _some(scores: Sequence[Score]) -> str:
    """How many, and one of them."""
    first = f"{scores[0].case.key} [{scores[0].implementation}]"
    return first if len(scores) == 1 else f"{len(scores)} results, such as {first},"


def _has(scores: Sequence[Score], one: str, many: str) -> str:
    return f"{_some(scores)} {one if len(scores) == 1 else many}"


def _base(exhibits: Sequence[Exhibit], shown: Shown) -> Found:
    if not shown.absolute:
        yield Finding(1, BLOCKS, ALL, "Ratios are shown without the values that they are made of.")
    base = next((one for one in exhibits if one.label == shown.base), None)
    if shown.base and base is None:
        yield Finding(1, BLOCKS, ALL, f"The base {shown.base!r} is not among them.")
    elif base is not None and not _numbers(base):
        yield Finding(1, BLOCKS, base.label, "It is the base, and has no number itself.")


def _part(exhibit: Exhibit, shown: Shown) -> Found:
    told = exhibit.publication
    if len(told.results) < told.planned:
        text = f"It has {len(told.results)} of the {told.planned} tasks that were planned; it ended early."
        yield Finding(2, BLOCKS, exhibit.label, text)
    without = Counter(score.status.value for score in told.results if score.value is None)
    if without:
        parts = ", ".join(f"{count} {status}" for status, count in sorted(without.items()))
        yield Finding(2, NOTE, exhibit.label, f"Of {len(told.results)} tasks {parts}: list them.")
    if exhibit.problems:
        count = len(exhibit.problems)
        text = f"{'Something is' if count == 1 else f'{count} things are'} wrong with its file. {exhibit.problems[0]}"
        yield Finding(2, NOTE, exhibit.label, text)


def _lacking(exhibits: Sequence[Exhibit], shown: Shown) -> Found:
    """Tasks of one suite that others have and this one does not even mention."""
    suites: dict[tuple[str, str], list[Exhibit]] = defaultdict(list)
    for exhibit in exhibits:
        if _measured(exhibit):
            suites[exhibit.publication.suite, exhibit.publication.backend].append(exhibit)
    for (suite, _), members in suites.items():
        tasks = [{(one.case, one.implementation) for one in each.publication.results} for each in members]
        every = set().union(*tasks)
        for exhibit, own in zip(members, tasks, strict=True):
            if missing := len(every - own):
                text = f"It does not mention {missing} of {len(every)} tasks that others have of the suite {suite}."
                yield Finding(2, NOTE, exhibit.label, text)


def _means(exhibits: Sequence[Exhibit], shown: Shown) -> Found:
    costs = {Metric.LATENCY, Metric.POWER, Metric.TEMPERATURE, Metric.COUNT}
    for one in shown.aggregates:
        if one.of is not Metric.RATIO:
            right = Mean.ARITHMETIC if one.of in costs else Mean.HARMONIC
            if one.mean is not right:
                text = f"The {one.mean} mean of {one.of.value} is asked for; only the {right} one means anything."
                yield Finding(3, BLOCKS, ALL, text)
        elif one.mean is not Mean.GEOMETRIC:
            yield Finding(4, BLOCKS, ALL, f"The {one.mean} mean of ratios depends on which side is the base.")
        if not one.parts:
            rule = 4 if one.of is Metric.RATIO else 3
            yield Finding(rule, BLOCKS, ALL, f"A {one.mean} mean is shown without its parts.")


def _intervals(exhibit: Exhibit, shown: Shown) -> Found:
    numbers = _numbers(exhibit)
    if single := [score for score in numbers if score.runs < 2]:
        text = f"{_has(single, 'comes', 'come')} from a single run: nothing is known of how it varies."
        yield Finding(5, _graver(exhibit), exhibit.label, text)
    if bare := [score for score in numbers if score.runs >= 2 and (score.low is None or score.high is None)]:
        yield Finding(5, _graver(exhibit), exhibit.label, f"{_has(bare, 'has', 'have')} no interval.")


def _normality(exhibits: Sequence[Exhibit], shown: Shown) -> Found:
    if any(score.runs >= 2 for exhibit in exhibits for score in _numbers(exhibit)):
        text = "Intervals over runs take the logarithms of run medians for normal; samples are never taken for it."
        yield Finding(6, NOTE, ALL, text)


def _tested(exhibits: Sequence[Exhibit], shown: Shown) -> Found:
    if len(exhibits) < 2:
        return
    if not shown.correction:
        yield Finding(7, BLOCKS, ALL, "Several differences are tested, and nothing corrects for their number.")
    for exhibit in exhibits:
        few = [score for score in _numbers(exhibit) if score.runs < LEAST_RUNS]
        if few:
            text = f"{_has(few, 'has', 'have')} fewer than {LEAST_RUNS} runs: no verdict on a difference."
            yield Finding(7, NOTE, exhibit.label, text)


def _centre(exhibit: Exhibit, shown: Shown) -> Found:
    latencies = [score for score in _numbers(exhibit) if score.metric is Metric.LATENCY]
    tails = [one for one in shown.quantiles if one > TAIL]
    few = [score for score in latencies if sum(run.n for run in score.samples) < TAIL_SAMPLES]
    if tails and few:
        text = f"A quantile of {max(tails):g} is shown of fewer than {TAIL_SAMPLES} samples of {_some(few)}"
        yield Finding(8, BLOCKS, exhibit.label, f"{text.rstrip(',')}.")
    if latencies:
        text = "Latencies are medians of samples, then means over runs: say so where tails matter."
        yield Finding(8, NOTE, exhibit.label, text)


def _factors(exhibit: Exhibit, shown: Shown) -> Found:
    told, label = exhibit.publication, exhibit.label
    offer = told.offer
    if offer is not None and offer.usd_per_hour is not None and not (offer.as_of and offer.source):
        yield Finding(9, BLOCKS, label, "Its price has no date or no source.")
    if not _measured(exhibit):
        if not told.source:
            yield Finding(9, BLOCKS, label, "It was not measured here, and does not say where it stands.")
        return
    facts = told.machine.facts
    missing = [
        name for name, value in (("version", told.version), ("code", told.code), ("date", told.started)) if not value
    ]
    needed = {"gpu": ("name", "driver")} if told.backend == "cuda" else {"processor": ("model",), "system": ("kernel",)}
    missing += [
        f"{section}'s {name}"
        for section, names in needed.items()
        for name in names
        if not facts.get(section, {}).get(name)
    ]
    if missing and told.backend != "fake":
        yield Finding(9, BLOCKS, label, f"It does not tell its {', '.join(missing)}.")
    if told.backend == "cuda":
        blind = [score for score in _numbers(exhibit) if not {"sm_clock", "power_limit"} <= score.conditions.keys()]
        if blind:
            yield Finding(9, NOTE, label, f"{_has(blind, 'lacks', 'lack')} the GPU's clock or its power limit.")


def _parallel(exhibit: Exhibit, shown: Shown) -> Found:
    numbers = _numbers(exhibit)
    if loose := [score for score in numbers if score.case.ranks > 1 and score.sync not in TOGETHER]:
        text = f"{_has(loose, 'does', 'do')} not say how the ranks began together."
        yield Finding(10, _graver(exhibit), exhibit.label, text)
    if alone := [score for score in numbers if score.metric is Metric.BUSBW and score.case.ranks < 2]:
        yield Finding(
            10, _graver(exhibit), exhibit.label, f"{_has(alone, 'does', 'do')} not say how many ranks took part."
        )


def _bounds(exhibit: Exhibit, shown: Shown) -> Found:
    rates = [score for score in _numbers(exhibit) if score.metric in {Metric.FLOPS, Metric.BANDWIDTH}]
    if bare := [score for score in rates if score.ceiling is None and score.of_datasheet is None]:
        text = f"{_has(bare, 'has', 'have')} neither a measured ceiling nor a datasheet's peak beside it."
        yield Finding(11, NOTE, exhibit.label, text)


def _pictures(exhibits: Sequence[Exhibit], shown: Shown) -> Found:
    if not shown.intervals:
        yield Finding(12, BLOCKS, ALL, "Pictures leave out the intervals that are known.")
    if shown.joined:
        yield Finding(12, BLOCKS, ALL, "Lines join points that have nothing between them.")


def _origins(exhibits: Sequence[Exhibit], shown: Shown) -> Found:
    kinds = sorted({exhibit.publication.origin.value for exhibit in exhibits})
    if shown.ranked and len(kinds) > 1:
        yield Finding(13, BLOCKS, ALL, f"They are {' and '.join(kinds)}: set them apart, or rank each kind alone.")


def _clean(exhibit: Exhibit, shown: Shown) -> Found:
    numbers = _numbers(exhibit) if _measured(exhibit) else []
    if hidden := [score for score in numbers if not score.unreportable and unreportable(score)]:
        reason = unreportable(hidden[0])[0]
        yield Finding(14, BLOCKS, exhibit.label, f"{_has(hidden, 'is', 'are')} shown as clean. {reason}")
    if marked := [score for score in numbers if score.unreportable]:
        few = f" Measure {PUBLISHED_RUNS} runs." if all(score.runs < PUBLISHED_RUNS for score in marked) else ""
        reason = marked[0].unreportable[0]
        yield Finding(14, NOTE, exhibit.label, f"{_has(marked, 'carries', 'carry')} a mark. {reason}{few}")


def _simulated(exhibit: Exhibit, shown: Shown) -> Found:
    told = exhibit.publication
    if "fake" in {told.backend, *(score.backend for score in told.results)}:
        yield Finding(15, BLOCKS, exhibit.label, "Its time is scripted: it shows how a page looks, nothing else.")


def _repeated(exhibits: Sequence[Exhibit], shown: Shown) -> Found:
    owners: dict[str, list[Exhibit]] = defaultdict(list)
    for exhibit in exhibits:
        told = exhibit.publication
        for digest in {told.digest, told.samples} - {""}:
            owners[digest].append(exhibit)
    for members in owners.values():
        machines = {one.publication.machine.id for one in members}
        if len(machines) > 1:
            labels = " and ".join(sorted(one.label for one in members)[:3])
            yield Finding(16, BLOCKS, labels, "They have the same samples, and say that they are different machines.")
            return


OF_EACH: tuple[Callable[[Exhibit, Shown], Found], ...] = (
    _part, _intervals, _centre, _factors, _parallel, _bounds, _clean, _simulated
)  # fmt: skip
OF_ALL: tuple[Callable[[Sequence[Exhibit], Shown], Found], ...] = (
    _base, _lacking, _means, _normality, _tested, _pictures, _origins, _repeated
)  # fmt: skip
