"""The GPU's sensors, with NVML's place taken by a scripted one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from benchsuite.telemetry import nvml


class NVMLError(Exception):
    pass


def scripted(**sensors: Callable[[], Any]) -> Any:
    """A library whose sensors are these; the others are not supported."""

    def missing(*arguments: Any) -> Any:
        raise NVMLError("not supported")

    calls = {
        "nvmlDeviceGetClockInfo": lambda gpu, kind: sensors[kind]() if kind in sensors else missing(),
        "nvmlDeviceGetPowerUsage": lambda gpu: sensors["power"]() if "power" in sensors else missing(),
        "nvmlDeviceGetEnforcedPowerLimit": lambda gpu: sensors["limit"]() if "limit" in sensors else missing(),
        "nvmlDeviceGetTemperature": lambda gpu, kind: sensors["heat"]() if "heat" in sensors else missing(),
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda gpu: sensors["why"]() if "why" in sensors else missing(),
        "nvmlDeviceGetCurrPcieLinkGeneration": lambda gpu: sensors["link"]() if "link" in sensors else missing(),
        "nvmlDeviceGetCurrPcieLinkWidth": missing,
        "nvmlDeviceGetHandleByPciBusId": missing,
        "nvmlDeviceGetComputeRunningProcesses": lambda gpu: (
            sensors["processes"]() if "processes" in sensors else missing()
        ),
    }
    names = {"NVML_CLOCK_SM": "sm", "NVML_CLOCK_MEM": "memory", "NVML_TEMPERATURE_GPU": 0, "NVMLError": NVMLError}
    return SimpleNamespace(**calls, **names)


def test_units_are_si_and_absent_sensors_are_left_out() -> None:
    library = scripted(sm=lambda: 1755, power=lambda: 412_500, why=lambda: 4)
    assert nvml.read(library, None) == {"sm_clock": 1.755e9, "power": 412.5, "throttle": 4.0}


def test_a_watch_gives_medians_and_every_throttle_bit_that_was_set() -> None:
    readings = [
        {"sm_clock": 1.0e9, "throttle": 0.0},
        {"sm_clock": 3.0e9, "throttle": 8.0},
        {"sm_clock": 2.0e9, "throttle": 4.0, "power": 7.0},
    ]
    told = nvml.summary(readings)
    assert told == {"sm_clock": 2.0e9, "throttle": 12.0, "power": 7.0, "readings": 3.0}


def test_a_short_watch_still_reads_once() -> None:
    library = scripted(sm=lambda: 900, why=lambda: 0)
    assert nvml.Watch(library, None, interval=60.0).start().stop()["readings"] == 1.0


def test_a_watch_reads_while_it_runs() -> None:
    clocks = iter(range(100, 10**6))
    library = scripted(sm=lambda: next(clocks), why=lambda: 0)
    watch = nvml.Watch(library, None, interval=0.001).start()
    while len(watch.readings) < 3:
        pass
    assert watch.stop()["readings"] >= 3.0


@pytest.mark.parametrize(
    ("conditions", "codes"),
    [
        ({}, ["GPU_TELEMETRY_MISSING"]),
        ({"sm_clock": 1e9}, ["GPU_TELEMETRY_MISSING"]),
        ({"sm_clock": 1e9, "throttle": 0.0}, []),
        ({"sm_clock": 1e9, "throttle": 1.0}, []),  # idle
        ({"sm_clock": 1e9, "throttle": 4.0, "power_limit": 310.0}, ["POWER_CAPPED"]),
        ({"sm_clock": 1e9, "throttle": float(0x40 | 0x4)}, ["THROTTLED", "POWER_CAPPED"]),
    ],
)
def test_silence_is_never_health_and_reasons_are_told_apart(conditions: dict[str, float], codes: list[str]) -> None:
    assert [caveat.code for caveat in nvml.caveats(conditions)] == codes


def test_other_processes_are_those_that_are_not_ours() -> None:
    library = scripted(processes=lambda: [SimpleNamespace(pid=3), SimpleNamespace(pid=9)])
    assert nvml.others(library, None, [9]) == (3,)
    assert nvml.others(scripted(), None, []) is None
    assert nvml.handle(scripted(), "0000:01:00.0") is None
