"""``run`` and ``resume``: measure, print, render."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchsuite import campaign, placing, results, store
from benchsuite.commands import normality, show
from benchsuite.errors import BenchsuiteError
from benchsuite.fleet import fleet as fleets
from benchsuite.render import progress
from benchsuite.scan import ledger


def run(request: campaign.Request, *, as_json: bool, with_report: bool, all_implementations: bool) -> int:
    """Measure, print, render. Returns the exit code; what was measured is shown even when it ends early."""
    store.prepare_folder(request.out)
    settled, found, line = campaign.settle(request)
    made, plan = campaign.make_plan(settled, found)
    where = placing.sentence(made.launcher, made.layout) if any(task.case.ranks > 1 for task in plan.tasks) else ""
    print(" ".join(filter(None, (line, where))), file=sys.stderr)
    with progress.watcher(plan, sys.stderr) as watcher:
        ended = _until_stopped(lambda: campaign.run(made, request.out, watcher, found, request.wait))
    against = normality.Against(catalog=request.rental.catalog)
    return _conclude(*ended, against, as_json=as_json, with_report=with_report, all_implementations=all_implementations)


def resume(name: str, out: Path, wait: float, *, as_json: bool, with_report: bool, all_implementations: bool) -> int:
    """Go on with a run that ended early; like ``run`` from there."""
    if (begun := ledger.find(name, out)) is not None:
        from benchsuite.commands import scan

        return scan.resume(begun, wait, as_json=as_json, with_report=with_report)
    if (whole := fleets.find(name, out)) is not None:
        from benchsuite.commands import fleet

        return fleet.resume(whole, as_json=as_json, with_report=with_report)
    path = store.find(name, out)
    watcher = partial(progress.watcher, stream=sys.stderr)
    ended = _until_stopped(lambda: campaign.resume(path, watcher, wait))
    against = normality.SHIPPED
    return _conclude(*ended, against, as_json=as_json, with_report=with_report, all_implementations=all_implementations)


def _conclude(
    directory: store.RunDirectory,
    stopped: BenchsuiteError | None,
    against: normality.Against,
    *,
    as_json: bool,
    with_report: bool,
    all_implementations: bool,
) -> int:
    """Print and render what there is; raise on what ended it early."""
    scores = results.normalized(directory.campaign, directory.records)[0]
    made = directory.campaign
    show.results_of(made, scores, as_json=as_json, all_implementations=all_implementations, against=against)
    lines = [f"Records: {directory.path}"]
    if with_report and stopped is None:
        loaded = store.load(directory.path)
        lines.append(f"Report:  {show.render(loaded, directory.path / 'report.html', against)}")
    if not as_json:
        print("\n".join(lines))
    if stopped is not None:
        raise stopped
    return int(campaign.exit_code(scores))


def _until_stopped(
    measure: Callable[[], store.RunDirectory],
) -> tuple[store.RunDirectory, BenchsuiteError | None]:
    """The run directory, and what ended the run early, if anything did after it was opened."""
    try:
        return measure(), None
    except BenchsuiteError as stopped:
        directory = stopped.__dict__.get("directory")
        if directory is None:
            raise
        return directory, stopped
