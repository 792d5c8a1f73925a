"""How fast does one query token per sequence read a KV cache?

Each sequence's new token attends to its whole context: the step that bounds how fast a model writes.
Every byte of K and V is used once, so the rate is a bandwidth; queries that share a KV head (GQA)
share its bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    CudaLibrary,
    Cut,
    Device,
    Expected,
    HostCall,
    HostKernel,
    Implementation,
    Metric,
    Tolerance,
    Tunable,
    Work,
    cut,
)


def shapes(case: Case) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of q and o [batch, heads, head_dim], and of k and v [batch, kv_heads, context, head_dim]."""
    batch, context, dim = (case.integer(name) for name in ("batch", "context", "head_dim"))
    return (batch, case.integer("heads"), dim), (batch, case.integer("kv_heads"), context, dim)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Normally distributed q, k and v, rounded to the element type."""
    query, cache = shapes(case)
    exact = {name: rng.standard_normal(query if name == "q" else cache, dtype=np.float32) for name in "qkv"}
    return exact if float32(case) else {name: units.to_bf16(array) for name, array in exact.items()}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The attended values."""
    return {"o": ArraySpec(shapes(case)[0], case.text("dtype"))}


def work(case: Case) -> Work:
    """K, V and q read once, o written once; two products of 2 S D for every head."""
    query, cache = (float(np.prod(shape)) for shape in shapes(case))
    size = float(units.dtype(case.text("dtype")).bytes)
    return Work(flops=4.0 * query * case.integer("context"), read=size * (2 * cache + query), written=size * query)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The whole result in float64, one sequence and KV head at a time."""
    q, k, v = (units.as_float(ranks[0][name], case.text("dtype")) for name in "qkv")
    batch, kv_heads, _, dim = k.shape
    group = q.shape[1] // kv_heads
    values = np.empty(q.shape)
    for b in range(batch):
        for kv in range(kv_heads):
            heads = slice(kv * group, (kv + 1) * group)
            scores = q[b, heads].astype(np.float64) @ k[b, kv].astype(np.float64).T / np.sqrt(dim)
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            values[b, heads] = weights @ v[b, kv].astype(np.float64) / weights.sum(axis=1, keepdims=True)
    return {"o": Expected(values)}


def by_numpy(buffers: Buffers, case: Case) -> None:
    """The queries of each KV head against its cache, in NumPy calls."""
    q, k, v, o = (buffers[name] for name in "qkvo")
    group, scale = q.shape[1] // k.shape[1], np.float32(1.0 / np.sqrt(q.shape[2]))
    for b in range(k.shape[0]):
        for kv in range(k.shape[1]):
            heads = slice(kv * group, (kv + 1) * group)
            scores = (q[b, heads] * scale) @ k[b, kv].T
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            o[b, heads] = (weights @ v[b, kv]) / weights.sum(axis=1, keepdims=True)


def tolerance(case: Case) -> Tolerance:
    """Float32 rounding of a mean of values of size 1 over the context, which itself is smaller.

    bf16 rounds the output and the weights, u = 2**-8: as in the benchmark ``attention``.
    """
    if not float32(case):
        return Tolerance(relative=2.0**-8, absolute=2.0**-5 / math.sqrt(max(case.integer("context"), 8)))
    return Tolerance(relative=1e-5, absolute=2e-6)


def invalid(case: Case) -> str:
    """Query heads must share the KV heads evenly."""
    uneven = case.integer("heads") % case.integer("kv_heads")
    return "the number of heads is no multiple of the number of KV heads" if uneven else ""


def float32(case: Case) -> bool:
    """What all of the processor's implementations compute in."""
    return case.text("dtype") == "fp32"


BLOCK = 64
"""Keys that the processor's kernel takes at a time: no part of a context is shorter."""


def kind(case: Case) -> str:
    """Cases that are cut alike: contexts near one power of two, with as many heads, threads apart."""
    heads = case.integer("batch") * case.integer("kv_heads")
    return f"heads={heads} group={case.integer('heads') // case.integer('kv_heads')} {power(case, 'context')}"


def power(case: Case, name: str) -> str:
    """A size as the nearest power of two."""
    return f"{name}={2 ** round(math.log2(max(1, case.integer(name))))}"


def cuts(case: Case, device: Device) -> tuple[Cut, ...]:
    """Parts of each context: as few as give every thread the same share, one, and up to four for each thread."""
    threads, heads = device.processors, case.integer("batch") * case.integer("kv_heads")
    most = max(1, case.integer("context") // BLOCK)
    even = threads // math.gcd(heads, threads)
    wanted = (even, 1, threads, 2 * even, 2 * threads, 4 * threads)
    return tuple(dict.fromkeys(cut(parts=min(parts, most)) for parts in wanted))


def whole_panels(case: Case) -> bool:
    """Our kernel works on 64 columns at a time."""
    return float32(case) and case.integer("head_dim") % 64 == 0


BENCHMARK = Benchmark(
    name="decode",
    question="How fast does one query token per sequence read a KV cache?",
    metric=Metric.BANDWIDTH,
    axes=(
        Axis("context", (100, 4096), "keys of each sequence"),
        Axis("batch", (1,), "sequences"),
        Axis("heads", (8,), "query heads"),
        Axis("kv_heads", (2,), "KV heads: as many as heads is MHA, fewer GQA"),
        Axis("head_dim", (64, 128), choices=(64, 128)),
        Axis("dtype", ("fp32",), "elements of q, k, v and o", choices=("fp32", "bf16")),
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
            HostKernel("decode:split", Tunable("decode:split", kind, cuts)),
            frozenset({"host", "numba"}),
            supports=whole_panels,
        ),
        Implementation("torch", HostKernel("sdpa:decode"), frozenset({"host", "torch"}), "torch", float32),
        Implementation(
            "torch-bf16",
            HostKernel("sdpa:decode"),
            frozenset({"host", "torch-bf16"}),
            "torch",
            lambda case: not float32(case),
        ),
        Implementation("torch-cuda", CudaLibrary("pytorch:decode"), frozenset({"cuda", "torch-cuda"}), "torch"),
        Implementation("numpy", HostCall(by_numpy), provider="numpy", supports=float32),
    ),
    tags=frozenset({"attention", "dram"}),
    cache=CacheMode.COLD,
)
