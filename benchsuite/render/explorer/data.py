"""Exhibits -> the data behind a comparison page: machines, cases, and one column of cells a case.

What the three functions ``index``, ``columns`` and ``about`` return is what ``reports/explorer.js`` reads, embedded in
the page or loaded on demand; ``docs`` of the format stand there.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

from benchsuite import comparability, references, units, worth
from benchsuite.model import Exhibit, Metric, Origin, Publication, Score, Status
from benchsuite.render import words
from benchsuite.render.explorer import pack
from benchsuite.render.phrases import FAMILIES
from benchsuite.render.words import family, parameters
from benchsuite.reportable import compromised

clean = lru_cache(1 << 16)(words.clean)
"""The same few words stand in a hundred thousand cells."""

Cell = tuple[int, Score]
"""The number of a machine, and what it did."""


@dataclass(frozen=True, slots=True)
class CaseInfo:
    """A case that some machine was asked. ``scale`` and ``unit``: how its values are printed, the same for all.

    intensity: FLOP per byte of its work, where it has both; quantity: which published figures it stands beside; count:
    machines with a measured value.
    """

    key: str
    benchmark: str
    words: str
    metric: Metric
    scale: float
    unit: str
    dtype: str
    intensity: float | None
    flops: float
    quantity: str
    count: int

    @property
    def name(self) -> str:
        """Benchmark and parameters, as a person would say them."""
        return f"{family(self.benchmark)}, {self.words}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything a comparison shows. Machines and cases are known by their place; it never changes on the page.

    keys: a short name of each machine for links. cells: for each case, all that was tried, in the machines' order.
    published: figures that others published, by the quantity they are of (``references.quantity``): they stand beside
    the cases of that quantity and are cases only where somebody measured the same.
    """

    exhibits: tuple[Exhibit, ...]
    keys: tuple[str, ...]
    cases: tuple[CaseInfo, ...]
    cells: tuple[tuple[Cell, ...], ...]
    published: Mapping[str, tuple[Cell, ...]]


def dataset(exhibits: Iterable[Exhibit]) -> Dataset:
    """The data of a comparison. Linear in the number of scores; nothing is copied."""
    kept = tuple(exhibits)
    sources = {at for at, exhibit in enumerate(kept) if exhibit.publication.origin is Origin.PUBLISHED}
    found: dict[tuple[str, Metric], list[Cell]] = {}
    published: dict[str, list[Cell]] = {}
    for machine, exhibit in enumerate(kept):
        for score in exhibit.publication.results:
            if machine not in sources:
                found.setdefault((score.case.key, score.metric), []).append((machine, score))
            elif name := references.quantity(score):
                published.setdefault(name, []).append((machine, score))
    for machine in sorted(sources):
        for score in kept[machine].publication.results:
            if (column := found.get((score.case.key, score.metric))) is not None:
                column.append((machine, score))
    order = {name: at for at, name in enumerate(FAMILIES)}
    cells = sorted(found.values(), key=lambda column: order.get(column[0][1].case.benchmark, len(order)))
    for column in cells:
        column.sort(key=lambda cell: cell[0])
    figures_of = {name: tuple(each) for name, each in published.items()}
    return Dataset(
        kept, _keys(kept), tuple(_case(column, sources) for column in cells), tuple(map(tuple, cells)), figures_of
    )


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


def index(data: Dataset) -> dict[str, Any]:
    """Machines and cases without any cell: what a page needs before the first column."""
    has: list[int] = [0] * len(data.exhibits)
    for number, column in enumerate(data.cells):
        for machine, score in column:
            if value(score) is not None:
                has[machine] |= 1 << number
    digits = -(-len(data.cases) // 4)
    return {
        "schema": 1,
        "machines": {**_machines(data), "has": [f"{bits:0{digits}x}" for bits in has]},
        "cases": [_case_document(case) for case in data.cases],
        "gate": list(comparability.KINDS),
        "declared": {
            backend: [f"{section}: {name}" for section, name in told]
            for backend, told in comparability.DECLARED.items()
        },
    }


def columns(data: Dataset, number: int) -> dict[str, Any]:
    """Every cell of a case. Values in units of the case's ``scale``."""
    case, column = data.cases[number], data.cells[number]
    made = {"machine": _places([machine for machine, _ in column], len(data.exhibits))}
    figures = [
        {"machine": machine, "value": pack.number(told / case.scale, 4), "source": clean(score.source)}
        for machine, score in data.published.get(case.quantity, ())
        if (told := value(score)) is not None and score.metric is case.metric
    ]
    return made | _cells(data, column, case.scale) | ({"published": figures} if figures else {})


def about(data: Dataset, number: int) -> dict[str, Any]:
    """One machine alone: its facts, its ceilings, and every cell of its own with the details of its samples."""
    publication = data.exhibits[number].publication
    own = _own(data, number)
    scales = [data.cases[case].scale for case, _ in own]
    cells = _cells(data, [(number, score) for _, score in own], scales)
    return {
        "facts": facts(publication),
        "roof": roof(publication),
        "cells": {"case": [case for case, _ in own], **cells},
        "details": details(data, number),
    }


def details(data: Dataset, number: int) -> list[dict[str, Any]]:
    """The details of a machine's cells, case by case."""
    return [_detail(score) for _, score in _own(data, number)]


def _own(data: Dataset, number: int) -> list[tuple[int, Score]]:
    return [(case, score) for case, column in enumerate(data.cells) for score in of(column, number)]


def of(column: Sequence[Cell], machine: int) -> Iterable[Score]:
    """The cells of one machine in a column, which is in the machines' order."""
    at = bisect_left(column, machine, key=lambda cell: cell[0])
    while at < len(column) and column[at][0] == machine:
        yield column[at][1]
        at += 1


def facts(publication: Publication) -> dict[str, str]:
    """The facts of a machine, each by its section and name."""
    return {
        f"{clean(section)}: {clean(name)}": clean(text)
        for section, values in publication.machine.facts.items()
        for name, text in values.items()
    }


def roof(publication: Publication) -> dict[str, Any]:
    """The machine's measured ceilings, three digits each."""
    found = {clean(name): pack.number(rate, 4) for name, rate in sorted(publication.roof.flops.items())}
    return {"flops": found, "bandwidth": pack.number(publication.roof.bandwidth, 4)}


def _keys(exhibits: Sequence[Exhibit]) -> tuple[str, ...]:
    """The run's id as it can stand in a link, numbered where it is not unique."""
    seen: dict[str, int] = {}
    keys = []
    for exhibit in exhibits:
        plain = re.sub(r"[^a-z0-9.]+", "-", exhibit.publication.id.lower()).strip("-") or "machine"
        seen[plain] = seen.get(plain, 0) + 1
        keys.append(plain if seen[plain] == 1 else f"{plain}~{seen[plain]}")
    return tuple(keys)


def _case(column: Sequence[Cell], sources: set[int]) -> CaseInfo:
    score = column[0][1]
    known = [told for _, one in column if (told := value(one)) is not None]
    scale, letter = units.prefix(median(known)) if known else (1.0, "")
    params = dict(score.case.params)
    work = score.work
    return CaseInfo(
        key=clean(score.case.key),
        benchmark=clean(score.case.benchmark),
        words=parameters(score.case),
        metric=score.metric,
        scale=scale,
        unit=units.unit(score.metric.value, letter),
        dtype=clean(str(params.get("dtype", ""))),
        intensity=work.flops / work.bytes if work.flops > 0 and work.bytes > 0 else None,
        flops=work.flops,
        quantity=next((name for _, one in column if value(one) is not None and (name := references.quantity(one))), ""),
        count=len({machine for machine, one in column if machine not in sources and value(one) is not None}),
    )


def _case_document(case: CaseInfo) -> dict[str, Any]:
    return {
        "key": case.key,
        "benchmark": case.benchmark,
        "family": family(case.benchmark),
        "words": case.words,
        "metric": case.metric.value,
        "higher": case.metric.higher_is_better,
        "scale": case.scale,
        "unit": case.unit,
        "dtype": case.dtype,
        "intensity": pack.number(case.intensity, 4),
        "count": case.count,
    }


def _machines(data: Dataset) -> dict[str, Any]:
    shown = [exhibit.publication for exhibit in data.exhibits]
    offers = [publication.offer for publication in shown]
    told: Mapping[str, list[str]] = {
        "label": [clean(exhibit.label) for exhibit in data.exhibits],
        "name": [clean(one.machine.name) for one in shown],
        "hardware": [clean(one.machine.hardware) for one in shown],
        "provider": [clean(offer.provider) if offer else "" for offer in offers],
        "instance": [clean(offer.instance) if offer else "" for offer in offers],
        "region": [clean(offer.region) if offer else "" for offer in offers],
        "price_kind": [clean(offer.kind) if offer else "" for offer in offers],
        "price_as_of": [clean(offer.as_of) if offer else "" for offer in offers],
        "price_source": [clean(offer.source) if offer else "" for offer in offers],
        "origin": [one.origin.value for one in shown],
        "level": [exhibit.level.value for exhibit in data.exhibits],
        "signer": [clean(exhibit.signer) for exhibit in data.exhibits],
        "problems": [" ".join(map(clean, exhibit.problems)) for exhibit in data.exhibits],
        "id": [clean(one.id) for one in shown],
        "started": [clean(one.started) for one in shown],
        "suite": [clean(one.suite) for one in shown],
        "version": [clean(one.version) for one in shown],
        "code": [clean(one.code) for one in shown],
        "backend": [clean(one.backend) for one in shown],
        "tool": [clean(one.tool) for one in shown],
        "digest": [clean(one.digest) for one in shown],
        "source": [clean(one.source) for one in shown],
    }
    return {
        "count": len(data.exhibits),
        "key": list(data.keys),
        **{name: pack.words(values) for name, values in told.items()},
        "devices": pack.words([one.machine.devices for one in shown]),
        "runs": pack.words([one.runs for one in shown]),
        "usd": [pack.number(price(one), 5) for one in shown],
    }


def _places(machines: Sequence[int], count: int) -> list[int] | None:
    """``None`` for the usual: each machine once, in order."""
    return None if machines == list(range(count)) else list(machines)


def _cells(data: Dataset, cells: Sequence[Cell], scale: float | Sequence[float]) -> dict[str, Any]:
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
        "reason": pack.some([clean(score.reason) or None for score in scores]),
        "source": pack.some([clean(score.source) or None for score in scores]),
        "watts": pack.some([pack.number(worth.of(score).watts, 3) for score in scores]),
        "devices": pack.words([bought(score, data.exhibits[machine].publication) for machine, score in cells]),
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


def _detail(score: Score) -> dict[str, Any]:
    """What a page tells of a cell when asked: its samples run by run, its shares, its conditions."""
    told: dict[str, Any] = {
        "interval": clean(score.interval),
        "provider": clean(score.provider),
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
