"""How much more do all cores do together than one alone?

Fused multiply-adds on registers, as in ``fma``, by so many threads: nothing but the pipes of the cores is in the way,
so that two threads on one core, a quota, or a neighbour on the same core show.
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
    Tolerance,
    Work,
)

ALL = 4096
"""As many threads as cores can be used: more are never started."""
ELEMENTS, PAIRS = 90 * 1024, 4096
FACTORS = (1.4142135, 0.7070001, 0.3178913)
"""As in ``fma``: whole blocks for every vector width; rounding errors die out, a missing pair shows."""


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Starts, uniform in [1, 2), and the constants p, r, q."""
    return {
        "x": 1.0 + rng.random(ELEMENTS),
        "factors": np.array(FACTORS),
        "pairs": np.array([PAIRS], np.int64),
    }


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """Each element after all its pairs."""
    return {"y": ArraySpec((ELEMENTS,), "fp64")}


def work(case: Case) -> Work:
    """Two fused multiply-adds a pair."""
    return Work(flops=4.0 * ELEMENTS * PAIRS)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """A pair is ``x -> A x + B`` with A = p r and B = q r + q; n of them, ``A^n (x - f) + f`` with f = B / (1 - A)."""
    p, r, q = (float(value) for value in ranks[0]["factors"])
    factor = p * r
    fixed = (q * r + q) / (1 - factor)
    return {"y": Expected(factor**PAIRS * (ranks[0]["x"] - fixed) + fixed)}


BENCHMARK = Benchmark(
    name="cores",
    question="How much more do all cores do together than one alone?",
    metric=Metric.FLOPS,
    axes=(Axis("threads", (1, ALL), "threads at work, at most one for each core that can be used"),),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(Implementation("registers", HostKernel("fma:by_threads"), frozenset({"host", "numba"})),),
    tolerance=lambda case: Tolerance(relative=2.0**-40),
    tags=frozenset({"probe"}),
    cache=CacheMode.HOT,
)
