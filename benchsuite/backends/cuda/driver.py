"""What the NVIDIA driver says of itself and its GPUs, through ctypes: works with a driver alone, without any package.

CUDA driver API, "Initialization", "Version Management" and "Device Management".
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "libcuda.so.1"
NO_DEVICE = 100
_PROCESSORS, _L2, _SHARED, _MAJOR, _MINOR = 16, 38, 97, 75, 76
"""CUdevice_attribute: MULTIPROCESSOR_COUNT, L2_CACHE_SIZE, MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, COMPUTE_CAPABILITY_…"""


@dataclass(frozen=True, slots=True)
class Card:
    """A visible GPU, or a slice of one (MIG). Memory in bytes."""

    name: str
    capability: tuple[int, int]
    processors: int
    shared: int
    l2: int
    memory: int
    bus: str = ""
    """Its PCI address, by which NVML finds it."""


@dataclass(frozen=True, slots=True)
class Driver:
    """version: the newest CUDA it supports, 1000 major + 10 minor. status: what it answered, 0 when all is well."""

    version: int
    status: int
    cards: tuple[Card, ...] = ()


def look(library: str = "") -> Driver:
    """The driver and its visible GPUs. Raises ``OSError`` where no driver is installed."""
    cuda = ctypes.CDLL(library or LIBRARY)
    version, count = ctypes.c_int(0), ctypes.c_int(0)
    cuda.cuDriverGetVersion(ctypes.byref(version))
    status = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    if status:
        return Driver(version.value, status)
    cards = tuple(_card(cuda, number) for number in range(count.value))
    return Driver(version.value, 0 if cards else NO_DEVICE, cards)


def _card(cuda: ctypes.CDLL, number: int) -> Card:
    handle = ctypes.c_int(0)
    cuda.cuDeviceGet(ctypes.byref(handle), number)
    name, bus, memory = ctypes.create_string_buffer(256), ctypes.create_string_buffer(32), ctypes.c_size_t(0)
    cuda.cuDeviceGetName(name, len(name), handle)
    cuda.cuDeviceGetPCIBusId(bus, len(bus), handle)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), handle)

    def attribute(which: int) -> int:
        value = ctypes.c_int(0)
        cuda.cuDeviceGetAttribute(ctypes.byref(value), which, handle)
        return value.value

    return Card(
        name=name.value.decode(errors="replace"),
        capability=(attribute(_MAJOR), attribute(_MINOR)),
        processors=attribute(_PROCESSORS),
        shared=attribute(_SHARED),
        l2=attribute(_L2),
        memory=memory.value,
        bus=bus.value.decode(errors="replace"),
    )


def installed(root: Path = Path("/")) -> list[str]:
    """Models of the GPUs that the kernel module drives, whatever CUDA_VISIBLE_DEVICES hides; empty where unknown."""
    models = []
    for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        lines = path.read_text(errors="replace").splitlines()
        found = (line.partition(":")[2].strip() for line in lines if line.startswith("Model"))
        models.append(next(found, "NVIDIA GPU"))
    return models


def release(root: Path = Path("/")) -> str:
    """The driver's own version, "580.65.06"; empty where the kernel module does not tell."""
    try:
        line = (root / "proc/driver/nvidia/version").read_text(errors="replace").split("\n", 1)[0]
    except OSError:
        return ""
    return next((word for word in line.split() if word[0].isdigit() and "." in word), "")
