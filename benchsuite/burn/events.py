"""The raw events of a burn-in: ``burn.jsonl``, a chained journal (``journal``), and what it says of each device.

    burn       asked (seconds), backend, seed, loads, version, code, command
    subject    number, subject (JSON)
    found      number, name, memory: the device as it described itself
    start      number, process: a process was started
    ready      number, ready (JSON, protocol.Ready)
    turn       number, turn (JSON, protocol.Turn), seen (JSON, Seen)
    failed     number, reason, final: its process died or hung, or the device was lost; ``final``: nothing more is tried
    health     number, health (JSON): what the sensors counted from the first to the last reading
    done       number: its time is over
    end        outcome

Values are texts, as in every journal; ``number`` is the subject's place in the request.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from benchsuite import journal, reading
from benchsuite.burn.counting import History, Seen, Shown, burned
from benchsuite.errors import DataError
from benchsuite.journal import Event
from benchsuite.model.acceptance import Burned, Subject
from benchsuite.protocol import Ready, Turn
from benchsuite.telemetry.health import Health

FILE = "burn.jsonl"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """A whole burn-in as its events tell it. asked: seconds under load; histories: in the order of the request.

    seed, loads, code: as in ``burn``, for whoever asks whether it is the one that was wanted.
    """

    asked: float = 0.0
    backend: str = ""
    command: str = ""
    version: str = ""
    histories: tuple[History, ...] = field(default=())
    seed: str = ""
    loads: str = ""
    code: str = ""


def load(path: Path) -> Mapping[Subject, Burned]:
    """What the raw events of a ``burn.jsonl`` say of each subject, in the order asked; pure but for the reading.

    A subject that ended early, or never began, has a ``reason``. Raises ``DataError`` for a file that is not intact.
    """
    return devices(told(path))


def devices(whole: Told) -> Mapping[Subject, Burned]:
    """How each device came through, in the order asked."""
    return {history.subject: burned(history) for history in whole.histories}


def told(path: Path) -> Told:
    """The histories that the events make. Raises ``DataError`` for a file that is not intact."""
    events, problem = journal.read(path)
    if problem:
        raise DataError(f"{problem[0].upper()}{problem[1:]}.", "It was edited or damaged since: leave it out.")
    try:
        return fold(events)
    except (KeyError, ValueError, IndexError) as error:
        what = f"{type(error).__name__}: {error}"
        raise DataError(f"{path.name} is no burn-in's journal ({reading.printable(what)[:200]}).") from error


def fold(events: Sequence[Event]) -> Told:
    """The events in order, one after another. Raises ``KeyError`` or ``ValueError`` where one is none of ours."""
    if not events or events[0].event != "burn":
        raise ValueError("it does not begin with one")
    begun = events[0].data
    asked = float(begun["asked"])
    if not 0.0 < asked < math.inf:
        raise ValueError("no time was asked for")
    histories: list[History] = []
    for event in events[1:]:
        data = event.data
        if event.event == "subject":
            if int(data["number"]) != len(histories):
                raise ValueError("its subjects are out of order")
            histories.append(History(_value(data["subject"], Subject), asked))
        elif "number" in data:
            number = int(data["number"])
            if number < 0:
                raise ValueError("a subject has no such number")
            histories[number] = _after(histories[number], event)
    more = {name: begun.get(name, "") for name in ("command", "version", "seed", "loads", "code")}
    return Told(asked, begun["backend"], histories=tuple(histories), **more)


def _sound(turn: Turn) -> Turn:
    """The turn, if its numbers can be; ``ValueError`` for others, which somebody wrote."""
    numbers = (*turn.seconds, turn.speed)
    if not all(0.0 < number < math.inf for number in numbers) or not turn.iterations > 0:
        raise ValueError("a turn took no time")
    if min(turn.checks, turn.wrong) < 0 or not turn.spent < math.inf:
        raise ValueError("a turn has counts that cannot be")
    return turn


def _after(history: History, event: Event) -> History:
    """The history with one event more; one of a later version changes nothing."""
    data = event.data
    match event.event:
        case "ready":
            ready = _value(data["ready"], Ready)
            if min(ready.checks, ready.wrong) < 0:
                raise ValueError("a load has counts that cannot be")
            return replace(history, ready=(*history.ready, ready))
        case "turn":
            shown = Shown(_sound(_value(data["turn"], Turn)), _value(data["seen"], Seen))
            return replace(history, turns=(*history.turns, shown))
        case "failed":
            return replace(history, failures=(*history.failures, data["reason"]))
        case "health":
            return replace(history, health=_value(data["health"], Health))
        case "done":
            return replace(history, done=True)
        case _:
            return history


def _value(text: str, kind: type[T]) -> T:
    return reading.value(text.encode(), kind)
