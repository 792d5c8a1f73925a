"""Scans made up of numbers whose truth is known: from designed rounds to the verdict, as a controller goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp

import numpy as np

from benchsuite.localise import design, verdict
from benchsuite.localise.settings import Settings
from benchsuite.model import Diagnosis, Local, Pause, Round, Scan, Stage, Transfer, Unit

NBYTES = 64 << 20
LEVEL = -5.0
"""Log seconds of a healthy transfer."""


def units(nodes: int, per_node: int = 1, leaf: int = 0, device: bool = False) -> tuple[Unit, ...]:
    """Nodes of so many units; with ``leaf``, so many nodes on each leaf switch."""
    return tuple(
        Unit(
            node * per_node + local,
            f"node{node}",
            local,
            f"GPU {local}" if device or per_node > 1 else "",
            f"leaf{node // leaf}" if leaf else "",
        )
        for node in range(nodes)
        for local in range(per_node)
    )


@dataclass(frozen=True)
class World:
    """What is slow (log), by rank: in sending, receiving, computing; directed links. sd: of every time, normal.

    wrong, dead: whether a transfer delivers wrong bytes, or has no time. stages: where faults exist.
    """

    sends: Mapping[int, float] = field(default_factory=dict)
    receives: Mapping[int, float] = field(default_factory=dict)
    computes: Mapping[int, float] = field(default_factory=dict)
    links: Mapping[tuple[int, int], float] = field(default_factory=dict)
    wrong: Callable[[Round, int, int], int] = lambda one, sender, receiver: 0
    dead: Callable[[Round, int, int], bool] = lambda one, sender, receiver: False
    kernels: tuple[str, ...] = ()
    sd: float = 0.01
    level: float = LEVEL
    stages: frozenset[Stage] = frozenset(Stage)


def slow(*ranks: int, by: float) -> World:
    """Ranks that are slow both ways."""
    return World(dict.fromkeys(ranks, by), dict.fromkeys(ranks, by))


def measured(scan: Scan, rounds: Sequence[Round], world: World, rng: np.random.Generator) -> Scan:
    """The scan with these rounds measured in addition."""
    transfers, computed = [], []
    for one in rounds:
        on = one.stage in world.stages
        for pair in one.pairs:
            for sender, receiver in (pair, pair[::-1]):
                ends = world.sends.get(sender, 0.0), world.receives.get(receiver, 0.0)
                by = max(*ends, world.links.get((sender, receiver), 0.0))
                seconds = exp(world.level + on * by + world.sd * rng.standard_normal())
                gone = world.dead(one, sender, receiver)
                bad = world.wrong(one, sender, receiver)
                reason = "deadline" if gone else ""
                transfers.append(
                    Transfer(one.stage, one.number, sender, receiver, None if gone else seconds, bad, reason)
                )
        for kernel in world.kernels:
            for unit in scan.units:
                by = on * world.computes.get(unit.rank, 0.0)
                computed.append(
                    Local(one.stage, one.number, unit.rank, kernel, exp(-3 + by + world.sd * rng.standard_normal()))
                )
    return replace(
        scan,
        rounds=(*scan.rounds, *rounds),
        transfers=(*scan.transfers, *transfers),
        locals=(*scan.locals, *computed),
    )


def scanned(
    who: tuple[Unit, ...],
    world: World,
    rounds: int = 24,
    settings: Settings | None = None,
    seed: int = 1,
    confirm: int = 12,
    links: int = 0,
    full: bool = False,
    pauses: tuple[Pause, ...] = (),
) -> tuple[Scan, Diagnosis]:
    """A whole scan and its verdict: screen, second look at whoever is suspected, the worst pairs again."""
    chosen = settings or Settings()
    rng = np.random.default_rng(seed)
    scan = measured(Scan(who, seed, NBYTES, pauses=pauses), design.screen(who, rounds, seed, full), world, rng)
    second = scan
    if found := verdict.suspects(scan, chosen):
        second = measured(scan, design.confirmation(scan, found, confirm, seed + 1), world, rng)
    if links:
        second = measured(second, design.links(scan, links, confirm, seed + 2), world, rng)
    return second, verdict.diagnose(second, chosen)
