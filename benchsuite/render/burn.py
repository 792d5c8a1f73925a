"""A burn-in on a terminal: a dashboard while it lasts, a line now and then in a pipe, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from benchsuite import units
from benchsuite.burn import verdict
from benchsuite.burn.controller import Request
from benchsuite.burn.events import Told
from benchsuite.burn.ledger import Board, Row, Watch
from benchsuite.burn.verdict import Come
from benchsuite.model.acceptance import Burned, Subject
from benchsuite.render.progress import STEPS
from benchsuite.render.terminal import columned
from benchsuite.render.words import clean, counted, sentence

REFRESH = 4
"""Times a second that the dashboard is drawn."""
TONES = {Come.CLEAN: ("✓", "green"), Come.FAULTY: ("✖", "bold red"), Come.UNKNOWN: (units.DASH, "yellow")}
SHORT = {
    "THERMAL": "heat",
    "HW_SLOWDOWN": "slowdown",
    "POWER_CAP": "power limit",
    "POWER_LIMIT_LOWERED": "limit lowered",
    "CLOCK_LOCKED": "clock locked",
    "LINK_NARROW": "narrow link",
    "CONTENDED": "neighbours",
    "HOST_STEAL": "stolen time",
    "CGROUP_THROTTLED": "CPU quota",
    "TELEMETRY_MISSING": "no sensors",
    "GPU_TELEMETRY_MISSING": "no GPU sensors",
}
"""``burn.counting.SLOWED`` in a column."""


def beginning(request: Request) -> str:
    """What is about to be done, as a sentence."""
    number = len(request.subjects)
    what = (
        "The processor is"
        if request.subjects[0].device is None
        else f"{counted(number, 'GPU')} {'are' if number > 1 else 'is'}"
    )
    together = ", all at once" if number > 1 else ""
    by = " and ".join(filter(None, (", ".join(request.loads[:-1]), request.loads[-1])))
    return f"{what} burnt in for {length(request.seconds)}{together}: {by} by turns, results compared bit by bit."


def length(seconds: float) -> str:
    """A time asked for: ``30 min``, ``3 s``."""
    whole = seconds >= 60.0 and seconds % 60.0 == 0.0
    return f"{seconds / 60.0:.0f}{units.NO_BREAK_SPACE}min" if whole else units.guessed(seconds)


@contextmanager
def watcher(stream: TextIO) -> Iterator[Watch]:
    """The watcher fit for ``stream``: a live table on a terminal, else lines."""
    if not stream.isatty():
        yield Lines(stream).look
        return
    held: list[Board] = []

    def look(board: Board) -> None:
        held[:] = [board]

    def drawn() -> Table | Text:
        return dashboard(held[0], time.monotonic()) if held else Text("starting")

    with Live(
        console=Console(file=stream), get_renderable=drawn, refresh_per_second=REFRESH, transient=True, screen=False
    ):
        yield look


def dashboard(board: Board, now: float) -> Table:
    """Where all devices stand, and the time left."""
    left = board.left(now)
    told = "preparing" if left is None else "ending" if left < 1.0 else f"about {units.guessed(left)} left"
    wrong, failures = sum(row.wrong for row in board.rows), sum(row.failures for row in board.rows)
    bad = f", {counted(wrong, 'wrong element')}, {counted(failures, 'failure')}" if wrong or failures else ", all well"
    grid = columned(
        "", "doing", ("under load", "right"), ("speed", "right"), ("compared", "right"), ("wrong", "right"),
        ("°C", "right"), ("W", "right"), ("MHz", "right"), "sensors say",
    )  # fmt: skip
    grid.title, grid.title_justify = (
        Text(f"Burn-in, {told}{bad}", style="bold red" if wrong or failures else "bold"),
        "left",
    )
    for row in board.rows:
        grid.add_row(*_cells(row, board.asked))
    return grid


def _cells(row: Row, asked: float) -> tuple[Text, ...]:
    bad = bool(row.wrong or row.failures)
    speed = units.quantity(row.speed, row.metric) if row.speed and row.metric and not row.over else ""
    slowed = ", ".join(SHORT.get(code, clean(code)) for code in row.slowed)
    gauge = {name: row.conditions.get(name) for name in ("temperature", "power", "sm_clock", "frequency")}
    clock = gauge["sm_clock"] or gauge["frequency"]
    words = (
        clean(row.subject.part),
        clean(row.doing),
        f"{units.percent(min(1.0, row.seconds / asked))}",
        speed,
        f"{row.checks:,}",
        f"{row.wrong:,}" + (f" +{counted(row.failures, 'failure')}" if row.failures else ""),
        f"{gauge['temperature']:.0f}" if gauge["temperature"] else "",
        f"{gauge['power']:.0f}" if gauge["power"] else "",
        f"{clock / 1e6:.0f}" if clock else "",
        clean(row.trouble) if row.trouble else slowed,
    )
    return tuple(Text(word, style="red" if bad and number in {0, 5, 9} else "") for number, word in enumerate(words))


class Lines:
    """Writes a line at every tenth of the way, and one for whatever is wrong; nothing else, as a pipe wants results."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tenth = 0
        self._troubles: dict[Subject, str] = {}

    def look(self, board: Board) -> None:
        """See what is new."""
        for row in board.rows:
            if row.trouble and self._troubles.get(row.subject) != row.trouble:
                self._troubles[row.subject] = row.trouble
                self._say(f"{row.subject.name}: {sentence(row.trouble)}")
        spent = [row.seconds for row in board.rows if not row.over]
        tenth = min(STEPS, int(min(spent, default=0.0) * STEPS / board.asked))
        if tenth > self._tenth:
            self._tenth = tenth
            left = board.left(time.monotonic()) or 0.0
            ahead = f", about {units.guessed(left)} left" if left >= 1.0 else ""
            self._say(f"{tenth * 100 // STEPS} % of the burn-in done{ahead}")

    def _say(self, line: str) -> None:
        print(clean(line), file=self._stream, flush=True)


def show(told: Told, found: Mapping[Subject, Burned], console: Console) -> None:
    """The verdict, then what it rests on, device by device."""
    bad = [subject for subject, one in found.items() if verdict.come(one) is not Come.CLEAN]
    worst = verdict.exit_code(found.values())
    word = Come.CLEAN if not bad else Come.FAULTY if worst == 1 else Come.UNKNOWN
    glyph, style = TONES[word]
    console.print(Text(f"{glyph} {headline(found, word)}", style=style), soft_wrap=True)
    if told.backend == "fake":
        console.print(Text("Simulated: the clock was scripted.", style="yellow"), soft_wrap=True)
    console.print(_results(found))
    for subject, one in found.items():
        for text in (*verdict.reasons(one), *one.notes):
            console.print(Text(f"{clean(subject.part)}: {clean(sentence(text))}"), soft_wrap=True)


def headline(found: Mapping[Subject, Burned], word: Come) -> str:
    """What came of it, in a sentence that names who is not well."""
    checks = sum(one.checks for one in found.values())
    if word is Come.CLEAN:
        return f"Clean: {counted(len(found), 'device')}, {checks:,} results compared, none wrong."
    faulty = [clean(one.part) for one, burned in found.items() if verdict.come(burned) is Come.FAULTY]
    unknown = [clean(one.part) for one, burned in found.items() if verdict.come(burned) is Come.UNKNOWN]
    parts = [f"faulty: {', '.join(faulty)}" if faulty else "", f"not known: {', '.join(unknown)}" if unknown else ""]
    text = "; ".join(filter(None, parts))
    return f"{text[0].upper()}{text[1:]} (of {counted(len(found), 'device')})."


def _results(found: Mapping[Subject, Burned]) -> Table:
    """A row for each device."""
    grid = columned(
        "", "", ("under load", "right"), ("compared", "right"), ("wrong", "right"), ("failures", "right"),
        ("speed lost", "right"),
    )  # fmt: skip
    for subject, one in found.items():
        glyph, style = TONES[verdict.come(one)]
        grid.add_row(
            clean(subject.part),
            Text(f"{glyph} {verdict.come(one).value}", style=style),
            units.guessed(one.seconds) if one.seconds >= 1.0 else f"{one.seconds:.2g}{units.NO_BREAK_SPACE}s",
            f"{one.checks:,}",
            f"{one.wrong:,}",
            f"{one.failures:,}",
            units.DASH if one.worst is None else units.percent(one.worst) if one.worst > 0.0 else "none",
        )
    return grid
