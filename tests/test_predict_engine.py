"""Parameters of serving software."""

from __future__ import annotations

import math

import pytest

from benchsuite.errors import DataError
from benchsuite.predict.engine import BARE, FITTED, data, engine


def test_an_unknown_parameter_is_told() -> None:
    with pytest.raises(DataError, match="no parameter 'speed'"):
        engine({"name": "mine", "speed": 2.0})


def test_the_fitted_parameters_are_physical() -> None:
    """Shares near 1 at most, times of microseconds, a reserve of some GB: else the fit has hidden something."""
    assert engine(data()["engine"]) == FITTED
    assert 0.7 < FITTED.gemm < 1.15
    assert 0.7 < FITTED.bandwidth <= 1.0
    assert 0.3 < FITTED.link < 1.3
    assert 32 < FITTED.rows < 200
    assert 0.1 < FITTED.wave < 1
    assert 1 <= FITTED.traffic < 5
    assert all(1e-7 < one < 1e-4 for one in (FITTED.tile, FITTED.reduce, FITTED.layer, FITTED.sequence))
    assert 2e9 < FITTED.reserve < 8e9


def test_bare_loses_nothing() -> None:
    assert (BARE.gemm, BARE.bandwidth, BARE.reserve, BARE.tile, BARE.layer) == (1, 1, 0, 0, 0)
    assert all(math.isfinite(value) for value in data()["engine"].values() if isinstance(value, float))
