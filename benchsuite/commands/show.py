"""``show`` and ``report``: what a person reads, computed from stored records."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from benchsuite import assets, campaign, discovery, exhibits, keys, results, store
from benchsuite.commands import normality
from benchsuite.errors import DataError, UsageError
from benchsuite.fleet import fleet as fleets
from benchsuite.model import Record, Score
from benchsuite.reading import printable
from benchsuite.render import terminal, terminal_training
from benchsuite.scan import ledger

if TYPE_CHECKING:
    from benchsuite.render.forecast_table import Outcome
    from benchsuite.render.view import CampaignView
    from benchsuite.telemetry.reading import Reading


def show(
    name: str,
    out: Path,
    *,
    form: str,
    all_implementations: bool,
    references: Sequence[str] = (),
    catalog: Sequence[Path] = (),
) -> int:
    """Print a run's scores as ``text``, ``json``, ``csv`` or ``markdown``. The exit code is that of the run.

    references: what its numbers are set against, as ``exhibits.gather`` takes it; catalog: the user's files of it.
    """
    if (measured := ledger.find(name, out)) is not None:
        from benchsuite.commands import scan

        return scan.show(measured, as_json=form == "json")
    if (whole := fleets.find(name, out)) is not None:
        from benchsuite.commands import fleet

        return fleet.show(whole, as_json=form == "json", with_report=False)
    loaded = results.load(name, out)
    scores = results.scores_of(loaded)
    if form == "csv":
        from benchsuite.frame import csv

        print(csv(scores), end="")
    elif form == "markdown":
        from benchsuite.render import markdown

        print(markdown.run(scores, loaded.campaign.id, all_implementations=all_implementations), end="")
    else:
        results_of(
            loaded.campaign,
            scores,
            as_json=form == "json",
            all_implementations=all_implementations,
            problems=loaded.problems,
            against=normality.Against(tuple(exhibits.gather(references, out, whole=True)), tuple(catalog)),
        )
    return int(campaign.exit_code(scores))


def report(
    names: Sequence[str],
    out: Path,
    to: Path | None,
    trusted: Sequence[Path],
    *,
    as_json: bool,
    references: Sequence[str] = (),
    catalog: Sequence[Path] = (),
) -> None:
    """Render the report of one run from its records, or a page that compares what the names stand for.

    trusted: the public keys, or folders of them, by which signatures are verified. references, catalog: what the
    numbers of one run are set against, as in ``show``. Raises ``UsageError`` for these with several.
    """
    path = _only_run(names, out)
    if path is not None:
        against = normality.Against(tuple(exhibits.gather(references, out, whole=True)), tuple(catalog))
        loaded = store.load(path)
        told = _view(loaded, against)
        for problem in told.problems:
            print(f"benchsuite: {printable(problem)}", file=sys.stderr)
        written = _html(told, to or path / "report.html")
    elif references or catalog:
        raise UsageError("--reference and --catalog are for the page of one run.", "Name one run, or leave them out.")
    else:
        from benchsuite.render.explorer.page import page

        found = exhibits.gather(names, out, trust=keys.trust(trusted))
        written = _write(page(found), to or Path("comparison.html"))
    print(msgspec.json.encode({"report": str(written)}).decode() if as_json else f"Report: {written}")


def _only_run(names: Sequence[str], out: Path) -> Path | None:
    """The run directory, if the names are one name and that of a run."""
    alone = Path(names[0])
    if len(names) > 1 or (not (alone / store.CAMPAIGN).is_file() and (alone.is_dir() or alone.suffix == ".json")):
        return None
    return store.find(names[0], out)


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
    terminal_training.section(results.steps(made, scores), scores, console)
    normality.section(appraisal, console)


def render(loaded: store.Loaded, target: Path, against: normality.Against = normality.SHIPPED) -> Path:
    """Write a run's HTML page to ``target``."""
    return _html(_view(loaded, against), target)


def _view(loaded: store.Loaded, against: normality.Against) -> CampaignView:
    from benchsuite.telemetry.archive import recorded

    return campaign_view(
        loaded.campaign, loaded.records, loaded.digest, against, recorded(loaded.path), loaded.problems
    )


def _html(told: CampaignView, target: Path) -> Path:
    from benchsuite.render import html
    from benchsuite.render.view import build

    return _write(html.report(build(told), assets.folder("reports")), target)


def _write(page: str, target: Path) -> Path:
    try:
        target.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        message = f"The report cannot be written to {target}: {error.strerror}."
        raise UsageError(message, "Choose another file with --to.") from error
    return target


def campaign_view(
    made: store.Campaign,
    records: Sequence[Record],
    digest: str,
    against: normality.Against = normality.SHIPPED,
    readings: Sequence[Reading] = (),
    problems: Sequence[str] = (),
) -> CampaignView:
    """What the report shows of a campaign.

    readings: what the sensors said meanwhile; problems: what of the run could not be read.
    """
    from benchsuite.render.view import CampaignView

    scores, ceilings = results.normalized(made, records)
    appraisal, troubles = normality.appraised(made, scores, against)
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
        appraisal=appraisal,
        readings=readings,
        problems=(*problems, *troubles),
        steps=results.steps(made, scores),
        forecasts=_forecasts(made, scores),
    )


def _forecasts(made: store.Campaign, scores: Sequence[Score]) -> tuple[Outcome, ...]:
    """What well-known models would cost on the GPUs of a run; a catalogue that cannot be read takes only these away."""
    if made.backend != "cuda":
        return ()
    from benchsuite.commands import predict

    try:
        return predict.examples(made, scores)
    except DataError:
        return ()
