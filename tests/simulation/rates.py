"""How often scans of simulated fleets accuse wrongly, and find what is there: counts over counts, with their bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from benchsuite.localise import cost
from benchsuite.localise.settings import Settings
from benchsuite.model import Culprit, Decision, Diagnosis
from tests.simulation.fleets import HEALTHY, SLOWER_5, SLOWER_10, Fault, Fleet, Noise, diagnosed, robust_z

ROUNDS = (24, 32, 40, 48, 64, 80, 128, 192, 256)
"""Of these, the fewest with which 95 % of the scans find what they should."""
WORSE = 3.5


@dataclass(frozen=True)
class Count:
    """So many of so many, and 95 % bounds of the true rate (Clopper & Pearson 1934, one-sided)."""

    hits: int
    of: int

    @property
    def at_most(self) -> float:
        return float(beta.ppf(0.95, self.hits + 1, self.of - self.hits)) if self.hits < self.of else 1.0

    @property
    def at_least(self) -> float:
        return float(beta.ppf(0.05, self.hits, self.of - self.hits + 1)) if self.hits else 0.0

    def __str__(self) -> str:
        return f"{self.hits}/{self.of}"

    def above(self) -> str:
        """With the upper bound."""
        return f"{self} (< {100 * self.at_most:.2g} %)"

    def below(self) -> str:
        """With the lower bound."""
        return f"{self} (> {100 * self.at_least:.3g} %)"


@dataclass(frozen=True)
class Tally:
    """What scans of one kind of fleet said. suspected: anything after the first look; wrong: somebody healthy accused;
    named: all who are slow accused, with the right direction; leaf: the slow leaf accused."""

    suspected: Count
    wrong: Count
    named: Count
    leaf: Count


def tally(
    n: int,
    noise: Noise,
    rounds: int,
    scans: int,
    fault: Fault = HEALTHY,
    settings: Settings | None = None,
    seed: int = 1,
) -> Tally:
    """Scan so many fleets, each with its own healthy differences."""
    rng = np.random.default_rng((seed, n, rounds))
    counts = np.zeros(4, dtype=int)
    for _ in range(scans):
        one = Fleet(n, noise, rng, fault=fault)
        found = diagnosed(one, rounds, settings or Settings(), confirm=max(12, rounds // 2))
        counts += says(found, fault, len(one.units))
    return Tally(*(Count(int(hits), scans) for hits in counts))


def says(found: Diagnosis, fault: Fault, n: int) -> tuple[bool, bool, bool, bool]:
    """Suspected anybody, accused somebody healthy, named all who are slow, named the slow leaf."""
    accused = [one for one in found.findings if one.decision is Decision.ACCUSED]
    leaves = [one for one in accused if one.culprit in {Culprit.LEAF, Culprit.UPLINK}]
    hosts = {one.ranks[0]: one.culprit for one in accused if one not in leaves}
    slow = {one: _label(fault, one) for one in {*fault.sends, *fault.receives}}
    size = 16 if n >= 16 else 4
    right = {one.ranks[0] // size for one in leaves} & set(fault.leaves)
    wrong = bool(set(hosts) - set(slow)) or len(right) < len(leaves)
    named = bool(slow) and all(hosts.get(one) is label for one, label in slow.items())
    return bool(found.findings), wrong, named, bool(right)


def _label(fault: Fault, node: int) -> Culprit:
    if node in fault.sends and node in fault.receives:
        return Culprit.NODE
    return Culprit.SENDS if node in fault.sends else Culprit.RECEIVES


def worse(n: int, noise: Noise, rounds: int, scans: int) -> Count:
    """What not to do: how often a robust z above 3.5 accuses a node of a healthy fleet."""
    rng = np.random.default_rng((2, n, rounds))
    found = sum(bool((robust_z(Fleet(n, noise, rng).screen(rounds)) > WORSE).any()) for _ in range(scans))
    return Count(found, scans)


@dataclass(frozen=True)
class Row:
    """One row of the table: n nodes with one noise model. needed: rounds for -5 %, and what they found."""

    nodes: int
    noise: str
    rounds: int
    suspected: Count
    accused: Count
    z: Count
    slower_10: Count
    needed: int | None
    slower_5: Count
    hosts: Count
    leaf: Count
    seconds: float


def row(n: int, name: str, noise: Noise, scans: int, few: int, rounds: int = 24) -> Row:
    """Measure one row: ``scans`` healthy fleets, ``few`` of every other kind."""
    healthy = tally(n, noise, rounds, scans)
    ten = tally(n, noise, rounds, few, Fault.node(n // 3, by=SLOWER_10), seed=3)
    needed, five = None, Count(0, few)
    for count in ROUNDS:
        five = tally(n, noise, count, few, Fault.node(n // 3, by=SLOWER_5), seed=4).named
        if five.hits >= 0.95 * five.of:
            needed = count
            break
    leaf = tally(n, noise, rounds, few, Fault(leaves={1: SLOWER_10}), seed=5)
    seconds = cost.seconds(n, rounds, 64 << 20, 50e9)
    z = worse(n, noise, rounds, few)
    return Row(
        n, name, rounds, healthy.suspected, healthy.wrong, z, ten.named, needed, five, leaf.wrong, leaf.leaf, seconds
    )


HEADER = (
    ("nodes", "noise", "healthy: suspected", "healthy: accused", "z > 3.5 accuses"),
    ("-10 % named", "-5 %: rounds", "named then", "slow leaf: hosts accused", "leaf named", "T"),
)


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    head = [word for part in HEADER for word in part]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cells(one))} |" for one in rows]
    return "\n".join(lines)


def cells(one: Row) -> list[str]:
    """One row in words."""
    return [
        str(one.nodes),
        one.noise,
        one.suspected.above(),
        one.accused.above(),
        str(one.z),
        one.slower_10.below(),
        str(one.needed or f"more than {ROUNDS[-1]}"),
        one.slower_5.below(),
        one.hosts.above(),
        str(one.leaf),
        f"{one.seconds:.1f} s",
    ]
