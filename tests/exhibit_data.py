"""Exhibits for tests of comparisons: campaigns whose runs scatter as asked, by a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchsuite.model import Case, Exhibit, Machine, Metric, Offer, Origin, Publication, Score, Status, Work

GEMM = Case.of("gemm", m=1024, n=1024, k=1024, dtype="bf16")
CHASE = Case.of("latency", bytes=4096)
MEMORY = Case.of("memory", op="triad", bytes=1 << 28)


def score(
    values: Sequence[float], case: Case = GEMM, metric: Metric = Metric.FLOPS, implementation: str = "ours", **more: Any
) -> Score:
    """A verified score of these run values."""
    logs = np.log(np.asarray(values, dtype=np.float64))
    reach = min(2.0 * float(logs.std(ddof=1)), 9.0) if len(values) > 1 else 0.01
    mean = float(logs.mean())
    made = Score(
        case,
        implementation,
        "",
        metric,
        Status.OK,
        Work(),
        runs=len(values),
        value=float(np.exp(mean)),
        low=float(np.exp(mean - reach)),
        high=float(np.exp(mean + reach)),
        interval=f"{len(values)} runs",
        run_values=tuple(values),
        best=True,
        backend="cuda",
        cache="cold",
        sync="none",
        conditions={"power": 500.0},
    )
    return replace(made, **more)


def runs(middle: float, sd: float, seed: int, count: int = 5) -> list[float]:
    """Run values that scatter by ``sd`` around ``middle``."""
    rng = np.random.default_rng(seed)
    return [float(one) for one in middle * np.exp(sd * rng.standard_normal(count))]


def exhibit(label: str, *scores: Score, facts: Mapping[str, Mapping[str, str]] | None = None, **more: Any) -> Exhibit:
    """An exhibit of these scores."""
    machine = Machine(f"m-{label.lower()}", f"Card {label}", facts=facts or {})
    made = Publication(
        1, f"2026010{len(label)}-{label.lower()}", Origin.MEASURED, machine, "2026-01-02", "quick", scores
    )
    return Exhibit(replace(made, **more), label)


def fleet(count: int, sd: float = 0.005, step: float = 0.0, base: float = 1e12) -> list[Exhibit]:
    """Machines of one case, each faster than the one before by ``step``."""
    return [exhibit(f"m{at:03}", score(runs(base * (1.0 + step) ** at, sd, at))) for at in range(count)]


OFFER = Offer("cloud", "big", devices=1, usd_per_hour=2.0, as_of="2026-01-01")
