"""A fleet that never ran: records of many nodes with faults planted in them, its scan and its collectives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import render_data
import scan_data

from benchsuite import store
from benchsuite import suite as suites
from benchsuite.discovery import discover
from benchsuite.fleet import peers
from benchsuite.fleet.fleet import Made, Phase, Spell
from benchsuite.fleet.nodework import Node
from benchsuite.fleet.outcomes import Fleet, Scanned, Together
from benchsuite.model import Case, Layout, Metric, Plan, Policy, Record, Status, Work
from benchsuite.scan import ledger

BEGAN = 1_796_000_000.0
TASKS = tuple(
    (Case.of(benchmark, **params), implementation)
    for benchmark, implementation, params in (
        ("memory", "numpy", {"op": "triad", "bytes": 256 << 20}),
        ("memory", "stream", {"op": "copy", "bytes": 256 << 20}),
        ("latency", "chase", {"bytes": 1 << 28}),
        ("gemm", "numpy", {"m": 1024, "n": 1024, "k": 1024, "dtype": "fp32"}),
        ("gemm", "mkl", {"m": 1024, "n": 1024, "k": 1024, "dtype": "fp32"}),
    )
)
"""What each node of it measures."""


@dataclass(frozen=True, slots=True)
class Faults:
    """By node and task number: how slow (log), and what its records say instead of a number. gone: missing nodes."""

    slow: Mapping[tuple[str, int], float] = field(default_factory=dict)
    bad: Mapping[tuple[str, int], Status] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    broke: tuple[str, ...] = ()


def names(count: int) -> list[str]:
    """``node0`` and so on."""
    return [f"node{number}" for number in range(count)]


def record(case: Case, implementation: str, run: int, seconds: float, status: Status = Status.OK) -> Record:
    """One task of one run of one node."""
    summary = render_data.summary((seconds * 0.999, seconds, seconds * 1.001)) if status is Status.OK else None
    return Record(
        campaign="20261130-120000-quick-ab12",
        run=run,
        position=0,
        case=case,
        implementation=implementation,
        provider="scripted",
        backend="fake",
        metric=Metric.BANDWIDTH,
        status=status,
        work=Work(read=1e6, written=1e6),
        started="2026-11-30T12:00:00+00:00",
        summary=summary,
        reason="" if status is Status.OK else "the result differs from the reference",
    )


def records(
    count: int, runs: int, faults: Faults | None = None, *, noise: float = 0.01, seed: int = 3
) -> dict[str, tuple[Record, ...]]:
    """Every node's records; a missing node has none."""
    told = faults or Faults()
    rng = np.random.default_rng(seed)
    made: dict[str, tuple[Record, ...]] = {}
    for node in names(count):
        own = [
            record(
                *task,
                run,
                1e-3 * math.exp(told.slow.get((node, number), 0.0) + rng.normal(0, noise)),
                told.bad.get((node, number), Status.OK),
            )
            for number, task in enumerate(TASKS)
            for run in range(runs)
        ]
        made[node] = () if node in told.gone else tuple(own)
    return made


def made(count: int, runs: int, phases: Sequence[Phase] = tuple(Phase)) -> Made:
    """What such a fleet set out to do."""
    return Made(
        schema=1,
        id="20261130-120000-fleet-ab12",
        started="2026-11-30T12:00:00+00:00",
        version="0.6.0",
        command="benchsuite fleet quick --seed 7",
        backend="host",
        suite="quick",
        together="collectives",
        runs=runs,
        launcher="slurm",
        layout=Layout(tuple(names(count)), 1),
        phases=tuple(phases),
        predicted={"nodes": 60.0, "scan": 20.0, "together": 30.0},
    )


def scanned(count: int, guilty: bool) -> Scanned:
    """The scan of that fleet: node3 receives slowly, or nobody does anything."""
    if guilty:
        scan, diagnosis = scan_data.full(count)
    else:
        scan, diagnosis = scan_data.scan(count, min(24, count - 1 + count % 2), leaf=4), scan_data.diagnosis()
    told = ledger.Made(1, "20261130-120100-scan-cd34", "2026-11-30T12:01:00+00:00", "0.6.0", "benchsuite scan",
                          "host", 7, ledger.Plan(), count)  # fmt: skip
    return Scanned(scan, diagnosis, told)


def together() -> Together:
    """All-reduces over all nodes."""
    scores = render_data.scores_of(render_data.records(list(render_data.allreduces())))
    plan = Plan("collectives", Policy(), 1, (), (), ())
    campaign = store.Campaign(1, "20261130-120200-collectives-ef56", "2026-11-30T12:02:00+00:00", "0.6.0", "", "host",
                              suites.load("quick", discover()), plan)  # fmt: skip
    return Together(campaign, tuple(scores))


def fleet(
    count: int = 16, runs: int = 5, faults: Faults | None = None, *, guilty: bool = False, whole: bool = True
) -> Fleet:
    """A whole fleet's run. guilty: its scan accuses somebody; whole: scan and collectives were done."""
    told = faults or Faults()
    asked = made(count, runs)
    own = records(count, runs, told)
    table = peers.table(own, runs)
    broken = dict.fromkeys(told.gone, "no run came back from it") | dict.fromkeys(told.broke, "the disk was full")
    nodes = {
        name: None if name in told.gone else Node(name, 4 if name in told.broke else 0, BEGAN, BEGAN + 60 + number, "r")
        for number, name in enumerate(own)
    }
    spells = [Spell(Phase.NODES, BEGAN, BEGAN + 62 + count, 4 if broken else 0, "; ".join(broken))]
    if whole:
        spells += [Spell(Phase.SCAN, BEGAN + 100, BEGAN + 125, 1 if guilty else 0)]
        spells += [Spell(Phase.TOGETHER, BEGAN + 126, BEGAN + 150, 0)]
    return Fleet(
        Path("runs/fleet"),
        asked,
        tuple(spells),
        nodes,
        table,
        peers.verdicts(table, broken),
        scanned(count, guilty) if whole else None,
        together() if whole else None,
        (),
    )


def simulated(found: Fleet) -> Fleet:
    """The same, by a scripted clock."""
    return replace(found, made=replace(found.made, backend="fake"))
