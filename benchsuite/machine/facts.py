"""Facts about this host that a reader of its numbers needs: an allowlist, nothing that names a person or a network."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

from benchsuite import units
from benchsuite.machine import cpu

LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "torch",
    "mkl",
    "mpi4py",
    "mpich",
    "openmpi",
    "cupy-cuda12x",
    "cupy-cuda13x",
)
VARIABLES = ("OMP_NUM_THREADS", "OMP_PROC_BIND", "OPENBLAS_CORETYPE", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


def collect(root: Path = Path("/")) -> dict[str, dict[str, str]]:
    """Sections of name and value, each a short text."""
    sections = {
        "processor": _processor(root),
        "memory": _memory(root),
        "system": _system(root),
        "packages": _packages(),
        "environment": _environment(),
    }
    return {name: values for name, values in sections.items() if values}


def model(root: Path = Path("/")) -> str:
    """What the processor calls itself."""
    return _cpuinfo(root).get("model name") or platform.processor() or platform.machine()


def _processor(root: Path) -> dict[str, str]:
    found = {
        "model": model(root),
        "architecture": platform.machine(),
        "cores usable": str(cpu.available_cores(root)),
        "logical processors": str(os.cpu_count() or 0),
    }
    for level, nbytes in cpu.cache_sizes(root).items():
        found[f"cache {level}"] = units.size(nbytes)
    flags = set(_cpuinfo(root).get("flags", "").split())
    wide = [
        name for name in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "sve", "asimd") if name in flags
    ]
    if wide:
        found["vector extensions"] = ", ".join(wide)
    if "hypervisor" in flags:
        found["virtual machine"] = "yes"
    return found


def _memory(root: Path) -> dict[str, str]:
    found = {"usable": units.size(cpu.memory_limit(root))}
    pages = root / "sys/kernel/mm/transparent_hugepage/enabled"
    if pages.is_file():
        found["transparent huge pages"] = pages.read_text().partition("[")[2].partition("]")[0] or "unknown"
    return found


def _system(root: Path) -> dict[str, str]:
    release = root / "etc/os-release"
    name = platform.system()
    if release.is_file():
        lines = dict(line.split("=", 1) for line in release.read_text().splitlines() if "=" in line)
        name = lines.get("PRETTY_NAME", name).strip('"')
    governor = root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    found = {"system": name, "kernel": platform.release(), "Python": platform.python_version()}
    if governor.is_file():
        found["frequency governor"] = governor.read_text().strip()
    return found


def _packages() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _environment() -> dict[str, str]:
    """Variables that change speed; only values made of letters, digits and a few signs are kept."""
    chosen = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {name: value for name, value in chosen.items() if all(c.isalnum() or c in ",-_.{}:" for c in value)}


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor's entries of /proc/cpuinfo; empty where there is none."""
    try:
        first = (root / "proc/cpuinfo").read_text().split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
