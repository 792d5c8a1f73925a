"""Scores of a suite of training that never ran: messages and overlaps with chosen times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchsuite import catalog, discovery, patterns
from benchsuite.model import Case, Metric, Parallelism, Pattern, Score, Status
from benchsuite.statistics.runs import estimate


def pattern(kind: Parallelism, model: str, tokens: int = 4096) -> Pattern:
    setup = patterns.Setup(catalog.load().models[model], tokens)
    return Pattern(kind, model, tokens, "bf16", "fp32", patterns.messages(kind, setup))


def case(name: str, nbytes: int, ranks: int, **params: str | int) -> Case:
    first = {axis.name: axis.values[0] for axis in discovery.discover()[name].axes}
    return Case.of(name, ranks, **{**first, "bytes": nbytes, **params})


def score(of: Case, seconds: Sequence[float], implementation: str = "mpi") -> Score:
    """A verified score with a run of each time."""
    benchmark = discovery.discover()[of.benchmark]
    work = benchmark.work(of)
    values = tuple(benchmark.metric.quantity(work, each) for each in seconds)
    over = estimate(values)
    value, low, high = (over.value, over.low, over.high) if over else (values[0], values[0], values[0])
    return Score(
        of, implementation, "mpi", benchmark.metric, Status.OK, work, len(values), value, low, high, run_values=values
    )


def failed(of: Case, status: Status, reason: str) -> Score:
    benchmark = discovery.discover()[of.benchmark]
    return Score(of, "mpi", "mpi", benchmark.metric, status, benchmark.work(of), reason=reason)


def sent(of: Pattern, ranks: int, seconds: Sequence[float] = (1e-3, 1e-3, 1e-3)) -> list[Score]:
    """Every message of a pattern in the same time."""
    sizes = dict.fromkeys((one.benchmark, one.bytes) for one in of.messages)
    return [score(case(name, nbytes, ranks), seconds) for name, nbytes in sizes]


def overlap(times: Mapping[str, Sequence[float]], ranks: int = 2, n: int = 1024) -> list[Score]:
    """A score for each part."""
    made = [(case("overlap", 1 << 20, ranks, part=part, n=n), seconds) for part, seconds in times.items()]
    assert all(discovery.discover()[of.benchmark].metric is Metric.LATENCY for of, _ in made)
    return [score(of, seconds) for of, seconds in made]
