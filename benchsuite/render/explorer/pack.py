"""Numbers and words made small for a page: few digits, columns in place of rows, a repeated word once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

STEP = 1e-5
"""Runs travel as whole steps of the logarithm of run over value: 0.001 %, far below what a run repeats to."""


def number(value: float | None, digits: int = 6) -> float | int | None:
    """``value`` with so many significant digits, a whole number without its point; ``None`` for what is no number."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


def words(values: Sequence[Any]) -> Any:
    """A full column, as short as it goes: all but a few are one word, few different words, or each as it is.

    >>> words(["a", "a", "a", "b"])
    {'all': 'a', 'but': {'3': 'b'}}
    """
    counts = Counter(values)
    if not counts:
        return []
    usual, count = counts.most_common(1)[0]
    if 3 * count >= 2 * len(values):
        others = {str(at): word for at, word in enumerate(values) if word != usual}
        return {"all": usual, "but": others} if others else {"all": usual}
    if 2 * len(counts) > len(values):
        return list(values)
    place = {word: at for at, word in enumerate(counts)}
    return {"of": list(place), "at": [place[value] for value in values]}


def some(values: Sequence[Any]) -> Any:
    """A column in which ``None`` may stand: as it is, or, if it mostly does, the others by their place."""
    known = {str(at): value for at, value in enumerate(values) if value is not None}
    return list(values) if 2 * len(known) > len(values) else known


def offsets(value: float, runs: Sequence[float]) -> list[int] | None:
    """Each run as steps away from ``value``; ``None`` when one of them is no positive number."""
    if not all(run > 0.0 and math.isfinite(run) for run in runs):
        return None
    return [round(math.log(run / value) / STEP) for run in runs]


def restored(value: float, steps: Sequence[int]) -> list[float]:
    """The runs that ``offsets`` stands for."""
    return [value * math.exp(step * STEP) for step in steps]


def reach(steps: Sequence[int]) -> float:
    """Half the 95 % t interval of the mean of these steps, on the log scale (``statistics.runs.estimate``)."""
    count = len(steps)
    mean = sum(steps) / count
    variance = sum((step - mean) ** 2 for step in steps) / (count - 1)
    return quantile(count - 1) * STEP * math.sqrt(variance / count)


@cache
def quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))
