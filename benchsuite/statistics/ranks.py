"""Which rank makes the others wait: by counting rounds, with a closed form for the rate of false alarms.

No spread is estimated: with few ranks there is nothing to estimate it from, and a robust z above 3.5 accuses a
healthy one in 9 % of healthy groups of four.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

ALPHA = 0.01
"""How often a group of healthy ranks may have one of them accused, at most, each time it is asked."""


@dataclass(frozen=True, slots=True)
class Straggler:
    """A rank that was slower than the others in ``slower`` of ``rounds`` rounds.

    own: its median time; others: the median of theirs. Seconds.
    """

    rank: int
    slower: int
    rounds: int
    own: float
    others: float


def slots(ranks: int) -> int:
    """How many ranks may be slow at once and all be found: a quarter of them, one at least."""
    return max(1, ranks // 4)


def needed(ranks: int, rounds: int, alpha: float = ALPHA) -> int | None:
    """In how many of ``rounds`` rounds a rank must be slow to be accused; ``None`` when even all are too few.

    Where the ranks do not differ, each is among the slowest k of n in a round with probability k / n, whatever
    the distribution, so n P(Bin(rounds, k / n) >= w) bounds the rate of a false alarm of the whole group
    (Bonferroni); w is the smallest that keeps it at ``alpha``, and never less than half of the rounds.
    """
    from scipy.special import betainc

    if ranks < 2 or rounds < 1:
        return None
    chance = slots(ranks) / ranks
    found = range(rounds // 2 + 1, rounds + 1)
    return next((w for w in found if ranks * float(betainc(w, rounds - w + 1, chance)) <= alpha), None)


def rounds_needed(ranks: int, alpha: float = ALPHA) -> int:
    """The fewest rounds after which a rank that was slow in all of them can be accused."""
    rounds = 1
    while needed(ranks, rounds, alpha) is None:
        rounds += 1
    return rounds


def stragglers(rounds: Sequence[Sequence[float]], margin: float, alpha: float = ALPHA) -> tuple[Straggler, ...]:
    """The ranks that are slower than the others by more than ``margin`` seconds, the slowest first.

    rounds: in each, the seconds of every rank. In a round a rank is slow if it took ``margin`` longer than the
    k-th slowest of the others. The margin is compulsory: ranks are never quite alike, and without one every
    lasting difference, however small, is found in the end. Where more than k ranks are equally slow,
    nobody knows what is normal, and none is returned.
    """
    ranks = len(rounds[0]) if rounds else 0
    threshold = needed(ranks, len(rounds), alpha)
    if threshold is None:
        return ()
    k = slots(ranks)
    found = []
    for rank in range(ranks):
        rest = [[*row[:rank], *row[rank + 1 :]] for row in rounds]
        slower = sum(row[rank] - margin > sorted(others)[-k] for row, others in zip(rounds, rest, strict=True))
        if slower >= threshold:
            own = median(row[rank] for row in rounds)
            found.append(Straggler(rank, slower, len(rounds), own, median(one for row in rest for one in row)))
    return tuple(sorted(found, key=lambda one: -one.own))
