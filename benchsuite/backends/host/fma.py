"""The compute ceiling: fused multiply-adds on registers alone, in every thread.

Each element goes through ``x = x*p + q; x = x*r + q`` for ``pairs`` pairs. ``CHAINS`` vectors are in
flight at once: more than latency x pipes of the machines at hand (4 x 2 on x86-64, 4 x 4 on large
Arm cores), and with three constants no more than the register file.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir
from numba import prange
from numba.core import cgutils, types

from benchsuite.backends.host.simd import (
    REGISTERS,
    VECTOR_BYTES,
    Code,
    Vector,
    emit_fma,
    intrinsic,
    jit,
    pointer,
    splat,
    use_threads,
)
from benchsuite.model import Array, Buffers, Case, Step

CHAINS = 12 if REGISTERS == 16 else 20


def peak(buffers: Buffers, case: Case, threads: int) -> Step:
    """``y`` = every element of ``x`` (float32 or float64, shape (n,)) after ``pairs[0]`` pairs.

    ``factors`` = (p, r, q) in the type of ``x``. n must be a multiple of 960: whole blocks for
    every vector width and number of chains.
    """
    x, y, pairs = buffers["x"], buffers["y"], int(buffers["pairs"][0])
    p, r, q = buffers["factors"]
    if x.size % (CHAINS * VECTOR_BYTES // x.itemsize):
        raise ValueError(f"{x.size} elements are no whole number of blocks of {CHAINS} vectors")
    run = partial(_run, x, y, p, r, q, pairs, threads)

    def step() -> None:
        use_threads(threads)
        run()

    _run(x, y, p, r, q, 0, threads)  # compiles, or loads from the cache
    return step


def by_threads(buffers: Buffers, case: Case, threads: int) -> Step:
    """As ``peak``, by as many threads as the case says, at most one for each core."""
    return peak(buffers, case, min(threads, case.integer("threads")))


@jit(parallel=True)
def _run(x: Array, y: Array, p: float, r: float, q: float, pairs: int, threads: int) -> None:
    for thread in prange(threads):
        _share(x, y, p, r, q, pairs, thread, threads)


@jit()
def _share(x: Array, y: Array, p: float, r: float, q: float, pairs: int, thread: int, threads: int) -> None:
    block = CHAINS * VECTOR_BYTES // x.itemsize
    blocks = x.size // block
    first, second, addend = splat(p), splat(r), splat(q)
    for i in range(blocks * thread // threads, blocks * (thread + 1) // threads):
        _block(x, y, i * block, first, second, addend, pairs)


@intrinsic
def _block(typing: Any, x: Any, y: Any, index: Any, p: Any, r: Any, q: Any, pairs: Any) -> tuple[Any, Code]:
    """``CHAINS`` vectors from ``x[index]`` through all pairs into ``y[index]``."""
    vector = Vector(x.dtype)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x_value, y_value, start, p_value, r_value, q_value, count = args
        chains = []
        for k in range(CHAINS):
            offset = builder.add(start, ir.Constant(start.type, k * vector.lanes))
            source = builder.load(pointer(context, builder, x, x_value, offset), align=x.dtype.bitwidth // 8)
            chains.append((offset, cgutils.alloca_once_value(builder, source)))
        with cgutils.for_range(builder, count):
            for factor in (p_value, r_value):
                for _, slot in chains:
                    builder.store(emit_fma(builder, builder.load(slot), factor, q_value), slot)
        for offset, slot in chains:
            target = pointer(context, builder, y, y_value, offset)
            builder.store(builder.load(slot), target, align=y.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(x, y, types.intp, p, r, q, types.intp), code
