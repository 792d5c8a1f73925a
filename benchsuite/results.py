"""A run directory -> its scores: what every command begins with that shows, compares or publishes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchsuite import bandwidths, discovery, normal, normalize, patterns, publication, store, training, worth
from benchsuite.appraisal import Appraisal, appraise
from benchsuite.errors import DataError
from benchsuite.model import Exhibit, Offer, Pattern, Publication, Record, Score, Spread
from benchsuite.statistics.components import pilot


def load(name: str, out: Path) -> store.Loaded:
    """The run called ``name`` (``store.find``), read back."""
    return store.load(store.find(name, out))


def scores_of(loaded: store.Loaded) -> list[Score]:
    """A loaded run's scores, computed from its records."""
    return normalized(loaded.campaign, loaded.records)[0]


def normalized(made: store.Campaign, records: Sequence[Record]) -> tuple[list[Score], normalize.Ceilings]:
    """The scores of these records of a campaign, and the ceilings they were set against."""
    card = normalize.card(made.facts)
    return normalize.scores(records, made.plan, discovery.discover(), made.cache, card)


def public(loaded: store.Loaded, offer: Offer | None = None) -> Publication:
    """The public part of a loaded run, with its own offer unless another is given."""
    scores, ceilings = normalized(loaded.campaign, loaded.records)
    samples = publication.digest(publication.encode_samples(loaded.records))
    return publication.of(
        loaded.campaign, scores, ceilings, loaded.digest, offer or worth.offer_of(loaded.campaign.facts), samples
    )


def appraised(
    made: store.Campaign, scores: Sequence[Score], exhibits: Iterable[Exhibit] = (), files: Sequence[Path] = ()
) -> Appraisal:
    """A campaign's scores set against the catalogue, the user's ``files`` of it, and records of such machines.

    Raises ``DataError`` when a file of the catalogue cannot be read.
    """
    from benchsuite.catalog import load

    judged = normal.hardware(made.facts, made.machine)
    own = (publication.machine(made).id, made.started)  # not the run's id: in public it may be another
    others = [one for one in exhibits if (one.publication.machine.id, one.publication.started) != own]
    known = normal.reference(load(files).figures, others, judged)
    return appraise(scores, known, worth.offer_of(made.facts))


def steps(made: store.Campaign, scores: Sequence[Score]) -> tuple[training.Spent, ...]:
    """What the steps of training that a campaign's suite asked for spend on communication."""
    from benchsuite.catalog import load

    if not made.suite.patterns:
        return ()
    try:
        models = load().models
    except DataError:  # a user's file that cannot be read takes a warning away, not the measurement
        models = {}

    def refusal(pattern: Pattern, ranks: int) -> str:
        known = models.get(pattern.model)
        return patterns.refusal(pattern.kind, known, ranks) if known else ""

    return training.spent(made.suite.patterns, scores, refusal)


def document(
    made: store.Campaign, scores: Sequence[Score], problems: Sequence[str], appraisal: Appraisal | None = None
) -> dict[str, Any]:
    """The JSON of a run: every case with parameters, implementation, median, unit, interval and status.

    ``standing`` and ``worth`` of a case are null without an ``appraisal``.
    """
    thought = appraisal.documents() if appraisal else [{"standing": None, "worth": None}] * len(scores)
    return {
        "run": made.id,
        "suite": made.suite.name,
        "started": made.started,
        "version": made.version,
        "backend": made.backend,
        "problems": list(problems),
        "cases": [case_document(score) | also for score, also in zip(scores, thought, strict=True)],
        "training": [_step(one) for one in steps(made, scores)],
        "overlap": [_exposure(one) for one in training.exposures(scores)],
    }


def _step(spent: training.Spent) -> dict[str, Any]:
    """A step of training as JSON; times in seconds, ``total`` null when a message has no time."""
    return {
        "kind": spent.pattern.kind.value,
        "model": spent.pattern.model,
        "tokens": spent.pattern.tokens,
        "dtype": spent.pattern.dtype,
        "sent": spent.pattern.sent,
        "ranks": spent.ranks,
        "refused": spent.refused,
        "total": asdict(spent.total) if spent.total else None,
        "known": spent.known,
        "messages": [
            {**asdict(one.message), "each": one.one, "by": one.implementation, "reason": one.reason}
            for one in spent.messages
        ],
    }


def _exposure(one: training.Exposure) -> dict[str, Any]:
    """What the overlap benchmark found, as JSON; times in seconds."""
    told = {name: value for name, value in asdict(one).items() if name != "case"}
    return {"parameters": {k: v for k, v in one.case.params if k != "part"}, "ranks": one.case.ranks, **told}


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
        "algbw": _algbw(score),
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


def _algbw(score: Score) -> dict[str, Any] | None:
    """Of a collective: message by time, and the factor that makes busbw of it."""
    found = bandwidths.algbw(score)
    return {**asdict(found), "source": bandwidths.SOURCE} if found else None


def _noise(spread: Spread) -> dict[str, Any]:
    """Where a case's noise arises, and how many runs of how many independent samples would know it to 1 %."""
    needed = pilot(spread, 0.01)
    plan = {"runs": needed.runs, "samples": needed.samples} if needed else None
    return {"between": spread.between, "within": spread.within, "samples": spread.samples, "for_1_percent": plan}
