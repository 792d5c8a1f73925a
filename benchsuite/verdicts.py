"""The verdicts on one number in words: one code each, one sentence each, the same on every page and terminal.

Every comparative names what it refers to; a number carries its interval; what is not known is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from benchsuite import units
from benchsuite.bands import TOLERANCE, Band, Position, ends
from benchsuite.model import Metric, Score, Status
from benchsuite.reportable import compromised
from benchsuite.units import DASH, NO_BREAK_SPACE

MOST_RUNS = 1000
"""Nobody makes more; a larger number needed is not told."""
SMALL = 0.2
"""Ratios nearer to 1 than this are told in percent."""


class Code(StrEnum):
    """The verdict. ``NO_REF``: too few are on record to know; ``INVALID``: the number itself is not sound."""

    NORMAL = "normal"
    SLOW = "slow"
    FAST = "fast"
    UNCLEAR = "unclear"
    NO_REF = "no_ref"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Judged:
    """A score of some hardware, under conditions that are worth a word, among its like."""

    score: Score
    hardware: str
    conditions: tuple[str, ...]
    measured: Band | None
    published: Band | None

    @property
    def model(self) -> str:
        """The model with the conditions: nothing is slow without them."""
        return "".join((self.hardware, *(f", {phrase}" for phrase in self.conditions)))


def sentence(code: Code, one: Judged) -> str:
    """The verdict in words."""
    among, score = one.measured, one.score
    if code is Code.INVALID:
        return _invalid(score)
    if among is None or code is Code.NO_REF:
        return _told(one)
    return _unclear(one, among) if code is Code.UNCLEAR else _called(code, one, among)


def _called(code: Code, one: Judged, among: Band) -> str:
    """A verdict that the number lies clearly within what is usual, or outside it."""
    score, value = one.score, number(one.score)
    decided = f"{among.n} machines of {among.sources} sources"
    beyond = f"{apart(among.distance)} the middle of {decided}"
    if code is Code.SLOW:
        cause = "" if one.conditions else " Cause not recorded."
        return f"Slow for {one.model}: {value}, {beyond}.{_at_clock(score)}{cause}"
    if code is Code.FAST:
        check = "check clocks, power limit and test version before relying on it"
        return f"Above usual for {one.model}: {value}, {beyond}; {check}."
    if _inside(score, among):
        return f"Normal for {one.model}: {value}, within what 90 of 100 give ({span(score.metric, among)})."
    return f"Normal for {one.model}: {value}, within {TOLERANCE * 100:.0f} % of the middle of {decided}."


def _invalid(score: Score) -> str:
    if score.status is not Status.OK or score.value is None:
        return f"Not valid: {(score.reason or 'there is no number').rstrip('.')}."
    return f"Not valid: {'; '.join(compromised(score))}. Number shown for diagnosis only."


def _unclear(one: Judged, among: Band) -> str:
    """Which limit the interval crosses, and how many more runs would tell."""
    score = one.score
    if score.low is None or score.high is None:
        return f"Cannot tell for {one.model}: {number(score)} has no interval."
    limit = _crossed(score, among)
    scale, _ = units.prefix(score.value or 0.0)
    interval = f"{_digits(score.low / scale)}{DASH}{_digits(score.high / scale)}"
    crossed = f"the interval {interval} crosses the limit {units.quantity(limit, score.metric)}"
    needed = more_runs(score, limit)
    told = f" About {needed} more {'run' if needed == 1 else 'runs'} would decide." if needed else ""
    return f"Cannot tell for {one.model}: {number(score)}; {crossed}.{told}"


def _crossed(score: Score, among: Band) -> float:
    """The limit that lies within the interval; of two the one nearer to the number, which takes more runs."""
    low, high = ends(score)
    value = score.value or math.nan
    within = [limit for limit in (among.lower, among.upper) if low <= limit <= high]
    return min(within or [among.lower, among.upper], key=lambda limit: abs(math.log(limit / value)))


def more_runs(score: Score, limit: float) -> int | None:
    """About how many further runs would bring the interval clear of the limit, as it shrinks with their root.

    ``None`` where the interval is not one over runs, or no sensible number of runs would.
    """
    low, high = ends(score)
    value = score.value or math.nan
    away = abs(math.log(limit / value))
    reach = math.log(high / value) if limit > value else math.log(value / low)
    if score.runs < 2 or not away > 0.0:
        return None
    needed = math.ceil(score.runs * (reach / away) ** 2) - score.runs
    return needed if 0 < needed <= MOST_RUNS else None


def _told(one: Judged) -> str:
    """What is on record, where too little is for a verdict."""
    score, parts = one.score, []
    here = f"here {number(score)}{''.join(f', {phrase}' for phrase in one.conditions)}"
    if (among := one.measured) is not None:
        few = f"{counted(among.n, 'such machine')} of {counted(among.sources, 'source')} on record"
        beside = f"({span(score.metric, among)}); {here}: {lies(score.metric, among)}"
        parts.append(f"No verdict on {one.hardware}: {few} {beside}.")
    if (among := one.published) is not None:
        figures = f"{counted(among.n, 'figure')} of {counted(among.sources, 'source')}"
        beside = f"{span(score.metric, among)} in {figures}; {here}: {lies(score.metric, among)}"
        parts.append(f"Published for {one.hardware}: {beside}.")
    if not parts:
        parts.append(f"No verdict on {one.model}: no number like {number(score)} is on record.")
    if score.of_datasheet is not None:
        parts.append(f"{units.percent(score.of_datasheet)} of the datasheet.")
    return " ".join(parts) + _at_clock(score)


def _at_clock(score: Score) -> str:
    """How much of what the chip can do at the clock it held: what tells a capped chip from a poor one."""
    return "" if score.of_clock is None else f" {units.percent(score.of_clock)} of the peak at the clock it held."


def lies(metric: Metric, among: Band) -> str:
    """Where the number lies: ``below all 3``, ``above 1 of 3``, ``at the low end of 3``, ``3rd–6th percentile``."""
    worse, better, low_end, high_end = _SIDES.get(metric, _SIDES[Metric.FLOPS])
    all_of = f"all {among.n}" if among.n > 1 else "the only one"
    low, high = among.outdone
    if among.population and high > 0 and low < among.n:
        first, last = (part * 100.0 for part in among.percentiles)
        return f"{ordinal(math.floor(first))}{DASH}{ordinal(math.ceil(last))} percentile"
    if among.position in {Position.BELOW, Position.ABOVE} or among.population:
        return f"{worse if high == 0 else better} {all_of}"
    if among.n == 1:
        return "like the only one"
    if low == 0 or high == among.n:
        return f"at the {low_end if low == 0 else high_end} end of {among.n}"
    return f"{better} {low if low == high else f'{low} to {high}'} of {among.n}"


_SIDES: Mapping[Metric, tuple[str, str, str, str]] = {
    Metric.FLOPS: ("below", "above", "low", "high"),
    Metric.LATENCY: ("longer than", "shorter than", "long", "short"),
    Metric.POWER: ("more than", "less than", "high", "low"),
    Metric.TEMPERATURE: ("hotter than", "cooler than", "hot", "cool"),
}
"""How a number lies on the worse and on the better side; everything of which more is better as FLOP/s."""


def ordinal(count: int) -> str:
    """``1st``, ``2nd``, ``11th``."""
    last = "th" if 10 <= count % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{last}"


def apart(distance: float) -> str:
    """A distance from the middle, better is up: ``4.2 % below``, ``×0.62 of``; ready for "the middle"."""
    if abs(distance - 1.0) >= SMALL:
        return f"×{distance:.2f} of"
    return f"{abs(distance - 1.0) * 100:.1f} % {'worse than' if distance < 1.0 else 'better than'}"


def span(metric: Metric, among: Band) -> str:
    """The ends of the band with one unit: ``4.1–4.4 TB/s``."""
    scale, letter = units.prefix(among.high)
    unit = units.unit(metric, letter)
    low, high = (_digits(end / scale) for end in (among.low, among.high))
    return f"{low if low == high else f'{low}{DASH}{high}'}{NO_BREAK_SPACE}{unit}"


def _digits(value: float) -> str:
    return units.significant(value)


def number(score: Score) -> str:
    """The number with its interval and unit."""
    value = score.value or math.nan
    if score.low is None or score.high is None:
        return units.quantity(value, score.metric)
    return units.ranged(value, score.low, score.high, score.metric)


def counted(count: int, one: str) -> str:
    """``1 source``, ``2 sources``."""
    return f"{count} {one}{'' if count == 1 else 's'}"


def _inside(score: Score, among: Band) -> bool:
    """Whether the whole interval lies within the population's 5th to 95th percentile itself."""
    low, high = ends(score)
    return among.low <= low and high <= among.high
