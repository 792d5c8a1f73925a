"""Tensor maps: 128 bytes, passed by value, that tell the copy engine of sm_90 and later what a tile is.

CUDA driver API, "Tensor Map Object Management": cuTensorMapEncodeTiled.
"""

from __future__ import annotations

import ctypes
import itertools
from operator import mul
from typing import Any

import numpy as np

from benchsuite import units
from benchsuite.errors import MeasureError
from benchsuite.model import Array, TensorMap

BYTES = 128
_KINDS = {
    "fp64": "FLOAT64",
    "fp32": "FLOAT32",
    "tf32": "FLOAT32",  # its bits are copied unchanged; the tensor cores read the leading 19 of them
    "bf16": "BFLOAT16",
    "fp16": "FLOAT16",
    "e4m3": "UINT8",
    "int8": "UINT8",
    "uint8": "UINT8",
    "int32": "INT32",
    "uint32": "UINT32",
    "int64": "INT64",
    "uint64": "UINT64",
}
"""Names of CUtensorMapDataType."""


def encode(spec: TensorMap, address: int, driver: Any) -> Array:
    """The map of ``spec`` over the buffer at ``address``: one element of 128 bytes, aligned to 128.

    ``driver``: the module ``cuda.bindings.driver``. An array of one element is what CuPy hands to a
    kernel by value. Raises ``MeasureError`` when the driver refuses the map.
    """
    swizzle = f"CU_TENSOR_MAP_SWIZZLE_{f'{spec.swizzle}B' if spec.swizzle else 'NONE'}"
    status, made = driver.cuTensorMapEncodeTiled(
        getattr(driver.CUtensorMapDataType, f"CU_TENSOR_MAP_DATA_TYPE_{_KINDS[spec.dtype]}"),
        len(spec.shape),
        address,
        [driver.cuuint64_t(size) for size in spec.shape],
        [driver.cuuint64_t(stride) for stride in strides(spec)],
        [driver.cuuint32_t(size) for size in spec.box],
        [driver.cuuint32_t(1) for _ in spec.box],
        driver.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE,
        getattr(driver.CUtensorMapSwizzle, swizzle),
        driver.CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
        driver.CUtensorMapFloatOOBfill.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
    )
    if int(status) != 0:
        raise MeasureError(
            f"The driver refuses a tensor map of {spec.dtype} {spec.shape} in boxes of {spec.box}, swizzled by "
            f"{spec.swizzle} bytes ({getattr(status, 'name', status)}).",
            "Rows must be multiples of 16 bytes, boxes at most 256 a side and no wider than the swizzle.",
        )
    space = np.empty(2 * BYTES, np.uint8)
    start = -space.ctypes.data % BYTES
    aligned = space[start : start + BYTES]
    ctypes.memmove(aligned.ctypes.data, int(made.getPtr()), BYTES)
    return aligned.view(f"V{BYTES}")


def strides(spec: TensorMap) -> list[int]:
    """Bytes from one index to the next of every dimension but the innermost; rows lie close together."""
    item = units.dtype(spec.dtype).bytes
    return [item * elements for elements in itertools.accumulate(spec.shape[:-1], mul)]
