"""Fleets with four planted kinds of defect, accepted as a driver accepts them: stage by stage, and scanned.

64 nodes of 8 GPUs, 3 requirements. GPUs differ by an sd of .4 %, runs by .5 % (normal); 1 % of the runs are disturbed
from outside (5 % slower, and the sensors say so). Planted, each on another node: slow memory (-6 %), a lowered power
limit (-10 % of the matrix multiplication), a node's link that drops 3 transfers in 10 and is 15 % slower, and silent
corruption (12 wrong elements in the burn-in on average, a wrong result in one run of 20).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np

from benchsuite.accept import fleetrule, rule
from benchsuite.model import (
    Contract,
    Decision,
    Diagnosis,
    Evidence,
    FleetVerdict,
    Requirement,
    RunValue,
    State,
    Status,
    Word,
)
from tests import localise_scans
from tests.acceptance_data import GEMM, MEMORY, contract, evidence, run, warm
from tests.simulation.rates import Count

NODES, GPUS = 64, 8
BETWEEN, RUNS, DISTURBED, DISTURBANCE = 0.004, 0.005, 0.01, 0.05
SLOW_MEMORY, CAPPED, SLOW_LINK, DROPS = -log(0.94), -log(0.9), -log(0.85), 0.3
WRONG, REJECTED = 12.0, 0.05
CAP = ("POWER_CAP", "POWER_LIMIT_LOWERED")
LIMIT = "The power limit is 500 W, and its default is 700 W: restore it."


@dataclass(frozen=True)
class Planted:
    """Where the four defects are: node and GPU of three, the node of a link."""

    memory: tuple[int, int]
    cap: tuple[int, int]
    link: int
    corrupts: tuple[int, int]


def planted(rng: np.random.Generator) -> Planted:
    """Four defects on four nodes."""
    nodes = rng.choice(NODES, 4, replace=False).tolist()
    gpus = rng.integers(GPUS, size=4).tolist()
    return Planted((nodes[0], gpus[0]), (nodes[1], gpus[1]), nodes[2], (nodes[3], gpus[3]))


def agreed() -> Contract:
    """What was agreed about the fleet."""
    return contract(devices=GPUS, nodes=NODES, minutes=30)


def made(one: Contract, rng: np.random.Generator, where: Planted, node: int, gpu: int) -> Evidence:
    """All evidence of one GPU: runs until the rule wants no more of them."""
    seat = node, gpu
    own = BETWEEN * rng.standard_normal(len(one.requirements))
    centre = dict(zip((part.name for part in one.requirements), own.tolist(), strict=True))
    centre[MEMORY.name] -= SLOW_MEMORY if seat == where.memory else 0.0
    centre[GEMM.name] -= CAPPED if seat == where.cap else 0.0
    runs: dict[str, list[RunValue | float]] = {part.name: [] for part in one.requirements}
    wanted: Mapping[str, int] = {part.name: one.rule.looks[0] for part in one.requirements}
    while wanted:
        for part in one.requirements:
            runs[part.name] += [
                _run(part, centre[part.name], rng, where, seat) for _ in range(wanted.get(part.name, 0))
            ]
        found = _evidence(one, rng, where, seat, runs)
        wanted = rule.wanted(one, found)
    return found


def _run(one: Requirement, centre: float, rng: np.random.Generator, where: Planted, seat: tuple[int, int]) -> RunValue:
    if seat == where.corrupts and one is GEMM and rng.random() < REJECTED:
        return RunValue(None, Status.REJECTED, (), "element 4711 is wrong")
    y = centre + RUNS * rng.standard_normal()
    if rng.random() < DISTURBED:
        return run(one, y - DISTURBANCE, "CONTENDED")
    return run(one, y, *(CAP if seat == where.cap and one is GEMM else ()))


def _evidence(
    one: Contract,
    rng: np.random.Generator,
    where: Planted,
    seat: tuple[int, int],
    runs: Mapping[str, list[RunValue | float]],
) -> Evidence:
    node, gpu = seat
    capped = seat == where.cap
    return evidence(
        one,
        f"node{node}",
        gpu,
        ys=runs,
        states={"power-limit": State.FAILED} if capped else {},
        sentences={"power-limit": LIMIT} if capped else {},
        burned=warm(30, wrong=int(rng.poisson(WRONG)) if seat == where.corrupts else 0),
    )


def scanned(rng: np.random.Generator, where: Planted) -> Diagnosis:
    """What a scan of the nodes says of the link."""
    slow = {where.link: SLOW_LINK}
    world = localise_scans.World(
        slow, slow, dead=lambda _, sender, receiver: where.link in {sender, receiver} and rng.random() < DROPS
    )
    return localise_scans.scanned(localise_scans.units(NODES, leaf=16), world, seed=int(rng.integers(1 << 31)))[1]


@cache
def accepted(seed: int) -> tuple[Planted, FleetVerdict]:
    """One fleet and what is said of it."""
    rng = np.random.default_rng((64, seed))
    one, where = agreed(), planted(rng)
    evidences = [made(one, rng, where, node, gpu) for node in range(NODES) for gpu in range(GPUS)]
    return where, fleetrule.judge_all(one, evidences, scanned(rng, where))


@dataclass(frozen=True)
class Found:
    """Which of the four were found and named; healthy: GPUs that were rejected, and links that were accused, without
    being ill; others: healthy GPUs that were not accepted, for whatever reason."""

    memory: bool
    cap: bool
    link: bool
    corrupts: bool
    healthy: int
    others: int

    @property
    def right(self) -> bool:
        """Whether all four were named, and nobody healthy was rejected."""
        return self.memory and self.cap and self.link and self.corrupts and not self.healthy


def named(where: Planted, said: FleetVerdict) -> Found:
    """Compare what was said with what was planted."""
    parts = {(int(one.subject.node.removeprefix("node")), one.subject.device): one for one in said.parts}
    ill = {where.memory, where.cap, where.corrupts}
    told = {seat: one.reason if one.word is Word.REJECT else "" for seat, one in parts.items()}
    accused = [one for one in said.findings if one.decision is Decision.ACCUSED]
    return Found(
        memory=MEMORY.name in told[where.memory],
        cap=GEMM.name in told[where.cap] and "POWER_LIMIT_LOWERED" in told[where.cap],
        link=bool(accused) and any(f"node{where.link}:" in one.sentence for one in accused),
        corrupts="wrong" in told[where.corrupts],
        healthy=sum(bool(text) for seat, text in told.items() if seat not in ill)
        + sum(one.ranks != (where.link,) for one in accused),
        others=sum(one.word is not Word.ACCEPT for seat, one in parts.items() if seat not in ill),
    )


def counted(seeds: range) -> dict[str, Count]:
    """Of so many fleets, in how many each was named, and in how many nobody healthy was rejected, or not accepted."""
    found = [named(*accepted(seed)) for seed in seeds]
    of = len(found)
    return {
        "slow memory named": Count(sum(one.memory for one in found), of),
        "power cap named": Count(sum(one.cap for one in found), of),
        "flaky link named": Count(sum(one.link for one in found), of),
        "silent corruption named": Count(sum(one.corrupts for one in found), of),
        "nobody healthy rejected": Count(sum(not one.healthy for one in found), of),
        "everybody healthy accepted": Count(sum(not one.others for one in found), of),
        "all of it right": Count(sum(one.right for one in found), of),
    }
