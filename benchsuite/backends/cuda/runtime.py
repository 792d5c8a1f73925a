"""What the CUDA backend needs of a GPU: memory, launches, graphs, time.

``cupy_runtime.CupyRuntime`` does it on a GPU; the tests' simulator does it on the CPU, with the same
kernels, so that everything above this contract runs without a GPU too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from benchsuite.model import Array, Buffers, Device, Launch, Source, Step


class Runtime(Protocol):
    """One GPU and its peers, as one rank sees them. Places are those of ``model.cuda``."""

    def device(self) -> Device:
        """The GPU that computes."""

    def capabilities(self) -> frozenset[str]:
        """``cuda``, the architecture, and the vendor libraries that can be used (``cublas``, ``cublaslt``, …)."""

    def providers(self) -> dict[str, str]:
        """Versions of driver, compiler, CuPy and the vendor libraries."""

    def free_memory(self) -> int:
        """Bytes of device memory that may be allocated."""

    def empty(self, shape: tuple[int, ...], storage: str, place: str) -> Array:
        """An uninitialised array of NumPy type ``storage``, aligned to 256 bytes at least."""

    def upload(self, array: Array, place: str) -> Array:
        """A copy of a host array."""

    def download(self, array: Array) -> Array:
        """A host copy, after everything enqueued has ended."""

    def fill(self, array: Array, byte: int) -> None:
        """Set every byte."""

    def prepare(self, source: Source, launch: Launch, buffers: Buffers) -> Step:
        """Compile and load ``source`` (once) and return a step that enqueues ``launch`` on the current stream.

        Raises ``MeasureError`` with source, line and log when it does not compile or cannot be launched.
        """

    def graph(self, steps: Sequence[Step]) -> Step:
        """The steps captured once, as one step that replays them."""

    def synchronize(self) -> None:
        """Return when everything enqueued has ended; ``MeasureError`` when the device reports an error."""

    def elapsed(self, steps: Sequence[Step], gated: bool) -> float:
        """Seconds the device needs for the steps, back to back, from events on its own clock.

        ``gated``: the device waits until they are enqueued, so that launch cost stays outside.
        """
