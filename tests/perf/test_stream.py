"""Triad with non-temporal stores against the same loop in C with OpenMP, round by round in one process."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paired import paired_ratio

from benchsuite import units
from benchsuite.backends.host import stream
from benchsuite.backends.host.backend import aligned
from benchsuite.machine.cpu import available_cores
from benchsuite.model import Case

THREADS = available_cores()


@pytest.fixture(scope="module")
def triad_in_c(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: nothing to compare with")
    library = tmp_path_factory.mktemp("c") / "stream_nt.so"
    source = Path(__file__).with_name("stream_nt.c")
    flags = ["-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
    built = subprocess.run([compiler, *flags, "-o", library, source], check=False, capture_output=True, text=True)
    if built.returncode != 0:
        pytest.skip(f"{compiler} cannot build the reference: {built.stderr.splitlines()[-1]}")
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
    function: Any = ctypes.CDLL(str(library)).triad_nt
    function.restype = None

    def triad(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
        pointers = (ctypes.c_void_p(array.ctypes.data) for array in (a, b, c))
        function(*pointers, ctypes.c_double(3.0), ctypes.c_long(a.size))

    return triad


def test_triad(benchmark: Any, triad_in_c: Callable[..., None]) -> None:
    full = benchmark.enabled
    nbytes, rounds = (768 * units.MIB, 41) if full else (24 * units.MIB, 3)
    n = nbytes // 24
    arrays = {name: aligned((n,), np.dtype(np.float64)) for name in "abc"}
    for name, values in zip("bc", (1.0, 2.0), strict=True):
        arrays[name][...] = np.arange(n) % 1000 * values
    arrays["a"].fill(np.nan)
    # bytes at which a step is one pass, whatever the arrays' size
    case, buffers = Case.of("memory", op="triad", bytes=units.GIB), {**arrays, "s": np.array([3.0])}
    arms = {
        "C": lambda: triad_in_c(arrays["a"], arrays["b"], arrays["c"]),
        "stream-nt": stream.non_temporal(buffers, case, THREADS),
        "stream": stream.plain(buffers, case, THREADS),
    }
    for step in arms.values():
        arrays["a"].fill(np.nan)
        step()
        np.testing.assert_array_equal(arrays["a"], arrays["b"] + 3.0 * arrays["c"])
    ratios = paired_ratio(arms, "C", rounds)
    assert all(ratio.n == rounds for ratio in ratios.values())
    benchmark.extra_info.update({name: str(ratio) for name, ratio in ratios.items()})
    for name, ratio in ratios.items():
        print(f"\ntriad {units.size(nbytes)}, {THREADS} threads: {name} / C non-temporal = {ratio}")
    benchmark.pedantic(arms["stream-nt"], rounds=3)
