"""What the CUDA backend needs of a GPU: memory, launches, graphs, time.

``cupy_runtime.CupyRuntime`` does it on a GPU; the tests' simulator does it on the CPU, with the same
kernels, so that everything above this contract runs without a GPU too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from benchsuite.model import Array, Buffers, Device, Launch, Source, Step


class Spent(NamedTuple):
    """Seconds that a batch took. device: between two events, on its own clock.

    host: by the host's clock, from the moment when the device may begin until its end is seen; ``waits``: of how
    many such waits that is the sum.
    """

    device: float
    host: float
    waits: int = 1


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

    def bus(self) -> str:
        """The address by which the GPU that computes is told from all others of its host."""

    def nccl(self) -> Any:
        """CuPy's binding to NCCL (``cupy.cuda.nccl``). Raises ``UnavailableError`` without the library."""

    def empty(self, shape: tuple[int, ...], storage: str, place: str) -> Array:
        """An uninitialised array of NumPy type ``storage``, aligned to 256 bytes at least."""

    def upload(self, array: Array, place: str) -> Array:
        """A copy of a host array."""

    def download(self, array: Array) -> Array:
        """A host copy, after everything enqueued has ended."""

    def fill(self, array: Array, byte: int) -> None:
        """Set every byte."""

    def address(self, array: Array) -> int:
        """Where the array begins, as a kernel or a vendor's library takes it."""

    def stream(self) -> int:
        """The current stream (cudaStream_t), on which a vendor's library is to enqueue."""

    def prepare(self, source: Source, launch: Launch, buffers: Buffers) -> Step:
        """Compile and load ``source`` (once) and return a step that enqueues ``launch`` on the current stream.

        Raises ``MeasureError`` with source, line and log when it does not compile or cannot be launched.
        """

    def copy(self, destination: Array, source: Array) -> Step:
        """A step that enqueues ``cudaMemcpyAsync(destination, source)`` on the current stream, direction by address.

        Equal sizes in bytes. Either may lie on this device, on a peer's, in pinned or in pageable
        memory; of pageable memory the call itself may wait for the device, so it must not be gated.
        """

    def together(self, steps: Sequence[Step]) -> Step:
        """The steps at the same time, as one step: each on a stream of its own.

        Those streams (made once, here) begin after what the current stream holds, and the current
        stream goes on after them: an event recorded before and waited for by each, one
        recorded on each and waited for by the current one. So the current stream's events time them all.
        """

    def beside(self, enqueue: Step) -> Step:
        """Enqueue on a stream beside the current one, where it begins after what that holds; at once.

        What is returned has the current stream wait for its end. What is begun so goes in the order in which it is.
        """

    def graph(self, steps: Sequence[Step]) -> Step:
        """The steps captured once, as one step that replays them."""

    def synchronize(self) -> None:
        """Return when everything enqueued has ended; ``MeasureError`` when the device reports an error."""

    def elapsed(self, steps: Sequence[Step], gated: bool) -> Spent:
        """What the device needs for the steps, back to back, from events on its own clock and by the host's.

        ``gated``: the device waits until they are enqueued, so that launch cost stays outside.
        """
