"""Memory filled with hashes, read back in random order and then whole, by all threads (``benchmarks.fill``).

Integers are 64 bits wide here and cut to 32 after each multiplication: so numba keeps them unsigned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from benchsuite.backends.host.simd import jit, use_threads
from benchsuite.errors import MeasureError
from benchsuite.machine import cpu
from benchsuite.model import Array, Buffers, Case, Step
from benchsuite.units import size

LINE = 16
MOST = 0.97
"""Part of the free memory that may be filled: beyond it the kernel ends processes."""
LOW = np.uint64(0xFFFF_FFFF)
HALF, THIRTEEN, WORD = np.uint64(16), np.uint64(13), np.uint64(32)
FIRST, SECOND = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35)
"""MurmurHash3's 32-bit finaliser (Appleby)."""
NONE = np.uint64(2**64 - 1)


def filled(buffers: Buffers, case: Case, threads: int) -> Step:
    """The three passes over ``bytes`` of memory of its own.

    ``seed`` (uint32, shape (1,)), ``where`` (uint64: lines that are read alone); ``findings`` (uint64, 3): wrong lines,
    the first of them, lines compared; ``words`` (uint32, (n, 4)). Raises ``MeasureError`` when it does not fit.
    """
    nbytes, free = case.integer("bytes"), cpu.memory_limit()
    if nbytes > MOST * free:
        raise MeasureError(
            f"{size(nbytes)} cannot be filled: {size(free)} of memory are free.", "End what holds memory."
        )
    memory: Any = np.empty((nbytes // LINE, 4), np.uint32)
    seed = np.uint64(buffers["seed"][0])
    parts = np.zeros((threads, 3), np.uint64)

    def step() -> None:
        use_threads(threads)
        _fill(memory, seed, threads)
        np.take(memory, buffers["where"].astype(np.int64), axis=0, out=buffers["words"])
        _verify(memory, seed, parts, threads)
        buffers["findings"][...] = parts[:, 0].sum(), parts[:, 1].min(), parts[:, 2].sum()

    few = memory[:0]
    _fill(few, seed, threads)  # compiles, or loads from the cache
    _verify(few, seed, parts, threads)
    return step


@jit()
def _mixed(value: Any) -> Any:
    value = ((value ^ (value >> HALF)) * FIRST) & LOW
    value = ((value ^ (value >> THIRTEEN)) * SECOND) & LOW
    return value ^ (value >> HALF)


@jit()
def _hash(line: Any, seed: Any) -> Any:
    key = _mixed(((line >> WORD) + seed) & LOW)
    return _mixed((line & LOW) ^ key)


@jit(parallel=True)
def _fill(memory: Array, seed: Any, threads: int) -> None:
    lines = len(memory)
    for thread in prange(threads):
        for line in range(lines * thread // threads, lines * (thread + 1) // threads):
            first = _hash(np.uint64(line), seed)
            memory[line, 0] = first
            memory[line, 1] = (first * np.uint64(0x9E3779B1) + np.uint64(0x7F4A7C15)) & LOW
            memory[line, 2] = (first * np.uint64(0x27D4EB2F) + np.uint64(0x165667B1)) & LOW
            memory[line, 3] = first ^ LOW


@jit(parallel=True)
def _verify(memory: Array, seed: Any, parts: Array, threads: int) -> None:
    lines = len(memory)
    for thread in prange(threads):
        wrong, bad, compared = NONE, np.uint64(0), np.uint64(0)
        for line in range(lines * thread // threads, lines * (thread + 1) // threads):
            first = _hash(np.uint64(line), seed)
            differs = np.uint64(memory[line, 0]) ^ first
            differs |= np.uint64(memory[line, 1]) ^ ((first * np.uint64(0x9E3779B1) + np.uint64(0x7F4A7C15)) & LOW)
            differs |= np.uint64(memory[line, 2]) ^ ((first * np.uint64(0x27D4EB2F) + np.uint64(0x165667B1)) & LOW)
            differs |= np.uint64(memory[line, 3]) ^ (first ^ LOW)
            compared += np.uint64(1)
            if differs != np.uint64(0):
                bad += np.uint64(1)
                wrong = min(wrong, np.uint64(line))
        parts[thread, 0], parts[thread, 1], parts[thread, 2] = bad, wrong, compared
