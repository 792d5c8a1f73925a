"""What the GPU's own sensors say while it is measured. The only module that imports NVML.

Clock, power, temperature and the reasons for throttling are read about 20 times a second by a thread
of the measuring process: reading them costs the GPU nothing, and the process only waits meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchsuite.model import Caveat

INTERVAL = 0.05
THROTTLES = {
    0x0008: "hardware slowdown",
    0x0020: "software thermal limit",
    0x0040: "hardware thermal limit",
    0x0080: "hardware power brake",
}
"""Bits of nvmlDeviceGetCurrentClocksEventReasons that mean trouble. The power cap is how a card is meant to run."""
POWER_CAP = 0x0004

Conditions = Mapping[str, float]
"""Medians: ``sm_clock`` and ``memory_clock`` in Hz, ``power`` and ``power_limit`` in W, ``temperature`` in °C,
``pcie_generation`` and ``pcie_width`` of the link as it is now; and the ``throttle`` bits that were ever set."""


def library() -> Any | None:
    """NVML, started; ``None`` where there is none."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def handle(nvml: Any, bus: str) -> Any | None:
    """The GPU at a PCI bus id such as ``"00000000:01:00.0"`` (CUDA numbers them otherwise); ``None`` if not seen."""
    try:
        return nvml.nvmlDeviceGetHandleByPciBusId(bus.encode())
    except nvml.NVMLError:
        return None


def read(nvml: Any, gpu: Any) -> dict[str, float]:
    """What the sensors say now; a sensor that this card lacks is left out."""
    sensors: dict[str, Callable[[], float]] = {
        "sm_clock": lambda: 1e6 * nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
        "memory_clock": lambda: 1e6 * nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
        "power": lambda: 1e-3 * nvml.nvmlDeviceGetPowerUsage(gpu),
        "power_limit": lambda: 1e-3 * nvml.nvmlDeviceGetEnforcedPowerLimit(gpu),
        "temperature": lambda: float(nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)),
        "pcie_generation": lambda: float(nvml.nvmlDeviceGetCurrPcieLinkGeneration(gpu)),
        "pcie_width": lambda: float(nvml.nvmlDeviceGetCurrPcieLinkWidth(gpu)),
        "throttle": lambda: float(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu)),
    }
    found = {}
    for name, sensor in sensors.items():
        try:
            found[name] = float(sensor())
        except nvml.NVMLError:
            continue
    return found


def others(nvml: Any, gpu: Any, own: Iterable[int]) -> tuple[int, ...] | None:
    """Other processes that compute on this GPU; ``None`` where NVML does not tell (containers hide them)."""
    try:
        found = nvml.nvmlDeviceGetComputeRunningProcesses(gpu)
    except nvml.NVMLError:
        return None
    mine = set(own)
    return tuple(sorted(process.pid for process in found if process.pid not in mine))


@dataclass
class Watch:
    """Reads the sensors until it is stopped."""

    nvml: Any
    gpu: Any
    interval: float = INTERVAL
    readings: list[dict[str, float]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Watch:
        """Begin; the first reading is taken after one interval, under load."""
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def _follow(self) -> None:
        while not self._ended.wait(self.interval):
            self.readings.append(read(self.nvml, self.gpu))

    def stop(self) -> Conditions:
        """The medians over the watch, and every throttle bit that was set in it; one late reading if it was short."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if not self.readings:
            self.readings.append(read(self.nvml, self.gpu))
        return summary(self.readings)


def summary(readings: Iterable[Mapping[str, float]]) -> Conditions:
    """Medians by sensor; the bits of ``throttle`` joined."""
    taken = list(readings)
    names = sorted({name for reading in taken for name in reading} - {"throttle"})
    found = {name: median([reading[name] for reading in taken if name in reading]) for name in names}
    bits = [int(reading["throttle"]) for reading in taken if "throttle" in reading]
    if bits:
        joined = 0
        for bit in bits:
            joined |= bit
        found["throttle"] = float(joined)
    return {**found, "readings": float(len(taken))}


def caveats(conditions: Conditions) -> tuple[Caveat, ...]:
    """What a reader must know of these conditions. Sensors that said nothing are never taken for health."""
    if "sm_clock" not in conditions or "throttle" not in conditions:
        return (Caveat("GPU_TELEMETRY_MISSING", "The GPU's sensors could not be read while this was measured."),)
    bits = int(conditions["throttle"])
    reasons = [name for bit, name in THROTTLES.items() if bits & bit]
    found = []
    if reasons:
        found.append(Caveat("THROTTLED", f"The GPU lowered its clock while this was measured: {', '.join(reasons)}."))
    if bits & POWER_CAP:
        limit = f" of {conditions['power_limit']:.0f} W" if "power_limit" in conditions else ""
        found.append(Caveat("POWER_CAPPED", f"The power limit{limit} held the clock down while this was measured."))
    return tuple(found)
