"""The terminal's table: fits 80 columns, says what the page says, obeys no control character of the data."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
import render_data as data
from rich.console import Console

from benchsuite.model import Score
from benchsuite.render import terminal

GOLDEN = Path(__file__).parent / "golden" / "terminal.txt"


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    timed = [
        *data.probes(),
        *data.gemms(),
        *data.attentions(),
        *list(data.memories())[:4],
        *list(data.allreduces())[:4],
    ]
    return list(data.campaign(timed).scores)


def printed(scores: list[Score], *, every: bool = False, terminal_: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=80, highlight=False, force_terminal=terminal_ or None)
    terminal.table(scores, console, all_implementations=every)
    for line in terminal.summary_lines(scores):
        console.print(line, markup=False, soft_wrap=True)
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def test_the_table_stays_as_it_is(scores: list[Score]) -> None:
    """Golden: rewrite it with BENCHSUITE_UPDATE_GOLDEN=1 and read the difference."""
    text = printed(scores).replace("\u00a0", " ")
    if os.environ.get("BENCHSUITE_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_a_pipe_gets_plain_text_of_80_columns(scores: list[Score]) -> None:
    stream = io.StringIO()
    terminal.table(scores, Console(file=stream, width=80), all_implementations=True)
    assert "\x1b" not in stream.getvalue()
    assert max(len(line) for line in stream.getvalue().splitlines()) <= 80


def test_no_color_is_respected(scores: list[Score], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in printed(scores, terminal_=True)


def test_the_best_implementation_alone_or_all(scores: list[Score]) -> None:
    best, every = printed(scores), printed(scores, every=True)
    assert best.count("fp32 2048³") == 1
    assert every.count("fp32 2048³") == 3


def test_a_wrong_result_has_no_number(scores: list[Score]) -> None:
    line = next(line for line in printed(scores).splitlines() if "✖ wrong result" in line)
    assert "FLOP" not in line


def test_escape_sequences_of_the_data_do_nothing(scores: list[Score]) -> None:
    evil = "\x1b[31mred\x07 [bold]\u202eabc"
    poisoned = [replace(score, implementation=evil, reason=evil) for score in scores]
    text = printed(poisoned, every=True)
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "[bold]" in text


def test_nothing_measured_says_so() -> None:
    assert terminal.summary_lines([]) == ["No result."]
    assert printed([]).endswith("No result.\n")


@pytest.mark.parametrize(("width", "columns"), [(80, 1), (100, 2), (120, 4)])
def test_further_columns_come_with_room_and_take_no_digit(scores: list[Score], width: int, columns: int) -> None:
    """Datasheet, peak at the held clock, clock, power: as many as fit, and every value whole."""
    sensors = {"sm_clock": 1.755e9, "power": 651.0}
    told = [replace(score, of_datasheet=0.81, of_clock=0.92, conditions=sensors) for score in scores]
    stream = io.StringIO()
    terminal.table(told, Console(file=stream, width=width), all_implementations=True)
    head, *body = stream.getvalue().splitlines()
    assert [name in head for name in ("datasheet", "at clock", " clock  ", "power")].count(True) >= columns
    assert ("power" in head) == (columns == 4)
    assert ("at clock" in head) == (columns >= 2)
    assert not any("…" in line for line in body)


def test_a_narrow_terminal_cuts_no_number() -> None:
    grid = terminal.columned("case", ("value", "right"))
    grid.add_row("Memory bandwidth triad 24 KiB", "30.3 GB/s (13.4–68.4)")
    stream = io.StringIO()
    Console(file=stream, width=34).print(grid)
    assert "30.3 GB/s (13.4–68.4)" in stream.getvalue()
