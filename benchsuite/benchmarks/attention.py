"""How fast is the prefill of a transformer's attention?

Every query token attends to the keys (all of them, or those up to itself): softmax(q k^T / sqrt(D)) v,
in float32, with as many KV heads as heads (MHA) or fewer (GQA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    Case,
    Expected,
    HostCall,
    HostKernel,
    Implementation,
    Metric,
    Tolerance,
    Work,
)

QUERIES, KEYS = 128, 512
"""Block of the NumPy implementation: its scores, 256 KiB, stay in a second-level cache."""
ALL = 2**24
"""Scores up to which the reference computes every output; beyond it, ``SAMPLED`` queries of every head."""
SAMPLED = 32


def shapes(case: Case) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of q and o [batch, heads, seq, head_dim], and of k and v [batch, kv_heads, seq, head_dim]."""
    batch, seq, dim = (case.integer(name) for name in ("batch", "seq", "head_dim"))
    return (batch, case.integer("heads"), seq, dim), (batch, case.integer("kv_heads"), seq, dim)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Normally distributed q, k and v: scores of standard deviation 1."""
    query, cache = shapes(case)
    return {name: rng.standard_normal(query if name == "q" else cache, dtype=np.float32) for name in "qkv"}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The attended values."""
    return {"o": ArraySpec(shapes(case)[0], case.text("dtype"))}


def work(case: Case) -> Work:
    """Two products of 2 S^2 D a head; causal counts half (Dao et al. 2022). q, k, v read and o written once."""
    query, cache = (float(np.prod(shape)) for shape in shapes(case))
    share = 0.5 if case.flag("causal") else 1.0
    return Work(flops=4.0 * query * case.integer("seq") * share, read=4.0 * (query + 2 * cache), written=4.0 * query)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """Float64 attention with the whole score matrix, head by head: every query, or a random choice of them."""
    q, k, v = (ranks[0][name] for name in "qkv")
    batch, heads, seq, _ = q.shape
    every = batch * heads * seq * seq <= ALL
    rows = np.arange(seq) if every else np.sort(rng.choice(seq, SAMPLED, replace=False))
    values = np.empty((*q.shape[:2], rows.size, q.shape[3]))
    for b in range(batch):
        for h in range(heads):
            kv = h // (heads // k.shape[1])
            values[b, h] = _exact(q[b, h, rows], k[b, kv], v[b, kv], rows if case.flag("causal") else None)
    return {"o": Expected(values, index=(slice(None), slice(None), rows))}


def _exact(q: Array, k: Array, v: Array, last: Array | None) -> Array:
    """Attention of queries over one head; query i sees keys up to ``last[i]``."""
    scores = q.astype(np.float64) @ k.astype(np.float64).T / np.sqrt(q.shape[1])
    if last is not None:
        scores[np.arange(k.shape[0]) > last[:, None]] = -np.inf
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    exact: Array = (weights @ v.astype(np.float64)) / weights.sum(axis=1, keepdims=True)
    return exact


def by_numpy(buffers: Buffers, case: Case) -> None:
    """Tiled online softmax in NumPy calls (Milakov & Gimelshein 2018)."""
    q, k, v, o = (buffers[name] for name in "qkvo")
    group, causal = q.shape[1] // k.shape[1], case.flag("causal")
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            for start in range(0, q.shape[2], QUERIES):
                block = slice(start, start + QUERIES)
                o[b, h, block] = _online(q[b, h, block], k[b, h // group], v[b, h // group], start, causal)


def _online(q: Array, k: Array, v: Array, start: int, causal: bool) -> Array:
    q = q * np.float32(1.0 / np.sqrt(q.shape[1]))
    high: Array = np.full((q.shape[0], 1), -np.inf, np.float32)
    total, out = np.zeros_like(high), np.zeros_like(q)
    for key in range(0, min(k.shape[0], start + q.shape[0]) if causal else k.shape[0], KEYS):
        scores = q @ k[key : key + KEYS].T
        if causal and key + KEYS > start:
            later = np.arange(key, key + scores.shape[1]) > np.arange(start, start + q.shape[0])[:, None]
            scores[later] = -np.inf
        top = np.maximum(high, scores.max(axis=1, keepdims=True))
        weights, fade = np.exp(scores - top), np.exp(high - top)
        total = total * fade + weights.sum(axis=1, keepdims=True)
        out = out * fade + weights @ v[key : key + KEYS]
        high = top
    result: Array = out / total
    return result


def tolerance(case: Case) -> Tolerance:
    """Float32 rounding of a convex combination of values of size 1, with room for an exponential good to 3e-7."""
    return Tolerance(relative=1e-5, absolute=1e-5)


def invalid(case: Case) -> str:
    """Query heads must share the KV heads evenly."""
    uneven = case.integer("heads") % case.integer("kv_heads")
    return "the number of heads is no multiple of the number of KV heads" if uneven else ""


def whole_panels(case: Case) -> bool:
    """Our kernel works on 64 columns at a time."""
    return case.integer("head_dim") % 64 == 0


BENCHMARK = Benchmark(
    name="attention",
    question="How fast is the prefill of a transformer's attention?",
    metric=Metric.FLOPS,
    axes=(
        Axis("seq", (96, 1024), "tokens of each sequence"),
        Axis("batch", (1,), "sequences"),
        Axis("heads", (4,), "query heads"),
        Axis("kv_heads", (2,), "KV heads: as many as heads is MHA, fewer GQA"),
        Axis("head_dim", (64, 128), choices=(64, 128)),
        Axis("causal", (False, True), "whether a token sees only what came before", choices=(False, True)),
        Axis("dtype", ("fp32",), choices=("fp32",)),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    tolerance=tolerance,
    invalid=invalid,
    implementations=(
        Implementation("tiled", HostKernel("attention:tiled"), frozenset({"host", "numba"}), supports=whole_panels),
        Implementation("torch", HostKernel("sdpa:prefill"), frozenset({"host", "torch"}), provider="torch"),
        Implementation("numpy", HostCall(by_numpy), provider="numpy"),
    ),
    tags=frozenset({"attention", "compute"}),
)
