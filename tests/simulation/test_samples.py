"""The rule that ends a measurement: how often the interval of the samples it leaves holds the true median.

The rule itself is run (``measure.collect``), on a clock that takes each batch's duration from a known distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from benchsuite.backends.base import Elapsed
from benchsuite.measure import collect
from benchsuite.measure.clock import Clock
from benchsuite.measure.collect import Sampler
from benchsuite.model import Policy, Samples, Step
from benchsuite.statistics import interval
from benchsuite.statistics.interval import median_interval
from benchsuite.world.solo import SoloWorld
from tests.simulation.draws import KINDS, Kind, at_least, at_most, correlated, runs, truth

POLICY = Policy(seconds=350.0, warmup=0.0, min_samples=20, max_samples=400, precision=0.01)
"""Batches of one iteration of about a second, so that each draw is a sample."""
LOW, HIGH = 0.94, 0.98
DECIDING = 0.985
"""The least that the nominal 99 % interval may cover, the one that decides when to stop."""


def sampled(run: Iterator[float]) -> Samples:
    """What the rule takes of this run."""

    def elapsed(steps: Sequence[Step]) -> Elapsed:
        return Elapsed(sum(next(run) for _ in steps))

    sampler = Sampler([lambda: None], elapsed, lambda: 0.0, SoloWorld())
    return collect.collect(sampler, Clock(0.0, 0.0), POLICY, POLICY.seconds)[0]


def covered(kind: Kind, reps: int) -> tuple[int, int]:
    """In how many runs the 95 % and the 99 % interval of the samples that the rule took hold the true median."""
    true, hits = truth(kind), [0, 0]
    for run in runs(kind, reps, 420):
        taken = sampled(iter(run))
        assert taken.iterations == 1
        for which, confidence in enumerate((0.95, 0.99)):
            low, high = median_interval(taken.seconds, confidence) or (0.0, 0.0)
            hits[which] += low <= true <= high
    return hits[0], hits[1]


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_rule_stops_the_intervals_cover_what_they_say(kind: Kind) -> None:
    reps = 300
    hits, deciding = covered(kind, reps)
    assert at_most(hits, reps) >= LOW, hits / reps
    assert at_least(hits, reps) <= HIGH, hits / reps
    assert at_most(deciding, reps) >= DECIDING, deciding / reps


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_to_half_a_percent(kind: Kind) -> None:
    reps = 10_000
    hits, deciding = covered(kind, reps)
    assert LOW <= hits / reps <= HIGH
    assert deciding / reps >= DECIDING


def test_without_the_effective_size_the_rule_would_stop_too_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "effective_size", len)
    assert at_most(covered(correlated, 300)[0], 300) < LOW


@pytest.mark.long
def test_whoever_looks_after_every_sample_and_stops_at_once_stops_too_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "LOOKS", 1)
    monkeypatch.setattr(collect, "CHECK_EVERY", 1)
    assert at_most(covered(correlated, 10_000)[1], 10_000) < DECIDING
