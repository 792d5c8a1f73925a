"""How fast does one query token per sequence read a paged KV cache?

What a server does for every token it writes: the cache lies in pages of 16 to 128 tokens scattered over
a pool and found through a table, and may be stored in 8 bits, with one scale for each token and KV
head. Every byte is used once by the queries that share its KV head, so the rate is a bandwidth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    CudaKernel,
    Device,
    Expected,
    HostCall,
    Implementation,
    Launch,
    Metric,
    Source,
    Tolerance,
    Work,
)

QUANTISED: Mapping[str, float] = {"int8": 32.0, "e4m3": 64.0}
"""Stored numbers of a cache of 8 bits are normal ones times this, and its scales are near the inverse."""
DRAWS = 2**16
"""Normal numbers the cache is drawn from: converted once, then picked, which takes seconds for gigabytes."""
CHECKED = 2**25
"""Numbers of K up to which the reference computes every output; beyond it a random choice of KV heads."""

TOKENS, WARPS, MOST_ROWS = 16, 4, 16
"""Of ``attention/decode.cu``: tokens of a tile, warps of a block, queries that can share a KV head."""
RESERVED = 1024
"""Bytes of a processor's shared memory that each block takes for itself."""


def counts(case: Case) -> tuple[int, int, int, int]:
    """Sequences, KV heads, queries that share one, pages of a sequence."""
    kv_heads, page = case.integer("kv_heads"), case.integer("page")
    return case.integer("batch"), kv_heads, case.integer("heads") // kv_heads, -(-case.integer("context") // page)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Normally distributed q, k and v; pages in random order in the pool, and one that belongs to nobody.

    k and v are [page][KV head][token][head_dim], their scales [page][KV head][token], table is [sequence][page].
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
            scale = rng.uniform(0.75, 1.25, pool).astype(np.float32) / np.float32(QUANTISED[kv])
            poison(scale, np.float32(np.nan), foreign, table[:, -1], unused)
            arrays[f"{name}_scale"] = scale
    lengths = np.full(batch, case.integer("context"), np.int32)
    return {**arrays, "table": np.ascontiguousarray(table), "lengths": lengths}


def poison(pool: Array, value: np.generic, foreign: int, last: Array, used: int) -> None:
    """Overwrite a page, and the tokens from ``used`` on of the ``last`` ones."""
    pool[foreign] = value
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
    batch, kv_heads, group, _ = counts(case)
    tokens, dim, kv = case.integer("context"), case.integer("head_dim"), case.text("kv")
    token = dim * units.dtype(kv).bytes + (4 if kv in QUANTISED else 0)
    heads = float(batch * kv_heads * group)
    query = heads * dim * units.dtype(case.text("dtype")).bytes
    cache = 2.0 * batch * kv_heads * tokens * token
    return Work(flops=4.0 * heads * tokens * dim, read=cache + query, written=query)


def tokens_of(arrays: Arrays, name: str, kv: str, sequence: int, head: int) -> Array:
    """K or V of one sequence and KV head, [token][head_dim], as float32."""
    pages = arrays["table"][sequence]
    length = int(arrays["lengths"][sequence])
    found = arrays[name][pages, head]
    values: Array = units.as_float(found.reshape(-1, found.shape[-1])[:length], kv).astype(np.float32)
    if kv in QUANTISED:
        values = values * arrays[f"{name}_scale"][pages, head].reshape(-1)[:length, None]
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
    return f"a cache of {kv} serves queries of {kv}" if kv not in QUANTISED and kv != case.text("dtype") else ""


def few_rows(case: Case) -> bool:
    """Our kernel has 16 rows for the queries that share a KV head."""
    return case.integer("heads") <= MOST_ROWS * case.integer("kv_heads")


def blocks(case: Case, device: Device) -> int:
    """Blocks on a processor: a third where 8-bit numbers need more warps to be converted and memory has room."""
    return 3 if case.text("kv") in QUANTISED and device.shared >= 200 * units.KIB else 2


def ring(case: Case, device: Device) -> tuple[int, int]:
    """Tiles of K and V in a warp's ring, the odd number that fits, and shared bytes of a block."""
    row = case.integer("head_dim") * units.dtype(case.text("kv")).bytes
    slot = TOKENS * row + (max(64, row) if case.text("kv") in QUANTISED else 0)
    room = (device.shared + RESERVED) // blocks(case, device) - RESERVED
    slots = (room // (WARPS * slot) - 1) | 1
    return slots, slots * WARPS * slot


def splits(rounds: int, groups: int, resident: int, rows: int) -> int:
    """Parts of each context, so that the blocks fill the device and merging costs little.

    rounds: tiles for all warps of a block in a context; groups: sequences times KV heads; resident: blocks
    that run at once; rows: queries of a group. Unit of time: one round of a block. A wave of blocks takes its
    rounds and about one more to start and to leave its result; the last block of a group then
    reads ``rows`` results of each part: 512 bytes against the 32 KiB of a round, but alone.
    """

    def cost(parts: int) -> float:
        waves = -(-groups * parts // resident)
        merging = 1.0 + parts * rows / 250 if parts > 1 else 0.0
        return waves * (-(-rounds // parts) + 1.0) + merging

    return min(range(1, max(1, rounds) + 1), key=cost)


def parts(case: Case, device: Device) -> int:
    """``splits`` of this case on this device."""
    batch, kv_heads, group, _ = counts(case)
    rounds = -(-case.integer("context") // (WARPS * TOKENS))
    return splits(rounds, batch * kv_heads, device.processors * blocks(case, device), group)


def source(case: Case, device: Device) -> Source:
    """The variant for these element types and this much shared memory."""
    kv, io = case.text("kv").upper(), case.text("dtype").upper()
    slots, _ = ring(case, device)
    variant = {"DIM": case.integer("head_dim"), "WARPS": WARPS, "SLOTS": slots, "BLOCKS": blocks(case, device)}
    return Source.of("attention/decode.cu", KV=kv, IO=io, **variant)


def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    """The parts' results, their sums of exponentials, and how many have arrived."""
    batch, kv_heads, group, _ = counts(case)
    shape = (batch, kv_heads, parts(case, device), group)
    return {
        "partial": ArraySpec((*shape, case.integer("head_dim")), "fp32"),
        "lse": ArraySpec(shape, "fp32"),
        "arrived": ArraySpec((batch, kv_heads), "uint32"),
    }


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One: a block for every part, KV head and sequence."""
    batch, kv_heads, group, width = counts(case)
    scales = ("k_scale", "v_scale") if case.text("kv") in QUANTISED else (np.uint64(0), np.uint64(0))
    buffers = ("table", "lengths", "o", "partial", "lse", "arrived")
    sizes = (np.int32(group), np.int32(width), np.int32(case.integer("page").bit_length() - 1))
    scale = np.float32(np.log2(np.e) / np.sqrt(case.integer("head_dim")))
    grid = (parts(case, device), kv_heads, batch)
    args = ("q", "k", "v", *scales, *buffers, *sizes, scale)
    return (Launch("decode", grid, (WARPS * 32, 1, 1), args, ring(case, device)[1]),)


def tensor(case: Case) -> str:
    """8-bit caches are multiplied as fp16."""
    return "HMMA.16816.F32.BF16" if case.text("kv") == "bf16" else "HMMA.16816.F32"


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
        Axis("kv", ("bf16",), "of the cache; 8 bits with a scale a token", choices=("bf16", "fp16", "int8", "e4m3")),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    tolerance=tolerance,
    invalid=invalid,
    implementations=(
        Implementation(
            "split",
            CudaKernel(source, launches, scratch, zeroed=frozenset({"arrived"}), tensor=tensor),
            frozenset({"cuda"}),
            supports=few_rows,
        ),
        Implementation("numpy", HostCall(by_numpy), provider="numpy"),
    ),
    tags=frozenset({"attention", "dram"}),
    cache=CacheMode.COLD,
)
