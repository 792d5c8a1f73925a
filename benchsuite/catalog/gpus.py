"""GPUs by their name: datasheet peaks, and what their units do in one clock.

``gpus.toml`` holds a table for each card, with the sources of its figures. All rates are dense: a figure
that counts the zeros of 2:4 sparsity is never used.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

RATES = {
    "fp64": ("fp64_tensor", "fp64"),
    "fp32": ("fp32",),
    "tf32": ("tf32",),
    "bf16": ("bf16",),
    "fp16": ("fp16",),
    "e4m3": ("fp8",),
    "int8": ("int8",),
}
"""Our element types and the catalogue's columns, the first that a card has."""

LEAST, MOST = 0.85, 1.1
"""How a driver's count of memory may relate to the datasheet's: it keeps some, and some of its GB are GiB."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card's datasheet. ``peaks``: operations per second by element type, dense; bandwidth in bytes per second.

    processors: streaming multiprocessors; clock: the boost clock in Hz; watts: the board's power limit.
    """

    key: str
    name: str
    processors: int
    clock: float
    peaks: Mapping[str, float]
    bandwidth: float
    memory: float
    watts: float | None
    source: tuple[str, ...]
    confidence: str

    def per_clock(self, dtype: str) -> int | None:
        """Operations of one processor in one clock; ``None`` where the datasheet has no such rate.

        Every unit does a power of two: the nearest one to peak / (processors x clock) is it. Rounding
        absorbs that datasheets state some rows at another clock (H100: tensor rows at 1830 MHz, the
        vector rows at 1980 MHz).
        """
        peak = self.peaks.get(dtype)
        if peak is None or not self.processors or not self.clock:
            return None
        return int(2 ** round(math.log2(peak / (self.processors * self.clock))))

    def at_clock(self, dtype: str, hertz: float, processors: int = 0) -> float | None:
        """The peak at a clock that was really held: processors x operations per clock x clock."""
        rate = self.per_clock(dtype)
        return None if rate is None else rate * (processors or self.processors) * hertz


@cache
def gpus() -> Mapping[str, Gpu]:
    """Every NVIDIA card of the catalogue by key."""
    text = resources.files(__package__).joinpath("gpus.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)["gpu"]
    return {key: _gpu(key, row) for key, row in tables.items() if row["vendor"] == "nvidia" and "sms" in row}


def _gpu(key: str, row: Mapping[str, Any]) -> Gpu:
    peaks = {
        dtype: float(row[found]) * 1e12
        for dtype, columns in RATES.items()
        if (found := next((column for column in columns if row.get(column)), None))
    }
    return Gpu(
        key=key,
        name=row["name"],
        processors=int(row["sms"]),
        clock=float(row.get("boost_mhz", 0)) * 1e6,
        peaks=peaks,
        bandwidth=float(row["mem_bw_gbs"]) * 1e9,
        memory=float(row["mem_gb"]) * 1e9,
        watts=row.get("tdp_w"),
        source=tuple(row["source"]),
        confidence=row["confidence"],
    )


@cache
def _names() -> Mapping[str, tuple[str, ...]]:
    text = resources.files(__package__).joinpath("gpus.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)["gpu"]
    return {key: tuple(map(_plain, (*row.get("nvml_names", ()), row["name"]))) for key, row in tables.items()}


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").removeprefix("nvidia ").split())


def named(name: str, memory: float = 0.0, processors: int = 0) -> Gpu | None:
    """The card that the driver calls ``name``; several share a name, so memory in bytes and processors decide.

    ``None`` when none matches, or when two remain that differ: no peak is better than a wrong one.
    """
    return decided(called(name), memory, processors)


def called(name: str) -> list[Gpu]:
    """Every card that the driver calls ``name``."""
    return [gpu for key, gpu in gpus().items() if _plain(name) in _names()[key]]


def contradictions(name: str, memory: float, processors: int) -> tuple[str, ...]:
    """Why a GPU cannot be the whole card that its name says, as sentences; memory in bytes.

    Empty when it can, and when the catalogue knows no card of that name: then nothing is claimed. The name comes from
    the driver; what computes and what stores is counted. A driver keeps some memory for itself, and 80 GB are 74.5 GiB.
    """
    if "mig " in f"{_plain(name)} ":
        return (f"{name} is a slice of a card (MIG), not the whole.",)
    cards = called(name)
    if not cards or any(card.processors == processors and LEAST < memory / card.memory < MOST for card in cards):
        return ()
    counts = sorted({card.processors for card in cards})
    found = []
    if processors not in counts:
        found.append(f"{name} has {' or '.join(map(str, counts))} multiprocessors; here are {processors}.")
    if not any(LEAST < memory / card.memory < MOST for card in cards):
        sizes = sorted({card.memory for card in cards})
        told = " or ".join(f"{size / 1e9:.0f}" for size in sizes)
        found.append(f"{name} has {told} GB of memory; here are {memory / 1e9:.0f} GB.")
    return tuple(found) or (f"No {name} has {processors} multiprocessors with {memory / 1e9:.0f} GB of memory.",)


def decided(found: list[Gpu], memory: float, processors: int) -> Gpu | None:
    """The one card of several; ``None`` where what is known leaves two that differ in peaks or bandwidth."""
    if processors and len(found) > 1:
        found = [gpu for gpu in found if gpu.processors == processors] or found
    if memory and len(found) > 1:
        # The driver reports GiB that lie a little below the card's decimal GB, or exactly at its binary ones.
        found = sorted(found, key=lambda gpu: abs(math.log(gpu.memory / memory)))
        if len(found) > 1 and abs(found[0].memory - found[1].memory) > 0.1 * memory:
            found = found[:1]
    same = {(gpu.bandwidth, *sorted(gpu.peaks.items())) for gpu in found}
    return found[0] if found and len(same) == 1 else None
