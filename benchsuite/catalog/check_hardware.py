"""What is wrong with an accelerator's figures: missing origins, wrong orders of magnitude, figures that contradict each
other, figures that count zeros.

Two laws hold a datasheet together, and a figure that departs from one needs a sentence in ``explained``:

    the formula   peak = processors x operations per clock x clock, the operations a power of two
    the ladder    tf32 : bf16 : fp16 : fp8 : int8 : fp6 : fp4  =  1/2 : 1 : 1 : 2 : 2 : 2 : 4
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from benchsuite.catalog.dates import wrong
from benchsuite.catalog.hardware import FIGURES, Accelerator

TOLERANCE = 0.03
"""How far a figure may depart from a law: datasheets round to two or three digits."""

LADDER: Mapping[str, float] = {"tf32": 0.5, "fp16": 1.0, "e4m3": 2.0, "int8": 2.0, "fp6": 2.0, "fp4": 4.0}

RATES: Mapping[str, int] = {
    "7.0": 1024,
    "7.5": 1024,
    "8.0": 2048,
    "8.6": 1024,
    "8.9": 1024,
    "9.0": 4096,
    "10.0": 8192,
    "10.3": 8192,
    "12.0": 1024,
    "gfx90a": 1024,
    "gfx942": 2048,
    "gfx950": 4096,
}
"""By architecture: the most dense bf16 (else fp16) operations of a processor in one clock. Twice that is sparse."""

RANGES: Mapping[str, tuple[float, float, str]] = {
    "bandwidth": (1e10, 1e17, "B/s"),
    "memory": (1e8, 1e13, "B"),
    "clock": (1e8, 1e10, "Hz"),
    "implied_clock": (1e8, 1e10, "Hz"),
    "watts": (5.0, 1e5, "W"),
    "cache": (1e5, 1e10, "B"),
    "processors": (1, 1e6, ""),
    "nvml_memory": (1e8, 1e13, "B"),
    "pcie_lanes": (1, 32, ""),
    "pcie_generation": (1, 10, ""),
}
PEAKS = (1e9, 1e18)

ZEROS = re.compile(r"sparse|sparsity|zeros", re.IGNORECASE)
NUMBER = re.compile(r"(?:(\b\w+) )?(\d+(?:\.\d+)?)(?:\s*(PF|PFLOP/s))?\b")


def accelerator(one: Accelerator) -> list[str]:
    """A sentence for each thing that is wrong with it."""
    return [*_origin(one), *_ranges(one), *_formula(one), *_ladder(one), *_sparse(one), *_explained(one)]


def _origin(one: Accelerator) -> Iterator[str]:
    if not one.source or not all(text.strip() for text in one.source):
        yield "it has no source."
    if problem := wrong(one.as_of):
        yield f"as_of {problem}"
    listed = one.found | one.remembered
    for name in (name for name in FIGURES if name in one.stated - listed):
        yield f"{name} stands neither in found nor in from_memory."
    for name in sorted(listed - one.stated):
        yield f"{name} is said to be found or from memory, and is not there."
    for name in sorted(one.found & one.remembered):
        yield f"{name} stands in found and in from_memory."


def _ranges(one: Accelerator) -> Iterator[str]:
    for name, (low, high, unit) in RANGES.items():
        value = getattr(one, name)
        if value and not low <= value <= high:
            yield f"{name} {value:g} {unit} is out of all proportion: a wrong unit?"
    for dtype, peak in one.peaks.items():
        if not PEAKS[0] <= peak <= PEAKS[1]:
            yield f"{dtype} {peak:g} operations per second is out of all proportion: a wrong unit?"
    if one.link is not None and not 1e9 <= one.link.bandwidth <= 1e14:
        yield f"link {one.link.bandwidth:g} B/s is out of all proportion: a wrong unit?"
    if one.nvml_memory and one.memory and not 0.85 < one.nvml_memory / one.memory < 1.1:
        yield f"the driver's {one.nvml_memory / 1e9:.0f} GB are not the datasheet's {one.memory / 1e9:.0f} GB."


def _formula(one: Accelerator) -> Iterator[str]:
    for dtype, column in one.columns.items():
        if column not in one.explained and off_formula(one, dtype):
            rate = one.per_clock(dtype)
            clocks = " or ".join(f"{clock / 1e6:.0f} MHz" for clock in _clocks(one))
            peak = f"{one.peaks[dtype] / 1e12:.4g} T"
            yield f"{column} {peak} is not {one.processors} processors x {rate} operations per clock x {clocks}."
    stated = one.peaks.get(one.base)
    if stated and one.rate and one.implied_clock and one.processors:
        formula = one.processors * one.rate * one.implied_clock
        if abs(stated / formula - 1) > 0.005:
            yield f"{one.base} {stated / 1e12:.4g} T is not what the implied clock gives: {formula / 1e12:.4g} T."


def off_formula(one: Accelerator, dtype: str) -> bool:
    """Whether a peak is no power of two of operations at any clock that the entry states."""
    rate = one.per_clock(dtype)
    if rate is None:
        return False
    given = [one.processors * rate * clock for clock in _clocks(one)]
    return all(not peak or abs(one.peaks[dtype] / peak - 1) > TOLERANCE for peak in given)


def _clocks(one: Accelerator) -> list[float]:
    return [clock for clock in dict.fromkeys((one.clock, one.implied_clock)) if clock]


def _ladder(one: Accelerator) -> Iterator[str]:
    for dtype in LADDER:
        column = one.columns.get(dtype, "")
        if column and column not in one.explained and off_ladder(one, dtype):
            ratio = one.peaks[dtype] / one.peaks[one.base]
            yield f"{column} is {ratio:.3g} x {one.base}, not {LADDER[dtype]:g} x."


def off_ladder(one: Accelerator, dtype: str) -> bool:
    """Whether a peak does not stand to bf16 (else fp16) as its type usually does."""
    base, peak = one.peaks.get(one.base), one.peaks.get(dtype)
    if not base or peak is None or dtype not in LADDER or dtype == one.base:
        return False
    return abs(peak / base / LADDER[dtype] - 1) > TOLERANCE


def _sparse(one: Accelerator) -> Iterator[str]:
    rate, most = one.per_clock(one.base), RATES.get(one.capability)
    if rate and most and rate > most:
        yield f"{one.base} makes {rate} operations per clock, the architecture does {most}: it seems to count zeros."
    for name in sorted(one.sparse - one.stated):
        yield f"{name} is said to be sparse, and is not there."
    for clause in re.split(r"[;:]|\. ", one.notes):
        if not ZEROS.search(clause):
            continue
        for word, digits, peta in NUMBER.findall(clause):
            value = float(digits) * (1e15 if peta else 1e12)
            for dtype, column in one.columns.items():
                meant = word in {column, dtype} or word not in one.stated
                if meant and math.isclose(one.peaks[dtype], value, rel_tol=1e-4):
                    yield f"{column} {digits} stands as a peak, and the notes say that it counts zeros."


def _explained(one: Accelerator) -> Iterator[str]:
    for name in one.explained:
        dtypes = [dtype for dtype, column in one.columns.items() if column == name]
        if not any(off_formula(one, dtype) or off_ladder(one, dtype) for dtype in dtypes):
            yield f"{name} is explained, and departs from nothing."
