"""What is wrong with a catalogue, as sentences: none for the one that ships, and none for a user's file that is taken.

Pure functions; ``check_hardware`` has those of accelerators.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchsuite.catalog.check_hardware import accelerator
from benchsuite.catalog.dates import wrong
from benchsuite.catalog.hardware import Accelerator
from benchsuite.catalog.models import Kind, ModelShape
from benchsuite.catalog.prices import KINDS, Price
from benchsuite.catalog.published import QUANTITIES, Figure, rate_class
from benchsuite.catalog.shipped import Catalog
from benchsuite.model import Metric

ROUNDING = 0.6e-4
"""US dollars: prices per device are kept with four digits after the point."""

SHARE = 0.005
"""How far a stated share of a peak may lie from value / peak: it is kept with three digits, of peaks with three."""

PCIE_LANE: Mapping[int, float] = {3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
"""Bytes per second of one lane in one direction, after line coding, by PCIe generation (PCI-SIG)."""

METRICS: Mapping[str, Metric] = {
    "gemm": Metric.FLOPS,
    "attention": Metric.FLOPS,
    "hbm": Metric.BANDWIDTH,
    "allreduce": Metric.BUSBW,
    "link": Metric.BUSBW,
}
"""What a quantity is measured in, by its first word."""

VALUES: Mapping[Metric, tuple[float, float]] = {
    Metric.FLOPS: (1e9, 1e19),
    Metric.BANDWIDTH: (1e6, 1e17),
    Metric.BUSBW: (1e6, 1e16),
    Metric.ALGBW: (1e6, 1e16),
    Metric.LATENCY: (1e-10, 1e3),
    Metric.CLOCK: (1e6, 1e10),
}


def problems(catalog: Catalog) -> list[str]:
    """A sentence for each thing that is wrong, beginning with what it is wrong with."""
    hardware = catalog.accelerators
    found = [f"hardware {key}: {each}" for key, one in hardware.items() for each in accelerator(one)]
    found += [f"{_named(one)}: {each}" for one in catalog.prices for each in price(one, hardware)]
    found += [f"{_named(one)}: {each}" for one in catalog.figures for each in figure(one, hardware)]
    found += [f"model {key}: {each}" for key, one in catalog.models.items() for each in model(one)]
    return [*found, *twice(catalog)]


def _named(one: Price | Figure) -> str:
    if isinstance(one, Price):
        return f"price {one.provider} {one.instance} ({one.kind})"
    return " ".join(filter(None, ("figure", one.hardware, one.benchmark, one.dtype, one.shape)))


def price(one: Price, hardware: Mapping[str, Accelerator]) -> list[str]:
    """What is wrong with a price."""
    return list(_price(one, hardware))


def _price(one: Price, hardware: Mapping[str, Accelerator]) -> Iterator[str]:
    if one.hardware not in hardware:
        yield f"there is no hardware {one.hardware!r}."
    if one.kind not in KINDS:
        yield f"the kind is unknown; known are {', '.join(KINDS)}."
    if not 1 <= one.devices <= 1024:
        yield f"{one.devices} devices are none that an instance has."
    elif not 0.001 <= one.per_device <= 1000:
        yield f"{one.per_device:g} US dollars for one device and hour is out of all proportion."
    elif one.usd_per_device_hour is not None and abs(one.per_device - one.usd_per_device_hour) > ROUNDING:
        each = f"{one.per_device:.4f} for each, not {one.usd_per_device_hour:g}"
        yield f"{one.usd_per_hour:g} US dollars for {one.devices} devices is {each}."
    yield from _told(one.source, one.as_of)
    if not one.provider or not one.instance:
        yield "provider or instance is empty."


def _told(source: str, as_of: str) -> Iterator[str]:
    if not source.strip():
        yield "it has no source."
    if problem := wrong(as_of):
        yield f"as_of {problem}"


def figure(one: Figure, hardware: Mapping[str, Accelerator]) -> list[str]:
    """What is wrong with a published figure."""
    return [*_figure(one), *_share(one, hardware)]


def _figure(one: Figure) -> Iterator[str]:
    yield from _told(one.source, one.as_of)
    low, high = VALUES.get(one.metric, (0.0, 1e19))
    if not low <= one.value <= high:
        yield f"{one.text} is out of all proportion."
    if one.low is not None and one.high is not None and not one.low < one.high:
        yield f"{one.text} ends before it begins."
    if not one.quantity:
        return
    if not QUANTITIES.fullmatch(one.quantity):
        yield f"{one.quantity!r} is no quantity that figures are compared at (docs/catalog.md lists them)."
        return
    words = one.quantity.split()
    if one.metric is not METRICS[words[0]]:
        yield f"{one.quantity} is in {METRICS[words[0]].value}, not in {one.metric.value}."
    if words[0] in {"gemm", "attention"} and rate_class(one.dtype) not in words:
        yield f"its element type {one.dtype!r} does not belong to {one.quantity}."
    if words[0] == "allreduce" and words[2:] != [f"ranks={one.ranks}", f"nodes={one.nodes}"]:
        yield f"{one.ranks} ranks on {one.nodes} nodes do not belong to {one.quantity}."


def _share(one: Figure, hardware: Mapping[str, Accelerator]) -> Iterator[str]:
    """The figure against what its accelerator can do at most."""
    if one.hardware not in hardware:
        yield f"there is no hardware {one.hardware!r}."
        return
    known = peak_of(one, hardware[one.hardware])
    if known is None:
        return
    peak, name = known
    share = one.value / peak
    if one.of_peak is not None and abs(share - one.of_peak) > SHARE:
        yield f"{one.text} is {share:.1%} of {name}, not {one.of_peak:.1%}."
    if share > 1 and not one.explained:
        yield f"{one.text} is above {name} ({share:.1%}), and nothing explains it."
    if share <= 1 and one.explained:
        yield f"it is explained, and is not above {name}."


def peak_of(one: Figure, card: Accelerator) -> tuple[float, str] | None:
    """What a figure is a share of, with a name; ``None`` where the catalogue knows no such limit."""
    peak: float | None = None
    name = ""
    if one.metric is Metric.FLOPS:
        dtype = rate_class(one.dtype)
        peak, name = card.peaks.get(dtype), f"the dense {dtype} peak"
    elif one.metric is Metric.BANDWIDTH and "l2-cache read" not in one.benchmark:
        peak, name = card.bandwidth, "the memory bandwidth"
    elif one.metric is Metric.BUSBW and one.quantity in {"link h2d", "link d2h"}:
        lane = PCIE_LANE.get(card.pcie_generation or 0, 0.0)
        peak, name = (card.pcie_lanes or 0) * lane, "the PCIe link"
    elif one.metric is Metric.BUSBW and one.nodes <= 1 and one.fabric and card.link is not None:
        peak, name = card.link.bandwidth / 2, "the link in one direction"
    return (peak, name) if peak else None


def model(one: ModelShape) -> list[str]:
    """What is wrong with a model's shape."""
    return list(_model(one))


def _model(one: ModelShape) -> Iterator[str]:
    yield from _told(one.source, one.as_of)
    for name in ("layers", "hidden", "heads", "kv_heads", "head_dim", "vocab", "max_context"):
        if getattr(one, name) < 1:
            yield f"{name} must be positive."
    if one.kv_heads > 0 and one.heads % one.kv_heads:
        yield f"{one.heads} heads do not share {one.kv_heads} KV heads evenly."
    if one.experts_active > one.experts or bool(one.experts) != (one.kind is not Kind.DENSE):
        yield f"{one.experts_active} of {one.experts} experts do not fit a {one.kind.value} model."
    total = one.parameters / 1e9
    if abs(total / one.params_b - 1) > 0.01 if one.params_b > 0 else True:
        yield f"the shape has {total:.2f} billion parameters, not {one.params_b:g}."
    active = one.active_parameters / 1e9
    looked_up = one.vocab * one.hidden / 1e9
    if all(abs(each - one.active_params_b) > 0.02 * active for each in (active, active - looked_up)):
        yield f"a token passes through {active:.2f} billion parameters, not {one.active_params_b:g}."


def twice(catalog: Catalog) -> list[str]:
    """Prices and figures that stand there twice."""
    found = []
    prices: set[object] = set()
    for offer in catalog.prices:
        if (key := (offer.identity, offer.as_of)) in prices:
            found.append(f"price {offer.provider} {offer.instance} ({offer.kind}): it stands there twice.")
        prices.add(key)
    figures: set[object] = set()
    for one in catalog.figures:
        if (name := one.identity) in figures:
            found.append(f"figure {one.hardware} {one.benchmark} {one.shape}: it stands there twice.")
        figures.add(name)
    return found
