"""Arrays of NumPy (pinned and pageable memory) and of CuPy (a device's memory): where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchsuite.errors import MeasureError
from benchsuite.model import DEVICE, Array


def on_host(array: Any) -> bool:
    """Whether the array is NumPy's."""
    return isinstance(array, np.ndarray)


def where(array: Any) -> int:
    """The device that holds an array of CuPy."""
    return int(array.device.id)


def address(array: Any) -> int:
    """Where the array begins."""
    return int(array.ctypes.data if on_host(array) else array.data.ptr)


def from_device(array: Any) -> Array:
    """A host copy of an array of CuPy."""
    copy: Array = array.get()
    return copy


def number(place: str) -> int:
    """The device that a place names."""
    kind, _, text = place.partition(":")
    if kind != DEVICE or not (place == DEVICE or text.isdigit()):
        raise MeasureError(
            f"No buffer can lie in {place!r}.", "Places are device, device:1 and so on, pinned and pageable."
        )
    return int(text or 0)
