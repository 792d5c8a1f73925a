"""How long does one step of a small decoder take?

The model is Llama's in small (arXiv 2302.13971): RMSNorm, grouped-query attention with rotary positions, SwiGLU, an
untied head. ``prefill`` reads ``tokens`` of each of ``batch`` prompts, files their keys and values in the cache and
tells the logits that follow the last one. ``decode`` takes one token of each sequence, the last of ``tokens``, whose
place in the cache it fills. Its operations are measured one by one in the benchmarks ``gemm``, ``attention``,
``decode`` and ``pointwise``: this is what their sum is held against (``benchsuite predict --check``).

Weights are normal numbers divided by the root of what they sum, so that logits are of size 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Case,
    CudaLibrary,
    Expected,
    HostKernel,
    Implementation,
    Metric,
    Tolerance,
    Work,
)

EPSILON = 1e-5
BASE = 10000.0
"""Of the rotary angles: pair i of a head turns by position / BASE**(2 i / head_dim)."""
ALLOWED = {"fp32": 2e-5, "bf16": 0.03}
"""Error of a logit for one layer, see ``tolerance``."""


def integers(case: Case, *names: str) -> tuple[int, ...]:
    """Parameters by name."""
    return tuple(case.integer(name) for name in names)


def decodes(case: Case) -> bool:
    """Whether the step is a decode."""
    return case.text("phase") == "decode"


def products(case: Case) -> Mapping[str, tuple[int, int]]:
    """Shape of each weight as stored: of a layer ``qkv``, ``out``, ``up`` (and gate), ``down``; ``head``."""
    hidden, heads, kv_heads, dim, ffn, vocab = integers(case, "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab")
    return {
        "qkv": ((heads + 2 * kv_heads) * dim, hidden),
        "out": (hidden, heads * dim),
        "up": (2 * ffn, hidden),
        "down": (hidden, ffn),
        "head": (vocab, hidden),
    }


def cache(case: Case) -> tuple[int, ...]:
    """Shape of the cached keys, and of the values: [layer, sequence, KV head, token, head_dim]."""
    return integers(case, "layers", "batch", "kv_heads", "tokens", "head_dim")


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Weights, token numbers, cosines and sines of the positions; for ``decode`` a cache without its last token.

    That place holds NaN: a step that does not fill it is wrong.
    """
    layers, batch, tokens, hidden, vocab, dim = integers(
        case, "layers", "batch", "tokens", "hidden", "vocab", "head_dim"
    )
    made: dict[str, Array] = {}
    for name, (columns, rows) in products(case).items():
        size = (columns, rows) if name == "head" else (layers, columns, rows)
        made[name] = rng.standard_normal(size, dtype=np.float32) / np.float32(math.sqrt(rows))
    made["embed"] = rng.standard_normal((vocab, hidden), dtype=np.float32)
    made["norms"] = rng.uniform(0.5, 1.5, (2 * layers + 1, hidden)).astype(np.float32)
    angles = np.arange(tokens)[:, None] / BASE ** (np.arange(dim // 2) * 2.0 / dim)
    made |= {"cos": np.cos(angles).astype(np.float32), "sin": np.sin(angles).astype(np.float32)}
    if decodes(case):
        made |= {name: rng.standard_normal(cache(case), dtype=np.float32) for name in "kv"}
    stored = {name: units.to_bf16(array) if case.text("dtype") == "bf16" else array for name, array in made.items()}
    for name in set(stored) & {"k", "v"}:
        stored[name][:, :, :, -1] = 0x7FC0 if case.text("dtype") == "bf16" else np.nan
    return {**stored, "ids": rng.integers(0, vocab, (batch, 1 if decodes(case) else tokens))}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The logits of each sequence's next token; of ``prefill`` also the cache."""
    batch, vocab = integers(case, "batch", "vocab")
    made = {"logits": ArraySpec((batch, vocab), case.text("dtype"))}
    if not decodes(case):
        made |= {name: ArraySpec(cache(case), case.text("dtype")) for name in "kv"}
    return made


def work(case: Case) -> Work:
    """The products' and the attention's operations; every weight and cached element read once. A step is one."""
    layers, batch, tokens, heads, dim, hidden = integers(
        case, "layers", "batch", "tokens", "heads", "head_dim", "hidden"
    )
    element, cached = float(units.dtype(case.text("dtype")).bytes), 2.0 * float(np.prod(cache(case)))
    rows = batch * (1 if decodes(case) else tokens)
    sizes = {name: float(np.prod(size)) for name, size in products(case).items()}
    head = sizes.pop("head")
    attended = 4.0 * layers * batch * heads * dim * tokens * (1.0 if decodes(case) else tokens / 2)
    return Work(
        flops=2.0 * rows * layers * sum(sizes.values()) + 2.0 * batch * head + attended,
        read=element * (layers * sum(sizes.values()) + head + rows * hidden + (cached if decodes(case) else 0.0)),
        written=element * (batch * products(case)["head"][0] + (0.0 if decodes(case) else cached)),
        steps=1.0,
    )


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """In float64, one sequence at a time, every head by itself, with pairs that turn as complex numbers."""
    given = {name: _exact(array, case) if name != "ids" else array for name, array in ranks[0].items()}
    told = [_sequence(case, given, number) for number in range(case.integer("batch"))]
    logits = Expected(np.stack([one[0] for one in told]))
    if decodes(case):
        return {"logits": logits}
    return {"logits": logits} | {name: Expected(np.stack([one[1][name] for one in told], axis=1)) for name in "kv"}


def _exact(array: Array, case: Case) -> Array:
    exact: Array = units.as_float(array, case.text("dtype")).astype(np.float64)
    return exact


def _sequence(case: Case, given: Mapping[str, Array], number: int) -> tuple[Array, dict[str, Array]]:
    """Logits of one sequence, and the keys and values of its tokens [layer, KV head, token, head_dim]."""
    layers, tokens, heads, kv_heads, dim = integers(case, "layers", "tokens", "heads", "kv_heads", "head_dim")
    x, new = given["embed"][given["ids"][number]], given["ids"].shape[1]
    filed: dict[str, Array] = {name: np.zeros((layers, kv_heads, tokens, dim)) for name in "kv"}
    turn = (given["cos"] + 1j * given["sin"])[tokens - new :]
    for layer in range(layers):
        mixed = _normed(x, given["norms"][2 * layer]) @ given["qkv"][layer].T
        parts = np.moveaxis(mixed.reshape(new, -1, dim), 1, 0)
        if decodes(case):
            for name, tokens_filed in filed.items():
                tokens_filed[layer] = given[name][layer, number]
        filed["k"][layer, :, tokens - new :] = [_turned(part, turn) for part in parts[heads : heads + kv_heads]]
        filed["v"][layer, :, tokens - new :] = parts[heads + kv_heads :]
        seen = np.arange(tokens) <= np.arange(tokens - new, tokens)[:, None]
        out = np.empty((new, heads, dim))
        for head in range(heads):
            k, v = (filed[name][layer, head * kv_heads // heads] for name in "kv")
            scores = np.where(seen, _turned(parts[head], turn) @ k.T / math.sqrt(dim), -np.inf)
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            out[:, head] = weights @ v / weights.sum(axis=1, keepdims=True)
        x = x + out.reshape(new, -1) @ given["out"][layer].T
        both = _normed(x, given["norms"][2 * layer + 1]) @ given["up"][layer].T
        first, second = both[:, : case.integer("ffn")], both[:, case.integer("ffn") :]
        x = x + (first * second * 0.5 * (1.0 + np.tanh(first / 2))) @ given["down"][layer].T
    return _normed(x[-1:], given["norms"][-1])[0] @ given["head"].T, filed


def _normed(x: Array, weight: Array) -> Array:
    normed: Array = x * weight / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + EPSILON)
    return normed


def _turned(x: Array, turn: Array) -> Array:
    half = x.shape[-1] // 2
    pairs = (x[:, :half] + 1j * x[:, half:]) * turn
    return np.concatenate((pairs.real, pairs.imag), axis=-1)


def tolerance(case: Case) -> Tolerance:
    """Of logits, keys and values of size 1: ``ALLOWED`` times the root of the layers and one.

    Each layer rounds a dozen intermediate results, whose errors are independent and pass through norms that keep
    them of their relative size. Measured over 2 to 4 layers: the largest of 32,000 logits errs by 4e-6 (fp32) and 0.05
    (bf16). One head of one layer left out moves some logit by 0.2 or more, positions that are off by one by 0.3, a
    layer's attention by 0.6.
    """
    return Tolerance(relative=0.0, absolute=ALLOWED[case.text("dtype")] * 2 * math.sqrt(case.integer("layers") + 1))


def invalid(case: Case) -> str:
    """Heads must be pairs, and share the KV heads evenly."""
    names = ("batch", "tokens", "layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab")
    if min(integers(case, *names)) < 1:
        return "a model has at least one of everything"
    if case.integer("heads") % case.integer("kv_heads"):
        return "the number of heads is no multiple of the number of KV heads"
    return "rotary positions need an even head_dim" if case.integer("head_dim") % 2 else ""


def of(dtype: str, case: Case) -> bool:
    """Whether the case is of this element type."""
    return case.text("dtype") == dtype


STEP = HostKernel("decoder:step")

BENCHMARK = Benchmark(
    name="transformer",
    question="How long does one step of a small decoder take?",
    metric=Metric.LATENCY,
    axes=(
        Axis("phase", ("prefill",), "read prompts, or write one token of each sequence", choices=("prefill", "decode")),
        Axis("batch", (2,), "sequences"),
        Axis("tokens", (24,), "of each prompt; of each sequence with the one that is decoded"),
        Axis("layers", (2,)),
        Axis("hidden", (128,), "width of the residual stream"),
        Axis("heads", (4,), "query heads"),
        Axis("kv_heads", (2,), "KV heads"),
        Axis("head_dim", (64,)),
        Axis("ffn", (192,), "width of the SwiGLU"),
        Axis("vocab", (256,)),
        Axis("dtype", ("fp32",), choices=("fp32", "bf16")),
    ),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    tolerance=tolerance,
    invalid=invalid,
    implementations=(
        Implementation("torch", STEP, frozenset({"host", "torch"}), "torch", lambda case: of("fp32", case)),
        Implementation("torch-bf16", STEP, frozenset({"host", "torch-bf16"}), "torch", lambda case: of("bf16", case)),
        Implementation("torch-cuda", CudaLibrary("decoder:step"), frozenset({"cuda", "torch-cuda"}), "torch"),
        Implementation(
            "numpy", HostKernel("decoder_numpy:step"), provider="numpy", supports=lambda case: of("fp32", case)
        ),
    ),
    tags=frozenset({"transformer"}),
)
