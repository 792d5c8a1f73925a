"""Foreign load and steal, from invented counters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchsuite.telemetry.host import Reading, neighbours, read


def reading(wall: float, busy: float | None, steal: float | None = 0.0) -> Reading:
    return Reading(wall, busy, steal, 0.0)


def codes(before: Reading, after: Reading, own: float) -> list[str]:
    return [caveat.code for caveat in neighbours(before, after, own)]


def test_our_own_work_is_not_foreign() -> None:
    assert codes(reading(0, 0), reading(1, 2.0), own=2.0) == []
    assert codes(reading(0, 0), reading(1, 2.0), own=1.0) == ["CONTENDED"]


def test_steal_is_told() -> None:
    assert codes(reading(0, 0, 0.0), reading(1, 1.0, 0.05), own=1.0) == ["HOST_STEAL"]


def test_a_window_of_a_few_ticks_says_nothing() -> None:
    assert codes(reading(0, 0), reading(0.05, 2.0), own=0.0) == []


def test_missing_counters_are_never_healthy() -> None:
    assert codes(reading(0, None, None), reading(1, None, None), own=0.0) == ["TELEMETRY_MISSING"]


def test_counters_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  100 20 30 4000 500 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    tick = os.sysconf("SC_CLK_TCK")
    found = read(stat, wall=lambda: 3.0)
    assert found.busy == pytest.approx((100 + 20 + 30 + 6 + 7 + 8) / tick)
    assert found.steal == pytest.approx(8 / tick)
    assert read(tmp_path / "none").busy is None
    stat.write_text("nonsense here\n")
    assert read(stat).busy is None
