"""Measured messages -> what a step of training spends on communication, and what of it hides behind arithmetic. Pure.

Every number is of messages measured one at a time, with nothing else under way: the sum over a step is what it would
spend if nothing were hidden. What is hidden is measured apart, by the benchmark ``overlap``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from benchsuite.model import Case, Message, Metric, Pattern, Score, Status
from benchsuite.statistics.runs import estimate

OVERLAP = "overlap"


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with its 95 % interval over runs, where there are two or more."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """A message of a step and how long one takes, in seconds; ``reason``: why that is not known."""

    message: Message
    one: Amount | None = None
    implementation: str = ""
    reason: str = ""

    @property
    def total(self) -> float | None:
        """Seconds of all of them in a step, one after the other."""
        return self.one.value * self.message.count if self.one else None


@dataclass(frozen=True, slots=True)
class Spent:
    """The communication of one step. total: seconds when nothing is hidden; ``None`` when a message has no time.

    known: seconds of the messages that have one. refused: why nobody trains so on so many ranks.
    """

    pattern: Pattern
    ranks: int
    messages: tuple[Timed, ...]
    total: Amount | None
    known: float
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Four measured times of one computation and one communication, in seconds, and what follows.

    exposed: overlapped - compute, what the communication adds to a step. hidden: 1 - exposed / communicate, the share
    of the communication that cost nothing. Below 0: both at once took longer than one after the other.
    """

    case: Case
    implementation: str
    compute: Amount
    communicate: Amount
    overlapped: Amount
    serial: Amount | None
    exposed: Amount
    hidden: Amount
    runs: int


def seconds(score: Score, value: float) -> float:
    """The seconds of one iteration whose metric is ``value``: the inverse of ``Metric.quantity``."""
    work = score.work
    match score.metric:
        case Metric.LATENCY:
            return value * work.steps
        case Metric.BUSBW:
            return work.wire / value
        case Metric.BANDWIDTH:
            return work.bytes / value
        case Metric.FLOPS:
            return work.flops / value
        case _:
            raise ValueError(f"{score.metric.name} has no time of an iteration")


def spent(
    patterns: Sequence[Pattern], scores: Sequence[Score], refusal: Callable[[Pattern, int], str] = lambda *_: ""
) -> tuple[Spent, ...]:
    """Every pattern of a suite, once for each number of ranks that its messages were to be measured with.

    refusal: why so many ranks cannot train so, or nothing.
    """
    made = []
    for pattern in patterns:
        asked = {(one.benchmark, one.bytes) for one in pattern.messages}
        concerned = [s for s in scores if (s.case.benchmark, dict(s.case.params).get("bytes")) in asked]
        fitting = [s for s in concerned if dict(s.case.params).get("dtype") == pattern.sent]
        made += [
            replace(_spent(pattern, ranks, fitting), refused=refusal(pattern, ranks))
            for ranks in sorted({score.case.ranks for score in fitting})
        ]
    return tuple(made)


def _spent(pattern: Pattern, ranks: int, scores: Sequence[Score]) -> Spent:
    sent = [one for one in pattern.messages if one.ranks <= ranks]
    here = [score for score in scores if score.case.ranks == ranks]
    found = [
        [s for s in here if s.case.benchmark == one.benchmark and dict(s.case.params).get("bytes") == one.bytes]
        for one in sent
    ]
    chosen = [_fastest(candidates) for candidates in found]
    timed = tuple(
        Timed(one, reason=next((s.reason for s in candidates if s.reason), "it was not measured"))
        if best is None
        else Timed(one, _seconds(best), best.implementation)
        for one, best, candidates in zip(sent, chosen, found, strict=True)
    )
    known = math.fsum(one.total for one in timed if one.total is not None)
    whole = [best for best in chosen if best is not None]
    total = _total(sent, whole, known) if len(whole) == len(sent) else None
    return Spent(pattern, ranks, timed, total, known)


def _fastest(scores: Sequence[Score]) -> Score | None:
    """The verified score with the least time."""
    good = [score for score in scores if score.status is Status.OK and score.value]
    return min(good, key=lambda score: seconds(score, score.value or math.inf), default=None)


def _seconds(score: Score) -> Amount:
    """The time of one iteration; a rate's ends change places."""
    value = math.nan if score.value is None else score.value
    ends = [None if end is None or not end > 0 else seconds(score, end) for end in (score.low, score.high)]
    low, high = ends if score.metric is Metric.LATENCY else reversed(ends)
    return Amount(seconds(score, value), low, high)


def _total(sent: Sequence[Message], scores: Sequence[Score], known: float) -> Amount:
    """The sum of a step; its interval from the sums of each run, for a run is what varies."""
    if len({score.runs for score in scores}) != 1:
        return Amount(known)
    over_runs = estimate(
        [
            math.fsum(one.count * seconds(s, s.run_values[run]) for one, s in zip(sent, scores, strict=True))
            for run in range(scores[0].runs)
        ]
    )
    return Amount(over_runs.value, over_runs.low, over_runs.high) if over_runs else Amount(known)


def exposures(scores: Sequence[Score]) -> tuple[Exposure, ...]:
    """What the overlap benchmark found, one for every computation and communication measured all ways."""
    groups: dict[tuple[object, ...], dict[str, Score]] = {}
    for score in scores:
        if score.case.benchmark == OVERLAP and score.status is Status.OK and score.value:
            params = dict(score.case.params)
            part = str(params.pop("part", ""))
            groups.setdefault((*params.items(), score.case.ranks, score.implementation), {})[part] = score
    return tuple(_exposures(groups.values()))


def _exposures(groups: Iterable[Mapping[str, Score]]) -> Iterator[Exposure]:
    for parts in groups:
        if not {"compute", "communicate", "overlapped"} <= set(parts):
            continue
        times = {name: _seconds(score) for name, score in parts.items()}
        overlapped, compute, communicate = _by_run([parts[name] for name in ("overlapped", "compute", "communicate")])
        exposed = [both - alone for both, alone in zip(overlapped, compute, strict=True)]
        yield Exposure(
            case=parts["overlapped"].case,
            implementation=parts["overlapped"].implementation,
            compute=times["compute"],
            communicate=times["communicate"],
            overlapped=times["overlapped"],
            serial=times.get("serial"),
            exposed=_mean(exposed),
            hidden=_mean([1.0 - left / sent for left, sent in zip(exposed, communicate, strict=True)]),
            runs=len(exposed),
        )


def _by_run(scores: Sequence[Score]) -> list[list[float]]:
    """The seconds of each score in each run; of the means alone where the runs are not the same ones."""
    if len({score.runs for score in scores}) == 1:
        return [[seconds(score, value) for value in score.run_values] for score in scores]
    return [[_seconds(score).value] for score in scores]


def _mean(values: Sequence[float]) -> Amount:
    """The mean of runs with its t interval: differences may be negative, so no logarithm."""
    if len(values) < 2:
        return Amount(values[0])
    from scipy.special import stdtrit

    reach = float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / math.sqrt(len(values))
    middle = fmean(values)
    return Amount(middle, middle - reach, middle + reach)
