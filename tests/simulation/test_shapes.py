"""How often one peak is called two, and how often two peaks are found."""

from __future__ import annotations

import numpy as np
import pytest

from benchsuite.statistics import shape
from benchsuite.statistics.shape import bimodal
from tests.simulation.draws import ONE_PEAK, Array, Kind, at_least, at_most, runs, two_peaks


def even(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """No peak at all: of all that has at most one, the hardest to tell from two."""
    return rng.random(shape)


def equal_peaks(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Five of their standard deviations apart."""
    return rng.standard_normal(shape) + np.where(rng.random(shape) < 0.5, 5.0, 0.0)


def found(kind: Kind, reps: int, n: int) -> int:
    return sum(bimodal(run) for run in runs(kind, reps, n, spread=0.03))


@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize("kind", [*ONE_PEAK, even])
def test_one_peak_is_hardly_ever_called_two(kind: Kind, n: int) -> None:
    assert at_least(found(kind, 300, n), 300) <= 0.01


@pytest.mark.long
@pytest.mark.parametrize("n", [20, 40, 100, 300])
@pytest.mark.parametrize("kind", [*ONE_PEAK, even])
def test_the_same_with_no_benefit_of_the_doubt(kind: Kind, n: int) -> None:
    assert at_most(found(kind, 5000, n), 5000) <= 0.017


@pytest.mark.parametrize("kind", [two_peaks, equal_peaks])
def test_two_peaks_are_found_in_a_hundred_samples(kind: Kind) -> None:
    assert at_least(found(kind, 200, 100), 200) >= 0.85


def test_as_if_samples_were_independent_correlated_ones_would_be_called_two(monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(rng: np.random.Generator, size: tuple[int, int]) -> Array:
        return np.cumsum(rng.standard_normal(size), axis=1)

    assert at_least(found(walk, 60, 200), 60) <= 0.01
    monkeypatch.setattr(shape, "effective_size", len)
    assert at_least(found(walk, 60, 200), 60) > 0.01
