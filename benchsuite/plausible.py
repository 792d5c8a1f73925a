"""What of others' publications cannot be true: each such result is named and left out, and the rest is kept.

What a publication says of itself is not believed where it can be concluded again: our words for its codes, and whether
a number is clean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from benchsuite import allowlist, reading
from benchsuite.allowlist import CAVEATS, REASONS, UNKNOWN
from benchsuite.catalog import gpus
from benchsuite.errors import DataError
from benchsuite.model import Caveat, Metric, Offer, Origin, Publication, Quantiles, Score, Status
from benchsuite.reportable import unreportable

MOST = 1.05
"""Of the datasheet's dense peak or bandwidth. Boost clocks and rounded datasheets explain less than that."""
CLOSE = 1e-6
"""How far apart two numbers of one publication may be where one follows from the other."""
LARGE = 1 << 30
"""Bytes of a working set that no cache of any catalogued chip holds."""
SHA256 = re.compile(r"[0-9a-f]{64}|")
NEVER_ZERO = frozenset(Metric) - {Metric.TEMPERATURE, Metric.COUNT, Metric.RATIO, Metric.POWER}


@dataclass(frozen=True, slots=True)
class Vetted:
    """A publication as it may be used, a sentence for each thing that was left out of it, and SHA-256 of its file."""

    publication: Publication
    problems: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the hardware can do at most: operations per second by element type, bytes per second; empty: not known."""

    peaks: Mapping[str, float] = field(default_factory=dict)
    bandwidth: float = math.inf


def vet(told: Publication) -> Vetted:
    """A publication that came from elsewhere: results that cannot be true are named and left out.

    Of what was measured only the facts that may leave are taken, and our own words for every code.
    Raises ``DataError`` when it has no usable head, or no result is left.
    """
    _head(told)
    limits, kept, problems, seen = _possible(told.machine.hardware), [], [], set()
    measured = told.origin is Origin.MEASURED
    for score in told.results:
        key = (score.case, score.implementation)
        why = "is there twice" if key in seen else problem(score, limits) or (_texts(score) if measured else "")
        seen.add(key)
        if why:
            problems.append(f"{score.case.key} [{score.implementation}] {why}; it was left out.")
        else:
            kept.append(in_our_words(score) if measured else score)
    if not kept:
        raise DataError(f"It holds no result. {' '.join(problems[:1])}".strip(), "Leave it out.")
    facts = allowlist.facts(told.machine.facts) if measured else told.machine.facts
    return Vetted(replace(told, results=tuple(kept), machine=replace(told.machine, facts=facts)), tuple(problems))


def _head(told: Publication) -> None:
    """Raises ``DataError`` unless the publication says with sense what it is of."""
    reading.identifier(told.id)
    reading.identifier(told.machine.id)
    offer = told.offer or Offer()
    words = (told.version, told.backend, told.tool, told.suite) if told.origin is Origin.MEASURED else ()
    roof = (*told.roof.flops.values(), *(() if told.roof.bandwidth is None else (told.roof.bandwidth,)))
    wrong = {
        "number of devices": told.machine.devices < 1 or offer.devices < 1,
        "price": offer.usd_per_hour is not None and not offer.usd_per_hour >= 0.0,
        "number of runs": told.runs < 0 or told.planned < 0,
        "ceiling": not all(one > 0.0 for one in roof),
        "digest": not all(SHA256.fullmatch(one) for one in (told.digest, told.samples)),
        "date": not re.fullmatch(r"\d{4}-\d\d(-\d\d(T[\d:.]{5,15}(Z|[+-]\d\d:\d\d)?)?)?|", told.started),
        "schema": told.schema < 1,
        "code": not re.fullmatch(r"[0-9a-f]{0,64}", told.code),
        "version": any(one != allowlist.word(one) for one in words),
    }
    for what, broken in wrong.items():
        if broken:
            raise DataError(f"Its {what} is impossible.", reading.REMEDY)


@cache
def _possible(hardware: str) -> Limits:
    found = gpus.gpus().get(hardware)
    return Limits(found.rates, found.bandwidth) if found else Limits()


def _texts(score: Score) -> str:
    """Why a measured result holds texts that no benchsuite writes."""
    case = score.case
    words = (case.benchmark, *(one for pair in case.params for one in pair if isinstance(one, str)))
    others = (score.implementation, score.interval, score.ceiling_name, score.backend, score.cache, score.sync)
    return "" if all(word == allowlist.word(word) for word in (*words, *others)) else "has names that are none"


def in_our_words(score: Score) -> Score:
    """With what our own tables say of its status and its codes, whatever it brought. A note that nobody here knows
    is never dropped: it would leave the number clean."""
    codes = dict.fromkeys(one.code if one.code in CAVEATS else UNKNOWN for one in score.caveats)
    caveats = tuple(Caveat(code, CAVEATS[code]) for code in codes)
    reason, provider = REASONS.get(score.status, ""), allowlist.library(score.provider)
    ours, theirs = (reason, provider, caveats, "", ""), (score.reason, score.provider, score.caveats)
    if ours != (*theirs, score.source, score.meaning):
        score = replace(score, reason=reason, provider=provider, caveats=caveats, source="", meaning="")
    problems = unreportable(score)
    return score if problems == score.unreportable else replace(score, unreportable=problems)


def problem(score: Score, limits: Limits = Limits()) -> str:
    """Why this result cannot be true, as the second half of a sentence; nothing when it can."""
    if (score.value is None) != (score.status is not Status.OK):
        return f"is {score.status.value} and has {'no' if score.value is None else 'a'} number"
    if score.value is None:
        return "has runs without a number" if score.run_values or score.samples else ""
    return _numbers(score, score.value) or _runs(score, score.value) or _limits(score, score.value, limits)


def _numbers(score: Score, value: float) -> str:
    optional = (
        score.low,
        score.high,
        score.ceiling,
        score.of_ceiling,
        score.of_datasheet,
        score.of_clock,
        score.joules,
    )
    told = [one for one in optional if one is not None]
    work = score.work
    if not all(map(math.isfinite, (value, *told, *score.run_values, *score.conditions.values()))):
        return "holds a number that is not finite"
    if score.metric in NEVER_ZERO and not all(one > 0.0 for one in (value, *told, *score.run_values)):
        return "is zero or negative"
    if min(work.flops, work.read, work.written, work.payload, work.wire, work.steps) < 0.0 or score.case.ranks < 1:
        return "is of an impossible amount of work"
    low, high = (value if end is None else end for end in (score.low, score.high))
    if not low <= value * (1.0 + CLOSE) or not value <= high * (1.0 + CLOSE):
        return "lies outside its own interval"
    if score.ceiling and score.of_ceiling and not math.isclose(score.of_ceiling, value / score.ceiling, rel_tol=1e-3):
        return "is another part of its ceiling than it says"
    return ""


def _runs(score: Score, value: float) -> str:
    runs = score.run_values
    if runs and len(runs) != score.runs:
        return "has more runs or fewer than it says"
    if runs and not min(runs) * (1.0 - CLOSE) <= value <= max(runs) * (1.0 + CLOSE):
        return "does not lie among the values of its runs"
    if not all(map(_ordered, score.samples)):
        return "has samples whose quantiles are out of order"
    return "" if len(score.samples) != len(runs) or _from_samples(score) else "does not follow from its samples"


def _ordered(told: Quantiles) -> bool:
    return told.n >= 1 and 0.0 < told.minimum <= told.p5 <= told.median <= told.p95 <= told.maximum < math.inf


def _from_samples(score: Score) -> bool:
    """Whether every run's value is what its work and the median of its samples make."""
    amount = {
        Metric.FLOPS: score.work.flops,
        Metric.BANDWIDTH: score.work.bytes,
        Metric.BUSBW: score.work.wire,
        Metric.CLOCK: score.work.steps,
        Metric.LATENCY: score.work.steps,
    }.get(score.metric)
    if amount is None or not score.samples:
        return True
    if not amount > 0.0:
        return False
    made = (one.median / amount if score.metric is Metric.LATENCY else amount / one.median for one in score.samples)
    return all(math.isclose(one, run, rel_tol=1e-3) for one, run in zip(made, score.run_values, strict=True))


def _limits(score: Score, value: float, limits: Limits) -> str:
    """Arithmetic and memory cannot be faster than their datasheet; a collective may, where the switch adds up."""
    if score.metric not in {Metric.FLOPS, Metric.BANDWIDTH}:
        return ""
    params = dict(score.case.params)
    size = params.get("bytes")
    most = math.inf
    if score.metric is Metric.FLOPS:
        most = limits.peaks.get(str(params.get("dtype", "")), math.inf)
    elif isinstance(size, int) and size >= LARGE:
        most = limits.bandwidth
    part = max(value / most, score.of_datasheet or 0.0)
    return f"is {part:.2f} times what the datasheet allows" if part > MOST else ""
