"""Scores as a pandas table: for notebooks, and for the CSV an analyst takes along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchsuite.model import Score
from benchsuite.reading import printable

if TYPE_CHECKING:
    from pandas import DataFrame

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def frame(scores: Sequence[Score]) -> DataFrame:
    """One row a task: benchmark, parameters (a column each), ranks, implementation, value and interval in SI units."""
    import pandas

    rows = [
        {
            "benchmark": score.case.benchmark,
            **dict(score.case.params),
            "ranks": score.case.ranks,
            "implementation": score.implementation,
            "provider": score.provider,
            "status": score.status.value,
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "unit": score.metric.value,
            "runs": score.runs,
            "of_ceiling": score.of_ceiling,
            "best": score.best,
            "notes": " ".join(caveat.code for caveat in score.caveats),
            "reason": score.reason,
        }
        for score in scores
    ]
    return pandas.DataFrame(rows)


def csv(scores: Sequence[Score]) -> str:
    """The table as CSV; a text that a spreadsheet would take for a formula gets a ``'`` before it (OWASP)."""
    table = frame(scores)
    for name in table.columns:
        if any(isinstance(value, str) for value in table[name]):
            table[name] = [_harmless(value) for value in table[name]]
    table.columns = [_harmless(name) for name in table.columns]
    return str(table.to_csv(index=False))


def _harmless(value: Any) -> Any:
    """A number as it is; a text without line breaks and other hidden characters, and never a formula."""
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value.startswith(FORMULA) else printable(value)
