"""What the GPU's own sensors say (NVML). The only module that imports it; used by the sensor process and the checks.

NVML API reference, "Device Queries" and "NvLink". Whatever a card does not support is left out with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchsuite.telemetry.kernel_log import KernelLog

LOST = "gpu_lost"
"""The sensor that tells, with the value 1, that the driver says the GPU is gone (NVML_ERROR_GPU_IS_LOST)."""
LINKS = 18
"""NVLinks of a card: as many as Hopper and Blackwell have."""
Sensor = Callable[[], float]


def library() -> Any | None:
    """NVML, started; ``None`` where there is none."""
    return opened()[0]


def opened() -> tuple[Any | None, str]:
    """NVML, started, or the reason why there is none."""
    try:
        import pynvml
    except ImportError:
        return None, "the package nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return None, said(error)
    return pynvml, ""


def handle(nvml: Any, bus: str) -> Any | None:
    """The GPU at a PCI bus id such as ``"00000000:01:00.0"`` (CUDA numbers them otherwise); ``None`` if not seen."""
    try:
        return nvml.nvmlDeviceGetHandleByPciBusId(bus.encode())
    except nvml.NVMLError:
        return None


def said(error: Exception) -> str:
    """NVML's own words, as they may stand within a sentence."""
    text = str(error).strip()
    return f"NVML says: {text}" if text else "NVML says nothing"


def gone(nvml: Any, error: Exception) -> bool:
    """Whether the driver says that the GPU is lost, or of no use until it is reset."""
    return getattr(error, "value", None) in {nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED}


def fast_sensors(nvml: Any, gpu: Any) -> dict[str, Sensor]:
    """What changes from moment to moment. Hz, W, °C, J; ``throttle`` is a mask of NVML's event reasons."""
    return {
        "sm_clock": lambda: 1e6 * nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_SM),
        "memory_clock": lambda: 1e6 * nvml.nvmlDeviceGetClockInfo(gpu, nvml.NVML_CLOCK_MEM),
        "power": lambda: 1e-3 * nvml.nvmlDeviceGetPowerUsage(gpu),
        "power_limit": lambda: 1e-3 * nvml.nvmlDeviceGetEnforcedPowerLimit(gpu),
        "temperature": lambda: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),
        "pcie_generation": lambda: nvml.nvmlDeviceGetCurrPcieLinkGeneration(gpu),
        "pcie_width": lambda: nvml.nvmlDeviceGetCurrPcieLinkWidth(gpu),
        "throttle": lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu),
        "gpu_energy": lambda: 1e-3 * nvml.nvmlDeviceGetTotalEnergyConsumption(gpu),
        "gpu_utilisation": lambda: 1e-2 * nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
    }


def slow_sensors(nvml: Any, gpu: Any) -> dict[str, Sensor]:
    """Limits, and counts of errors, which hardly change."""

    def ecc(kind: int) -> Sensor:
        return lambda: nvml.nvmlDeviceGetTotalEccErrors(gpu, kind, nvml.NVML_VOLATILE_ECC)

    def rows(part: int) -> Sensor:
        return lambda: nvml.nvmlDeviceGetRemappedRows(gpu)[part]

    def pages() -> float:
        causes = (
            nvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS,
            nvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR,
        )
        return sum(len(nvml.nvmlDeviceGetRetiredPages(gpu, cause)) for cause in causes)

    return {
        "sm_clock_max": lambda: 1e6 * nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_SM),
        "memory_clock_max": lambda: 1e6 * nvml.nvmlDeviceGetMaxClockInfo(gpu, nvml.NVML_CLOCK_MEM),
        "power_limit_default": lambda: 1e-3 * nvml.nvmlDeviceGetPowerManagementDefaultLimit(gpu),
        "pcie_generation_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkGeneration(gpu),
        "pcie_width_max": lambda: nvml.nvmlDeviceGetMaxPcieLinkWidth(gpu),
        "persistence": lambda: nvml.nvmlDeviceGetPersistenceMode(gpu),
        "ecc_corrected": ecc(nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
        "ecc_uncorrected": ecc(nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
        "rows_remapped_corrected": rows(0),
        "rows_remapped_uncorrected": rows(1),
        "rows_remap_pending": rows(2),
        "rows_remap_failed": rows(3),
        "pages_retired": pages,
        "nvlink_errors": lambda: nvlink_errors(nvml, gpu),
    }


def nvlink_errors(nvml: Any, gpu: Any) -> float:
    """Replays, recoveries and failed checksums of all active links. Raises NVML's error where there are none."""
    kinds = (
        nvml.NVML_NVLINK_ERROR_DL_REPLAY,
        nvml.NVML_NVLINK_ERROR_DL_RECOVERY,
        nvml.NVML_NVLINK_ERROR_DL_CRC_FLIT,
        nvml.NVML_NVLINK_ERROR_DL_CRC_DATA,
    )
    total, found = 0, 0
    for link in range(LINKS):
        try:
            if nvml.nvmlDeviceGetNvLinkState(gpu, link):
                total += sum(nvml.nvmlDeviceGetNvLinkErrorCounter(gpu, link, kind) for kind in kinds)
                found += 1
        except nvml.NVMLError:
            if link == 0:
                raise
            break
    if not found:
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
    return total


def others(nvml: Any, gpu: Any, own: Iterable[int], proc: Path = Path("/proc")) -> tuple[int, ...] | None:
    """Other processes that compute on this GPU, by number only; ``None`` where NVML does not tell.

    In a container NVML may number processes as the host does. Then none of ours is found among them, although one
    of them must be ours as soon as we use the GPU: a single one that we cannot see otherwise counts as ours.
    """
    try:
        found = {process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(gpu)}
    except nvml.NVMLError:
        return None
    mine = set(own)
    if mine and not found & mine and len(found) == 1 and not (proc / str(*found)).exists():
        return ()
    return tuple(sorted(found - mine))


class Events:
    """XIDs as the driver tells them to whoever listens: for where the kernel log cannot be read, as in a container."""

    def __init__(self, nvml: Any, gpu: Any) -> None:
        self._nvml, self._count, self._last = nvml, 0, 0
        self._set: Any = None
        if gpu is None:
            return
        try:
            made = nvml.nvmlEventSetCreate()
            nvml.nvmlDeviceRegisterEvents(gpu, nvml.nvmlEventTypeXidCriticalError, made)
            self._set = made
        except (nvml.NVMLError, AttributeError):  # then the reason is that of the kernel log
            return

    def read(self, values: dict[str, float], missing: dict[str, str]) -> None:
        """As ``KernelLog.read``, in its place: what it said of its silence is taken back."""
        while self._set is not None:
            try:
                self._last = int(self._nvml.nvmlEventSetWait_v2(self._set, 0).eventData)
                self._count += 1
            except self._nvml.NVMLError as error:
                if getattr(error, "value", None) == self._nvml.NVML_ERROR_TIMEOUT:
                    break
                self._set = None
        if self._set is None:
            return
        missing.pop("xids", None)
        values["xids"] = float(self._count)
        if self._last:
            values["xid_last"] = float(self._last)


class GpuSensors:
    """The sensors of the GPU at a PCI bus id; never raises, says instead why it is blind."""

    def __init__(self, bus: str, kernel_log: Path = Path("/dev/kmsg")) -> None:
        self._nvml, self.reason = opened()
        self._gpu = None
        self._permanent: dict[str, str] = {}
        self._log = KernelLog(kernel_log, bus)
        if self._nvml is not None:
            try:
                self._gpu = self._nvml.nvmlDeviceGetHandleByPciBusId(bus.encode())
            except self._nvml.NVMLError as error:
                self.reason = said(error)
        self._events = Events(self._nvml, self._gpu) if self._log.reason else None
        known = self._gpu is not None
        self._fast = fast_sensors(self._nvml, self._gpu) if known else {}
        self._all = {**self._fast, **slow_sensors(self._nvml, self._gpu)} if known else {}

    def read(
        self, own: Iterable[int], *, slow: bool
    ) -> tuple[dict[str, float], dict[str, str], tuple[int, ...] | None]:
        """What the sensors say now, what they do not say with the reason, and other processes."""
        nvml, gpu = self._nvml, self._gpu
        values: dict[str, float] = {}
        if nvml is None or gpu is None:
            return values, {"gpu": self.reason}, None
        missing: dict[str, str] = {}
        if slow:
            self._log.read(values, missing)
            if self._events is not None:
                self._events.read(values, missing)
        for name, sensor in (self._all if slow else self._fast).items():
            if name in self._permanent:
                missing[name] = self._permanent[name]
                continue
            try:
                values[name] = float(sensor())
            except (nvml.NVMLError, AttributeError) as error:  # another nvidia-ml-py may lack a function
                if gone(nvml, error):
                    return {LOST: 1.0}, dict.fromkeys(("gpu", *self._all), said(error)), None
                missing[name] = said(error)
                lacking = (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND)
                if getattr(error, "value", None) in lacking:
                    self._permanent[name] = said(error)  # it will not be supported in a moment either
        return values, missing, others(nvml, gpu, own)
