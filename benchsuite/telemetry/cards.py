"""Every GPU as its driver lists it, asked once: what it is, how it is set up, and its sensors beside.

NVML API reference, "Device Queries", "Multi Instance GPU Management", "NvLink". What a card does not tell is missing,
with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchsuite.reading import printable
from benchsuite.telemetry.nvml import LINKS, LOST, GpuSensors, gone, opened, said

LONGEST = 200
OF_A_SENSOR = ("xids", "xid_last")
"""Counted from the moment somebody began to listen: of a single look they say nothing."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One GPU. index: as nvidia-smi counts. facts: texts; values: numbers in SI units, the sensors' among them;
    missing: why something is not told; foreign: processes that compute on it, ``None`` where that is not known."""

    index: int
    facts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    foreign: tuple[int, ...] | None = None


def listed(kernel_log: Path = Path("/dev/kmsg")) -> tuple[tuple[Listed, ...], dict[str, str], str]:
    """All GPUs in the driver's order, the versions of driver and library, and why there are none; else nothing."""
    nvml, reason = opened()
    if nvml is None:
        return (), {}, reason
    versions, _ = _told(
        nvml,
        {
            "driver": nvml.nvmlSystemGetDriverVersion,
            "NVML": nvml.nvmlSystemGetNVMLVersion,
            "CUDA": lambda: _cuda(nvml.nvmlSystemGetCudaDriverVersion_v2()),
        },
    )
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        return (), versions, said(error)
    return tuple(_card(nvml, index, kernel_log) for index in range(count)), versions, ""


def _card(nvml: Any, index: int, kernel_log: Path) -> Listed:
    try:
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError as error:
        return Listed(index, values={LOST: 1.0} if gone(nvml, error) else {}, missing={"gpu": said(error)})
    facts, silent = _told(nvml, _texts(nvml, gpu))
    values, unknown = _counted(nvml, _numbers(nvml, gpu))
    if "bus" not in facts:
        return Listed(index, facts, values, {**silent, **unknown, "gpu": silent["bus"]})
    seen, unseen, foreign = GpuSensors(facts["bus"], kernel_log).read((), slow=True)
    both = {name: value for name, value in {**values, **seen}.items() if name not in OF_A_SENSOR}
    missing = {name: why for name, why in {**silent, **unknown, **unseen}.items() if name not in OF_A_SENSOR}
    return Listed(index, facts, {LOST: 1.0} if LOST in seen else both, missing, foreign)


def _texts(nvml: Any, gpu: Any) -> dict[str, Callable[[], Any]]:
    return {
        "name": lambda: nvml.nvmlDeviceGetName(gpu),
        "uuid": lambda: nvml.nvmlDeviceGetUUID(gpu),
        "bus": lambda: nvml.nvmlDeviceGetPciInfo(gpu).busId,
        "pci device": lambda: f"0x{nvml.nvmlDeviceGetPciInfo(gpu).pciDeviceId >> 16:04x}",
        "capability": lambda: ".".join(map(str, nvml.nvmlDeviceGetCudaComputeCapability(gpu))),
        "vbios": lambda: nvml.nvmlDeviceGetVbiosVersion(gpu),
    }


def _numbers(nvml: Any, gpu: Any) -> dict[str, Callable[[], float]]:
    """Modes are 1 where they are on; ``…_pending`` is the mode after the next reset."""
    return {
        "memory_total": lambda: nvml.nvmlDeviceGetMemoryInfo(gpu).total,
        "memory_used": lambda: nvml.nvmlDeviceGetMemoryInfo(gpu).used,
        "ecc_mode": lambda: nvml.nvmlDeviceGetEccMode(gpu)[0],
        "ecc_mode_pending": lambda: nvml.nvmlDeviceGetEccMode(gpu)[1],
        "mig_mode": lambda: nvml.nvmlDeviceGetMigMode(gpu)[0],
        "mig_mode_pending": lambda: nvml.nvmlDeviceGetMigMode(gpu)[1],
        "virtualisation": lambda: nvml.nvmlDeviceGetVirtualizationMode(gpu),
        "banks_exhausted": lambda: nvml.nvmlDeviceGetRowRemapperHistogram(gpu).none,
        "nvlinks_active": lambda: _active(nvml, gpu),
    }


def _active(nvml: Any, gpu: Any) -> int:
    """How many NVLinks are up. Raises NVML's error where there are none."""
    active = 0
    for link in range(LINKS):
        try:
            active += bool(nvml.nvmlDeviceGetNvLinkState(gpu, link))
        except nvml.NVMLError:
            if link == 0:
                raise
            break
    return active


def _told(nvml: Any, questions: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, str], dict[str, str]]:
    told: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name, ask in questions.items():
        try:
            answer = ask()
            text = answer.decode() if isinstance(answer, bytes) else str(answer)
            told[name] = printable(text)[:LONGEST]
        except (nvml.NVMLError, AttributeError) as error:  # another nvidia-ml-py may lack a function
            missing[name] = said(error)
        except UnicodeDecodeError:
            missing[name] = "the driver's answer is no text"
    return told, missing


def _counted(nvml: Any, questions: Mapping[str, Callable[[], float]]) -> tuple[dict[str, float], dict[str, str]]:
    counted: dict[str, float] = {}
    missing: dict[str, str] = {}
    for name, ask in questions.items():
        try:
            counted[name] = float(ask())
        except (nvml.NVMLError, AttributeError) as error:
            missing[name] = said(error)
    return counted, missing


def _cuda(version: int) -> str:
    """``13000`` as ``13.0``."""
    return f"{version // 1000}.{version % 1000 // 10}"
