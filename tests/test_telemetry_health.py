"""Hard facts about a GPU between two readings: faults, notes, and what nobody knows."""

from __future__ import annotations

import pytest

from benchsuite.telemetry.health import GROWING, NOTED, STATES, health
from benchsuite.telemetry.nvml import LOST
from benchsuite.telemetry.reading import Reading

FINE = dict.fromkeys((*GROWING, *NOTED, *STATES), 3.0) | dict.fromkeys(STATES, 0.0)


def test_counts_that_stand_are_healthy() -> None:
    found = health(Reading(0.0, FINE), Reading(9.0, FINE))
    assert (found.faults, found.notes, dict(found.unknown)) == ((), (), {})


@pytest.mark.parametrize("name", GROWING)
def test_each_count_that_grew_is_a_fault(name: str) -> None:
    found = health(Reading(0.0, FINE), Reading(9.0, {**FINE, name: 5.0, "xid_last": 79.0}))
    assert len(found.faults) == 1
    assert f"New {GROWING[name]}: 2" in found.faults[0]
    assert ("number 79" in found.faults[0]) == (name == "xids")


def test_corrected_errors_are_noted_only() -> None:
    found = health(Reading(0.0, FINE), Reading(9.0, {**FINE, "ecc_corrected": 4.0}))
    assert found.faults == ()
    assert found.notes == ("New corrected memory errors: 1.",)


@pytest.mark.parametrize("name", STATES)
def test_a_state_that_must_not_be_is_a_fault(name: str) -> None:
    assert health(Reading(0.0, FINE), Reading(9.0, {**FINE, name: 1.0})).faults == (STATES[name],)


@pytest.mark.parametrize("name", [*GROWING, *STATES])
def test_what_could_not_be_read_is_unknown_and_neither_healthy_nor_ill(name: str) -> None:
    less = {key: value for key, value in FINE.items() if key != name}
    for before, after in ((FINE, less), (less, FINE)):
        found = health(Reading(0.0, before), Reading(9.0, after, {name: "not permitted"}))
        assert found.faults == ()
        assert found.unknown == {name: "not permitted"}


def test_a_count_that_was_reset_is_a_fault_too() -> None:
    """Somebody reset the GPU or its counters meanwhile."""
    assert health(Reading(0.0, FINE), Reading(9.0, {**FINE, "ecc_uncorrected": 0.0})).faults


def test_a_lost_gpu_is_a_fault() -> None:
    found = health(Reading(0.0, FINE), Reading(9.0, {LOST: 1.0}, {"gpu": "GPU is lost"}))
    assert found.faults == ("The driver lost the GPU while it was measured.",)
    assert found.unknown == {"gpu": "GPU is lost"}
