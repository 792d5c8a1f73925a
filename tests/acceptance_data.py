"""Contracts, evidence and verdicts made up of numbers: for tests of what comes after a measurement.

contract() -> evidence(contract, …) -> judge.judge, fleetrule.judge_all; verdicts(): one device of every word
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from math import exp

import numpy as np

from benchsuite.accept import fleetrule, gates
from benchsuite.model import (
    Between,
    Burned,
    Claim,
    Contract,
    Culprit,
    Decision,
    Diagnosis,
    Evidence,
    Finding,
    FleetVerdict,
    Gate,
    Grounds,
    Heat,
    Kind,
    Measured,
    Metric,
    Observation,
    Probed,
    Region,
    Requirement,
    Rule,
    RunValue,
    State,
    Status,
    Subject,
    Weight,
)

RULE = Rule()
SOURCE = "baseline of 59 nodes, 2026-10-01"
MEMORY = Requirement(
    "memory-read",
    "memory",
    {"op": "read", "bytes": "16xLLC"},
    "ours",
    Metric.BANDWIDTH,
    4.17e12,
    Grounds.FLEET,
    SOURCE,
)
GEMM = Requirement(
    "gemm-bf16",
    "gemm",
    {"m": 8192, "n": 8192, "k": 8192, "dtype": "bf16"},
    "cublas",
    Metric.FLOPS,
    6.5e14,
    Grounds.CATALOG,
    "published figures of four sources, 2026-09-12",
)
LATENCY = Requirement(
    "latency",
    "latency",
    {"bytes": "16xLLC"},
    "ours",
    Metric.LATENCY,
    6.2e-7,
    Grounds.NEGOTIATED,
    "agreed by both parties, 2026-11-02",
)
REQUIREMENTS = {Kind.GPU: (MEMORY, GEMM, LATENCY), Kind.HOST: (MEMORY, LATENCY)}
GATES = {
    Kind.GPU: (
        Gate("xid", Weight.REJECT),
        Gate("ecc", Weight.REJECT),
        Gate("power-limit", Weight.INVALID),
        Gate("persistence", Weight.NOTE),
    ),
    Kind.HOST: (Gate("processor", Weight.REJECT), Gate("governor", Weight.NOTE)),
}
REGIONS = {
    Kind.GPU: (
        Region("processors", 132, 132, "datasheet"),
        Region("bandwidth", 3.9e12, 4.9e12, "datasheet 4.8 TB/s; at least 80 % of it is reached"),
    ),
    Kind.HOST: (Region("cores", 1.5, 2.5, "two cores were rented"),),
}
CLAIMS = {Kind.GPU: ("h200_sxm_141", 132, 141 * 10**9), Kind.HOST: ("*Xeon*", 2, 8 * 2**30)}


def contract(
    kind: Kind = Kind.GPU,
    *,
    devices: int = 1,
    nodes: int = 1,
    requirements: Sequence[Requirement] | None = None,
    rule: Rule = RULE,
    identity: Sequence[Region] | None = None,
    checks: Sequence[Gate] | None = None,
    minutes: float = 0.0,
    scan: bool = True,
    name: str = "h200-example",
) -> Contract:
    """A contract about these devices, with gates and identity; without a burn-in unless ``minutes`` asks for one."""
    model, processors, memory = CLAIMS[kind]
    source = f"# {name}: {kind}, {devices} x {nodes}\n"
    return Contract(
        schema=1,
        name=name,
        title=f"{nodes} x {devices} {model} of Example Cloud",
        claim=Claim(kind, model, devices, nodes, processors, memory, "Example Cloud"),
        rule=rule,
        requirements=tuple(REQUIREMENTS[kind] if requirements is None else requirements),
        identity=tuple(REGIONS[kind] if identity is None else identity),
        gates=tuple(GATES[kind] if checks is None else checks),
        heat=Heat(minutes),
        between=Between(scan),
        digest=hashlib.sha256(source.encode()).hexdigest(),
        source=source,
    )


def around(centre: float, n: int = 4, sd: float = 0.002, seed: int = 0) -> tuple[float, ...]:
    """``n`` deviations (log) with exactly this mean and this sd, in an order that ``seed`` decides."""
    drawn = np.random.default_rng(seed).standard_normal(n)
    if n > 1:
        drawn = (drawn - drawn.mean()) / drawn.std(ddof=1)
    return tuple((centre + sd * drawn).tolist())


def run(one: Requirement, y: float, *codes: str, name: str = "", reason: str = "") -> RunValue:
    """A run that deviates by ``y`` (log, negative is worse)."""
    value = one.reference * exp(y if one.metric.higher_is_better else -y)
    return RunValue(value, Status.OK, codes, reason, name)


def ended(status: Status, reason: str = "") -> RunValue:
    """A run without a number."""
    return RunValue(None, status, (), reason)


def measured(one: Requirement, ys: Sequence[float | RunValue], *codes: str) -> Measured:
    """Runs of a requirement by their deviations, all with these caveats; or as they are."""
    return Measured(one.name, tuple(y if isinstance(y, RunValue) else run(one, y, *codes) for y in ys))


def evidence(
    agreed: Contract,
    node: str = "node0",
    device: int | None = 0,
    *,
    attempt: int = 1,
    ys: Mapping[str, Sequence[float | RunValue]] | None = None,
    states: Mapping[str, State] | None = None,
    sentences: Mapping[str, str] | None = None,
    probes: Mapping[str, float | None] | None = None,
    burned: Burned | None = None,
    identity: str = "",
    machines: tuple[str, ...] = ("here",),
) -> Evidence:
    """Evidence of a device in order, but for what is told.

    ys: deviations or runs by requirement; states: of gates; probes: values by probe.
    """
    device = device if agreed.claim.kind is Kind.GPU else None
    own, states, sentences, probes = ys or {}, states or {}, sentences or {}, probes or {}
    return Evidence(
        subject=Subject(node, device, identity),
        attempt=attempt,
        measured=tuple(measured(one, own.get(one.name, around(0.001))) for one in agreed.requirements),
        observations=tuple(
            Observation(
                gate.check,
                states.get(gate.check, State.PASSED),
                sentences.get(gate.check, f"{gate.check}: {states.get(gate.check, State.PASSED)}."),
            )
            for gate in gates.asked(agreed)
        ),
        probes=tuple(Probed(one.probe, probes.get(one.probe, (one.low + one.high) / 2)) for one in agreed.identity),
        burned=burned or (warm(agreed.heat.minutes) if agreed.heat.minutes else None),
        machines=machines,
    )


def warm(
    minutes: float,
    *,
    wrong: int = 0,
    failures: int = 0,
    worst: float | None = 0.02,
    reason: str = "",
    checks: int = 9000,
) -> Burned:
    """A burn-in that went well, but for what is told."""
    return Burned(
        seconds=60.0 * minutes,
        checks=checks,
        wrong=wrong,
        failures=failures,
        first={"gemm": 6.4e14, "memory": 4.15e12},
        sustained={"gemm": 6.4e14 * (1 - (worst or 0.0)), "memory": 4.15e12},
        worst=worst,
        notes=("71 °C at most.",),
        reason=reason,
    )


def diagnosis(*findings: Finding, conclusive: bool = True) -> Diagnosis:
    """A scan that found this."""
    blind = ("A slow link between nodes that never met is not seen.",)
    return Diagnosis(findings, 0.01, 0.02, 0.04, 0.8, conclusive, blind)


def finding(decision: Decision = Decision.ACCUSED, culprit: Culprit = Culprit.RECEIVES) -> Finding:
    """What a scan says of node 3, GPU 5."""
    return Finding(
        culprit,
        decision,
        (29,),
        f"node3, GPU 5: receives at 61 % of its peers, {decision}",
        0.49,
        0.4,
        24,
        24,
        (12, 12),
        "Read the counters of its port for what it receives (drops, pauses), then swap its cable.",
    )


def every_word(agreed: Contract) -> tuple[Evidence, ...]:
    """Of one node with eight GPUs (``contract(devices=8)``): one of every word, and one that was tested twice."""
    busy = [run(MEMORY, y, "CONTENDED") for y in around(-0.02, 3)]
    return (
        evidence(agreed, device=0),
        evidence(agreed, device=1, ys={"memory-read": around(-0.062, 9, 0.004, seed=3)}),
        evidence(agreed, device=2, ys={"gemm-bf16": [*around(0.0, 3), ended(Status.REJECTED, "element 17 is wrong")]}),
        evidence(agreed, device=3, ys={"latency": around(-0.0356, 4, 0.0005)}),
        evidence(agreed, device=4, ys={"memory-read": around(-0.0356, 20, 0.06, seed=1)}),
        evidence(agreed, device=5, ys={"memory-read": [*busy, *around(0.0, 3)]}),
        evidence(
            agreed,
            device=6,
            states={"xid": State.FAILED},
            sentences={"xid": "The driver reported XID 79 (the GPU has fallen off the bus): replace it."},
        ),
        evidence(agreed, device=7, ys={"gemm-bf16": around(-0.0356, 20, 0.06, seed=1)}),
        evidence(agreed, device=7, attempt=2),
    )


def verdicts(agreed: Contract | None = None) -> FleetVerdict:
    """The verdict on ``every_word``, and on a scan that accused somebody."""
    made = agreed or contract(devices=8)
    return fleetrule.judge_all(made, every_word(made), diagnosis(finding()))
