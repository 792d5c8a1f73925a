"""Fleets whose faults are known, and what a scan of them would have measured, as arrays.

Log time of a transfer from i to j in round r (max: the slowest stage governs):

    y = c_class(i,j) + max(tx_i, rx_j, up_leaf(i), down_leaf(j)) + l_ij + g_r + e

with the parameters of noise models A (clean), B (typical) and C (bad). They are plausible, not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from math import sqrt

import numpy as np

from benchsuite.localise import design, families, verdict
from benchsuite.localise.seats import Seats, seats
from benchsuite.localise.settings import Settings
from benchsuite.localise.table import Floats, Ints, Table
from benchsuite.model import Diagnosis, Round, Scan, Stage, Unit

CROSS, ROUND_SD, PAIR_SD, NODE_SD = 0.03, 0.01, 0.005, 0.005
SLOWER_5, SLOWER_10, SLOWER_30 = 0.0513, 0.1054, 0.3567


@dataclass(frozen=True)
class Noise:
    """sd: log sd of one direction's median, normal or t with 3 degrees of freedom; the rest: how often."""

    sd: float
    heavy: bool
    collisions: float
    transients: float
    congestion: float


A = Noise(0.01, False, 0.0, 0.002, 0.0)
B = Noise(0.02, True, 0.2, 0.01, 0.005)
C = Noise(0.03, True, 0.2, 0.03, 0.01)
NOISES = {"A": A, "B": B, "C": C}


@dataclass(frozen=True)
class Fault:
    """What is slow (log): nodes in what they send or receive, leaves in what leaves and enters them."""

    sends: Mapping[int, float] = field(default_factory=dict)
    receives: Mapping[int, float] = field(default_factory=dict)
    leaves: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def node(cls, *nodes: int, by: float) -> Fault:
        """Nodes that are slow both ways."""
        return cls(dict.fromkeys(nodes, by), dict.fromkeys(nodes, by))


HEALTHY = Fault()


@cache
def fleet(n: int, leaf: int = 0) -> tuple[tuple[Unit, ...], Seats]:
    """n nodes of one unit, on leaves of 16 (of 4 for fewer than 16 nodes), and their seats."""
    size = leaf or (16 if n >= 16 else 4)
    units = tuple(Unit(rank, f"node{rank}", leaf=f"leaf{rank // size:03d}") for rank in range(n))
    return units, seats(units)


@dataclass
class Fleet:
    """One fleet with its own healthy differences, in which rounds can be measured again and again."""

    n: int
    noise: Noise
    rng: np.random.Generator
    node_sd: float = NODE_SD
    fault: Fault = HEALTHY

    def __post_init__(self) -> None:
        self.units, self.seats = fleet(self.n)
        self.own = self.node_sd * self.rng.standard_normal(self.n)
        few = self.n <= 64
        self.pairs = PAIR_SD * self.rng.standard_normal((self.n, self.n)) if few else None

    @property
    def scan(self) -> Scan:
        """The units, without any transfers: those are in tables."""
        return Scan(self.units, 1, 64 << 20)

    def screen(self, rounds: int) -> Table:
        """What random rounds of the circle measure."""
        return self.measure(design.tournament(self.n, rounds, self.rng))

    def measured(self, rounds: tuple[Round, ...]) -> Table:
        """What these rounds measure."""
        width = max((len(one.pairs) for one in rounds), default=0)
        ends = np.full((len(rounds), width, 2), -1, dtype=np.int64)
        for row, one in enumerate(rounds):
            ends[row, : len(one.pairs)] = one.pairs
        return self.measure(ends)

    def measure(self, ends: Ints) -> Table:
        """The log times of pairs (R, G, 2), -1 where there is none."""
        ends = np.sort(ends, axis=-1)
        empty = Table(self.seats, ends, np.full((*ends.shape[:2], 1, 2), np.nan))
        if not ends.size:
            return empty
        cross = empty.cross()
        logs = np.stack([self._way(ends[..., 0], ends[..., 1]), self._way(ends[..., 1], ends[..., 0])], axis=-1)
        logs += (CROSS * cross + ROUND_SD * self.rng.standard_normal((ends.shape[0], 1)))[..., None]
        logs += self._noise(logs.shape, cross)
        if self.noise.congestion:
            busy = self.rng.random((ends.shape[0], len(self.seats.leaf_names))) < self.noise.congestion
            rows = np.arange(ends.shape[0])[:, None]
            hit = busy[rows, self.seats.leaves[ends[..., 0]]] | busy[rows, self.seats.leaves[ends[..., 1]]]
            logs += (0.10 * (hit & cross))[..., None]
        return empty.with_logs(np.where(empty.paired[..., None], logs, np.nan)[:, :, None])

    def _way(self, senders: Ints, receivers: Ints) -> Floats:
        """What the stages of a transfer take, without noise: the slowest governs."""
        tx, rx = self.own.copy(), self.own.copy()
        for seat, by in self.fault.sends.items():
            tx[seat] += by
        for seat, by in self.fault.receives.items():
            rx[seat] += by
        taken = np.maximum(tx[senders], rx[receivers])
        if self.fault.leaves:
            by = np.zeros(len(self.seats.leaf_names))
            by[list(self.fault.leaves)] = list(self.fault.leaves.values())
            leaves = self.seats.leaves
            crossing = leaves[senders] != leaves[receivers]
            taken = np.maximum(taken, np.where(crossing, np.maximum(by[leaves[senders]], by[leaves[receivers]]), -1.0))
        if self.pairs is not None:
            return taken + self.pairs[senders, receivers]
        return taken + PAIR_SD * self.rng.standard_normal(senders.shape)

    def _noise(self, shape: tuple[int, ...], cross: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
        rng, noise = self.rng, self.noise
        found = noise.sd * (rng.standard_t(3, shape) / sqrt(3) if noise.heavy else rng.standard_normal(shape))
        if noise.collisions:
            found += 0.105 * ((rng.random(shape) < noise.collisions) & cross[..., None])
        late = np.nonzero(rng.random(shape) < noise.transients)
        found[late] += rng.exponential(0.15, late[0].size)
        return found


def diagnosed(one: Fleet, rounds: int, settings: Settings, confirm: int = 12, later: Fault | None = None) -> Diagnosis:
    """A whole scan: the screen, and the second look when somebody is suspected. later: the fault as it is by then."""
    tables = {Stage.SCREEN: one.screen(rounds), Stage.CONFIRM: one.measured(()), Stage.LINKS: one.measured(())}
    first = verdict.judged(one.scan, tables, settings)
    if not first.findings:
        return first
    found = verdict.suspected(one.scan, tables[Stage.SCREEN], settings)
    if later is not None:
        one.fault = later
    second = design.confirmation(one.scan, found, confirm, int(one.rng.integers(1 << 31)))
    return verdict.judged(one.scan, {**tables, Stage.CONFIRM: one.measured(second)}, settings)


def robust_z(one: Table) -> Floats:
    """What not to do: the robust z of each node's median residual."""
    from benchsuite.localise import residuals

    values = residuals.medians(one.at(families.rails(residuals.of(one)[0]).mean(axis=-1)), 0)[0]
    centred = values - np.median(values)
    return np.asarray(centred / max(residuals.scale(values), 1e-12))
