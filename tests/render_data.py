"""A campaign that never ran: every family, two that went wrong, and numbers a small machine might give."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from benchsuite import discovery, normalize, units
from benchsuite.model import (
    Case,
    Caveat,
    Metric,
    Plan,
    Policy,
    Record,
    Samples,
    Score,
    Skip,
    Status,
    Summary,
    Task,
    Work,
)
from benchsuite.render.view import CampaignView

CACHES = {"L1d": 48 * units.KIB, "L2": 2 * units.MIB, "L3": 32 * units.MIB}
CORES = 4
PEAKS = {"fp32": 512e9, "fp64": 256e9}
DRAM = 41e9
QUESTIONS = {
    "gemm": "How fast is a matrix multiplication?",
    "memory": "How fast do the cores read and write memory, from the first-level cache to DRAM?",
    "latency": "How long does one load take when the next address depends on it?",
}
FACTS = {
    "processor": {
        "model": "Example CPU 9000 @ 2.60GHz",
        "cores usable": str(CORES),
        "cache L1d": "48 KiB",
        "cache L2": "2 MiB",
        "cache L3": "32 MiB",
        "vector extensions": "avx2, avx512f, avx512_bf16",
        "virtual machine": "yes",
    },
    "memory": {"usable": "15.6 GiB", "transparent huge pages": "madvise"},
    "system": {"system": "Debian GNU/Linux 12", "kernel": "6.1.0", "Python": "3.12.3"},
    "packages": {"numpy": "2.3.1", "scipy": "1.16.0", "torch": "2.8.0"},
}
Timed = tuple[Case, str, Metric, Work, float]
"""Case, implementation, metric, work of one iteration, and its value in SI units."""


def gemm(m: int, n: int, k: int, dtype: str, implementation: str, value: float) -> Timed:
    size = {"fp64": 8, "fp32": 4, "bf16": 2, "int8": 1}[dtype]
    work = Work(flops=2.0 * m * n * k, read=float(size * (m * k + k * n)), written=float(size * m * n))
    return Case.of("gemm", m=m, n=n, k=k, dtype=dtype), implementation, Metric.FLOPS, work, value


def gemms() -> Iterator[Timed]:
    for size, share in ((256, 0.62), (1024, 0.88), (2048, 0.93)):
        for name, factor in (("numpy", 1.0), ("torch", 0.97), ("mkl", 1.01)):
            yield gemm(size, size, size, "fp32", name, PEAKS["fp32"] * share * factor)
    for name, factor in (("numpy", 0.9), ("torch", 0.91)):
        yield gemm(1024, 1024, 1024, "fp64", name, PEAKS["fp64"] * factor)
        yield gemm(512, 4096, 1024, "fp32", name, PEAKS["fp32"] * factor * 0.96)
    yield gemm(1024, 1024, 1024, "bf16", "torch-bf16", 310e9)
    yield gemm(1024, 1024, 1024, "int8", "torch-int8", 780e9)


def attentions() -> Iterator[Timed]:
    for causal, heads, kv, dim, seq in ((True, 8, 8, 64, 1024), (False, 8, 2, 128, 2048)):
        flops = 4.0 * heads * seq * seq * dim * (0.5 if causal else 1.0)
        work = Work(flops=flops, read=4.0 * seq * dim * (heads + 2 * kv), written=4.0 * seq * dim * heads)
        case = Case.of(
            "attention", dtype="fp32", causal=causal, batch=1, heads=heads, kv_heads=kv, head_dim=dim, seq=seq
        )
        for name, share in (("tiled", 0.52), ("torch", 0.41), ("numpy", 0.12)):
            yield case, name, Metric.FLOPS, work, PEAKS["fp32"] * share
    for context, heads, kv in ((8192, 8, 8), (32768, 32, 8)):
        nbytes = 4.0 * 2 * context * kv * 128
        work = Work(flops=4.0 * heads * context * 128, read=nbytes, written=4.0 * heads * 128)
        case = Case.of("decode", dtype="fp32", batch=1, heads=heads, kv_heads=kv, head_dim=128, context=context)
        for name, share in (("split", 0.93), ("torch", 0.55)):
            yield case, name, Metric.BANDWIDTH, work, DRAM * share


def memories() -> Iterator[Timed]:
    peaks = {"read": 1.0, "write": 0.55, "copy": 0.8, "scale": 0.78, "add": 0.86, "triad": 0.88}
    for op, factor in peaks.items():
        for nbytes in (units.KIB << power for power in range(4, 21)):
            level = next((i for i, end in enumerate((192 << 10, 8 << 20, 32 << 20)) if nbytes <= end), 3)
            value = (890e9, 410e9, 160e9, DRAM)[level] * factor
            work = Work(flops=nbytes / 12, read=nbytes * 2 / 3, written=nbytes / 3)
            case = Case.of("memory", op=op, bytes=nbytes)
            yield case, "stream", Metric.BANDWIDTH, work, value
            if nbytes >= 256 << 20 and op != "read":
                yield case, "stream-nt", Metric.BANDWIDTH, work, value * 1.12


def latencies() -> Iterator[Timed]:
    for power in range(4, 19):
        nbytes = units.KIB << power
        level = next((i for i, end in enumerate((48 << 10, 2 << 20, 32 << 20)) if nbytes <= end), 3)
        seconds = (1.6e-9, 5.2e-9, 21e-9, 96e-9)[level] * (1 + power / 60)
        yield Case.of("latency", bytes=nbytes), "chase", Metric.LATENCY, Work(steps=131071.0), seconds


def allreduces() -> Iterator[Timed]:
    for power in (3, 6, 10, 13, 16, 18, 20, 22, 24, 26, 28):
        nbytes = 1 << power
        for name, start, rate in (("mpi", 2.1e-6, 6.3e9), ("ring", 6.8e-6, 7.4e9), ("doubling", 3.0e-6, 3.9e9)):
            work = Work(payload=float(nbytes), wire=nbytes * 1.5, read=float(nbytes), written=float(nbytes))
            seconds = start + nbytes * 1.5 / rate
            case = Case.of("allreduce", ranks=4, dtype="fp32", bytes=nbytes)
            yield case, name, Metric.BUSBW, work, work.wire / seconds


def probes() -> Iterator[Timed]:
    for dtype, value in PEAKS.items():
        yield Case.of("fma", dtype=dtype), "registers", Metric.FLOPS, Work(flops=1.2e10), value


def everything() -> list[Timed]:
    return [*probes(), *gemms(), *attentions(), *memories(), *latencies(), *allreduces()]


def seconds_of(metric: Metric, work: Work, value: float) -> float:
    amount = {Metric.FLOPS: work.flops, Metric.BANDWIDTH: work.bytes, Metric.BUSBW: work.wire}
    return value * work.steps if metric is Metric.LATENCY else amount[metric] / value


def record(timed: Timed, run: int, random_: random.Random, *, samples: int = 24) -> Record:
    """A verified record whose samples scatter by 1 %, with now and then a late one."""
    case, implementation, metric, work, value = timed
    middle = seconds_of(metric, work, value) * random_.gauss(1.0, 0.004)
    seconds = tuple(
        middle * (1 + abs(random_.gauss(0, 0.01)) + 0.4 * (random_.random() > 0.97)) for _ in range(samples)
    )
    made = Record(
        campaign="20260102-030405-example-beef",
        run=run,
        position=0,
        case=case,
        implementation=implementation,
        provider="",
        backend="host",
        metric=metric,
        status=Status.OK,
        work=work,
        started="2026-01-02T03:04:05.678+00:00",
        samples=Samples(seconds, iterations=3, conditions={"readings": 20.0}),
        summary=summary(seconds),
    )
    if case.benchmark == "memory" and run == 1 and value > 800e9:
        return replace(made, caveats=(Caveat("CONTENDED", "Other processes used 0.4 cores while this was measured."),))
    return made


def summary(seconds: Sequence[float]) -> Summary:
    ordered = sorted(seconds)
    return Summary(
        n=len(ordered),
        median=median(ordered),
        low=ordered[len(ordered) // 4],
        high=ordered[-len(ordered) // 4],
        confidence=0.99,
        minimum=ordered[0],
        p5=ordered[0],
        p95=ordered[-2:][0],
        maximum=ordered[-1],
        mad=ordered[0] * 0.01,
        lag1=0.0,
        n_effective=float(len(ordered)),
        outliers_mild=0,
        outliers_severe=0,
    )


def records(timed: Sequence[Timed], runs: int = 3, samples: int = 24) -> list[Record]:
    random_ = random.Random(1)
    return [record(one, run, random_, samples=samples) for run in range(runs) for one in timed]


def bad(timed: Timed, status: Status, reason: str) -> Record:
    """A record without a number."""
    made = record(timed, 0, random.Random(2))
    return replace(made, status=status, samples=None, summary=None, reason=reason)


TROUBLE = (
    bad(gemm(512, 512, 512, "fp32", "mkl", 1e9), Status.REJECTED, "c[17, 3] is 0.31 off, allowed are 0.0024"),
    bad(gemm(512, 512, 512, "fp64", "torch", 1e9), Status.FAILED, "the process ended with exit code 139"),
)
SKIPS = (
    Skip(Case.of("allreduce", ranks=8, dtype="fp32", bytes=8), "nccl", "no CUDA device"),
    Skip(Case.of("gemm", m=16384, n=16384, k=16384, dtype="fp64"), "numpy", "needs 6 GiB of 3 GiB usable memory"),
)


def ceilings_of(scores: Sequence[Score]) -> normalize.Ceilings:
    """The ceilings measured among the scores."""
    return normalize.measured_ceilings(scores, discovery.discover(), CACHES["L3"])


def scores_of(made: Sequence[Record]) -> list[Score]:
    """Scores as the pipeline makes them, against the ceilings among them."""
    tasks = tuple(dict.fromkeys(Task(one.case, one.implementation) for one in made))
    plan = Plan("example", Policy(), 1, tasks, (), ())
    cache = CACHES["L3"]
    return normalize.scores(made, plan, discovery.discover(), cache)[0]


def campaign(timed: Sequence[Timed] | None = None, *, runs: int = 3, trouble: bool = True) -> CampaignView:
    """The realistic campaign, or one of these tasks."""
    made = records(everything() if timed is None else timed, runs)
    made += TROUBLE if trouble else ()
    return view_of(made, runs)


def view_of(made: Sequence[Record], runs: int = 3) -> CampaignView:
    """The view of a campaign of these records."""
    scores = scores_of(made)
    return CampaignView(
        id="20260102-030405-example-beef",
        suite="quick",
        title="All four families in about a minute",
        started="2026-01-02T03:04:05.678+00:00",
        duration=70.0,
        version="0.1.0",
        command="benchsuite run quick --seed 7",
        seed=7,
        policy=Policy(runs=runs),
        facts=FACTS,
        scores=scores,
        ceilings=ceilings_of(scores),
        records=made,
        skips=SKIPS,
        caches=CACHES,
        questions=QUESTIONS,
        digest="0123abcd" * 8,
    )
