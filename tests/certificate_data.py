"""Certificates of acceptances that never were: one of every word, and a fleet of 64 nodes with planted defects."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import acceptance_data as data

from benchsuite.accept import fleetrule
from benchsuite.model import Contract, Evidence, FleetVerdict, Level, State
from benchsuite.render.certificate_view import About

ABOUT = About(
    "20261130-120000-h200-ab12",
    started="2026-11-30T12:00:00+00:00",
    ended="2026-11-30T13:10:00+00:00",
    version="0.1.0",
    command="benchsuite accept contract.toml --nonce 0123456789abcdef",
    code="ab" * 32,
    kernels={"gemm.cu": "cd" * 32, "memory.cu": "ef" * 32},
    nonce="0123456789abcdef",
    seed=7,
    signer="5a" * 32,
    level=Level.CHALLENGED,
)


@cache
def every() -> tuple[FleetVerdict, Contract, About]:
    """A node of eight GPUs, one of every word, with burn-in and a finding between nodes."""
    contract = data.contract(devices=8, minutes=30.0)
    evidences = data.every_word(contract)
    fleet = fleetrule.judge_all(contract, evidences, data.diagnosis(data.finding()))
    return fleet, contract, replace(ABOUT, evidences=evidences)


def single(evidence: Evidence, contract: Contract) -> tuple[FleetVerdict, Contract, About]:
    """One device alone."""
    return fleetrule.judge_all(contract, (evidence,)), contract, replace(ABOUT, evidences=(evidence,))


@cache
def good() -> tuple[FleetVerdict, Contract, About]:
    """One device that is accepted."""
    contract = data.contract(minutes=30.0)
    return single(data.evidence(contract, "node3", 0), contract)


@cache
def slow() -> tuple[FleetVerdict, Contract, About]:
    """One device whose memory is 6 % slow, with a run that somebody disturbed and a check that nobody could make."""
    contract = data.contract(minutes=30.0)
    runs = [*data.around(-0.062, 3, seed=3), data.run(data.MEMORY, -0.31, "CONTENDED"), *data.around(-0.062, 6, seed=4)]
    states = {"persistence": State.FAILED}
    found = data.evidence(contract, "node3", 5, ys={"memory-read": runs}, states=states)
    return single(found, contract)


@cache
def fleet(nodes: int = 64, devices: int = 8) -> tuple[FleetVerdict, Contract, About]:
    """Good but for four nodes with a slow memory, a power cap, a wrong result, and one that is missing."""
    contract = data.contract(devices=devices, nodes=nodes, minutes=30.0)
    evidences = []
    for node in range(nodes):
        for device in range(devices):
            if node == nodes - 1 and device > 0:
                continue
            evidences.append(_one(contract, node, device))
    found = fleetrule.judge_all(
        contract, evidences, data.diagnosis(data.finding()), (f"node{nodes - 1}, GPU 1 to {devices - 1}",)
    )
    return found, contract, replace(ABOUT, evidences=tuple(evidences))


def _one(contract: Contract, node: int, device: int) -> Evidence:
    name, seed = f"node{node}", 100 * node + device
    ys: dict[str, object] = {
        one.name: data.around(0.002 + 0.004 * ((seed * 7) % 11 - 5) / 5, 4, 0.003, seed=seed)
        for one in contract.requirements
    }
    if (node, device) == (1, 3):
        ys["memory-read"] = data.around(-0.062, 9, 0.003, seed=seed)
    if (node, device) == (2, 0):
        ys["gemm-bf16"] = [
            data.run(data.GEMM, y, "POWER_LIMIT_LOWERED") for y in data.around(-0.2, 9, 0.004, seed=seed)
        ]
        return data.evidence(contract, name, device, ys=ys, states={"power-limit": State.FAILED})  # type: ignore[arg-type]
    if (node, device) == (3, 7):
        return data.evidence(contract, name, device, ys=ys, burned=data.warm(30.0, wrong=3))  # type: ignore[arg-type]
    return data.evidence(contract, name, device, ys=ys)  # type: ignore[arg-type]
