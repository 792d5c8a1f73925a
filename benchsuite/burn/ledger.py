"""What is written down while devices burn, and where they all stand: one at a time may speak.

The journal is the evidence; the board is what a person looks at meanwhile, and nothing rests on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from benchsuite.burn.counting import SLOWED, Seen
from benchsuite.errors import MeasureError
from benchsuite.journal import Journal
from benchsuite.model.acceptance import Subject
from benchsuite.protocol import Ready, Turn, encode
from benchsuite.telemetry.health import Health

STARTING, ENDED, LOST = "starting", "done", "failed"


@dataclass(frozen=True, slots=True)
class Row:
    """Where one device stands. doing: its load, or what else; seconds: under load; speed: of the load, in ``metric``;
    slowed: codes of the last turn; trouble: the last thing that was wrong."""

    subject: Subject
    doing: str = STARTING
    seconds: float = 0.0
    checks: int = 0
    wrong: int = 0
    failures: int = 0
    speed: float | None = None
    metric: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)
    slowed: tuple[str, ...] = ()
    trouble: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """Where all stand. asked: seconds under load; began: when the first came under load, by ``time.monotonic``."""

    asked: float
    began: float
    rows: tuple[Row, ...]

    def left(self, now: float) -> float | None:
        """Seconds until the slowest of those that go on is done, about; ``None`` before one is under load."""
        spent = [row.seconds for row in self.rows if not row.over and row.seconds > 0.0]
        if not spent:
            return 0.0 if all(row.over for row in self.rows) else None
        return max(0.0, self.asked - min(spent)) * max(1.0, (now - self.began) / max(spent))

    def ahead(self, now: float) -> tuple[float, float]:
        """The part of the time that is over, and the seconds left; all of them before one is under load."""
        left = self.left(now)
        left = self.asked if left is None else left
        return 1.0 - min(1.0, left / self.asked), left


Watch = Callable[[Board], None]


def unwatched(board: Board) -> None:
    """For those whom nobody looks at."""


class Ledger:
    """Writes the events of all devices and keeps the board. ``broken``: why nothing can be written any more."""

    def __init__(self, journal: Journal, subjects: tuple[Subject, ...], asked: float, watch: Watch) -> None:
        self._journal, self._watch = journal, watch
        self._one = threading.RLock()
        self._closed: set[int] = set()
        self._open: dict[int, tuple[Turn, Row]] = {}
        self._metrics: dict[tuple[int, str], str] = {}
        self.board = Board(asked, time.monotonic(), tuple(Row(subject) for subject in subjects))
        self.heard = [time.monotonic()] * len(subjects)
        self.broken: MeasureError | None = None

    def note(self, event: str, **data: object) -> None:
        """Append an event of no device."""
        with self._one:
            self._write(event, data)

    def found(self, number: int, name: str, memory: int) -> None:
        """What the device says it is."""
        self._told(number, "found", {"name": name, "memory": memory})

    def started(self, number: int, process: int) -> None:
        """Another process of this device begins."""
        self._told(number, "start", {"process": process}, doing=STARTING)

    def doing(self, number: int, words: str) -> None:
        """A sign of life; of no event."""
        self._told(number, "", {}, doing=words)

    def ready(self, number: int, ready: Ready) -> None:
        """A load was prepared, or could not be."""
        row = self.board.rows[number]
        self._metrics[number, ready.load] = ready.metric
        wrong = f"{ready.wrong} wrong before any heat: {ready.where}" if ready.wrong else ""
        trouble = wrong or (f"{ready.load} cannot be put on: {ready.problem}" if ready.problem else row.trouble)
        sums = {"checks": row.checks + ready.checks, "wrong": row.wrong + ready.wrong}
        self._told(number, "ready", {"ready": encode(ready).decode()}, **sums, trouble=trouble)

    def turn(self, number: int, turn: Turn, seen: Callable[[], Seen]) -> None:
        """A turn so far: shown; or to its end: written down, with what the sensors said of it."""
        with self._one:
            row, (_, before) = self.board.rows[number], self._open.get(number) or (turn, self.board.rows[number])
            grown = {
                "doing": turn.load,
                "seconds": before.seconds + turn.spent,
                "checks": before.checks + turn.checks,
                "wrong": before.wrong + turn.wrong,
                "speed": turn.speed,
                "metric": self._metrics.get((number, turn.load), ""),
                "trouble": f"{turn.wrong} wrong under {turn.load}: {turn.where}" if turn.wrong else row.trouble,
            }
            self._open[number] = turn, before
            if all(row.seconds <= 0.0 for row in self.board.rows):
                self.board = replace(self.board, began=time.monotonic() - turn.spent)
            self._told(number, "", {}, **grown)
        if not turn.done:
            return
        told = seen()  # waits for a reading: nobody else shall wait for that
        slowed = tuple(code for code in told.codes if code in SLOWED)
        self._end_turn(number, told, conditions=told.conditions, slowed=slowed)

    def _end_turn(self, number: int, told: Seen, **row: object) -> None:
        """Write down the turn that is under way, if one is."""
        with self._one:
            if (held := self._open.pop(number, None)) is not None:
                data = {"turn": encode(held[0]).decode(), "seen": encode(told).decode()}
                self._told(number, "turn", data, **row)

    def failed(self, number: int, reason: str, *, final: bool) -> None:
        """Its process ended as it should not, or it cannot even begin; a turn that was under way counts so far."""
        with self._one:
            self._end_turn(number, Seen())
            grown = {"failures": self.board.rows[number].failures + 1, "trouble": reason, "doing": LOST, "over": final}
            self._told(number, "failed", {"reason": reason, "final": final}, **grown)

    def stopped(self, number: int) -> None:
        """It was told to end: what it found in the turn that is under way counts."""
        self._end_turn(number, Seen())

    def health(self, number: int, health: Health) -> None:
        """What the sensors counted."""
        trouble = health.faults[0] if health.faults else self.board.rows[number].trouble
        self._told(number, "health", {"health": encode(health).decode()}, trouble=trouble)

    def done(self, number: int) -> None:
        """Its time is over."""
        self._told(number, "done", {}, doing=ENDED, over=True, speed=None)

    def close(self, number: int) -> None:
        """From now on nothing is heard of this device: its thread was given up."""
        with self._one:
            self._closed.add(number)

    def _told(self, number: int, event: str, data: Mapping[str, object], **row: object) -> None:
        """Write the event, if it is one, and show the row so changed."""
        with self._one:
            if number in self._closed:
                return
            self.heard[number] = time.monotonic()
            if event:
                self._write(event, {"number": number, **data})
            rows = list(self.board.rows)
            rows[number] = replace(rows[number], **row)  # type: ignore[arg-type]
            self.board = replace(self.board, rows=tuple(rows))
            self._watch(self.board)

    def _write(self, event: str, data: Mapping[str, object]) -> None:
        try:
            self._journal.note(event, **data)
        except MeasureError as error:
            self.broken = error
            raise
