"""Accelerators: dense datasheet peaks, memory, links, clocks, power, with where each figure comes from.

``gpus.toml`` has a table for each. All rates are dense: a figure that counts the zeros of 2:4 sparsity is never used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from benchsuite.catalog.rows import Basis, Confidence, read
from benchsuite.units import MIB

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "fp64": ("fp64_tensor", "fp64"),
    "fp64-vector": ("fp64",),
    "fp32": ("fp32",),
    "tf32": ("tf32",),
    "bf16": ("bf16",),
    "fp16": ("fp16",),
    "fp16-sum16": ("fp16_acc16",),
    "e4m3": ("fp8",),
    "int8": ("int8",),
    "fp6": ("fp6",),
    "fp4": ("fp4",),
}
"""Element types of peaks, and the file's columns, the first that an accelerator has.

``fp64`` is the tensor cores' where there are such, ``fp64-vector`` never; ``fp16`` sums in fp32, ``fp16-sum16`` in
fp16.
"""


FIGURES = (
    *("cc", "sms", "boost_mhz", "mem_gb", "mem_type", "mem_bw_gbs", "l2_mb", "tdp_w", "pcie_gen", "link_gbs_bidir"),
    *("nvml_names", "nvml_mem_mib"),
    *dict.fromkeys(name for names in COLUMNS.values() for name in names),
)
"""Columns that must say whether their figure was found or is from memory."""


class Form(StrEnum):
    """How it is built in: decides power, cooling and which links there are."""

    SXM = "sxm"
    PCIE = "pcie"
    NVL = "nvl"
    OAM = "oam"
    SUPERCHIP = "superchip"
    CONSUMER = "consumer"
    WORKSTATION = "workstation"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Datasheet:
    """A table of ``gpus.toml`` as it stands there. Rates in TFLOP/s (integers: TOP/s), memory in GB, bandwidth in GB/s.

    found, from_memory: columns by where their figure comes from; with neither list, all were found in ``source``.
    sparse: columns whose figure counts zeros: kept as stated, never a peak. explained: why a column's figure departs
    from the formula or from the other types' (``check``).
    """

    name: str
    vendor: str
    source: tuple[str, ...]
    confidence: Confidence
    form: Form
    found: tuple[str, ...] = ()
    from_memory: tuple[str, ...] = ()
    sparse: tuple[str, ...] = ()
    explained: Mapping[str, str] = field(default_factory=dict)
    arch: str = ""
    cc: str = ""
    sms: int | None = None
    boost_mhz: float | None = None
    mem_gb: float | None = None
    mem_type: str = ""
    mem_bw_gbs: float | None = None
    l2_mb: float | None = None
    fp64: float | None = None
    fp64_tensor: float | None = None
    fp32: float | None = None
    tf32: float | None = None
    bf16: float | None = None
    fp16: float | None = None
    fp16_acc16: float | None = None
    fp8: float | None = None
    int8: float | None = None
    fp6: float | None = None
    fp4: float | None = None
    tdp_w: float | None = None
    pcie_gen: int | None = None
    pcie_lanes: int | None = None
    link_gbs_bidir: float | None = None
    link_kind: str = ""
    nvml_names: tuple[str, ...] = ()
    nvml_mem_mib: float | None = None
    bf16_flop_per_clk_per_sm: int | None = None
    implied_clock_mhz: float | None = None
    as_of: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """What joins accelerators to each other: ``bandwidth`` in bytes per second, both directions together."""

    kind: str
    bandwidth: float


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One accelerator's datasheet in SI units. ``None`` and 0 mean that it is not known.

    processors: streaming multiprocessors or compute units; clock: the boost clock in Hz; implied_clock: the clock at
    which the bf16 (else fp16) peak is processors x operations per clock; peaks: operations per second by element type
    (``COLUMNS``), dense; bandwidth: of memory, B/s; cache: the last level, bytes; watts: the board's limit;
    nvml_memory: bytes that its driver reports; found, remembered: file columns that were seen in a source, or written
    from memory; stated: all columns that hold a figure; sparse, explained: as in the file; rate: operations of one
    processor in one clock as the file states them for the implied clock; columns: the file's column of each peak.
    """

    key: str
    name: str
    vendor: str
    form: Form
    processors: int
    clock: float
    peaks: Mapping[str, float]
    bandwidth: float
    memory: float
    watts: float | None
    source: tuple[str, ...]
    confidence: Confidence
    implied_clock: float | None = None
    architecture: str = ""
    capability: str = ""
    memory_kind: str = ""
    cache: float | None = None
    pcie_generation: int | None = None
    pcie_lanes: int | None = None
    link: Link | None = None
    nvml_names: tuple[str, ...] = ()
    nvml_memory: float | None = None
    found: frozenset[str] = frozenset()
    remembered: frozenset[str] = frozenset()
    stated: frozenset[str] = frozenset()
    sparse: frozenset[str] = frozenset()
    explained: Mapping[str, str] = field(default_factory=dict)
    rate: int | None = None
    as_of: str = ""
    notes: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The element type whose peak the implied clock belongs to: bf16, else fp16."""
        return "bf16" if "bf16" in self.peaks else "fp16"

    @property
    def rates(self) -> Mapping[str, float]:
        """``peaks``, and those of formats that share scales in blocks, by the instructions that take no other type.

        nvfp4 is fp4. mxfp8 is fp8; but GeForce Blackwell halves fp8 for its sum in fp32, which the block-scaled
        instruction is spared: 16 x 8 x 32 of mxfp8 take the time of 16 x 8 x 64 of nvfp4.
        """
        spared = 2.0 if self.form is Form.CONSUMER and self.capability == "12.0" else 1.0
        blocked = {"nvfp4": self.peaks.get("fp4", 0.0), "mxfp8": spared * self.peaks.get("e4m3", 0.0)}
        return {**self.peaks, **{name: peak for name, peak in blocked.items() if peak and "fp4" in self.peaks}}

    def per_clock(self, dtype: str) -> int | None:
        """Operations of one processor in one clock; ``None`` where the datasheet has no such rate.

        Every unit does a power of two: the nearest one to peak / (processors x clock) is it. Rounding
        absorbs that datasheets state some rows at another clock (H100: tensor rows at 1830 MHz, the
        vector rows at 1980 MHz).
        """
        peak, clock = self.rates.get(dtype, 0.0), self.clock or self.implied_clock or 0.0
        if not (0 < peak < math.inf and 0 < clock < math.inf and self.processors > 0):
            return None
        return int(2 ** round(math.log2(peak / (self.processors * clock))))

    def at_clock(self, dtype: str, hertz: float, processors: int = 0) -> float | None:
        """The peak at a clock that was really held: processors x operations per clock x clock."""
        rate = self.per_clock(dtype)
        return None if rate is None else rate * (processors or self.processors) * hertz

    def basis(self, figure: str) -> Basis | None:
        """Whether a peak (by element type) or another file column was found in a source; ``None``: not stated."""
        column = self.columns.get(figure, figure)
        if column in self.found:
            return Basis.FOUND
        return Basis.MEMORY if column in self.remembered else None


def accelerator(key: str, table: Mapping[str, Any], where: str, as_of: str = "") -> Accelerator:
    """The accelerator of one table; ``where`` names it in an error. Raises ``DataError``."""
    return _accelerator(key, read(Datasheet, table, where), as_of)


def _accelerator(key: str, sheet: Datasheet, as_of: str) -> Accelerator:
    stated = frozenset(name for name in FIGURES if getattr(sheet, name) not in {None, "", ()})
    peaks = {dtype: [name for name in names if name in stated - {*sheet.sparse}] for dtype, names in COLUMNS.items()}
    columns = {dtype: names[0] for dtype, names in peaks.items() if names}
    told = bool(sheet.found or sheet.from_memory)
    return Accelerator(
        key=key,
        name=sheet.name,
        vendor=sheet.vendor,
        form=sheet.form,
        processors=sheet.sms or 0,
        clock=(sheet.boost_mhz or 0.0) * 1e6,
        peaks={dtype: float(getattr(sheet, name)) * 1e12 for dtype, name in columns.items()},
        bandwidth=(sheet.mem_bw_gbs or 0.0) * 1e9,
        memory=(sheet.mem_gb or 0.0) * 1e9,
        watts=sheet.tdp_w,
        source=sheet.source,
        confidence=sheet.confidence,
        implied_clock=_scaled(sheet.implied_clock_mhz, 1e6),
        architecture=sheet.arch,
        capability=sheet.cc,
        memory_kind=sheet.mem_type,
        cache=_scaled(sheet.l2_mb, MIB),
        pcie_generation=sheet.pcie_gen,
        pcie_lanes=sheet.pcie_lanes,
        link=Link(sheet.link_kind, sheet.link_gbs_bidir * 1e9) if sheet.link_gbs_bidir else None,
        nvml_names=sheet.nvml_names,
        nvml_memory=_scaled(sheet.nvml_mem_mib, MIB),
        found=frozenset(sheet.found) if told else stated,
        remembered=frozenset(sheet.from_memory),
        stated=stated,
        sparse=frozenset(sheet.sparse),
        explained=sheet.explained,
        rate=sheet.bf16_flop_per_clk_per_sm,
        as_of=sheet.as_of or as_of,
        notes=sheet.notes,
        columns=columns,
    )


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale
