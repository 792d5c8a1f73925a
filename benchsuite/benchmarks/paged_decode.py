"""How fast does one query token per sequence read a paged KV cache?

What a server does for every token it writes: the cache lies in pages of 16 to 128 tokens scattered over
a pool and found through a table, and may be stored in 8 bits, with one scale for each KV head and token or
page. Every byte is used once by the queries that share its KV head, so the rate is a bandwidth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.benchmarks._paged_cuda import QUANTISED, SPLIT, counts, few_rows
from benchsuite.benchmarks._paged_ring import RING, ring_serves
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    Expected,
    HostCall,
    Implementation,
    Metric,
    Tolerance,
    Work,
)

DRAWS = 2**16
"""Normal numbers the cache is drawn from: converted once, then picked, which takes seconds for gigabytes."""
CHECKED = 2**25
"""Numbers of K up to which the reference computes every output; beyond it a random choice of KV heads."""


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Normally distributed q, k and v; pages in random order in the pool, and one that belongs to nobody.

    k and v are [page][KV head][token][head_dim], their scales [page][KV head][token] or [page][KV head], table is
    [sequence][page].
    What must not be read, the foreign page and the tokens behind the last, holds NaN.
    """
    batch, kv_heads, group, width = counts(case)
    page, dim, kv = case.integer("page"), case.integer("head_dim"), case.text("kv")
    query = rng.standard_normal((batch, kv_heads * group, dim), dtype=np.float32)
    numbers = rng.permutation(batch * width + 1).astype(np.int32)
    table, foreign = numbers[1:].reshape(batch, width), numbers[0]
    arrays: dict[str, Array] = {"q": stored(query, case.text("dtype"))}
    pool = (numbers.size, kv_heads, page)
    normal = rng.standard_normal(DRAWS, dtype=np.float32)
    normal *= np.float32(QUANTISED.get(kv, 1.0))
    values, nothing = stored(normal, kv), stored(np.full(1, np.nan, np.float32), kv)[0]
    unused = case.integer("context") % page or page
    for name in "kv":
        arrays[name] = values[rng.integers(0, DRAWS, (*pool, dim), np.uint16)]
        poison(arrays[name], nothing, foreign, table[:, -1], unused)
        if kv in QUANTISED:
            scaled = pool if case.text("scales") == "token" else pool[:2]
            scale = rng.uniform(0.75, 1.25, scaled).astype(np.float32) / np.float32(QUANTISED[kv])
            poison(scale, np.float32(np.nan), foreign, table[:, -1], unused)
            arrays[f"{name}_scale"] = scale
    lengths = np.full(batch, case.integer("context"), np.int32)
    return {**arrays, "table": np.ascontiguousarray(table), "lengths": lengths}


def poison(pool: Array, value: np.generic, foreign: int, last: Array, used: int) -> None:
    """Overwrite a page, and the tokens from ``used`` on of the ``last`` ones, if ``pool`` has something for each."""
    pool[foreign] = value
    if pool.ndim > 2:
        pool[last, :, used:] = value


def stored(values: Array, kind: str) -> Array:
    """``values`` rounded to an element type, as it is stored (int8: NaN becomes the largest number)."""
    match kind:
        case "bf16":
            return _but_nan(values, units.to_bf16(np.nan_to_num(values)), 0x7FC0)
        case "e4m3":
            return _but_nan(values, units.to_e4m3(np.nan_to_num(values)), 0x7F)
        case "int8":
            whole: Array = np.clip(np.rint(np.nan_to_num(values, nan=127.0)), -127, 127).astype(np.int8)
            return whole
        case _:
            same: Array = values.astype(units.dtype(kind).storage)
            return same


def _but_nan(values: Array, bits: Array, nan: int) -> Array:
    bits[np.isnan(values)] = nan
    return bits


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The attended values, [sequence][head][head_dim]."""
    shape = (case.integer("batch"), case.integer("heads"), case.integer("head_dim"))
    return {"o": ArraySpec(shape, case.text("dtype"))}


def work(case: Case) -> Work:
    """K, V, their scales and q read once, o written once; two products of 2 S D for every head."""
    batch, kv_heads, group, width = counts(case)
    tokens, dim, kv = case.integer("context"), case.integer("head_dim"), case.text("kv")
    scales = 0 if kv not in QUANTISED else tokens if case.text("scales") == "token" else width
    heads = float(batch * kv_heads * group)
    query = heads * dim * units.dtype(case.text("dtype")).bytes
    cache = 2.0 * batch * kv_heads * (tokens * dim * units.dtype(kv).bytes + 4 * scales)
    return Work(flops=4.0 * heads * tokens * dim, read=cache + query, written=query)


def tokens_of(arrays: Arrays, name: str, kv: str, sequence: int, head: int) -> Array:
    """K or V of one sequence and KV head, [token][head_dim], as float32."""
    pages = arrays["table"][sequence]
    length = int(arrays["lengths"][sequence])
    found = arrays[name][pages, head]
    values: Array = units.as_float(found.reshape(-1, found.shape[-1])[:length], kv).astype(np.float32)
    if kv in QUANTISED:
        scale = arrays[f"{name}_scale"][pages, head]
        if scale.ndim == 1:
            scale = np.repeat(scale, arrays[name].shape[2])
        values = values * scale.reshape(-1)[:length, None]
    return values


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """Float64 attention over the stored numbers, for every sequence and KV head or a random choice of them."""
    arrays, kv = ranks[0], case.text("kv")
    batch, kv_heads, group, _ = counts(case)
    pairs = batch * kv_heads
    most = max(1, CHECKED // (case.integer("context") * case.integer("head_dim")))
    chosen = np.arange(pairs) if pairs <= most else np.sort(rng.choice(pairs, most, replace=False))
    q = units.as_float(arrays["q"], case.text("dtype")).astype(np.float64)
    values = np.empty((chosen.size, group, q.shape[2]))
    for place, pair in enumerate(chosen):
        sequence, head = divmod(int(pair), kv_heads)
        k, v = (tokens_of(arrays, name, kv, sequence, head).astype(np.float64) for name in "kv")
        scores = q[sequence, head * group : (head + 1) * group] @ k.T / np.sqrt(q.shape[2])
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        values[place] = weights @ v / weights.sum(axis=1, keepdims=True)
    heads = chosen[:, None] % kv_heads * group + np.arange(group)
    return {"o": Expected(values, index=(chosen[:, None] // kv_heads, heads))}


def by_numpy(buffers: Buffers, case: Case) -> None:
    """The queries of each KV head against its pages, in NumPy calls."""
    dtype, kv = case.text("dtype"), case.text("kv")
    batch, kv_heads, group, _ = counts(case)
    q = units.as_float(buffers["q"], dtype).astype(np.float32)
    scale = np.float32(1.0 / np.sqrt(q.shape[2]))
    for b in range(batch):
        for head in range(kv_heads):
            rows = slice(head * group, (head + 1) * group)
            k, v = (tokens_of(buffers, name, kv, b, head) for name in "kv")
            scores = (q[b, rows] * scale) @ k.T
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            buffers["o"][b, rows] = stored((weights @ v) / weights.sum(axis=1, keepdims=True), dtype)


def tolerance(case: Case) -> Tolerance:
    """Rounding of the output, and of the weights before the tensor core sums them.

    Scores of variance 1 give weights whose squares sum to e / context, so an output has a standard
    deviation of sqrt(e / context), and its error one of u / sqrt(3) times that with weights rounded by u
    at most: 5 u sqrt(e / context) is 8 standard deviations, room for rows of longer queries. A lost page is
    16 or more of ``context`` weights, which moves outputs by 4 / sqrt(context) of theirs at least.
    """
    unit = {"bf16": 2.0**-8, "fp16": 2.0**-11}
    rounding = unit["bf16" if case.text("kv") == "bf16" else "fp16"]
    spread = min(1.0, float(np.sqrt(np.e / case.integer("context"))))
    return Tolerance(relative=unit[case.text("dtype")], absolute=5 * rounding * spread)


def invalid(case: Case) -> str:
    """Query heads must share the KV heads evenly, and a 16-bit cache holds the type of q."""
    if case.integer("heads") % case.integer("kv_heads"):
        return "the number of heads is no multiple of the number of KV heads"
    kv = case.text("kv")
    if kv in QUANTISED:
        return ""
    if case.text("scales") != "token":
        return f"a cache of {kv} has no scales"
    return f"a cache of {kv} serves queries of {kv}" if kv != case.text("dtype") else ""


BENCHMARK = Benchmark(
    name="paged-decode",
    question="How fast does one query token per sequence read a paged KV cache?",
    metric=Metric.BANDWIDTH,
    axes=(
        Axis("context", (100, 8192), "keys of each sequence"),
        Axis("batch", (2,), "sequences"),
        Axis("heads", (8,), "query heads"),
        Axis("kv_heads", (2,), "KV heads: as many as heads is MHA, fewer GQA"),
        Axis("head_dim", (128,), choices=(64, 128)),
        Axis("page", (16,), "tokens of a page", choices=(16, 64, 128)),
        Axis("dtype", ("bf16",), "of q and o", choices=("bf16", "fp16")),
        Axis("kv", ("bf16",), "of the cache; 8 bits with scales", choices=("bf16", "fp16", "int8", "e4m3")),
        Axis("scales", ("token",), "of 8 bits: one for each KV head and", choices=("token", "page")),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    tolerance=tolerance,
    invalid=invalid,
    implementations=(
        Implementation("split", SPLIT, frozenset({"cuda"}), supports=few_rows),
        Implementation("ring", RING, frozenset({"cuda"}), supports=ring_serves),
        Implementation("numpy", HostCall(by_numpy), provider="numpy"),
    ),
    tags=frozenset({"attention", "dram"}),
    cache=CacheMode.COLD,
)
