"""Arrival and transfer are kept apart, whatever the ranks' own times look like."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.benchmarks.allreduce import BENCHMARK
from benchsuite.model import Case, Samples, Task
from benchsuite.record import assemble
from benchsuite.statistics.skew import skew


def collective(
    lags: list[float], transfer: float, error: float = 1e-7, samples: int = 5, iterations: int = 1
) -> Samples:
    """Every rank waits for the last and ends with it, as in a barrier."""
    end = max(lags) + transfer
    rows = tuple(tuple(number + lag for lag in lags) for number in range(samples))
    own = tuple((end - lag) / iterations for lag in lags)
    return Samples(
        seconds=(max(own),) * samples,
        iterations=iterations,
        by_rank=(own,) * samples,
        rank_starts=rows,
        sync="barrier",
        sync_error=error,
    )


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=9), st.floats(0.01, 10.0), st.integers(1, 50))
def test_the_late_rank_is_late_and_the_transfer_is_not_longer_for_it(
    lags: list[float], transfer: float, iterations: int
) -> None:
    found = skew(collective(lags, transfer, iterations=iterations))
    assert found is not None
    assert found.transfer == pytest.approx(transfer, rel=1e-6)
    for lag, said in zip(lags, found.lags, strict=True):
        assert said == pytest.approx(lag - min(lags), abs=1e-6)


def test_the_rank_with_the_shortest_time_of_its_own_is_the_late_one() -> None:
    samples = collective([0.0, 0.5, 0.0], 0.1)
    own = samples.by_rank[0]
    found = skew(samples)
    assert found is not None
    assert own.index(min(own)) == found.lags.index(max(found.lags)) == 1


def test_a_lag_within_the_clocks_error_is_none() -> None:
    found = skew(collective([0.0, 1.9e-3, 2.1e-3], 0.1, error=1e-3))
    assert found is not None
    assert found.lags == pytest.approx((0.0, 0.0, 2.1e-3))


def test_where_the_clocks_do_not_allow_it_nothing_is_said() -> None:
    known = collective([0.0, 0.5], 0.5)
    assert skew(known) is not None
    assert skew(replace(known, sync_error=None)) is None
    assert skew(replace(known, rank_starts=())) is None
    assert skew(replace(known, sync_error=0.11)) is None
    assert skew(replace(known, sync_error=float("nan"))) is None


def test_a_record_of_several_ranks_keeps_it() -> None:
    case = Case.of("allreduce", 2, bytes=8, dtype="fp32", place="out")
    record = assemble(
        BENCHMARK,
        Task(case, "mpi"),
        collective([0.0, 0.5], 0.1),
        campaign="c",
        run=0,
        position=0,
        backend="host",
        provider="mpi",
        started="2026-01-01T00:00:00.000+00:00",
    )
    assert record.summary is not None, record.reason
    assert record.summary.skew is not None
    assert record.summary.skew.lags == pytest.approx((0.0, 0.5))
