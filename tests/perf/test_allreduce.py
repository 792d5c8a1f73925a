"""All-reduce under mpiexec -n 2: every implementation against ``MPI_Allreduce`` in a plain loop in C, in one run.

Same library, same processes, same buffers; every arm in every round in shuffled order. What Python adds to a small
message is stated in microseconds, beside what the call costs in a world of one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from mpirun import mpirun, needs_mpi
from paired import Ratio, interval

from benchsuite import units

HERE = Path(__file__).parent
SIZES = [8, 64 * units.KIB, units.MIB, 16 * units.MIB, 64 * units.MIB]
RANKS = 2
LOOP = "C loop"


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> str:
    """``allreduce_loop.c``, compiled against the MPI that this Python's mpi4py loads; "-" where that cannot be."""
    prefix, compiler = Path(sys.prefix), shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not (prefix / "include" / "mpi.h").exists() or not list(prefix.glob("lib/libmpi.so.12")):
        return "-"
    made = tmp_path_factory.mktemp("c") / "allreduce_loop.so"
    paths = [f"-I{prefix}/include", f"-L{prefix}/lib", "-l:libmpi.so.12", f"-Wl,-rpath,{prefix}/lib"]
    words = [compiler, "-O2", "-shared", "-fPIC", str(HERE / "allreduce_loop.c"), "-o", str(made), *paths]
    subprocess.run(words, check=True, timeout=60)
    return str(made)


def measure(rounds: int, seconds: float, loop: str, sizes: list[int]) -> dict[str, Any]:
    """What the worker's rank 0 printed."""
    words = [RANKS, rounds, seconds, loop, *sizes]
    done = mpirun(RANKS, str(HERE / "allreduce_worker.py"), *map(str, words), timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ratio(seconds: dict[str, list[float]], name: str, reference: str) -> Ratio:
    """The speed of an arm over that of the reference, round by round."""
    values = [slow / fast for fast, slow in zip(seconds[name], seconds[reference], strict=True)]
    return Ratio(median(values), *interval(values), len(values))


def added(seconds: dict[str, list[float]], name: str, reference: str) -> str:
    """What an arm takes longer than the reference, in microseconds a call, round by round."""
    values = [(one - other) * 1e6 for one, other in zip(seconds[name], seconds[reference], strict=True)]
    low, high = interval(values)
    return f"{median(values):+.2f} [{low:+.2f}, {high:+.2f}] µs"


@needs_mpi
def test_allreduce(benchmark: Any, loop: str) -> None:
    plan = (31, 0.02, loop, SIZES) if benchmark.enabled else (1, 0.0, loop, [8, 64 * units.KIB])
    found = benchmark.pedantic(measure, args=plan, rounds=1)
    reference = LOOP if loop != "-" else "by hand"
    print(f"\nAll-reduce of fp32, {RANKS} ranks, {found['world']['library']}; speed relative to {reference}")
    for result in found["results"]:
        seconds, size = result["seconds"], units.size(result["bytes"])
        assert set(seconds) == {"mpi", "by hand", "ring", "doubling", *([LOOP] if loop != "-" else [])}
        for name in sorted(set(seconds) - {reference}):
            told = f"{ratio(seconds, name, reference)}, {added(seconds, name, reference)} a call"
            benchmark.extra_info[f"{size} {name}"] = told
            print(f"  {size:>8} {name:9} {told}   algbw {result['bytes'] / median(seconds[name]) / 1e9:.3g} GB/s")
        call, in_c = result["beside"]["call"], result.get("alone in C")
        told = f"{call * 1e6:.2f} µs" + (f", in C {in_c * 1e6:.2f} µs" if in_c is not None else "")
        benchmark.extra_info[f"{size} in a world of one"] = told
        print(f"  {size:>8} in a world of one: {told}")
        assert call > 0.0
        assert in_c is None or in_c > 0.0
