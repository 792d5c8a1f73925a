"""A short burn-in on a real GPU: nearly all of its memory, every load, nothing wrong. Skipped where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchsuite.backends import describe
from benchsuite.backends.cuda.backend import CudaBackend
from benchsuite.burn.comparing import Comparison, difference
from benchsuite.errors import BenchsuiteError
from benchsuite.world.solo import SoloWorld

try:
    FOUND = describe("cuda")
except BenchsuiteError as missing:
    pytest.skip(str(missing), allow_module_level=True)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("size", [1, 17, 4099, 3_000_001])
def test_the_comparison_counts_what_the_host_counts(dtype: str, size: int) -> None:
    rng, backend = np.random.default_rng(size), CudaBackend()
    want = rng.integers(1, 100, size).astype(dtype)
    got = want.copy()
    got[rng.integers(0, size, 5)] = 0
    outputs = dict(backend.upload({"y": got}))
    compared = Comparison(backend, SoloWorld(), outputs, {"y": want})
    backend.runtime.fill(outputs["y"], 0)
    for step in compared.steps:
        step()
    assert compared.fresh()["y"] == (size, 0, size)
    assert difference(got, want).wrong == len(set(np.flatnonzero(got != want)))


def test_a_short_burn_in_is_clean_and_fills_the_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchsuite", "burn", "--backend", "cuda", "--device", "0", "--minutes", "0.2"]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*command, "--json", "--out", str(tmp_path)], capture_output=True, text=True, check=False, cwd=root, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (device,) = json.loads(done.stdout)["devices"]
    assert device["came_through"] == "clean"
    assert device["seconds"] >= 12.0
    assert set(device["first"]) == set(device["sustained"]) == {"gemm", "power", "memory"}
    assert any("of memory were written and read back" in note for note in device["notes"])
