"""How fast is the prefill of a transformer's attention?

Every query token attends to the keys (all of them, or those up to itself): softmax(q k^T / sqrt(D)) v,
with as many KV heads as heads (MHA) or fewer (GQA). With 16-bit elements and e4m3 the weights are rounded to the
same type before they meet v, as tensor cores take them; sums are float32. Of e4m3 the output is bf16.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.benchmarks import _attention_cuda as wgmma
from benchsuite.benchmarks import _attention_tcgen05 as blackwell
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    Case,
    CudaKernel,
    CudaLibrary,
    Cut,
    Device,
    Expected,
    HostCall,
    HostKernel,
    Implementation,
    Launch,
    Metric,
    Source,
    Tolerance,
    Tunable,
    Work,
    cut,
)

QUERIES, KEYS = 128, 512
"""Block of the NumPy implementation: its scores, 256 KiB, stay in a second-level cache."""
ALL = 2**24
"""Scores up to which the reference computes every output; beyond it, ``SAMPLED`` queries of every head."""
SAMPLED = 32
ROUNDING = {"bf16": 2.0**-8, "fp16": 2.0**-11, "e4m3": 2.0**-4}
"""Largest relative error of rounding to these types."""
FEW = 8
"""Keys below which the largest of their weights bounds the error, not their number."""

TILES: Mapping[tuple[str, int], tuple[int, ...]] = {
    ("wide", 64): (128, 48, 4, 1, 2, 2),
    ("wide", 128): (128, 48, 4, 0, 1, 2),
    ("wide", 256): (128, 32, 8, 1, 2, 1),
    ("slim", 64): (64, 64, 4, 1, 2, 3),
    ("slim", 128): (64, 64, 4, 1, 1, 2),
    ("slim", 256): (128, 32, 8, 1, 2, 1),
    ("sm_86", 64): (128, 48, 4, 1, 2, 2),
    ("sm_86", 128): (128, 48, 8, 1, 2, 1),
    ("sm_86", 256): (128, 32, 8, 1, 2, 1),
    ("sm_100", 128): (128, 48, 4, 0, 2, 2),
}
"""By kind of GPU and head_dim: BM, BN, WARPS, Q_REGISTERS, V_STAGES, BLOCKS of ``attention/prefill.cu``.

wide: 32 queries a warp, because tensor cores outrun shared memory at 16. slim: 16, because they do not, and shared
memory is small. sm_86 has the shared memory of the slim and, as A6000, twice their tensor rate: 128 queries a block
halve the reads of k and v from the second-level cache. At 256 columns registers hold 16 queries a warp everywhere.
48 keys leave registers to load the next fragments while these are multiplied. One buffer of v makes sm_100's compiler
spill.
"""


def shapes(case: Case) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of q and o [batch, heads, seq, head_dim], and of k and v [batch, kv_heads, seq, head_dim]."""
    batch, seq, dim = (case.integer(name) for name in ("batch", "seq", "head_dim"))
    return (batch, case.integer("heads"), seq, dim), (batch, case.integer("kv_heads"), seq, dim)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Normally distributed q, k and v, rounded to the element type: scores of standard deviation 1."""
    query, cache = shapes(case)
    exact = {name: rng.standard_normal(query if name == "q" else cache, dtype=np.float32) for name in "qkv"}
    match case.text("dtype"):
        case "bf16":
            return {name: units.to_bf16(array) for name, array in exact.items()}
        case "fp16":
            return {name: array.astype(np.float16) for name, array in exact.items()}
        case "e4m3":
            return {name: units.to_e4m3(array) for name, array in exact.items()}
        case _:
            return exact


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The attended values."""
    return {"o": ArraySpec(shapes(case)[0], wgmma.result(case.text("dtype")))}


def work(case: Case) -> Work:
    """Two products of 2 S^2 D a head; causal counts half (Dao et al. 2022). q, k, v read and o written once."""
    query, cache = (float(np.prod(shape)) for shape in shapes(case))
    share, dtype = 0.5 if case.flag("causal") else 1.0, case.text("dtype")
    size, out = (float(units.dtype(name).bytes) for name in (dtype, wgmma.result(dtype)))
    return Work(flops=4.0 * query * case.integer("seq") * share, read=size * (query + 2 * cache), written=out * query)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """Float64 attention with the whole score matrix, head by head: every query, or a random choice of them."""
    q, k, v = (units.as_float(ranks[0][name], case.text("dtype")) for name in "qkv")
    batch, heads, seq, _ = q.shape
    every = batch * heads * seq * seq <= ALL
    rows = np.arange(seq) if every else np.sort(rng.choice(seq, SAMPLED, replace=False))
    values = np.empty((*q.shape[:2], rows.size, q.shape[3]))
    for b in range(batch):
        for h in range(heads):
            kv = h // (heads // k.shape[1])
            values[b, h] = _exact(q[b, h, rows], k[b, kv], v[b, kv], rows if case.flag("causal") else None)
    index, within, scale = (slice(None), slice(None), rows), allowed(case, seq), None
    if within and case.flag("causal"):
        scale = np.sqrt(max(seq, FEW) / np.maximum(rows + 1, FEW))[:, None]
    return {"o": Expected(values, index=index, tolerance=within, scale=scale)}


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


def allowed(case: Case, keys: int) -> Tolerance | None:
    """The error of outputs that see at least ``keys`` keys by rounded weights; for float32, the benchmark's own.

    Rounding the output is the relative part, u, which with e4m3 is that of bf16. Rounding the weights w, whose sum is
    1, adds sum(w d v) with |d| <= u. Normal scores give sum(w^2) = e / keys, rounding d = 0.4 u and the inputs v = 1,
    each in the root mean square: together 0.7 u / sqrt(keys). Twelve times that is allowed. With fewer than 8 keys the
    bound u sum(w |v|) rules: a row's largest weight is 1 before the division, thus exact, and the rest leaves less
    than 2.8 u.

    A lost tile of 64 keys changes an output by sqrt(64 e) / keys in the root mean square: more than allowed up to
    2.7 / u^2 keys (178 000 for bf16; 700 for e4m3, beyond which the largest of many outputs tells). A million outputs
    of 2 to 4096 keys, computed with weights rounded to 16 bits, came to 0.43 of the allowance; of those without one
    tile, 15 % or fewer stayed within it.
    """
    u, out = (ROUNDING.get(name) for name in (case.text("dtype"), wgmma.result(case.text("dtype"))))
    return None if u is None or out is None else Tolerance(relative=out, absolute=8.0 * u / math.sqrt(max(keys, FEW)))


def tolerance(case: Case) -> Tolerance:
    """Float32 rounding of a convex combination of values of size 1, with room for an exponential good to 3e-7."""
    return allowed(case, 1 if case.flag("causal") else case.integer("seq")) or Tolerance(relative=1e-5, absolute=1e-5)


def invalid(case: Case) -> str:
    """Query heads must share the KV heads evenly."""
    uneven = case.integer("heads") % case.integer("kv_heads")
    return "the number of heads is no multiple of the number of KV heads" if uneven else ""


def float32(case: Case) -> bool:
    """What the processor's implementations compute in."""
    return case.text("dtype") == "fp32"


def whole_panels(case: Case) -> bool:
    """The processor's kernel works on 64 columns at a time."""
    return float32(case) and case.integer("head_dim") % 64 == 0


def half_precision(case: Case) -> bool:
    """What tensor cores of every GPU multiply in one instruction, with a float32 sum."""
    return case.text("dtype") in {"bf16", "fp16"}


TILE = ("BM", "BN", "WARPS", "Q_REGISTERS", "V_STAGES", "BLOCKS")


def tiling(case: Case, device: Device) -> Mapping[str, int]:
    """The macros that were measured for such cases on this GPU, else those that suit this head and GPU."""
    cuts = tilings(case, device)
    return dict(device.chosen(CUTS.kernel, CUTS.kind(case), cuts) or cuts[0])


def tilings(case: Case, device: Device) -> tuple[Cut, ...]:
    """What may be tried: the tile for this kind of GPU first, then those for others that fit."""
    dim, kind = case.integer("head_dim"), f"sm_{device.generation}"
    if (kind, dim) not in TILES:
        kind = "slim" if device.generation in (89, 120) else "wide"
    others = [tile for (_, width), tile in TILES.items() if width == dim]
    tiles = [dict(zip(TILE, tile, strict=True)) for tile in (TILES[kind, dim], *others)]
    fit = [tile for tile in tiles if shared_memory(tile, 2 * dim) <= device.shared]
    return tuple(dict.fromkeys(cut(**tile) for tile in (fit or tiles[:1])))


def alike(case: Case) -> str:
    """Cases that are cut alike: of one type, head and mask, with lengths and numbers of heads near one power of two."""
    sizes = {"seq": case.integer("seq"), "heads": case.integer("batch") * case.integer("heads")}
    near = " ".join(f"{name}={2 ** round(math.log2(size))}" for name, size in sizes.items())
    return f"{case.text('dtype')} dim={case.integer('head_dim')} causal={case.flag('causal')} {near}"


def source(case: Case, device: Device) -> Source:
    """One kernel for each element type, head dimension and kind of GPU."""
    macros = {"HEAD_DIM": case.integer("head_dim"), "DTYPE_BF16": int(case.text("dtype") == "bf16")}
    return Source.of("attention/prefill.cu", **macros, **tiling(case, device))


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """One launch. Grid: heads whose k and v fit in half the second-level cache, tiles of queries, sets of heads."""
    tile, ((batch, heads, seq, dim), cache) = tiling(case, device), shapes(case)
    group, row = heads // cache[1], 2 * dim
    together = min(batch * heads, group * max(1, device.l2 // 2 // (2 * seq * row)))
    grid = (together, -(-seq // tile["BM"]), -(-batch * heads // together))
    sizes = (np.int32(batch * heads), np.int32(group), np.int32(seq), np.int32(case.flag("causal")))
    scale = np.float32(math.log2(math.e) / math.sqrt(dim))
    args = (*"qkvo", *sizes, scale)
    return (Launch("prefill", grid, (32 * tile["WARPS"], 1, 1), args, shared_memory(tile, row)),)


def shared_memory(tile: Mapping[str, int], row: int) -> int:
    """Bytes: two tiles of k and one or two of v; q behind them, or first where the second tiles will lie."""
    ring, q = (2 + tile["V_STAGES"]) * tile["BN"] * row, tile["BM"] * row
    return max(ring, tile["V_STAGES"] * tile["BN"] * row + q) if tile["Q_REGISTERS"] else ring + q


def tensor(case: Case) -> str:
    """The tensor instruction: 16x8x16, float32 sum."""
    return "HMMA.16816.F32.BF16" if case.text("dtype") == "bf16" else "HMMA.16816.F32"


CUTS = Tunable("attention/prefill.cu", alike, tilings)
KERNEL = CudaKernel(source, launches, tensor=tensor, tunable=CUTS)

TORCH = frozenset({"cuda", "torch-cuda"})

BENCHMARK = Benchmark(
    name="attention",
    question="How fast is the prefill of a transformer's attention?",
    metric=Metric.FLOPS,
    axes=(
        Axis("seq", (96, 1024), "tokens of each sequence"),
        Axis("batch", (1,), "sequences"),
        Axis("heads", (4,), "query heads"),
        Axis("kv_heads", (2,), "KV heads: as many as heads is MHA, fewer GQA"),
        Axis("head_dim", (64, 128), choices=(64, 128, 256)),
        Axis("causal", (False, True), "whether a token sees only what came before", choices=(False, True)),
        Axis(
            "dtype",
            ("fp32",),
            "elements of q, k and v, and of o but with e4m3",
            choices=("fp32", "bf16", "fp16", "e4m3"),
        ),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    tolerance=tolerance,
    invalid=invalid,
    implementations=(
        Implementation("mma", KERNEL, frozenset({"cuda"}), supports=half_precision),
        Implementation("tcgen05", blackwell.KERNEL, frozenset({"cuda"}), supports=blackwell.serves),
        Implementation("wgmma", wgmma.KERNEL, frozenset({"cuda"}), supports=wgmma.serves),
        Implementation("flash", CudaLibrary("pytorch:flash"), TORCH, "torch", half_precision),
        Implementation("cudnn", CudaLibrary("pytorch:cudnn"), TORCH, "torch", half_precision),
        Implementation("tiled", HostKernel("attention:tiled"), frozenset({"host", "numba"}), supports=whole_panels),
        Implementation("torch", HostKernel("sdpa:prefill"), frozenset({"host", "torch"}), "torch", float32),
        Implementation(
            "torch-bf16",
            HostKernel("sdpa:prefill"),
            frozenset({"host", "torch-bf16"}),
            "torch",
            lambda case: case.text("dtype") == "bf16",
        ),
        Implementation("numpy", HostCall(by_numpy), provider="numpy", supports=float32),
    ),
    tags=frozenset({"attention", "compute"}),
)
