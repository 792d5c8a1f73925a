"""The GPU's sensors: the rules on a scripted library, and every call through the real pynvml to a double of NVML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchsuite.telemetry import nvml
from benchsuite.telemetry.kernel_log import KernelLog, address
from benchsuite.telemetry.nvml import GpuSensors
from tests import nvml_double
from tests.nvml_double import BUS, IDLE, WORK

needs_double = pytest.mark.skipif(bool(nvml_double.unavailable()), reason=nvml_double.unavailable())
READ = """
import json, sys
from pathlib import Path
from benchsuite.telemetry.nvml import GpuSensors
sensors = GpuSensors(sys.argv[1], Path(sys.argv[3]))
for number in range(int(sys.argv[2])):
    print(json.dumps(sensors.read([7], slow=number % 2 == 0)))
"""


class NVMLError(Exception):
    pass


def scripted(pids: Sequence[int] | None = None) -> Any:
    """A library that knows these processes, and nothing else."""

    def missing(*arguments: Any) -> Any:
        raise NVMLError("not supported")

    def processes(gpu: object) -> list[SimpleNamespace]:
        return missing() if pids is None else [SimpleNamespace(pid=pid) for pid in pids]

    return SimpleNamespace(
        nvmlDeviceGetComputeRunningProcesses=processes, nvmlDeviceGetHandleByPciBusId=missing, NVMLError=NVMLError
    )


@pytest.mark.parametrize(
    ("pids", "own", "expected"),
    [
        ([3, 9], [9], (3,)),
        ([9], [9], ()),
        ([], [9], ()),
        ([3], [], (3,)),
        ([3], [9], ()),  # numbered as the host does: it must be us
        ([3, 4], [9], (3, 4)),  # one of them is not
        (None, [9], None),
    ],
)
def test_other_processes_are_those_that_are_not_ours(
    tmp_path: Path, pids: list[int] | None, own: list[int], expected: tuple[int, ...] | None
) -> None:
    assert nvml.others(scripted(pids), None, own, tmp_path) == expected


def test_a_single_process_that_we_can_see_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    assert nvml.others(scripted([3]), None, [9], tmp_path) == (3,)


def test_a_card_that_is_not_there_has_no_handle() -> None:
    assert nvml.handle(scripted(), BUS) is None


def read(tmp_path: Path, states: Sequence[str], count: int = 1, bus: str = BUS) -> list[Any]:
    """What the sensors say, reading after reading, in a process that finds the double."""
    log = tmp_path / "kmsg"
    log.touch()
    environment = {**os.environ, **nvml_double.environment(tmp_path, states)}
    done = subprocess.run(
        [sys.executable, "-c", READ, bus, str(count), str(log)],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@needs_double
def test_every_sensor_is_read_in_si_units(tmp_path: Path) -> None:
    state = f"{IDLE} {WORK} processes=7,8 uncorrected=2 remapped=3 retired=4 links=2 link_errors=5 throttle=4"
    [(values, missing, foreign)] = read(tmp_path, [state])
    assert missing == {}
    assert foreign == [8]
    assert values == {
        "sm_clock": 1.98e9, "memory_clock": 2.619e9, "power": 400.0, "power_limit": 700.0, "temperature": 40.0,
        "pcie_generation": 5.0, "pcie_width": 16.0, "throttle": 4.0, "gpu_energy": 1.0, "gpu_utilisation": 1.0,
        "sm_clock_max": 1.98e9, "memory_clock_max": 2.619e9, "power_limit_default": 700.0, "pcie_generation_max": 5.0,
        "pcie_width_max": 16.0, "persistence": 1.0, "ecc_corrected": 0.0, "ecc_uncorrected": 2.0,
        "rows_remapped_corrected": 0.0, "rows_remapped_uncorrected": 3.0, "rows_remap_pending": 0.0,
        "rows_remap_failed": 0.0, "pages_retired": 4.0, "nvlink_errors": 2 * 4 * 5.0, "xids": 0.0,
    }  # fmt: skip


@needs_double
@pytest.mark.parametrize(("answer", "words"), [("!3", "Not Supported"), ("!4", "Insufficient Permissions")])
def test_what_a_card_does_not_tell_is_missing_with_the_reason_and_not_zero(
    tmp_path: Path, answer: str, words: str
) -> None:
    names = {"power": "power", "energy": "gpu_energy", "corrected": "ecc_corrected", "links": "nvlink_errors"}
    state = f"{IDLE} {' '.join(f'{name}={answer}' for name in names)}"
    for values, missing, _ in read(tmp_path, [state], count=3)[::2]:
        assert {name: words in missing[name] for name in names.values()} == dict.fromkeys(names.values(), True)
        assert not set(names.values()) & set(values)
        assert values["sm_clock"] == 2.1e8


@needs_double
def test_a_sensor_that_answers_again_is_read_again(tmp_path: Path) -> None:
    told = read(tmp_path, [IDLE, "power=!10", "power=5000"], count=3)
    assert [values.get("power") for values, _, _ in told] == [70.0, None, 5.0]


@needs_double
def test_a_lost_gpu_is_a_reading_that_says_so_and_has_no_other_value(tmp_path: Path) -> None:
    told = read(tmp_path, [IDLE, "sm=!15"], count=2)
    values, missing, foreign = told[1]
    assert values == {nvml.LOST: 1.0}
    assert "GPU is lost" in missing["gpu"]
    assert {"sm_clock", "throttle", "ecc_uncorrected"} <= set(missing)
    assert foreign is None


@needs_double
@pytest.mark.parametrize(
    ("states", "bus", "words"),
    [(["init=!18"], BUS, "version mismatch"), (["init=!9"], BUS, "Driver Not Loaded"), ([IDLE], "9", "Not Found")],
)
def test_without_a_library_or_a_card_the_reason_is_told(
    tmp_path: Path, states: list[str], bus: str, words: str
) -> None:
    [(values, missing, foreign)] = read(tmp_path, states, bus=bus)
    assert values == {}
    assert words in missing["gpu"]
    assert foreign is None


def test_where_there_is_no_nvml_the_sensors_say_so() -> None:
    values, missing, _ = GpuSensors(BUS).read([], slow=True)
    assert values == {}
    assert missing["gpu"]


def test_xids_are_those_of_our_card_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    path.write_text("3,1,1,-;NVRM: Xid (PCI:0000:01:00): 31, before we looked\n")
    log = KernelLog(path, BUS)

    def told() -> dict[str, float]:
        values: dict[str, float] = {}
        missing: dict[str, str] = {}
        log.read(values, missing)
        assert missing == {}
        return values

    assert told() == {"xids": 0.0}
    with path.open("a") as stream:
        stream.write("6,2,2,-;eth0: link up\n3,3,3,-;NVRM: Xid (PCI:0000:02:00): 13, another card\n")
        stream.write("3,4,4,-;NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.\n")
    assert told() == {"xids": 1.0, "xid_last": 79.0}
    assert told() == {"xids": 1.0, "xid_last": 79.0}


def test_a_kernel_log_that_cannot_be_read_is_unknown_and_not_zero(tmp_path: Path) -> None:
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    KernelLog(tmp_path / "none", BUS).read(values, missing)
    assert values == {}
    assert "No such file" in missing["xids"]


@pytest.mark.parametrize(("bus", "expected"), [("00000000:01:00.0", ":01:00"), ("0001:A1:00", "1:a1:00")])
def test_a_card_has_one_address_in_every_spelling(bus: str, expected: str) -> None:
    assert address(bus) == expected


def test_the_real_kernel_log_is_read_or_refused_without_an_error() -> None:
    values: dict[str, float] = {}
    missing: dict[str, str] = {}
    KernelLog(Path("/dev/kmsg"), BUS).read(values, missing)
    assert ("xids" in values) != ("xids" in missing)
