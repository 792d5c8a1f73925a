"""Numbers that share scales in blocks: mxfp8 and nvfp4, how they are made and how their scales lie in memory.

mxfp8 (OCP Microscaling Formats 1.0, 2023): e4m3 elements, each 32 along k times one power of two (ue8m0:
2**(byte - 127)). nvfp4 (NVIDIA, cuBLAS documentation, "Narrow Precision Data Types"): e2m1 elements, two a byte with
the lower k in the low bits; each 16 along k times one scale ue4m3, and the whole matrix times one float.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchsuite import units
from benchsuite.model import Array

GROUP_ROWS, GROUP_BLOCKS, GROUP_BYTES = 128, 4, 512
"""Scales that lie together: of 128 rows and 4 blocks of k, a byte each."""
LARGEST_E4M3, LARGEST_E2M1 = 448.0, 6.0
ROWS_AT_ONCE = 512
"""Of a matrix, while it is quantised or read back: bounds the extra memory."""


@dataclass(frozen=True, slots=True)
class Format:
    """``block``: elements along k that share a scale. ``bits``: of an element, its scale apart."""

    block: int
    bits: int


FORMATS: Mapping[str, Format] = {"mxfp8": Format(32, 8), "nvfp4": Format(16, 4)}


@dataclass(frozen=True, slots=True)
class Quantised:
    """A matrix (rows, k): ``elements`` (rows, bytes of k), ``scales`` (rows, blocks of k) as bytes, its own factor."""

    elements: Array
    scales: Array
    factor: float


def quantise(values: Array, name: str) -> Quantised:
    """``values`` (rows, k) of float32 in the format called ``name``; k is a multiple of its block (and even)."""
    peak = float(max(np.abs(part).max(initial=0.0) for part in _parts(values)))
    factor = float(np.float32(peak / (LARGEST_E4M3 * LARGEST_E2M1))) if name == "nvfp4" and peak > 0.0 else 1.0
    one = _mxfp8 if name == "mxfp8" else _nvfp4
    pairs = [one(part.astype(np.float32) / np.float32(factor)) for part in _parts(values)]
    return Quantised(np.concatenate([x for x, _ in pairs]), np.concatenate([s for _, s in pairs]), factor)


def _parts(values: Array) -> Iterator[Array]:
    return (values[start : start + ROWS_AT_ONCE] for start in range(0, len(values), ROWS_AT_ONCE))


def _mxfp8(values: Array) -> tuple[Array, Array]:
    """The scale is the least power of two by which no element of the block exceeds e4m3's largest.

    As NVIDIA's recipe rounds it (Mishra et al. 2025, arXiv 2506.08027); OCP's example would take the next lower one for
    some blocks, and cut their largest elements off.
    """
    blocks = values.reshape(len(values), -1, 32)
    largest = np.abs(blocks).max(axis=2).astype(np.float64)
    mantissa, exponent = np.frexp(largest / LARGEST_E4M3)
    power = np.where(largest > 0.0, exponent - (mantissa == 0.5), 0).clip(-127, 127)
    elements = units.to_e4m3(np.ldexp(blocks, -power[:, :, None]).astype(np.float32))
    return elements.reshape(len(values), -1), (power + 127).astype(np.uint8)


def _nvfp4(values: Array) -> tuple[Array, Array]:
    """The scale brings the block's largest element to e2m1's, as well as e4m3 can say it."""
    blocks = values.reshape(len(values), -1, 16)
    scales = units.to_e4m3((np.abs(blocks).max(axis=2) / np.float32(LARGEST_E2M1)).astype(np.float32))
    factor = units.from_e4m3(scales)[:, :, None]
    elements = np.divide(blocks, factor, out=np.zeros_like(blocks), where=factor > 0)
    return units.to_e2m1(elements.reshape(len(values), -1)), scales


def elements_of(packed: Array, name: str) -> Array:
    """The float32 values of elements, without their scales; exact."""
    return units.from_e4m3(packed) if name == "mxfp8" else units.from_e2m1(packed)


def scales_of(scales: Array, name: str) -> Array:
    """The float64 values of scales; exact. A ue8m0 of 255 is NaN."""
    if name == "mxfp8":
        return np.where(scales == 255, np.nan, np.ldexp(1.0, scales.astype(np.int32) - 127))
    return units.from_e4m3(scales & np.uint8(127)).astype(np.float64)


# ---------------------------------------------------------------- where scales lie


def interleave(scales: Array) -> Array:
    """Scales (rows, blocks) as cuBLAS wants them: (groups of 128 rows, groups of 4 blocks x 512 bytes), filled with 0.

    cuBLAS documentation, "1D Block Scaling Factors Layout": of row r and block s of a group byte
    16 (r mod 32) + 4 (r / 32) + s. Four scales are then one register of a tensor core's instruction.
    """
    rows, blocks = (-(-size // group) for size, group in zip(scales.shape, (GROUP_ROWS, GROUP_BLOCKS), strict=True))
    filled = np.zeros((rows * GROUP_ROWS, blocks * GROUP_BLOCKS), np.uint8)
    filled[: scales.shape[0], : scales.shape[1]] = scales
    groups = filled.reshape(rows, 4, 32, blocks, GROUP_BLOCKS).transpose(0, 3, 2, 1, 4)
    return np.ascontiguousarray(groups).reshape(rows, blocks * GROUP_BYTES)


def scale_at(rows: Array, blocks: int) -> tuple[Array, Array]:
    """Where in ``interleave``'s result the scales of these rows lie, by the definition: what a reference reads with."""
    block = np.arange(blocks)
    byte = 16 * (rows % 32)[:, None] + 4 * (rows % GROUP_ROWS // 32)[:, None] + block % GROUP_BLOCKS
    return np.broadcast_to((rows // GROUP_ROWS)[:, None], byte.shape), block // GROUP_BLOCKS * GROUP_BYTES + byte


def rows_of(elements: Array, interleaved: Array, name: str, rows: slice) -> Array:
    """Some rows of a matrix, times their blocks' scales but not the matrix' own, in float64."""
    values = elements_of(elements[rows], name).astype(np.float64)
    which = np.arange(len(elements))[rows]
    scales = scales_of(interleaved[scale_at(which, values.shape[1] // FORMATS[name].block)], name)
    scaled: Array = values * np.repeat(scales, FORMATS[name].block, axis=1)
    return scaled
