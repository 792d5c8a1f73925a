"""Scores as a page has them: in columns, with what a page asks of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from benchsuite import comparability, worth
from benchsuite.bandwidths import algbw
from benchsuite.model import Exhibit, Publication, Score, Status
from benchsuite.render import words
from benchsuite.render.explorer import pack
from benchsuite.reportable import compromised

Cell = tuple[int, Score]
"""The number of a machine, and what it did."""

clean = lru_cache(1 << 16)(words.clean)
"""The same few words stand in a hundred thousand cells."""


def value(score: Score) -> float | None:
    """The verified value of a score; what is not a positive number is none."""
    good = score.status is Status.OK and score.value is not None and math.isfinite(score.value) and score.value > 0.0
    return score.value if good else None


def interval(score: Score, told: float) -> tuple[float | None, float | None]:
    """The ends that the page gives of a value: its score's, or where the runs say so those of the rounded runs."""
    steps = _runs(score, told)
    ends = _ends(score, told, steps, 1.0)
    if ends is not None:
        return ends[0], ends[1]
    half = math.exp(pack.reach(steps)) if steps is not None else None
    return (told / half, told * half) if half is not None else (None, None)


def price(publication: Publication) -> float | None:
    """Dollars an hour for one device; ``None`` without a price."""
    each = publication.offer.usd_per_device_hour if publication.offer else None
    return each if each is not None and math.isfinite(each) and each > 0.0 else None


def bought(score: Score, publication: Publication) -> int:
    """How many devices must be paid for what was measured; 0 where no price buys it."""
    offer = publication.offer
    count = worth.devices(score, offer) if offer else 0
    return count if offer and count <= offer.devices else 0


def columns(exhibits: Sequence[Exhibit], cells: Sequence[Cell], scale: float | Sequence[float]) -> dict[str, Any]:
    """Cells as columns, those without anything to say left out. ``scale``: one of all, or one of each."""
    scores = [score for _, score in cells]
    scales = [scale] * len(scores) if isinstance(scale, float) else scale
    values = [value(score) for score in scores]
    steps = [_runs(score, told) for score, told in zip(scores, values, strict=True)]
    made: dict[str, Any] = {
        "implementation": pack.words([clean(score.implementation) for score in scores]),
        "provider": pack.words([clean(score.provider) for score in scores]),
        "value": [pack.number(v / s) if v is not None else None for v, s in zip(values, scales, strict=True)],
        "runs": [step or 0 for step in steps],
        "gate": pack.words([_gate(score) for score in scores]),
        "notes": pack.words([" ".join(clean(caveat.code) for caveat in score.caveats) for score in scores]),
        "unclean": pack.words(["; ".join(compromised(score)) for score in scores]),
        "ends": pack.some([_ends(*of) for of in zip(scores, values, steps, scales, strict=True)]),
        "status": pack.some([None if score.status is Status.OK else score.status.value for score in scores]),
        "reason": pack.some([clean(comparability.valueless(score)) or None for score in scores]),
        "source": pack.some([clean(score.source) or None for score in scores]),
        "watts": pack.some([pack.number(worth.of(score).watts, 3) for score in scores]),
        "devices": pack.words([bought(score, exhibits[machine].publication) for machine, score in cells]),
    }
    return {name: column for name, column in made.items() if column not in ({}, {"all": ""}, [])}


def _gate(score: Score) -> str:
    """What two scores must share to be compared (``comparability.KINDS``), in its order."""
    return "|".join(clean(word).replace("|", " ") for word in comparability.kind(score))


def _runs(score: Score, told: float | None) -> list[int] | None:
    """The runs behind a value, where there are several."""
    return pack.offsets(told, score.run_values) if told is not None and len(score.run_values) > 1 else None


SAME = 2e-4
"""How far, on the log scale, the ends of an interval may lie from those that the runs give."""


def _ends(score: Score, told: float | None, steps: list[int] | None, scale: float) -> list[float | int | None] | None:
    """The ends of the interval where the runs do not give them."""
    if told is None or score.low is None or score.high is None or not 0.0 < score.low <= score.high < math.inf:
        return None
    if steps is not None:
        half = pack.reach(steps)
        if abs(math.log(told / score.low) - half) < SAME and abs(math.log(score.high / told) - half) < SAME:
            return None
    return [pack.number(score.low / scale), pack.number(score.high / scale)]


def detail(score: Score) -> dict[str, Any]:
    """What a page tells of a cell when asked: its samples run by run, its shares, its conditions."""
    found = algbw(score)
    told: dict[str, Any] = {
        "interval": clean(score.interval),
        "provider": clean(score.provider),
        "algbw": pack.number(found.value) if found else None,
        "factor": found.formula if found else "",
        "of_ceiling": pack.number(score.of_ceiling, 3),
        "ceiling": clean(score.ceiling_name),
        "of_datasheet": pack.number(score.of_datasheet, 3),
        "of_clock": pack.number(score.of_clock, 3),
        "conditions": {clean(name): pack.number(reading, 4) for name, reading in score.conditions.items()},
        "joules": pack.number(score.joules, 4),
        "withheld": [clean(reason) for reason in score.unreportable],
        "samples": [
            [one.n, *(pack.number(at, 5) for at in (one.minimum, one.p5, one.median, one.p95, one.maximum))]
            for one in score.samples
        ],
    }
    return {name: value for name, value in told.items() if value not in (None, "", [], {})}
