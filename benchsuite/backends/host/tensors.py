"""NumPy's memory as PyTorch's tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchsuite.model import Array, Buffers


def tensor(array: Array) -> Any:
    """The array's memory as a tensor; uint16 is bfloat16 here."""
    import torch

    if array.dtype == np.uint16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def tensors(buffers: Buffers, threads: int) -> dict[str, Any]:
    """Each buffer as a tensor; PyTorch computes with ``threads`` from now on."""
    import torch

    torch.set_num_threads(threads)
    return {name: tensor(array) for name, array in buffers.items()}
