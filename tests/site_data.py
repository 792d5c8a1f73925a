"""Publications that nobody measured: three types of GPU, rented in four places; one of them is simulated."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from benchsuite import publication
from benchsuite.model import (
    PUBLIC_SCHEMA,
    Case,
    Caveat,
    Machine,
    Metric,
    Offer,
    Origin,
    Publication,
    Quantiles,
    Roof,
    Score,
    Status,
    Work,
)

CARDS = {
    "h100_sxm_80": ("NVIDIA H100 80GB HBM3", 1.0, 3.0e12, 2.4),
    "h200_sxm_141": ("NVIDIA H200", 1.02, 4.2e12, 3.3),
    "rtx_4090": ("NVIDIA GeForce RTX 4090", 0.24, 0.93e12, 0.45),
}
"""Key of the catalogue -> name, arithmetic against the first, bytes a second, dollars an hour."""
PROVIDERS = ("Alpha Cloud", "Beta Rentals", "Gamma", "Delta Computing")


def scored(case: Case, metric: Metric, work: Work, value: float, rng: random.Random, by: str = "ours") -> Score:
    """A verified score of three runs around ``value``."""
    runs = tuple(value * rng.gauss(1.0, 0.004) for _ in range(3))
    middle = sorted(runs)[1]
    amounts = {Metric.FLOPS: work.flops, Metric.BANDWIDTH: work.bytes, Metric.BUSBW: work.wire}
    each = [run * work.steps if metric is Metric.LATENCY else amounts[metric] / run for run in runs]
    samples = tuple(Quantiles(24, one * 0.99, one * 0.995, one, one * 1.01, one * 1.05) for one in each)
    return Score(
        case, by, "benchsuite", metric, Status.OK, work, 3, middle, middle * 0.994, middle * 1.006, "3 runs", runs,
        ceiling=middle * 1.25, of_ceiling=0.8, ceiling_name="bf16 arithmetic", best=True, backend="cuda", cache="cold",
        sync="solo", samples=samples, joules=0.4, conditions={"readings": 30.0, "sm_clock": 1.7e9},
    )  # fmt: skip


def results(arithmetic: float, bandwidth: float, rng: random.Random, *, ranks: int = 1) -> tuple[Score, ...]:
    """Some results of every kind."""
    made = []
    for dtype, peak in (("bf16", 700e12), ("e4m3", 1250e12), ("fp32", 52e12)):
        for n in (4096, 8192):
            work = Work(flops=2.0 * n**3, read=4.0 * n * n, written=2.0 * n * n)
            case = Case.of("gemm", m=n, n=n, k=n, dtype=dtype, layout="nn", data="normal")
            made.append(
                scored(case, Metric.FLOPS, work, peak * arithmetic * (0.94 if n == 4096 else 1.0), rng, "cublas")
            )
    for op in ("copy", "triad"):
        for power in (24, 28, 32):
            work = Work(flops=2.0**power / 12, read=2.0**power * 2 / 3, written=2.0**power / 3)
            value = bandwidth * (1.9 if power == 24 else 1.0)
            made.append(scored(Case.of("memory", op=op, bytes=2**power), Metric.BANDWIDTH, work, value, rng))
    for power in (16, 24, 30):
        seconds = {16: 30e-9, 24: 200e-9, 30: 480e-9}[power]
        made.append(scored(Case.of("latency", bytes=2**power), Metric.LATENCY, Work(steps=1e6), seconds, rng))
    case = Case.of("attention", dtype="bf16", causal=True, batch=1, heads=32, kv_heads=8, head_dim=128, seq=16384)
    work = Work(flops=2.0 * 32 * 16384**2 * 128, read=4e8, written=1.3e8)
    made.append(scored(case, Metric.FLOPS, work, 480e12 * arithmetic, rng))
    if ranks > 1:
        for power in (20, 28):
            wire = 2.0**power * 2 * (ranks - 1) / ranks
            case = Case.of("allreduce", ranks=ranks, dtype="bf16", bytes=2**power)
            work = Work(payload=2.0**power, wire=wire)
            made.append(scored(case, Metric.BUSBW, work, (90e9 if power == 20 else 380e9) * arithmetic, rng, "nccl"))
    return tuple(made)


def published(number: int, card: str, provider: str = "", *, machine: str = "", month: int = 9) -> Publication:
    """The publication of one campaign; ``number`` makes it unique and settles its noise."""
    rng = random.Random(f"{card} {number}")
    name, arithmetic, bandwidth, price = CARDS[card]
    lucky = rng.gauss(1.0, 0.012)
    price *= rng.choice((0.85, 1.0, 1.15))
    found = results(arithmetic * lucky, bandwidth * rng.gauss(1.0, 0.004), rng, ranks=8 if number % 3 == 0 else 1)
    devices = 8 if number % 3 == 0 else 1
    facts = {
        "gpu": {"name": name, "driver": "575.57.08", "power limit": "700 W", "default power limit": "700 W"},
        "processor": {"model": "Example CPU 9000", "cores usable": "26"},
        "system": {"system": "Debian GNU/Linux 12", "kernel": "6.1.0"},
        "packages": {"numpy": "2.3.1"},
    }
    offer = Offer(
        provider, f"{devices}x", "eu-1", devices, price * devices, "on-demand", "2026-09-01", "told by the user"
    )
    return Publication(
        schema=PUBLIC_SCHEMA,
        id=f"2026{month:02d}{1 + number % 28:02d}-120000-gpu-{number:04x}",
        origin=Origin.MEASURED,
        machine=Machine(machine or f"m{number:05d}", name, card, devices, facts),
        started=f"2026-{month:02d}-{1 + number % 28:02d}T12:00:00+00:00",
        suite="gpu",
        results=found,
        version="0.2.0",
        code="c0de" * 16,
        backend="cuda",
        runs=3,
        roof=Roof({"bf16": 720e12 * arithmetic, "fp32": 55e12 * arithmetic}, bandwidth * 1.01),
        offer=offer if provider else None,
        digest=f"{number:064x}",
    )


def broken(told: Publication) -> Publication:
    """With one wrong result, one that failed, one that was skipped, and a note beside a number."""
    first, second, third, fourth, *rest = told.results
    nothing = {"value": None, "low": None, "high": None, "best": False, "run_values": (), "samples": ()}
    changed = (
        replace(first, status=Status.REJECTED, reason="The result was wrong.", **nothing),
        replace(second, status=Status.FAILED, reason="It could not be measured.", **nothing),
        replace(third, status=Status.SKIPPED, reason="It cannot run on this machine.", **nothing),
        replace(fourth, caveats=(Caveat("POWER_CAP", ""),), unreportable=("Fewer than five runs.",)),
    )
    return replace(told, results=(*changed, *rest))


def simulated() -> Publication:
    """Times from a script."""
    told = published(90, "h100_sxm_80")
    return replace(
        told,
        id="20260930-120000-fake-0001",
        backend="fake",
        machine=replace(told.machine, id="scripted", name="Scripted device", hardware=""),
        results=tuple(replace(score, backend="fake") for score in told.results),
    )


def publications() -> list[Publication]:
    """Thirty campaigns of twenty-six machines, one of them simulated, one with trouble."""
    made = [published(n, "h100_sxm_80", PROVIDERS[n % 3]) for n in range(14)]
    made += [published(20 + n, "h200_sxm_141", PROVIDERS[n % 2]) for n in range(6)]
    made += [published(40 + n, "rtx_4090", PROVIDERS[3] if n % 2 else "") for n in range(4)]
    made += [published(60 + n, "h100_sxm_80", PROVIDERS[0], machine="m00000", month=n) for n in range(4, 8)]
    return [*made, broken(published(80, "rtx_4090", PROVIDERS[2])), simulated()]


def folder(path: Path, told: list[Publication] | None = None) -> Path:
    """A folder that holds them as files."""
    path.mkdir(parents=True, exist_ok=True)
    for one in publications() if told is None else told:
        (path / f"{one.id}.json").write_bytes(publication.encode(one))
    return path
