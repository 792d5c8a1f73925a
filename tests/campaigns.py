"""A campaign that was never measured, with something of everything: for tests of what people see."""

from __future__ import annotations

from dataclasses import replace

from benchsuite import discovery, normalize
from benchsuite.model import Case, Caveat, Failed, Policy, Record, Rejected, Samples, Score, Skip
from benchsuite.normalize import Ceilings
from benchsuite.render.view import CampaignView
from tests.builders import plan_of, record

RUNS = 3
LLC = 32 << 20
DRAM = 1 << 28


def _cases() -> dict[tuple[Case, str], float]:
    """Task -> rate in the benchmark's metric."""
    found: dict[tuple[Case, str], float] = {
        (Case.of("fma", dtype="fp32"), "registers"): 230e9,
        (Case.of("fma", dtype="fp64"), "registers"): 115e9,
    }
    for size, rate in ((256, 150e9), (1024, 190e9)):
        for name, factor in (("numpy", 1.0), ("scipy", 0.98)):
            found[Case.of("gemm", m=size, n=size, k=size, dtype="fp32"), name] = rate * factor
    for causal in (False, True):
        shape = {"batch": 1, "heads": 8, "kv_heads": 8, "head_dim": 64, "seq": 1024, "dtype": "fp32"}
        found[Case.of("attention", causal=causal, **shape), "tiled"] = 180e9 if causal else 195e9
    shape = {"batch": 1, "heads": 32, "kv_heads": 8, "head_dim": 128, "context": 4096, "dtype": "fp32"}
    found[Case.of("decode", **shape), "split"] = 26e9
    for op, rate in (("read", 34e9), ("write", 40e9), ("copy", 45e9), ("scale", 45e9), ("add", 42e9), ("triad", 43e9)):
        found[Case.of("memory", op=op, bytes=DRAM), "stream-nt"] = rate
    for size, rate in ((24 << 10, 400e9), (384 << 10, 200e9), (6 << 20, 95e9), (24 << 20, 60e9)):
        found[Case.of("memory", op="read", bytes=size), "stream"] = rate
    for size, seconds in ((16 << 10, 1.4e-9), (256 << 10, 4.1e-9), (4 << 20, 20e-9), (DRAM, 170e-9)):
        found[Case.of("latency", bytes=size), "chase"] = seconds
    for name, factor in (("mpi", 1.0), ("ring", 1.3), ("doubling", 0.8)):
        for size, rate in ((8, 3e6), (1 << 16, 2e9), (1 << 20, 6e9), (1 << 24, 4e9)):
            found[Case.of("allreduce", 2, bytes=size, dtype="fp32"), name] = rate * factor
    return found


def records() -> list[Record]:
    """Three runs of every task: medians 1 % apart, a caveat here and there."""
    benchmarks, made = discovery.discover(), []
    for index, ((case, name), rate) in enumerate(_cases().items()):
        benchmark = benchmarks[case.benchmark]
        seconds = benchmark.metric.quantity(benchmark.work(case), 1.0) / rate
        if not benchmark.metric.higher_is_better:
            seconds = benchmark.work(case).steps * rate
        for run in range(RUNS):
            spread = [seconds * (1 + 0.01 * run + 0.002 * (sample % 7)) for sample in range(30)]
            caveats = (Caveat("CONTENDED", "Other processes ran."),) if index % 5 == 0 else ()
            made.append(record(benchmark, case, name, run=run, outcome=Samples(tuple(spread), 3, caveats=caveats)))
    return made


REJECTED = Case.of("gemm", m=512, n=512, k=512, dtype="fp32")
FAILED = Case.of("gemm", m=8192, n=8192, k=8192, dtype="fp32")
SKIPPED = Case.of("gemm", m=256, n=256, k=256, dtype="bf16")


def trouble() -> list[Record]:
    """A wrong result and a failure."""
    gemm = discovery.discover()["gemm"]
    return [
        record(gemm, REJECTED, "numpy", outcome=Rejected("3 of 512 compared values of c are wrong", where="c[1, 2]")),
        record(gemm, FAILED, "numpy", outcome=Failed("there was not enough memory", phase="setup")),
    ]


def scored(found: list[Record], skips: tuple[Skip, ...] = ()) -> tuple[list[Score], Ceilings]:
    """Scores as the pipeline makes them."""
    tasks = dict.fromkeys((each.case, each.implementation) for each in found)
    plan = replace(plan_of(*tasks), skips=skips)
    return normalize.scores(found, plan, discovery.discover(), LLC)


def view(found: list[Record] | None = None, **changes: object) -> CampaignView:
    """The campaign as the report gets it; ``changes`` replace fields."""
    found = [*records(), *trouble()] if found is None else found
    skips = (Skip(SKIPPED, "torch-bf16", "needs torch, which this machine does not offer"),)
    scores, ceilings = scored(found, skips)
    made = CampaignView(
        id="20260102-030405-quick-beef",
        suite="quick",
        title="All four families",
        started="2026-01-02T03:04:05+00:00",
        version="0.1.0",
        command="benchsuite run quick --seed 1",
        seed=1,
        backend="host",
        policy=Policy(),
        facts={"processor": {"model": "Example 9000", "cores usable": "2"}, "memory": {"usable": "16 GiB"}},
        scores=scores,
        records=found,
        ceilings=ceilings,
        caches={"L1d": 32 << 10, "L2": 1 << 20, "L3": LLC},
        cores=2,
        questions={name: item.question for name, item in discovery.discover().items()},
        digest="0" * 64,
    )
    return replace(made, **changes)  # type: ignore[arg-type]
