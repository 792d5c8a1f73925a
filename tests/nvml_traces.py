"""GPUs that only NVML's double has: looked at before and after, their sensors read between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite.accept import inspecting
from benchsuite.accept.inspecting import Inspection
from benchsuite.telemetry.reading import Reading
from tests import nvml_double
from tests.nvml_double import BUS, CARD, IDLE, WORK

BOOT = "11111111-2222-3333-4444-555555555555"
LOG = "6,100,5000,-;Linux version 6.18\n3,101,6000,-;NVRM: Xid (PCI:0000:01:00): 31, long before the test\n"
OURS = 4711
"""The process whose work on the GPU is our own."""
FIRST = f"{IDLE} {CARD}"
READINGS = 4
SCRIPT = f"""
import json, os, sys
from pathlib import Path
from benchsuite.accept.inspecting import dumps, look
from benchsuite.model import Kind
from benchsuite.telemetry.nvml import GpuSensors
for name in sys.argv[1:]:
    if os.fork() == 0:
        root = Path(name)
        os.environ["FAKE_NVML"] = str(root / "trace")
        log = root / "dev/kmsg"
        (root / "before.json").write_bytes(dumps(look(Kind.GPU, root)))
        sensors = GpuSensors({BUS!r}, log)
        readings = [sensors.read(({OURS},), slow=True) for _ in range({READINGS})]
        if (root / "late").exists():
            with log.open("a") as stream:
                stream.write((root / "late").read_text())
        (root / "readings.json").write_text(json.dumps(readings))
        (root / "after.json").write_bytes(dumps(look(Kind.GPU, root)))
        os._exit(0)
    assert os.wait()[1] == 0, name
"""


@dataclass(frozen=True)
class Trace:
    """What NVML says before, at work (four readings), after. late: what the kernel log gains; files: below the root."""

    first: str = ""
    work: str = ""
    last: str = ""
    late: str = ""
    log: str = LOG
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What came of a trace."""

    before: Inspection
    after: Inspection
    readings: list[Reading]


def replay(folder: Path, traces: Mapping[str, Trace]) -> dict[str, Seen]:
    """Every trace, each in a process forked for it."""
    roots = {name: folder / name for name in traces}
    for name, trace in traces.items():
        _plant(roots[name], trace)
    words = [sys.executable, "-c", SCRIPT, *map(str, roots.values())]
    environment = {**os.environ, "LD_LIBRARY_PATH": str(nvml_double.library())}
    subprocess.run(words, env=environment, check=True, timeout=60)
    return {name: _seen(root) for name, root in roots.items()}


def _plant(root: Path, trace: Trace) -> None:
    idle = "sm=210 power=70000 throttle=1 gen=1 utilisation=0 processes=none"
    states = [f"{FIRST} {trace.first}", *[f"{WORK} processes={OURS} {trace.work}"] * READINGS, f"{idle} {trace.last}"]
    files = {
        "trace": "".join(f"{state}\n" for state in states),
        "proc/sys/kernel/random/boot_id": BOOT,
        "proc/vmstat": "nr_free_pages 9\noom_kill 0\n",
        "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Wed",
        "sys/bus/pci/devices/0000:01:00.0/device": "0x2335\n",
        **({"dev/kmsg": trace.log} if trace.log else {}),
        **({"late": trace.late} if trace.late else {}),
        **trace.files,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _seen(root: Path) -> Seen:
    told = json.loads((root / "readings.json").read_text())
    readings = [
        Reading(float(at), values, missing, None if foreign is None else tuple(foreign), first=at == 0)
        for at, (values, missing, foreign) in enumerate(told)
    ]
    return Seen(inspecting.load(root / "before.json"), inspecting.load(root / "after.json"), readings)
