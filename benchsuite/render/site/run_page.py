"""The page of one campaign: what came of it, whether that is usual, every result with its interval, where it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.model import Caveat, Exhibit, Level, Metric, Origin, Publication, Quantiles, Score, Status
from benchsuite.render.site import context, normality, paths, strips
from benchsuite.render.site.collection import Entry
from benchsuite.render.site.context import Site
from benchsuite.render.site.normality import Judged, Usual
from benchsuite.render.site.population import Distribution
from benchsuite.render.words import STATUSES, bandwidth, clean, counted, family, mark, marks, meaning, parameters, value

LEVELS: Mapping[Level, str] = {
    Level.SELF_REPORTED: "Self-reported: whoever ran it says so, and nobody else vouches for it.",
    Level.SIGNED: "Signed: the file is as its signer signed it. That its numbers are true, no signature says.",
    Level.INDEPENDENT: "Independent: a signer who is neither seller nor owner of the machine measured it.",
    Level.CHALLENGED: "Challenged: it was measured for a number that the runner could not know before.",
}
ORIGINS: Mapping[Origin, str] = {
    Origin.MEASURED: "measured by benchsuite",
    Origin.IMPORTED: "imported from the output of another tool: no samples of ours are behind it",
    Origin.PUBLISHED: "published elsewhere, not measured here: no samples are behind it",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One result. ``id``: its anchor; case: the name of its case's page, empty without one."""

    id: str
    key: str
    family: str
    words: str
    case: str
    value: str
    algbw: str
    sort: float | None
    interval: str
    runs: str
    samples: str
    share: str
    share_of: str
    sheet: str
    strip: str
    among: str
    among_n: int
    implementation: str
    library: str
    glyph: str
    status: str
    tone: str
    code: str
    reason: str
    marks: str
    withheld: bool
    first: bool
    source: str


@dataclass(frozen=True, slots=True)
class Gap:
    """What was not measured for one reason."""

    reason: str
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """What the site has of a run besides its page: samples and signature, and its name in the comparison."""

    samples: bool = False
    signature: bool = False
    compared: str = ""


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything that the page prints beside the entry and the publication."""

    entry: Entry
    told: Publication
    headline: tuple[str, str, str]
    answer: str
    judged: tuple[tuple[Judged, Row], ...]
    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...]
    notes: tuple[tuple[str, str, int], ...]
    withheld: int
    model: str
    level: str
    origin: str
    place: str
    price: str
    newer: Entry | None
    siblings: int
    problems: tuple[str, ...]
    has_sheet: bool
    beside: Beside


def build(site: Site, number: int, exhibit: Exhibit, usual: Usual | None, beside: Beside) -> RunView:
    """The page of publication ``number``."""
    entry, told = site.entry(number), exhibit.publication
    shown = [score for score in told.results if score.status is not Status.SKIPPED]
    best = _best(shown)
    rows = tuple(_row(site, entry, score, score.case.key in best and best[score.case.key] is score) for score in shown)
    verdicts = normality.judged(site, told, entry.machine, usual) if usual else []
    by_score = {id(score): row for score, row in zip(shown, rows, strict=True)}
    judged = tuple((one, by_score[id(one.score)]) for one in verdicts)
    newer = site.newer.get(number)
    return RunView(
        entry=entry,
        told=told,
        headline=_headline(entry),
        answer=normality.answer(verdicts, site.type_title(entry.type)) if verdicts else "",
        judged=judged,
        rows=rows,
        gaps=_gaps(told.results),
        notes=_notes(shown),
        withheld=sum(bool(score.unreportable) for score in shown if score.status is Status.OK),
        model=site.type_title(entry.type) if entry.type in site.types else entry.name,
        level=LEVELS[entry.level],
        origin=ORIGINS[entry.origin],
        place=context.place(entry),
        price=price(entry),
        newer=None if newer is None else site.entry(newer),
        siblings=len(site.machines.get(entry.machine, ())),
        problems=tuple(clean(problem) for problem in exhibit.problems),
        has_sheet=any(score.of_datasheet is not None for score in shown),
        beside=beside,
    )


def price(entry: Entry) -> str:
    """``"$2.40 per device and hour, on-demand, 2026-09-01"``."""
    if entry.usd is None or entry.offer is None:
        return ""
    told = (entry.offer.kind, entry.offer.as_of)
    return ", ".join([f"{dollars(entry.usd)} per device and hour", *(clean(part) for part in told if part)])


def dollars(amount: float) -> str:
    """A price, to the cent where it is above one."""
    return f"${amount:,.2f}" if amount >= 0.1 else f"${units.significant(amount, 2)}"


def _best(scores: Sequence[Score]) -> dict[str, Score]:
    """The best verified implementation of each case."""
    found: dict[str, Score] = {}
    for score in scores:
        rival = found.get(score.case.key)
        if score.value is None or score.status is not Status.OK:
            continue
        if rival is None or rival.value is None or (score.value > rival.value) == score.metric.higher_is_better:
            found[score.case.key] = score
    return found


def _headline(entry: Entry) -> tuple[str, str, str]:
    """Glyph, sentence and tone: what came of the campaign."""
    good, wrong, failed = (entry.counts[status] for status in (Status.OK, Status.REJECTED, Status.FAILED))
    total = good + wrong + failed
    if wrong:
        return "✖", f"Not valid: {wrong} of {counted(total, 'result')} {'is' if wrong == 1 else 'are'} wrong.", "bad"
    if failed:
        return "…", f"Incomplete: {good} of {counted(total, 'task')} measured, {failed} failed.", "caution"
    if entry.origin is not Origin.MEASURED:
        return units.DASH, f"{counted(total, 'figure')} {entry.origin.value}, not measured by benchsuite.", "unknown"
    if not total:
        return units.DASH, "Nothing was measured.", "unknown"
    return "✓", f"{counted(total, 'result')} measured and verified.", "good"


def _row(site: Site, entry: Entry, score: Score, first: bool) -> Row:
    good = score.status is Status.OK and score.value is not None
    glyph, word, tone = STATUSES[score.status]
    if entry.origin is not Origin.MEASURED and good:
        glyph, word, tone = "◇", entry.origin.value, "unknown"
    measured = site.collection.case(score) if good and entry.populates else None
    spread = site.spreads[measured.slug].get(entry.type) if measured else None
    drawing = ""
    if measured and spread and spread.n > 1 and first and score.value is not None:
        own = (score.value, score.low or score.value, score.high or score.value)
        drawing = strips.strip(spread, score.metric, strips.span([spread], own), own)
    return Row(
        id=f"r-{paths.short(f'{score.case.key} {score.metric} {score.implementation}')}",
        key=clean(score.case.benchmark),
        family=family(score.case.benchmark),
        words=parameters(score.case),
        case=measured.slug if measured else "",
        value=value(score) if good else units.DASH,
        algbw=bandwidth(score) if good else "",
        sort=score.value if good else None,
        interval=clean(score.interval) if good else "",
        runs=", ".join(units.quantity(each, score.metric) for each in score.run_values) if good and first else "",
        samples=_samples(score.samples) if good else "",
        share=units.percent(score.of_ceiling) if score.of_ceiling is not None else "",
        share_of=f"of what the measured {clean(score.ceiling_name)} allows" if score.of_ceiling is not None else "",
        sheet=units.percent(score.of_datasheet) if score.of_datasheet is not None else "",
        strip=drawing,
        among=_range(spread, score.metric) if spread and spread.n > 1 and first else "",
        among_n=spread.n if spread else 0,
        implementation=clean(score.implementation),
        library="" if score.provider in {"benchsuite", score.implementation} else clean(score.provider),
        glyph=glyph,
        status=word,
        tone=tone,
        code=score.status.value,
        reason=clean(score.reason),
        marks=marks(score) if good else "",
        withheld=bool(score.unreportable) and good,
        first=first or not good,
        source=clean(score.source),
    )


def _range(spread: Distribution, metric: Metric) -> str:
    ends = (spread.least, spread.most) if spread.points else (spread.p5, spread.p95)
    return strips.ranged(*ends, metric)


def _samples(found: Sequence[Quantiles]) -> str:
    """``"72 samples, 1.19–1.31 ms, 5th to 95th 1.20–1.22 ms"`` over all runs."""
    if not found:
        return ""
    inner = strips.ranged(min(one.p5 for one in found), max(one.p95 for one in found), Metric.LATENCY)
    outer = strips.ranged(min(one.minimum for one in found), max(one.maximum for one in found), Metric.LATENCY)
    number = sum(one.n for one in found)
    return f"{counted(number, 'sample')} in {counted(len(found), 'run')}: {outer}, 5th to 95th percentile {inner}"


def _gaps(scores: Sequence[Score]) -> tuple[Gap, ...]:
    found: dict[str, list[str]] = {}
    for score in scores:
        if score.status is Status.SKIPPED:
            name = f"{family(score.case.benchmark)}, {parameters(score.case)} [{clean(score.implementation)}]"
            found.setdefault(clean(score.reason) or "No reason is recorded.", []).append(name)
    return tuple(Gap(reason, tuple(dict.fromkeys(tasks))) for reason, tasks in found.items())


def _notes(scores: Sequence[Score]) -> tuple[tuple[str, str, int], ...]:
    counts: dict[str, int] = {}
    kept: dict[str, Caveat] = {}
    for score in scores:
        for caveat in {one.code: one for one in score.caveats}.values():
            counts[caveat.code] = counts.get(caveat.code, 0) + 1
            kept[caveat.code] = caveat
    return tuple(
        (mark(kept[code]), meaning(kept[code]) or clean(code), number) for code, number in sorted(counts.items())
    )
