"""The two bandwidths of a collective: algbw = message / time, and busbw = algbw times a factor of the collective.

The factor makes busbw what each rank must at least send a second, whatever the number of ranks, so that it can be held
against a link. It is the benchmark's own: the bytes on the wire by the bytes of the message (``Work``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from benchsuite.model import Metric, Score

SOURCE = "https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md"
"""Where both are defined."""


@dataclass(frozen=True, slots=True)
class Factor:
    """What makes busbw of algbw, in words and as a function of the number of ranks, where that alone decides."""

    formula: str
    of: Callable[[int], float] | None = None


BOTH = Factor("2(n−1)/n", lambda n: 2 * (n - 1) / n)
ONCE = Factor("(n−1)/n", lambda n: (n - 1) / n)
WHOLE = Factor("1", lambda n: 1.0)
FACTORS: Mapping[str, Factor] = {
    "allreduce": BOTH,
    "peer-allreduce": BOTH,
    "allgather": ONCE,
    "reduce_scatter": ONCE,
    "alltoall": ONCE,
    "alltoallv": Factor("the busiest rank’s part of n messages"),
    "broadcast": WHOLE,
    "shift": WHOLE,
    "exchange": WHOLE,
}
"""The factor of each collective, n being the number of ranks."""


@dataclass(frozen=True, slots=True)
class Algbw:
    """Message by time in bytes a second, with the ends of its interval, and what makes busbw of it."""

    value: float
    low: float | None
    high: float | None
    factor: float
    formula: str


def algbw(score: Score) -> Algbw | None:
    """The algorithm bandwidth of a collective's score; ``None`` where there is no busbw or no number."""
    known = FACTORS.get(score.case.benchmark)
    work = score.work
    if known is None or score.metric is not Metric.BUSBW or score.value is None or not work.wire * work.payload > 0:
        return None
    factor = work.wire / work.payload
    low, high = (None if end is None else end / factor for end in (score.low, score.high))
    return Algbw(score.value / factor, low, high, factor, known.formula)


def definition(scores: Iterable[Score]) -> str:
    """One sentence on both and on the factors that these scores need; empty when none has any."""
    named: dict[str, list[str]] = {}
    for score in scores:
        if found := algbw(score):
            names = named.setdefault(found.formula, [])
            names += [score.case.benchmark] if score.case.benchmark not in names else []
    told = "; ".join(f"{formula} for {', '.join(names)}" for formula, names in named.items())
    return f"algbw = message / time, busbw = algbw × factor: {told}, of n ranks" if told else ""
