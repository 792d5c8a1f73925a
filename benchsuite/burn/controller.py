"""A burn-in from its request to what is said of each device: a thread each, one journal, no waiting for the dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchsuite import __version__, identity, store
from benchsuite.burn import events
from benchsuite.burn.ledger import Ledger, Watch, unwatched
from benchsuite.burn.station import COMPILE, SETUP, Company, Request, Station, Surroundings
from benchsuite.errors import BenchsuiteError, UsageError
from benchsuite.execute import Stopper, Tireless
from benchsuite.journal import Journal
from benchsuite.model.acceptance import Burned, Subject
from benchsuite.protocol import encode

__all__ = ["Request", "Surroundings", "run"]

STUCK = 90.0
"""Seconds beyond the longest silence that is allowed, after which a device's thread itself counts as stuck."""
POLL = 0.1
ENDING = 15.0
"""Seconds in which devices get to end when all shall."""


def run(
    request: Request,
    stop: Stopper | None = None,
    watch: Watch = unwatched,
    surroundings: Surroundings | None = None,
) -> Mapping[Subject, Burned]:
    """Burn in all subjects at once; what is returned is what ``events.load(folder / "burn.jsonl")`` gives.

    A device that fails costs only itself. Holds no lock: the caller does. watch: is shown the board when it changed, by
    one thread at a time. Raises what ``stop.check`` raises, with the journal complete so far (its subjects then
    ended early: ``Burned.reason``); ``UsageError`` where the folder holds a burn-in already or nothing can be asked;
    ``MeasureError`` when the journal cannot be written.
    """
    _possible(request)
    path = store.prepare_folder(request.folder) / events.FILE
    if path.exists():
        raise UsageError(f"There is a burn-in in {request.folder} already.", "Choose another folder.")
    with Journal(path) as journal:
        ledger = Ledger(journal, request.subjects, request.seconds, watch)
        ledger.note("burn", **_told(request))
        for number, subject in enumerate(request.subjects):
            ledger.note("subject", number=number, subject=encode(subject).decode())
        _Burning(request, ledger, stop or Tireless(), surroundings or Surroundings()).run()
    return events.load(path)


def _possible(request: Request) -> None:
    """Raises ``UsageError`` for what makes no sense."""
    devices = [subject.device for subject in request.subjects]
    if not request.subjects or not 0.0 < request.seconds < float("inf"):
        raise UsageError("A burn-in needs a device and a time above zero.", "For example --minutes 30.")
    if len(set(devices)) != len(devices):
        raise UsageError("A device is named twice.", "Name each once.")
    if request.backend == "cuda" and None in devices:
        raise UsageError("A GPU's burn-in needs the GPU's number.", "For example --device 0.")
    if request.backend != "cuda" and devices != [None]:
        raise UsageError(f"The backend {request.backend!r} has no numbered devices.", "Leave --device out.")


def _told(request: Request) -> dict[str, object]:
    """The request for the record."""
    return {
        "asked": request.seconds,
        "backend": request.backend,
        "seed": request.seed,
        "loads": ",".join(request.loads),
        "version": __version__,
        "code": identity.code(),
        "command": request.command,
    }


@dataclass
class _Burning:
    """All devices under way. A thread is a daemon: one that a driver holds must not keep the program from ending."""

    request: Request
    ledger: Ledger
    stop: Stopper
    surroundings: Surroundings
    company: Company = field(default_factory=Company)
    ended: BaseException | None = None
    given_up: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Until every device is done, has failed for good, or is given up. Raises what ended it early."""
        threads = [
            threading.Thread(target=self._device, args=(number,), daemon=True, name=f"burn {subject.name}")
            for number, subject in enumerate(self.request.subjects)
        ]
        for thread in threads:
            thread.start()
        patience = ENDING
        while any(self._waits(number, thread) for number, thread in enumerate(threads)) and patience > 0.0:
            time.sleep(POLL)
            self._look()
            patience -= POLL if self.ended is not None else 0.0
        self.ended = self.ended or self.ledger.broken
        if self.ended is not None:
            for number in range(len(threads)):
                self.ledger.close(number)
            raise self.ended

    def _device(self, number: int) -> None:
        """A thread's whole life. What goes wrong in it, whatever it is, costs this device alone."""
        try:
            Station(
                self.request, number, self.ledger, self.surroundings, lambda: self._check(number), self.company
            ).run()
        except Exception as error:
            if self.ledger.broken is not None:
                return
            if self.ended is not None:
                self.ledger.stopped(number)
            elif number not in self.given_up:
                said = str(error) if isinstance(error, BenchsuiteError) else f"{type(error).__name__}: {error}"
                self.ledger.failed(number, said, final=True)

    def _look(self) -> None:
        """See whether all shall end: nothing can be kept any more, or somebody asked."""
        if self.ended is None:
            try:
                self.stop.check(measuring=False)
                self.ended = self.ledger.broken
            except BenchsuiteError as error:
                self.ended = error

    def _check(self, number: int) -> None:
        """Raise when this device must end."""
        if self.ended is not None or number in self.given_up:
            raise self.ended or _GivenUpError

    def _waits(self, number: int, thread: threading.Thread) -> bool:
        """Whether the device's thread goes on; one that itself is held for too long is given up."""
        if not thread.is_alive() or number in self.given_up:
            return False
        longest = max(self.request.patience, SETUP, COMPILE) + STUCK
        if time.monotonic() - self.ledger.heard[number] > longest:
            self.given_up.add(number)
            self.ledger.failed(number, "its process can be neither heard nor ended: the driver holds it", final=True)
            self.ledger.close(number)
            return False
        return True


class _GivenUpError(Exception):
    """Nobody waits for this device any more."""
