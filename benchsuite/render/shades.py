"""Seven shades for "at so many percent of its peers", told by lightness as well as by hue, and words for them."""

from __future__ import annotations

import bisect
import itertools
import math

from benchsuite import units

EDGES = (0.4, 0.7, 0.85, 0.93, 0.97, 1.03)
"""Rates relative to the peers' at which one shade ends and the next begins."""
MIDDLE = 5
"""The shade of what is like its peers; 0 is the slowest, ``len(EDGES)`` is faster than they are."""


def rate(slowdown: float) -> float:
    """The rate relative to the peers' that a log time ratio is."""
    return math.exp(-slowdown)


def shade(slowdown: float) -> int:
    """Which shade a log time ratio has."""
    return bisect.bisect_right(EDGES, rate(slowdown))


def words(slowdown: float | None) -> str:
    """``at 61 % of its peers``, or that there is no time."""
    return f"at {units.percent(rate(slowdown))} of its peers" if slowdown is not None else "no time"


def legend() -> list[tuple[int, str]]:
    """Every shade and what it stands for, the slowest first."""
    marks = [units.percent(edge) for edge in EDGES]
    spans = [f"{low} to {high}" for low, high in itertools.pairwise(marks)]
    return list(enumerate([f"below {marks[0]}", *spans, f"above {marks[-1]}"]))
