"""``burn``: every device under load at once, with a dashboard, and what came of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from benchsuite import backends, campaign, identity, store
from benchsuite.backends.base import Description
from benchsuite.burn import controller, events, loads, verdict
from benchsuite.burn.controller import Request, Surroundings
from benchsuite.errors import UnavailableError, UsageError
from benchsuite.interrupt import InterruptedRunError, TerminatedError, stoppable
from benchsuite.machine import pci
from benchsuite.model.acceptance import Burned, Subject
from benchsuite.reading import printable
from benchsuite.render import burn as terminal
from benchsuite.world.place import host_name

Found = Mapping[int | None, Description | UnavailableError]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for. seconds: under load; devices: numbers of GPUs, none for all of them."""

    seconds: float
    backend: str = "auto"
    devices: tuple[int, ...] = ()
    loads: str = ",".join(loads.NAMES)
    seed: int | None = None
    out: Path = Path("runs")
    wait: float = 0.0

    def command(self, backend: str, seed: int) -> str:
        """The command that repeats this burn-in, without anything that names this machine."""
        words = ["benchsuite burn", f"--minutes {self.seconds / 60.0:g}", f"--backend {backend}"]
        return " ".join([*words, *(f"--device {n}" for n in self.devices), f"--phases {self.loads}", f"--seed {seed}"])


def run(asked: Asked, *, as_json: bool) -> int:
    """Burn in and print what came of it. Returns the exit code; what was found is shown even when it ends early."""
    names = loads.parsed(asked.loads)
    store.prepare_folder(asked.out)
    backend, found, why = settle(asked.backend, asked.devices)
    seed = asked.seed if asked.seed is not None else int.from_bytes(os.urandom(4), "big")
    subjects = tuple(Subject(host_name(), number, _pseudonym(backend, number, one)) for number, one in found.items())
    folder, command = asked.out / store.new_id("burn"), asked.command(backend, seed)
    request = Request(subjects, asked.seconds, folder, backend, names, seed, command=command)
    print(f"{terminal.beginning(request)}{why}", file=sys.stderr)
    with _alone(backend, found, asked.wait), stoppable("") as stop:
        try:
            with terminal.watcher(sys.stderr) as watch:
                controller.run(request, stop, watch, Surroundings(describe=lambda _, number: _described(found[number])))
        except (InterruptedRunError, TerminatedError) as stopped:
            show(folder, as_json=as_json)
            said = "The burn-in was stopped before its time was over."
            raise type(stopped)(said, f"What it found so far is in {printable(str(folder))}.") from stopped
    return show(folder, as_json=as_json)


def show(folder: Path, *, as_json: bool) -> int:
    """Print what the events in a folder say; the exit code."""
    told = events.told(folder / events.FILE)
    found = events.devices(told)
    if as_json:
        print(msgspec.json.encode(document(told, found)).decode())
    else:
        terminal.show(told, found, Console(highlight=False))
        print(f"Events: {printable(str(folder / events.FILE))}")
    return int(verdict.exit_code(found.values()))


def document(told: events.Told, found: Mapping[Subject, Burned]) -> dict[str, object]:
    """All that is known, for programs."""
    return {
        "seconds_asked": told.asked,
        "backend": told.backend,
        "version": told.version,
        "command": told.command,
        "exit_code": int(verdict.exit_code(found.values())),
        "devices": [
            {
                "node": subject.node,
                "device": subject.device,
                "part": subject.part,
                "came_through": verdict.come(one).value,
                "reasons": verdict.reasons(one),
                **msgspec.to_builtins(one),
            }
            for subject, one in found.items()
        ],
    }


def settle(backend: str, devices: tuple[int, ...]) -> tuple[str, Found, str]:
    """The backend, every device with what it says of itself, and why it is the processor where a GPU was wished for.

    Raises ``UnavailableError`` when no GPU can be used and one is there or was asked for, ``UsageError`` for a number
    too high.
    """
    if backend not in {"auto", "cuda"}:
        if devices:
            raise UsageError(f"--device chooses a GPU, and the backend {backend!r} uses none.", "Leave it out.")
        return backend, {None: backends.describe(backend)}, ""
    try:
        first = backends.describe("cuda", None)
    except UnavailableError as error:
        if backend == "cuda" or devices:
            raise
        if cards := pci.cards():  # the processor must not answer for a GPU whose driver is gone
            message = f"{len(cards)} NVIDIA cards are on the bus, and none can be burnt in. {error.message}"
            raise UnavailableError(
                message, f"{error.remedy} Or burn in the processor alone: --backend host."
            ) from error
        return "host", {None: backends.describe("host")}, f" {error.message}"
    count = first.device.count if first.device else 1
    numbers = tuple(dict.fromkeys(devices)) or tuple(range(count))
    if beyond := [number for number in numbers if number >= count]:
        raise UsageError(f"There is no GPU {beyond[0]}.", f"They are numbered from 0 to {count - 1}.")
    with ThreadPoolExecutor(len(numbers)) as several:
        looked = several.map(lambda number: _look(number) if number else first, numbers)
        return "cuda", dict(zip(numbers, looked, strict=True)), ""


def _look(number: int) -> Description | UnavailableError:
    """What a GPU says of itself; one that says nothing does not keep the others from being burnt in."""
    try:
        return backends.describe("cuda", number)
    except UnavailableError as error:
        return error


def _described(one: Description | UnavailableError) -> Description:
    if isinstance(one, UnavailableError):
        raise one
    return one


def _pseudonym(backend: str, number: int | None, one: Description | UnavailableError) -> str:
    name = one.device.name if isinstance(one, Description) and one.device else ""
    return identity.machine([backend, name, "" if number is None else str(number)])


@contextmanager
def _alone(backend: str, found: Found, wait: float) -> Iterator[None]:
    """Hold every device for this process."""
    with ExitStack() as held:
        for one in found.values():
            if isinstance(one, Description):
                held.enter_context(campaign.alone(backend, one, wait))
        yield
