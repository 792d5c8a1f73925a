"""Decode attention in float32: one query token per sequence reads a KV cache once.

The queries that share a KV head are served together, so grouped queries read no byte more than one
would. The context is split among threads and the parts merged by their log-sum-exp
(Flash-Decoding: Dao, Haziza, Massa & Sizov 2023).
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from benchsuite.backends.host.simd import jit, load, splat, store, use_threads
from benchsuite.backends.host.vector import (
    LANES,
    PANEL,
    dots1,
    dots2,
    dots4,
    exp2,
    max_of,
    maximum,
    minus,
    plus,
    prefetch,
    sum_of,
    tile1,
    tile2,
    tile4,
)
from benchsuite.model import Array, Buffers, Case, Step

KEYS = 64
"""Keys at a time: K and V of a block stay in the second-level cache between their two uses."""
SLICE = 16
"""Keys whose V is weighed at a time, so that requests for the next block are spread."""
LINE = 16
"""Elements of a cache line."""
MASKED = np.float32(-1e30)


def split(buffers: Buffers, case: Case, threads: int, parts: int = 0) -> Step:
    """One iteration of decode attention; q and o [B, H, D], k and v [B, KV heads, S, D]; D a multiple of 64.

    parts: of each context; as few as keep every thread busy where it is 0.
    """
    batch, kv_heads, context, dim = buffers["k"].shape
    group, count = buffers["q"].shape[1] // kv_heads, batch * kv_heads
    parts = max(1, min(parts, context // KEYS)) if parts else _parts(count, context, threads)
    scale = np.float32(math.log2(math.e) / math.sqrt(dim))
    q, k, v, o = (buffers[name].reshape(-1) for name in "qkvo")
    scaled = np.empty_like(q)
    partial = np.empty((count * parts, group * dim), np.float32)
    # A row per part: running maximum, sum, factor and scores of each query of the group.
    state = np.empty((count * parts, group * (3 + KEYS)), np.float32)
    shape = (count, parts, group, context, dim)

    def step() -> None:
        use_threads(threads)
        np.multiply(q, scale, out=scaled)
        _read(scaled, k, v, partial, state, shape, threads)
        _merge(o, partial, state, shape)

    _read(scaled, k, v, partial, state, (0, 1, group, context, dim), threads)
    _merge(o, partial, state, (0, 1, group, context, dim))
    return step


def _parts(count: int, context: int, threads: int) -> int:
    """Parts of each context: as few as give every thread the same share, none shorter than a block."""
    wanted = threads // math.gcd(count, threads)
    return max(1, min(wanted, context // KEYS))


@jit(parallel=True)
def _read(
    q: Array, k: Array, v: Array, partial: Array, state: Array, shape: tuple[int, int, int, int, int], threads: int
) -> None:
    count, parts, group, context, dim = shape
    items = count * parts
    for thread in prange(threads):
        for item in range(items * thread // threads, items * (thread + 1) // threads):
            head, part = item // parts, item % parts
            first, last = context * part // parts, context * (part + 1) // parts
            _part(q, k, v, partial[item], state[item], head, first, last, group, context, dim)


@jit()
def _part(
    q: Array,
    k: Array,
    v: Array,
    out: Array,
    state: Array,
    head: int,
    first: int,
    last: int,
    group: int,
    context: int,
    dim: int,
) -> None:
    """Keys ``first`` to ``last`` of one KV head for all its queries, in blocks."""
    total, factor, scores = group, 2 * group, 3 * group
    state[:total] = MASKED
    state[total:scores] = 0.0
    for key in range(first, last, KEYS):
        count = min(KEYS, last - key)
        at = (head * context + key) * dim
        _scores(state, scores, q, head * group * dim, k, at, count, group, dim)
        for query in range(group):
            _softmax(state, scores + query * KEYS, count, query, total + query, factor + query)
        _weigh(out, state, scores, factor, v, at, count, group, dim)


@jit()
def _fetch(array: Array, at: int, count: int) -> None:
    """Ask for lines of the block after this one (beyond the array's end it does nothing).

    A few with every tile, so that memory works while the core computes: without them the two take turns.
    """
    for line in range(at, at + count, LINE):
        prefetch(array, line)


@jit()
def _scores(state: Array, scores: int, q: Array, q0: int, k: Array, at: int, count: int, group: int, dim: int) -> None:
    """Scores of a block; beyond ``count`` they are masked to a whole vector."""
    ahead = count * dim
    query = 0
    while query < group:
        s, row, left = scores + query * KEYS, q0 + query * dim, group - query
        taken = 4 if left >= 4 else 2 if left >= 2 else 1
        step = 8 if taken == 1 else 4
        whole = count // step * step
        for key in range(0, whole, step):
            first = at + key * dim
            if query == 0:
                _fetch(k, first + ahead, step * dim)
            if taken == 4:
                dots4(state, s + key, KEYS, q, row, dim, k, first, dim, dim)
            elif taken == 2:
                dots2(state, s + key, KEYS, q, row, dim, k, first, dim, dim)
            else:
                dots1(state, s + key, KEYS, q, row, dim, k, first, dim, dim)
        for each in range(taken):
            for rest in range(whole, count):
                state[s + each * KEYS + rest] = _dot(q, row + each * dim, k, at + rest * dim, dim)
            for rest in range(count, KEYS):
                state[s + each * KEYS + rest] = MASKED
        query += taken


@jit()
def _dot(q: Array, q0: int, k: Array, k0: int, dim: int) -> np.float32:
    total = np.float32(0.0)
    for d in range(dim):
        total += q[q0 + d] * k[k0 + d]
    return total


@jit()
def _softmax(state: Array, scores: int, count: int, top: int, total: int, factor: int) -> None:
    """One query's scores become weights; its maximum, sum and factor are updated."""
    high = splat(state[top])
    for key in range(0, count, LANES):
        high = maximum(high, load(state, scores + key))
    peak = max_of(high)
    level, added = splat(peak), splat(np.float32(0.0))
    for key in range(0, count, LANES):
        weight = exp2(minus(load(state, scores + key), level))
        store(state, scores + key, weight)
        added = plus(added, weight)
    fade = max_of(exp2(minus(splat(state[top]), level)))
    state[top] = peak
    state[factor] = fade
    state[total] = state[total] * fade + sum_of(added)


@jit()
def _weigh(
    out: Array, state: Array, scores: int, factor: int, v: Array, at: int, count: int, group: int, dim: int
) -> None:
    """``out = factor * out + weights . v`` for every query of the group, a few keys at a time."""
    for key in range(0, count, SLICE):
        n, first = min(SLICE, count - key), at + key * dim
        _fetch(v, first + count * dim, n * dim)
        for panel in range(0, dim, PANEL):
            query = 0
            while query < group:
                c, a, f, left = query * dim + panel, scores + query * KEYS + key, factor + query, group - query
                if left >= 4:
                    tile4(out, c, dim, state, a, KEYS, 1, v, first + panel, dim, n, state, f)
                elif left >= 2:
                    tile2(out, c, dim, state, a, KEYS, 1, v, first + panel, dim, n, state, f)
                else:
                    tile1(out, c, dim, state, a, KEYS, 1, v, first + panel, dim, n, state, f)
                query += 4 if left >= 4 else 2 if left >= 2 else 1
        if key == 0:
            state[factor : factor + group] = 1.0


@jit()
def _merge(o: Array, partial: Array, state: Array, shape: tuple[int, int, int, int, int]) -> None:
    """Parts of a context weighed by 2**(their maximum - the largest) and divided by the whole sum."""
    count, parts, group, _, dim = shape
    for head in range(count):
        for query in range(group):
            high = MASKED
            for part in range(parts):
                high = max(high, state[head * parts + part, query])
            whole = np.float32(0.0)
            for part in range(parts):
                share = np.float32(2.0) ** (state[head * parts + part, query] - high)
                whole += share * state[head * parts + part, group + query]
            at = (head * group + query) * dim
            for d in range(dim):
                value = np.float32(0.0)
                for part in range(parts):
                    share = np.float32(2.0) ** (state[head * parts + part, query] - high)
                    value += share * partial[head * parts + part, query * dim + d]
                o[at + d] = value / whole
