"""Which CUDA packages are installed, in which versions, and whether they fit the driver."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from benchsuite.backends.cuda import compiler
from benchsuite.model import Source

CUPY = ("cupy-cuda13x", "cupy-cuda12x", "cupy-cuda11x", "cupy")
"""Distributions that install the module ``cupy``; two at once overwrite each other."""
VENDOR = {"cublas": ("cublas", "cupy"), "cublaslt": ("cublasLt", "nvmath")}
"""A capability, the library's name as cuda-pathfinder knows it, and the package through which it is called."""
_CUBLAS = ("nvidia-cublas", "nvidia-cublas-cu13", "nvidia-cublas-cu12")


def target(capability: tuple[int, int]) -> str:
    """The architecture we compile for on a GPU of this compute capability."""
    return compiler.target(capability)


def compile_source(source: Source, arch: str) -> Path:
    """The cubin of ``source``, compiled now or kept from before."""
    return compiler.compile(source, arch).path


def cuda_version(number: int) -> str:
    """``"13.0"`` for 13000, as the driver and the runtime count."""
    return f"{number // 1000}.{number % 1000 // 10}"


def version(distribution: str) -> str:
    """The installed version of a package, or nothing."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def cupy_packages() -> dict[str, str]:
    """Every installed distribution of CuPy with its version."""
    return {name: found for name in CUPY if (found := version(name))}


def importable(module: str) -> bool:
    """Whether a module can be found, without importing it (its parents are)."""
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def nvrtc_version() -> str:
    """The version of the compiler, ``"13.0"``; raises where its library cannot be loaded."""
    return compiler.version()


def found() -> frozenset[str]:
    """Vendor libraries that load here, and ``torch-cuda`` for a PyTorch that was built with CUDA."""
    return frozenset(_found())


def versions() -> dict[str, str]:
    """Compiler (which makes our own kernels) and vendor libraries, as far as packages tell."""
    cublas, torch = next(filter(None, map(version, _CUBLAS)), ""), version("torch")
    vendors = {"cublas": f"cuBLAS {cublas}", "cublaslt": f"cuBLASLt {cublas}"} if cublas else {}
    return {"benchsuite": f"NVRTC {compiler.version()}", **vendors, **({"torch": f"PyTorch {torch}"} if torch else {})}


def _found() -> Iterator[str]:
    if importable("cuda.pathfinder"):
        from cuda.pathfinder import load_nvidia_dynamic_lib

        for capability, (name, module) in VENDOR.items():
            try:
                load_nvidia_dynamic_lib(name)
            except (RuntimeError, OSError):
                continue
            if importable(module):
                yield capability
    torch = importlib.util.find_spec("torch")
    if torch and torch.origin and (Path(torch.origin).parent / "lib" / "libtorch_cuda.so").is_file():
        yield "torch-cuda"
