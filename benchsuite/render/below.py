"""What stands below a value in the table: algbw, power and clock, energy, and how late the late samples were."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchsuite import units, worth
from benchsuite.model import Metric, Offer, Record, Score, Status
from benchsuite.render.normality import amount
from benchsuite.render.words import bandwidth, counted
from benchsuite.units import NO_BREAK_SPACE

PERCENTILES = ((0.95, 60), (0.99, 299))
"""Each with the samples it takes: so many that the greatest of them lies above it at 95 % (n > ln 0.05 / ln q)."""
ALONE = Offer(devices=1)


def details(score: Score, records: Sequence[Record]) -> Iterator[str]:
    """The lines of a verified score; ``records``: those of its runs."""
    if told := bandwidth(score):
        yield told
    if told := _conditions(score):
        yield told
    if told := _energy(score):
        yield told
    if score.metric is Metric.LATENCY and (told := _late(score, records)):
        yield told


def _conditions(score: Score) -> str:
    """``612 W, 1755 MHz, 71 °C``: medians of a GPU's sensors while it was measured."""
    if score.backend == "host":
        return ""
    units_of = (("power", 1.0, "W"), ("sm_clock", 1e6, "MHz"), ("temperature", 1.0, "°C"))
    return ", ".join(
        f"{score.conditions[name] / scale:.0f}{NO_BREAK_SPACE}{unit}"
        for name, scale, unit in units_of
        if name in score.conditions
    )


def _energy(score: Score) -> str:
    """``12.3 J an iteration, 51 GFLOP/J``, where one device did the work: of more, the sensors saw one."""
    if score.joules is None or not score.joules > 0.0 or worth.devices(score, ALONE) != 1:
        return ""
    scale, letter = units.prefix(score.joules)
    told = f"{units.significant(score.joules / scale)}{NO_BREAK_SPACE}{letter}J an iteration"
    rate = amount(worth.of(score).per_joule)
    return f"{told}, {rate}" if rate else told


def _late(score: Score, records: Sequence[Record]) -> str:
    """``p95 98.1 ns, p99 103 ns of 1200 samples in 3 runs``; too few samples have no such percentile."""
    runs = [one.samples.seconds for one in records if one.status is Status.OK and one.samples and one.samples.seconds]
    ordered = sorted(value for seconds in runs for value in seconds)
    shown: list[str] = []
    for part, least in PERCENTILES:
        if len(ordered) >= least:
            late = score.metric.quantity(score.work, ordered[math.ceil(part * len(ordered)) - 1])
            shown.append(f"p{100 * part:.0f}{NO_BREAK_SPACE}{units.quantity(late, score.metric)}")
    return f"{', '.join(shown)} of {counted(len(ordered), 'sample')} in {counted(len(runs), 'run')}" if shown else ""
