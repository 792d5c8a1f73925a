"""What executes on a rank: the contract of a backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from benchsuite.model import Array, Arrays, ArraySpec, Buffers, Case, Implementation, Step, World


class Backend(Protocol):
    """Holds the data and runs the steps of one rank."""

    name: str

    def capabilities(self) -> frozenset[str]:
        """What implementations may require of this backend."""

    def providers(self) -> dict[str, str]:
        """Name and version of each library that may compute: ``{"numpy": "OpenBLAS 0.3.31 (SkylakeX)"}``."""

    def cache_bytes(self) -> int:
        """Size of the last-level cache, which ``cold`` rotation must exceed."""

    def memory_bytes(self) -> int:
        """Memory that buffers may take in all."""

    def upload(self, arrays: Arrays) -> Buffers:
        """Copies of ``arrays`` where this backend computes, aligned for it."""

    def allocate(self, specs: Mapping[str, ArraySpec]) -> Buffers:
        """Fresh output buffers, poisoned so that a result never written is not mistaken for one."""

    def poison(self, buffers: Buffers) -> None:
        """Overwrite output buffers with NaN (floating) or a fixed odd pattern (integers)."""

    def download(self, buffers: Buffers) -> Mapping[str, Array]:
        """The buffers' contents as NumPy arrays on the host."""

    def bind(self, implementation: Implementation, buffers: Buffers, case: Case, world: World) -> Step:
        """A step that runs one iteration over these buffers; compiles and tunes here, untimed."""

    def timer(self) -> Callable[[], float]:
        """A monotonic clock in seconds; the backend's work is complete when it is read."""
