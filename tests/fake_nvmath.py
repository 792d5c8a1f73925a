"""cuBLASLt's bindings as far as we call them, computing for real: column-major matrices at host addresses.

Argument orders and names are those of nvmath-python 1.0's ``nvmath.bindings.cublasLt``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchsuite import units
from benchsuite.benchmarks import _gemm_formats as formats
from benchsuite.model import Array

TYPES = {0: "fp32", 1: "fp64", 2: "fp16", 3: "int8", 10: "int32", 14: "bf16", 28: "e4m3", 33: "e2m1"}
"""cudaDataType, as nvmath's CudaDataType numbers it."""


class Library:
    """One instance stands for the module; handles are places in ``made``."""

    def __init__(self) -> None:
        self.made: list[Any] = [None]
        self.algorithms_run: list[int] = []
        self.refuse: set[int] = set()
        self.states = (0, 0, 15)
        self.MatmulDescAttribute = SimpleNamespace(
            TRANSA=3, A_SCALE_POINTER=17, B_SCALE_POINTER=18, A_SCALE_MODE=31, B_SCALE_MODE=32
        )
        self.MatmulMatrixScale = SimpleNamespace(VEC16_UE4M3=1, VEC32_UE8M0=2)
        self.MatmulPreferenceAttribute = SimpleNamespace(MAX_WORKSPACE_BYTES=1)
        self.matmul_heuristic_result_dtype = np.dtype([("algo", "<u8", 8), ("state", "<i4"), ("rest", "<i4")])

    def _keep(self, value: Any) -> int:
        self.made.append(value)
        return len(self.made) - 1

    def create(self) -> int:
        return self._keep("handle")

    def matmul_desc_create(self, compute: str, scale: int) -> int:
        return self._keep({"compute": compute, "scale": scale, 3: 0})

    def get_matmul_desc_attribute_dtype(self, attribute: int) -> type:
        return np.uint64 if attribute in {17, 18} else np.int32

    def get_matmul_preference_attribute_dtype(self, attribute: int) -> type:
        return np.uint64

    def matmul_desc_set_attribute(self, operation: int, attribute: int, address: int, size: int) -> None:
        kind = ctypes.c_uint64 if attribute in {17, 18} else ctypes.c_int32
        assert size == ctypes.sizeof(kind)
        self.made[operation][attribute] = kind.from_address(address).value

    def matrix_layout_create(self, kind: int, rows: int, columns: int, leading: int) -> int:
        return self._keep((TYPES[kind], rows, columns, leading))

    def matmul_preference_create(self) -> int:
        return self._keep({})

    def matmul_preference_set_attribute(self, preference: int, attribute: int, address: int, size: int) -> None:
        self.made[preference]["workspace"] = ctypes.c_uint64.from_address(address).value

    def matmul_preference_destroy(self, preference: int) -> None:
        self.made[preference] = None

    def MatmulHeuristicResult(self, size: int) -> Any:  # noqa: N802
        array = np.zeros(size, self.matmul_heuristic_result_dtype)
        return SimpleNamespace(array=array, ptr=array.ctypes.data, state=array["state"])

    def matmul_algo_get_heuristic(self, *words: int) -> None:
        _, _, _, _, _, _, preference, asked, results, count = words
        assert self.made[preference]["workspace"] > 0
        assert len(self.states) <= asked
        step = self.matmul_heuristic_result_dtype.itemsize
        for i, state in enumerate(self.states):
            ctypes.c_int32.from_address(results + i * step + 64).value = state
        ctypes.c_int32.from_address(count).value = len(self.states)
        self.first = results

    def matmul(self, *words: int) -> None:
        handle, operation, alpha, a, a_form, b, b_form, _, c, c_form, d, d_form, algorithm, *rest = words
        assert self.made[handle] == "handle"
        assert len(rest) == 3
        index = (algorithm - self.first) // self.matmul_heuristic_result_dtype.itemsize
        self.algorithms_run.append(index)
        if index in self.refuse:
            raise RuntimeError("not supported")
        assert (c, c_form) == (d, d_form)
        told = self.made[operation]
        if 31 in told:
            factor = ctypes.c_float.from_address(alpha).value
            left = self._blocked(a, a_form, told[31], told[17]) * factor
            right = self._blocked(b, b_form, told[32], told[18])
        else:
            left, right = self._read(a, a_form), self._read(b, b_form)
        if told[3]:
            left = left.T
        target = self._view(d, d_form)
        target[...] = _stored(left @ right, self.made[d_form][0])

    def _blocked(self, address: int, form: int, mode: int, scales: int) -> Array:
        """A column-major matrix (k, columns) whose blocks of k share scales, in cuBLAS' layout."""
        kind, k, columns, leading = self.made[form]
        name = {1: "nvfp4", 2: "mxfp8"}[mode]
        assert (kind, leading) == ({"nvfp4": "e2m1", "mxfp8": "e4m3"}[name], k)
        bytes_of_k, groups = k * formats.FORMATS[name].bits // 8, -(-k // (4 * formats.FORMATS[name].block))
        shapes = (address, (columns, bytes_of_k)), (scales, (-(-columns // 128), 512 * groups))
        elements, laid = (
            np.frombuffer((ctypes.c_uint8 * (size[0] * size[1])).from_address(at), np.uint8).reshape(size)
            for at, size in shapes
        )
        return formats.rows_of(elements, laid, name, slice(None)).T

    def _view(self, address: int, form: int) -> Array:
        """A column-major matrix in memory."""
        name, rows, columns, leading = self.made[form]
        dtype = np.dtype(units.dtype(name).storage)
        raw = (ctypes.c_uint8 * (leading * columns * dtype.itemsize)).from_address(address)
        return np.frombuffer(raw, dtype).reshape(columns, leading).T[:rows]

    def _read(self, address: int, form: int) -> Array:
        return units.as_float(self._view(address, form), self.made[form][0]).astype(np.float64)


def _stored(values: Array, name: str) -> Array:
    if name == "bf16":
        return units.to_bf16(values.astype(np.float32))
    return values.astype(units.dtype(name).storage)


@contextmanager
def installed(library: Library, patch: pytest.MonkeyPatch) -> Iterator[Library]:
    """The library in place of nvmath's."""
    root, bindings = ModuleType("nvmath"), ModuleType("nvmath.bindings")
    computes = ("64F", "32F", "32F_FAST_TF32", "32I")
    cublas = SimpleNamespace(
        ComputeType=SimpleNamespace(**{f"COMPUTE_{name}": name for name in computes}), Operation=SimpleNamespace(T=1)
    )
    root.__dict__.update(bindings=bindings)
    bindings.__dict__.update(cublas=cublas, cublasLt=library)
    patch.setitem(__import__("sys").modules, "nvmath", root)
    patch.setitem(__import__("sys").modules, "nvmath.bindings", bindings)
    yield library
