"""A decoder's operations in PyTorch, on whichever device its tensors lie: one step, and the small ones by themselves.

The step of a Llama-like model, kernel after kernel as PyTorch starts them, nothing compiled or captured. Products are
fused where servers fuse them: q, k and v in one, gate and up in another; what they write to, and every view, is made
once, when the step is bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchsuite.model import Case

EPSILON = 1e-5
Tensors = Mapping[str, Any]


def norm(x: Any, weight: Any) -> Any:
    """RMSNorm (Zhang & Sennrich, arXiv 1910.07467) over the last dimension."""
    from torch.nn.functional import rms_norm

    return rms_norm(x, (x.shape[-1],), weight, EPSILON)


def rope(x: Any, cos: Any, sin: Any) -> Any:
    """Rotary positions (Su et al., arXiv 2104.09864), halves paired; x [..., heads, dim], cos, sin [..., 1, dim/2]."""
    import torch

    low, high = x.chunk(2, dim=-1)
    return torch.cat((low * cos - high * sin, high * cos + low * sin), dim=-1)


def gate(both: Any) -> Any:
    """SwiGLU (Shazeer, arXiv 2002.05202): silu of the first half of the last dimension, times the second."""
    from torch.nn.functional import silu

    first, second = both.chunk(2, dim=-1)
    return silu(first) * second


class _Attention:
    """Rotation, cache and attention of one layer, over fixed places: ``mixed`` [sequence, token, head, dim]."""

    def __init__(self, tensors: Tensors, case: Case, layer: int, mixed: Any) -> None:
        _, new, _, dim = mixed.shape
        self._heads, kv_heads = case.integer("heads"), case.integer("kv_heads")
        self._turning = mixed[:, :, : self._heads + kv_heads]
        self._values_made = mixed[:, :, self._heads + kv_heads :].transpose(1, 2)
        self._keys, self._values = tensors["k"][layer], tensors["v"][layer]
        place = slice(self._keys.shape[2] - new, None)
        self._key_place, self._value_place = self._keys[:, :, place], self._values[:, :, place]
        self._cos, self._sin = (tensors[name][place].reshape(-1, 1, dim // 2) for name in ("cos", "sin"))
        self._causal, self._grouped = new > 1, self._heads != kv_heads

    def __call__(self) -> Any:
        """Attended values, one row a token."""
        from torch.nn.functional import scaled_dot_product_attention

        turned = rope(self._turning, self._cos, self._sin).transpose(1, 2)
        self._key_place.copy_(turned[:, self._heads :])
        self._value_place.copy_(self._values_made)
        query = turned[:, : self._heads]
        o = scaled_dot_product_attention(
            query, self._keys, self._values, is_causal=self._causal, enable_gqa=self._grouped
        )
        return o.transpose(1, 2).flatten(0, 1).flatten(1)


def step(tensors: Tensors, case: Case) -> Callable[[], None]:
    """One step: prefill of prompts, or decode of one token for each sequence of a cache whose last place it fills."""
    import torch

    t, (batch, new) = tensors, tensors["ids"].shape
    ids, last = t["ids"].flatten(), slice(new - 1, None, new)
    weights = {name: t[name].transpose(-1, -2).unbind() for name in ("qkv", "out", "up", "down")}
    head, norms = t["head"].t(), t["norms"].unbind()
    mixed, back, both = (t["head"].new_empty(ids.numel(), t[name].shape[1]) for name in ("qkv", "out", "up"))
    shared = mixed.view(batch, new, -1, case.integer("head_dim"))
    attend = [_Attention(t, case, layer, shared) for layer in range(case.integer("layers"))]

    def compute() -> None:
        with torch.inference_mode():
            x = t["embed"][ids]
            for layer, attended in enumerate(attend):
                torch.mm(norm(x, norms[2 * layer]), weights["qkv"][layer], out=mixed)
                torch.mm(attended(), weights["out"][layer], out=back)
                x = x + back
                torch.mm(norm(x, norms[2 * layer + 1]), weights["up"][layer], out=both)
                torch.mm(gate(both), weights["down"][layer], out=back)
                x = x + back
            torch.mm(norm(x[last], norms[-1]), head, out=t["logits"])

    return compute


def pointwise(tensors: Tensors, case: Case) -> Callable[[], None]:
    """A product of one row, a copy of ``x`` that lies in the cache as what a product wrote would, and the operation."""
    import torch

    t = tensors
    compute: Callable[[Any], Any] = {
        "none": lambda x: x,
        "norm": lambda x: norm(x, t["factor"]),
        "rope": lambda x: rope(x, t["cos"], t["sin"]),
        "gate": gate,
        "add": lambda x: x + x,
        "store": lambda x: x.transpose(0, 1).contiguous(),
    }[case.text("op")]

    def run() -> None:
        with torch.inference_mode():
            torch.mv(t["weight"], t["vector"], out=t["z"])
            t["y"].copy_(compute(t["x"].clone()))

    return run
