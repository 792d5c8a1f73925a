"""``show``, ``report`` and ``compare``: what a person reads, computed from stored records."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from benchsuite import assets, campaign, discovery, exhibits, results, store
from benchsuite import compare as comparing
from benchsuite.commands import normality
from benchsuite.errors import DataError, Exit, UsageError
from benchsuite.model import Record, Score
from benchsuite.reading import printable
from benchsuite.render import terminal, terminal_comparison
from benchsuite.statistics.runs import Verdict

if TYPE_CHECKING:
    from benchsuite.render.view import CampaignView

WATCHED = {"slower": {Verdict.SLOWER}, "faster": {Verdict.FASTER}, "different": {Verdict.SLOWER, Verdict.FASTER}}


def show(
    name: str,
    out: Path,
    *,
    form: str,
    all_implementations: bool,
    references: Sequence[str] = (),
    catalog: Sequence[Path] = (),
) -> int:
    """Print a run's scores as ``text``, ``json`` or ``csv``. The exit code is that of the run.

    references: what its numbers are set against, as ``exhibits.gather`` takes it; catalog: the user's files of it.
    """
    loaded = results.load(name, out)
    scores = results.scores_of(loaded)
    if form == "csv":
        from benchsuite.frame import csv

        print(csv(scores), end="")
    else:
        results_of(
            loaded.campaign,
            scores,
            as_json=form == "json",
            all_implementations=all_implementations,
            problems=loaded.problems,
            against=normality.Against(tuple(exhibits.gather(references, out)), tuple(catalog)),
        )
    return int(campaign.exit_code(scores))


def report(name: str, out: Path, to: Path | None, *, as_json: bool) -> None:
    """Render a run's report from its records."""
    loaded = results.load(name, out)
    target = to or loaded.path / "report.html"
    written = render(loaded, target)
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
    one, other = (results.load(name, out) for name in (a, b))
    for loaded in (one, other):
        if loaded.damaged:
            raise DataError(loaded.problems[0], f"{loaded.path.name} can be shown, but not compared: measure again.")
    correction = comparing.Correction.BENJAMINI_HOCHBERG if explore else comparing.Correction.HOLM
    result = comparing.compare(results.scores_of(one), results.scores_of(other), correction=correction)
    if not result.rows:
        raise UsageError("The two runs share no case.", "Compare runs of one suite.")
    if as_json:
        print(msgspec.json.encode(result).decode())
    else:
        terminal_comparison.comparison(result, Console(highlight=False))
    met = [row for row in result.rows if fail_on and row.verdict in WATCHED[fail_on]]
    if any(row.clean for row in met):
        return int(Exit.REJECTED)
    if met:
        print(f"benchsuite: {terminal_comparison.not_clean(met)}", file=sys.stderr)
    return int(Exit.INCONCLUSIVE if met or not result.family else Exit.DONE)


def results_of(
    made: store.Campaign,
    scores: Sequence[Score],
    *,
    as_json: bool,
    all_implementations: bool,
    problems: Sequence[str] = (),
    against: normality.Against = normality.SHIPPED,
) -> None:
    """Print a run: its table and what to think of its numbers, or one JSON document."""
    appraisal, troubles = normality.appraised(made, scores, against)
    if as_json:
        print(msgspec.json.encode(results.document(made, scores, (*problems, *troubles), appraisal)).decode())
        return
    console = Console(highlight=False)
    terminal.table(scores, console, all_implementations=all_implementations)
    for line in (*terminal.summary_lines(scores), *problems, *troubles):
        console.print(printable(line), markup=False, soft_wrap=True)
    normality.section(appraisal, console)


def render(loaded: store.Loaded, target: Path) -> Path:
    """Write a run's HTML page to ``target``."""
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

    scores, ceilings = results.normalized(made, records)
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
