"""Builders of records and plans for tests that need results but no measurement."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite.model import Benchmark, Case, Outcome, Plan, Policy, Record, Samples, Task
from benchsuite.record import assemble

SECONDS = (1e-3, 1.01e-3, 0.99e-3, 1.02e-3, 0.98e-3, 1e-3, 1.005e-3, 0.995e-3, 1.015e-3)


def record(
    benchmark: Benchmark,
    case: Case,
    implementation: str = "good",
    *,
    run: int = 0,
    outcome: Outcome | None = None,
    seconds: Sequence[float] = SECONDS,
) -> Record:
    """A record as the pipeline makes it."""
    return assemble(
        benchmark,
        Task(case, implementation),
        outcome or Samples(tuple(seconds), iterations=4),
        campaign="20260102-030405-toys-beef",
        run=run,
        position=0,
        backend="fake",
        provider="scripted",
        started="2026-01-02T03:04:05+00:00",
    )


def plan_of(*tasks: tuple[Case, str], runs: int = 3) -> Plan:
    """A plan of these tasks."""
    made = tuple(Task(case, name) for case, name in tasks)
    return Plan("toys", Policy(runs=runs), 1, made, (), tuple(tuple(range(len(made))) for _ in range(runs)))
