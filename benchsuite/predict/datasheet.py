"""Ceilings of a machine that nobody measured here: what others published of its devices, else what is usual."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import MappingProxyType

from benchsuite.catalog import Accelerator, Figure, population
from benchsuite.catalog.published import rate_class
from benchsuite.catalog.shipped import shipped
from benchsuite.errors import RefusedError
from benchsuite.model.forecast import Ceiling, Ceilings, Footing

USUAL_GEMM = 0.75
"""Share of the dense peak that the best large product reaches, where nobody published one (range here: 0.51-0.96)."""

NARROWER = 0.95
"""What each halving of the elements leaves of the share of the peak: the median of the catalogue's devices that have
both bf16 and e4m3 published (0.74 to 0.99): power and data paths do not shrink as the arithmetic does."""

WIDTH = {"fp64": 64, "fp32": 32, "tf32": 32, "bf16": 16, "e4m3": 8, "int8": 8, "fp4": 4}
"""Bits of an element."""

USUAL_READ = 0.93
"""Share of the datasheet bandwidth that a plain read reaches, where nobody published one (range here: 0.90-0.97)."""

USUAL_WATTS = 0.85
"""Share of the board's limit that decoding draws on average."""

PCIE = {3: 16e9, 4: 32e9, 5: 64e9, 6: 128e9}
"""One direction of 16 lanes, B/s, by generation: the raw rate."""

USUAL_LINK = {
    "NVLink5": 0.94,
    "NVLink4 / NVSwitch": 1.06,
    "NVLink4 +": 1.06,
    "NVLink": 0.75,
    "xGMI": 0.70,
    "PCIe": 0.50,
}
"""Bus bandwidth of a large all-reduce of 8 devices, as a share of one direction of the link, where nobody published it.

What other devices of the same fabric reach (switches that add on the way pass 1); over PCIe each byte goes through the
host, and all peers share its paths.
"""

TYPES = ("fp64", "fp32", "tf32", "bf16", "fp16", "e4m3", "int8", "fp4")
BINARY = 1.024**3
"""Memory on the package is sold in GB and built in GiB."""


def ceilings(
    accelerator: Accelerator,
    figures: Iterable[Figure] = (),
    devices: int = 1,
    others: Iterable[Accelerator] | None = None,
) -> Ceilings:
    """What ``devices`` of this accelerator give. Raises ``RefusedError`` where the datasheet lacks memory or rates.

    others: the catalogue's accelerators, the shipped ones where not given: those with the same chip are looked at.
    """
    if not (accelerator.bandwidth > 0 and accelerator.memory > 0 and any(accelerator.peaks.values())):
        raise RefusedError(
            f"The catalogue does not know memory, bandwidth and a peak of {accelerator.name}.",
            "Choose another machine, or measure this one with `benchsuite run`.",
        )
    everyone = shipped().accelerators.values() if others is None else others
    same = tuple(one for one in everyone if accelerator.architecture and _same_chip(one, accelerator))
    keys = {accelerator.key, *(one.key for one in same)}
    known = tuple(one for one in figures if one.hardware in keys)
    gemm = {name: _gemm(accelerator, known, same, name) for name in TYPES if accelerator.peaks.get(name, 0.0) > 0}
    link, fabric = _link(accelerator, known)
    watts = accelerator.watts
    return Ceilings(
        name=accelerator.name,
        hardware=accelerator.key,
        devices=devices,
        memory=memory(accelerator),
        bandwidth=_read(accelerator, known),
        gemm=MappingProxyType(gemm),
        link=link,
        fabric=fabric,
        processors=accelerator.processors,
        watts=Ceiling(watts * USUAL_WATTS, Footing.ASSUMED, f"{USUAL_WATTS:.0%} of the board's limit")
        if watts
        else None,
        types=frozenset(gemm),
    )


def _same_chip(one: Accelerator, other: Accelerator) -> bool:
    return one.key != other.key and one.architecture == other.architecture


def memory(accelerator: Accelerator) -> float:
    """Bytes that programs can address: what a driver counts, else GiB on the package, GB on the board (GDDR)."""
    if accelerator.nvml_memory:
        return accelerator.nvml_memory
    return accelerator.memory * (BINARY if accelerator.memory_kind.upper().startswith("HBM") else 1.0)


def _best(figures: Iterable[Figure], hardware: str, quantity: str) -> Figure | None:
    found = population(figures, hardware, quantity)
    return found[-1] if found else None


def _gemm(
    accelerator: Accelerator, figures: tuple[Figure, ...], others: tuple[Accelerator, ...], dtype: str
) -> Ceiling:
    """The best published large product of this type on this chip at this power; else what it must be judged by.

    In this order: the share of its peak that another type reaches on the same device; the share that the same chip
    reaches at another power (``_throttled``); the usual share.
    """
    peak, quantity = accelerator.peaks[dtype], f"gemm {rate_class(dtype)}"
    twins = [accelerator, *(one for one in others if _twin(accelerator, one, dtype))]
    found = [best for one in twins if (best := _best(figures, one.key, quantity)) and best.value <= peak]
    if found:
        best = max(found, key=lambda one: one.value)
        return Ceiling(best.value, Footing.PUBLISHED, f"{best.benchmark}, {best.source}")
    for other in ("e4m3", "bf16"):
        if share := _share(accelerator, figures, other) * _narrower(other, dtype):
            return Ceiling(peak * share, Footing.ASSUMED, f"{share:.0%} of its peak, by what {other} reaches")
    shares = [
        (share * _narrower(other, dtype) * _throttled(accelerator, one, dtype), one.name)
        for one in others
        for other in dict.fromkeys((rate_class(dtype), "e4m3"))
        if (share := _share(one, figures, other))
    ]
    if shares:
        share, name = max(shares)
        return Ceiling(peak * share, Footing.ASSUMED, f"{share:.0%} of its peak, by {name} and the board's power")
    return Ceiling(peak * USUAL_GEMM, Footing.ASSUMED, f"the usual {USUAL_GEMM:.0%} of the datasheet's peak")


def _twin(one: Accelerator, other: Accelerator, dtype: str) -> bool:
    """Whether both are one chip under one power limit, that differ in memory at most."""
    return (one.processors, one.watts, one.peaks[dtype]) == (other.processors, other.watts, other.peaks.get(dtype))


def _share(accelerator: Accelerator, figures: tuple[Figure, ...], dtype: str) -> float:
    """Of its peak, the best published large product of a type; 0 where none is."""
    best, peak = _best(figures, accelerator.key, f"gemm {dtype}"), accelerator.peaks.get(dtype, 0.0)
    return best.value / peak if best and peak >= best.value else 0.0


def _narrower(known: str, dtype: str) -> float:
    """What is left of one type's share for a narrower one, by halvings of its width."""
    halvings = math.log2(WIDTH.get(known, 16) / WIDTH.get(rate_class(dtype), 16))
    return float(NARROWER ** max(0.0, halvings))


def _throttled(accelerator: Accelerator, other: Accelerator, dtype: str) -> float:
    """What less power for each operation of the peak leaves of the other's share: its square root, never above 1.

    Dynamic power goes with frequency times voltage squared, and voltage with frequency, above a part that does not:
    near the limit the rate goes with a root between the second and the third of what is left, and less overall.
    """
    mine, theirs = accelerator.peaks.get(dtype), other.peaks.get(dtype)
    if not (mine and theirs and accelerator.watts and other.watts):
        return 1.0
    return min(1.0, math.sqrt(accelerator.watts / mine * theirs / other.watts))


def _read(accelerator: Accelerator, figures: tuple[Figure, ...]) -> Ceiling:
    best = _best(figures, accelerator.key, "hbm read")
    if best and best.value <= accelerator.bandwidth:
        return Ceiling(best.value, Footing.PUBLISHED, f"{best.benchmark}, {best.source}")
    words = f"the usual {USUAL_READ:.0%} of the datasheet's bandwidth"
    return Ceiling(accelerator.bandwidth * USUAL_READ, Footing.ASSUMED, words)


def _link(accelerator: Accelerator, figures: tuple[Figure, ...]) -> tuple[Ceiling | None, str]:
    """Bus bandwidth of a large all-reduce (NCCL's definition): published, else a usual share of one direction.

    An optional bridge joins pairs only and is not counted on.
    """
    if accelerator.link and "optional" not in accelerator.link.kind:
        one_way, kind = accelerator.link.bandwidth / 2, accelerator.link.kind
    elif rate := PCIE.get(accelerator.pcie_generation or 0):
        one_way, kind = rate * (accelerator.pcie_lanes or 16) / 16, f"PCIe {accelerator.pcie_generation}"
    else:
        return None, ""
    best = _best(figures, accelerator.key, "allreduce busbw ranks=8 nodes=1")
    if best:
        return Ceiling(best.value, Footing.PUBLISHED, f"{best.benchmark}, {best.source}"), kind
    share = next((share for start, share in USUAL_LINK.items() if kind.startswith(start)), USUAL_LINK["PCIe"])
    return Ceiling(one_way * share, Footing.ASSUMED, f"the usual {share:.0%} of one direction of {kind}"), kind
