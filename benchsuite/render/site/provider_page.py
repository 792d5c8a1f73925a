"""The page of one provider: what it rents out, what its machines gave, and what can be said beside other providers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchsuite import units
from benchsuite.render.site import context, population
from benchsuite.render.site.collection import Entry, Measured
from benchsuite.render.site.context import Site
from benchsuite.render.site.type_page import PROVIDERS, Priced, prices, values_at
from benchsuite.render.words import counted


@dataclass(frozen=True, slots=True)
class Beside:
    """One main case of a type: the median of this provider's machines beside that of all others."""

    slug: str
    title: str
    here: str
    here_n: int
    others: str
    others_n: int
    told: str


@dataclass(frozen=True, slots=True)
class TypeAt:
    """One type of hardware at the provider."""

    name: str
    title: str
    machines: int
    rows: tuple[Beside, ...]


@dataclass(frozen=True, slots=True)
class ProviderView:
    """Everything that the page prints."""

    name: str
    title: str
    answer: str
    types: tuple[TypeAt, ...]
    prices: tuple[Priced, ...]


def build(site: Site, name: str) -> ProviderView:
    """The page of a provider that has runs."""
    entries = [site.entry(number) for number in site.providers[name]]
    machines = len({entry.machine for entry in entries})
    types = sorted({entry.type for entry in entries})
    title = site.collection.provider_names[name]
    told = tuple(one for kind in types for one in _prices(site, kind, title, entries))
    return ProviderView(
        name=name,
        title=title,
        answer=f"{counted(machines, 'machine')} of {counted(len(types), 'type')} in {counted(len(entries), 'run')}.",
        types=tuple(_type(site, kind, name, entries) for kind in types),
        prices=tuple(sorted(told, key=lambda one: one.as_of, reverse=True)),
    )


def _prices(site: Site, kind: str, title: str, entries: Sequence[Entry]) -> Sequence[Priced]:
    hardware = site.hardware(kind)
    own = [entry for entry in entries if entry.type == kind]
    known = [one for one in site.known.prices if one.provider.casefold() == title.casefold()]
    return prices(known, own, hardware.key if hardware else "")


def _type(site: Site, kind: str, name: str, entries: Sequence[Entry]) -> TypeAt:
    own = [(one, site.spreads[slug][kind].n) for slug, one in site.cases.items() if kind in site.spreads[slug]]
    rows = (_beside(site, measured, kind, name) for measured in context.headlines(own))
    machines = len({entry.machine for entry in entries if entry.type == kind})
    return TypeAt(kind, site.type_title(kind), machines, tuple(row for row in rows if row is not None))


def _beside(site: Site, measured: Measured, kind: str, name: str) -> Beside | None:
    here = values_at(site, measured, kind, name)
    if not here:
        return None
    every = values_at(site, measured, kind)
    others = list(every)
    for value in here:
        others.remove(value)
    middle = population.distribution(here).median
    other = population.distribution(others).median if others else None
    return Beside(
        slug=measured.slug,
        title=measured.title,
        here=units.quantity(middle, measured.metric),
        here_n=len(here),
        others=units.quantity(other, measured.metric) if other is not None else units.DASH,
        others_n=len(others),
        told=_told(measured, middle, other, len(here), len(others)),
    )


def _told(measured: Measured, here: float, other: float | None, n: int, others: int) -> str:
    """The ratio of the medians where both sides have machines enough, else why there is none."""
    if other is None or n < PROVIDERS or others < PROVIDERS:
        return f"not compared: fewer than {PROVIDERS} machines here or elsewhere"
    ratio = here / other if measured.metric.higher_is_better else other / here
    return ratio_words(ratio)


def ratio_words(ratio: float) -> str:
    """``"3.1 % below"``, ``"×1.83"``: near one as a percentage with its direction, else as a factor, more is better."""
    if math.isclose(ratio, 1.0, abs_tol=5e-4):
        return "as elsewhere, to 0.1 %"
    if abs(ratio - 1.0) < 0.2:
        return (
            f"{units.significant(abs(ratio - 1.0) * 100, 2)}{units.NO_BREAK_SPACE}% {'above' if ratio > 1 else 'below'}"
        )
    return f"×{units.significant(ratio)}"
