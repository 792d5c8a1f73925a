"""Compares outputs with the independent reference. A NaN never passes: every test reads ``not (error <= allowed)``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchsuite import units
from benchsuite.model import Array, Arrays, ArraySpec, Expected, Rejected, Tolerance

ROWS_AT_ONCE = 256


def check(
    outputs: Arrays, expected: Mapping[str, Expected], specs: Mapping[str, ArraySpec], tolerance: Tolerance
) -> float | Rejected:
    """The largest absolute error where all is well, else why the result is rejected.

    Every expected output is compared within its tolerance, and every floating-point output named
    there must be finite everywhere, also where it is not compared.
    """
    if not expected:
        return Rejected("the benchmark states no expected output, so nothing can be verified")
    largest = 0.0
    for name, want in expected.items():
        got = units.as_float(outputs[name], specs[name].dtype)
        flaw = _finite(name, got) or _compare(name, got, want, tolerance)
        if isinstance(flaw, Rejected):
            return flaw
        largest = max(largest, flaw)
    return largest


def _finite(name: str, got: Array) -> Rejected | None:
    if not np.issubdtype(got.dtype, np.floating):
        return None
    # A sum is finite only if no term is NaN or infinite (opposite infinities give NaN): one fast pass.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.sum(got, dtype=np.float64)):
            return None
    bad = np.flatnonzero(~np.isfinite(got))
    if bad.size == 0:
        return None
    return Rejected(
        f"{bad.size} of {got.size} elements of {name} are not finite", where=_element(name, got, int(bad[0]))
    )


def _compare(name: str, got: Array, want: Expected, tolerance: Tolerance) -> float | Rejected:
    allowed = want.tolerance or tolerance
    chosen = got[want.index]
    if want.project is not None:
        chosen = _projected(chosen, want.project)
    if chosen.shape != want.values.shape:
        return Rejected(f"{name} has the shape {chosen.shape}, the reference {want.values.shape}")
    if allowed == Tolerance() and np.array_equal(chosen, want.values):
        return 0.0
    values = want.values.astype(np.float64)
    error = np.abs(chosen.astype(np.float64) - values)
    absolute = allowed.absolute if want.scale is None else allowed.absolute * want.scale
    wrong = ~(error <= absolute + allowed.relative * np.abs(values))
    if allowed == Tolerance():  # exactly: float64 cannot tell neighbouring 64-bit integers apart
        wrong = ~(chosen == want.values)
    worst = float(np.max(error, initial=0.0))
    if not np.any(wrong):
        return worst
    first = int(np.flatnonzero(wrong)[0])
    count = int(np.count_nonzero(wrong))
    return Rejected(
        f"{count} of {wrong.size} compared values of {name} are wrong (largest error {worst:.3g})",
        max_error=worst if np.isfinite(worst) else None,
        where=_element(name, chosen, first),
    )


def _projected(values: Array, project: Array) -> Array:
    """``values @ project`` in float64, some rows at a time: room for all of them costs more than the product."""
    if values.ndim < 2 or len(values) <= ROWS_AT_ONCE:
        return values.astype(np.float64) @ project
    starts = range(0, len(values), ROWS_AT_ONCE)
    return np.concatenate([values[i : i + ROWS_AT_ONCE].astype(np.float64) @ project for i in starts])


def _element(name: str, array: Array, flat: int) -> str:
    index = ", ".join(str(int(i)) for i in np.unravel_index(flat, array.shape)) if array.ndim else ""
    return f"{name}[{index}]"
