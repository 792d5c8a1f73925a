"""How ranks talk, as benchmarks and the framework see it: the contract of a world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Wait = Callable[[], None]
"""Returns when what was started has ended."""


class LocalOps(Protocol):
    """The local steps of a collective, supplied by the backend that holds the data.

    segment: bytes of the largest message worth sending at once, where the algorithm may choose.
    """

    segment: int

    def add_into(self, destination: Array, source: Array) -> None:
        """``destination += source``, element by element."""


class World(Protocol):
    """How ranks talk. Implemented by ``world.solo``, ``world.threads`` and ``world.mpi``.

    Arrays are contiguous and one-dimensional; the same operation is called on every rank with equal types and
    lengths (``alltoallv`` and point-to-point excepted). n is the number of ranks. Lengths that do not fit each
    other on one rank are refused there; lengths that differ between ranks are nobody's to notice.
    """

    name: str
    rank: int
    size: int
    host: str
    """The node this rank runs on, as its scheduler or its kernel calls it."""
    local_rank: int
    """This rank's number among those of its host, from 0."""
    local_size: int
    """How many ranks share this host."""

    def barrier(self) -> None:
        """Return when every rank has called it."""

    def share(self, value: Any) -> list[Any]:
        """Every rank's ``value`` in rank order; for small control data, not for timing."""

    def send(self, buffer: Array, to: int) -> None:
        """One message to rank ``to``; returns when ``buffer`` may be changed."""

    def receive(self, buffer: Array, source: int) -> None:
        """One message from rank ``source`` into ``buffer``."""

    def arrived(self, source: int) -> bool:
        """Whether a message from rank ``source`` is here or under way, so that ``receive`` would not wait idly."""

    def sendrecv(self, send: Array, to: int, receive: Array, source: int) -> None:
        """Send ``send`` to rank ``to`` while receiving ``receive`` from rank ``source``."""

    def allreduce(self, send: Array, receive: Array) -> None:
        """``receive`` = sum of every rank's ``send``, by the library's own algorithm; in place if they are one."""

    def start_allreduce(self, send: Array, receive: Array) -> Wait:
        """Begin ``allreduce`` and return at once what waits for its end; buffers are not touched until then."""

    def allgather(self, send: Array, receive: Array) -> None:
        """``receive`` = every rank's ``send``, one after the other; in place if ``send`` is this rank's part of it."""

    def reduce_scatter(self, send: Array, receive: Array) -> None:
        """``receive`` = this rank's n-th part of the sum of every rank's ``send``.

        In place if ``receive`` is the first part of ``send`` in memory (MPI's rule for MPI_IN_PLACE).
        """

    def alltoall(self, send: Array, receive: Array) -> None:
        """The r-th n-th of ``send`` goes to rank r, and what rank r sent here becomes the r-th n-th of ``receive``."""

    def alltoallv(self, send: Array, send_counts: Sequence[int], receive: Array, receive_counts: Sequence[int]) -> None:
        """``alltoall`` with so many elements to and from each rank, each rank's after the one before."""

    def broadcast(self, buffer: Array, root: int) -> None:
        """Every rank's ``buffer`` becomes that of ``root``."""

    def subset(self, ranks: Sequence[int]) -> World | None:
        """A world of these ranks in this order, to them; ``None`` to a rank that is not among those it names.

        Every rank calls it, and each may name its own group: groups that share no rank arise at once, and
        ``subset([rank])`` gives every rank a world of its own. What it holds is given back when it is dropped.
        """

    def facts(self) -> dict[str, str]:
        """Library, version and transport, for the record."""

    def abort(self, code: int) -> None:
        """End every rank of this world at once."""
