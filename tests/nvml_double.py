"""NVML's double for tests: a C library that replays a trace, found by the real pynvml (``fake_nvml.c``)."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

BUS = "00000000:01:00.0"
LIBRARY = "libnvidia-ml.so.1"
IDLE = (
    "sm=210 sm_max=1980 memory=2619 memory_max=2619 power=70000 limit=700000 limit_default=700000 temperature=40 "
    "throttle=1 gen=1 gen_max=5 width=16 width_max=16 energy=1000 utilisation=0 persistence=1 corrected=0 "
    "uncorrected=0 remapped=0 retired=0 links=18 link_errors=0"
)
WORK = "sm=1980 power=400000 throttle=0 gen=5 utilisation=100"
CARD = (
    "name=NVIDIA_H200 uuid=GPU-1 driver=580.65.06 nvml=13.580.65.06 cuda=13000 vbios=96.00.A0 pci=0x2335 capability=90 "
    "total=150754820096 ecc=1 mig=0 virtualisation=1 exhausted=0"
)
"""What a card is, beside its sensors: an H200 in its own machine."""


def unavailable() -> str:
    """Why there can be no double here; nothing when there can."""
    if shutil.which("cc") is None:
        return "needs a C compiler for NVML's double"
    return "" if importlib.util.find_spec("pynvml") else "needs nvidia-ml-py"


@cache
def library() -> Path:
    """A folder with the library, compiled once."""
    folder = Path(tempfile.mkdtemp(prefix="benchsuite-nvml-"))
    source = Path(__file__).parent / "fake_nvml.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(folder / LIBRARY), str(source)], check=True)
    return folder


def environment(folder: Path, states: Sequence[str]) -> dict[str, str]:
    """Variables under which a new process finds the double and these states."""
    trace = folder / "trace"
    trace.write_text("".join(f"{state}\n" for state in states))
    return {"LD_LIBRARY_PATH": str(library()), "FAKE_NVML": str(trace)}
