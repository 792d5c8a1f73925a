"""Prefill attention in float32: tiled online softmax, never the full score matrix.

Scores are kept transposed, keys by queries, so that a vector holds 16 queries of one key (on
AVX-512): the running maximum and sum are vectors, and softmax needs no reduction within a vector.
K and V are read as they lie; only a block of queries is transposed. (Online softmax: Milakov &
Gimelshein 2018; blocks: Dao et al. 2022.)
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from benchsuite.backends.host.simd import jit, load, splat, store, use_threads
from benchsuite.backends.host.vector import LANES, PANEL, ROWS, exp2, maximum, minus, plus, tile1, tile4, times
from benchsuite.model import Array, Buffers, Case, Step

QUERIES = 64
KEYS = 128
MASKED = np.float32(-1e30)
"""Score of a pair that must not count: finite, so that no difference of two of them is NaN."""
ZEROS = np.zeros(ROWS, np.float32)


def tiled(buffers: Buffers, case: Case, threads: int) -> Step:
    """One iteration of prefill attention; q [B, H, S, D], k and v [B, KV heads, S, D], o like q; D a multiple of 64."""
    batch, heads, seq, dim = buffers["q"].shape
    q, k, v, o = (buffers[name].reshape(-1) for name in "qkvo")
    scale = np.float32(math.log2(math.e) / math.sqrt(dim))
    causal = case.flag("causal")
    scratch = np.empty((threads, dim * QUERIES + KEYS * QUERIES + QUERIES * dim + 3 * QUERIES), np.float32)
    shape = (batch * heads, buffers["k"].shape[1], heads, seq, dim)

    def step() -> None:
        use_threads(threads)
        _forward(q, k, v, o, scratch, shape, scale, causal, threads)

    _forward(q, k, v, o, scratch, (0, 1, 1, seq, dim), scale, causal, threads)  # compiles, or loads
    return step


@jit(parallel=True)
def _forward(
    q: Array,
    k: Array,
    v: Array,
    o: Array,
    scratch: Array,
    shape: tuple[int, ...],
    scale: np.float32,
    causal: bool,
    threads: int,
) -> None:
    """Blocks of queries, the longest causal ones first, dealt to the threads in turn."""
    count, kv_heads, heads, seq, dim = shape
    blocks = (seq + QUERIES - 1) // QUERIES
    group = heads // kv_heads
    for thread in prange(threads):
        for item in range(thread, count * blocks, threads):
            head, block = item % count, blocks - 1 - item // count
            kv = (head // heads * kv_heads + head % heads // group) * seq * dim
            _block(q, k, v, o, scratch[thread], head * seq * dim, kv, block * QUERIES, seq, dim, scale, causal)


@jit()
def _block(
    q: Array,
    k: Array,
    v: Array,
    o: Array,
    scratch: Array,
    first: int,
    kv: int,
    start: int,
    seq: int,
    dim: int,
    scale: np.float32,
    causal: bool,
) -> None:
    """One block of queries against every key it may see."""
    rows = min(QUERIES, seq - start)
    scores, out = dim * QUERIES, dim * QUERIES + KEYS * QUERIES
    top = out + QUERIES * dim
    total, factor = top + QUERIES, top + 2 * QUERIES
    _transpose(scratch, q, first + start * dim, rows, dim, scale)
    scratch[top:total] = MASKED
    scratch[total : factor + QUERIES] = 0.0
    last = min(seq, start + QUERIES) if causal else seq
    for key in range(0, last, KEYS):
        count = min(KEYS, last - key)
        _scores(scratch, scores, k, kv + key * dim, count, dim)
        if causal and key + count > start:
            _mask(scratch, scores, key - start, count)
        _softmax(scratch, scores, count, top, total, factor)
        for panel in range(0, dim, PANEL):
            for row in range(0, rows, ROWS):
                c, b = out + row * dim + panel, kv + key * dim + panel
                tile4(scratch, c, dim, scratch, scores + row, 1, QUERIES, v, b, dim, count, scratch, factor + row)
    for row in range(rows):
        share = np.float32(1.0) / scratch[total + row]
        at = first + (start + row) * dim
        for d in range(dim):
            o[at + d] = scratch[out + row * dim + d] * share


@jit()
def _transpose(scratch: Array, q: Array, at: int, rows: int, dim: int, scale: np.float32) -> None:
    """``scratch[d, row] = scale * q[row, d]``, zero beyond the last row."""
    for d in range(dim):
        for row in range(QUERIES):
            scratch[d * QUERIES + row] = q[at + row * dim + d] * scale if row < rows else np.float32(0.0)


@jit()
def _scores(scratch: Array, scores: int, k: Array, at: int, count: int, dim: int) -> None:
    """``scores[key, query] = k[key] . q[query]``."""
    whole = count // ROWS * ROWS
    for panel in range(0, QUERIES, PANEL):
        for key in range(0, whole, ROWS):
            c = scores + key * QUERIES + panel
            tile4(scratch, c, QUERIES, k, at + key * dim, dim, 1, scratch, panel, QUERIES, dim, ZEROS, 0)
        for key in range(whole, count):
            c = scores + key * QUERIES + panel
            tile1(scratch, c, QUERIES, k, at + key * dim, dim, 1, scratch, panel, QUERIES, dim, ZEROS, 0)


@jit()
def _mask(scratch: Array, scores: int, ahead: int, count: int) -> None:
    """No query sees a key after itself: ``ahead`` is the first key's place among the block's queries."""
    for key in range(max(0, -ahead), count):
        for query in range(min(QUERIES, key + ahead)):
            scratch[scores + key * QUERIES + query] = MASKED


@jit()
def _softmax(scratch: Array, scores: int, count: int, top: int, total: int, factor: int) -> None:
    """Scores become weights 2**(s - max); maximum, sum and the factor for what came before are updated."""
    for lane in range(0, QUERIES, LANES):
        before = load(scratch, top + lane)
        high = before
        for key in range(count):
            high = maximum(high, load(scratch, scores + key * QUERIES + lane))
        fade = exp2(minus(before, high))
        added = splat(np.float32(0.0))
        for key in range(count):
            weight = exp2(minus(load(scratch, scores + key * QUERIES + lane), high))
            store(scratch, scores + key * QUERIES + lane, weight)
            added = plus(added, weight)
        store(scratch, top + lane, high)
        store(scratch, factor + lane, fade)
        store(scratch, total + lane, plus(times(load(scratch, total + lane), fade), added))
