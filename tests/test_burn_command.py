"""``benchsuite burn`` as a person meets it: a dashboard, a verdict, JSON, exit codes."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchsuite import backends, units
from benchsuite.backends.base import Description
from benchsuite.burn import events, loads
from benchsuite.burn.counting import SLOWED, burned
from benchsuite.burn.ledger import Board, Row
from benchsuite.burn.station import Request
from benchsuite.commands import burn
from benchsuite.errors import Exit, UnavailableError, UsageError
from benchsuite.interrupt import InterruptedRunError
from benchsuite.machine.pci import Card
from benchsuite.model import TYPICAL
from benchsuite.model.acceptance import Burned, Subject
from benchsuite.render import burn as terminal
from tests import gpu_machine
from tests.burn_data import HOST, gpus, history, turn
from tests.test_docs import benchsuite

FAKE = ("burn", "--backend", "fake", "--minutes", "0.02", "--phases", "gemm,power")


def test_from_the_command_line_to_the_exit_code(tmp_path: Path) -> None:
    done = benchsuite(*FAKE, "--json", "--seed", "3", cwd=tmp_path)
    assert done.returncode == Exit.DONE, done.stderr
    document = json.loads(done.stdout)
    (device,) = document["devices"]
    assert (device["came_through"], device["wrong"], device["failures"]) == ("clean", 0, 0)
    assert device["seconds"] >= 1.2
    assert set(device["first"]) == {"gemm", "power"}
    assert document["command"] == "benchsuite burn --minutes 0.02 --backend fake --phases gemm,power --seed 3"
    assert "compared bit by bit" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert "100 % of the burn-in done" in done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert {one.part for one in events.load(folder / events.FILE)} == {"the host"}


def shown(found: dict[Subject, Burned], backend: str = "cuda", width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    terminal.show(events.Told(60.0, backend), found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_verdict_names_who_is_not_well_and_why() -> None:
    first, second, third = gpus(3)
    well, unknown = burned(history(turn(), turn())), burned(history(turn(), asked=60.0))
    bad = replace(burned(history(turn(), turn())), wrong=2, failures=1, notes=("Hottest 91 °C.",))
    text = shown({first: well, second: bad, third: unknown})
    assert text.startswith("✖ Faulty: GPU 1; not known: GPU 2 (of 3 devices).")
    assert "GPU 1: 2 wrong elements in 2000 results." in text
    assert "GPU 1: Hottest 91 °C." in text
    assert "GPU 2: it was under load for 10 s of 60 s." in text
    clean = shown({first: well})
    assert clean.startswith("✓ Clean: 1 device, 2,000 results compared, none wrong.")
    assert "scripted" in shown({HOST: well}, backend="fake")
    assert "none" in shown({first: replace(well, worst=-0.035)}).splitlines()[2]
    assert "3.5 %" in shown({first: replace(well, worst=0.035)}).replace(units.NO_BREAK_SPACE, " ")


def test_nothing_steers_the_terminal() -> None:
    bad = replace(burned(history(turn())), notes=("\x1b[2Jgone\n[bold]x",), reason="\x1b]0;t\x07")
    assert "\x1b" not in shown({HOST: bad}).replace("\x1b[0m", "")
    rows = (Row(HOST, doing="\x1b[2J", trouble="[red]x\x07"),)
    console = Console(file=io.StringIO(), width=140)
    console.print(terminal.dashboard(Board(10.0, 0.0, rows), 1.0))
    assert isinstance(console.file, io.StringIO)
    assert "\x1b" not in console.file.getvalue()
    assert "[red]x" in console.file.getvalue(), "markup of others is text"


def test_the_dashboard_says_where_each_stands_and_how_long_it_takes() -> None:
    first, second = gpus(2)
    conditions = {"temperature": 84.0, "power": 690.0, "sm_clock": 1.755e9}
    rows = (
        Row(first, "gemm", 15.0, 12_345, speed=6.2e14, metric="flop/s", conditions=conditions, slowed=("THERMAL",)),
        Row(second, "failed", 3.0, 10, wrong=2, failures=1, trouble="The GPU was lost.", over=True),
    )
    console = Console(file=io.StringIO(), width=140)
    console.print(terminal.dashboard(Board(60.0, 0.0, rows), 15.0))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("about 45", "2 wrong elements, 1 failure", "GPU 0", "620", "TFLOP/s", "12,345", "84", "690", "1755"):
        assert words in text
    assert "heat" in text
    assert "The GPU was lost." in text
    assert terminal.SHORT.keys() == SLOWED.keys()


def test_how_far_it_is_goes_by_the_slowest() -> None:
    rows = Row(HOST, seconds=15.0), Row(HOST, seconds=30.0)
    assert Board(60.0, 0.0, rows).ahead(30.0) == (0.25, 45.0)
    assert Board(60.0, 0.0, (Row(HOST),)).ahead(5.0) == (0.0, 60.0)


def test_lines_of_a_pipe_are_tenths_and_troubles_each_once() -> None:
    stream = io.StringIO()
    lines = terminal.Lines(stream)
    row = Row(HOST)
    for step in range(101):
        trouble = "2 wrong under gemm: c[7]" if step >= 50 else ""
        lines.look(Board(100.0, 0.0, (replace(row, seconds=float(step), trouble=trouble),)))
    said = stream.getvalue().splitlines()
    assert len(said) == 11
    assert said[5 - 1].startswith("50 %") or said[5].startswith("50 %")
    assert sum("c[7]." in line for line in said) == 1


def test_on_a_terminal_it_is_a_live_table() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with terminal.watcher(stream) as watch:
        watch(Board(60.0, 0.0, (Row(HOST, "gemm", 15.0),)))
    assert "Burn-in" in stream.getvalue()
    assert "the host" in stream.getvalue()


@pytest.mark.parametrize(("words", "names"), [("gemm", ("gemm",)), (" memory, gemm,memory", ("gemm", "memory"))])
def test_loads_by_name(words: str, names: tuple[str, ...]) -> None:
    assert loads.parsed(words) == names


@pytest.mark.parametrize("words", ["", ",", "gem", "gemm;memory"])
def test_unknown_loads_are_refused(words: str) -> None:
    with pytest.raises(UsageError, match="gemm, power, memory"):
        loads.parsed(words)


Describe = Callable[[str, int | None], Description]


def machine(count: int, dead: tuple[int, ...] = ()) -> Describe:
    def describe(backend: str, device: int | None = None) -> Description:
        if backend != "cuda":
            return Description(frozenset({"host"}), 1, 1)
        if not count:
            raise UnavailableError("There is no NVIDIA driver.", "Install one.")
        if device in dead:
            raise UnavailableError("The GPU did not answer.")
        return Description(frozenset({"cuda"}), 1, 1, replace(TYPICAL["sm_90a"], count=count, index=device or 0))

    return describe


def test_every_gpu_unless_some_are_named_and_the_processor_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "describe", machine(4, dead=(2,)))
    backend, found, why = burn.settle("auto", ())
    assert (backend, list(found), why) == ("cuda", [0, 1, 2, 3], "")
    assert isinstance(found[2], UnavailableError), "it is burnt in with the others, and fails"
    assert list(burn.settle("auto", (3, 1, 3))[1]) == [3, 1]
    with pytest.raises(UsageError, match="no GPU 4"):
        burn.settle("cuda", (4,))
    monkeypatch.setattr(backends, "describe", machine(0))
    assert burn.settle("auto", ())[::2] == ("host", " There is no NVIDIA driver.")
    for asked in (("cuda", ()), ("auto", (0,))):
        with pytest.raises(UnavailableError):
            burn.settle(*asked)
    with pytest.raises(UsageError):
        burn.settle("host", (0,))


def test_the_processor_does_not_answer_for_gpus_whose_driver_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "describe", machine(0))
    monkeypatch.setattr(burn.pci, "cards", lambda: [Card("0x2335", None)] * 2)
    with pytest.raises(UnavailableError, match="2 NVIDIA cards are on the bus"):
        burn.settle("auto", ())
    assert burn.settle("host", ())[0] == "host"


def test_what_is_begun_is_said(tmp_path: Path) -> None:
    said = terminal.beginning(Request(gpus(8), 1800.0, tmp_path))
    assert said == (
        "8 GPUs are burnt in for 30\u00a0min, all at once: "
        "gemm, power and memory by turns, results compared bit by bit."
    )


def test_what_was_found_is_shown_when_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = burn.controller.run

    def stopped(request: Request, stop: Any, watch: Any, surroundings: Any) -> Any:
        def look(board: Board) -> None:
            if board.rows[0].seconds > 1.0:
                stop.interrupts += 1

        return run(request, stop, look, surroundings)

    monkeypatch.setattr(burn.controller, "run", stopped)
    asked = burn.Asked(600.0, "fake", (), "gemm", 1, tmp_path)
    with pytest.raises(InterruptedRunError, match="stopped before its time was over"):
        burn.run(asked, as_json=False)
    assert "not known: the host" in capsys.readouterr().out.lower()


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler for the driver's double")
def test_gpus_that_compute_nothing_are_never_clean(tmp_path: Path) -> None:
    """Two GPUs of a driver's double, each with its own worker: launches succeed, and no kernel ever runs."""
    environment = gpu_machine.environment(tmp_path, 2)
    done = benchsuite("burn", "--minutes", "0.05", "--phases", "gemm", "--json", cwd=tmp_path, **environment)
    assert done.returncode == Exit.REJECTED, done.stderr
    first, second = json.loads(done.stdout)["devices"]
    assert [first["part"], second["part"]] == ["GPU 0", "GPU 1"]
    for device in (first, second):
        assert device["came_through"] == "faulty"
        assert (device["checks"], device["wrong"], device["seconds"]) == (3, 3, 0.0)
        assert "elements of c are not finite" in device["reason"]
