"""Published figures as publications, so that they can stand beside measured ones, and be told from them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from benchsuite.catalog.hardware import Accelerator
from benchsuite.catalog.published import Figure, Role
from benchsuite.catalog.rows import Basis, Confidence
from benchsuite.catalog.shipped import Catalog
from benchsuite.model import PUBLIC_SCHEMA, Case, Caveat, Machine, Origin, Publication, Scalar, Score, Status, Work


def publications(catalog: Catalog) -> tuple[Publication, ...]:
    """The measured figures, one publication for each accelerator and source, in the order of the catalogue.

    Thresholds, expectations and figures of machines that were not well are left out: a score could not tell them apart.
    """
    groups: dict[tuple[str, str], list[Figure]] = {}
    for one in catalog.figures:
        if one.role is Role.MEASURED:
            groups.setdefault((one.hardware, one.source), []).append(one)
    return tuple(
        _publication(catalog.accelerators[hardware], source, figures) for (hardware, source), figures in groups.items()
    )


def _publication(hardware: Accelerator, source: str, figures: Sequence[Figure]) -> Publication:
    name = f"published-{hardware.key}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    return Publication(
        schema=PUBLIC_SCHEMA,
        id=name,
        origin=Origin.PUBLISHED,
        machine=Machine(
            id=name,
            name=hardware.name,
            hardware=hardware.key,
            devices=max(1, *(one.ranks for one in figures)),
        ),
        started=max(one.as_of for one in figures),
        suite="published",
        results=tuple(map(_score, figures)),
        tool="published",
        source=source,
    )


def _score(one: Figure) -> Score:
    """The figure as a score: no samples, no runs; an interval only where the source itself prints a span."""
    told: dict[str, Scalar] = {
        "dtype": one.dtype,
        "shape": one.shape,
        "fabric": one.fabric,
        "nodes": one.nodes,
        "quantity": one.quantity,
    }
    return Score(
        case=Case.of(f"published {one.benchmark}", one.ranks or 1, **{name: told[name] for name in told if told[name]}),
        implementation=one.software,
        provider="",
        metric=one.metric,
        status=Status.OK,
        work=Work(),
        value=one.value,
        low=one.low,
        high=one.high,
        interval="as published" if one.low is not None else "",
        of_datasheet=one.of_peak,
        caveats=tuple(_caveats(one)),
        source=one.source,
    )


def _caveats(one: Figure) -> list[Caveat]:
    told = [(one.basis is Basis.MEMORY, "FROM_MEMORY", "Written down from memory, not seen in its source.")]
    told += [(one.confidence is Confidence.LOW, "LOW_CONFIDENCE", "Of low confidence.")]
    told += [(bool(one.notes), "NOTE", one.notes)]
    return [Caveat(code, text) for so, code, text in told if so]
