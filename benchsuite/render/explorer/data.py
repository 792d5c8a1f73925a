"""Exhibits -> the data behind a comparison page: machines, cases, and one column of cells a case.

What the three functions ``index``, ``columns`` and ``about`` return is what ``reports/explorer.js`` reads, embedded in
the page or loaded on demand; ``docs`` of the format stand there.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchsuite import comparability, references, units, worth
from benchsuite.model import Exhibit, Metric, Origin, Publication, Score
from benchsuite.render.explorer import pack, scores
from benchsuite.render.explorer.scores import Cell, clean, price, value
from benchsuite.render.phrases import FAMILIES
from benchsuite.render.words import family, parameters


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
            elif name := _quantity(score):
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


def _quantity(score: Score) -> str:
    """What a published figure is of: as the catalogue says, else as our own cases are understood."""
    return str(dict(score.case.params).get("quantity", "")) or references.quantity(score)


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
    return made | scores.columns(data.exhibits, column, case.scale) | ({"published": figures} if figures else {})


def about(data: Dataset, number: int) -> dict[str, Any]:
    """One machine alone: its facts, its ceilings, and every cell of its own with the details of its samples."""
    publication = data.exhibits[number].publication
    own = _own(data, number)
    scales = [data.cases[case].scale for case, _ in own]
    row = scores.columns(data.exhibits, [(number, score) for _, score in own], scales)
    return {
        "facts": facts(publication),
        "roof": roof(publication),
        "cells": {"case": [case for case, _ in own], **row},
        "details": details(data, number),
    }


def details(data: Dataset, number: int) -> list[dict[str, Any]]:
    """The details of a machine's cells, case by case."""
    return [scores.detail(score) for _, score in _own(data, number)]


def _own(data: Dataset, number: int) -> list[tuple[int, Score]]:
    return [(case, score) for case, column in enumerate(data.cells) for score in of(column, number)]


def of(column: Sequence[Cell], machine: int) -> Iterable[Score]:
    """The cells of one machine in a column, which is in the machines' order."""
    at = bisect_left(column, machine, key=lambda cell: cell[0])
    while at < len(column) and column[at][0] == machine:
        yield column[at][1]
        at += 1


def facts(publication: Publication) -> list[tuple[str, str]]:
    """The facts of a machine in their order, each by its section and name."""
    return [
        (f"{clean(section)}: {clean(name)}", clean(text))
        for section, values in publication.machine.facts.items()
        for name, text in values.items()
    ]


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
        "symbol": units.unit(case.metric.value),
        "work": worth.WORK.get(case.metric),
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
