"""At what clock does a core run now?

A chain of dependent one-cycle operations takes as many cycles as it has operations on every CPU
made in this century; its time gives the clock. Virtual machines report no other that can be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchsuite.model import (
    Arrays,
    ArraySpec,
    Axis,
    Benchmark,
    CacheMode,
    Case,
    Expected,
    HostKernel,
    Implementation,
    Metric,
    Work,
)

CYCLES_PER_STEP = 2  # one exclusive-or, one addition


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Run-time start and operands, so that the compiler can fold nothing."""
    words = rng.integers(0, 2**63, 3, dtype=np.uint64)
    return {"x": words[:1], "k": words[1:2], "c": words[2:], "steps": np.array([case.integer("steps")], np.uint64)}


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """The end of the chain."""
    return {"y": ArraySpec((1,), "uint64")}


def work(case: Case) -> Work:
    """Steps are cycles here."""
    return Work(steps=CYCLES_PER_STEP * case.integer("steps"))


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The chain in Python's integers."""
    value, mask, addend = (int(ranks[0][name][0]) for name in ("x", "k", "c"))
    for _ in range(case.integer("steps")):
        value = ((value ^ mask) + addend) & 0xFFFF_FFFF_FFFF_FFFF
    return {"y": Expected(np.array([value], np.uint64))}


BENCHMARK = Benchmark(
    name="clock",
    question="At what clock does a core run now?",
    metric=Metric.CLOCK,
    axes=(Axis("steps", (500_000,), "dependent pairs of operations in one iteration"),),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(Implementation("chain", HostKernel("chase:clock"), frozenset({"host", "numba"})),),
    tags=frozenset({"probe"}),
    cache=CacheMode.HOT,
)
