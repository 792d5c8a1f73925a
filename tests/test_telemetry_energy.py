"""Energy against power curves whose integral is known."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchsuite.model import Energy
from benchsuite.telemetry.energy import integrated, of, until
from benchsuite.telemetry.reading import Reading

WINDOWS = [(0.5 + 0.1 * n, 0.55 + 0.1 * n) for n in range(20)]
"""Two seconds, half of which was measured."""


def neighbours(readings: list[Reading]) -> list[tuple[Reading, Reading]]:
    return list(itertools.pairwise(readings))


def gpu(readings: list[Reading], iterations: int = 1) -> Energy:
    return of(WINDOWS, iterations, neighbours(readings), gpu=True)[0]


def test_a_constant_power_costs_its_time() -> None:
    readings = [Reading(n * 0.1, {"power": 300.0}) for n in range(40)]
    cost = gpu(readings, iterations=5)
    assert cost.joules == pytest.approx(300.0)
    assert cost.per_iteration == pytest.approx(300.0 / 100)


def test_a_rising_power_costs_the_area_below_it() -> None:
    """P = 100 t: the trapezoidal rule is exact for a line, up to the way it is shared out within a beat."""
    readings = [Reading(n * 0.1, {"power": 100.0 * n * 0.1}) for n in range(40)]
    exact = math.fsum(50.0 * (end**2 - begin**2) for begin, end in WINDOWS)
    assert gpu(readings).joules == pytest.approx(exact, rel=0.02)
    curve = integrated(readings, "power")
    assert curve is not None
    assert until(curve, 3.9) == pytest.approx(50.0 * 3.9**2)


def test_a_counter_is_preferred_to_power() -> None:
    readings = [Reading(n * 0.1, {"power": 300.0, "gpu_energy": 1e6 + 20.0 * n}) for n in range(40)]
    assert gpu(readings).joules == pytest.approx(200.0)


def test_a_counter_that_fell_is_not_used() -> None:
    readings = [Reading(n * 0.1, {"power": 300.0, "gpu_energy": 20.0 * (n % 15)}) for n in range(40)]
    assert gpu(readings).joules == pytest.approx(300.0)


def test_the_processor_s_energy_is_told_beside() -> None:
    readings = [Reading(n * 0.1, {"package_energy": 5.0 * n}) for n in range(40)]
    card, package = of(WINDOWS, 2, neighbours(readings), gpu=True)
    assert package == Energy("package", pytest.approx(50.0), pytest.approx(50.0 / 40))
    assert card.joules is None
    assert [one.source for one in of(WINDOWS, 2, neighbours(readings), gpu=False)] == ["package"]


@pytest.mark.parametrize(
    ("readings", "reason"),
    [
        ([], "no sensor told it all the time"),
        (
            [Reading(n * 0.1, {}, {"gpu_energy": "NVML says: Not Supported"}) for n in range(40)],
            "NVML says: Not Supported",
        ),
        ([Reading(n * 0.1, {}, {"gpu": "the library is missing"}) for n in range(40)], "the library is missing"),
        ([Reading(n * 0.1, {"power": 1.0}) for n in range(15)], "no sensor was read all the time"),
        ([Reading(1.0 + n * 0.1, {"power": 1.0}) for n in range(40)], "no sensor was read all the time"),
        ([Reading(n * 0.1, {"power": 1.0} if n % 2 else {}) for n in range(40)], "no sensor told it all the time"),
    ],
)
def test_what_cannot_be_known_has_a_reason_and_no_number(readings: list[Reading], reason: str) -> None:
    assert gpu(readings) == Energy("gpu", None, None, reason)


def test_a_gap_between_readings_is_not_bridged() -> None:
    readings = [Reading(n * 0.1, {"power": 1.0}) for n in range(40)]
    pairs = neighbours(readings)
    del pairs[12]
    assert of(WINDOWS, 1, pairs, gpu=True)[0] == Energy("gpu", None, None, "no sensor was read all the time")


def test_what_was_too_short_for_the_sensor_has_no_number() -> None:
    readings = [Reading(n * 0.1, {"power": 1.0}) for n in range(40)]
    cost = of([(1.0, 1.2), (1.2, 1.4)], 1, neighbours(readings), gpu=True)[0]
    assert cost.joules is None
    assert "less than 0.5 s" in cost.reason


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 1000.0)), min_size=4, max_size=40))
def test_no_sample_costs_more_than_the_greatest_power(steps: list[tuple[float, float]]) -> None:
    at, readings = 0.0, []
    for wait, power in steps:
        at += wait
        readings.append(Reading(at, {"power": power}))
    begin, end = readings[0].at, readings[-1].at
    assume(end - begin > 0.6)
    joules = of([(begin, end)], 1, neighbours(readings), gpu=True)[0].joules
    assert joules is not None
    assert min(power for _, power in steps) * (end - begin) <= joules * (1 + 1e-9) + 1e-9
    assert joules <= max(power for _, power in steps) * (end - begin) * (1 + 1e-9) + 1e-9
