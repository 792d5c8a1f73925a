"""A decoder's step in NumPy calls: products by its BLAS into places made once, attention over whole matrices of scores.

Buffers are those of the benchmark ``transformer``, in float32.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from benchsuite.backends.host.blas import limit
from benchsuite.model import Array, Buffers, Case, Step

EPSILON = np.float32(1e-5)


def step(buffers: Buffers, case: Case, threads: int) -> Step:
    """One step: prefill of prompts, or decode of one token for each sequence."""
    limit("numpy", threads)
    rows = buffers["ids"].size
    places = {name: np.empty((rows, buffers[name].shape[1]), np.float32) for name in ("qkv", "out", "up", "down")}
    return partial(_step, buffers, case, places)


def _step(b: Buffers, case: Case, places: Buffers) -> None:
    def product(x: Array, name: str, layer: int) -> Array:
        made: Array = np.matmul(x, b[name][layer].T, out=places[name])
        return made

    batch, new = b["ids"].shape
    x = b["embed"][b["ids"].ravel()]
    for layer in range(case.integer("layers")):
        mixed = product(_scaled(x, b["norms"][2 * layer]), "qkv", layer).reshape(
            batch, new, -1, case.integer("head_dim")
        )
        x = x + product(_attention(b, case, mixed, layer), "out", layer)
        low, high = np.split(product(_scaled(x, b["norms"][2 * layer + 1]), "up", layer), 2, axis=-1)
        x = x + product(low / (1.0 + np.exp(-low)) * high, "down", layer)
    np.matmul(_scaled(x[new - 1 :: new], b["norms"][-1]), b["head"].T, out=b["logits"])


def _attention(b: Buffers, case: Case, mixed: Array, layer: int) -> Array:
    """Rotation, cache and attention of ``mixed`` [sequence, token, head, dim]; attended values, one row a token."""
    batch, new, _, dim = mixed.shape
    heads, kv_heads, start = case.integer("heads"), case.integer("kv_heads"), case.integer("tokens") - new
    cos, sin = (b[name][start:, None] for name in ("cos", "sin"))
    low, high = np.split(mixed[:, :, : heads + kv_heads], 2, axis=-1)
    turned = np.concatenate((low * cos - high * sin, high * cos + low * sin), axis=-1).swapaxes(1, 2)
    b["k"][layer, :, :, start:] = turned[:, heads:]
    b["v"][layer, :, :, start:] = mixed[:, :, heads + kv_heads :].swapaxes(1, 2)
    out = np.empty((batch, heads, new, dim), np.float32)
    for row, kv in np.ndindex(batch, kv_heads):
        shared = slice(kv * heads // kv_heads, (kv + 1) * heads // kv_heads)
        out[row, shared] = _attended(turned[row, shared], b["k"][layer, row, kv], b["v"][layer, row, kv])
    rows: Array = out.swapaxes(1, 2).reshape(batch * new, -1)
    return rows


def _scaled(x: Array, weight: Array) -> Array:
    scaled: Array = x * (1.0 / np.sqrt(np.mean(np.square(x), axis=-1, keepdims=True) + EPSILON)) * weight
    return scaled


def _attended(q: Array, k: Array, v: Array) -> Array:
    """Queries [head, token, dim] that share keys: one token of all heads at once; of more, each sees its past."""
    if q.shape[1] == 1:
        return _softmax(q[:, 0], k, v)[:, None]
    later = np.triu(np.full((q.shape[1], k.shape[0]), -np.inf, q.dtype), 1)
    return np.stack([_softmax(one, k, v, later) for one in q])


def _softmax(q: Array, k: Array, v: Array, mask: Array | float = 0.0) -> Array:
    scores = (q * np.float32(1.0 / math.sqrt(q.shape[1]))) @ k.T + mask
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    made: Array = (weights @ v) / weights.sum(axis=1, keepdims=True)
    return made
