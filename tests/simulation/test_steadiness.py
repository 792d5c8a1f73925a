"""How often a run that is steady is called drifting, how often a ramp is, and what MSER-5 leaves of one."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean, median

import numpy as np
import pytest

from benchsuite.statistics import steady
from benchsuite.statistics.steady import drifted, mser
from tests.simulation.draws import KINDS, Kind, at_least, at_most, correlated, independent, runs

RAMPS = {(0.2, 20.0): (0.0065, 0.0008), (0.1, 40.0): (0.0123, 0.0034), (0.05, 80.0): (0.0167, 0.0088)}
"""Height and time constant (in samples) of an approach: how much it raises the median of 200, before and after MSER-5.

Simulated before any of this was written: an approach that is slow beside the run leaves half of its bias.
"""


INDEPENDENT, CORRELATED = 0.01, 0.05
"""How often a steady run may be called drifting; correlation is itself known only roughly from thirty samples."""


def ramps(height: float, constant: float, reps: int) -> Iterator[list[float]]:
    approach = 1.0 + height * np.exp(-np.arange(200) / constant)
    for run in runs(independent, reps, 200):
        yield (run * approach).tolist()


def alarms(kind: Kind, reps: int, n: int, spread: float = 0.03) -> int:
    return sum(drifted(run) for run in runs(kind, reps, n, spread=spread))


@pytest.mark.parametrize("n", [30, 90, 300])
@pytest.mark.parametrize("kind", KINDS)
def test_a_steady_run_is_hardly_ever_called_drifting(kind: Kind, n: int) -> None:
    allowed = CORRELATED if kind is correlated else INDEPENDENT
    assert at_least(alarms(kind, 600, n), 600) <= allowed


@pytest.mark.long
@pytest.mark.parametrize("n", [30, 90, 300])
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_with_no_benefit_of_the_doubt(kind: Kind, n: int) -> None:
    allowed = CORRELATED if kind is correlated else INDEPENDENT
    assert at_most(alarms(kind, 10_000, n), 10_000) <= 1.2 * allowed


def test_as_if_samples_were_independent_a_correlated_run_would_often_be_called_drifting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steady, "persistence", lambda values: 0.0)
    assert at_least(alarms(correlated, 600, 90), 600) > CORRELATED


@pytest.mark.parametrize(("height", "constant"), RAMPS)
def test_every_slow_approach_is_called_drifting(height: float, constant: float) -> None:
    found = sum(drifted(run) for run in ramps(height, constant, 200))
    assert at_most(found, 200) >= 0.99


@pytest.mark.parametrize(("height", "constant"), RAMPS)
def test_mser_takes_away_what_it_is_known_to(height: float, constant: float) -> None:
    before, after = RAMPS[height, constant]
    made = list(ramps(height, constant, 300))
    assert fmean(median(run) - 1.0 for run in made) == pytest.approx(before, abs=0.0005)
    assert fmean(median(run[mser(run) :]) - 1.0 for run in made) == pytest.approx(after, abs=0.0005)


def test_mser_leaves_a_steady_run_nearly_whole() -> None:
    assert fmean(mser(run) for run in runs(independent, 300, 200)) < 12
