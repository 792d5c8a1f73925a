"""Does memory keep what is written to it, at every address and at full speed?

Three passes: every 16-byte line is written with a hash of a seed and the line's number; 2**16 lines are read back in
random order and compared with an independent hash; every line is read again and compared where it is. The rate
is that of one write and one read of all bytes. One wrong line anywhere, and there is no rate but its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Array,
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    Buffers,
    CacheMode,
    Case,
    CudaKernel,
    Device,
    Expected,
    HostCall,
    HostKernel,
    Implementation,
    Launch,
    Metric,
    Source,
    Work,
)

LINE = 16  # bytes
SAMPLES = 2**16
LARGEST_ON_HOST = 256 * units.MIB
THREADS = 512
NONE = 2**64 - 1
"""Number of the first wrong line where there is none."""


def lines(case: Case) -> int:
    """Lines of the memory under test."""
    return case.integer("bytes") // LINE


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """The pattern's seed, and the lines that are read back alone, the last one among them."""
    where = rng.integers(0, lines(case), SAMPLES, dtype=np.uint64)
    where[0] = lines(case) - 1
    return {"seed": rng.integers(0, 2**32, 1, dtype=np.uint32), "where": where}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """``findings``: wrong lines, the first of them, lines compared; ``words``: the lines read back alone."""
    return {"findings": ArraySpec((3,), "uint64"), "words": ArraySpec((SAMPLES, 4), "uint32")}


def work(case: Case) -> Work:
    """Everything written once and read once, and the samples' lines."""
    size = float(case.integer("bytes"))
    return Work(read=size + SAMPLES * LINE, written=size)


def _mix(value: int) -> int:
    """MurmurHash3's 32-bit finaliser (Appleby) in Python's integers."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = (value ^ value >> shift) * factor & 0xFFFF_FFFF
    return value ^ value >> 16


def line_words(line: int, seed: int) -> tuple[int, int, int, int]:
    """The four words of a line, one Python integer at a time: the reference."""
    key = _mix((line >> 32) + seed & 0xFFFF_FFFF)
    first = _mix(line & 0xFFFF_FFFF ^ key)
    second = first * 0x9E3779B1 + 0x7F4A7C15 & 0xFFFF_FFFF
    third = first * 0x27D4EB2F + 0x165667B1 & 0xFFFF_FFFF
    return first, second, third, first ^ 0xFFFF_FFFF


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """No line is wrong, all were compared, and the samples are what Python's integers say."""
    seed = int(ranks[0]["seed"][0])
    words = np.array([line_words(int(line), seed) for line in ranks[0]["where"]], np.uint32)
    return {
        "findings": Expected(np.array([0, NONE, lines(case)], np.uint64)),
        "words": Expected(words),
    }


def _pattern(numbers: Array, seed: int) -> Array:
    """The words (n, 4) of these lines, all at once in 32-bit arrays."""

    def mixed(value: Array) -> Array:
        value = (value ^ value >> np.uint32(16)) * np.uint32(0x85EBCA6B)
        value = (value ^ value >> np.uint32(13)) * np.uint32(0xC2B2AE35)
        result: Array = value ^ value >> np.uint32(16)
        return result

    high, low = (numbers >> np.uint64(32)).astype(np.uint32), numbers.astype(np.uint32)
    first = mixed(low ^ mixed(high + np.uint32(seed)))
    second = first * np.uint32(0x9E3779B1) + np.uint32(0x7F4A7C15)
    third = first * np.uint32(0x27D4EB2F) + np.uint32(0x165667B1)
    return np.stack([first, second, third, ~first], axis=1)


def numpy_fill(buffers: Buffers, case: Case) -> None:
    """The three passes over memory of its own."""
    numbers, seed = np.arange(lines(case), dtype=np.uint64), int(buffers["seed"][0])
    memory = np.empty((lines(case), 4), np.uint32)
    memory[...] = _pattern(numbers, seed)
    np.take(memory, buffers["where"].astype(np.int64), axis=0, out=buffers["words"])
    wrong = np.flatnonzero((memory != _pattern(numbers, seed)).any(axis=1))
    buffers["findings"][...] = wrong.size, wrong[0] if wrong.size else NONE, len(memory)


def launches(case: Case, device: Device) -> tuple[Launch, ...]:
    """Fill, sample, verify; the whole chip, two blocks a processor."""
    count = np.uint64(lines(case))
    blocks = min(2 * device.processors, -(-lines(case) // THREADS))
    sampled = ("memory", "where", "words", np.uint32(SAMPLES))
    return (
        Launch("fill", (blocks, 1, 1), (THREADS, 1, 1), ("memory", count, "seed", "findings")),
        Launch("sample", (SAMPLES // THREADS, 1, 1), (THREADS, 1, 1), sampled),
        Launch("verify", (blocks, 1, 1), (THREADS, 1, 1), ("memory", count, "seed", "findings")),
    )


KERNEL = CudaKernel(
    source=lambda case, device: Source.of("probe/fill.cu"),
    launches=launches,
    scratch=lambda case, device: {"memory": ArraySpec((lines(case), 4), "uint32")},
)

BENCHMARK = Benchmark(
    name="fill",
    question="Does memory keep what is written to it, at every address and at full speed?",
    metric=Metric.BANDWIDTH,
    axes=(Axis("bytes", (64 * units.KIB, 64 * units.MIB), "memory under test", unit="bytes"),),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("hash", KERNEL, frozenset({"cuda"})),
        Implementation("threads", HostKernel("fill:filled"), frozenset({"host", "numba"})),
        Implementation("numpy", HostCall(numpy_fill), supports=lambda case: case.integer("bytes") <= LARGEST_ON_HOST),
    ),
    tags=frozenset({"probe", "memory", "gpu", "dram", "whole-memory"}),
    cache=CacheMode.HOT,
    invalid=lambda case: "" if case.integer("bytes") % LINE == 0 else f"bytes is no multiple of {LINE}",
)
