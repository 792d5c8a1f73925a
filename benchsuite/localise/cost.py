"""How long a scan will take, before it is begun."""

from __future__ import annotations

from math import ceil, log2

HOP = 5e-6
"""Seconds that a barrier takes for each doubling of the nodes; four barriers a round."""


def seconds(
    nodes: int,
    rounds: int,
    nbytes: int,
    rate: float,
    *,
    connect: float = 0.1,
    launch: float = 20e-6,
    warm: int = 5,
    repeats: int = 20,
) -> float:
    """The wall time of a scan in seconds: R (connect + (warm + repeats) 2 (S/B + launch) + 4 ceil(log2 n) 5 us).

    rate: bytes per second of one direction of a pair; connect: what the first contact of new partners costs;
    launch: what starting one transfer costs. All pairs of a round run at the same time.
    """
    if nodes < 2 or rounds < 1:
        return 0.0
    traffic = (warm + repeats) * 2 * (nbytes / rate + launch)
    return rounds * (connect + traffic + 4 * ceil(log2(nodes)) * HOP)
