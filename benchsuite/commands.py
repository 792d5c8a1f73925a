"""What each command does, from loaded data to printed text; the command line only parses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console

from benchsuite import assets, backends, campaign, discovery, normalize, store
from benchsuite import compare as comparing
from benchsuite import doctor as doctors
from benchsuite import suite as suites
from benchsuite.backends.base import Description
from benchsuite.errors import BenchsuiteError, DataError, Exit, UnavailableError, UsageError
from benchsuite.machine import cpu
from benchsuite.model import Record, Score, Spread
from benchsuite.reading import printable
from benchsuite.render import progress, terminal
from benchsuite.statistics.components import pilot
from benchsuite.statistics.runs import Verdict

if TYPE_CHECKING:
    from benchsuite.render.view import CampaignView

WATCHED = {"slower": {Verdict.SLOWER}, "faster": {Verdict.FASTER}, "different": {Verdict.SLOWER, Verdict.FASTER}}


def run(request: campaign.Request, *, as_json: bool, with_report: bool, all_implementations: bool) -> int:
    """Measure, print, render. Returns the exit code; what was measured is shown even when it ends early."""
    store.prepare_folder(request.out)
    settled, found, line = campaign.settle(request)
    made, plan = campaign.make_plan(settled, found)
    print(line, file=sys.stderr)
    with progress.watcher(plan, sys.stderr) as watcher:
        ended = _until_stopped(lambda: campaign.run(made, request.out, watcher, found, request.wait))
    return _conclude(*ended, as_json=as_json, with_report=with_report, all_implementations=all_implementations)


def resume(name: str, out: Path, wait: float, *, as_json: bool, with_report: bool, all_implementations: bool) -> int:
    """Go on with a run that ended early; like ``run`` from there."""
    path = store.find(name, out)
    watcher = partial(progress.watcher, stream=sys.stderr)
    ended = _until_stopped(lambda: campaign.resume(path, watcher, wait))
    return _conclude(*ended, as_json=as_json, with_report=with_report, all_implementations=all_implementations)


def _conclude(
    directory: store.RunDirectory,
    stopped: BenchsuiteError | None,
    *,
    as_json: bool,
    with_report: bool,
    all_implementations: bool,
) -> int:
    """Print and render what there is; raise on what ended it early."""
    scores = _scores(directory.campaign, directory.records)
    _print(directory.campaign, scores, as_json=as_json, all_implementations=all_implementations)
    lines = [f"Records: {directory.path}"]
    if with_report and stopped is None:
        loaded = store.load(directory.path)
        lines.append(f"Report:  {_render(loaded, directory.path / 'report.html')}")
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


def show(name: str, out: Path, *, form: str, all_implementations: bool) -> int:
    """Print a run's scores as ``text``, ``json`` or ``csv``. The exit code is that of the run."""
    loaded = _load(name, out)
    scores = _scores(loaded.campaign, loaded.records)
    if form == "csv":
        from benchsuite.frame import csv

        print(csv(scores), end="")
    else:
        shown = {"as_json": form == "json", "all_implementations": all_implementations}
        _print(loaded.campaign, scores, problems=loaded.problems, **shown)
    return int(campaign.exit_code(scores))


def report(name: str, out: Path, to: Path | None, *, as_json: bool) -> None:
    """Render a run's report from its records."""
    loaded = _load(name, out)
    target = to or loaded.path / "report.html"
    written = _render(loaded, target)
    print(msgspec.json.encode({"report": str(written)}).decode() if as_json else f"Report: {written}")


def compare(a: str, b: str, out: Path, *, fail_on: str, explore: bool, as_json: bool) -> int:
    """Compare two runs; 1 if ``fail_on`` was met by a clean verdict, 0 if not.

    3 if nothing could be decided, or if ``fail_on`` was met by verdicts only that something compromised.
    """
    if fail_on and fail_on not in WATCHED:
        raise UsageError(f"--fail-on {fail_on} is unknown.", f"Choose one of {', '.join(WATCHED)}.")
    if fail_on and explore:
        raise UsageError(
            "--explore finds more, false ones too: no reason to fail.", "Leave --explore or --fail-on out."
        )
    one, other = (_load(name, out) for name in (a, b))
    for loaded in (one, other):
        if loaded.damaged:
            raise DataError(loaded.problems[0], f"{loaded.path.name} can be shown, but not compared: measure again.")
    correction = comparing.Correction.BENJAMINI_HOCHBERG if explore else comparing.Correction.HOLM
    result = comparing.compare(scores_of(one), scores_of(other), correction=correction)
    if not result.rows:
        raise UsageError("The two runs share no case.", "Compare runs of one suite.")
    if as_json:
        print(msgspec.json.encode(result).decode())
    else:
        terminal.comparison(result, Console(highlight=False))
    met = [row for row in result.rows if fail_on and row.verdict in WATCHED[fail_on]]
    if any(row.clean for row in met):
        return int(Exit.REJECTED)
    if met:
        print(f"benchsuite: {terminal.not_clean(met)}", file=sys.stderr)
    return int(Exit.INCONCLUSIVE if met or not result.family else Exit.DONE)


def listing(*, as_json: bool) -> None:
    """Print benchmarks, suites, devices and implementations."""
    benchmarks = discovery.discover()
    offered = _offered()
    capabilities = {kind for found in offered.values() for kind in found.capabilities}
    known = {name: suites.load(name, benchmarks) for name in suites.available()}
    document = {
        "benchmarks": [
            {
                "name": item.name,
                "question": item.question,
                "metric": item.metric.value,
                "axes": {axis.name: list(axis.values) for axis in item.axes},
                "tags": sorted(item.tags),
                "implementations": {each.name: not (each.requires - capabilities) for each in item.implementations},
            }
            for item in benchmarks.values()
        ],
        "suites": [{"name": name, "title": item.title} for name, item in known.items()],
        "devices": [
            {"name": name, "cores": _cores(found), "capabilities": sorted(found.capabilities)}
            for name, found in offered.items()
        ],
    }
    if as_json:
        print(msgspec.json.encode(document).decode())
    else:
        terminal.listing(document, Console(highlight=False))


def _offered() -> dict[str, Description]:
    """The processor, and the GPU where there is one."""
    found = {"host": backends.describe("host")}
    try:
        found["cuda"] = backends.describe("cuda")
    except UnavailableError:
        return found
    return found


def _cores(found: Description) -> int:
    return cpu.available_cores() if found.device is None else found.device.processors


def doctor(*, as_json: bool) -> int:
    """Print the findings; 4 when something the main job needs is missing."""
    findings = doctors.examine()
    if as_json:
        print(msgspec.json.encode(findings).decode())
    else:
        terminal.findings(findings, Console(highlight=False))
    return int(Exit.FAILED if any(one.needed and not one.present for one in findings) else Exit.DONE)


def schema() -> None:
    """Print the JSON Schema of a line of records.jsonl."""
    from benchsuite.record import json_schema

    print(msgspec.json.format(msgspec.json.encode(json_schema(), order="sorted"), indent=2).decode())


def _load(name: str, out: Path) -> store.Loaded:
    return store.load(store.find(name, out))


def scores_of(loaded: store.Loaded) -> list[Score]:
    """A loaded run's scores, computed from its records."""
    return _scores(loaded.campaign, loaded.records)


def _scores(made: store.Campaign, records: Sequence[Record]) -> list[Score]:
    return _normalized(made, records)[0]


def _normalized(made: store.Campaign, records: Sequence[Record]) -> tuple[list[Score], normalize.Ceilings]:
    card = normalize.card(made.facts)
    return normalize.scores(records, made.plan, discovery.discover(), made.cache, card)


def _print(
    made: store.Campaign,
    scores: Sequence[Score],
    *,
    as_json: bool,
    all_implementations: bool,
    problems: Sequence[str] = (),
) -> None:
    if as_json:
        print(msgspec.json.encode(_document(made, scores, problems)).decode())
        return
    console = Console(highlight=False)
    terminal.table(scores, console, all_implementations=all_implementations)
    for line in (*terminal.summary_lines(scores), *problems):
        console.print(printable(line), markup=False, soft_wrap=True)


def _document(made: store.Campaign, scores: Sequence[Score], problems: Sequence[str]) -> dict[str, Any]:
    """The JSON of a run: every case with parameters, implementation, median, unit, interval and status."""
    return {
        "run": made.id,
        "suite": made.suite.name,
        "started": made.started,
        "version": made.version,
        "backend": made.backend,
        "problems": list(problems),
        "cases": [case_document(score) for score in scores],
    }


def case_document(score: Score) -> dict[str, Any]:
    """One case as JSON. ``median`` is null unless the result was verified."""
    return {
        "benchmark": score.case.benchmark,
        "parameters": dict(score.case.params),
        "ranks": score.case.ranks,
        "implementation": score.implementation,
        "provider": score.provider,
        "status": score.status.value,
        "median": score.value,
        "unit": score.metric.value,
        "interval": [score.low, score.high] if score.value is not None else None,
        "interval_kind": score.interval,
        "runs": list(score.run_values),
        "of_ceiling": score.of_ceiling,
        "ceiling": score.ceiling_name,
        "of_datasheet": score.of_datasheet,
        "of_clock": score.of_clock,
        "conditions": dict(score.conditions),
        "best": score.best,
        "noise": _noise(score.spread) if score.spread else None,
        "unreportable": list(score.unreportable),
        "reason": score.reason,
        "caveats": [{"code": caveat.code, "text": caveat.text} for caveat in score.caveats],
    }


def _noise(spread: Spread) -> dict[str, Any]:
    """Where a case's noise arises, and how many runs of how many independent samples would know it to 1 %."""
    needed = pilot(spread, 0.01)
    plan = {"runs": needed.runs, "samples": needed.samples} if needed else None
    return {"between": spread.between, "within": spread.within, "samples": spread.samples, "for_1_percent": plan}


def _render(loaded: store.Loaded, target: Path) -> Path:
    from benchsuite.render import html
    from benchsuite.render.view import build

    view = build(campaign_view(loaded.campaign, loaded.records, loaded.digest))
    try:
        target.write_text(html.report(view, assets.folder("reports")), encoding="utf-8", newline="\n")
    except OSError as error:
        message = f"The report cannot be written to {target}: {error.strerror}."
        raise UsageError(message, "Choose another file with --to.") from error
    return target


def campaign_view(made: store.Campaign, records: Sequence[Record], digest: str) -> CampaignView:
    """What the report shows of a campaign."""
    from benchsuite.render.view import CampaignView

    scores, ceilings = _normalized(made, records)
    return CampaignView(
        id=made.id,
        suite=made.suite.name,
        title=made.suite.title,
        started=made.started,
        version=made.version,
        command=made.command,
        seed=made.plan.seed,
        backend=made.backend,
        policy=made.plan.policy,
        facts=made.facts,
        scores=scores,
        records=records,
        ceilings=ceilings,
        caches=made.caches,
        cores=made.cores,
        questions={name: item.question for name, item in discovery.discover().items()},
        digest=digest,
    )
