"""What executes on a rank: the contract of a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

from benchsuite.model import Array, Arrays, ArraySpec, Buffers, Case, Caveat, Device, Implementation, Step, World

HOME: Mapping[str, str] = MappingProxyType({})
"""Every buffer lies where the backend computes: no places are asked for (``Benchmark.places``)."""


class Elapsed(NamedTuple):
    """What a batch took: ``seconds`` by the clock nearest to the work.

    host: by the host's clock, for the same work and from the same moment, less what that takes for no work at
    all; ``None`` where there is no second clock.
    """

    seconds: float
    host: float | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What a backend offers here, as planning must know it before any worker is started.

    cache, memory: as ``Backend.cache_bytes`` and ``memory_bytes``. device: the GPU that is measured,
    ``None`` without one. facts: for the record, name and short text. caveats: what every result
    measured here must carry. environment: variables that let a worker see the same device. bus: the
    PCI address by which the GPU's sensors are found, empty without a GPU.
    """

    capabilities: frozenset[str]
    cache: int
    memory: int
    device: Device | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    caveats: tuple[Caveat, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    bus: str = ""


class Link(Protocol):
    """What moves data between the ranks' devices, opened."""

    @property
    def facts(self) -> Mapping[str, str]:
        """For the record."""

    def provider(self, case: Case) -> str:
        """The library's version, with what it chose for this case where it told."""

    def caveats(self, case: Case) -> tuple[Caveat, ...]:
        """What a result of this case must carry."""


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

    def upload(self, arrays: Arrays, places: Mapping[str, str] = HOME) -> Buffers:
        """Copies of ``arrays`` where this backend computes, aligned for it; ``places`` names exceptions."""

    def allocate(self, specs: Mapping[str, ArraySpec], places: Mapping[str, str] = HOME) -> Buffers:
        """Fresh output buffers, poisoned so that a result never written is not mistaken for one."""

    def poison(self, buffers: Buffers) -> None:
        """Overwrite output buffers with NaN (floating) or a fixed odd pattern (integers)."""

    def download(self, buffers: Buffers) -> Mapping[str, Array]:
        """The buffers' contents as NumPy arrays on the host."""

    def joined(self, world: World, libraries: Iterable[str]) -> AbstractContextManager[Mapping[str, Link]]:
        """Within it these libraries (``CollectiveCall.over``) move data between the devices of the ranks of ``world``.

        Every rank calls it, before anything is bound that needs one of them.
        """

    def bind(
        self,
        implementation: Implementation,
        buffers: Buffers,
        case: Case,
        world: World,
        places: Mapping[str, str] = HOME,
    ) -> Step:
        """A step that runs one iteration over these buffers; compiles and tunes here, untimed.

        ``places`` also says where scratch lies. ``UnavailableError`` when it cannot run here at all.
        """

    def timer(self) -> Callable[[], float]:
        """A monotonic clock in seconds; the backend's work is complete when it is read."""

    def elapsed(self, steps: Sequence[Step]) -> Elapsed:
        """What the steps take, back to back; ``MeasureError`` when a clock claims what cannot be."""
