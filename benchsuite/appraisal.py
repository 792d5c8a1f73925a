"""Scores -> what to think of each: is it normal, and what is it worth? One pass over a campaign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from benchsuite import normal, worth
from benchsuite.bands import Band
from benchsuite.model import Metric, Offer, Score
from benchsuite.normal import Reference, Standing
from benchsuite.references import quantity
from benchsuite.worth import Worth


@dataclass(frozen=True, slots=True)
class Appraised:
    """One score with how it stands and what it is worth."""

    score: Score
    standing: Standing
    worth: Worth


@dataclass(frozen=True, slots=True)
class Appraisal:
    """All scores of a campaign, set against what is known of its hardware, and the offer if there is one."""

    known: Reference
    rows: tuple[Appraised, ...]
    offer: Offer | None = None

    @property
    def referred(self) -> tuple[Appraised, ...]:
        """The rows for which anything is on record: of each task measured alike; of published quantities the best."""
        best = {row.standing.quantity: row for row in _by_value(self.rows) if row.standing.published}
        return tuple(row for row in self.rows if row.standing.measured or best.get(row.standing.quantity) is row)

    @property
    def headlines(self) -> tuple[Appraised, ...]:
        """The best of each kind of work that money buys: large products, memory beyond the caches, links."""
        best = {_kind(row.score): row for row in _by_value(self.rows) if _headline(row.score)}
        return tuple(row for row in self.rows if best.get(_kind(row.score)) is row)

    def documents(self) -> list[dict[str, Any]]:
        """For each row its ``standing`` and its ``worth``, as JSON has them."""
        return [{"standing": _standing(row.standing), "worth": row.worth} for row in self.rows]


def _standing(one: Standing) -> dict[str, Any]:
    told = {item.name: getattr(one, item.name) for item in fields(one)}
    return told | {"measured": _band(one.measured), "published": _band(one.published)}


def _band(one: Band | None) -> dict[str, Any] | None:
    if one is None:
        return None
    told = {item.name: getattr(one, item.name) for item in fields(one)}
    return told | {"n": one.n, "sources": one.sources, "population": one.population}


def appraise(scores: Iterable[Score], known: Reference, offer: Offer | None = None) -> Appraisal:
    """Every score set against the reference, and its worth at the offer's price."""
    rows = []
    for score in scores:
        standing = normal.standing(score, known.hardware, known)
        rows.append(Appraised(score, standing, worth.of(score, offer, standing.middle)))
    return Appraisal(known, tuple(rows), offer)


def _by_value(rows: Sequence[Appraised]) -> list[Appraised]:
    """The verified best of their cases, worse ones first."""
    good = [row for row in rows if row.score.best and row.score.value is not None]
    return sorted(good, key=lambda row: (row.score.value or 0.0) * (1.0 if row.score.metric.higher_is_better else -1.0))


def _headline(score: Score) -> bool:
    easy = dict(score.case.params).get("data", "normal") != "normal"
    if score.metric is Metric.BANDWIDTH:
        return score.ceiling is not None
    return score.metric in {Metric.FLOPS, Metric.BUSBW} and not easy


def _kind(score: Score) -> str:
    """What kind of work it is, for which the best case speaks."""
    params = dict(score.case.params)
    told = (score.case.benchmark, str(params.get("dtype", "")), str(params.get("op", params.get("direction", ""))))
    return quantity(score) or " ".join(told)
