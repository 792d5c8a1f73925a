"""How many floating-point operations per second can the cores do when no memory is in the way?

Fused multiply-adds on registers alone: the measured ceiling that GEMM and attention are held
against, at the clock the machine really keeps under full vector load.
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
    Expected,
    HostKernel,
    Implementation,
    Metric,
    Tolerance,
    Work,
)

# Divides into whole blocks for every vector width, and evenly among most numbers of cores.
ELEMENTS = 90 * 1024
PAIRS = 4096
# Mantissas without long runs of zeros: a multiplication by 1 or 2 takes less power than real data.
# p*r = 0.99985 lets a pair's rounding errors die out, yet slowly enough that a missing pair shows.
FACTORS = (1.4142135, 0.7070001, 0.3178913)


def inputs(case: Case, rng: np.random.Generator) -> Arrays:
    """Starts ``x``, uniform in [1, 2), and the three run-time constants p, r, q."""
    kind = units.dtype(case.text("dtype")).storage
    return {
        "x": (1.0 + rng.random(ELEMENTS)).astype(kind),
        "factors": np.array(FACTORS, kind),
        "pairs": np.array([PAIRS], np.int64),
    }


def outputs(case: Case) -> Mapping[str, ArraySpec]:
    """Each element after all its pairs."""
    return {"y": ArraySpec((ELEMENTS,), case.text("dtype"))}


def work(case: Case) -> Work:
    """Two fused multiply-adds a pair, two operations each; the arrays' traffic is nothing beside them."""
    return Work(flops=4.0 * ELEMENTS * PAIRS)


def reference(case: Case, ranks: Sequence[Arrays], rng: np.random.Generator) -> Mapping[str, Expected]:
    """The closed form in float64: a pair is ``x -> A x + B`` with A = p r and B = q r + q.

    After n pairs: ``A^n x + B (1 - A^n) / (1 - A)``.
    """
    p, r, q = (float(value) for value in ranks[0]["factors"])
    factor, addend = p * r, q * r + q
    power = factor**PAIRS
    return {"y": Expected(power * ranks[0]["x"].astype(np.float64) + addend * (1 - power) / (1 - factor))}


def tolerance(case: Case) -> Tolerance:
    """Room for the rounding errors of the 1/(1-A) = 6700 pairs that a value remembers.

    At random they add up to some sqrt(2 * 6700) half-units in the last place, 2**-17 in fp32; four
    times that is allowed. A missing pair would change the result by 2**-12.5.
    """
    return Tolerance(relative=2.0**-15 if case.text("dtype") == "fp32" else 2.0**-40)


BENCHMARK = Benchmark(
    name="fma",
    question="How many floating-point operations per second can the cores do when no memory is in the way?",
    metric=Metric.FLOPS,
    axes=(Axis("dtype", ("fp32", "fp64"), "element type", choices=("fp32", "fp64")),),
    inputs=inputs,
    outputs=outputs,
    work=work,
    reference=reference,
    implementations=(Implementation("registers", HostKernel("fma:peak"), frozenset({"host", "numba"})),),
    tolerance=tolerance,
    tags=frozenset({"probe", "ceiling"}),
    cache=CacheMode.HOT,
)
