"""How the numbers of a model may be kept and multiplied, and whether a machine can.

Bytes of a weight count its scales: nvfp4 keeps an 8-bit scale for 16 weights, mxfp4 for 32 (OCP MX 1.0), w4a16 a
16-bit scale and a 4-bit zero for 128 (AWQ, GPTQ).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from benchsuite.catalog.models import ModelShape
from benchsuite.catalog.rows import nearest
from benchsuite.errors import RefusedError, UsageError
from benchsuite.model.forecast import Ceilings, Precision

GROUPED = 0.5 + 2.5 / 128

PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        item.name: item
        for item in (
            Precision("fp32", 4.0, "fp32", 4.0),
            Precision("bf16", 2.0, "bf16", 2.0),
            Precision("fp16", 2.0, "fp16", 2.0),
            Precision("fp8", 1.0, "e4m3", 1.0),
            Precision("int8", 1.0, "int8", 2.0),
            Precision("w8a16", 1.0, "bf16", 2.0),
            Precision("w4a16", GROUPED, "bf16", 2.0),
            Precision("w4a8", GROUPED, "e4m3", 1.0),
            Precision("nvfp4", 0.5 + 1 / 16, "fp4", 1.0),
            Precision("mxfp4", 0.5 + 1 / 32, "fp4", 1.0, experts_only=True),
        )
    }
)
"""By name. A cache follows the engines' custom: 8-bit with 8- and 4-bit floats, 16-bit where sums stay 16-bit."""

EXPANDED = frozenset({"mxfp4"})
"""Formats of weights that engines run on every device, in 16 bits where it must be."""

WIDE = ("bf16", "fp16", "fp32")
"""Types for what a narrow model keeps wide: embedding, last product, router. The first that a machine has."""


def precision(name: str) -> Precision:
    """The precision called ``name``. Raises ``UsageError`` with the nearest known name."""
    if name not in PRECISIONS:
        raise UsageError(
            f"{name[:40]!r} is no precision.", nearest(name, PRECISIONS) or f"Known are {', '.join(PRECISIONS)}."
        )
    return PRECISIONS[name]


def check(precision: Precision, ceilings: Ceilings) -> Precision:
    """The precision as this machine runs it. Raises ``RefusedError`` where it cannot.

    bf16 and fp16 stand for each other: their rates are the same wherever a device multiplies both. mxfp4 weights are
    made wide on the way where nothing multiplies them as they are.
    """
    if _usable(ceilings, precision.gemm):
        return precision
    twins: tuple[str, ...] = {"bf16": ("fp16",), "fp16": ("bf16",)}.get(precision.gemm, ())
    if precision.name in EXPANDED:
        twins = WIDE
    for twin in twins:
        if _usable(ceilings, twin):
            return replace(precision, gemm=twin)
    able = [name for name, item in PRECISIONS.items() if _usable(ceilings, item.gemm)]
    raise RefusedError(
        f"{ceilings.name} is not known to multiply {precision.gemm}, which {precision.name} needs.",
        f"Use {' or '.join(able)}." if able else "Measure its products first: no rate of any type is known.",
    )


def of(shape: ModelShape, precision: Precision) -> Precision:
    """The precision as it is of this model: without experts there is nothing but which to keep wide."""
    return precision if shape.experts else replace(precision, experts_only=False)


def wide(ceilings: Ceilings, precision: Precision) -> str:
    """The element type of what stays wide in a narrow model."""
    if precision.gemm in WIDE:
        return precision.gemm
    return next((name for name in WIDE if _usable(ceilings, name)), precision.gemm)


def _usable(ceilings: Ceilings, dtype: str) -> bool:
    return dtype in ceilings.gemm and ceilings.gemm[dtype].value > 0
