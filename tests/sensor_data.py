"""Readings that no sensor made: of a host with a neighbour, and of a GPU that meets its power limit and gets warm."""

from __future__ import annotations

import random
from dataclasses import replace

import render_data as data

from benchsuite.model import Record
from benchsuite.render.view import CampaignView
from benchsuite.telemetry.reading import Reading

BEAT = 0.1
IDLE, CAP, THERMAL = 0x01, 0x04, 0x20
NO_RAPL = {"package_energy": "this processor has no energy counter that Linux knows"}
LOST = "NVML says: Timeout"


def host(seconds: float = 30.0, begin: float = 5000.0) -> list[Reading]:
    """A neighbour works from a third of the time to half of it; the hypervisor steals for a moment after 0.7 of it."""
    random_ = random.Random(3)
    counters = {"own": 0.0, "busy": 0.0, "steal": 0.0, "cpu_pressure": 0.0}
    made = []
    for number in range(round(seconds / BEAT)):
        part = number * BEAT / seconds
        ours, theirs = random_.uniform(0.9, 1.0), 0.6 if 1 / 3 < part < 1 / 2 else 0.02
        stolen = 0.05 if 0.70 < part < 0.73 else 0.0
        rates = {"own": ours, "busy": ours + theirs, "steal": stolen, "cpu_pressure": theirs / 2}
        counters = {name: told + BEAT * rates[name] for name, told in counters.items()}
        still = {"memory_pressure": 0.5, "throttled": 0.0, "load": 1.0 + theirs, "frequency": 2.6e9 + 1e8 * ours}
        made.append(Reading(begin + number * BEAT, {**counters, **still}, NO_RAPL, first=number == 0))
    return made


def gpu(seconds: float = 60.0, begin: float = 5000.0) -> list[Reading]:
    """The same host with a GPU: at work but for a moment every 5 s, capped at 500 W, hot in the last quarter.

    Its sensors time out from 0.30 to 0.33 of the time, and nothing at all is read from 0.50 to 0.55.
    """
    random_ = random.Random(4)
    made = []
    for one in host(seconds, begin):
        since = one.at - begin
        part = since / seconds
        if 0.50 < part < 0.55:
            continue
        if 0.30 < part < 0.33:
            made.append(replace(one, missing={**one.missing, **dict.fromkeys(("gpu", "sm_clock", "power"), LOST)}))
            continue
        made.append(replace(one, values={**one.values, **_card(since, part, random_)}, foreign=()))
    return made


def _card(since: float, part: float, random_: random.Random) -> dict[str, float]:
    working, hot = since % 5.0 > 0.6, part > 0.75
    clock = (1440.0 if hot else 1665.0 + random_.gauss(0.0, 25.0)) if working else 1980.0
    return {
        "sm_clock": 1e6 * round(clock / 15.0) * 15.0,
        "sm_clock_max": 1.98e9,
        "memory_clock": 2.619e9,
        "power": random_.gauss(430.0 if hot else 496.0, 4.0) if working else random_.gauss(130.0, 8.0),
        "power_limit": 500.0,
        "power_limit_default": 700.0,
        "temperature": round(41.0 + 45.0 * part**0.6 - (0.0 if working else 3.0)),
        "throttle": float((THERMAL if hot else CAP) if working else IDLE),
    }


def campaign() -> CampaignView:
    """GEMMs and a memory test on the GPU, with a counter of energy; conditions touched some samples."""
    timed = [data.gemm(n, n, n, "bf16", "cublas", 6.1e14 * share) for n, share in ((4096, 0.93), (8192, 1.0))]
    timed += list(data.memories())[-2:-1]
    return of([_on_gpu(record, number) for number, record in enumerate(data.records(timed))], gpu())


def _on_gpu(record: Record, number: int) -> Record:
    told = record.samples
    assert told is not None
    conditions = {"power": 496.0, "sm_clock": 1.665e9, "temperature": 71.0, "power_limit": 500.0}
    hit = {"POWER_CAP": tuple(range(4, 24)), "THERMAL": (20, 21, 22, 23) if number % 2 else ()}
    return replace(record, backend="cuda", samples=replace(told, conditions=conditions, annotations=hit))


def of(records: list[Record], readings: list[Reading], *, backend: str = "cuda") -> CampaignView:
    """A campaign of these records and readings."""
    return replace(data.view_of(records), backend=backend, readings=tuple(readings))
