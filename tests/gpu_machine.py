"""A machine with GPUs for processes of their own: a driver's double, and CuPy's with NCCL as an installed package."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
H100 = "NVIDIA H100 80GB HBM3|9|0"
PACKAGE = """
import os
from pathlib import Path
from benchsuite.backends.cuda import libraries, nccl, nccl_log
from tests.fake_cupy import Cupy, World
from tests.fake_nccl import Nccl, Plan

libraries.compile_source = lambda source, arch: Path(source.label)  # NVRTC calls what the driver's double lacks
nccl.POLL = 0.1
nccl_log._reset = lambda: lambda: None
_double = Cupy(World(count=int(os.environ["FAKE_GPUS"]), clock=True), Nccl(Plan.told()))
__version__ = _double.__version__
cuda, empty, RawModule = _double.cuda, _double.empty, _double.RawModule
get_default_memory_pool = _double.get_default_memory_pool
"""


def environment(folder: Path, gpus: int = 2) -> dict[str, str]:
    """The variables with which a process finds ``gpus`` GPUs; what it loads is put into ``folder``."""
    packages = folder / "packages"
    info = packages / "cupy_cuda13x-14.2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cupy-cuda13x\nVersion: 14.2.0\n")
    (packages / "cupy.py").write_text(PACKAGE)
    library = folder / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(HERE / "fake_libcuda.c")], check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CUDA_", "NCCL_", "FAKE_"))}
    return {
        **kept,
        "PYTHONPATH": f"{packages}:{HERE.parent}",
        "LD_LIBRARY_PATH": str(folder),
        "FAKE_CUDA_CARDS": ";".join([H100] * gpus),
        "FAKE_GPUS": str(gpus),
        "TMPDIR": str(folder),
    }
