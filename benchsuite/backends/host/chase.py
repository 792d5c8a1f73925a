"""Dependent chains on one core: the pointer chase (latency of a load) and the clock probe."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchsuite.backends.host.simd import jit
from benchsuite.model import Array, Buffers, Case, Step

LINE = 8


def chase(buffers: Buffers, case: Case, threads: int) -> Step:
    """Follow the ring ``next`` for ``steps[0]`` dependent loads, from where the last iteration ended.

    ``next`` (uint64, one line of eight per element): word 0 is the index of the next line's word 0,
    word 1 the line's place in the ring. ``advance`` (uint64, shape (1,)): places moved, modulo the
    ring's length. To go on from the last place keeps a large ring cold: a fixed start would visit
    the same lines each time, and these would stay in the caches.
    """
    ring, place = buffers["next"], np.zeros(1, np.uint64)
    _chase(ring, place, np.zeros(1, np.uint64), np.zeros(1, np.uint64))  # compiles, or loads from the cache
    return partial(_chase, ring, place, buffers["steps"], buffers["advance"])


@jit()
def _chase(ring: Array, place: Array, steps: Array, advance: Array) -> None:
    # Unsigned indices: with signed ones numba's wrap-around test lengthens the chain by 2 cycles.
    start = place[0]
    here = start
    for _ in range(steps[0]):
        here = ring[here]
    place[0] = here
    lines = np.uint64(ring.size // LINE)
    advance[0] = (ring[here + np.uint64(1)] + lines - ring[start + np.uint64(1)]) % lines


def clock(buffers: Buffers, case: Case, threads: int) -> Step:
    """``x = (x ^ k) + c`` in uint64, ``steps[0]`` times: two dependent one-cycle operations a step.

    ``k``, ``c`` and the start ``x`` are run-time data of shape (1,), so that nothing can be folded.
    """
    chain = partial(_clock, buffers["x"], buffers["k"], buffers["c"])
    chain(np.zeros(1, np.uint64), np.zeros(1, np.uint64))
    return partial(chain, buffers["steps"], buffers["y"])


@jit()
def _clock(x: Array, k: Array, c: Array, steps: Array, y: Array) -> None:
    value, mask, addend = x[0], k[0], c[0]
    for _ in range(steps[0]):
        value = (value ^ mask) + addend
    y[0] = value
