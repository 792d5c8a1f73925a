"""``scan``: which node, GPU or link is slow; and what ``show`` and ``resume`` do with a scan."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
from rich.console import Console

from benchsuite import store
from benchsuite.errors import BenchsuiteError, Exit
from benchsuite.localise import verdict
from benchsuite.localise.small import FEWEST
from benchsuite.model import Diagnosis
from benchsuite.reading import printable
from benchsuite.render import rounds
from benchsuite.render.scan_view import About
from benchsuite.scan import ledger, scan
from benchsuite.scan.ledger import Made, ScanDirectory
from benchsuite.scan.stages import Watcher

Measure = Callable[[], tuple[ScanDirectory, Diagnosis]]


def run(request: scan.Request, *, as_json: bool, with_report: bool) -> int:
    """Scan, print the verdict, render. Returns the exit code; what was measured is kept even when it ends early."""
    store.prepare_folder(request.out)
    made, found = scan.prepare(request)
    print(said(made), file=sys.stderr)
    measured = _until_stopped(lambda: scan.run(made, request.out, found, _watching, request.wait))
    return _end(measured, request.learn, as_json=as_json, with_report=with_report)


def resume(path: Path, wait: float, learn: Path | None = None, *, as_json: bool, with_report: bool) -> int:
    """Go on with a scan that ended early; like ``run`` from there. ``learn``: the file of its reference, as there."""
    measured = _until_stopped(lambda: scan.resume(path, _watching, wait))
    return _end(measured, learn, as_json=as_json, with_report=with_report)


def _end(measured: tuple[ScanDirectory, Diagnosis], learn: Path | None, *, as_json: bool, with_report: bool) -> int:
    """Print the verdict; then write the reference, if one is wanted, whose maker needs no verdict."""
    directory, diagnosis = measured
    code = conclude(directory.path, diagnosis, as_json=as_json, with_report=with_report)
    if learn is None:
        if directory.made.learning:
            name = printable(directory.path.name)
            print(f"Its reference is written by: benchsuite scan --resume {name} --learn FILE", file=sys.stderr)
        return code
    scan.learn(directory.scan, diagnosis, learn)
    print(f"Reference of this fleet: {printable(str(learn))}", file=sys.stderr)
    return int(Exit.DONE) if code == Exit.INCONCLUSIVE else code


def show(path: Path, *, as_json: bool) -> int:
    """Judge a stored scan again, and print. The exit code is that of the scan."""
    measured, settings, _ = ledger.load(path)
    return conclude(path, verdict.diagnose(measured, settings), as_json=as_json, with_report=False)


def said(made: Made) -> str:
    """What is about to be measured, in a sentence."""
    each = f"{made.layout.per_node} ranks on each" if made.layout.per_node > 1 else "a rank on each"
    host = made.layout.hosts[0] if made.layout.hosts else "this host"
    where = f"{made.layout.nodes} hosts, {each}" if made.layout.nodes > 1 else f"{made.ranks} ranks of {host}"
    again = made.plan.confirm_after
    when = f"{again:.0f} s after the first" if again else "in the same minute, which tells slow now, not broken"
    told = f"Scanned are {where} ({made.backend}). A second look, if somebody is suspected, follows {when}."
    seats = made.layout.nodes if made.layout.nodes > 1 else made.ranks
    if seats > FEWEST or made.reference is not None or made.learning:
        return told
    return f"{told} Among {seats} nobody can be accused without --reference: numbers will be shown, and no verdict."


def conclude(path: Path, diagnosis: Diagnosis, *, as_json: bool, with_report: bool) -> int:
    """Print the verdict as text or JSON, write the page, and return the exit code."""
    from benchsuite.render import scan as terminal
    from benchsuite.render import scan_page, scan_view

    measured, _, made = ledger.load(path)
    told = about(path, made)
    if as_json:
        print(msgspec.json.encode(scan_view.document(measured, diagnosis, told)).decode())
    else:
        terminal.show(scan_view.build(measured, diagnosis, told), Console(highlight=False))
        print(f"Scan:    {printable(str(path))}")
    if with_report:
        page = path / "report.html"
        page.write_text(scan_page.page(scan_view.build(measured, diagnosis, told)), encoding="utf-8", newline="\n")
        print(f"Report:  {printable(str(page))}") if not as_json else None
    return int(scan.exit_code(diagnosis))


def about(path: Path, made: Made) -> About:
    """Where a scan comes from, for its page."""
    data = path / ledger.PIECES
    return About(
        id=made.id,
        started=made.started,
        version=made.version,
        command=made.command,
        digest=hashlib.sha256(data.read_bytes() if data.exists() else b"").hexdigest(),
        simulated=made.backend == "fake",
        facts={"library": made.facts.get("world", {}).get("library", "")},
    )


def _watching(made: Made) -> AbstractContextManager[Watcher]:
    return rounds.watcher(sys.stderr)


def _until_stopped(measure: Measure) -> tuple[ScanDirectory, Diagnosis]:
    """The scan and its verdict. What ended it early is raised on, with the way to go on."""
    try:
        return measure()
    except BenchsuiteError as stopped:
        directory = stopped.__dict__.get("directory")
        if directory is not None and directory.pieces:
            path = shlex.quote(printable(str(directory.path)))  # a name alone is not found below another folder
            kept = f"{len(directory.pieces)} rounds are kept; go on with: benchsuite resume {path}"
            print(f"benchsuite: {kept}", file=sys.stderr)
        raise
