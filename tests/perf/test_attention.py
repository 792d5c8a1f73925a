"""Attention: our kernels against torch's SDPA and against the bandwidth a plain read of the cache reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hostcase import bind, judge, prepare
from paired import lasting, paired_ratio

from benchsuite.backends.host import providers, stream
from benchsuite.benchmarks import attention, decode
from benchsuite.machine.cpu import available_cores
from benchsuite.model import Case, Rejected, Step

THREADS = available_cores()
TORCH = pytest.mark.skipif("torch" not in providers.capabilities(), reason="torch is not installed")
PREFILL = [(2, 8, 1024, 64), (2, 8, 2048, 128)]
DECODE = [("MHA", 8, 8), ("GQA 2", 16, 8), ("GQA 4", 32, 8)]


@TORCH
@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("shape", PREFILL, ids=["S1024 D64", "S2048 D128"])
def test_prefill(benchmark: Any, shape: tuple[int, int, int, int], causal: bool) -> None:
    """Speed of ours over torch's: goal 1.0."""
    batch, heads, seq, dim = shape if benchmark.enabled else (1, 2, 128, 64)
    shapes = {"batch": batch, "heads": heads, "kv_heads": heads, "head_dim": dim, "seq": seq}
    case = Case.of("attention", causal=causal, dtype="fp32", **shapes)
    inputs, buffers = prepare(attention.BENCHMARK, case)
    arms = {name: bind(attention.BENCHMARK, name, buffers, case, THREADS) for name in ("torch", "tiled")}
    for step in arms.values():
        step()
        assert not isinstance(judge(attention.BENCHMARK, case, inputs, buffers), Rejected)
    report(benchmark, f"prefill {case.key}", arms, "torch")


@pytest.mark.parametrize(("kind", "heads", "kv_heads"), DECODE, ids=[kind for kind, *_ in DECODE])
def test_decode(benchmark: Any, kind: str, heads: int, kv_heads: int) -> None:
    """Bytes per second of ours over those of a plain read of as many bytes: goals 0.85 (MHA), 0.7 (GQA)."""
    context = 32768 if benchmark.enabled else 256
    case = Case.of("decode", batch=1, heads=heads, kv_heads=kv_heads, head_dim=128, context=context, dtype="fp32")
    inputs, buffers = prepare(decode.BENCHMARK, case)
    arms = {"split": bind(decode.BENCHMARK, "split", buffers, case, THREADS)}
    if "torch" in providers.capabilities():
        arms["torch"] = bind(decode.BENCHMARK, "torch", buffers, case, THREADS)
    for step in arms.values():
        step()
        assert not isinstance(judge(decode.BENCHMARK, case, inputs, buffers), Rejected)
    nbytes = buffers["k"].nbytes + buffers["v"].nbytes
    ground = {"b": np.ones(nbytes // 8 + 8), "s": np.array([3.0]), "total": np.zeros(1)}
    start = -ground["b"].ctypes.data % 64 // 8
    ground["b"] = ground["b"][start : start + nbytes // 8]
    read = stream.plain(ground, Case.of("memory", op="read", bytes=max(nbytes, 256 << 20)), THREADS)
    report(benchmark, f"decode {kind}, bytes per second over a plain read", {"read": read, **arms}, "read")


def report(benchmark: Any, title: str, arms: dict[str, Step], reference: str) -> None:
    """Print and record the ratios; nothing is asserted of time."""
    full = benchmark.enabled
    timer = lasting(0.05, settle=0.25) if full else lasting(0.001)
    ratios = paired_ratio(arms, reference, 21 if full else 3, timer)
    assert all(ratio.n for ratio in ratios.values())
    for name, ratio in ratios.items():
        benchmark.extra_info[name] = str(ratio)
        print(f"\n{title}: {name} / {reference} = {ratio}")
    benchmark.pedantic(next(iter(arms.values())), rounds=1)
