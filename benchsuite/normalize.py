"""Records -> scores: runs become one value with an interval, and the value a fraction of what the machine can do.

The ceiling is the roofline of Williams, Waterman & Patterson (2009) over ceilings measured in the
same campaign: time can be no less than flops / peak and bytes / bandwidth, whichever is more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from statistics import median

from benchsuite.catalog import gpus, load
from benchsuite.catalog.user import configured
from benchsuite.errors import DataError
from benchsuite.model import (
    Benchmark,
    Case,
    Caveat,
    Metric,
    Plan,
    Quantiles,
    Record,
    Score,
    Spread,
    Status,
    Summary,
    Work,
)
from benchsuite.reportable import unreportable
from benchsuite.statistics.components import components
from benchsuite.statistics.runs import estimate

DRAM_MULTIPLE = 4
"""A working set this many last-level caches large is served by memory, not by a cache."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The machine's measured limits: FLOP/s by element type, and memory bytes per second.

    probes: which implementation reached each FLOP rate, since it says what kind of ceiling that is.
    """

    flops: Mapping[str, float] = field(default_factory=dict)
    bandwidth: float | None = None
    probes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Card:
    """The GPU that was measured: its datasheet, and the processors it really has."""

    gpu: gpus.Gpu
    processors: int


def card(facts: Mapping[str, Mapping[str, str]]) -> Card | None:
    """The card that a campaign's facts name; ``None`` without a GPU, or for one that the catalogue does not know.

    A user's own cards are known by the files that no command names (``catalog.user.configured``).
    """
    told = facts.get("gpu", {})
    processors, memory = (int(told.get(name, "0") or 0) for name in ("processors", "memory bytes"))
    found = gpus.named(told.get("name", ""), memory, processors, _cards() if told else None)
    return Card(found, processors or found.processors) if found else None


def _cards() -> Iterable[gpus.Gpu] | None:
    """The shipped cards and the user's own; a user's file that cannot be read must not take a datasheet away: whoever
    looks at the catalogue is told of it."""
    if not configured():
        return None
    try:
        return load().accelerators.values()
    except DataError:
        return None


def scores(
    records: Iterable[Record],
    plan: Plan,
    benchmarks: Mapping[str, Benchmark],
    cache: int,
    measured: Card | None = None,
) -> tuple[list[Score], Ceilings]:
    """One score per task of the plan, skips included, in the plan's order, and the ceilings used.

    ``cache``: the last-level cache in bytes; ``measured``: the GPU, whose datasheet is a further denominator.
    """
    by_task: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        by_task.setdefault((record.case.key, record.implementation), []).append(record)
    made = [
        _score(by_task[task.case.key, task.implementation])
        for task in plan.tasks
        if (task.case.key, task.implementation) in by_task
    ]
    ceilings = measured_ceilings(made, benchmarks, cache)
    tags = {name: item.tags for name, item in benchmarks.items()}
    made = [_against(score, ceilings, cache, tags.get(score.case.benchmark, frozenset())) for score in _best(made)]
    if measured is not None:
        made = [_on_paper(score, measured, tags.get(score.case.benchmark, frozenset())) for score in made]
    skipped = [_skip(skip.case, skip.implementation, skip.reason, benchmarks) for skip in plan.skips]
    return made + skipped, ceilings


def measured_ceilings(made: Sequence[Score], benchmarks: Mapping[str, Benchmark], cache: int) -> Ceilings:
    """The best verified value of each benchmark tagged ``ceiling``; memory only well beyond the cache."""
    flops: dict[str, float] = {}
    probes: dict[str, str] = {}
    bandwidth: float | None = None
    for score in made:
        benchmark = benchmarks.get(score.case.benchmark)
        if score.value is None or benchmark is None or "ceiling" not in benchmark.tags:
            continue
        params = dict(score.case.params)
        if score.metric is Metric.FLOPS:
            name = str(params.get("dtype", "fp64"))
            if score.value > flops.get(name, 0.0):
                flops[name], probes[name] = score.value, score.implementation
        elif score.metric is Metric.BANDWIDTH and int(params.get("bytes", 0)) >= DRAM_MULTIPLE * cache:
            bandwidth = max(bandwidth or 0.0, score.value)
    return Ceilings(flops, bandwidth, probes)


def attainable(metric: Metric, work: Work, dtype: str, ceilings: Ceilings) -> tuple[float, str] | None:
    """Least seconds of ``work`` under the known ceilings, and which one binds.

    ``None`` when the ceiling of the metric itself is not known: of a FLOP rate the arithmetic, of a
    bandwidth the memory. A missing second ceiling only leaves the limit looser.
    """
    limits: dict[Metric, tuple[float, str]] = {}
    if work.flops > 0 and dtype in ceilings.flops:
        limits[Metric.FLOPS] = (work.flops / ceilings.flops[dtype], _arithmetic(dtype, ceilings))
    if work.bytes > 0 and ceilings.bandwidth is not None:
        limits[Metric.BANDWIDTH] = (work.bytes / ceilings.bandwidth, "memory bandwidth")
    return max(limits.values()) if metric in limits else None


def _arithmetic(dtype: str, ceilings: Ceilings) -> str:
    """``"bf16 arithmetic by mma.sync"``: an instruction that cannot reach the chip's peak must not pass for it."""
    probe = ceilings.probes.get(dtype, "")
    return f"{dtype} arithmetic by {probe}" if "mma" in probe else f"{dtype} arithmetic"


def _score(records: Sequence[Record]) -> Score:
    """One task over its runs. One wrong result anywhere and the task has no number."""
    last = records[-1]
    score = Score(
        case=last.case,
        implementation=last.implementation,
        provider=next((record.provider for record in records if record.provider), ""),
        metric=last.metric,
        status=Status.OK,
        work=last.work,
        caveats=_caveats(records),
        conditions=_conditions(records),
    )
    for status in (Status.REJECTED, Status.FAILED, Status.SKIPPED):
        bad = next((record for record in records if record.status is status), None)
        if bad is not None:
            score = replace(score, status=status, reason=f"run {bad.run + 1}: {bad.reason}")
            return replace(score, unreportable=unreportable(score))
    return _valued(score, records)


def _valued(score: Score, records: Sequence[Record]) -> Score:
    summaries = [record.summary for record in records if record.summary is not None]
    score = replace(_in_its_mode(score, records), spread=_spread(records, summaries), joules=_joules(records))
    score = replace(score, samples=tuple(_quantiles(summary) for summary in summaries))
    values = tuple(score.metric.quantity(score.work, summary.median) for summary in summaries)
    over_runs = estimate(values)
    if over_runs is not None:
        value, low, high, kind = over_runs.value, over_runs.low, over_runs.high, f"{len(values)} runs"
    else:
        ends = [score.metric.quantity(score.work, seconds) for seconds in (summaries[0].low, summaries[0].high)]
        value, low, high, kind = values[0], min(ends), max(ends), "this run only"
    score = replace(score, runs=len(values), value=value, low=low, high=high, interval=kind, run_values=values)
    return replace(score, unreportable=unreportable(score))


def _in_its_mode(score: Score, records: Sequence[Record]) -> Score:
    """With what measured it, whether its buffers rotated beyond the cache, and how its ranks began together."""
    samples = [record.samples for record in records if record.samples is not None]
    return replace(
        score,
        backend=_all_of(record.backend for record in records),
        cache=_all_of("hot" if one.sets == 1 else "cold" for one in samples),
        sync=_all_of(one.sync for one in samples),
    )


def _spread(records: Sequence[Record], summaries: Sequence[Summary]) -> Spread | None:
    """The components of the variance, with what a run costs before its first sample."""
    found = components(summaries)
    samples = [record.samples for record in records if record.samples is not None]
    if found is None:
        return None
    spent = median(one.setup_seconds + one.iterations * sum(one.warmup) for one in samples)
    independent = median(one.iterations * sum(one.seconds) for one in samples) / found.samples
    return replace(found, cost=spent / independent)


def _quantiles(summary: Summary) -> Quantiles:
    return Quantiles(summary.n, summary.minimum, summary.p5, summary.median, summary.p95, summary.maximum)


def _joules(records: Sequence[Record]) -> float | None:
    """Energy of one iteration, the median over runs: of the card that measured, or of the processor."""
    told = [(record.backend, one) for record in records if record.samples is not None for one in record.samples.energy]
    sources = {"host": "package", "cuda": "gpu"}
    found = [one.per_iteration for backend, one in told if one.source == sources.get(backend)]
    known = [joules for joules in found if joules is not None]
    return median(known) if known else None


def _all_of(words: Iterable[str]) -> str:
    return " and ".join(sorted(set(words)))


def _conditions(records: Sequence[Record]) -> Mapping[str, float]:
    """The median over runs of what the sensors said; of the throttle bits, all that were ever set."""
    told = [record.samples.conditions for record in records if record.samples is not None]
    names = sorted({name for each in told for name in each} - {"throttle"})
    found = {name: median([each[name] for each in told if name in each]) for name in names}
    bits = [int(each["throttle"]) for each in told if "throttle" in each]
    return {**found, "throttle": float(reduce(or_, bits))} if bits else found


def _caveats(records: Sequence[Record]) -> tuple[Caveat, ...]:
    """Each caveat once, with how many runs it concerns."""
    texts: dict[str, list[str]] = {}
    for record in records:
        for caveat in record.caveats:
            texts.setdefault(caveat.code, []).append(caveat.text)
    count = len(records)
    return tuple(
        Caveat(code, found[0] if count == 1 else f"{found[0]} ({len(found)} of {count} runs)")
        for code, found in texts.items()
    )


def _best(made: Sequence[Score]) -> list[Score]:
    """Mark the fastest verified implementation of each case."""
    fastest: dict[str, Score] = {}
    for score in made:
        if score.value is None:
            continue
        rival = fastest.get(score.case.key)
        if rival is None or rival.value is None or _better(score, score.value, rival.value):
            fastest[score.case.key] = score
    return [replace(score, best=fastest.get(score.case.key) is score) for score in made]


def _better(score: Score, value: float, rival: float) -> bool:
    return value > rival if score.metric.higher_is_better else value < rival


def _against(score: Score, ceilings: Ceilings, cache: int, tags: frozenset[str]) -> Score:
    """Place a score under the roofline. Work that a cache or a link may serve has no memory ceiling."""
    params = dict(score.case.params)
    fits_cache = "bytes" in params and int(params["bytes"]) < DRAM_MULTIPLE * cache
    if score.value is None or score.metric not in {Metric.FLOPS, Metric.BANDWIDTH} or fits_cache:
        return score
    if score.metric is Metric.BANDWIDTH and "dram" not in tags:
        return score
    limit = attainable(score.metric, score.work, str(params.get("dtype", "fp64")), ceilings)
    if limit is None:
        return score
    ceiling = score.metric.quantity(score.work, limit[0])
    return replace(score, ceiling=ceiling, of_ceiling=score.value / ceiling, ceiling_name=limit[1])


def _on_paper(score: Score, measured: Card, tags: frozenset[str]) -> Score:
    """Set a score against the datasheet, and a compute rate against the datasheet's peak at the clock really held."""
    if score.value is None:
        return score
    if score.metric is Metric.BANDWIDTH and "dram" in tags and score.ceiling is not None:
        return replace(score, of_datasheet=score.value / measured.gpu.bandwidth)
    dtype, clock = str(dict(score.case.params).get("dtype", "")), score.conditions.get("sm_clock", 0.0)
    peak = measured.gpu.rates.get(dtype)
    if score.metric is not Metric.FLOPS or peak is None:
        return score
    held = measured.gpu.at_clock(dtype, clock, measured.processors) if clock > 0.0 else None
    return replace(score, of_datasheet=score.value / peak, of_clock=score.value / held if held else None)


def _skip(case: Case, implementation: str, reason: str, benchmarks: Mapping[str, Benchmark]) -> Score:
    benchmark = benchmarks.get(case.benchmark)
    metric = benchmark.metric if benchmark else Metric.FLOPS
    work = benchmark.work(case) if benchmark else Work()
    return Score(case, implementation, "", metric, Status.SKIPPED, work, reason=reason)
