"""Which ranks meet in which round: the circle method, the second look with good partners, and suspicious pairs again.

A tournament of n seats (n even; an odd one rests) in the circle method: with m = n - 1, in round r seat m meets r and
seat k meets (2r - k) mod m. Seats are relabelled and rounds shuffled by a seed, so that the partners of a seat are
spread over all leaf switches: consecutive blocks would pair whole leaves, and a slow one would drag its partner.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchsuite.localise import paths
from benchsuite.localise.seats import Seats, seats
from benchsuite.model import Culprit, Finding, Round, Scan, Stage, Unit

Ends = NDArray[np.int64]

TRIES = 20
"""How often controls are drawn until none of the suspicious pairs is among them."""
UNPAIRED = frozenset({Culprit.STALLED, Culprit.FLEET, Culprit.PATH})
"""What no other partner can confirm: a fact with its time, what all share, and what one pair has."""


def circle(n: int, numbers: Iterable[int] | None = None) -> Ends:
    """Rounds (all, or these) of a tournament of n seats: an array (rounds, n // 2, 2) of disjoint pairs.

    n - 1 rounds when n is even, n when it is odd; each pair meets exactly once.
    """
    even = n + n % 2
    m = even - 1
    which = np.arange(m) if numbers is None else np.asarray(list(numbers))
    step = np.arange(1, even // 2)
    first = np.concatenate([np.full((which.size, 1), m), (which[:, None] + step) % m], axis=1)
    second = np.concatenate([which[:, None], (which[:, None] - step) % m], axis=1)
    pairs = np.stack([first, second], axis=-1)
    return pairs[:, 1:] if n % 2 else pairs  # the seat that meets the added one rests


def tournament(n: int, rounds: int, rng: np.random.Generator) -> Ends:
    """``rounds`` rounds of n seats, (rounds, n // 2, 2): new partners each time, as long as there are any."""
    if n < 2 or rounds < 1:
        return np.empty((0, n // 2, 2), dtype=np.int64)
    cycle = n - 1 + n % 2
    parts = []
    for begin in range(0, rounds, cycle):
        numbers = rng.permutation(cycle)[: rounds - begin]
        parts.append(rng.permutation(n)[circle(n, numbers)])
    pairs = np.concatenate(parts)
    return rng.permuted(pairs, axis=2)  # either end sends first


def screen(units: Sequence[Unit], rounds: int, seed: int, full: bool = False) -> tuple[Round, ...]:
    """Rounds of disjoint pairs in which every node meets others; with ``full``, at least once every other.

    When nodes have several units, unit l of a node meets unit l of the other (a rail), all at once; on a single node
    its units meet each other. Fewer than two seats have nobody to meet: no rounds.
    """
    table = seats(units)
    n = len(table)
    cycle = n - 1 + n % 2
    count = -(-max(rounds, 1) // cycle) * cycle if full and n > 1 else rounds
    return _rounds(Stage.SCREEN, table, tournament(n, count, np.random.default_rng(seed)))


def confirmation(scan: Scan, suspects: Sequence[Finding], rounds: int, seed: int) -> tuple[Round, ...]:
    """The second look: each suspected seat with a seat known good, another each round; the rest as controls.

    No rounds when fewer than two seats are good for each suspected one, or nothing is suspected.
    """
    table = seats(scan.units)
    bad = suspected(table, suspects)
    good = np.array([seat for seat in range(len(table)) if seat not in set(bad)], dtype=np.int64)
    if rounds < 1 or not bad or good.size < 2 * len(bad):
        return ()
    rng = np.random.default_rng(seed)
    turns = []
    for number in range(rounds):
        if number % good.size == 0:
            good = rng.permutation(good)
        turned = np.roll(good, -number % good.size)
        rest = rng.permutation(turned[len(bad) :])
        rest = rest[: rest.size // 2 * 2].reshape(-1, 2)
        turns.append(np.concatenate([np.stack([bad, turned[: len(bad)]], axis=1), rest]))
    return _rounds(Stage.CONFIRM, table, rng.permuted(np.array(turns), axis=2))


def links(scan: Scan, count: int, rounds: int, seed: int) -> tuple[Round, ...]:
    """The ``count`` slowest pairs again, ``rounds`` times each, while the other seats meet at random as controls.

    A pair counts as slow beyond what its two ends are slow with others. Pairs with a common end take turns, and at
    least half of a round is controls.
    """
    table = seats(scan.units)
    worst = paths.worst(scan, count)
    rng = np.random.default_rng(seed)
    turns = []
    for matching in _matchings(worst, max(1, len(table) // 4)):
        taken = {seat for pair in matching for seat in pair}
        free = np.array([seat for seat in range(len(table)) if seat not in taken], dtype=np.int64)
        for number in range(rounds):
            rest = _controls(free, worst, rng)
            own = np.array(matching, dtype=np.int64)[:, :: 1 if number % 2 else -1]  # either direction first
            turns.append(np.concatenate([own, rest]))
    order = rng.permutation(len(turns))
    return _rounds(Stage.LINKS, table, [turns[at] for at in order])


def _controls(free: Ends, worst: Container[tuple[int, int]], rng: np.random.Generator) -> Ends:
    """Random pairs of these seats, none of the suspicious ones among them."""
    best = np.empty((0, 2), dtype=np.int64)
    for _ in range(TRIES):
        rest = rng.permutation(free)[: free.size // 2 * 2].reshape(-1, 2)
        good = rest[[tuple(sorted(pair)) not in worst for pair in rest.tolist()]]
        best = max(best, good, key=len)
        if len(good) == len(rest):
            break
    return best


def suspected(table: Seats, suspects: Iterable[Finding]) -> list[int]:
    """The seats that these findings are about, each once."""
    named = (one for one in suspects if one.culprit not in UNPAIRED)
    return sorted({table.where[rank][0] for one in named for rank in one.ranks})


def _matchings(pairs: Iterable[tuple[int, int]], most: int) -> list[list[tuple[int, int]]]:
    """The pairs in as few lists as first fit makes, none with a seat twice or longer than ``most``."""
    lists: list[list[tuple[int, int]]] = []
    for pair in pairs:
        for one in lists:
            if len(one) < most and not {seat for other in one for seat in other} & set(pair):
                one.append(pair)
                break
        else:
            lists.append([pair])
    return lists


def _rounds(stage: Stage, table: Seats, turns: Iterable[Ends]) -> tuple[Round, ...]:
    """Pairs of seats as pairs of ranks, rail by rail."""
    found = []
    for number, turn in enumerate(turns):
        pairs = tuple(
            rails for one, other in turn.tolist() for rails in zip(table.ranks[one], table.ranks[other], strict=False)
        )
        found.append(Round(stage, number, pairs))
    return tuple(found)
