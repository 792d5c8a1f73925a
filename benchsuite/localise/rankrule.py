"""The w-of-R rank rule: a seat is slow when it was among the k slowest of its round in at least w of R rounds.

A seat *exceeds* in a round if its value less the margin d0 is at least the k-th largest of the *other* pairs' values.
Were all pairs of a round alike (the null), P(exceeds) <= k/P with P values in the round, its own among them; so

    P(W >= w) <= P(Bin(R, k/P) >= w) = I_{k/P}(w, R - w + 1)                                                    (3)
    n I_{k/P}(w, R - w + 1) <= alpha                                                                            (4)

bounds the chance to call any of n seats slow, whatever the distribution of the noise, as long as rounds are
independent. Nothing is estimated. The pair itself is left out of the pool: else the slowest pair is compared with
itself, and no margin can be passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, floor, log

import numpy as np
from numpy.typing import NDArray

from benchsuite.localise.table import Floats, Ints

SHARES = tuple(number / 20 for number in range(10, 19))
"""The parts of R that w may be: from half of the rounds to nine tenths."""
POWER = 0.95
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Rule:
    """In how many of R rounds (w) among how many of a round's P values (k) one of n seats must be to be slow.

    k = 0 when no rule keeps alpha with so few rounds or values.
    """

    n: int
    rounds: int
    alpha: float
    values: int
    w: int
    k: int

    @property
    def possible(self) -> bool:
        """Whether anything can be called slow at all."""
        return self.k >= 1

    @property
    def part(self) -> float:
        """k/P."""
        return self.k / self.values if self.values else 0.0

    def needed(self, rounds: Ints) -> Ints:
        """w for seats that were measured in so many rounds; more than the rounds where nothing can be said."""
        found = np.zeros(rounds.shape, dtype=np.int64)
        for one in np.unique(rounds):
            found[rounds == one] = self.w if one == self.rounds else _fewest(int(one), self.part, self.alpha / self.n)
        return found


def largest(rounds: int, w: int, alpha: float, n: int, values: int) -> int:
    """The largest k for which (4) holds; 0 when there is none."""
    from scipy.special import betaincinv

    part = float(betaincinv(w, rounds - w + 1, min(alpha / n, 1.0))) if 0 < w <= rounds else 0.0
    return max(min(floor(part * values + TINY), values - 1), 0)


def tail(rounds: int, w: int, chance: float) -> float:
    """P(Bin(rounds, chance) >= w): equation (3)."""
    from scipy.special import betainc

    return 1.0 if w <= 0 else 0.0 if w > rounds else float(betainc(w, rounds - w + 1, chance))


def minimum_rounds(n: int, alpha: float, values: int, k: int = 1) -> int | None:
    """The fewest rounds in which even the seat that is slowest in each can be called slow; ``None``: never."""
    return ceil(log(n / alpha) / log(values / k) - TINY) if values > k else None


def rule(n: int, rounds: int, alpha: float, values: int, share: float) -> Rule:
    """The rule with w = share of the rounds; with more of them where no k would do."""
    first = max(1, ceil(share * rounds - TINY))
    for w in range(min(first, rounds), rounds + 1):
        if k := largest(rounds, w, alpha, n, values):
            return Rule(n, rounds, alpha, values, w, k)
    return Rule(n, rounds, alpha, values, rounds + 1, 0)


def chosen(n: int, rounds: int, alpha: float, values: int, pool: Floats, margin: float, target: float) -> Rule:
    """The rule that finds a seat slower by ``target`` most often, when noise is as in ``pool``.

    The pool holds the values of all pairs without their names, so that choosing by it cannot favour any seat, and
    the bound (4) holds for what is chosen. Of equals the one with most rounds.
    """
    rules = {one.w: one for share in SHARES if (one := rule(n, rounds, alpha, values, share)).possible}
    found = {w: power(one, pool, margin, target) for w, one in rules.items()}
    if not found:
        return rule(n, rounds, alpha, values, 1.0)
    most = max(found.values())
    return rules[max(w for w, one in found.items() if one >= most - 0.002)]


def power(one: Rule, pool: Floats, margin: float, delta: float) -> float:
    """How often a seat slower by ``delta`` is found: its chance in a round from the pool (sorted), then (3)."""
    if not one.possible or not pool.size:
        return 0.0
    threshold = pool[min(ceil((1 - one.k / one.values) * pool.size), pool.size - 1)]
    above = pool.size - np.searchsorted(pool, threshold + margin - delta)
    return tail(one.rounds, one.w, float(above / pool.size))


def smallest(one: Rule, pool: Floats, margin: float) -> float | None:
    """The smallest slowdown that is found with 95 %, log; ``None`` when not even a hundredfold one is."""
    low, high = 0.0, log(100.0)
    if power(one, pool, margin, high) < POWER:
        return None
    while high - low > 5e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if power(one, pool, margin, middle) >= POWER else (middle, high)
    return high


def excess(values: Floats, fraction: float) -> Floats:
    """How far each value lies above the k-th largest of its round's others, k/P = fraction.

    values: (R, G, m): m values of one group (the rails or directions of one pair of nodes), which are never compared
    with each other. NaN where there is none; -inf where no other value is left to compare with.
    """
    rounds, groups, m = values.shape
    flat = values.reshape(rounds, groups * m)
    known = np.isfinite(flat)
    order = np.argsort(np.where(known, -flat, np.inf), axis=1, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=1)
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(groups * m)[None], axis=1)
    own = np.sort(np.where(known, places, groups * m).reshape(rounds, groups, m), axis=2)
    pool = known.sum(axis=1)[:, None] - known.reshape(rounds, groups, m).sum(axis=2)
    k = np.minimum(np.floor(fraction * (pool + 1) + TINY).astype(np.int64), pool)
    index = k - 1
    for one in range(m):
        index = index + (own[:, :, one] <= index)
    found = np.take_along_axis(ordered, np.clip(index, 0, groups * m - 1), axis=1)
    return np.asarray(values - np.where(k >= 1, found, np.inf)[:, :, None])


def against(values: Floats, pool: Floats, fraction: float) -> Floats:
    """How far values (R, s) lie above the k-th largest of their round's pool (R, p), which holds none of them."""
    count = np.isfinite(pool).sum(axis=1)
    k = np.minimum(np.floor(fraction * (count + 1) + TINY).astype(np.int64), count)
    ordered = -np.sort(np.where(np.isfinite(pool), -pool, np.inf), axis=1)
    if not pool.shape[1]:
        return np.where(np.isnan(values), np.nan, -np.inf)
    found = np.take_along_axis(ordered, np.clip(k - 1, 0, pool.shape[1] - 1)[:, None], axis=1)
    return np.asarray(values - np.where(k[:, None] >= 1, found, np.inf))


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rule says of each seat: exceeded W of its rounds, whether slow, and the lower limit of its slowdown."""

    exceeded: Ints
    rounds: Ints
    slow: NDArray[np.bool_]
    lower: Floats


def judge(above: Floats, one: Rule, margin: float) -> Judged:
    """Apply the rule to excesses (R, N). lower: the largest margin with which a seat would still be slow."""
    measured = ~np.isnan(above)
    rounds = measured.sum(axis=0)
    exceeded = (np.where(measured, above, -np.inf) >= margin).sum(axis=0)
    w = one.needed(rounds)
    slow = (exceeded >= w) & one.possible & (rounds > 0)
    ordered = -np.sort(np.where(measured, -above, np.inf), axis=0)
    within = np.clip(w - 1, 0, max(above.shape[0] - 1, 0))[None]
    lower = np.take_along_axis(ordered, within, axis=0)[0] if above.shape[0] else np.full(rounds.shape, -np.inf)
    return Judged(exceeded, rounds, slow, np.where(w <= rounds, lower, -np.inf))


def _fewest(rounds: int, chance: float, alpha: float) -> int:
    """The smallest w with P(Bin(rounds, chance) >= w) <= alpha; rounds + 1 when there is none."""
    return next((w for w in range(1, rounds + 1) if tail(rounds, w, chance) <= alpha), rounds + 1)


def percent(slowdown: float) -> int:
    """What a log slowdown leaves of its peers' speed, in percent."""
    return round(100 * exp(-slowdown))
