"""What one device of a mesh multiplies in a step: the products of a model's layers, sliced.

Tensor parallelism slices the columns of what goes into attention and feed-forward, and the rows of what comes out
(Megatron-LM, arXiv 1909.08053, section 3): the narrower the slice, the more of its time a product spends beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from benchsuite.catalog.models import Kind, ModelShape
from benchsuite.model.forecast import Mesh


@dataclass(frozen=True, slots=True)
class Product:
    """A weight of ``n x k`` on one device, ``count`` of them in the whole model.

    experts: how many of its kind a layer has on this device, 0 where every row passes through it; wide: kept at 16 bits
    by narrow models; last: only rows whose next token is wanted pass.
    """

    name: str
    n: int
    k: int
    count: int
    experts: int = 0
    wide: bool = False
    last: bool = False

    @property
    def weights(self) -> int:
        """Elements in all."""
        return self.n * self.k * self.count * max(1, self.experts)


@lru_cache(maxsize=4096)
def products(shape: ModelShape, mesh: Mesh) -> tuple[Product, ...]:
    """Every product of a step, all layers counted, as one device of ``mesh.tensor`` sees them."""
    return (*_attention(shape, mesh.tensor), *_feed(shape, mesh), _last(shape, mesh.tensor))


def cache_elements(shape: ModelShape, mesh: Mesh) -> float:
    """Elements that one token leaves in one layer's cache on one device.

    Fewer KV heads than devices are kept more than once; the latent of MLA is kept whole by each.
    """
    if shape.kind is Kind.MOE_MLA:
        return float(shape.kv_elements)
    return 2.0 * _share(shape.kv_heads, mesh.tensor) * shape.head_dim


def query_heads(shape: ModelShape, mesh: Mesh) -> int:
    """Heads of queries on one device."""
    return _share(shape.heads, mesh.tensor)


def _share(whole: int, parts: int) -> int:
    return max(1, math.ceil(whole / parts))


def _attention(shape: ModelShape, tensor: int) -> Iterator[Product]:
    heads, count, hidden = _share(shape.heads, tensor), shape.layers, shape.hidden
    if shape.kind is not Kind.MOE_MLA:
        kv = 2 * _share(shape.kv_heads, tensor)
        yield Product("qkv", (heads + kv) * shape.head_dim, hidden, count)
        yield Product("out", hidden, heads * shape.head_dim, count)
        return
    query = shape.qk_nope_head_dim + shape.qk_rope_head_dim
    yield Product("down", shape.q_lora_rank + shape.kv_lora_rank + shape.qk_rope_head_dim, hidden, count)
    yield Product("query up", heads * query, shape.q_lora_rank or hidden, count)
    yield Product("latent up", heads * (shape.qk_nope_head_dim + shape.v_head_dim), shape.kv_lora_rank, count)
    yield Product("out", hidden, heads * shape.v_head_dim, count)


def _feed(shape: ModelShape, mesh: Mesh) -> Iterator[Product]:
    hidden, tensor = shape.hidden, mesh.tensor
    dense = shape.dense_layers if shape.experts else shape.layers
    if dense:
        yield from _gated("", hidden, _share(shape.ffn, tensor), dense)
    if mixed := shape.layers - dense:
        width = _share(shape.moe_ffn, max(1, tensor // mesh.expert))
        yield Product("router", shape.experts, hidden, mixed, wide=True)
        yield from _gated("expert ", hidden, width, mixed, _share(shape.experts, mesh.expert))
        if shape.shared_experts:
            yield from _gated("shared ", hidden, _share(shape.shared_experts * shape.moe_ffn, tensor), mixed)


def _gated(name: str, hidden: int, width: int, count: int, experts: int = 0) -> Iterator[Product]:
    """SwiGLU (arXiv 2002.05202): two matrices in, multiplied at once, one out."""
    yield Product(f"{name}gate and up", 2 * width, hidden, count, experts)
    yield Product(f"{name}down", hidden, width, count, experts)


def _last(shape: ModelShape, tensor: int) -> Product:
    return Product("vocabulary", _share(shape.vocab, tensor), shape.hidden, 1, wide=True, last=True)
