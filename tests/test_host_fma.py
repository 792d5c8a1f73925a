"""The FMA probe does all its multiply-adds, rounded once, in whole registers and in nothing else."""

from __future__ import annotations

import platform
import re
from collections import Counter

import numba
import numpy as np
import pytest
from hostcase import bind, judge, prepare, run

from benchsuite.backends.host import fma, simd
from benchsuite.benchmarks import fma as probe
from benchsuite.model import Case, Rejected


@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_closed_form(dtype: str, threads: int) -> None:
    error = run(probe.BENCHMARK, "registers", Case.of("fma", dtype=dtype), threads)
    assert isinstance(error, float)


def test_exact_where_every_step_is() -> None:
    """x -> 2x + 1 -> x + 1.5: whole halves, so the result of n pairs is x + 1.5 n to the last bit."""
    x = np.arange(960, dtype=np.float32)
    y = np.empty_like(x)
    buffers = {"x": x, "y": y, "factors": np.array([2.0, 0.5, 1.0], np.float32), "pairs": np.array([1001])}
    fma.peak(buffers, Case.of("fma", dtype="fp32"), 2)()
    np.testing.assert_array_equal(y, x + np.float32(1.5 * 1001))


@pytest.mark.parametrize("dtype", ["fp32", "fp64"])
def test_missing_pair_and_wrong_elements_are_caught(dtype: str) -> None:
    case = Case.of("fma", dtype=dtype)
    inputs, buffers = prepare(probe.BENCHMARK, case)
    buffers["pairs"][0] -= 1
    bind(probe.BENCHMARK, "registers", buffers, case)()
    assert isinstance(judge(probe.BENCHMARK, case, inputs, buffers), Rejected)
    buffers["pairs"][0] += 1
    bind(probe.BENCHMARK, "registers", buffers, case)()
    buffers["y"][-1] = np.nan
    assert isinstance(judge(probe.BENCHMARK, case, inputs, buffers), Rejected)


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="names x86-64 instructions")
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_inner_loop_is_multiply_adds_on_registers(kind: type[np.floating]) -> None:
    x = np.zeros(960, kind)
    compiled = numba.njit(error_model="numpy")(fma._share.py_func)
    compiled(x, x, kind(1), kind(1), kind(1), 1, 0, 1)
    text = "\n".join(compiled.inspect_asm().values())
    register = {64: "%zmm", 32: "%ymm", 16: "%xmm"}[simd.VECTOR_BYTES]
    bodies = [body for body in loops(text) if sum("vfm" in line and register in line for line in body) >= fma.CHAINS]
    assert bodies, "no loop of vector multiply-adds"
    for body in bodies:
        words = Counter(line.split()[0] for line in body)
        multiply_adds = sum(count for word, count in words.items() if word.startswith("vfm"))
        assert multiply_adds % (2 * fma.CHAINS) == 0
        assert not any("(%" in line for line in body), "a spill: the loop touches memory"
        assert sum(words.values()) - multiply_adds <= 3, f"more than a counter beside the multiply-adds: {words}"


def loops(assembly: str) -> list[list[str]]:
    """Instructions of each innermost loop: from a label to the jump back to it, with no label between."""
    pattern = r"^(\.LBB\w+):[^\n]*\n((?:\t[^\n]*\n)*?)\tj\w+\t\1\n"
    bodies = [body for _, body in re.findall(pattern, assembly, flags=re.MULTILINE)]
    return [[line.strip() for line in body.splitlines() if not line.strip().startswith((".", "#"))] for body in bodies]
