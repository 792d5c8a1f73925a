"""The gate: the device waits until the launches behind it are enqueued (``kernels/probe/gate.cu``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchsuite.backends.cuda.runtime import Spent
from benchsuite.errors import MeasureError
from benchsuite.model import Array, Source, Step

SOURCE = Source.of("probe/gate.cu")
PATIENCE = 1_000_000_000
"""Nanoseconds after which a gate opens by itself, so that no GPU is ever left waiting."""


class Gate:
    """Closes and opens. ``kernel``: the loaded function; ``words``: two of pinned memory, a flag each way."""

    def __init__(self, kernel: Any, words: Array, synchronize: Step) -> None:
        self._kernel, self._words = kernel, words
        self._words[...] = 0
        self._number = 0

        def idle() -> float:
            synchronize()
            return 0.0

        self.held(lambda: None, idle)  # once for nothing: what its first launch loads is never timed

    def held(self, enqueue: Step, read: Callable[[], float]) -> Spent:
        """Close the gate, ``enqueue`` behind it, open it; what ``read`` then says, which must wait for the device.

        The host's seconds begin when the gate is opened.

        Raises ``MeasureError`` when the gate had to open by itself.
        """
        self._number += 1
        address = self._words.ctypes.data
        numbers = np.uint64(address), np.uint32(self._number), np.uint64(address + 4), np.uint64(PATIENCE)
        self._kernel((1, 1, 1), (1, 1, 1), numbers)
        try:
            enqueue()
        finally:
            opened = time.perf_counter()
            self._words[0] = self._number
        seconds = read()
        host = time.perf_counter() - opened
        if self._words[1] == self._number:
            raise MeasureError(
                f"Launches took longer than {PATIENCE / 1e9:.0f} s to enqueue, so part of that would have been timed.",
                "A step that waits for the device while it is enqueued must be declared with gated=False.",
            )
        return Spent(seconds, host)
