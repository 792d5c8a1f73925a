"""A decoder's step and its small operations by PyTorch on the GPU, over our buffers and on our stream."""

from __future__ import annotations

from typing import Any

from benchsuite.backends import decoder
from benchsuite.backends.cuda.pytorch import on_stream, tensor
from benchsuite.backends.cuda.runtime import Runtime
from benchsuite.model import Buffers, Case, Step

FIXED = {"ids": "int64", "weight": "fp32", "vector": "fp32", "z": "fp32"}
"""Buffers whose element type is not the case's."""


def step(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """One step of the benchmark ``transformer``."""
    return on_stream(runtime, decoder.step(_tensors(buffers, case), case))


def pointwise(buffers: Buffers, case: Case, runtime: Runtime) -> Step:
    """One operation of the benchmark ``pointwise``."""
    return on_stream(runtime, decoder.pointwise(_tensors(buffers, case), case))


def _tensors(buffers: Buffers, case: Case) -> dict[str, Any]:
    dtype = case.text("dtype")
    return {name: tensor(array, FIXED.get(name, dtype)) for name, array in buffers.items()}
