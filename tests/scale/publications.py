"""Publications that nobody measured, by a seed: hardware of different speed, machines of it that differ a little,
runs that differ less, failures, caveats, prices. The names are invented, and so is every number."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchsuite.model import (
    PUBLIC_SCHEMA,
    Case,
    Caveat,
    Exhibit,
    Level,
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

RUNS = 5
SIZES = {"fp64": 8, "fp32": 4, "bf16": 2, "e4m3": 1}


@dataclass(frozen=True, slots=True)
class Model:
    """A card that does not exist: FLOP/s by element type, bytes per second of memory and link, seconds, watts, $/h."""

    name: str
    flops: dict[str, float]
    memory: float
    link: float
    latency: float
    watts: float
    usd: float


def _model(name: str, bf16: float, memory: float, link: float, watts: float, usd: float) -> Model:
    flops = {"bf16": bf16, "e4m3": 2 * bf16, "fp32": bf16 / 14, "fp64": bf16 / 28}
    return Model(name, flops, memory, link, 6e-7 * math.sqrt(2e12 / memory), watts, usd)


MODELS = (
    _model("Example A40 24GB", 60e12, 0.6e12, 25e9, 150, 0.45),
    _model("Example A80 80GB", 250e12, 1.8e12, 26e9, 400, 1.6),
    _model("Example H90 80GB", 640e12, 2.9e12, 52e9, 700, 2.4),
    _model("Example H90 PCIe", 450e12, 1.8e12, 51e9, 350, 1.9),
    _model("Example H140 141GB", 655e12, 4.2e12, 53e9, 700, 3.2),
    _model("Example B180 180GB", 1450e12, 6.8e12, 54e9, 1000, 4.9),
    _model("Example R32 32GB", 190e12, 1.6e12, 53e9, 575, 0.7),
    _model("Example M192 192GB", 590e12, 3.9e12, 50e9, 750, 2.6),
)
PROVIDERS = ("north", "harbour", "cumulus", "lowland", "quarry", "")


def cases(count: int) -> list[tuple[Case, Metric, Work]]:
    """The first ``count`` cases of a plausible suite, all benchmarks among the first twelve."""
    by_kind = [list(_gemms()), list(_memories()), list(_attentions()), list(_links()), list(_latencies())]
    made = [kind[turn] for turn in range(max(map(len, by_kind))) for kind in by_kind if turn < len(kind)]
    return made[:count]


def _gemms() -> Iterator[tuple[Case, Metric, Work]]:
    for n in (8192, 4096, 16384, 2048, 1024, 12288, 6144, 3072):
        for dtype in ("bf16", "e4m3", "fp32", "fp64"):
            work = Work(flops=2.0 * n**3, read=2.0 * n * n * SIZES[dtype], written=1.0 * n * n * SIZES[dtype])
            yield Case.of("gemm", m=n, n=n, k=n, dtype=dtype, data="normal"), Metric.FLOPS, work


def _memories() -> Iterator[tuple[Case, Metric, Work]]:
    for power in (31, 30, 29, 28, 27, 26):
        for op in ("copy", "triad", "read", "write", "add", "scale"):
            nbytes = 1 << power
            yield Case.of("memory", op=op, bytes=nbytes), Metric.BANDWIDTH, Work(read=nbytes / 2, written=nbytes / 2)


def _attentions() -> Iterator[tuple[Case, Metric, Work]]:
    for seq in (16384, 8192, 4096, 2048, 1024):
        for causal in (True, False):
            flops = 4.0 * 32 * seq * seq * 128 * (0.5 if causal else 1.0)
            work = Work(flops=flops, read=6.0 * seq * 128 * 32, written=2.0 * seq * 128 * 32)
            params = {"dtype": "bf16", "causal": causal, "heads": 32, "kv_heads": 32, "head_dim": 128, "batch": 1}
            yield Case.of("attention", seq=seq, **params), Metric.FLOPS, work


def _links() -> Iterator[tuple[Case, Metric, Work]]:
    for power in (30, 26, 24, 20):
        for way in ("h2d", "d2h", "both"):
            work = Work(read=float(1 << power))
            yield Case.of("transfer", direction=way, host="pinned", bytes=1 << power), Metric.BANDWIDTH, work


def _latencies() -> Iterator[tuple[Case, Metric, Work]]:
    for power in range(16, 33):
        yield Case.of("latency", bytes=1 << power), Metric.LATENCY, Work(steps=131071.0)


def publications(machines: int, tests: int, seed: int = 1) -> Iterator[Publication]:
    """``machines`` publications of ``tests`` cases each, one after the other; every tenth tells no price."""
    rng = random.Random(seed)
    chosen = cases(tests)
    for number in range(machines):
        yield _publication(number, rng, chosen)


def exhibits(machines: int, tests: int, seed: int = 1) -> list[Exhibit]:
    """The same, labelled, of every level."""
    made = []
    for number, one in enumerate(publications(machines, tests, seed)):
        offer = one.offer
        label = f"{one.machine.name}{f' · {offer.provider}' if offer and offer.provider else ''} #{number + 1}"
        level = (Level.SELF_REPORTED, Level.SIGNED, Level.SELF_REPORTED, Level.INDEPENDENT)[number % 4]
        made.append(Exhibit(one, label, level, "someone" if level is not Level.SELF_REPORTED else ""))
    return made


def _publication(number: int, rng: random.Random, chosen: list[tuple[Case, Metric, Work]]) -> Publication:
    model = MODELS[(3 * number + 2) % len(MODELS)]
    provider = PROVIDERS[rng.randrange(len(PROVIDERS))]
    quality = {"flops": rng.gauss(1.0, 0.012), "memory": rng.gauss(1.0, 0.004), "link": rng.gauss(1.0, 0.02)}
    capped = rng.random() < 0.06
    if capped:
        quality["flops"] *= 0.82
    limit = f"{model.watts * (0.7 if capped else 1.0):.0f} W"
    offer = Offer(provider, f"{provider}.x1", "eu", 1, round(model.usd * rng.uniform(0.8, 1.3), 2), "on-demand",
                  f"2026-0{1 + number % 9}-15", f"https://prices.example/{provider}")  # fmt: skip
    return Publication(
        schema=PUBLIC_SCHEMA,
        id=f"2026{1 + number % 9:02d}15-{number:06d}-scale-{rng.randrange(1 << 16):04x}",
        origin=Origin.MEASURED,
        machine=Machine(f"{rng.getrandbits(64):016x}", model.name, model.name.lower().replace(" ", "-"), 1, {
            "gpu": {"name": model.name, "driver": ("575.57", "580.65", "580.95")[rng.randrange(3)],
                    "power limit": limit, "ecc": "on" if "GB" in model.name else "off", "mig": "off"},
            "processor": {"model": f"Example CPU {9000 + rng.randrange(3)}", "cores usable": "32"},
            "system": {"system": "Example Linux 12", "kernel": f"6.{rng.randrange(1, 9)}.0"},
        }),
        started=f"2026-{1 + number % 9:02d}-15T0{number % 10}:00:00+00:00",
        suite="full",
        results=tuple(_score(case, metric, work, model, quality, rng) for case, metric, work in chosen),
        version="0.2.0",
        code=f"{rng.randrange(2):064x}",
        backend="cuda",
        runs=RUNS,
        roof=Roof({name: rate * quality["flops"] * 1.08 for name, rate in model.flops.items()},
                  model.memory * quality["memory"] * 1.02),
        offer=offer if number % 10 != 9 else None,
        digest=f"{rng.getrandbits(256):064x}",
    )  # fmt: skip


def _score(
    case: Case, metric: Metric, work: Work, model: Model, quality: dict[str, float], rng: random.Random
) -> Score:
    implementation = {"gemm": "cublaslt", "attention": "flash", "latency": "chase"}.get(case.benchmark, "copy")
    score = Score(case, implementation, "", metric, Status.OK, work, backend="cuda", cache="cold", sync="none")
    luck = rng.random()
    if luck < 0.01:
        status, reason = (
            (Status.FAILED, "It could not be measured.") if luck < 0.007 else (Status.REJECTED, "The result was wrong.")
        )
        return replace(score, status=status, reason=reason)
    true = _true(case, model, quality)
    noise = 0.0006 if case.benchmark == "memory" else 0.0025
    values = tuple(true * math.exp(rng.gauss(0.0, noise)) for _ in range(RUNS))
    found = estimate_quickly(values)
    seconds = [work.steps * v if metric is Metric.LATENCY else max(work.flops, work.bytes) / v for v in values]
    rate = metric.quantity(work, seconds[0])
    return replace(
        score,
        runs=RUNS,
        value=found[0],
        low=found[1],
        high=found[2],
        interval=f"{RUNS} runs",
        run_values=values,
        conditions={"power": round(model.watts * rng.uniform(0.7, 0.98), 1), "sm_clock": 1.7e9 * rng.uniform(0.9, 1)},
        best=True,
        caveats=(Caveat("POWER_CAP", ""),) if luck > 0.97 else (Caveat("CONTENDED", ""),) if luck > 0.96 else (),
        joules=model.watts * seconds[0] if rate else None,
        samples=tuple(Quantiles(60, s * 0.998, s * 0.999, s, s * 1.002, s * 1.01) for s in seconds),
    )


def estimate_quickly(values: tuple[float, ...]) -> tuple[float, float, float]:
    """``statistics.runs.estimate`` for exactly ``RUNS`` values, a hundred thousand times."""
    logs = [math.log(value) for value in values]
    mean = sum(logs) / RUNS
    half = 2.7764451051977934 * math.sqrt(sum((log - mean) ** 2 for log in logs) / (RUNS - 1) / RUNS)
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def _true(case: Case, model: Model, quality: dict[str, float]) -> float:
    params = dict(case.params)
    if case.benchmark == "gemm":
        n = float(params["n"])
        return model.flops[str(params["dtype"])] * quality["flops"] * n / (n + 700)
    if case.benchmark == "attention":
        seq = float(params["seq"])
        return model.flops["bf16"] * quality["flops"] * 0.72 * seq / (seq + 900) * (0.93 if params["causal"] else 1)
    if case.benchmark == "memory":
        nbytes = float(params["bytes"])
        share = {"read": 0.95, "write": 0.9, "copy": 0.91, "scale": 0.91, "add": 0.93, "triad": 0.93}[str(params["op"])]
        return model.memory * quality["memory"] * share * nbytes / (nbytes + 4e6)
    if case.benchmark == "transfer":
        nbytes = float(params["bytes"])
        return model.link * quality["link"] * nbytes / (nbytes + 2e6) * (1.8 if params["direction"] == "both" else 1)
    return model.latency * (0.3 + 0.7 * min(1.0, float(params["bytes"]) / 2**25)) / quality["memory"]


def published(name: str, values: dict[str, float]) -> Exhibit:
    """A figure that somebody published: one number by key of the case, no run behind it."""
    known = {case.key: (case, metric, work) for case, metric, work in cases(200)}
    results = tuple(
        Score(*known[key][:1], "published", "", known[key][1], Status.OK, known[key][2], value=value,
              source="https://figures.example/table-3")
        for key, value in values.items()
    )  # fmt: skip
    machine = Machine("", name, name.lower().replace(" ", "-"))
    return Exhibit(
        Publication(PUBLIC_SCHEMA, f"published-{name.lower().replace(' ', '-')}", Origin.PUBLISHED, machine,
                    "2026-01-01", "", results, tool="a vendor's sheet", source="https://figures.example/table-3"),
        f"{name} (published)",
    )  # fmt: skip
