"""How long does one load take when the next address depends on it?

One core follows a random ring through every 64-byte line of the working set: no prefetcher can
guess the next line, and no two loads overlap. The time of a step is the load-to-use latency of the
level that holds the set, with the address translation as a program meets it. On a GPU one lane of
one warp follows it, through the first-level cache (``lane``) or past it (``lane-l2``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite import units
from benchsuite.model import (
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    CacheMode,
    Case,
    CudaKernel,
    Device,
    Expected,
    HostKernel,
    Implementation,
    Launch,
    Metric,
    Source,
    Work,
)

LINE_BYTES = 64
WORDS = LINE_BYTES // 8
# A prime: no ring length divides it (but its own and 1), so "did not move" is never the right answer.
STEPS = 131_071


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """``next`` (uint64): word 0 of each line is the index of the next line's word 0, word 1 its place in the ring.

    Going through a random permutation and back to its start is one cycle over all lines, each such
    cycle equally likely: what Sattolo's algorithm gives.
    """
    lines = case.integer("bytes") // LINE_BYTES
    order = rng.permutation(lines).astype(np.uint64)
    ring = np.zeros((lines, WORDS), np.uint64)
    ring[order, 0] = np.roll(order, -1) * np.uint64(WORDS)
    ring[order, 1] = np.arange(lines, dtype=np.uint64)
    return {"next": ring.reshape(-1), "steps": np.array([STEPS], np.uint64)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """Places moved along the ring, modulo its length."""
    return {"advance": ArraySpec((1,), "uint64")}


def work(case: Case) -> Work:
    """Dependent loads of one iteration."""
    return Work(steps=STEPS)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """Whatever line the chase started from, ``STEPS`` loads move it so many places."""
    lines = case.integer("bytes") // LINE_BYTES
    return {"advance": Expected(np.array([STEPS % lines], np.uint64))}


def invalid(case: Case) -> str:
    """A ring needs two lines."""
    return "" if case.integer("bytes") >= 2 * LINE_BYTES else "the working set holds less than two 64-byte lines"


THREADS = 256


def scratch(case: Case, device: Device) -> Mapping[str, ArraySpec]:
    """``ring``: the ring with addresses instead of indices, once it is ``ready``; ``place``: where the chase stands."""
    words = case.integer("bytes") // LINE_BYTES * WORDS
    return {
        "ring": ArraySpec((words,), "uint64"),
        "place": ArraySpec((1,), "uint64"),
        "ready": ArraySpec((1,), "uint32"),
    }


def _cuda(entry: str) -> CudaKernel:
    def launches(case: Case, device: Device) -> tuple[Launch, ...]:
        lines = case.integer("bytes") // LINE_BYTES
        made, blocks = np.uint64(lines), -(-lines // THREADS)
        return (
            Launch("chase_prepare", (blocks, 1, 1), (THREADS, 1, 1), ("next", "ring", made, "ready")),
            Launch(entry, (1, 1, 1), (1, 1, 1), ("ring", "steps", made, "place", "ready", "advance")),
        )

    return CudaKernel(
        source=lambda case, device: Source.of("memory/chase.cu"),
        launches=launches,
        scratch=scratch,
        zeroed=frozenset({"place", "ready"}),
    )


BENCHMARK = Benchmark(
    name="latency",
    question="How long does one load take when the next address depends on it?",
    metric=Metric.LATENCY,
    axes=(Axis("bytes", (16 * units.KIB, 256 * units.MIB), "working set", unit="bytes"),),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(
        Implementation("chase", HostKernel("chase:chase"), frozenset({"host", "numba"})),
        Implementation("lane", _cuda("chase_l1"), frozenset({"cuda"})),
        Implementation("lane-l2", _cuda("chase_l2"), frozenset({"cuda"})),
    ),
    tags=frozenset({"memory", "latency"}),
    cache=CacheMode.HOT,
    invalid=invalid,
)
