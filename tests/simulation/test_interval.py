"""How often the interval of a median holds the true one, whatever the samples are like."""

from __future__ import annotations

from statistics import fmean

import pytest

from benchsuite.statistics import interval
from benchsuite.statistics.interval import lag1, median_interval
from tests.simulation.draws import KINDS, Kind, at_least, at_most, correlated, runs, spiked, truth

LOW, HIGH = 0.94, 0.98
"""Between these the coverage of a nominal 95 % interval must lie."""


def covered(kind: Kind, reps: int, n: int) -> int:
    """In how many of ``reps`` runs of ``n`` samples the true median lies in the 95 % interval (or all samples)."""
    true, hits = truth(kind), 0
    for run in runs(kind, reps, n):
        low, high = median_interval(run, 0.95) or (min(run), max(run))
        hits += low <= true <= high
    return hits


@pytest.mark.parametrize("n", [20, 60, 200])
@pytest.mark.parametrize("kind", [*KINDS, spiked])
def test_a_95_percent_interval_covers_between_94_and_98_percent(kind: Kind, n: int) -> None:
    reps = 2000
    hits = covered(kind, reps, n)
    assert at_most(hits, reps) >= LOW, hits / reps
    assert at_least(hits, reps) <= HIGH, hits / reps


@pytest.mark.long
@pytest.mark.parametrize("n", [20, 50, 100, 200, 400])
@pytest.mark.parametrize("kind", [*KINDS, spiked])
def test_the_same_to_a_fifth_of_a_percent(kind: Kind, n: int) -> None:
    reps = 20_000
    assert LOW <= covered(kind, reps, n) / reps <= HIGH


@pytest.mark.parametrize("n", [20, 60])
def test_the_correlation_of_short_runs_is_not_underestimated(n: int) -> None:
    """Without the correction its mean would be 0.35 at 20 samples and 0.45 at 60."""
    assert fmean(interval.persistence(run) for run in runs(correlated, 2000, n)) >= 0.5 - 1.0 / n


def test_without_the_effective_size_correlated_samples_would_be_covered_too_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interval, "effective_size", len)
    assert at_most(covered(correlated, 1000, 200), 1000) < LOW


def test_without_ranks_a_few_spikes_would_hide_the_correlation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "persistence", lambda values: max(0.0, lag1(values)))
    assert at_most(covered(spiked, 1000, 200), 1000) < LOW
