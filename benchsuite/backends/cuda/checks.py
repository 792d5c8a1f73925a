"""Everything the GPU needs, looked at in the order in which one thing rests on another; runs in a process of its own.

Minimum drivers: CUDA Compatibility, "Minor Version Compatibility" (525 for CUDA 12, 580 for CUDA 13).
A cubin loads in any driver of its own major version of CUDA or a later one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchsuite import tuned
from benchsuite.backends.base import Description
from benchsuite.backends.cuda import devices, driver, libraries
from benchsuite.backends.cuda.answer import Answer, Check
from benchsuite.backends.cuda.devices import VISIBLE
from benchsuite.backends.cuda.driver import Card, Driver
from benchsuite.errors import BenchsuiteError
from benchsuite.model import Caveat
from benchsuite.telemetry import nvml
from benchsuite.tuned import Fit
from benchsuite.units import size

SETTINGS = (VISIBLE, "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING")
"""Variables that a worker must share with the process that looked at the GPU."""
OLDEST = (8, 0)
OLDEST_CUPY = 14
UNKNOWN = 13_000
"""The CUDA that packages are chosen for where no driver tells."""
MINIMUM = {12: "525", 13: "580"}
"""The first driver of each CUDA we build for."""
OPTIONAL = {
    "cublas": "pip install 'benchsuite[cuda13]' brings it.",
    "cublaslt": "pip install nvmath-python.",
    "nccl": "pip install nvidia-nccl-cu13 (nvidia-nccl-cu12 for CUDA 12); it moves data between GPUs.",
    "torch-cuda": "Install PyTorch for CUDA: https://pytorch.org/get-started/locally",
}
"""What our kernels are compared with, and how to get it."""
HOST = "--backend host measures the processor."
_STATUS = {
    46: ("Another process holds the GPU for itself alone (exclusive mode).", "End it: nvidia-smi lists it."),
    802: ("The NVLink fabric is not ready.", "Start its service: systemctl start nvidia-fabricmanager."),
    803: ("The driver's library and its kernel module are of different versions.", "Restart the machine."),
    804: ("This GPU does not support the compatibility package of CUDA.", "Remove cuda-compat or update the driver."),
    999: ("The driver could not be started (unknown error).", "Load its module (modprobe nvidia-uvm) or restart."),
}
"""What cuInit may answer (CUresult), and what helps."""


def examine(surroundings: Mapping[str, str], number: int = 0, root: Path = Path("/")) -> Answer:
    """Every check, and the description of GPU ``number`` when none failed.

    The packages are looked at without a driver too: whoever installs one may install the rest at once.
    """
    try:
        seen = driver.look()
    except OSError:
        return Answer((_no_driver(root), *_packages(Driver(UNKNOWN, driver.NO_DEVICE), root)))
    checks = [*_hardware(seen, surroundings, number, root), *_packages(seen, root)]
    if number or not all(check.present for check in checks):
        return Answer(tuple(checks))  # for another than the first GPU this process starts again
    return _opened(seen, surroundings, checks, root)


def first(number: int, visible: str | None, count: int) -> str:
    """The value of CUDA_VISIBLE_DEVICES that puts GPU ``number`` of the ``count`` visible ones first."""
    names = [word.strip() for word in visible.split(",")][:count] if visible else [str(i) for i in range(count)]
    return ",".join(devices.first(number, names))


def _hardware(seen: Driver, surroundings: Mapping[str, str], number: int, root: Path) -> Iterator[Check]:
    yield _driver(seen, surroundings, root)
    if seen.status:
        return
    if number >= len(seen.cards):
        detail = f"There is no GPU {number}: {len(seen.cards)} can be seen, counted from 0."
        yield Check("GPU", False, detail, "Choose another --device; nvidia-smi -L lists them.")
        return
    yield _card(seen.cards, number)


def _no_driver(root: Path) -> Check:
    if (root / "proc/driver/nvidia").is_dir():
        detail = f"The NVIDIA kernel module is loaded, but its library {driver.LIBRARY} cannot be."
        remedy = "In a container ask for it: NVIDIA_DRIVER_CAPABILITIES=compute,utility; else install the driver again."
        return Check("NVIDIA driver", False, detail, remedy)
    detail = f"No NVIDIA driver was found ({driver.LIBRARY} cannot be loaded)."
    return Check(
        "NVIDIA driver", False, detail, f"Install driver {MINIMUM[13]} or newer; a container needs --gpus all. {HOST}"
    )


def _driver(seen: Driver, surroundings: Mapping[str, str], root: Path) -> Check:
    if seen.status == 0:
        detail = f"{driver.release(root)} (CUDA {libraries.cuda_version(seen.version)})".strip()
        return Check("NVIDIA driver", True, detail)
    if seen.status in _STATUS:
        return Check("NVIDIA driver", False, *_STATUS[seen.status])
    if seen.status != driver.NO_DEVICE:
        detail = f"The NVIDIA driver answers with error {seen.status}."
        return Check("NVIDIA driver", False, detail, "See whether nvidia-smi works, and dmesg for Xid messages.")
    there = len(driver.installed(root))
    if VISIBLE not in surroundings:
        return Check("GPU", False, "The NVIDIA driver sees no GPU.", f"nvidia-smi -L must list one. {HOST}")
    known = f"{there} {'is' if there == 1 else 'are'} installed" if there else "nvidia-smi -L lists what is installed"
    detail = f'{VISIBLE} is set to "{surroundings[VISIBLE]}", so that no GPU can be seen; {known}.'
    numbers = "0" if there <= 1 else f"numbers from 0 to {there - 1}"
    return Check("GPU", False, detail, f"Unset {VISIBLE}, or give {numbers}, separated by commas.")


def _card(cards: Sequence[Card], number: int) -> Check:
    card = cards[number]
    major, minor = card.capability
    if card.capability < OLDEST:
        better = next((i for i, other in enumerate(cards) if other.capability >= OLDEST), None)
        remedy = HOST if better is None else f"Choose {cards[better].name} with --device {better}."
        detail = f"{card.name} has compute capability {major}.{minor}; our kernels need 8.0 (Ampere) or newer."
        return Check("GPU", False, detail, remedy)
    try:
        target = libraries.target(card.capability)
    except BenchsuiteError as error:
        return Check("GPU", False, f"{card.name} cannot be compiled for: {error.message}", error.remedy or HOST)
    return Check("GPU", True, f"{card.name}, {card.processors} multiprocessors, {size(card.memory)}, {target}")


def _packages(seen: Driver, root: Path) -> Iterator[Check]:
    major = seen.version // 1000
    extra = f"pip install 'benchsuite[cuda{min(13, major)}]'"
    supports = f"The NVIDIA driver {driver.release(root)} supports CUDA up to {libraries.cuda_version(seen.version)}"
    supports = supports.replace("  ", " ")
    if major < min(MINIMUM):
        yield Check("NVIDIA driver", False, f"{supports}; 12.0 is needed.", f"Install driver {MINIMUM[13]} or newer.")
        return
    yield _cupy(libraries.cupy_packages(), supports, major, extra)
    bindings = libraries.version("cuda-bindings")
    if not bindings or not libraries.importable("cuda.bindings.nvrtc"):
        yield Check("NVRTC", False, "cuda-bindings is not installed, so our kernels cannot be compiled.", extra)
        return
    try:
        nvrtc = libraries.nvrtc_version()
    except Exception as error:
        yield Check("NVRTC", False, f"The compiler NVRTC cannot be loaded: {error}.".replace("..", "."), extra)
        return
    if int(nvrtc.partition(".")[0]) > major:
        yield Check("NVRTC", False, f"{supports}; NVRTC {nvrtc} makes code for a newer one.", _older(nvrtc, major))
        return
    yield Check("NVRTC", True, f"{nvrtc} (cuda-bindings {bindings})")


def _cupy(packages: Mapping[str, str], supports: str, major: int, extra: str) -> Check:
    if not packages or not libraries.importable("cupy"):
        return Check("CuPy", False, "CuPy is not installed.", f"{extra}.")
    named = [f"{name} {version}" for name, version in packages.items()]
    if len(packages) > 1:
        detail = f"{' and '.join(named)} are both installed and overwrite each other."
        return Check("CuPy", False, detail, f"pip uninstall {' '.join(packages)}, then {extra}.")
    (name, version), text = next(iter(packages.items())), named[0]
    if int(version.partition(".")[0]) < OLDEST_CUPY:
        return Check("CuPy", False, f"{text} is installed; {OLDEST_CUPY} or newer is needed.", f"{extra} --upgrade.")
    toolkit = next((number for number in (11, 12, 13) if name.endswith(f"cuda{number}x")), 0)
    if toolkit > major:
        return Check("CuPy", False, f"{supports}; {text} needs {toolkit}.0 or newer.", _older(name, major))
    return Check("CuPy", True, text)


def _older(package: str, major: int) -> str:
    """What to do where a package is newer than the driver."""
    removed = f"pip uninstall {package}, then " if package.startswith("cupy") else ""
    return f"{removed}pip install 'benchsuite[cuda{major}]', or install driver {MINIMUM[13]} or newer."


def _opened(seen: Driver, surroundings: Mapping[str, str], checks: list[Check], root: Path) -> Answer:
    """The description, as the runtime sees it."""
    from benchsuite.backends.cuda.cupy_runtime import CupyRuntime

    others = others_on(seen.cards[0])  # before this process is one of them
    try:
        runtime = CupyRuntime()
        fitted, capabilities, providers = tuned.fit(runtime.device()), runtime.capabilities(), runtime.providers()
        memory = runtime.free_memory()
    except BenchsuiteError as error:
        return Answer((*checks, Check("GPU", False, error.message, error.remedy or HOST)))
    for name, remedy in OPTIONAL.items():
        present = name in capabilities
        detail = (
            providers.get(name.removesuffix("-cuda"), "") if present else "a vendor's implementation to compare with"
        )
        checks.append(Check(name, present, detail, "" if present else remedy, needed=False))
    described = Description(
        capabilities=capabilities,
        cache=fitted.device.l2,
        memory=memory,
        device=fitted.device,
        facts=facts(seen, fitted, providers, driver.release(root)),
        caveats=tuple(caveats(seen.cards, others)),
        environment={name: surroundings[name] for name in SETTINGS if name in surroundings},
        bus=seen.cards[0].bus,
    )
    return Answer(tuple(checks), described)


def facts(seen: Driver, fitted: Fit, providers: Mapping[str, str], release: str) -> dict[str, str]:
    """The section "gpu" of a record's facts."""
    device = fitted.device
    major, minor = device.capability
    found = {
        "name": device.name,
        "arch": device.arch,
        "compute capability": f"{major}.{minor}",
        "processors": str(device.processors),
        "memory": size(device.memory),
        "memory bytes": str(device.memory),
        "L2 cache": size(device.l2),
        "shared memory a block": size(device.shared),
        "count": str(device.count),
        "driver": f"{release} (CUDA {libraries.cuda_version(seen.version)})".strip(),
        "toolkit": providers.get("benchsuite", ""),
        "CuPy": providers.get("cupy", ""),
        "cuts of kernels": fitted.told,
    }
    if len({card.name for card in seen.cards}) > 1:
        found["all names"] = ", ".join(card.name for card in seen.cards)
    return {name: text for name, text in found.items() if text}


def caveats(cards: Sequence[Card], others: int) -> Iterator[Caveat]:
    """What every result of this GPU must carry."""
    if "MIG " in cards[0].name:
        yield Caveat("MIG_SLICE", f"This is a slice of a GPU ({cards[0].name}): its neighbours share memory and power.")
    if len({card.name for card in cards}) > 1:
        yield Caveat("MIXED_GPUS", f"The GPUs of this machine differ; measured is {cards[0].name}.")
    if others:
        words = "another process" if others == 1 else f"{others} other processes"
        yield Caveat("GPU_SHARED", f"When the run began, {words} used this GPU.")


def others_on(card: Card) -> int:
    """How many processes compute on this GPU now; 0 where NVML does not tell."""
    library = nvml.library()
    gpu = nvml.handle(library, card.bus) if library is not None else None
    return len(nvml.others(library, gpu, ()) or ()) if gpu is not None else 0
