"""The STREAM family in float64: read, write, copy, scale, add, triad, with plain or non-temporal stores.

Every thread works on its own contiguous share, the same in each pass, and repeats its passes
without waiting for the others: sets that fit the caches measure the sum of the cores' own caches.
A plain store first reads the line it overwrites; a non-temporal one does not, which is worth 1.2
to 1.5 times beyond the last-level cache, and loses within it.

Arrays (C-contiguous, float64, whole 64-byte lines, starting on one): destination ``a``, sources
``b`` and ``c``, the factor ``s`` of shape (1,). ``read`` has ``total`` of shape (1,) as its output.
"""

from __future__ import annotations

from functools import partial

from numba import prange

from benchsuite import units
from benchsuite.backends.host.simd import (
    LINE_BYTES,
    VECTOR_BYTES,
    again,
    drain,
    fma,
    jit,
    load,
    splat,
    store,
    stream,
    use_threads,
)
from benchsuite.model import Array, Buffers, Case, Step

LINE = LINE_BYTES // 8
LANES = VECTOR_BYTES // 8
OPS = ("read", "write", "copy", "scale", "add", "triad")
READ, WRITE, COPY, SCALE, ADD = range(5)


def plain(buffers: Buffers, case: Case, threads: int) -> Step:
    """One iteration of ``case`` with ordinary stores."""
    return _bind(buffers, case, threads, non_temporal=False)


def non_temporal(buffers: Buffers, case: Case, threads: int) -> Step:
    """One iteration of ``case`` with stores that bypass the caches."""
    return _bind(buffers, case, threads, non_temporal=True)


def _bind(buffers: Buffers, case: Case, threads: int, *, non_temporal: bool) -> Step:
    op = OPS.index(case.text("op"))
    b = buffers["b"] if "b" in buffers else buffers["a"]
    a, c = buffers.get("a", b), buffers.get("c", b)
    for array in (a, b, c):
        _check(array)
    passes, factor, total = units.passes(case.integer("bytes")), buffers["s"][0], buffers.get("total")
    run = partial(_run, op, a, b, c, factor, passes, threads, non_temporal)

    def step() -> None:
        use_threads(threads)
        result = run()
        if total is not None:
            total[0] = result

    _run(op, a[:0], b[:0], c[:0], factor, 1, threads, non_temporal)  # compiles, or loads from the cache
    return step


def _check(array: Array) -> None:
    if array.size % LINE or array.ctypes.data % LINE_BYTES:
        raise ValueError(f"stream kernels need whole, aligned lines of {LINE_BYTES} bytes, not {array.size} elements")


@jit(parallel=True)
def _run(op: int, a: Array, b: Array, c: Array, s: float, passes: int, threads: int, nt: bool) -> float:
    """``passes`` passes of every thread over its share; the sum of what the last pass read."""
    total = 0.0
    for thread in prange(threads):
        lines = b.size // LINE
        low, high = lines * thread // threads * LINE, lines * (thread + 1) // threads * LINE
        total += _share(op, a[low:high], b[low:high], c[low:high], s, passes, nt)
    return total


@jit()
def _share(op: int, a: Array, b: Array, c: Array, s: float, passes: int, nt: bool) -> float:
    total = 0.0
    for _ in range(passes):
        if op == READ:
            total = _read(b)
        elif op == WRITE:
            _write(a, s, nt)
        elif op == COPY:
            _copy(a, b, nt)
        elif op == SCALE:
            _scale(a, b, s, nt)
        elif op == ADD:
            _add(a, b, c, nt)
        else:
            _triad(a, b, c, s, nt)
        again()
    drain()
    return total


@jit(fastmath=frozenset({"reassoc", "nsz"}))  # lets LLVM sum in vectors; iterating over b itself would not
def _read(b: Array) -> float:
    total = 0.0
    for i in range(b.size):
        total += b[i]
    return total


@jit()
def _write(a: Array, s: float, nt: bool) -> None:
    value = splat(s)
    for i in range(0, a.size, LANES):
        _put(a, i, value, nt)


@jit()
def _copy(a: Array, b: Array, nt: bool) -> None:
    for i in range(0, a.size, LANES):
        _put(a, i, load(b, i), nt)


@jit()
def _scale(a: Array, b: Array, s: float, nt: bool) -> None:
    factor, zero = splat(s), splat(-0.0)
    for i in range(0, a.size, LANES):
        _put(a, i, fma(factor, load(b, i), zero), nt)


@jit()
def _add(a: Array, b: Array, c: Array, nt: bool) -> None:
    one = splat(1.0)
    for i in range(0, a.size, LANES):
        _put(a, i, fma(one, load(c, i), load(b, i)), nt)


@jit()
def _triad(a: Array, b: Array, c: Array, s: float, nt: bool) -> None:
    factor = splat(s)
    for i in range(0, a.size, LANES):
        _put(a, i, fma(factor, load(c, i), load(b, i)), nt)


@jit()
def _put(a: Array, i: int, value: object, nt: bool) -> None:
    if nt:
        stream(a, i, value)
    else:
        store(a, i, value)
