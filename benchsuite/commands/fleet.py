"""``fleet``: all nodes in one go, and the page that says which of them stands out."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from rich.console import Console

from benchsuite import store, units
from benchsuite.commands import scan as scanning
from benchsuite.errors import BenchsuiteError, UsageError
from benchsuite.fleet import fleet, forecast, outcomes
from benchsuite.reading import printable
from benchsuite.render.scan_view import ScanView, build

PAGE = "report.html"


def run(request: forecast.Request, *, as_json: bool, with_report: bool) -> int:
    """Measure, print, render. Returns the exit code; what was measured is kept even when it ends early."""
    store.prepare_folder(request.out)
    made = forecast.prepare(request)
    for line in said(made):
        print(line, file=sys.stderr)
    return _work(fleet.create(request.out, made), made, as_json=as_json, with_report=with_report)


def resume(path: Path, *, as_json: bool, with_report: bool) -> int:
    """Go on with a run that ended early: phases that are complete stay, a node that failed is run again."""
    return _work(path, fleet.read(path), as_json=as_json, with_report=with_report)


def named(name: str, out: Path) -> Path:
    """The fleet's run of this name. Raises ``UsageError`` when there is none."""
    found = fleet.find(name, out)
    if found is None:
        raise UsageError(f"There is no run of a fleet called {name!r} in {out}.", "Give its folder, or its whole name.")
    return found


def said(made: fleet.Made) -> list[str]:
    """What is about to be measured, and about how long it takes."""
    told = forecast.forecast(made)
    nodes = f"{made.layout.nodes} nodes" if made.layout.nodes > 1 else "this node alone"
    parts = [f"{phase} {units.guessed(told[phase])}" for phase in made.phases if phase in told]
    lines = [f"Measured are {nodes} ({made.backend}), in about {units.guessed(told['all'])}: {', '.join(parts)}."]
    if fleet.Phase.NODES in made.phases and made.layout.nodes > 1:
        runs = f"{made.runs} runs of {Path(made.suite).name}"
        lines.append(
            f"{runs} on one node take about {units.guessed(told['one'])}; on one after another "
            f"{units.guessed(told['one by one'])}."
        )
    return lines


def show(path: Path, *, as_json: bool, with_report: bool) -> int:
    """Print a fleet's run, write its page, and return the exit code."""
    from benchsuite.render import fleet as terminal
    from benchsuite.render import fleet_page, fleet_view

    found = outcomes.load(path)
    view = fleet_view.build(found, scan_view(found))
    if as_json:
        print(msgspec.json.encode(view.data).decode())
    else:
        terminal.show(view, Console(highlight=False))
        print(f"Fleet:   {printable(str(path))}")
    if with_report:
        page = path / PAGE
        try:
            page.write_text(fleet_page.page(view), encoding="utf-8", newline="\n")
        except OSError as error:
            raise UsageError(f"The page cannot be written to {page}: {error.strerror}.", "Free some space.") from error
        print(f"Report:  {printable(str(page))}") if not as_json else None
    return int(outcomes.exit_code(found))


def scan_view(found: outcomes.Fleet) -> ScanView | None:
    """What the scan's own page says, if there was a scan."""
    scanned = found.scanned
    if scanned is None:
        return None
    folder = found.path / fleet.Phase.SCAN / scanned.made.id
    return build(scanned.scan, scanned.diagnosis, scanning.about(folder, scanned.made))


def _work(path: Path, made: fleet.Made, *, as_json: bool, with_report: bool) -> int:
    def say(text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)

    try:
        fleet.Work(path, made, say).run()
    except BenchsuiteError:
        say(f"benchsuite: what was measured is kept; go on with: benchsuite fleet --resume {path}")
        raise
    return show(path, as_json=as_json, with_report=with_report)
