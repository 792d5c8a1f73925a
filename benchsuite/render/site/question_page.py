"""The page of one benchmark: what it asks, what is counted, how it is verified, what misleads, and all of its cases."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.model import Benchmark, Metric
from benchsuite.render.site import strips
from benchsuite.render.site.case_page import formula
from benchsuite.render.site.collection import Measured
from benchsuite.render.site.context import Site
from benchsuite.render.site.population import Distribution
from benchsuite.render.words import counted, family

FLOPS_TRAPS = (
    "On inputs that are all zero a chip that is limited by power runs faster. Cases with unusual numbers say so.",
    "A power limit, heat or a locked clock lowers the rate: look at the clock before calling a card slow.",
    "Datasheets count the zeros of 2:4 sparsity in their largest figures. The peaks here are dense.",
)
BANDWIDTH_TRAPS = (
    "Copies count the bytes read and the bytes written; tools that count only one of them print half.",
    "A working set that fits a cache measures the cache. Only sets of four last-level caches or more are memory.",
    "1 GB/s is 10⁹ bytes a second; some tools print MiB.",
)
LINK_TRAPS = (
    "busbw and algbw differ by 2 (n − 1) / n for an all-reduce: 1.75 at eight ranks. Never compare one with the other.",
    "An average over all message sizes mixes latency with bandwidth: look at one size.",
    "Bit rates of links (Gb/s) are eight times their byte rates (GB/s).",
)
TRAPS: Mapping[Metric, Sequence[str]] = {
    Metric.FLOPS: FLOPS_TRAPS,
    Metric.BANDWIDTH: BANDWIDTH_TRAPS,
    Metric.BUSBW: LINK_TRAPS,
    Metric.ALGBW: LINK_TRAPS,
    Metric.LATENCY: (
        "Lower is better: a ratio of two latencies turns round.",
        "An average hides the tail; medians of runs are compared here, and samples give the 5th and 95th percentile.",
    ),
}
"""What misleads, by what the number means."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case of the benchmark, over all machines."""

    slug: str
    words: str
    machines: int
    types: int
    range: str
    top: str
    top_type: str
    work: str


@dataclass(frozen=True, slots=True)
class QuestionView:
    """Everything that the page prints. paragraphs: of the benchmark's own docstring."""

    name: str
    title: str
    question: str
    paragraphs: tuple[str, ...]
    formula: str
    metric: str
    traps: tuple[str, ...]
    axes: tuple[tuple[str, str, str], ...]
    implementations: tuple[tuple[str, str], ...]
    cache: str
    rows: tuple[CaseRow, ...]
    foreign: bool


def build(site: Site, name: str, known: Benchmark | None) -> QuestionView:
    """The page of a benchmark; ``known``: its definition, ``None`` for one that only other tools have."""
    cases = [measured for measured in site.cases.values() if measured.benchmark == name]
    metric = cases[0].metric if cases else known.metric if known else Metric.COUNT
    text = definition(known) if known else ()
    return QuestionView(
        name=name,
        title=family(name),
        question=text[0] if text else "",
        paragraphs=text[1:],
        formula=formula(metric, name),
        metric=units.unit(metric),
        traps=tuple(TRAPS.get(metric, ())),
        axes=tuple((axis.name, axis.doc, ", ".join(map(str, axis.choices))) for axis in known.axes) if known else (),
        implementations=tuple((one.name, one.provider) for one in known.implementations) if known else (),
        cache=_cache(known) if known else "",
        rows=tuple(_row(site, measured) for measured in cases),
        foreign=known is None,
    )


def definition(known: Benchmark) -> tuple[str, ...]:
    """The paragraphs of the docstring of the file that defines the benchmark; its question alone without one."""
    module = sys.modules.get(known.inputs.__module__)
    told = inspect.getdoc(module) if module else None
    paragraphs = tuple(" ".join(part.split()) for part in (told or known.question).split("\n\n"))
    return paragraphs if known.question in paragraphs[0] else (known.question, *paragraphs)


def _cache(known: Benchmark) -> str:
    if known.cache.value == "cold":
        return "Cold: buffers rotate, so that data is used again only after three last-level caches of other data."
    return "Hot: every iteration uses the same buffers, which a cache may hold."


def _row(site: Site, measured: Measured) -> CaseRow:
    spreads: Mapping[str, Distribution] = site.spreads[measured.slug]
    up = measured.metric.higher_is_better
    if not spreads:
        return CaseRow(
            measured.slug, measured.words or measured.family, 0, 0, units.DASH, units.DASH, "", work(measured)
        )
    top = sorted(spreads, key=lambda name: (-spreads[name].median if up else spreads[name].median, name))[0]
    least, most = min(one.least for one in spreads.values()), max(one.most for one in spreads.values())
    return CaseRow(
        slug=measured.slug,
        words=measured.words or measured.family,
        machines=sum(one.n for one in spreads.values()),
        types=len(spreads),
        range=strips.ranged(least, most, measured.metric),
        top=units.quantity(spreads[top].median, measured.metric),
        top_type=site.type_title(top),
        work=work(measured),
    )


def work(measured: Measured) -> str:
    """The least that the algorithm must do: FLOP, bytes read and written, bytes on the wire, dependent steps."""
    told = measured.work
    parts = []
    for amount, name in (
        (told.flops, "FLOP"),
        (told.read, "B read"),
        (told.written, "B written"),
        (told.wire, "B sent"),
    ):
        if amount > 0:
            scale, letter = units.prefix(amount)
            parts.append(f"{units.significant(amount / scale)}{units.NO_BREAK_SPACE}{letter}{name}")
    if told.steps > 0:
        parts.append(counted(round(told.steps), "step"))
    return ", ".join(parts)
