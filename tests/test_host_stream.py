"""STREAM kernels against NumPy, for every operation, both kinds of store and any division among threads."""

from __future__ import annotations

import platform
from typing import Any

import numba
import numpy as np
import pytest
from hostcase import aligned, bind, judge, prepare, run
from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite import units
from benchsuite.backends.host import simd, stream
from benchsuite.benchmarks import memory
from benchsuite.model import Case, Rejected

ANSWER = {
    "write": lambda b, c: np.full_like(b, 3.0),
    "copy": lambda b, c: b,
    "scale": lambda b, c: 3.0 * b,
    "add": lambda b, c: b + c,
    "triad": lambda b, c: b + 3.0 * c,
}


@settings(deadline=None, max_examples=40)
@given(
    op=st.sampled_from(sorted(ANSWER)),
    lines=st.integers(1, 70),
    threads=st.integers(1, 5),
    non_temporal=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_every_element(op: str, lines: int, threads: int, non_temporal: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = lines * stream.LINE
    buffers = {name: aligned((n,), "float64") for name in "abc"} | {"s": np.array([3.0])}
    guarded = aligned((n + stream.LINE,), "float64")
    guarded.fill(-1.0)
    buffers["a"] = guarded[:n]
    for name in "bc":
        buffers[name][...] = rng.integers(-(2**20), 2**20, n)
    kernel = stream.non_temporal if non_temporal else stream.plain
    kernel(buffers, Case.of("memory", op=op, bytes=256 * units.MIB), threads)()
    np.testing.assert_array_equal(buffers["a"], ANSWER[op](buffers["b"], buffers["c"]))
    assert (guarded[n:] == -1.0).all(), "the kernel wrote beyond its array"


@settings(deadline=None, max_examples=20)
@given(lines=st.integers(1, 70), threads=st.integers(1, 5))
def test_read_sees_every_element(lines: int, threads: int) -> None:
    b = aligned((lines * stream.LINE,), "float64")
    b[...] = 2.0 ** (np.arange(b.size) % 40)
    total = np.full(1, np.nan)
    stream.plain(
        {"b": b, "s": np.ones(1), "total": total}, Case.of("memory", op="read", bytes=256 * units.MIB), threads
    )()
    assert total[0] == b.sum()


@pytest.mark.parametrize("op", memory.SOURCES)
@pytest.mark.parametrize("name", ["stream", "stream-nt", "numpy"])
def test_repeated_passes_give_the_same_result(op: str, name: str) -> None:
    assert run(memory.BENCHMARK, name, Case.of("memory", op=op, bytes=4 * units.MIB)) == 0.0


def fresh(function: Any, *args: object) -> Any:
    """The kernel compiled anew: numba shows no assembly of a kernel that came from the cache."""
    compiled = numba.njit(error_model="numpy")(function.py_func)
    compiled(*args)
    return compiled


def assembly(compiled: Any) -> str:
    return "\n".join(compiled.inspect_asm().values())


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="names x86-64 instructions")
@pytest.mark.parametrize("op", ["write", "copy", "scale", "add", "triad"])
def test_instructions(op: str) -> None:
    """The non-temporal store is really emitted, in whole registers; fences drain it."""
    a = aligned((64,), "float64")
    args = {"write": (a, 3.0), "copy": (a, a), "scale": (a, a, 3.0), "add": (a, a, a), "triad": (a, a, a, 3.0)}[op]
    text = assembly(fresh(getattr(stream, f"_{op}"), *args, True))
    register = {64: "%zmm", 32: "%ymm", 16: "%xmm"}[simd.VECTOR_BYTES]
    assert any("movntp" in line and register in line for line in text.splitlines())


def test_passes_cannot_be_merged() -> None:
    """Between two passes the compiler must take memory for changed; streamed stores are drained at the end."""
    a = aligned((64,), "float64")
    share = fresh(stream._share, stream.READ, a, a, a, 0.0, 2, False)
    assert any('asm sideeffect "", "~{memory}"' in text for text in share.inspect_llvm().values())
    if platform.machine() in {"x86_64", "AMD64"}:
        assert "sfence" in assembly(share)


def test_misaligned_and_partial_lines_are_refused() -> None:
    case = Case.of("memory", op="copy", bytes=units.KIB)
    whole = aligned((17,), "float64")
    for a in (whole[1:9], whole[:7]):
        with pytest.raises(ValueError, match="aligned lines"):
            stream.non_temporal({"a": a, "b": aligned(a.shape, "float64"), "s": np.ones(1)}, case, 1)


def test_a_wrong_element_is_caught() -> None:
    for op in memory.SOURCES:
        case = Case.of("memory", op=op, bytes=256 * units.KIB)
        inputs, buffers = prepare(memory.BENCHMARK, case)
        bind(memory.BENCHMARK, "stream", buffers, case)()
        output = buffers["total" if op == "read" else "a"]
        assert judge(memory.BENCHMARK, case, inputs, buffers) == 0.0
        output[-1] += 1.0
        assert isinstance(judge(memory.BENCHMARK, case, inputs, buffers), Rejected)
        output[-1] = np.nan
        assert isinstance(judge(memory.BENCHMARK, case, inputs, buffers), Rejected)
