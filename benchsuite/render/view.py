"""What the report says, as frozen values: no HTML here, so that wording and numbers can be tested alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchsuite import bandwidths, units
from benchsuite.appraisal import Appraisal
from benchsuite.model import Policy, Record, Score, Skip, Status
from benchsuite.normalize import Ceilings
from benchsuite.render import appraised, charts, forecast_section, rows, sensors, training, verdict
from benchsuite.render.forecast_table import Outcome
from benchsuite.render.rows import Card, TableRow
from benchsuite.render.words import counted, family, mark, meaning, parameters, withheld
from benchsuite.telemetry.reading import Reading
from benchsuite.training import Spent, exposures


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign as the report needs it.

    ``facts``: section -> name -> value. ``caches``: bytes of "L1d", "L2", "L3" as one core sees them.
    ``questions``: what each benchmark asks, in one line. ``skips`` may repeat skipped ``scores``.
    ``ceilings``: as the scores were normalized with.
    ``cores``: 0 takes them from the facts. ``appraisal``: its scores set against what is on record.
    ``readings``: what the sensors said meanwhile, in the order read (``telemetry.archive.recorded``).
    ``steps``: the steps of training that the suite asked for, measured.
    ``forecasts``: what well-known models would take on this machine.
    ``problems``: sentences about what of the run, or of what it is set against, could not be read.
    """

    id: str
    suite: str
    title: str
    started: str
    version: str
    command: str
    seed: int
    policy: Policy
    facts: Mapping[str, Mapping[str, str]]
    scores: Sequence[Score]
    records: Sequence[Record]
    ceilings: Ceilings
    caches: Mapping[str, int]
    questions: Mapping[str, str]
    digest: str
    skips: Sequence[Skip] = ()
    duration: float = 0.0
    backend: str = "host"
    cores: int = 0
    appraisal: Appraisal | None = None
    readings: Sequence[Reading] = ()
    problems: Sequence[str] = ()
    steps: Sequence[Spent] = ()
    forecasts: Sequence[Outcome] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A caveat: its letter beside the numbers, what it means and how many results it concerns."""

    letter: str
    meaning: str
    count: str


@dataclass(frozen=True, slots=True)
class Gap:
    """What was not measured for one reason."""

    reason: str
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """A benchmark of this campaign."""

    key: str
    name: str
    question: str
    count: int


@dataclass(frozen=True, slots=True)
class ReportView:
    """Everything the template prints."""

    campaign: CampaignView
    verdict: verdict.Verdict
    when: str
    machine: str
    facts: tuple[tuple[str, Mapping[str, str]], ...]
    simulated: bool
    cards: tuple[Card, ...]
    rows: tuple[TableRow, ...]
    families: tuple[Family, ...]
    figures: tuple[charts.Figure, ...]
    notes: tuple[Note, ...]
    withheld: tuple[str, ...]
    gaps: tuple[Gap, ...]
    troubles: tuple[TableRow, ...]
    has_datasheet: bool
    several: bool
    copy: str
    appraised: appraised.Answer | None = None
    during: sensors.During | None = None
    steps: tuple[training.StepView, ...] = ()
    alone: str = training.ALONE
    sent_by: tuple[str, ...] = ()
    overlaps: tuple[training.OverlapView, ...] = ()
    forecasts: forecast_section.SectionView | None = None
    rates: str = ""
    rates_source: str = bandwidths.SOURCE


def build(campaign: CampaignView) -> ReportView:
    """The page of a campaign."""
    steps = training.steps(campaign.steps)
    shown = [score for score in campaign.scores if score.status is not Status.SKIPPED]
    gaps = _gaps(campaign)
    told = appraised.answer(campaign.appraisal) if campaign.appraisal else None
    found = verdict.of(shown, sum(len(gap.tasks) for gap in gaps), campaign.policy.runs, told)
    cards = rows.cards(shown)
    machine = _machine(campaign)
    table = rows.table(shown, campaign.records)
    return ReportView(
        campaign=campaign,
        verdict=found,
        when=_when(campaign.started),
        machine=machine,
        facts=_facts(campaign.facts),
        simulated=campaign.backend == "fake",
        cards=cards,
        rows=table,
        families=_families(shown, campaign.questions),
        figures=charts.figures(shown, campaign.ceilings, campaign.caches, _cores(campaign)),
        notes=_notes(shown),
        withheld=_withheld(shown),
        gaps=gaps,
        troubles=tuple(row for row in table if row.code != Status.OK),
        has_datasheet=any(score.of_datasheet is not None for score in shown),
        several=any(score.status is Status.OK and not score.best for score in shown),
        copy=_copy(campaign, machine, found, cards),
        appraised=told,
        during=sensors.during(campaign.readings, gpu=campaign.backend == "cuda"),
        steps=steps,
        sent_by=training.sources(steps),
        overlaps=training.overlaps(exposures(shown)),
        forecasts=forecast_section.section(campaign.forecasts, campaign.id),
        rates=bandwidths.definition(shown),
    )


def _when(started: str) -> str:
    """``2026-11-24T11:01:26.638+00:00`` as ``2026-11-24 11:01 UTC``; anything else as it is."""
    date, t, time = started.partition("T")
    return f"{date} {time[:5]} UTC" if t and time.endswith(("+00:00", "Z")) else started


def _machine(campaign: CampaignView) -> str:
    """What was measured, in one line: the GPU where it was one, else the processor."""
    gpu = campaign.facts.get("gpu", {})
    if "name" in gpu:
        parts = (gpu["name"], f"{gpu.get('processors', '?')} processors", gpu.get("memory", ""), gpu.get("driver", ""))
        return " · ".join(filter(None, parts))
    processor = campaign.facts.get("processor", {})
    words = [processor.get("model", "unknown processor")]
    if cores := _cores(campaign):
        words.append(f"{cores} core{'s' if cores > 1 else ''}")
    if "usable" in campaign.facts.get("memory", {}):
        words.append(campaign.facts["memory"]["usable"])
    if processor.get("virtual machine") == "yes":
        words.append("virtual machine")
    return " · ".join(words)


FIRST = ("gpu", "processor", "memory", "system", "device")


def _facts(facts: Mapping[str, Mapping[str, str]]) -> tuple[tuple[str, Mapping[str, str]], ...]:
    """The sections that have something to say, the hardware first."""
    order = [name for name in FIRST if name in facts] + [name for name in facts if name not in FIRST]
    return tuple((name, facts[name]) for name in order if facts[name])


def _cores(campaign: CampaignView) -> int:
    told = campaign.facts.get("processor", {}).get("cores usable", "")
    return campaign.cores or (int(told) if told.isascii() and told.isdigit() else 0)


def _families(scores: Sequence[Score], questions: Mapping[str, str]) -> tuple[Family, ...]:
    names = dict.fromkeys(score.case.benchmark for score in scores)
    return tuple(
        Family(name, family(name), questions.get(name, ""), sum(s.case.benchmark == name for s in scores))
        for name in names
    )


def _notes(scores: Sequence[Score]) -> tuple[Note, ...]:
    counts: dict[tuple[str, str], int] = {}
    for score in scores:
        for told in {(mark(caveat), meaning(caveat)) for caveat in score.caveats}:
            counts[told] = counts.get(told, 0) + 1
    total = len(scores)
    return tuple(Note(*told, f"{count} of {total} results") for told, count in sorted(counts.items()))


def _withheld(scores: Sequence[Score]) -> tuple[str, ...]:
    """Why numbers may not be published as clean, each reason with how many it concerns."""
    return tuple(
        f"{reason} {count} of {counted(len(scores), 'result')}." for reason, count in withheld(scores)[1].items()
    )


def _gaps(campaign: CampaignView) -> tuple[Gap, ...]:
    """Each reason once, with what it concerns."""
    found: dict[str, dict[str, None]] = {}
    for one in _skipped(campaign):
        name = f"{family(one.case.benchmark)}, {parameters(one.case)}"
        found.setdefault(one.reason, {})[f"{name} [{one.implementation}]" if one.implementation else name] = None
    return tuple(Gap(reason, tuple(names)) for reason, names in found.items())


def _skipped(campaign: CampaignView) -> Iterator[Score | Skip]:
    yield from (score for score in campaign.scores if score.status is Status.SKIPPED)
    yield from campaign.skips


def _copy(campaign: CampaignView, machine: str, found: verdict.Verdict, cards: Sequence[Card]) -> str:
    """The answer as plain text, for a ticket or a message."""
    lines = [f"{found.glyph} {found.headline}", machine, *found.sentences]
    lines += [f"{card.label}: {card.value} ({card.detail}{', ' if card.share else ''}{card.share})" for card in cards]
    lines.append(f"benchsuite {campaign.version}, run {campaign.id}, {_when(campaign.started)}, {campaign.command}")
    return "\n".join(lines).replace(units.NO_BREAK_SPACE, " ")
