"""GEMM: our best implementation against each library called by hand, round by round in one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from paired import lasting, paired_ratio

from benchsuite import units
from benchsuite.backends.host import blas, providers
from benchsuite.backends.host.backend import aligned
from benchsuite.benchmarks import gemm
from benchsuite.machine.cpu import available_cores
from benchsuite.model import Buffers, Case, HostKernel

THREADS = available_cores()
HERE = providers.capabilities()
Step = Callable[[], Any]


def by_hand(buffers: Buffers) -> dict[str, Step]:
    """What a user would write with each library that is installed."""
    a, b = buffers["a"], buffers["b"]
    c = aligned(buffers["c"].shape, buffers["c"].dtype)
    found: dict[str, Step] = {"numpy by hand": lambda: np.matmul(a, b, out=c)}
    if "torch" in HERE:
        import torch

        left, right, out = (torch.from_numpy(array) for array in (a, b, c))
        found["torch by hand"] = lambda: torch.mm(left, right, out=out)
    if "mkl" in HERE:
        found["MKL by hand"] = blas.mkl(
            {"a": a, "b": b, "c": c}, Case.of("gemm", dtype=NAMES[a.dtype.name], layout="nn"), THREADS
        )
    return found


NAMES = {"float32": "fp32", "float64": "fp64"}
SHAPES = [(256, 256, 256), (1024, 1024, 1024), (2048, 2048, 2048), (128, 4096, 4096), (16, 4096, 4096)]


@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_gemm(benchmark: Any, dtype: str, shape: tuple[int, int, int]) -> None:
    full = benchmark.enabled
    m, n, k = shape if full else (64, 64, 64)
    case = Case.of("gemm", m=m, n=n, k=k, dtype=dtype, layout="nn", data="normal")
    inputs = gemm.inputs(case, np.random.default_rng(0))
    buffers = {**inputs, "c": aligned((m, n), np.dtype(units.dtype(dtype).storage))}
    peers = [p for p in gemm.BENCHMARK.implementations if p.requires <= HERE and p.supports(case)]
    ours: dict[str, Step] = {
        peer.name: getattr(blas, peer.op.entry.split(":")[1])(buffers, case, THREADS)
        for peer in peers
        if isinstance(peer.op, HostKernel)
    }
    for name, step in ours.items():
        buffers["c"].fill(np.nan)
        step()
        np.testing.assert_allclose(buffers["c"], inputs["a"] @ inputs["b"], rtol=0, atol=1e-3, err_msg=name)
    rounds = 21 if full else 3
    timer = lasting(0.05, settle=0.25) if full else lasting(0.001)
    trial = paired_ratio(ours, "numpy", rounds=7 if full else 1, seconds_of=timer)
    best = max(trial, key=lambda name: trial[name].median) if max(r.median for r in trial.values()) > 1 else "numpy"
    # The choice was made on other rounds: the ratio below is not flattered by it.
    ratios = paired_ratio({"ours": ours[best], **by_hand(buffers)}, "ours", rounds, timer)
    print(f"\nGEMM {dtype} {m}x{n}x{k}, {THREADS} threads, ours = {best}")
    for name, ratio in ratios.items():
        assert ratio.n == rounds
        inverse = f"{1 / ratio.median:.3f} [{1 / ratio.high:.3f}, {1 / ratio.low:.3f}] n={ratio.n}"
        benchmark.extra_info[f"ours / {name}"] = inverse
        print(f"  ours / {name} = {inverse}")
    benchmark.pedantic(ours[best], rounds=3)
