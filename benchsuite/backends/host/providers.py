"""Which libraries can compute here (cheap: nothing heavy is imported) and which versions they are."""

from __future__ import annotations

import importlib
import platform
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

ROOT = Path("/")
# oneDNN multiplies these types at full speed only with the CPU's own dot products.
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}
_NAMES = {"openblas": "OpenBLAS", "mkl": "MKL", "blis": "BLIS"}
_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8"}


def capabilities(root: Path = ROOT) -> frozenset[str]:
    """``host`` and whatever of numba, scipy, torch, torch-bf16, torch-int8 and mkl is usable here."""
    found = {"host"} | {name for name in ("numba", "scipy", "torch") if find_spec(name)}
    flags = cpu_flags(root)
    if "torch" in found and flags & _BF16:
        found.add("torch-bf16")
    if "torch" in found and flags & _INT8:
        found.add("torch-int8")
    if mkl_library() is not None:
        found.add("mkl")
    return frozenset(found)


def cpu_flags(root: Path = ROOT) -> frozenset[str]:
    """Instruction-set names as Linux lists them (``flags`` on x86-64, ``Features`` on aarch64)."""
    try:
        lines = (root / "proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    for line in lines:
        name, _, words = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return frozenset(words.split())
    return frozenset()


@cache
def mkl_library() -> Path | None:
    """MKL's single dynamic library as the ``mkl`` wheel installs it, or None."""
    try:
        files = metadata.files("mkl") or []
    except metadata.PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())).resolve() for file in files if file.name.startswith("libmkl_rt."))
    return next((path for path in paths if path.is_file()), None)


def providers() -> dict[str, str]:
    """Version of each library, with the BLAS that NumPy and SciPy carry and the kernels it chose.

    Imports NumPy and SciPy, so that their BLAS can be asked: for the worker, not the controller.
    """
    versions = {name: metadata.version(name) for name in sorted(capabilities() & {"numba", "torch", "mkl"})}
    versions["python"] = platform.python_version()
    versions["numpy"] = blas("numpy")
    if find_spec("scipy"):
        versions["scipy"] = blas("scipy")
    return versions


def blas(package: str) -> str:
    """``"OpenBLAS 0.3.31 (SkylakeX)"``: the BLAS of ``numpy`` or ``scipy``; the package's version if unknown."""
    from threadpoolctl import threadpool_info

    importlib.import_module({"numpy": "numpy", "scipy": "scipy.linalg.blas"}[package])
    for library in threadpool_info():
        # A wheel carries its libraries in numpy.libs or scipy.libs; a distribution shares one for all.
        home = Path(library["filepath"]).parent.name.removesuffix(".libs")
        if library["user_api"] == "blas" and home not in {"numpy", "scipy"} - {package}:
            name = _NAMES.get(library["internal_api"], library["internal_api"])
            core = library.get("architecture")
            return f"{name} {library['version']}" + (f" ({core})" if core else "")
    return f"{package} {metadata.version(package)}"
