"""The simulation against rates published under a limit: which rows count, and that the docs' errors still hold."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from benchsuite.catalog import load
from benchsuite.predict.capacity import SCORE
from benchsuite.predict.fit import table
from benchsuite.predict.interval import conformal
from benchsuite.predict.limited import PROMISED, RATIOS, compare
from benchsuite.predict.table import Row, rows

SERVING = Path(__file__).resolve().parents[2] / "shared" / "data" / "serving.csv"
KNOWN = table(load())
ROW = Row(
    2, "llama-3.1-8b", "h200_sxm_141", "fp8", 780.0, 129.0, 7000.0, gpus=8, scenario="Server", benchmark="a round",
    metric="output tokens/s under latency limit",
)  # fmt: skip


def test_replicates_are_one_cell_at_their_median() -> None:
    same = [replace(ROW, line=line, measured=rate) for line, rate in ((2, 7000.0), (3, 9000.0), (4, 7100.0))]
    (found,) = compare(same, KNOWN)
    assert found.measured == 7100.0
    assert 0.0 < found.simulated < found.offline * 1.05
    assert found.scaled == pytest.approx(0.92 * found.offline)


def test_tighter_limits_give_less() -> None:
    server, interactive = (compare([replace(ROW, scenario=name)], KNOWN)[0] for name in RATIOS)
    assert interactive.simulated < server.simulated
    assert interactive.offline == server.offline


@pytest.mark.parametrize(
    "changed",
    [
        {"scenario": "Offline"},
        {"model": "a-model"},
        {"gpu": "a-gpu"},
        {"precision": "fp7"},
        {"isl": 0.0},
        {"nodes": 2},
    ],
)
def test_what_cannot_be_compared_is_left_out(changed: dict[str, object]) -> None:
    assert compare([replace(ROW, **changed)], KNOWN) == ()  # type: ignore[arg-type]


def test_what_does_not_fit_is_simulated_at_nothing() -> None:
    found = compare([replace(ROW, model="llama-3.1-405b", gpus=1)], KNOWN)
    assert all(one.simulated == 0.0 for one in found)


def test_every_promise_has_its_ratio() -> None:
    assert {scenario for _, scenario in PROMISED} == set(RATIOS)


@pytest.mark.skipif(not SERVING.exists(), reason="the table of published results is not here")
def test_the_docs_tell_the_errors_and_the_band_covers_them() -> None:
    found = compare(rows(SERVING)[0], KNOWN)
    errors = {
        name: statistics.median(abs(one.simulated / one.measured - 1) for one in found if one.row.scenario == name)
        for name in RATIOS
    }
    assert errors["Server"] <= 0.30
    assert errors["Interactive"] <= 0.30
    scores = [abs(one.simulated / one.measured - 1) for one in found]
    assert max(scores) < 1.0
    assert conformal([abs(math.log(one.measured / one.simulated)) for one in found]) <= SCORE
