"""A decoder's step and its small operations by PyTorch on the processor, over NumPy's memory."""

from __future__ import annotations

from benchsuite.backends import decoder
from benchsuite.backends.host.tensors import tensors
from benchsuite.model import Buffers, Case, Step


def step(buffers: Buffers, case: Case, threads: int) -> Step:
    """One step of the benchmark ``transformer``."""
    return decoder.step(tensors(buffers, threads), case)


def pointwise(buffers: Buffers, case: Case, threads: int) -> Step:
    """One operation of the benchmark ``pointwise``."""
    return decoder.pointwise(tensors(buffers, threads), case)
