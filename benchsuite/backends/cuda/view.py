"""A piece of a device's memory, as a collective's algorithm cuts and fills it: by addresses, with the driver's copies.

CuPy's own slices would do, but what is assigned to them is written by kernels that CuPy compiles when first needed,
with headers that not every machine has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType, SimpleNamespace
from typing import Any

import numpy as np

from benchsuite.backends.cuda import arrays
from benchsuite.backends.cuda.runtime import Runtime
from benchsuite.model import DEVICE, Array


@dataclass(frozen=True)
class View:
    """``size`` elements of type ``dtype`` from address ``start`` on, of the array ``base``, which lives as long."""

    runtime: Runtime
    base: Any
    dtype: np.dtype[Any]
    start: int
    size: int

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all."""
        return self.size * self.dtype.itemsize

    @property
    def shape(self) -> tuple[int]:
        """One dimension."""
        return (self.size,)

    @cached_property
    def data(self) -> Any:
        """Where it begins, as CuPy's arrays tell it."""
        return SimpleNamespace(ptr=self.start)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """As numba's documentation, "CUDA Array Interface (Version 3)", has it: what MPI is given."""
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.start, False), "version": 3}

    def __getitem__(self, key: slice | EllipsisType | int) -> View:
        low, high = self._bounds(key)
        return View(self.runtime, self.base, self.dtype, self.start + low * self.itemsize, high - low)

    def __setitem__(self, key: slice | EllipsisType | int, value: Any) -> None:
        target: Any = self[key]
        source: Any = value
        if not isinstance(value, View):
            source = self.runtime.upload(np.full(target.size, value, self.dtype), DEVICE)
        if target.size:
            self.runtime.copy(target, source)()

    def _bounds(self, key: slice | EllipsisType | int) -> tuple[int, int]:
        if isinstance(key, slice):
            low, high, stride = key.indices(self.size)
            if stride != 1:
                raise ValueError("only adjacent elements of device memory can be cut out")
            return low, max(low, high)
        if key is ...:
            return 0, self.size
        number = range(self.size)[key]
        return number, number + 1


def view(runtime: Runtime, array: Array) -> Array:
    """All of an array in device memory; one in host memory is its own view."""
    if arrays.on_host(array):
        return array
    made: Any = View(runtime, array, np.dtype(array.dtype), arrays.address(array), int(np.prod(array.shape)))
    whole: Array = made
    return whole
