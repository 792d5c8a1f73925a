"""What failures and checkpoints cost a long training (Daly, Future Generation Computer Systems 22, 2006).

    T / T_work = M e^(R/M) (e^((t + d)/M) - 1) / t           M: mean time between failures of all devices together
    t          = sqrt(2 d M) (1 + sqrt(d / 2M) / 3 + d / 18M) - d        (his higher-order optimum; M where d >= 2 M)

t: seconds of work between checkpoints, d: of writing one, R: until work goes on after a failure. Failures come
independently of each other. Young's older rule (CACM 17, 1974) is t = sqrt(2 d M).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchsuite.errors import RefusedError, UsageError

YEAR = 365 * 86400.0
UNPLANNED = 0.173
"""Interruptions of a training per device and year: 419 on 16,384 H100 in 54 days (Llama 3, arXiv 2407.21783)."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """failures: interruptions per device and year; checkpoint, restart: seconds."""

    failures: float = UNPLANNED
    checkpoint: float = 60.0
    restart: float = 600.0


def interval(checkpoint: float, between: float) -> float:
    """Seconds of work between checkpoints that cost the least. between: mean seconds between failures."""
    if checkpoint >= 2 * between:
        return between
    small = checkpoint / (2 * between)
    return math.sqrt(2 * checkpoint * between) * (1 + math.sqrt(small) / 3 + small / 9) - checkpoint


def stretched(reliability: Reliability, devices: int) -> tuple[float, float]:
    """The factor by which a training takes longer, and the seconds between checkpoints.

    Raises ``UsageError`` for numbers that cannot be, ``RefusedError`` where hardly any work is done between failures.
    """
    for name, value in (("failures", reliability.failures), ("checkpoint", reliability.checkpoint)):
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} {value:g} cannot be.", "Give a positive number.")
    if not (math.isfinite(reliability.restart) and reliability.restart >= 0):
        raise UsageError(f"restart {reliability.restart:g} cannot be.", "Give seconds, 0 or more.")
    between = YEAR / (reliability.failures * devices)
    work = interval(reliability.checkpoint, between)
    exponent = (work + reliability.checkpoint) / between
    if reliability.restart > between or exponent > 2:
        raise RefusedError(
            f"{devices} devices fail every {between:.0f} s, as often as a checkpoint or a restart takes.",
            "Make checkpoints and restarts faster, or use fewer devices.",
        )
    factor = between * math.exp(reliability.restart / between) * math.expm1(exponent) / work
    return factor, work
