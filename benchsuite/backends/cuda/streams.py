"""One stream a device, and how launches on several devices are ordered.

Every device used has one non-blocking stream, current on its device, so that whatever a vendor's
library enqueues goes where our launches go. Successive launches on different devices run at the
same time; a device's next launch begins when all that were before it have ended, on every device. So
``(device 0, device 1, device 0, device 1)`` is two rounds with a meeting between them, and kernels of
one round may wait for each other. Launches on one device alone are ordered by its stream.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import UnavailableError
from benchsuite.model import Step


@dataclass(frozen=True, slots=True)
class Part:
    """Something to enqueue, and the devices it runs on."""

    enqueue: Step
    devices: frozenset[int]

    def __call__(self) -> None:
        """Enqueue it."""
        self.enqueue()


def devices(steps: Iterable[Step]) -> frozenset[int]:
    """All devices that these run on, as far as they tell."""
    return frozenset().union(*(step.devices for step in steps if isinstance(step, Part)))


class Streams:
    """The devices of one process, opened when first named. ``count``: how many can be seen."""

    def __init__(self, cuda: Any, count: int) -> None:
        """``cuda``: the module ``cupy.cuda``."""
        self._cuda, self._count = cuda, count
        self._streams: dict[int, Any] = {}
        self._marks: dict[int, Any] = {}
        self._round: set[int] = set()
        self._beside: Any = None
        self.open(0)

    def __getitem__(self, number: int) -> Any:
        """The stream of an open device."""
        return self._streams[number]

    @property
    def several(self) -> bool:
        """Whether more than one device is in use."""
        return len(self._streams) > 1

    def open(self, number: int) -> None:
        """Give a device its stream; it and every device opened before can then reach each other's memory.

        Raises ``UnavailableError`` where that is impossible.
        """
        if number in self._streams:
            return
        if number >= self._count:
            raise UnavailableError(f"GPU {number} is needed, but only {self._count} can be seen.", "See nvidia-smi -L.")
        for known in self._streams:
            self._enable(known, number)
            self._enable(number, known)
        with self._cuda.Device(number):
            stream = self._cuda.Stream(non_blocking=True)
            stream.use()
            self._marks[number] = self._cuda.Event(disable_timing=True)
        self._streams[number] = stream

    def on(self, number: int) -> AbstractContextManager[Any]:
        """This device, opened and current."""
        self.open(number)
        device: AbstractContextManager[Any] = self._cuda.Device(number)
        return device

    def reaches(self, one: int, other: int) -> bool:
        """Whether ``one`` can access the memory of ``other``."""
        return bool(self._cuda.runtime.deviceCanAccessPeer(one, other))

    def synchronize(self) -> None:
        """Return when everything enqueued on every device has ended."""
        for stream in self._streams.values():
            stream.synchronize()

    def take_turn(self, number: int) -> None:
        """Called before a launch on ``number``: begins a new round if it has launched in this one, and others too."""
        if number not in self._round:
            self._round.add(number)
            return
        if len(self._round) > 1:
            for one in sorted(self._round):
                self._marks[one].record(self._streams[one])
            for one, other in itertools.permutations(sorted(self._round), 2):
                self._streams[one].wait_event(self._marks[other])
        self._round = {number}

    def fork(self, others: Iterable[int]) -> None:
        """The others begin after what device 0 was given so far."""
        self._round = set()
        waiting = sorted(others)
        if waiting:
            self._marks[0].record(self._streams[0])
        for number in waiting:
            self._streams[number].wait_event(self._marks[0])

    def join(self, others: Iterable[int]) -> None:
        """Device 0 goes on after what the others were given."""
        for number in sorted(others):
            self._marks[number].record(self._streams[number])
            self._streams[0].wait_event(self._marks[number])
        self._round = set()

    @contextmanager
    def current(self, stream: Any) -> Iterator[None]:
        """Within it, ``stream`` of device 0 takes what is enqueued; after it, device 0's own does again.

        CuPy's own ``with stream`` would leave the legacy stream current: it knows nothing of ``use()`` before it.
        """
        stream.use()
        try:
            yield
        finally:
            self._streams[0].use()

    def lane(self) -> tuple[Any, Any]:
        """A further stream of device 0, and the event that marks its end."""
        return self._cuda.Stream(non_blocking=True), self._cuda.Event(disable_timing=True)

    def beside(self, enqueue: Step) -> Step:
        """Enqueue on the one further stream kept for this, after what device 0 was given; what makes that wait for it.

        The stream that is current may be a lane of its own; then that is what begins and waits.
        """
        if self._beside is None:
            self._beside = self.lane()[0]
        current = self._cuda.get_current_stream()
        begin, end = (self._cuda.Event(disable_timing=True) for _ in range(2))
        begin.record(current)
        self._beside.wait_event(begin)
        with self.current(self._beside):
            enqueue()
        end.record(self._beside)
        return lambda: self._cuda.get_current_stream().wait_event(end)

    @contextmanager
    def lanes(self, lanes: Sequence[tuple[Any, Any]]) -> Iterator[list[Any]]:
        """The lanes' streams, which begin after what device 0 was given and which it waits for afterwards."""
        self._marks[0].record(self._streams[0])
        for stream, _ in lanes:
            stream.wait_event(self._marks[0])
        yield [stream for stream, _ in lanes]
        for stream, end in lanes:
            end.record(stream)
            self._streams[0].wait_event(end)

    def _enable(self, one: int, other: int) -> None:
        if not self.reaches(one, other):
            raise UnavailableError(
                f"GPU {one} cannot reach the memory of GPU {other}.",
                "It takes NVLink or peer access over PCIe (nvidia-smi topo -p2p r); virtual machines often lack it.",
            )
        with self._cuda.Device(one):
            try:
                self._cuda.runtime.deviceEnablePeerAccess(other)
            except self._cuda.runtime.CUDARuntimeError as error:
                if "AlreadyEnabled" not in str(error):
                    raise
