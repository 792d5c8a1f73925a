"""PyTorch as a peer: cuBLAS and cuDNN by another road, its fp8 and int8 products, and its fused attention.

Tensors are views of our buffers, nothing is copied. Attention has no way to write into a given place: its
result is copied there, which counts (1/(4 S) of the reads and writes that the arithmetic needs at sequence S).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchsuite.backends.cuda.runtime import Runtime
from benchsuite.errors import UnavailableError
from benchsuite.model import Buffers, Case, Step

VIEWS = {"bf16": ("int16", "bfloat16"), "e4m3": ("uint8", "float8_e4m3fn")}
"""Element types that NumPy lacks: the type their bits travel in, and PyTorch's own."""
RESULTS = {"e4m3": "bf16", "int8": "int32"}


def gemm(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """C = A B into the given buffer: ``mm``, ``_int_mm`` for int8, ``_scaled_mm`` with unit scales for fp8."""
    import torch

    dtype = case.text("dtype")
    torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
    a, b, c = (tensor(buffers[name], dtype if name != "c" else RESULTS.get(dtype, dtype)) for name in "abc")
    if case.text("layout") == "nt":
        b = b.t()
    match dtype:
        case "int8":
            return on_stream(runtime, lambda: torch._int_mm(a, b, out=c))
        case "e4m3":
            one = torch.ones((), device=a.device)
            if one.is_cuda:
                torch.cuda.synchronize()  # it was written on PyTorch's stream, which ours does not wait for
            return on_stream(runtime, lambda: torch._scaled_mm(a, b, one, one, out_dtype=c.dtype, out=c))
        case _:
            return on_stream(runtime, lambda: torch.mm(a, b, out=c))


def flash(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """FlashAttention as PyTorch carries it."""
    return _attention(buffers, case, runtime, "FLASH_ATTENTION")


def cudnn(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """cuDNN's fused attention."""
    return _attention(buffers, case, runtime, "CUDNN_ATTENTION")


def best(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """Whichever fused attention PyTorch chooses."""
    return _attention(buffers, case, runtime, "")


def decode(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """One query of each sequence against its whole cache, by whichever kernel PyTorch chooses."""
    import torch

    q, k, v, o = (tensor(buffers[name], case.text("dtype")) for name in "qkvo")
    grouped, attend = q.shape[1] != k.shape[1], torch.nn.functional.scaled_dot_product_attention
    return on_stream(runtime, lambda: o[:, :, None].copy_(attend(q[:, :, None], k, v, enable_gqa=grouped)))


def _attention(buffers: Buffers, case: Case, runtime: Runtime, backend: str) -> Step:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    q, k, v, o = (tensor(buffers[name], case.text("dtype")) for name in "qkvo")
    grouped, causal = q.shape[1] != k.shape[1], case.flag("causal")
    attend = torch.nn.functional.scaled_dot_product_attention

    def compute() -> None:
        o.copy_(attend(q, k, v, is_causal=causal, enable_gqa=grouped))

    def chosen() -> None:
        with sdpa_kernel(getattr(SDPBackend, backend)):
            compute()

    step = on_stream(runtime, chosen if backend else compute)
    try:
        step()
    except RuntimeError as error:  # this shape is not one that the backend serves
        raise UnavailableError(f"PyTorch's {backend or 'attention'} does not serve this case: {error}.") from error
    return step


def tensor(array: Any, dtype: str) -> Any:
    """A tensor over the same memory."""
    import torch

    if dtype not in VIEWS:
        return torch.as_tensor(array)
    carrier, own = VIEWS[dtype]
    return torch.as_tensor(array.view(carrier)).view(getattr(torch, own))


def on_stream(runtime: Runtime, compute: Callable[[], object]) -> Step:
    """A step that runs ``compute`` on our stream instead of PyTorch's; on a processor there is none."""
    import torch

    if not torch.cuda.is_available():
        return lambda: (compute(), None)[1]

    def step() -> None:
        with torch.cuda.stream(torch.cuda.ExternalStream(runtime.stream())):
            compute()

    return step
