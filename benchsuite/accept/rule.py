"""The sequential rule: the run values of one device against what was agreed, at looks fixed before. Pure functions.

At n = 4, 6, 9, 14, 20 values one looks at the mean of y = log(value / reference) and at its t limits (repeated t
intervals; Bonferroni over the looks bounds the errors of normal run values whatever their sd). A requirement is

    ACCEPT    if the lower limit is above log(1 - bad), and the upper one never was below log(1 - good)
    MARGINAL  if the lower limit is above log(1 - bad), and the upper one is, or was, below log(1 - good)
    REJECT    if good is refuted for the device: Holm among its requirements, at the level of the whole claim

and what comes first stands. The upper limit has the level of one device, the rejection that of all: among many devices
little is rejected early, and four runs that agree by chance (as those of a noise with a tail to one side may) must not
be accepted for that reason. docs/acceptance-rates.md has the rates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log

import numpy as np
from numpy.typing import NDArray

from benchsuite.model import Contract, Evidence, Measured, Requirement, Rule, RunValue, Status, Word

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OUTSIDE = frozenset({"CONTENDED", "HOST_STEAL", "CGROUP_THROTTLED", "GPU_SHARED"})
"""Caveats of a run that others disturbed: it is set aside, and measured again."""
BLIND = frozenset({"TELEMETRY_MISSING", "GPU_TELEMETRY_MISSING", "CLOCK_DISAGREE", "UNKNOWN_NOTE", "OVERSUBSCRIBED"})
"""Caveats of a run of which nobody can say whether it is worth anything."""
UNSTEADY = "NOT_STEADY"
"""Such runs count, for it may be the defect; but when there are many, nothing is concluded."""
UNSTEADY_PART = 0.25
FEW = 2
"""A single run that was disturbed, or not steady, compromises nothing."""
FLOOR = 0.0005
"""Values may agree by chance, or by rounding, better than anything is measured: the least sd (log) of run values."""
OPEN, ACCEPT, MARGINAL, REJECT = range(4)
"""The states of a requirement in arrays."""
WORDS = (None, Word.ACCEPT, Word.MARGINAL, Word.REJECT)


@dataclass(frozen=True, slots=True)
class Levels:
    """What one look may spend. reject: on rejecting a good device, shared by its requirements (Holm); accept: on
    accepting a bad one, by each requirement; worse: on calling a good one marginal."""

    reject: float
    accept: float
    worse: float


def bounds(contract: Contract) -> tuple[float, float]:
    """alpha and beta of one device in one attempt: alpha is divided among attempts and devices, beta among attempts."""
    attempts = 1 + contract.rule.retests
    return contract.rule.alpha / attempts / contract.claim.units, contract.rule.beta / attempts


def levels(contract: Contract) -> Levels:
    """What each look of each attempt may spend."""
    looks = len(contract.rule.looks)
    alpha, beta = bounds(contract)
    return Levels(alpha / looks, beta / looks, contract.rule.alpha / (1 + contract.rule.retests) / looks)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of requirements, as arrays of one shape. word: ``OPEN`` …; runs: values at the last look; mean: of
    these; low, high: the highest lower and the lowest upper limit of all looks; p: of "it is good", at the last."""

    word: Ints
    runs: Ints
    mean: Floats
    low: Floats
    high: Floats
    p: Floats


def replay(y: Floats, good: Floats, bad: Floats, looks: Sequence[int], each: Levels) -> Replayed:
    """Look at the values of devices as if they were just coming in.

    y: (..., M, N) deviations of M requirements in the order they were measured, NaN after the last one. good, bad:
    (M,), the deviations log(1 - good) and log(1 - bad).
    """
    from scipy.special import stdtr

    shape = y.shape[:-1]
    counts = np.isfinite(y).sum(axis=-1)
    word, runs = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    mean, p = np.full(shape, np.nan), np.full(shape, np.nan)
    low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
    for n in looks:
        at = (word == OPEN) & (counts >= n)
        if not at.any():
            break
        centre, error = moments(y[..., :n])
        here = np.where(at, stdtr(n - 1, (centre - good) / error), 1.0)
        low = np.where(at, np.maximum(low, centre - quantile(each.accept, n - 1) * error), low)
        high = np.where(at, np.minimum(high, centre + quantile(each.worse, n - 1) * error), high)
        rejects = stepped(here, each.reject)
        accepts = at & (low > bad)
        word[rejects] = REJECT
        word[accepts] = np.where(high < good, MARGINAL, ACCEPT)[accepts]
        runs[at], mean[at], p[at] = n, centre[at], here[at]
    return Replayed(word, runs, mean, low, high, p)


def moments(y: Floats) -> tuple[Floats, Floats]:
    """Mean of the last axis and its standard error, with the sd at least ``FLOOR``; NaN where a value is missing."""
    spread = np.maximum(y.std(axis=-1, ddof=1), FLOOR)
    return y.mean(axis=-1), spread / np.sqrt(y.shape[-1])


def quantile(level: float, freedom: int) -> float:
    """What Student's t exceeds with probability ``level``."""
    from scipy.special import stdtrit

    return -float(stdtrit(freedom, level))


def stepped(p: Floats, level: float) -> Bools:
    """Which of M hypotheses (last axis) Holm's step-down (1979) rejects; p is 1 of those that are not looked at."""
    order = np.argsort(p, axis=-1, kind="stable")
    passes = np.take_along_axis(p, order, axis=-1) <= level / np.arange(p.shape[-1], 0, -1)
    found = np.zeros(p.shape, dtype=np.bool_)
    np.put_along_axis(found, order, np.logical_and.accumulate(passes, axis=-1), axis=-1)
    return found


@dataclass(frozen=True, slots=True)
class Sifted:
    """The runs of one requirement by what they are worth.

    values: deviations of those that count, in order; codes: their caveats, run by run. aside: those that others
    disturbed. wrong: one whose result was wrong. flaw: why nothing can be concluded at all, as a clause.
    """

    values: tuple[float, ...] = ()
    codes: tuple[tuple[str, ...], ...] = ()
    aside: tuple[RunValue, ...] = ()
    wrong: RunValue | None = None
    flaw: str = ""

    def noted(self, code: str, runs: int) -> int:
        """How many of the first ``runs`` that count carry this caveat."""
        return sum(code in own for own in self.codes[:runs])

    @property
    def disturbances(self) -> tuple[str, ...]:
        """The caveats for which runs were set aside, the most frequent first."""
        counts = Counter(code for one in self.aside for code in sorted({*one.codes} & OUTSIDE))
        return tuple(code for code, _ in counts.most_common())


def deviation(requirement: Requirement, value: float) -> float:
    """y of a run: how its performance compares with what was agreed, as a log; negative is worse."""
    ratio = log(value / requirement.reference)
    return ratio if requirement.metric.higher_is_better else -ratio


def sifted(requirement: Requirement, measured: Sequence[Measured]) -> Sifted:
    """Sort the runs of a requirement; ``measured``: all evidence that bears its name (one, or something is wrong)."""
    runs = tuple(run for one in measured for run in one.runs)
    wrong = next((one for one in runs if one.status is Status.REJECTED), None)
    ended = tuple(one for one in runs if _ended(one))
    counted = tuple(one for one in ended if not {*one.codes} & OUTSIDE)
    return Sifted(
        values=tuple(deviation(requirement, one.value or 1.0) for one in counted),
        codes=tuple(one.codes for one in counted),
        aside=tuple(one for one in ended if {*one.codes} & OUTSIDE),
        wrong=wrong,
        flaw=_flaw(measured, runs),
    )


def _ended(one: RunValue) -> bool:
    """Whether a run has a number: positive and finite."""
    return one.status is Status.OK and one.value is not None and isfinite(one.value) and one.value > 0.0


def _flaw(measured: Sequence[Measured], runs: Sequence[RunValue]) -> str:
    """Why no number of runs would help, as a clause; empty when there is no such reason."""
    if len(measured) > 1:
        return "it is in the evidence more than once, and nobody can say which of them counts"
    names = Counter(one.run for one in runs if one.run)
    if twice := [name for name, count in names.items() if count > 1]:
        return f"run {twice[0]} is counted more than once"
    for one in runs:
        if one.status in {Status.FAILED, Status.SKIPPED}:
            ended = "failed" if one.status is Status.FAILED else "was skipped"
            return f"a run {ended}{f': {one.reason}' if one.reason else ''}"
        if one.status is Status.OK and not _ended(one):
            return f"a run ended without a number{f': {one.reason}' if one.reason else ''}"
    blind = sorted({code for one in runs for code in one.codes} & BLIND)
    return f"nobody can say what its runs are worth ({', '.join(blind)})" if blind else ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one requirement stands. word: ``None`` while it is open; then ``wanted`` more values complete the next
    look. runs, mean, low, high, p: as in ``model.Decided``. why: of an invalid one, as a clause."""

    requirement: Requirement
    sifted: Sifted
    word: Word | None
    runs: int = 0
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    wanted: int = 0
    why: str = ""


def standings(contract: Contract, evidence: Evidence) -> tuple[Standing, ...]:
    """Where every requirement of the contract stands, in the contract's order.

    What is found invalid takes no part in the rule, so that it can neither reject nor help another one to.
    """
    own = [
        sifted(one, [found for found in evidence.measured if found.requirement == one.name])
        for one in contract.requirements
    ]
    why = ["a result was wrong" if one.wrong else one.flaw for one in own]
    while own:
        told = _replayed(contract, own, why)
        fresh = [one or _compromised(contract.rule, own[i], told, i) for i, one in enumerate(why)]
        if fresh == why:
            return tuple(_standing(contract, i, own[i], told, why[i]) for i in range(len(own)))
        why = fresh
    return ()


def _replayed(contract: Contract, own: Sequence[Sifted], why: Sequence[str]) -> Replayed:
    most = max(1, *(len(one.values) for one in own))
    y = np.full((len(own), most), np.nan)
    for row, one, flaw in zip(y, own, why, strict=True):
        if not flaw:
            row[: len(one.values)] = one.values
    good = np.log1p([-one.good for one in contract.requirements])
    bad = np.log1p([-one.bad for one in contract.requirements])
    return replay(y, good, bad, contract.rule.looks, levels(contract))


def _next(rule: Rule, count: int) -> int:
    """How many values the look has that comes after ``count`` of them; the last look's once all are spent."""
    return next((n for n in rule.looks if n > count), rule.looks[-1])


def _compromised(rule: Rule, one: Sifted, told: Replayed, i: int) -> str:
    """Why the runs of a requirement are too disturbed to conclude anything, as a clause; empty when they are not."""
    open_ = int(told.word[i]) == OPEN
    spent = open_ and len(one.values) >= rule.looks[-1]
    looked = _next(rule, len(one.values)) if open_ else int(told.runs[i])
    aside, codes = len(one.aside), ", ".join(one.disturbances)
    if aside >= FEW and aside > rule.aside * (aside + looked):
        return f"{aside} of {aside + len(one.values)} runs were disturbed from outside ({codes})"
    unsteady = one.noted(UNSTEADY, looked)
    if (spent or not open_) and unsteady >= FEW and unsteady > UNSTEADY_PART * looked:
        return f"{unsteady} of {looked} runs were not steady ({UNSTEADY})"
    return ""


def _standing(contract: Contract, i: int, one: Sifted, told: Replayed, why: str) -> Standing:
    requirement, count = contract.requirements[i], len(one.values)
    if one.wrong is not None:
        return Standing(requirement, one, Word.REJECT, why=why)
    if why:
        return Standing(requirement, one, Word.INVALID, runs=count, why=why)
    word, wanted = WORDS[int(told.word[i])], 0
    if word is None:
        spent = count >= contract.rule.looks[-1]
        word = Word.INCONCLUSIVE if spent else None
        wanted = 0 if spent else _next(contract.rule, count) - count
    if not told.runs[i]:
        return Standing(requirement, one, word, runs=count, wanted=wanted)
    mean, low, high, p = (float(array[i]) for array in (told.mean, told.low, told.high, told.p))
    return Standing(requirement, one, word, int(told.runs[i]), mean, low, high, p, wanted)


def wanted(contract: Contract, evidence: Evidence) -> Mapping[str, int]:
    """How many more runs each undecided requirement needs for its next look, by its name.

    Empty when everything is decided or all runs are spent, and as soon as one requirement rejects: the device is
    rejected then, whatever the others say. A run that is set aside does not count: ask again after it was measured.
    """
    found = standings(contract, evidence)
    if any(one.word is Word.REJECT for one in found):
        return {}
    return {one.requirement.name: one.wanted for one in found if one.wanted}
