"""A forecast of a training put into words, and as JSON: the same on a page and on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchsuite import units
from benchsuite.model import Band, Bound
from benchsuite.predict.training import TrainingForecast, nodes
from benchsuite.render.advice_view import dollars
from benchsuite.render.words import clean, counted

KINDS: Mapping[Bound, str] = {
    Bound.COMPUTE: "compute",
    Bound.BANDWIDTH: "bandwidth",
    Bound.LINK: "link",
    Bound.LATENCY: "latency",
    Bound.IDLE: "idle",
}
"""A word for each resource that a class of the style sheet can be named by."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a step. start, width: of 100; hidden: it runs beside the others and is not added."""

    name: str
    seconds: str
    share: str
    bound: str
    kind: str
    footing: str
    start: float
    width: float
    hidden: bool


@dataclass(frozen=True, slots=True)
class View:
    """What is shown. numbers: name, value, ends; memory: what for, how much, part of 100 of a device's."""

    headline: str
    asked: str
    numbers: tuple[tuple[str, str, str], ...]
    bars: tuple[Bar, ...]
    memory: tuple[tuple[str, str, float], ...]
    sentences: tuple[str, ...]
    cautions: tuple[tuple[str, str], ...]
    assumptions: tuple[str, ...]
    version: str
    command: str
    data: dict[str, Any]

    @property
    def copy(self) -> str:
        """The answer as text."""
        told = (f"{name}: {value} ({ends})" for name, value, ends in self.numbers)
        return "\n".join((self.headline, self.asked, *told))


def build(made: TrainingForecast, version: str, command: str) -> View:
    """Everything that page and terminal show."""
    job, ceilings = made.job, made.ceilings
    price = f", {dollars(made.usd.value)}" if made.usd else ""
    name = clean(job.shape.key or job.shape.hf_id)
    count = nodes(job, ceilings)
    return View(
        headline=f"{_days(made.days.value)} days{price} on {counted(job.devices, 'device')}.",
        asked=(
            f"{name}, {_count(job.tokens)} tokens, {job.batch:,} a step in sequences of {job.length:,}; "
            f"data {job.data} × tensor {job.tensor} × pipeline {job.pipeline} on {counted(count, 'node')} of "
            f"{ceilings.devices} × {clean(ceilings.name)}; "
            f"{counted(job.micro_batches, 'micro-batch', 'micro-batches')} a step."
        ),
        numbers=_numbers(made),
        bars=_bars(made),
        memory=tuple(
            (what, f"{size / units.GIB:.1f} GiB", 100 * size / ceilings.memory)
            for what, size in made.memory.items()
            if size
        ),
        sentences=_sentences(made),
        cautions=tuple((one.code, one.words) for one in made.cautions),
        assumptions=made.assumptions,
        version=version,
        command=command,
        data=document(made),
    )


def _count(value: float) -> str:
    """``1T``, ``15.6T``, ``300B``: as --tokens takes it."""
    scale, letter = next((one for one in ((1e12, "T"), (1e9, "B"), (1e6, "M")) if value >= one[0]), (1.0, ""))
    return f"{value / scale:.6g}{letter}"


def _days(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else units.significant(value)


def _numbers(made: TrainingForecast) -> tuple[tuple[str, str, str], ...]:
    rows: list[tuple[str, Band | None, Any]] = [
        ("step", made.step, lambda value: units.quantity(value, "s")),
        ("tokens/s, all devices", made.rate, lambda value: f"{value:,.0f}"),
        ("MFU", made.mfu, units.percent),
        ("days", made.days, _days),
        ("dollars", made.usd, dollars),
    ]
    return tuple(
        (name, told(band.value), f"{told(band.low)}{units.DASH}{told(band.high)}") for name, band, told in rows if band
    )


def _bars(made: TrainingForecast) -> tuple[Bar, ...]:
    whole = made.phase.seconds
    found, start = [], 0.0
    for term in made.phase.terms:
        share = term.seconds / whole
        begins = max(0.0, min(start, 1.0 - share)) if term.hidden else start
        found.append(
            Bar(
                name=term.name,
                seconds=units.quantity(term.seconds, "s"),
                share="not added" if term.hidden else units.percent(share),
                bound=term.bound.value,
                kind=KINDS[term.bound],
                footing=term.footing.value,
                start=100 * begins,
                width=100 * min(share, 1.0),
                hidden=term.hidden,
            )
        )
        start += 0.0 if term.hidden else share
    return tuple(found)


def _sentences(made: TrainingForecast) -> tuple[str, ...]:
    job = made.job
    used = sum(made.memory.values())
    told = [f"The fullest device holds {used / units.GIB:.1f} of {made.ceilings.memory / units.GIB:.1f} GiB."]
    if made.usd is None:
        told.append("No dollars: nobody said what a device costs (--usd-per-hour).")
    if job.pipeline > 1:
        told.append(f"The pipeline waits {units.percent(job.bubble)} of the time of its stages (bubble).")
    if made.straggled > 0:
        told.append(
            f"Waiting for the slowest of {nodes(job, made.ceilings)} nodes adds {units.percent(made.straggled)}."
        )
    if made.interval is not None:
        told.append(
            f"Failures and checkpoints add {units.percent(made.stretched - 1.0)}, with a checkpoint every "
            f"{made.interval / 3600:.2g} hours of work."
        )
    else:
        told.append("No failure is counted: --failures says how often a device interrupts the training.")
    return tuple(told)


def document(made: TrainingForecast) -> dict[str, Any]:
    """The forecast as JSON: SI units, dollars, days."""
    job = made.job
    asked = {name: value for name, value in asdict(job).items() if name != "shape"}
    return {
        "model": job.shape.key or job.shape.hf_id,
        "machine": made.ceilings.name,
        "hardware": made.ceilings.hardware,
        **asked,
        "devices": job.devices,
        "nodes": nodes(job, made.ceilings),
        "micro_batches": job.micro_batches,
        "step_seconds": _band(made.step),
        "tokens_per_second": _band(made.rate),
        "mfu": _band(made.mfu),
        "days": _band(made.days),
        "usd": _band(made.usd),
        "bubble": job.bubble,
        "straggler_tax": made.straggled,
        "failure_factor": made.stretched,
        "checkpoint_interval": made.interval,
        "memory": made.memory,
        "memory_of_device": made.ceilings.memory,
        "bound": made.phase.bound.value,
        "terms": [asdict(term) for term in made.phase.terms],
        "assumptions": list(made.assumptions),
        "cautions": [asdict(one) for one in made.cautions],
        "confidence": 0.0,
    }


def _band(band: Band | None) -> dict[str, float] | None:
    return {"value": band.value, "low": band.low, "high": band.high} if band else None
