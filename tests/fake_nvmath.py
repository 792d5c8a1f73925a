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
from benchsuite.model import Array

TYPES = {0: "fp32", 1: "fp64", 2: "fp16", 3: "int8", 10: "int32", 14: "bf16", 28: "e4m3"}
"""cudaDataType, as nvmath's CudaDataType numbers it."""


class Library:
    """One instance stands for the module; handles are places in ``made``."""

    def __init__(self) -> None:
        self.made: list[Any] = [None]
        self.algorithms_run: list[int] = []
        self.refuse: set[int] = set()
        self.states = (0, 0, 15)
        self.MatmulDescAttribute = SimpleNamespace(TRANSA=3)
        self.MatmulPreferenceAttribute = SimpleNamespace(MAX_WORKSPACE_BYTES=1)
        self.matmul_heuristic_result_dtype = np.dtype([("algo", "<u8", 8), ("state", "<i4"), ("rest", "<i4")])

    def _keep(self, value: Any) -> int:
        self.made.append(value)
        return len(self.made) - 1

    def create(self) -> int:
        return self._keep("handle")

    def matmul_desc_create(self, compute: str, scale: int) -> int:
        return self._keep({"compute": compute, "scale": scale, "TRANSA": 0})

    def get_matmul_desc_attribute_dtype(self, attribute: int) -> type:
        return np.int32

    def get_matmul_preference_attribute_dtype(self, attribute: int) -> type:
        return np.uint64

    def matmul_desc_set_attribute(self, operation: int, attribute: int, address: int, size: int) -> None:
        assert (attribute, size) == (3, 4)
        self.made[operation]["TRANSA"] = ctypes.c_int32.from_address(address).value

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
        handle, operation, _, a, a_form, b, b_form, _, c, c_form, d, d_form, algorithm, *rest = words
        assert self.made[handle] == "handle"
        assert len(rest) == 3
        index = (algorithm - self.first) // self.matmul_heuristic_result_dtype.itemsize
        self.algorithms_run.append(index)
        if index in self.refuse:
            raise RuntimeError("not supported")
        assert (c, c_form) == (d, d_form)
        left, right = self._read(a, a_form), self._read(b, b_form)
        if self.made[operation]["TRANSA"]:
            left = left.T
        target = self._view(d, d_form)
        target[...] = _stored(left @ right, self.made[d_form][0])

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
