"""What uneven nodes cost a step that waits for the slowest of them.

    E[max of N] = integral of x N phi(x) Phi(x)^(N-1) dx        (order statistics of the standard normal)

David & Nagaraja, Order Statistics, 3rd edition, 2003, section 3.1. The tax of a spread s is s E[max of N]: nodes of a
mean step time 1 and a standard deviation s, all of which every step waits for. Nodes whose times have a heavier tail
than the normal's cost more than this.
"""

from __future__ import annotations

import math
from functools import lru_cache

from benchsuite.errors import UsageError

REACH = 12.0
"""Standard deviations on either side beyond which the normal's density is below rounding."""
PANELS = 4800
"""Panels of Simpson's rule: the integrand is smooth, so the error is far below 1e-9."""


@lru_cache(maxsize=256)
def expected_maximum(nodes: int) -> float:
    """The expected largest of ``nodes`` independent standard normal numbers: 0 for one, 0.564 for two.

    Raises ``UsageError`` for fewer than one.
    """
    if nodes < 1:
        raise UsageError(f"{nodes} nodes are none.", "Give at least one.")
    width = 2 * REACH / PANELS
    total = 0.0
    for number in range(PANELS + 1):
        x = -REACH + number * width
        weight = 1 if number in {0, PANELS} else 4 if number % 2 else 2
        total += weight * x * _largest(x, nodes)
    return total * width / 3


def _largest(x: float, nodes: int) -> float:
    """Density of the largest: N phi(x) Phi(x)^(N-1)."""
    below = 0.5 * math.erfc(-x / math.sqrt(2))
    return nodes * math.exp(-x * x / 2) / math.sqrt(2 * math.pi) * below ** (nodes - 1)


def tax(spread: float, nodes: int) -> float:
    """The expected share by which a step of ``nodes`` is longer than a mean node's.

    spread: the standard deviation of the nodes' step times, as a share of their mean.
    """
    if not 0.0 <= spread < 1.0:
        raise UsageError(f"A spread of {spread:g} is none.", "Give the standard deviation over the mean, as 0.03.")
    return spread * expected_maximum(nodes)


def slow_node(slower: float, spread: float = 0.0, nodes: int = 1) -> float:
    """The share by which a step is longer when one node of ``nodes`` computes at 1 - ``slower`` of the others' rate.

    The larger of its own loss and the tax of the others' spread: a step waits for one node, not for two.
    """
    if not 0.0 <= slower < 1.0:
        raise UsageError(f"A node cannot be slower by {slower:g}.", "Give the share of its rate that is lost, as 0.1.")
    return max(1.0 / (1.0 - slower) - 1.0, tax(spread, nodes))
