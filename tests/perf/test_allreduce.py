"""All-reduce under mpiexec -n 2: every implementation against an ``Allreduce`` written by hand, in one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mpirun import mpirun, needs_mpi
from paired import Ratio

from benchsuite import units

WORKER = Path(__file__).with_name("allreduce_worker.py")
SIZES = [8, 64 * units.KIB, units.MIB, 16 * units.MIB, 64 * units.MIB]
RANKS = 2


def measure(rounds: int, seconds: float, sizes: list[int]) -> dict[str, Any]:
    """What the worker's rank 0 printed."""
    words = [RANKS, rounds, seconds, *sizes]
    done = mpirun(RANKS, str(WORKER), *map(str, words), timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@needs_mpi
def test_allreduce(benchmark: Any) -> None:
    plan = (31, 0.02, SIZES) if benchmark.enabled else (1, 0.0, [64 * units.KIB])
    found = benchmark.pedantic(measure, args=plan, rounds=1)
    library = found["world"]["library"]
    print(f"\nAll-reduce of fp32, {RANKS} ranks, {library}; speed relative to comm.Allreduce by hand")
    for result in found["results"]:
        assert set(result["ratios"]) == {"mpi", "ring", "doubling"}
        for name, values in result["ratios"].items():
            rate, ratio = result["algbw"][name] / 1e9, Ratio(**values)
            benchmark.extra_info[f"{units.size(result['bytes'])} {name}"] = str(ratio)
            print(f"  {units.size(result['bytes']):>8} {name:9} {ratio}   algbw {rate:.3g} GB/s")
