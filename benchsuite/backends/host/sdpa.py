"""PyTorch's scaled_dot_product_attention as a peer of our attention kernels."""

from __future__ import annotations

from typing import Any

from benchsuite.backends.host.tensors import tensors
from benchsuite.model import Buffers, Case, Step


def prefill(buffers: Buffers, case: Case, threads: int) -> Step:
    """Prefill; q, o [B, H, S, D], k, v [B, KV heads, S, D]."""
    q, k, v, o = (tensors(buffers, threads)[name] for name in "qkvo")
    return _step(q, k, v, o, causal=case.flag("causal"), grouped=q.shape[1] != k.shape[1])


def decode(buffers: Buffers, case: Case, threads: int) -> Step:
    """Decode; q, o [B, H, D], k, v [B, KV heads, context, D]."""
    q, k, v, o = (tensors(buffers, threads)[name] for name in "qkvo")
    return _step(q[:, :, None], k, v, o[:, :, None], causal=False, grouped=q.shape[1] != k.shape[1])


def _step(q: Any, k: Any, v: Any, o: Any, *, causal: bool, grouped: bool) -> Step:
    import torch

    attention = torch.nn.functional.scaled_dot_product_attention

    def step() -> None:
        with torch.inference_mode():
            o.copy_(attention(q, k, v, is_causal=causal, enable_gqa=grouped))

    return step
