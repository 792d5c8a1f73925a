"""Forecasts made by hand for tests of words, pages and tables: no formula of ours takes part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchsuite.model import (
    Band,
    Bound,
    Caution,
    Ceiling,
    Ceilings,
    Footing,
    Forecast,
    Mesh,
    Phase,
    Precision,
    Term,
    Traffic,
)

CEILINGS = Ceilings(
    name="Example H",
    hardware="example_h",
    devices=2,
    memory=80 * 1024**3,
    bandwidth=Ceiling(3e12, Footing.PUBLISHED, "a table that somebody published"),
    gemm={"bf16": Ceiling(700e12, Footing.MEASURED, "run 1, gemm bf16"), "e4m3": Ceiling(1.4e15, Footing.ASSUMED)},
    link=Ceiling(450e9, Footing.ASSUMED, "half of the datasheet's NVLink"),
    fabric="NVLink",
    watts=Ceiling(600.0, Footing.ASSUMED, "85% of the board's limit"),
    usd_per_hour=Ceiling(3.6, Footing.PUBLISHED, "given"),
)
PREFILL = Phase(
    "Reading 2,048 tokens",
    (
        Term("products", 0.060, Bound.COMPUTE, Footing.MEASURED),
        Term("weights read", 0.005, Bound.BANDWIDTH, Footing.PUBLISHED, hidden=True),
        Term("attention", 0.010, Bound.COMPUTE, Footing.ASSUMED),
        Term("all-reduces", 0.010, Bound.LINK, Footing.ASSUMED),
    ),
)
DECODE = Phase(
    "Writing one token of 64 sequences",
    (
        Term("weights read", 0.012, Bound.BANDWIDTH, Footing.PUBLISHED),
        Term("products", 0.002, Bound.COMPUTE, Footing.MEASURED, hidden=True),
        Term("cache read", 0.006, Bound.BANDWIDTH, Footing.PUBLISHED),
        Term("overhead", 0.002, Bound.LATENCY, Footing.ASSUMED),
    ),
)


def forecast(**changes: Any) -> Forecast:
    """64 sequences on two devices: 1,000 tokens per second and device, of 3.6 dollars an hour."""
    made = Forecast(
        model="a-model",
        ceilings=CEILINGS,
        precision=Precision("fp8", 1.0, "e4m3", 1.0),
        mesh=Mesh(tensor=2),
        traffic=Traffic(2048, 512),
        engine="fitted",
        batch=64.0,
        max_batch=200,
        max_context=131072,
        prefill=PREFILL,
        decode=DECODE,
        throughput=Band(1000.0, 800.0, 1250.0),
        ttft=Band(0.08, 0.064, 0.1),
        tpot=Band(0.032, 0.0256, 0.04),
        usd_in=Band(0.125, 0.1, 0.15625),
        usd_out=Band(0.5, 0.4, 0.625),
        joules=Band(0.6, 0.48, 0.75),
        assumptions=("All-reduces are not hidden",),
        cautions=(Caution("NO_LINK_MEASURED", "The link was not measured"),),
        confidence=0.9,
    )
    return replace(made, **changes)
