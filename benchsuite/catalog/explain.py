"""One figure explained: what it is, how it comes about, where it stands, and what others measured of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchsuite import units
from benchsuite.catalog.check import peak_of
from benchsuite.catalog.hardware import COLUMNS, Accelerator
from benchsuite.catalog.published import Figure, rate_class
from benchsuite.catalog.rows import Basis, Confidence, nearest
from benchsuite.catalog.shipped import Catalog
from benchsuite.errors import UsageError
from benchsuite.model import Metric

Told = Callable[[Accelerator], str]


@dataclass(frozen=True, slots=True)
class Subject:
    """What can be asked of an accelerator besides its peaks: the file's column, and how its value is said."""

    column: str
    text: Told


def _rate(value: float, metric: str) -> str:
    return units.quantity(value, metric) if value else ""


def _link(one: Accelerator) -> str:
    if one.link is None:
        return ""
    return f"{_rate(one.link.bandwidth, 'B/s')} in both directions together, {one.link.kind}"


def _pcie(one: Accelerator) -> str:
    return f"generation {one.pcie_generation}, {one.pcie_lanes} lanes" if one.pcie_generation else ""


SUBJECTS: Mapping[str, Subject] = {
    "bandwidth": Subject("mem_bw_gbs", lambda one: _rate(one.bandwidth, "B/s")),
    "memory": Subject("mem_gb", lambda one: f"{one.memory / 1e9:g} GB {one.memory_kind}".strip() if one.memory else ""),
    "cache": Subject("l2_mb", lambda one: units.size(one.cache) if one.cache else ""),
    "power": Subject("tdp_w", lambda one: f"{one.watts:g} W" if one.watts else ""),
    "clock": Subject("boost_mhz", lambda one: f"{one.clock / 1e6:g} MHz" if one.clock else ""),
    "processors": Subject("sms", lambda one: str(one.processors or "")),
    "link": Subject("link_gbs_bidir", _link),
    "pcie": Subject("pcie_gen", _pcie),
}

ALIASES = {
    **{column: dtype for dtype, columns in COLUMNS.items() for column in columns if column not in COLUMNS},
    "hbm": "bandwidth",
    "l2": "cache",
    "tdp": "power",
    "watts": "power",
    "boost": "clock",
    "sms": "processors",
    "nvlink": "link",
    "vram": "memory",
}
"""Other words for the same."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A figure of the catalogue. ``value`` as text with unit, empty where the catalogue has none.

    formula: how a peak follows from processors, operations per clock and clock; departs: why it does not follow, or
    stands to the other types otherwise than usual; published: what others measured of it, each with its share of it.
    """

    hardware: str
    name: str
    subject: str
    value: str
    formula: str
    departs: str
    basis: Basis | None
    confidence: Confidence
    as_of: str
    sources: tuple[str, ...]
    notes: str
    published: tuple[tuple[Figure, float | None], ...]


def explain(catalog: Catalog, hardware: str, subject: str) -> Explanation:
    """The figure ``subject`` (an element type, or a key of ``SUBJECTS``) of an accelerator that ``find`` knows.

    Raises ``UsageError`` with the nearest names.
    """
    one = find(catalog, hardware)
    word = subject.strip().lower()
    name = ALIASES.get(word, word)
    if name not in COLUMNS and name not in SUBJECTS:
        known = (*COLUMNS, *SUBJECTS)
        hint = nearest(name, (*known, *ALIASES))
        raise UsageError(f"Nothing is called {subject!r} here.", f"{hint} Known: {', '.join(known)}.".strip())
    return _explained(catalog, one, name)


def everything(catalog: Catalog, hardware: str) -> tuple[Explanation, ...]:
    """All figures of an accelerator that the catalogue has."""
    one = find(catalog, hardware)
    made = (_explained(catalog, one, name) for name in (*COLUMNS, *SUBJECTS))
    return tuple(each for each in made if each.value)


def find(catalog: Catalog, words: str) -> Accelerator:
    """The accelerator with this key or name; else the only one whose key or names hold these words.

    Raises ``UsageError`` naming those that fit, or the nearest.
    """
    every = catalog.accelerators.values()
    asked = _plain(words)
    exact = [one for one in every if asked in _names(one)]
    found = exact or [one for one in every if any(set(asked.split()) <= set(name.split()) for name in _names(one))]
    if len(found) == 1:
        return found[0]
    if found and asked:
        fits = ", ".join(one.key for one in found)
        raise UsageError(f"{words!r} fits several accelerators.", f"Say which: {fits}.")
    holds = [one.key for one in every if asked and any(asked in name for name in _names(one))]
    hint = f"Did you mean {' or '.join(holds[:4])}?" if holds else nearest(words.lower(), catalog.accelerators)
    raise UsageError(
        f"No accelerator is called {words!r}.", f"{hint} 'benchsuite catalog hardware' lists them.".strip()
    )


def _names(one: Accelerator) -> list[str]:
    return [_plain(name) for name in (one.key, one.name, *one.nvml_names)]


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").replace("_", " ").removeprefix("nvidia ").split())


def _explained(catalog: Catalog, one: Accelerator, name: str) -> Explanation:
    peak = name in COLUMNS
    column = one.columns.get(name, name) if peak else SUBJECTS[name].column
    value = _rate(one.peaks.get(name, 0.0), Metric.FLOPS) if peak else SUBJECTS[name].text(one)
    sparse = [each for each in COLUMNS.get(name, ()) if each in one.sparse]
    return Explanation(
        hardware=one.key,
        name=one.name,
        subject=name,
        value=value,
        formula=formula(one, name) if peak else "",
        departs="The figure stated counts zeros: it is no peak." if sparse else one.explained.get(column, ""),
        basis=one.basis(column),
        confidence=one.confidence,
        as_of=one.as_of,
        sources=one.source,
        notes=one.notes,
        published=_published(catalog, one, name),
    )


def formula(one: Accelerator, dtype: str) -> str:
    """``132 SMs x 4096 FLOP/clk x 1830 MHz = 989 TFLOP/s``, at the clock that gives the peak best; empty if unknown."""
    rate, peak = one.per_clock(dtype), one.peaks.get(dtype, 0.0)
    clocks = [clock for clock in (one.clock, one.implied_clock) if clock]
    if rate is None or not clocks:
        return ""
    clock = min(clocks, key=lambda each: round(abs(peak / (one.processors * rate * each) - 1), 2))
    word = {"nvidia": "SMs", "amd": "CUs"}.get(one.vendor, "processors")
    made = units.quantity(one.processors * rate * clock, Metric.FLOPS)
    return f"{one.processors} {word} × {rate} FLOP/clk × {clock / 1e6:.0f} MHz = {made}"


def _published(catalog: Catalog, one: Accelerator, name: str) -> tuple[tuple[Figure, float | None], ...]:
    """The figures that are a share of this one, the largest first."""
    found = []
    for each in catalog.figures:
        if each.hardware == one.key and _about(each, name):
            known = peak_of(each, one)
            found.append((each, each.value / known[0] if known else None))
    return tuple(sorted(found, key=lambda pair: -pair[0].value))


def _about(each: Figure, name: str) -> bool:
    match each.metric:
        case Metric.FLOPS:
            return rate_class(each.dtype) == name or each.dtype == name
        case Metric.BANDWIDTH:
            return name == ("cache" if "l2-cache read" in each.benchmark else "bandwidth")
        case _:
            return name == ("pcie" if each.quantity in {"link h2d", "link d2h"} else "link")
