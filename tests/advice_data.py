"""Advice for the tests: a small model, three made-up devices, a handful of offers; each simulated in no time."""

from __future__ import annotations

import math
from dataclasses import replace

from benchsuite import catalog
from benchsuite.catalog.prices import Price
from benchsuite.catalog.rows import Confidence
from benchsuite.model.forecast import Band, Caution, Ceiling, Ceilings, Footing
from benchsuite.predict.advise import Advice, Plan
from benchsuite.predict.capacity import Capacity, Wanted
from benchsuite.predict.latency import Copy, Latency, Limits
from benchsuite.predict.offers import Rejected
from benchsuite.predict.precision import PRECISIONS
from benchsuite.predict.reliability import Reliability
from benchsuite.predict.training import TrainingForecast, forecast
from benchsuite.predict.training_job import Job, Sharding

SHAPE = catalog.load().models["llama-3.1-8b"]


def price(hardware: str, usd: float, devices: int = 1, provider: str = "Example", **changed: object) -> Price:
    told = {
        "provider": provider, "instance": f"{devices}x {hardware}", "hardware": hardware, "devices": devices,
        "usd_per_hour": usd, "kind": "on-demand", "as_of": "2026-10", "source": "made up",
        "confidence": Confidence.HIGH,
    }  # fmt: skip
    return Price(**(told | changed))  # type: ignore[arg-type]


def machine(hardware: str, devices: int) -> Ceilings:
    """``large`` is twice ``small`` in everything, ``tiny`` holds no 8B model in 16 bits."""
    size = {"large": 2.0, "small": 1.0, "tiny": 0.2}[hardware]
    made = Ceilings(
        name=f"Example {hardware}",
        hardware=hardware,
        devices=devices,
        memory=40e9 * size,
        bandwidth=Ceiling(1.5e12 * size, Footing.PUBLISHED),
        gemm={"bf16": Ceiling(3e14 * size, Footing.PUBLISHED)},
        link=Ceiling(2e11, Footing.ASSUMED),
        fabric="NVLink",
        processors=100,
        types=frozenset({"bf16"}),
    )
    if hardware == "large":
        made = replace(made, gemm={**made.gemm, "e4m3": Ceiling(1.2e15, Footing.PUBLISHED)})
    return made


OFFERS = (
    price("large", 4.0),
    price("large", 40.0, 8, "Other"),
    price("small", 1.0),
    price("tiny", 0.1),
)


def wanted(**changed: object) -> Wanted:
    told = {"shape": SHAPE, "rate": 4.0, "isl": 512, "osl": 128, "limits": Limits(2.0, 0.05), "precisions": ("bf16",)}
    return Wanted(**(told | changed))  # type: ignore[arg-type]


def written() -> Advice:
    """Advice written by hand: no formula of ours takes part but the words."""
    quick = Copy(lambda _: 0.01, 0.05, 512, 128, 64)
    machines = {name: machine(name, 1) for name in ("large", "small")}

    def plan(offer: Price, name: str, tpot: float, month: Band, **changed: object) -> Plan:
        capacity = Capacity(
            PRECISIONS[name], 1, 64, Band(2.0, 1.2, 3.4), quick, Footing.PUBLISHED,
            (Caution("UNSEEN_GPU", "No published result of it went into calibration."),), 0.0,
        )  # fmt: skip
        at = Latency(1.5, 0.75, 0.08, 0.4, tpot * 0.8, tpot, kept=True)
        made = Plan(offer, capacity, 3, 3, month, month.times(1e6 / (4 * 128 * 730 * 3600)), at)
        return replace(made, **changed)  # type: ignore[arg-type]

    plans = (
        plan(OFFERS[2], "bf16", 0.04, Band(2190.0, 1460.0, 3650.0)),
        plan(OFFERS[0], "fp8", 0.01, Band(2920.0, 2920.0, 2920.0), undecided=True, instances=1, copies=1),
        plan(OFFERS[0], "bf16", 0.03, Band(8760.0, 5840.0, math.inf), undecided=False),
        plan(OFFERS[1], "bf16", 0.02, Band(29200.0, 29200.0, 29200.0), instances=1),
    )
    left = (
        Rejected(OFFERS[3], "tiny", "DOES_NOT_FIT", "It does not fit.", "bf16"),
        Rejected(None, "rare", "NO_PRICE", "The catalogue has no on-demand price of it."),
    )
    return Advice(wanted(precisions=("bf16", "fp8")), plans, left, ("The smaller one suffices.",), machines)


def training() -> TrainingForecast:
    """A training on two nodes of eight made-up devices: engine and catalogue take no part."""
    job = Job(SHAPE, 1e12, 2**22, 8192, 4, 2, 2, sharding=Sharding.OPTIMIZER, network=5e10, spread=0.03, interleave=2)
    return forecast(
        job, replace(machine("large", 8), memory=1.5e11), peak=8e14, reliability=Reliability(), usd_per_hour=2.0
    )
