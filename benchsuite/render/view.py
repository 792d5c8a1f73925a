"""What the report says, as frozen values: no HTML here, so that wording and numbers can be tested alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchsuite import units
from benchsuite.model import Policy, Record, Score, Status
from benchsuite.normalize import Ceilings
from benchsuite.render import charts, strip
from benchsuite.render.words import CAVEATS, parameters, value

GLYPHS = {
    Status.OK: ("✓", "verified", "good"),
    Status.REJECTED: ("✖", "wrong result", "bad"),
    Status.FAILED: ("✖", "failed", "bad"),
    Status.SKIPPED: (units.DASH, "skipped", "unknown"),
}


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign as the report needs it; ``caches``: bytes per level as one core sees them."""

    id: str
    suite: str
    title: str
    started: str
    version: str
    command: str
    seed: int
    backend: str
    policy: Policy
    facts: Mapping[str, Mapping[str, str]]
    scores: Sequence[Score]
    records: Sequence[Record]
    ceilings: Ceilings
    caches: Mapping[str, int]
    cores: int
    questions: Mapping[str, str]
    digest: str


@dataclass(frozen=True, slots=True)
class Card:
    """One of the few numbers shown first."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One task: ``sort`` is the value in SI units, 0 where there is none."""

    family: str
    case: str
    value: str
    sort: float
    share: str
    share_of: str
    share_sort: float
    datasheet: str
    interval: str
    implementation: str
    provider: str
    best: bool
    glyph: str
    status: str
    tone: str
    marks: str
    reason: str
    runs: tuple[str, ...]
    strip: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart drawn at two widths."""

    id: str
    title: str
    note: str
    wide: str
    narrow: str


@dataclass(frozen=True, slots=True)
class ReportView:
    """Everything the template prints."""

    campaign: CampaignView
    headline: str
    sentences: tuple[str, ...]
    machine: str
    started: str
    simulated: bool
    cards: tuple[Card, ...]
    rows: tuple[TableRow, ...]
    families: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    caveats: tuple[tuple[str, str, str], ...]
    skips: tuple[tuple[str, str], ...]
    has_datasheet: bool
    summary: Mapping[str, object] = field(default_factory=dict)


def build(campaign: CampaignView) -> ReportView:
    """The page of a campaign."""
    scores = campaign.scores
    by_task: dict[tuple[str, str], list[Record]] = {}
    for record in campaign.records:
        by_task.setdefault((record.case.key, record.implementation), []).append(record)
    shown = [score for score in scores if score.status is not Status.SKIPPED]
    rows = tuple(_row(score, by_task.get((score.case.key, score.implementation), [])) for score in shown)
    drawn = charts.of_campaign(scores, campaign.ceilings, campaign.caches, campaign.cores)
    families = tuple(dict.fromkeys(row.family for row in rows))
    return ReportView(
        campaign=campaign,
        headline=_headline(shown),
        sentences=_sentences(campaign, shown),
        machine=_machine(campaign),
        started=campaign.started.replace("T", " ").replace("+00:00", " UTC"),
        simulated=campaign.backend == "fake",
        cards=_cards(shown),
        rows=rows,
        families=tuple((name, campaign.questions.get(name, "")) for name in families),
        figures=tuple(Figure(c.id, c.title, c.note, *(charts.draw(spec) for spec in c.specs)) for c in drawn),
        caveats=_caveats(shown),
        skips=_skips(scores),
        has_datasheet=any(score.of_datasheet is not None for score in shown),
    )


def _headline(scores: Sequence[Score]) -> str:
    """One sentence: what of the suite was measured, and whether all of it was right."""
    if not scores:
        return "Nothing was measured."
    cases = {score.case.key for score in scores}
    good = {score.case.key for score in scores if score.status is Status.OK}
    wrong = sum(score.status is Status.REJECTED for score in scores)
    failed = sum(score.status is Status.FAILED for score in scores)
    if wrong:
        return f"✖ Invalid: {wrong} of {len(scores)} results {_were(wrong)} wrong."
    if failed:
        return f"… Incomplete: {failed} of {len(scores)} tasks failed; {len(good)} of {len(cases)} cases have a number."
    return f"✓ {len(cases)} cases measured, every result verified."


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _sentences(campaign: CampaignView, scores: Sequence[Score]) -> tuple[str, ...]:
    """What follows from the numbers, and what was not asked."""
    said = []
    for family, name in (("gemm", "Matrix multiplication"), ("attention", "Attention"), ("decode", "Decoding")):
        best = _top([score for score in scores if score.case.benchmark == family and score.of_ceiling is not None])
        if best is not None and best.of_ceiling is not None:
            share = units.percent(best.of_ceiling)
            limit = f"what this machine's measured {best.ceiling_name} allows"
            said.append(f"{name} reaches {share} of {limit} ({parameters(best.case)}).")
    runs = campaign.policy.runs
    if runs < 3:
        said.append(f"{runs} run{'s' if runs > 1 else ''} only: enough for numbers, too few to compare machines by.")
    said.append(
        f"{units.DASH} No reference: no population of such machines is on record, so nothing here says normal or slow."
    )
    return tuple(said)


def _top(scores: Sequence[Score]) -> Score | None:
    return max((score for score in scores if score.of_ceiling), key=lambda score: score.of_ceiling or 0.0, default=None)


def _cards(scores: Sequence[Score]) -> tuple[Card, ...]:
    """At most seven numbers: the best of each kind of work."""
    best = [score for score in scores if score.best and score.value is not None]
    made: list[Card] = []
    for dtype in ("fp64", "fp32", "bf16", "int8"):
        chosen = [s for s in best if s.case.benchmark == "gemm" and dict(s.case.params).get("dtype") == dtype]
        made += _card(f"GEMM {dtype}", max(chosen, key=_number, default=None))
    made += _card(
        "Attention prefill", max((s for s in best if s.case.benchmark == "attention"), key=_number, default=None)
    )
    made += _card("Attention decode", max((s for s in best if s.case.benchmark == "decode"), key=_number, default=None))
    dram = [s for s in best if s.case.benchmark == "memory" and s.of_ceiling is not None]
    for op in ("triad", "read"):
        made += _card(f"DRAM {op}", next((s for s in dram if s.case["op"] == op), None))
    chases = [s for s in best if s.case.benchmark == "latency"]
    made += _card("DRAM latency", max(chases, key=lambda s: int(s.case["bytes"]), default=None))
    made += _card(
        "All-reduce busbw", max((s for s in best if s.case.benchmark == "allreduce"), key=_number, default=None)
    )
    return tuple(made)


def _number(score: Score) -> float:
    return score.value or 0.0


def _card(label: str, score: Score | None) -> list[Card]:
    if score is None:
        return []
    share = f", {units.percent(score.of_ceiling)} of ceiling" if score.of_ceiling is not None else ""
    return [Card(label, value(score).replace(units.NO_BREAK_SPACE, " "), f"{parameters(score.case)}{share}")]


def _row(score: Score, records: Sequence[Record]) -> TableRow:
    glyph, word, tone = GLYPHS[score.status]
    return TableRow(
        family=score.case.benchmark,
        case=parameters(score.case),
        value=value(score),
        sort=score.value or 0.0,
        share=units.percent(score.of_ceiling) if score.of_ceiling is not None else "",
        share_of=score.ceiling_name,
        share_sort=score.of_ceiling or 0.0,
        datasheet=units.percent(score.of_datasheet) if score.of_datasheet is not None else "",
        interval=score.interval,
        implementation=score.implementation,
        provider=score.provider,
        best=score.best,
        glyph=glyph,
        status=word,
        tone=tone,
        marks="".join(CAVEATS.get(caveat.code, ("?", ""))[0] for caveat in score.caveats),
        reason=score.reason,
        runs=tuple(units.quantity(each, score.metric.value) for each in score.run_values),
        strip=strip.samples(records) if score.status is Status.OK else "",
    )


def _machine(campaign: CampaignView) -> str:
    processor = campaign.facts.get("processor", {})
    words = [processor.get("model", "unknown processor")]
    if "cores usable" in processor:
        words.append(f"{processor['cores usable']} cores")
    if "usable" in campaign.facts.get("memory", {}):
        words.append(campaign.facts["memory"]["usable"])
    if processor.get("virtual machine") == "yes":
        words.append("virtual machine")
    return " · ".join(words)


def _caveats(scores: Sequence[Score]) -> tuple[tuple[str, str, str], ...]:
    """Each note's letter and meaning, with how many tasks it concerns."""
    counts: dict[str, int] = {}
    for score in scores:
        for caveat in score.caveats:
            counts[caveat.code] = counts.get(caveat.code, 0) + 1
    total = len(scores)
    return tuple(
        (CAVEATS.get(code, ("?", ""))[0], CAVEATS.get(code, ("?", code))[1], f"{count} of {total} tasks")
        for code, count in sorted(counts.items())
    )


def _skips(scores: Sequence[Score]) -> tuple[tuple[str, str], ...]:
    """Each reason once, with what it concerns."""
    found: dict[str, list[str]] = {}
    for score in scores:
        if score.status is Status.SKIPPED:
            found.setdefault(score.reason, []).append(
                f"{score.case.benchmark} {parameters(score.case)} [{score.implementation}]"
            )
    return tuple((reason, "; ".join(names)) for reason, names in found.items())
