"""Synthetic scans: any number of nodes, rails and leaves, faults planted where the test wants them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchsuite.model import (
    Culprit,
    Decision,
    Diagnosis,
    Finding,
    Group,
    Local,
    Pause,
    Round,
    Scan,
    Stage,
    Transfer,
    Unit,
)


@dataclass(frozen=True, slots=True)
class Planted:
    """Log time ratios: of what each node sends and receives, of single directed pairs, of each rank's kernels.

    failed: pairs (ranks) whose transfers have no time; wrong: senders whose bytes arrive changed.
    """

    sends: Mapping[int, float] = field(default_factory=dict)
    receives: Mapping[int, float] = field(default_factory=dict)
    pairs: Mapping[tuple[int, int], float] = field(default_factory=dict)
    computes: Mapping[int, float] = field(default_factory=dict)
    failed: frozenset[tuple[int, int]] = frozenset()
    wrong: frozenset[int] = frozenset()


def units(nodes: int, per_node: int = 1, leaf: int = 0) -> tuple[Unit, ...]:
    """Ranks in their nodes' order; ``leaf`` nodes hang on each switch (0: unknown)."""
    return tuple(
        Unit(
            node * per_node + local,
            f"node{node:04d}",
            local,
            f"GPU {local}" if per_node > 1 else "",
            f"leaf{node // leaf}" if leaf else "",
        )
        for node in range(nodes)
        for local in range(per_node)
    )


def circle(nodes: int, rounds: int, per_node: int = 1, stage: Stage = Stage.SCREEN) -> tuple[Round, ...]:
    """Rounds of the circle method over nodes, rail by rail; an odd node rests."""
    even = nodes + nodes % 2
    m = even - 1
    made = []
    for number in range(rounds):
        pairs = [(m, number % m)]
        pairs += [((number + step) % m, (number - step) % m) for step in range(1, even // 2)]
        real = [pair for pair in pairs if max(pair) < nodes]
        made.append(
            Round(
                stage,
                number,
                tuple((a * per_node + rail, b * per_node + rail) for a, b in real for rail in range(per_node)),
            )
        )
    return tuple(made)


def scan(
    nodes: int = 16,
    rounds: int = 24,
    planted: Planted | None = None,
    *,
    per_node: int = 1,
    leaf: int = 0,
    seed: int = 7,
    kernels: Sequence[str] = ("gemm", "triad"),
) -> Scan:
    """A screen of ``rounds`` rounds with 1 % noise, and the planted faults in it."""
    faults = planted or Planted()
    rng = np.random.default_rng(seed)
    made = circle(nodes, rounds, per_node)
    who = units(nodes, per_node, leaf)
    transfers = [_transfer(one, a, b, faults, rng) for one in made for pair in one.pairs for a, b in (pair, pair[::-1])]
    local = [
        Local(
            one.stage,
            one.number,
            unit.rank,
            kernel,
            0.01 * math.exp(faults.computes.get(unit.rank, 0.0) + rng.normal(0, 0.01)),
        )
        for one in made[:6]
        for unit in who
        for kernel in kernels
    ]
    return Scan(who, seed, 64 << 20, made, tuple(transfers), tuple(local), seconds=12.5, transport="tcp")


def _kernel_seconds(rank: int, faults: Planted, rng: np.random.Generator) -> float:
    return 0.01 * math.exp(faults.computes.get(rank, 0.0) + rng.normal(0, 0.01))


def _transfer(one: Round, a: int, b: int, faults: Planted, rng: np.random.Generator) -> Transfer:
    if (a, b) in faults.failed:
        return Transfer(one.stage, one.number, a, b, None, reason="the deadline of 5 s passed")
    slow = max(faults.sends.get(a, 0.0), faults.receives.get(b, 0.0), faults.pairs.get((a, b), 0.0))
    seconds = 0.0014 * math.exp(slow + rng.normal(0, 0.01))
    return Transfer(one.stage, one.number, a, b, seconds, wrong=3 if a in faults.wrong else 0)


def diagnosis(*findings: Finding, conclusive: bool = True, smallest: float | None = 0.105) -> Diagnosis:
    """A diagnosis as the rule would give it, made by hand."""
    return Diagnosis(
        findings,
        alpha=0.01,
        margin=0.02,
        smallest=smallest,
        coverage=0.62,
        conclusive=conclusive,
        blind=("A slowdown that all nodes share cannot be seen without a reference.",),
    )


def slow_receiver(rank: int = 3, name: str = "node0003") -> Finding:
    """``node0003`` receives at 61 % of its peers, found twice."""
    return Finding(
        Culprit.RECEIVES,
        Decision.ACCUSED,
        (rank,),
        f"{name}: receives at 61 % of its peers, confirmed twice.",
        slowdown=-math.log(0.61),
        lower=-math.log(0.64),
        exceeded=24,
        rounds=24,
        confirmed=(12, 12),
        remedy="Look at the cable and the adapter of this node.",
    )


def path(a: int, b: int) -> Finding:
    """A pair that cannot be judged yet."""
    return Finding(
        Culprit.PATH,
        Decision.CANNOT_TELL,
        (a, b),
        f"The path between node{a:04d} and node{b:04d} was slow once.",
        slowdown=0.4,
        lower=None,
        exceeded=1,
        rounds=1,
        remedy="Measure this pair again with --links.",
    )


def full(nodes: int = 16) -> tuple[Scan, Diagnosis]:
    """A scan with something of everything: a slow receiver, a bad path, a failed pair, pauses, groups."""
    faults = Planted(
        receives={3: -math.log(0.61)},
        pairs={(5, 6): 0.4, (6, 5): 0.4},
        computes={9: 0.3},
        failed=frozenset({(1, 2)}),
        wrong=frozenset({11}),
    )
    made = scan(nodes, min(24, nodes - 1 + nodes % 2), faults, leaf=4)
    groups = [
        Group(Stage.SCREEN, turn, left, 0.02 * (0.8 if left == "node0003" else 1.0) * (1 + turn / 100))
        for turn in range(3)
        for left in ("", "node0001", "node0003", "node0005")
    ]
    groups.append(Group(Stage.SCREEN, 3, "node0007", None, "the deadline of 10 s passed"))
    pauses = (Pause(2, 3.1, 3.0), Pause(4, 6.0, 0.2))
    return replace(made, groups=tuple(groups), pauses=pauses), diagnosis(slow_receiver(), path(5, 6))
