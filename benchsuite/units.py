"""Units, element types and the only place where quantities become text.

Rates and FLOP are decimal (1 GB/s = 1e9 B/s); buffer sizes are binary (1 KiB = 1024 B).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

KIB = 1024
MIB = 1024**2
GIB = 1024**3

NO_BREAK_SPACE = "\u00a0"
MINUS = "\u2212"
DASH = "\u2013"


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: its size, and the NumPy type that stores it (bf16 and e4m3 are stored as their bits).

    tf32 is fp32 whose last 13 mantissa bits are zero: what tensor cores read of it.
    """

    name: str
    bytes: int
    storage: str
    floating: bool


DTYPES: dict[str, DType] = {
    item.name: item
    for item in (
        DType("fp64", 8, "float64", True),
        DType("fp32", 4, "float32", True),
        DType("bf16", 2, "uint16", True),
        DType("fp16", 2, "float16", True),
        DType("tf32", 4, "float32", True),
        DType("e4m3", 1, "uint8", True),
        DType("int64", 8, "int64", False),
        DType("uint64", 8, "uint64", False),
        DType("int32", 4, "int32", False),
        DType("uint32", 4, "uint32", False),
        DType("int8", 1, "int8", False),
        DType("uint8", 1, "uint8", False),
    )
}


def dtype(name: str) -> DType:
    """The element type called ``name``; ``KeyError`` with the known names otherwise."""
    if name not in DTYPES:
        raise KeyError(f"unknown element type {name!r}; known: {', '.join(DTYPES)}")
    return DTYPES[name]


def to_bf16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The bits of ``values`` rounded to bfloat16, to nearest even (finite values only)."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounding = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return ((bits + rounding) >> np.uint32(16)).astype(np.uint16)


def from_bf16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The float32 values of bfloat16 ``bits``; exact."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def to_tf32(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """``values`` rounded to tf32's 10 mantissa bits, to nearest even (finite values only)."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    rounding = np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))
    return ((bits + rounding) & np.uint32(0xFFFFE000)).view(np.float32)


def _e4m3_values() -> NDArray[np.float32]:
    """The 256 numbers of e4m3 (OCP 8-bit floating point specification, 2023): bias 7, no infinities, NaN at 0x7f."""
    bits = np.arange(256)
    exponent, mantissa = bits >> 3 & 15, bits & 7
    magnitude = np.where(exponent > 0, (8 + mantissa) * 2.0 ** (exponent - 10), mantissa * 2.0**-9)
    magnitude[bits & 0x7F == 0x7F] = np.nan
    return np.where(bits & 0x80, -magnitude, magnitude).astype(np.float32)


E4M3 = _e4m3_values()


def to_e4m3(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The bits of ``values`` rounded to e4m3, to nearest even, saturating at 448 (finite values only).

    Looked up by the leading 16 bits, the last of which is set where any bit was cut off: a number of 8 bits
    rounded in this way (to odd) rounds to 4 bits as the whole does.
    """
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    leading: NDArray[np.uint32] = (bits >> np.uint32(16)) | (bits & np.uint32(0xFFFF) != 0)
    return _e4m3_by_leading_bits()[leading]


@cache
def _e4m3_by_leading_bits() -> NDArray[np.uint8]:
    return nearest_e4m3(np.nan_to_num(from_bf16(np.arange(2**16, dtype=np.uint16))))


def nearest_e4m3(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What ``to_e4m3`` must give, by comparing with the two neighbours among all of e4m3's numbers: slow."""
    size = np.minimum(np.abs(values), 448.0)
    positive = E4M3[:0x7F]
    above = np.clip(np.searchsorted(positive, size), 1, 0x7E)
    low, high = positive[above - 1], positive[above]
    up = (size - low > high - size) | ((size - low == high - size) & (above % 2 == 0))
    bits = np.where(up, above, above - 1)
    return np.where(np.signbit(values), bits | 0x80, bits).astype(np.uint8)


def from_e4m3(bits: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The float32 values of e4m3 ``bits``; exact."""
    return E4M3[bits]


E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
"""The 16 numbers of e2m1 (OCP Microscaling Formats specification 1.0, 2023, 5.3.3)."""
_MIDDLE = np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0], np.float32)
_EXCEEDED = np.where(np.arange(7) % 2, np.nextafter(_MIDDLE, np.float32(0)), _MIDDLE)
"""What a size must exceed to become the next number: a tie goes to the number whose last bit is zero."""


def to_e2m1(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """``values`` rounded to e2m1, to nearest even, saturating at 6 (finite values only): two a byte, the first low.

    The last dimension is even, and halves.
    """
    code = np.searchsorted(_EXCEEDED, np.abs(values), side="left").astype(np.uint8)
    code |= np.where(np.signbit(values), np.uint8(8), np.uint8(0))
    return code[..., ::2] | code[..., 1::2] << np.uint8(4)


def from_e2m1(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The float32 values of e2m1's bits, two a byte: the last dimension doubles. Exact."""
    both = E2M1[np.stack((packed & np.uint8(15), packed >> np.uint8(4)), axis=-1)]
    return both.reshape(*packed.shape[:-1], -1)


def as_float(array: NDArray[Any], name: str) -> NDArray[Any]:
    """``array`` of element type ``name`` as numbers NumPy can compute with (bf16, e4m3 and e2m1 become float32)."""
    match name:
        case "bf16":
            return from_bf16(array)
        case "e4m3":
            return from_e4m3(array)
        case "e2m1":
            return from_e2m1(array)
        case _:
            return array


_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)?\s*$")
_SCALE = {None: 1, "B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}


def parse_size(text: str) -> int:
    """Bytes of ``"32 KiB"``, ``"256 MiB"``, ``"8 B"`` or ``"4096"``.

    >>> parse_size("32 KiB")
    32768
    """
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write for example '32 KiB' or '256 MiB'")
    number = float(match[1]) * _SCALE[match[2]]
    if number != int(number):
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(number)


def size(nbytes: float) -> str:
    """A buffer size in binary units.

    >>> size(32768).replace(NO_BREAK_SPACE, " ")
    '32 KiB'
    """
    for scale, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if nbytes >= scale:
            return f"{nbytes / scale:.4g}{NO_BREAK_SPACE}{name}"
    return f"{nbytes:.4g}{NO_BREAK_SPACE}B"


_PREFIXES = tuple((10.0**power, letter) for power, letter in zip(range(18, -13, -3), "EPTGMk mµnp", strict=True))
_SYMBOL = {"flop/s": "FLOP/s", "B/s": "B/s", "busbw B/s": "B/s", "s": "s", "Hz": "Hz"}
_SYMBOL |= {"algbw B/s": "B/s", "1/s": "1/s", "W": "W", "°C": "°C", "1": "", "ratio": ""}


def prefix(value: float) -> tuple[float, str]:
    """The SI prefix that leaves one to three digits before the point: ``(scale, letter)``."""
    magnitude = abs(value)
    for scale, letter in _PREFIXES:
        if magnitude >= scale * 0.9995:
            return scale, letter.strip()
    return _PREFIXES[-1]


def unit(metric: str, letter: str = "") -> str:
    """The unit symbol of a metric with an SI prefix letter: ``unit("flop/s", "G") == "GFLOP/s"``."""
    return letter + _SYMBOL[metric]


def decimals(half_width: float, scale: float = 1.0) -> int:
    """Digits after the point so that the interval decides them (two where it leads with 1 or 2, else one)."""
    scaled = half_width / scale
    if not scaled > 0 or not math.isfinite(scaled):
        return 3
    exponent = math.floor(math.log10(scaled))
    leading = scaled / 10**exponent
    return max(0, -exponent + (1 if leading < 3 else 0))


NARROW = 1e-9
"""Relative half-width below which an interval is rounding, as of a scripted clock: it decides no digits."""


def quantity(value: float, metric: str, half_width: float | None = None) -> str:
    """A number with its unit: digits decided by the interval, three significant ones without.

    >>> quantity(612.43e12, "flop/s", 3.18e12).replace(NO_BREAK_SPACE, " ")
    '612 ± 3 TFLOP/s'
    >>> quantity(3.02143e12, "B/s", 0.0124e12).replace(NO_BREAK_SPACE, " ")
    '3.021 ± 0.012 TB/s'
    """
    scale, letter = prefix(value)
    name = unit(metric, letter)
    if half_width is None or not half_width > NARROW * abs(value) or not math.isfinite(half_width):
        return f"{significant(value / scale)}{NO_BREAK_SPACE}{name}"
    places = decimals(half_width, scale)
    words = (f"{value / scale:.{places}f}", "±", f"{half_width / scale:.{places}f}", name)
    return NO_BREAK_SPACE.join(words)


def significant(value: float, digits: int = 3) -> str:
    """``value`` with ``digits`` significant digits and no exponent."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def seconds(value: float) -> str:
    """A duration for people: ``1.3 s``, ``4 min 10 s``."""
    if value < 60:
        return f"{value:.1f}{NO_BREAK_SPACE}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}{NO_BREAK_SPACE}min{NO_BREAK_SPACE}{rest}{NO_BREAK_SPACE}s"


def guessed(value: float) -> str:
    """A duration that is a guess, in whole seconds and never none: ``35 s``, ``4 min 10 s``."""
    whole = max(1, round(value))
    return f"{whole}{NO_BREAK_SPACE}s" if whole < 60 else seconds(whole)


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with no decimals below 10 % lost: ``93 %``, ``9.3 %``."""
    if fraction is None:
        return DASH
    return f"{fraction * 100:.{0 if fraction >= 0.0995 else 1}f}{NO_BREAK_SPACE}%"


def passes(nbytes: int) -> int:
    """Passes over ``nbytes`` in one iteration of a memory benchmark: 256 MiB of traffic or one pass.

    A pass over a first-level cache takes less time than starting the threads (some 10 µs): the
    repetition is part of the work, inside the kernel, and the same for every implementation.
    """
    return max(1, math.ceil(256 * MIB / nbytes))


WIDE = 0.5
"""Relative half-width beyond which an interval is given by its ends: it is too lopsided for ±."""


def ranged(value: float, low: float, high: float, metric: str) -> str:
    """A number with its interval: ``612 ± 3 TFLOP/s``; where the interval is wide, by its ends.

    >>> ranged(84e9, 25e9, 290e9, "B/s").replace(NO_BREAK_SPACE, " ")
    '84.0 GB/s (25.0–290)'
    """
    half = (high - low) / 2
    if half <= WIDE * value:
        return quantity(value, metric, half)
    scale, letter = prefix(value)
    ends = f"{_end(low / scale)}{DASH}{_end(high / scale)}"
    return f"{significant(value / scale)}{NO_BREAK_SPACE}{unit(metric, letter)} ({ends})"


def _end(value: float) -> str:
    return "0" if value < 5e-4 else significant(value) if value < 1e4 else f"{value:.0e}"
